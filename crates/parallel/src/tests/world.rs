//! Random worlds: few accounts, few contracts, one batch of transactions among them.

use std::ops::Range;

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use proptest::{collection::vec, prelude::*};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::block::BlobExcessGasAndPrice,
    database::InMemoryDB,
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

use super::{
    assembler::{Domain, Step, assemble, init_code},
    guide::Guide,
    payments::{PaymentDraft, payment_draft},
    steps::{contract_steps, mortal, short_step},
    transactions::{Draft, draft},
};

/// The forks that differ in what concerns this crate.
pub(crate) const SPECS: [SpecId; 10] = [
    SpecId::FRONTIER,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::PETERSBURG,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
    SpecId::AMSTERDAM,
];

/// Senders that contracts know of.
const SENDERS: u8 = 6;
/// Senders of a world in which few meet.
const CROWD: u8 = 250;
pub(crate) const CONTRACTS: usize = 4;
pub(crate) const BASE_FEE: u64 = 7;
pub(crate) const BLOCK_GAS_LIMIT: u64 = 30_000_000;
/// Addresses at which the world's contracts and senders may create.
pub(crate) const CHILDREN: usize = 11;
/// Never part of the base state.
pub(crate) const NOBODY: Address = address!("00000000000000000000000000000000000b0d1e");
/// In the base state with no balance, no nonce and no code, as before EIP-161.
pub(crate) const EMPTY: Address = address!("0000000000000000000000000000000000000e3f");
/// Who gets the fees unless it is somebody else.
pub(crate) const FEE_TAKER: Address = address!("00000000000000000000000000000000000fee00");
/// Has so much that hardly anything can be added.
pub(crate) const RICH: Address = address!("0000000000000000000000000000000000041c40");
/// Has one nonce left.
pub(crate) const ANCIENT: Address = address!("00000000000000000000000000000000000a9c1e");
/// Runs the first contract's code from Prague on.
pub(crate) const DELEGATED: Address = address!("000000000000000000000000000000000de1e9a7");

pub(crate) fn sender(number: u8) -> Address {
    member(number % SENDERS)
}

/// One of the crowd, to which the few senders belong.
fn member(number: u8) -> Address {
    Address::from_word(B256::from(U256::from(0x5e4d_0000 + u64::from(number))))
}

pub(crate) fn contract(number: usize) -> Address {
    Address::from_word(B256::from(U256::from(0xc0de_0000 + number)))
}

/// One transaction in small numbers.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Any(Draft),
    Payment(PaymentDraft),
}

/// One world.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(super) spec: SpecId,
    contracts: Vec<Vec<Step>>,
    prologue: Vec<Step>,
    child: Vec<Step>,
    coinbase: (u8, u8),
    /// Which address of a contract to be has storage already (EIP-7610), if any.
    haunted: Option<(u8, u8)>,
    pub(super) senders: u8,
    funds: Vec<u8>,
    /// Whether nonces are those that the sender has got; otherwise those that it would have if all
    /// its transactions were valid.
    pub(super) guided: bool,
    transactions: Vec<Entry>,
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        3 => draft().prop_map(Entry::Any),
        2 => payment_draft().prop_map(Entry::Payment),
    ]
}

/// Worlds with fewer transactions than `max_transactions`.
pub(crate) fn world(max_transactions: usize) -> impl Strategy<Value = World> {
    world_of(1..max_transactions)
}

/// Worlds with so many transactions.
pub(crate) fn world_of(transactions: Range<usize>) -> impl Strategy<Value = World> {
    let long = transactions.start > 100;
    (
        prop::sample::select(SPECS.to_vec()),
        (
            vec(contract_steps(), CONTRACTS),
            vec(short_step(), 0..2),
            prop_oneof![vec(short_step(), 0..3), mortal()],
        ),
        any::<(u8, u8)>(),
        prop::option::weighted(0.4, any::<(u8, u8)>()),
        (prop_oneof![3 => Just(SENDERS), 1 => Just(CROWD)], vec(any::<u8>(), SENDERS as usize)),
        // After one that is invalid unguided senders get nowhere.
        prop::bool::weighted(if long { 1.0 } else { 0.7 }),
        vec(entry(), transactions),
    )
        .prop_map(
            |(
                spec,
                (contracts, prologue, child),
                coinbase,
                haunted,
                (senders, funds),
                guided,
                transactions,
            )| World {
                spec,
                contracts,
                prologue,
                child,
                coinbase,
                haunted,
                senders,
                funds,
                guided,
                transactions,
            },
        )
}

/// A world made concrete.
pub(crate) struct Scene {
    pub(crate) state: InMemoryDB,
    pub(crate) env: EvmEnv,
    pub(crate) transactions: Vec<TxEnv>,
    /// Every address that the world is likely to touch.
    pub(crate) addresses: Vec<Address>,
    /// Transactions that were paid without the interpreter.
    pub(crate) short_payments: usize,
}

/// What transactions are made from.
pub(crate) struct Setting<'a> {
    pub(crate) world: &'a World,
    pub(crate) env: &'a EvmEnv,
    pub(crate) domain: &'a Domain<'a>,
}

impl Setting<'_> {
    pub(crate) fn spec(&self) -> SpecId {
        self.world.spec
    }

    pub(crate) fn base_fee(&self) -> u128 {
        u128::from(self.env.block_env.basefee)
    }

    pub(crate) fn sender(&self, number: u8) -> Address {
        member(number % self.world.senders)
    }

    /// Where a contract may be created.
    pub(crate) fn child(&self, number: u8) -> Address {
        let children = &self.domain.addresses[self.domain.addresses.len() - CHILDREN..];
        children[usize::from(number) % CHILDREN]
    }
}

impl World {
    /// The same world without storage where no account is, which revm knows nothing of.
    pub(crate) fn without_ghosts(mut self) -> Self {
        self.haunted = None;
        self
    }

    pub(crate) fn scene(&self) -> Scene {
        let mut addresses: Vec<Address> = (0..SENDERS).map(sender).collect();
        addresses.extend((0..CONTRACTS).map(contract));
        addresses.extend([NOBODY, EMPTY, FEE_TAKER, RICH]);
        if self.spec.is_enabled_in(SpecId::PRAGUE) {
            addresses.push(DELEGATED);
        }
        addresses.extend([1, 2, 4, 9, 10].map(Address::with_last_byte));

        // Codes that are deployed know only the addresses so far; runtime codes also know the
        // children that the former make.
        let domain = Domain { addresses: &addresses, init_codes: &[] };
        let child = assemble(&self.child, &domain);
        let init_codes: Vec<Bytes> =
            vec![init_code(&[], &child, &domain), init_code(&self.prologue, &child, &domain)];
        let mut children = Vec::new();
        for creator in (0..2).map(contract) {
            for init in &init_codes {
                for salt in 0..2u64 {
                    let salt = B256::from(U256::from(salt));
                    children.push(creator.create2(salt, keccak256(init)));
                }
            }
        }
        children.extend([sender(0).create(0), sender(1).create(1), contract(0).create(1)]);
        assert_eq!(children.len(), CHILDREN);
        addresses.extend(children);

        let domain = Domain { addresses: &addresses, init_codes: &init_codes };
        let env = self.environment(&addresses);
        let state = self.state(&domain);
        let setting = Setting { world: self, env: &env, domain: &domain };
        let mut guide = Guide::new(&state, &env, self);
        let transactions: Vec<TxEnv> = self
            .transactions
            .iter()
            .map(|entry| {
                let transaction = match entry {
                    Entry::Any(draft) => draft.transaction(&setting, &mut guide),
                    Entry::Payment(draft) => draft.transaction(&setting, &mut guide),
                };
                guide.pass(&transaction);
                transaction
            })
            .collect();
        let short_payments = guide.short_payments();
        addresses.extend((SENDERS..self.senders).map(member));
        addresses.extend([ANCIENT, DELEGATED]);
        Scene { state, env, transactions, addresses, short_payments }
    }

    fn environment(&self, addresses: &[Address]) -> EvmEnv {
        let children = &addresses[addresses.len() - CHILDREN..];
        let any = |list: &[Address]| list[usize::from(self.coinbase.1) % list.len()];
        let coinbase = match self.coinbase.0 % 8 {
            0..=2 => FEE_TAKER,
            3 | 4 => member(self.coinbase.1 % self.senders),
            5 => contract(usize::from(self.coinbase.1) % CONTRACTS),
            6 => any(children),
            _ => any(addresses),
        };
        let london = self.spec.is_enabled_in(SpecId::LONDON);
        let block_env = BlockEnv {
            number: U256::from(1_000),
            beneficiary: coinbase,
            timestamp: U256::from(1_700_000_000),
            gas_limit: BLOCK_GAS_LIMIT,
            basefee: if london { BASE_FEE } else { 0 },
            difficulty: U256::from(1),
            prevrandao: Some(B256::with_last_byte(9)),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
                excess_blob_gas: 0,
                blob_gasprice: 1,
            }),
            slot_num: 0,
        };
        let config = CfgEnv::new_with_spec(self.spec).with_max_blobs_per_tx(6);
        EvmEnv::new(config, block_env)
    }

    fn state(&self, domain: &Domain<'_>) -> InMemoryDB {
        let mut state = InMemoryDB::default();
        let wealth = U256::from(1_000_000_000_000u64);
        for (number, funds) in (0..self.senders).zip(self.funds.iter().cycle()) {
            // Some have plenty, some just enough for a few transactions.
            let balance = match funds % 8 {
                0 => U256::from(300_000 * u64::from(*funds)),
                _ => wealth,
            };
            let info = AccountInfo { balance, ..Default::default() };
            state.insert_account_info(member(number), info);
        }
        for (number, steps) in self.contracts.iter().enumerate() {
            let code = Bytecode::new_legacy(assemble(steps, domain));
            let info = AccountInfo { balance: U256::from(number), nonce: 1, ..Default::default() };
            state.insert_account_info(contract(number), info.with_code(code));
            for slot in 0..2 {
                let value = U256::from(number + slot);
                state.insert_account_storage(contract(number), U256::from(slot), value).unwrap();
            }
        }
        state.insert_account_info(EMPTY, AccountInfo::default());
        let rich = AccountInfo { balance: U256::MAX - U256::from(3), ..Default::default() };
        state.insert_account_info(RICH, rich);
        let ancient = AccountInfo { balance: wealth, nonce: u64::MAX - 1, ..Default::default() };
        state.insert_account_info(ANCIENT, ancient);
        let mut delegated = AccountInfo { balance: wealth, nonce: 5, ..Default::default() };
        if self.spec.is_enabled_in(SpecId::PRAGUE) {
            delegated = delegated.with_code(Bytecode::new_eip7702(contract(0)));
        }
        state.insert_account_info(DELEGATED, delegated);
        if let Some((number, nonce)) = self.haunted {
            let children = &domain.addresses[domain.addresses.len() - CHILDREN..];
            let address = match nonce % 8 {
                nonce @ 0..4 => sender(number).create(nonce.into()),
                _ => children[usize::from(number) % CHILDREN],
            };
            let info = AccountInfo { balance: U256::from(7), ..Default::default() };
            state.insert_account_info(address, info);
            state.insert_account_storage(address, U256::from(9), U256::ONE).unwrap();
        }
        state
    }
}
