//! Places where tests disturb the order in which threads get on. Nothing outside of tests.

/// Where a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// About to carry out a task.
    Task,
    /// About to read from the memory.
    Read,
    /// Has executed, and is about to publish.
    Publish,
    /// Has seen a stamp, and is about to change it.
    Stamp,
    /// Has done its task, and is about to tell the scheduler.
    Report,
}

#[cfg(not(test))]
#[inline(always)]
pub(crate) fn point(_: Point) {}

#[cfg(test)]
pub(crate) use disturb::{point, set_intensity};

#[cfg(test)]
mod disturb {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicU32, AtomicU64, Ordering},
        thread,
        time::Duration,
    };

    use super::Point;

    static INTENSITY_PERCENT: AtomicU32 = AtomicU32::new(0);
    static SEED: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

    thread_local! {
        static STATE: Cell<u64> = Cell::new(
            SEED.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) | 1,
        );
    }

    /// How often, in percent, a point gives the processor away. Concerns all tests of the process.
    pub(crate) fn set_intensity(percent: u32) {
        INTENSITY_PERCENT.store(percent, Ordering::Relaxed);
    }

    pub(crate) fn point(point: Point) {
        let percent = INTENSITY_PERCENT.load(Ordering::Relaxed);
        if percent == 0 {
            return;
        }
        // xorshift64
        let random = STATE.with(|state| {
            let mut x = state.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            state.set(x);
            x
        });
        // Reads are many: they are disturbed less often.
        let rarity = if point == Point::Read { 8 } else { 1 };
        if random % (100 * rarity) < u64::from(percent) {
            match (random >> 32) % 8 {
                0 => thread::sleep(Duration::from_micros((random >> 40) % 80)),
                _ => thread::yield_now(),
            }
        }
    }
}
