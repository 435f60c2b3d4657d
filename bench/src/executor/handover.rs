//! How long a word takes from one processor to another and back: what threads pay for sharing.
//!
//! On virtual machines it differs from day to day, and figures of parallel execution with it: where it
//! is 400 ns in place of 100, a lock that two threads take in turns costs four times as much.

use std::{
    hint::spin_loop,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
    thread,
    time::Instant,
};

use crossbeam_utils::CachePadded;

use crate::{machine, statistics::median};

const SERIES: u64 = 21;
const ROUND_TRIPS: u64 = 5_000;

/// A line about it; nothing where there is only one processor.
pub(super) fn description() -> String {
    if machine::cores() < 2 {
        return String::new();
    }
    format!("; {:.0} ns from one processor to another and back", round_trip_ns())
}

/// The median over some series, in nanoseconds.
fn round_trip_ns() -> f64 {
    // Apart, so that each goes over by itself.
    let [to, fro] = [0, 0].map(|start| CachePadded::new(AtomicU64::new(start)));
    let wait_for = |word: &AtomicU64, value| {
        while word.load(Acquire) != value {
            spin_loop();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=SERIES * ROUND_TRIPS {
                wait_for(&to, number);
                fro.store(number, Release);
            }
        });
        let mut series: Vec<_> = (0..SERIES)
            .map(|series| {
                let started = Instant::now();
                for number in series * ROUND_TRIPS + 1..=(series + 1) * ROUND_TRIPS {
                    to.store(number, Release);
                    wait_for(&fro, number);
                }
                started.elapsed()
            })
            .collect();
        let series = median(&mut series).expect("there are some series");
        series.as_nanos() as f64 / ROUND_TRIPS as f64
    })
}
