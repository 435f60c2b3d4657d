//! What the chain measures. Names follow Prometheus' conventions.

use metrics::{counter, gauge, histogram};
use std::time::Duration;

/// The head is block `number` now.
pub(crate) fn head(number: u64) {
    gauge!("plasma_head_block").set(number as f64);
}

/// A block was made.
pub(crate) fn sealed(
    transactions: usize,
    gas_used: u64,
    performs: usize,
    incarnations: u64,
    build: Duration,
) {
    counter!("plasma_transactions_total").increment(transactions as u64);
    counter!("plasma_gas_used_total").increment(gas_used);
    counter!("plasma_performs_total").increment(performs as u64);
    counter!("plasma_incarnations_total").increment(incarnations);
    // So that it is there before the first.
    counter!("plasma_rejected_transactions_total").increment(0);
    histogram!("plasma_seal_seconds").record(build.as_secs_f64());
}

/// A state root was computed.
pub(crate) fn rooted(took: Duration) {
    histogram!("plasma_state_root_seconds").record(took.as_secs_f64());
}

/// A tick with transactions ended.
pub(crate) fn tick(took: Duration, transactions: usize) {
    histogram!("plasma_tick_seconds").record(took.as_secs_f64());
    histogram!("plasma_tick_transactions").record(transactions as f64);
}

/// A transaction was left out because it is invalid on the state of its turn.
pub(crate) fn rejected() {
    counter!("plasma_rejected_transactions_total").increment(1);
}
