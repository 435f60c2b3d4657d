//! Developers' chains that go back all the time: whatever was done, the trie of every block that is still there is the one of
//! its header, and tells what the state tells.

mod support;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256, map::HashMap};
use plasma_chain::{Chain, DevControl};
use plasma_storage::{Account, AccountChange, StateChanges, StateReader};
use proptest::{collection::vec, prelude::*};
use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use support::{invoke, lane_address, open, submit, transfer};

/// Addresses that are patched and called.
const PLACES: u8 = 4;

/// Stores its second word of input at its first.
const STORE: &[u8] = &[0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00];

/// Destroys itself (EIP-6780: only in the transaction that created it) and pays its caller.
const DESTROY: &[u8] = &[0x33, 0xff];

/// Init codes: store at slot 1 and become [`STORE`], store and destroy, fail.
const INITS: [&[u8]; 3] = [
    &[
        0x60, 0x07, 0x60, 0x01, 0x55, 0x67, 0x60, 0x20, 0x35, 0x60, 0x00, 0x35, 0x55, 0x00, 0x60,
        0x00, 0x52, 0x60, 0x08, 0x60, 0x18, 0xf3,
    ],
    &[0x60, 0x07, 0x60, 0x01, 0x55, 0x33, 0xff],
    &[0x60, 0x07, 0x60, 0x01, 0x55, 0xfe],
];

fn place(index: u8) -> Address {
    Address::repeat_byte(0x50 + index % PLACES)
}

fn patch(dev: &DevControl, address: Address, change: impl FnOnce(&mut AccountChange)) {
    let Ok(()) = dev
        .patch_state(|state| {
            let account = state.account(address).unwrap().unwrap_or_default();
            let mut changed = AccountChange { account: Some(account), ..AccountChange::default() };
            change(&mut changed);
            let mut changes = StateChanges::default();
            for code in [STORE, DESTROY] {
                changes.codes.insert(keccak256(code), Bytes::from_static(code));
            }
            changes.accounts.insert(address, changed);
            Ok::<_, Infallible>(changes)
        })
        .unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    /// A transfer from a sender to a place, or to nobody's address.
    Pay(usize, u8, u64),
    /// A call of a place with two words.
    Call(usize, u8, u8, u8),
    Create(usize, usize),
    Balance(u8, u64),
    Nonce(u8, u64),
    Code(u8, usize),
    Slot(u8, u8, u8),
    /// An account of a dump, in the place of the one that is there.
    Load(u8, u8, u8),
    /// What is pending becomes a tick of the open block.
    Tick,
    Mine(u64),
    Snapshot,
    Revert(usize),
    Reset,
    Flush,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0usize..2, 0u8..6, 0u64..3).prop_map(|(by, to, value)| Step::Pay(by, to, value)),
        4 => (0usize..2, 0..PLACES, 0u8..3, 0u8..3).prop_map(|(by, to, slot, value)| Step::Call(by, to, slot, value)),
        2 => (0usize..2, 0..INITS.len()).prop_map(|(by, init)| Step::Create(by, init)),
        2 => (0..PLACES, 0u64..2).prop_map(|(at, wei)| Step::Balance(at, wei)),
        1 => (0..PLACES, prop_oneof![Just(0), Just(1), Just(u64::MAX - 1)]).prop_map(|(at, nonce)| Step::Nonce(at, nonce)),
        3 => (0..PLACES, 0usize..3).prop_map(|(at, code)| Step::Code(at, code)),
        3 => (0..PLACES, 0u8..3, 0u8..3).prop_map(|(at, slot, value)| Step::Slot(at, slot, value)),
        2 => (0..PLACES, 0u8..3, 0u8..3).prop_map(|(at, slot, value)| Step::Load(at, slot, value)),
        2 => Just(Step::Tick),
        6 => (1u64..3).prop_map(Step::Mine),
        2 => Just(Step::Snapshot),
        2 => (0usize..3).prop_map(Step::Revert),
        1 => Just(Step::Reset),
        2 => Just(Step::Flush),
        1 => Just(Step::Restart),
    ];
    vec(step, 1..60)
}

/// A chain under test, with the snapshots that can be gone back to.
struct Run {
    dir: tempfile::TempDir,
    chain: Option<Chain>,
    snapshots: Vec<u64>,
    /// Contracts that were created.
    created: Vec<Address>,
}

impl Run {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let chain = Some(open(dir.path(), true, false));
        Self { dir, chain, snapshots: Vec::new(), created: Vec::new() }
    }

    fn chain(&self) -> &Chain {
        self.chain.as_ref().unwrap()
    }

    fn send(&mut self, by: usize, to: TxKind, input: Vec<u8>, value: u64) {
        let sender = lane_address(by);
        let chain = self.chain();
        let mined = chain.pending().state.account(sender).unwrap().unwrap_or_default().nonce;
        let nonce = chain.pool().next_nonce(sender, mined);
        let created = sender.create(nonce);
        let transaction = match to {
            TxKind::Call(to) if input.is_empty() => transfer(by, nonce, to, value),
            to => invoke(by, nonce, to, input.into()),
        };
        submit(chain, transaction);
        if to.is_create() {
            self.created.push(created);
        }
    }

    fn run(&mut self, step: Step) {
        let dev = || self.chain.as_ref().unwrap().dev().unwrap();
        match step {
            Step::Pay(by, to, value) => self.send(by, place(to).into(), Vec::new(), value),
            Step::Call(by, to, slot, value) => {
                let words = [B256::with_last_byte(slot), B256::with_last_byte(value)];
                self.send(by, place(to).into(), words.concat(), 0);
            }
            Step::Create(by, init) => self.send(by, TxKind::Create, INITS[init].to_vec(), 0),
            Step::Balance(at, wei) => patch(dev(), place(at), |change| {
                change.account.as_mut().unwrap().balance = U256::from(wei);
            }),
            Step::Nonce(at, nonce) => patch(dev(), place(at), |change| {
                change.account.as_mut().unwrap().nonce = nonce;
            }),
            Step::Code(at, code) => patch(dev(), place(at), |change| {
                let code = [None, Some(STORE), Some(DESTROY)][code];
                change.account.as_mut().unwrap().bytecode_hash = code.map(keccak256);
            }),
            Step::Slot(at, slot, value) => patch(dev(), place(at), |change| {
                change.storage.insert(U256::from(slot), U256::from(value));
            }),
            Step::Load(at, slot, value) => patch(dev(), place(at), |change| {
                change.account = Some(Account { nonce: 1, ..Account::default() });
                change.storage_wiped = true;
                change.storage.insert(U256::from(slot), U256::from(value));
            }),
            Step::Tick => {
                let _added = self.chain().tick().unwrap();
            }
            Step::Mine(blocks) => drop(dev().mine(blocks, None).unwrap()),
            Step::Snapshot => {
                let id = dev().snapshot().unwrap();
                self.snapshots.push(id);
            }
            Step::Revert(back) => {
                let Some(at) = self.snapshots.len().checked_sub(back + 1) else { return };
                let id = self.snapshots[at];
                assert!(dev().revert(id).unwrap(), "snapshot {id}");
                self.snapshots.truncate(at);
            }
            Step::Reset => {
                dev().reset().unwrap();
                self.snapshots.clear();
            }
            Step::Flush => self.chain().database().flush().unwrap(),
            Step::Restart => {
                self.chain = None;
                self.chain = Some(open(self.dir.path(), true, false));
                self.snapshots.clear();
            }
        }
    }

    /// Holds every block's trie against its header and against the state.
    fn check(&self) {
        let chain = self.chain();
        let places = (0..PLACES + 2).map(place).chain(self.created.iter().copied());
        let addresses: Vec<Address> = places.chain([lane_address(0), Address::ZERO]).collect();
        let slots: Vec<B256> = (0..3).map(B256::with_last_byte).collect();
        for number in 0..=chain.head().number() {
            let header = chain.block(number).unwrap().unwrap().header.clone();
            let fork = chain.fork(number).unwrap();
            assert_eq!(fork.root(), header.state_root, "block {number}");
            let state = chain.database().snapshot(number).unwrap();
            for address in &addresses {
                let proof = chain.proof(number, *address, &slots).unwrap();
                let proved = proof.account.map(|it| (it.nonce, it.balance));
                let told = state.account(*address).unwrap().map(|it| (it.nonce, it.balance));
                assert_eq!(proved, told, "{address} in block {number}");
                for slot in &proof.storage {
                    let told = state.storage(*address, slot.slot.into()).unwrap();
                    assert_eq!(slot.value, told, "{address} slot {} in block {number}", slot.slot);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_block_within_reach_has_the_root_of_its_header(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.run(step);
            run.check();
        }
    }
}

/// Readers ask for blocks that stay, while those above them come and go: there is no moment at which they get no answer.
#[test]
fn blocks_that_stay_are_proved_while_others_go() {
    const ROUNDS: u64 = 40;
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), true, false);
    let dev = chain.dev().unwrap();
    for nonce in 0..3 {
        submit(&chain, transfer(0, nonce, place(0), 1));
        dev.mine(1, None).unwrap();
    }
    let roots: HashMap<u64, B256> = (0..=3)
        .map(|number| (number, chain.block(number).unwrap().unwrap().header.state_root))
        .collect();
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for (number, root) in &roots {
                        let fork = match chain.fork(*number) {
                            Ok(fork) => fork,
                            Err(failure) => {
                                over.store(true, Ordering::Relaxed);
                                panic!("{failure}");
                            }
                        };
                        assert_eq!(fork.root(), *root, "block {number}");
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        for round in 0..ROUNDS {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let snapshot = dev.snapshot().unwrap();
            for block in 0..2 {
                patch(dev, place(1), |change| {
                    change.account.as_mut().unwrap().balance = U256::from(round * 2 + block + 1);
                });
                submit(&chain, transfer(1, block, place(2), round + 1));
                dev.mine(1, None).unwrap();
            }
            // Some of what goes is on disk already, some is not.
            if round % 2 == 0 {
                chain.database().flush().unwrap();
            }
            assert!(dev.revert(snapshot).unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(asked.into_inner() > 0);
}
