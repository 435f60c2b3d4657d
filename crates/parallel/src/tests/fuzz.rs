//! Many random batches of all lengths, each with one executor. How many transactions and which:
//! `PLASMA_FUZZ_TRANSACTIONS` and `PLASMA_FUZZ_SEED`.

use std::{
    env,
    ops::Range,
    sync::{Arc, Mutex, atomic::Ordering, mpsc},
    thread,
    time::{Duration, Instant},
};

use proptest::{
    prelude::any,
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    assert_equals,
    differential::assert_sequential_equals_revm,
    executors,
    world::{SPECS, Scene, World, world_of},
};
use crate::{
    TransactionOutcome, announce::MOVED, committer::ASSUMED, execute_sequential, scheduler::WINDOW,
};

/// As many as an ordinary test run has time for.
const DEFAULT_TRANSACTIONS: usize = 100_000;

/// Lengths of batches, and how many of sixteen batches have them. The longest go more than once
/// around the workers' window.
const LENGTHS: [(u64, Range<usize>); 4] =
    [(6, 1..8), (6, 8..60), (3, 60..600), (1, 600..4 * WINDOW as usize)];

/// How often a batch is also held against revm's own state.
const REVM_EVERY: u64 = 4;

/// A batch that takes this long is stuck: they take milliseconds.
const STUCK: Duration = Duration::from_secs(120);

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Tells how to get to the present batch again if that ends with a panic.
struct Replay(String);

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Ends the process if a batch does not end, for a test that hangs tells nobody why.
fn watch() -> (Arc<Mutex<String>>, mpsc::Sender<()>) {
    let present = Arc::new(Mutex::new(String::new()));
    let (alive, signs) = mpsc::channel::<()>();
    let batch = present.clone();
    thread::spawn(move || {
        loop {
            match signs.recv_timeout(STUCK) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!("stuck for {STUCK:?}: {}", batch.lock().unwrap());
                    std::process::abort();
                }
            }
        }
    });
    (present, alive)
}

/// The batch of a seed: its world, and a number to choose the executor by.
fn batch(seed: u64) -> (World, usize) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let choices = (0..16u64, any::<usize>());
    let (mut at, choice) = choices.new_tree(&mut runner).unwrap().current();
    let (_, lengths) = LENGTHS
        .into_iter()
        .find(|(weight, _)| {
            let found = at < *weight;
            at = at.saturating_sub(*weight);
            found
        })
        .expect("the weights add up to sixteen");
    (world_of(lengths).new_tree(&mut runner).unwrap().current(), choice)
}

#[test]
fn generated_batches_equal_sequential() {
    let wanted = number("PLASMA_FUZZ_TRANSACTIONS").map_or(DEFAULT_TRANSACTIONS, |n| n as usize);
    let first = number("PLASMA_FUZZ_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.expect("the clock is past 1970").subsec_nanos().into()
    });
    println!("PLASMA_FUZZ_SEED={first}");
    let executors = executors();
    let (present, alive) = watch();
    let (mut transactions, mut valid, mut beyond_window) = (0, 0, 0);
    let mut runs = vec![[0usize; SPECS.len()]; executors.len()];
    let (start, mut told) = (Instant::now(), 0);
    let mut seed = first;
    while transactions < wanted {
        let (world, choice) = batch(seed);
        let Scene { state, env, transactions: batch, .. } = &world.scene();
        let executor = choice % executors.len();
        let config = executors[executor].config();
        let replay = Replay(format!(
            "PLASMA_FUZZ_SEED={seed} PLASMA_FUZZ_TRANSACTIONS=1 gives this batch again: \
             {} transactions, {:?}, {config:?}",
            batch.len(),
            env.cfg_env.spec,
        ));
        present.lock().unwrap().clone_from(&replay.0);
        alive.send(()).expect("the watch goes on");
        let expected = execute_sequential(state, env, batch).unwrap();
        assert_equals(&executors[executor], state, env, batch, &expected);
        if seed.is_multiple_of(REVM_EVERY) {
            assert_sequential_equals_revm(&world.without_ghosts().scene());
        }
        drop(replay);
        let is_valid = |it: &&TransactionOutcome| it.result().is_some();
        valid += expected.outcomes.iter().filter(is_valid).count();
        transactions += batch.len();
        beyond_window += usize::from(batch.len() > WINDOW as usize);
        let spec = SPECS.iter().position(|spec| *spec == env.cfg_env.spec);
        runs[executor][spec.expect("worlds take their forks from the list")] += batch.len();
        seed = seed.wrapping_add(1);
        if transactions / 100_000 > told {
            told = transactions / 100_000;
            println!("{transactions} transactions up to seed {seed}");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let batches = seed.wrapping_sub(first);
    println!(
        "{transactions} transactions ({valid} valid) in {batches} batches, {beyond_window} of them \
         longer than the window; {:.0} transactions/s",
        transactions as f64 / seconds
    );
    for (executor, runs) in executors.iter().zip(&runs) {
        println!("{:?}: {runs:?} for {SPECS:?}", executor.config());
    }
    if wanted >= DEFAULT_TRANSACTIONS {
        assert!(beyond_window > 10, "only {beyond_window} batches are longer than the window");
        assert!(valid > transactions / 2, "only {valid} of {transactions} are valid");
        let [fell, stood] = [0, 1].map(|place| ASSUMED[place].load(Ordering::Relaxed));
        println!("of senders that were assumed {stood} stood and {fell} did not");
        assert!(stood > 1_000 && fell > 100, "assumed senders: {stood} stood, {fell} did not");
        let [back, moved] = [0, 1].map(|place| MOVED[place].load(Ordering::Relaxed));
        println!(
            "stamps that came to stand for many: {moved}, and {back} that somebody had changed"
        );
        assert!(moved > 1_000, "only {moved} stamps came to stand for many");
    }
    if wanted >= 1_000_000 {
        assert!(
            runs.iter().flatten().all(|transactions| *transactions > 0),
            "some fork and executor never met: {runs:?}"
        );
    }
}
