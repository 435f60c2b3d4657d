//! Time per state root over 1,000,000 accounts in memory. Prints medians in milliseconds beside
//! their limits on two cores; takes the number of threads as an argument.

use alloy_primitives::{Address, U256};
use alloy_trie::EMPTY_ROOT_HASH;
use plasma_storage::{Account, AccountChange, StateChanges};
use plasma_trie::{EmptyNodes, StateTrie};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;

const ACCOUNTS: u64 = 1_000_000;
const SLOTS: u64 = 100_000;
const CONTRACT: u64 = 0;
const ROUNDS: usize = 31;

fn address(number: u64) -> Address {
    Address::left_padding_from(&number.to_be_bytes())
}

fn change(random: &mut StdRng) -> AccountChange {
    let account = Account {
        nonce: random.random_range(0..1000),
        balance: U256::from(random.random::<u64>()),
        bytecode_hash: None,
    };
    AccountChange { account: Some(account), ..Default::default() }
}

/// Runs `rounds` updates with changes from `block`; prints the median and the worst.
fn measure(
    name: &str,
    limit_ms: f64,
    trie: &mut StateTrie,
    mut block: impl FnMut() -> StateChanges,
) {
    let mut times_ms: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let block = block();
            let start = Instant::now();
            let updates = trie.update(&EmptyNodes, &block).expect("everything is in memory");
            let time = start.elapsed();
            drop(updates);
            time.as_secs_f64() * 1e3
        })
        .collect();
    times_ms.sort_by(f64::total_cmp);
    let (median, worst) = (times_ms[ROUNDS / 2], times_ms[ROUNDS - 1]);
    println!("{name:<40} median {median:>8.3} ms  worst {worst:>8.3} ms  limit {limit_ms} ms");
}

fn main() {
    let threads = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(2);
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .expect("no pool was built before");
    let mut random = StdRng::seed_from_u64(1);
    let mut trie = StateTrie::new(EMPTY_ROOT_HASH);

    let mut genesis = StateChanges::default();
    for number in 0..ACCOUNTS {
        genesis.accounts.insert(address(number), change(&mut random));
    }
    let storage = (0..SLOTS).map(|slot| (U256::from(slot), U256::from(slot + 1)));
    let contract = genesis.accounts.entry(address(CONTRACT)).or_default();
    contract.storage = storage.collect();
    let start = Instant::now();
    trie.update(&EmptyNodes, &genesis).expect("nothing is loaded");
    println!(
        "{threads} threads; {ACCOUNTS} accounts at once: {:?}, {} bytes in memory",
        start.elapsed(),
        trie.hot_bytes()
    );
    drop(genesis);

    measure("empty block", 0.2, &mut trie, StateChanges::default);
    measure("10,000 of 1,000,000 accounts", 45.0, &mut trie, || {
        let mut block = StateChanges::default();
        while block.accounts.len() < 10_000 {
            let number = random.random_range(1..ACCOUNTS);
            block.accounts.insert(address(number), change(&mut random));
        }
        block
    });
    measure("1,000 of 100,000 slots of a contract", 8.0, &mut trie, || {
        let mut contract = change(&mut random);
        while contract.storage.len() < 1000 {
            let slot = U256::from(random.random_range(0..SLOTS));
            contract.storage.insert(slot, U256::from(random.random::<u64>()));
        }
        StateChanges {
            accounts: [(address(CONTRACT), contract)].into_iter().collect(),
            ..Default::default()
        }
    });
}
