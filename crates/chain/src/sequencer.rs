//! The thread that makes blocks by time or on demand.

use crate::{
    ChainError,
    inner::Inner,
    producer::{Producer, now_ms},
};
use parking_lot::{Condvar, Mutex};
use plasma_keeper::Keeper;
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How long automining waits before it looks whether an upkeep became due.
const UPKEEP_PERIOD: Duration = Duration::from_secs(1);

/// Mining on demand waits this long at most for submissions that are under way, so that what arrives
/// together stands in one block and costs one write to disk. A lone transaction waits for nothing.
const GATHER_LIMIT: Duration = Duration::from_millis(1);

/// How often it looks whether they have arrived.
const GATHER_STEP: Duration = Duration::from_micros(50);

/// Where ticks take as long as the time from one to the next, they come with pauses of this part of it, for others that want the
/// producer.
const PAUSE_PART: u32 = 10;

/// Wakes the sequencer.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SignalState {
    woken: bool,
    stopping: bool,
}

impl Signal {
    /// There may be something to do.
    pub(crate) fn wake(&self) {
        let mut state = self.state.lock();
        if !state.woken {
            state.woken = true;
            self.changed.notify_one();
        }
    }

    /// The sequencer shall end.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Whether the sequencer shall end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// Waits until `deadline`, or until woken where `wakeable`. Answers whether it was woken;
    /// `None`: the sequencer shall end.
    fn wait(&self, deadline: Instant, wakeable: bool) -> Option<bool> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            if wakeable && state.woken {
                state.woken = false;
                return Some(true);
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return (!state.stopping).then_some(false);
            }
        }
    }
}

/// Runs until stopped. Every error of production ends it: going on could break what was promised.
pub(crate) fn run(chain: &Arc<Inner>) -> Result<(), ChainError> {
    if chain.config.driven {
        return run_driven(chain);
    }
    let mut block_due = Instant::now() + chain.config.block_time;
    let mut upkeeps_due = Instant::now() + UPKEEP_PERIOD;
    let mut ticked = Instant::now();
    loop {
        let (automine, interval) = {
            let producer = chain.producer.lock();
            (producer.dev.automine, producer.dev.interval_ms)
        };
        if automine {
            let Some(woken) = chain.signal.wait(upkeeps_due, true) else { return Ok(()) };
            automine_once(chain, woken)?;
            if !woken {
                upkeeps_due = Instant::now() + UPKEEP_PERIOD;
            }
            block_due = Instant::now() + chain.config.block_time;
            continue;
        }
        let period = match (chain.config.automine, interval) {
            // A dev node whose automining was switched off makes blocks only when told.
            (true, None) => {
                let idle = Instant::now() + UPKEEP_PERIOD;
                if chain.signal.wait(idle, true).is_none() {
                    return Ok(());
                }
                continue;
            }
            (_, Some(ms)) => Duration::from_millis(ms),
            (false, None) => chain.config.block_time,
        };
        block_due = block_due.min(Instant::now() + period);
        // From start to start: what a tick takes is not waited for once more.
        let tick = chain.config.tick.min(period);
        let tick_due = (ticked + tick).max(Instant::now() + tick / PAUSE_PART);
        if chain.signal.wait(tick_due.min(block_due), false).is_none() {
            return Ok(());
        }
        ticked = Instant::now();
        let mut producer = chain.producer.lock();
        let seal = Instant::now() >= block_due;
        producer.tick(chain, !seal)?;
        if seal {
            producer.seal(chain)?;
            block_due += period;
            // After a stall the rhythm starts anew instead of making up for lost blocks.
            if block_due < Instant::now() {
                block_due = Instant::now() + period;
            }
        }
    }
}

/// Lets the payload that the consensus layer has asked for grow, tick by tick, until it is asked for.
fn run_driven(chain: &Arc<Inner>) -> Result<(), ChainError> {
    while chain.signal.wait(Instant::now() + chain.config.tick, false).is_some() {
        chain.producer.lock().tick_payload(chain)?;
    }
    Ok(())
}

/// Seals blocks while transactions are ready; without any, one block where an upkeep is due.
fn automine_once(chain: &Arc<Inner>, woken: bool) -> Result<(), ChainError> {
    loop {
        let gathered_by = Instant::now() + GATHER_LIMIT;
        // Relaxed: a stale count only makes the block come a step sooner or later.
        while chain.admitting.load(Ordering::Relaxed) > 0 && Instant::now() < gathered_by {
            std::thread::sleep(GATHER_STEP);
        }
        let mut producer = chain.producer.lock();
        if !producer.dev.automine {
            return Ok(());
        }
        let ready = chain.pool.status().pending > 0;
        // What waits for its log's block to be over is not left waiting for the next look.
        let look = !woken || producer.keeper.as_ref().is_some_and(Keeper::logs_press);
        let wanted = ready || (look && upkeep_due(chain, &mut producer)?);
        if !wanted {
            return Ok(());
        }
        let restored = producer.open.as_ref().is_some_and(|open| !open.transactions.is_empty());
        if !restored {
            // Open anew, so that the block's time is the present and not that of an attempt before.
            producer.open = None;
        }
        if producer.tick(chain, false)? == 0 && !restored {
            producer.open = None;
            if let Some(keeper) = producer.keeper.as_mut() {
                keeper.abandon_block();
            }
            return Ok(());
        }
        producer.seal(chain)?;
        if !ready {
            if producer.keeper.as_ref().is_some_and(Keeper::logs_press) {
                // Again, but not without asking first whether the node is to stop.
                chain.signal.wake();
            }
            return Ok(());
        }
    }
}

/// Whether the block to come would perform something.
fn upkeep_due(chain: &Inner, producer: &mut Producer) -> Result<bool, ChainError> {
    chain.refresh_pending(producer)?;
    let Some(keeper) = &producer.keeper else { return Ok(false) };
    let pending = chain.pending();
    let time_ms = producer.dev.shifted_ms(now_ms());
    match keeper.would_perform(&*pending.state, &pending.env, time_ms) {
        Ok(due) => Ok(due),
        Err(error) => producer.keeper_failed(chain, error.into()).map(|()| false),
    }
}
