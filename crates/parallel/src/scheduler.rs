//! Who executes what ahead of its turn.
//!
//! One thread, the *committer*, goes through the batch in order. The others, the *workers*, execute
//! transactions ahead of it, inside a window. A transaction is handed out by a cursor, a few at a
//! time, and started by whoever moves its state from `Unclaimed` first.
//!
//! Invariants:
//! - The slot of transaction `i` is `i % WINDOW`. It is set up for `i` before `committed` shows
//!   `i - WINDOW + 1`, and only transactions below `committed + WINDOW` are handed out: nobody meets
//!   the slot of another transaction.
//! - Only the one that took a transaction to [`State::Running`] takes it on from there. The committer
//!   alone takes it to [`State::Taken`], and waits for nothing but running transactions.
//! - Whoever reads [`State::Done`] sees the writes of that execution: the state is stored with
//!   release after publishing and read with acquire.

use std::{
    hint,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use crossbeam_utils::CachePadded;

use super::atomics::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// How far workers may run ahead of the commits.
pub(crate) const WINDOW: u32 = 512;

/// Transactions that are handed out at a time at most.
pub(crate) const CHUNK_MOST: u32 = 16;
/// Before anything is known of what they take.
const CHUNK_START: u32 = 2;

/// How long a worker without work stays before it goes back to sleep.
const PATIENCE: Duration = Duration::from_micros(100);

/// Where a transaction within the window stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Nobody has begun with it.
    Unclaimed,
    /// Being executed ahead of its turn.
    Running,
    /// Executed and published, for the committer to check.
    Done,
    /// Given up: it has to be executed at its turn.
    Left,
    /// The committer has it.
    Taken,
}

impl State {
    fn from_bits(bits: u64) -> Self {
        match bits & 7 {
            0 => Self::Unclaimed,
            1 => Self::Running,
            2 => Self::Done,
            3 => Self::Left,
            _ => Self::Taken,
        }
    }
}

/// What workers are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Go: the committer executes alone, or the batch is over.
    Alone,
    /// Wait: the committer will be ready in a moment.
    Opening,
    /// Execute ahead.
    Parallel,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Scheduler {
    count: u32,
    states: Box<[AtomicU64]>,
    /// The next transaction to hand out.
    cursor: CachePadded<AtomicU32>,
    /// How many transactions to hand out at a time.
    chunk: CachePadded<AtomicU32>,
    /// Transactions committed.
    committed: CachePadded<AtomicU32>,
    phase: CachePadded<AtomicU8>,
    /// Workers that have come and not gone.
    present: CachePadded<AtomicUsize>,
    /// A worker has met a defect.
    broken: AtomicBool,
}

impl Scheduler {
    pub(crate) fn new(count: u32) -> Self {
        Self::with_window(count, WINDOW)
    }

    /// A scheduler whose window has `window` slots at most, a power of two.
    pub(crate) fn with_window(count: u32, window: u32) -> Self {
        let slots = count.next_power_of_two().min(window);
        Self {
            count,
            states: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            cursor: AtomicU32::new(0).into(),
            chunk: AtomicU32::new(CHUNK_START).into(),
            committed: AtomicU32::new(0).into(),
            phase: AtomicU8::new(Phase::Alone as u8).into(),
            present: AtomicUsize::new(0).into(),
            broken: AtomicBool::new(false),
        }
    }

    /// Slots of the window.
    pub(crate) fn slots(&self) -> usize {
        self.states.len()
    }

    /// The slot of transaction `index`.
    pub(crate) fn slot(&self, index: u32) -> usize {
        index as usize & (self.states.len() - 1)
    }

    fn word(index: u32, state: State) -> u64 {
        u64::from(index) << 3 | state as u64
    }

    /// Where transaction `index` stands.
    pub(crate) fn state(&self, index: u32) -> State {
        let word = self.states[self.slot(index)].load(Ordering::Acquire);
        debug_assert_eq!(word >> 3, u64::from(index), "the slot of another transaction");
        State::from_bits(word)
    }

    /// Moves transaction `index` from `from` to `to`; false where it stands elsewhere.
    pub(crate) fn advance(&self, index: u32, from: State, to: State) -> bool {
        self.states[self.slot(index)]
            .compare_exchange(
                Self::word(index, from),
                Self::word(index, to),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Tells what became of a running transaction.
    pub(crate) fn finish(&self, index: u32, state: State) {
        self.states[self.slot(index)].store(Self::word(index, state), Ordering::Release);
    }

    /// Hands out up to `most` transactions in a row; `None` where the window or the batch ends.
    pub(crate) fn claim(&self, most: u32) -> Option<Range<u32>> {
        let limit = self.window().end;
        // Relaxed: the cursor only shares out numbers; the state of each transaction decides.
        let mut cursor = self.cursor.load(Ordering::Relaxed);
        loop {
            if cursor >= limit {
                return None;
            }
            let end = limit.min(cursor + most);
            match self.cursor.compare_exchange_weak(
                cursor,
                end,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(cursor..end),
                Err(now) => cursor = now,
            }
        }
    }

    /// The transactions that may be executed ahead, from the next to be committed on.
    pub(crate) fn window(&self) -> Range<u32> {
        // Acquire: the slots up to the end are set up.
        let committed = self.committed.load(Ordering::Acquire);
        committed..self.count.min(committed.saturating_add(self.states.len() as u32))
    }

    /// Whether nobody has begun with transaction `index`, which may have been committed meanwhile.
    pub(crate) fn is_unclaimed(&self, index: u32) -> bool {
        // Relaxed: a hint, whoever begins with it moves its state.
        self.states[self.slot(index)].load(Ordering::Relaxed) == Self::word(index, State::Unclaimed)
    }

    /// Keeps the transactions before `end` from being handed out: the committer comes to them now.
    pub(crate) fn skip_to(&self, end: u32) {
        self.cursor.fetch_max(end, Ordering::Relaxed);
    }

    /// How many transactions to hand out at a time.
    pub(crate) fn chunk(&self) -> u32 {
        // Relaxed: a number that any value will do for.
        self.chunk.load(Ordering::Relaxed)
    }

    pub(crate) fn set_chunk(&self, chunk: u32) {
        self.chunk.store(chunk, Ordering::Relaxed);
    }

    /// The next transaction to be handed out.
    pub(crate) fn cursor(&self) -> u32 {
        self.cursor.load(Ordering::Relaxed)
    }

    /// The transaction that is committed next: nobody executes an earlier one any more.
    pub(crate) fn next_commit(&self) -> u32 {
        self.committed.load(Ordering::Acquire)
    }

    /// Tells that transaction `index` is committed: its slot is set up for the one that follows in it.
    pub(crate) fn committed(&self, index: u32) {
        let next = index.saturating_add(self.states.len() as u32);
        self.states[self.slot(index)].store(Self::word(next, State::Unclaimed), Ordering::Release);
        self.committed.store(index + 1, Ordering::Release);
    }

    /// Begins a parallel stretch at transaction `index`. Nobody else may use the slots meanwhile.
    pub(crate) fn open(&self, index: u32) {
        for next in index..index.saturating_add(self.states.len() as u32) {
            self.states[self.slot(next)]
                .store(Self::word(next, State::Unclaimed), Ordering::Release);
        }
        self.committed.store(index, Ordering::Release);
        self.cursor.store(index, Ordering::Release);
        self.set_phase(Phase::Parallel);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
        // Between this store and the look at who is present, as in `enter`: either a worker that
        // comes sees the new phase, or whoever set it sees the worker.
        fence(Ordering::SeqCst);
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Alone,
            1 => Phase::Opening,
            _ => Phase::Parallel,
        }
    }

    /// Counts a worker as present until the guard is dropped.
    pub(crate) fn enter(&self) -> Present<'_> {
        self.present.fetch_add(1, Ordering::AcqRel);
        // See `set_phase`.
        fence(Ordering::SeqCst);
        Present(self)
    }

    /// Workers that have come and not gone.
    pub(crate) fn present(&self) -> usize {
        self.present.load(Ordering::Acquire)
    }

    /// Tells of a defect: the committer ends the batch.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

/// A worker at its place.
#[derive(Debug)]
pub(crate) struct Present<'a>(&'a Scheduler);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waiting that first costs nothing but the thread's own time and gives the processor away later.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    rounds: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// Rounds without a look at the clock: some microseconds.
    const SPINS: u32 = 64;

    /// Waits for a moment; false once patience is at its end.
    pub(crate) fn wait(&mut self) -> bool {
        if self.rounds < Self::SPINS {
            self.rounds += 1;
            for _ in 0..8 {
                hint::spin_loop();
            }
            return true;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return false;
        }
        thread::yield_now();
        true
    }

    /// Waits for a moment; false after a fraction of a microsecond.
    pub(crate) fn wait_shortly(&mut self) -> bool {
        if self.rounds >= 2 {
            return false;
        }
        self.wait()
    }

    /// Waits for somebody who will come within a transaction's time, and gives the processor away
    /// after long.
    pub(crate) fn wait_closely(&mut self) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() < 10 * PATIENCE {
            hint::spin_loop();
        } else {
            thread::sleep(PATIENCE / 4);
        }
    }

    /// Waits for a moment, however long it has been.
    pub(crate) fn wait_on(&mut self) {
        if !self.wait() {
            thread::sleep(PATIENCE / 4);
        }
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
