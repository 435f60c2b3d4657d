//! Compares the parallel executor with sequential execution on generated batches.
//!
//! `cargo run --release -p plasma-parallel --example throughput -- [THREADS] [TRANSACTIONS]`
//!
//! Each row is the median of several rounds; the ratio is sequential time / parallel time.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_parallel::{BatchOutcome, ParallelConfig, ParallelExecutor, execute_sequential};
use revm::{
    bytecode::{Bytecode, opcode as op},
    context::{BlockEnv, CfgEnv, TxEnv},
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

const ROUNDS: usize = 7;
const TOKEN: Address = Address::with_last_byte(0xee);

fn account(number: usize) -> Address {
    Address::from_word(B256::from(U256::from(0x10_0000 + number)))
}

/// `transfer(to, amount)` with hashed balance slots, a check and an event, as an ERC-20 costs it.
fn token_code() -> Bytes {
    let mut code = vec![];
    // slot of the caller: keccak(caller . 0)
    code.extend([op::CALLER, op::PUSH0, op::MSTORE, op::PUSH1, 64, op::PUSH0, op::KECCAK256]);
    // balance - amount
    code.extend([op::DUP1, op::SLOAD, op::PUSH1, 36, op::CALLDATALOAD, op::SWAP1, op::SUB]);
    code.extend([op::SWAP1, op::SSTORE]);
    // slot of the recipient
    code.extend([op::PUSH1, 4, op::CALLDATALOAD, op::PUSH0, op::MSTORE]);
    code.extend([op::PUSH1, 64, op::PUSH0, op::KECCAK256]);
    code.extend([op::DUP1, op::SLOAD, op::PUSH1, 36, op::CALLDATALOAD, op::ADD]);
    code.extend([op::SWAP1, op::SSTORE]);
    // event Transfer(from, to, amount)
    code.extend([op::PUSH1, 36, op::CALLDATALOAD, op::PUSH0, op::MSTORE]);
    code.extend([op::PUSH1, 4, op::CALLDATALOAD, op::CALLER, op::PUSH1, 1]);
    code.extend([op::PUSH1, 32, op::PUSH0, op::LOG3, op::STOP]);
    code.into()
}

fn state(accounts: usize) -> InMemoryDB {
    let mut state = InMemoryDB::default();
    for number in 0..accounts {
        let info =
            AccountInfo { balance: U256::from(10).pow(U256::from(20)), ..Default::default() };
        state.insert_account_info(account(number), info);
    }
    let info = AccountInfo { nonce: 1, ..Default::default() };
    state.insert_account_info(TOKEN, info.with_code(Bytecode::new_legacy(token_code())));
    state
}

fn payment(from: usize, nonce: u64, to: usize) -> TxEnv {
    TxEnv {
        caller: account(from),
        nonce,
        gas_limit: 21_000,
        gas_price: 2,
        kind: TxKind::Call(account(to)),
        value: U256::ONE,
        chain_id: Some(1),
        ..TxEnv::default()
    }
}

fn token_transfer(from: usize, nonce: u64, to: usize) -> TxEnv {
    let mut data = vec![0xa9, 0x05, 0x9c, 0xbb];
    data.extend(account(to).into_word());
    data.extend(U256::ONE.to_be_bytes::<32>());
    TxEnv {
        gas_limit: 100_000,
        kind: TxKind::Call(TOKEN),
        value: U256::ZERO,
        data: data.into(),
        ..payment(from, nonce, to)
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn time(run: impl Fn() -> BatchOutcome) -> (Duration, BatchOutcome) {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let outcome = run();
        times.push(start.elapsed());
        last = Some(outcome);
    }
    (median(times), last.expect("there is at least one round"))
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| {
        argument.parse::<usize>().unwrap_or_else(|error| panic!("{argument:?}: {error}"))
    });
    let threads = arguments.next().and_then(NonZeroUsize::new).unwrap_or(NonZeroUsize::MIN);
    let count = arguments.next().unwrap_or(10_000);
    let executor = ParallelExecutor::new(ParallelConfig::always_parallel(threads))
        .unwrap_or_else(|error| panic!("{error}"));
    let block = BlockEnv {
        gas_limit: u64::MAX,
        basefee: 1,
        beneficiary: Address::with_last_byte(0xcb),
        ..BlockEnv::default()
    };
    let env = EvmEnv::new(CfgEnv::new_with_spec(SpecId::PRAGUE), block);
    let state = state(2 * count + 1);
    let batch = |make: &dyn Fn(usize) -> TxEnv| (0..count).map(make).collect::<Vec<_>>();
    let rows: [(&str, Vec<TxEnv>); 7] = [
        ("independent-raw", batch(&|n| payment(n, 0, count + n))),
        ("hot-raw-recipient", batch(&|n| payment(n, 0, 2 * count))),
        ("chain-raw", batch(&|n| payment(n, 0, n + 1))),
        ("one-sender-raw", batch(&|n| payment(0, n as u64, 1 + n))),
        ("independent-erc20", batch(&|n| token_transfer(n, 0, count + n))),
        ("hot-erc20-recipient", batch(&|n| token_transfer(n, 0, 2 * count))),
        ("chain-erc20", batch(&|n| token_transfer(n, 0, n + 1))),
    ];
    println!("{threads} threads, {count} transactions");
    println!("{:<22}{:>12}{:>12}{:>8}{:>8}", "", "sequential", "parallel", "ratio", "exec/tx");
    for (name, transactions) in rows {
        let run = |result: Result<BatchOutcome, _>| {
            result.unwrap_or_else(|error: plasma_parallel::ExecutorError| panic!("{error}"))
        };
        let (sequential, expected) = time(|| run(execute_sequential(&state, &env, &transactions)));
        let (parallel, outcome) = time(|| run(executor.execute(&state, &env, &transactions)));
        assert!(outcome.outcomes == expected.outcomes, "{name}: outcomes differ");
        println!(
            "{name:<22}{:>9.2} ms{:>9.2} ms{:>8.2}{:>8.2}",
            sequential.as_secs_f64() * 1e3,
            parallel.as_secs_f64() * 1e3,
            sequential.as_secs_f64() / parallel.as_secs_f64(),
            outcome.report.executions_per_transaction(),
        );
    }
}
