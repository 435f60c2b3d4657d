//! A model of stamps: the real ones and the real way of changing them, with the atomics of loom, which tries all orders in
//! which writers, a reader and the committer may get on.
//!
//! One location is written by two transactions and read by a third. Lists and tables are what they stand for: values with
//! their writers behind locks. What is held: if the stamp that the reader took is the same when both writers are committed, it
//! has read what the second one wrote; and whatever the stamp is, the location then resolves to that.

use loom::{model::Builder, sync::Arc, thread};

mod atomics {
    pub(crate) use std::sync::atomic::Ordering;

    pub(crate) use loom::sync::MutexGuard;

    /// With parking_lot's way to lock.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicU64(loom::sync::atomic::AtomicU64);

    impl AtomicU64 {
        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.0.load(order)
        }

        pub(crate) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.0.compare_exchange(current, new, success, failure)
        }

        pub(crate) fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
            self.0.fetch_add(more, order)
        }

        pub(crate) fn get_mut(&mut self) -> &mut u64 {
            unreachable!("the model clears no stamps")
        }
    }
}

mod interleave {
    pub(crate) enum Point {
        Stamp,
    }

    pub(crate) fn point(_: Point) {}
}

#[path = "../stamps.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same stamps on other atomics")]
mod stamps;

#[path = "../announce.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the same on other atomics")]
mod announce;

use announce::{Write, announce};
use atomics::Mutex;
use stamps::{Spot, Stamp, Stamps, Writers};

/// The location. Another one may be looked for in the same row.
const SPOT: Spot = Spot { row: 0, tag: 7 };
const OTHER: Spot = Spot { row: 0, tag: 8 };
/// Who reads, after transactions 0 and 1, which write.
const READER: u32 = 2;

struct Model {
    stamps: Stamps,
    /// What each transaction has listed, or its outcome.
    lists: [Mutex<Option<u32>>; 2],
    /// The versions of the location in the tables.
    table: Mutex<Vec<(u32, u32)>>,
}

impl Model {
    fn new() -> Arc<Self> {
        let (lists, table) = Default::default();
        Arc::new(Self { stamps: Stamps::of(1), lists, table })
    }

    fn put(&self, writer: u32, value: Option<u32>) {
        let mut table = self.table.lock();
        table.retain(|(other, _)| *other != writer);
        table.extend(value.map(|value| (writer, value)));
    }

    /// `writer` gives the location `value`, and tells so.
    fn publish(&self, writer: u32, value: u32, alone: bool) -> (Stamp, Stamp) {
        *self.lists[writer as usize].lock() = Some(value);
        announce(&self.stamps, SPOT, writer, alone, &ModelWrite { model: self, writer, value })
    }

    /// The location as `reader` sees it, of which `stamp` tells; 0 in the base.
    fn resolve(&self, stamp: Stamp, reader: u32) -> u32 {
        match stamp.writers() {
            Writers::One(writer) if writer < reader => {
                self.lists[writer as usize].lock().unwrap_or(0)
            }
            Writers::Nobody | Writers::One(_) => 0,
            Writers::Many => {
                let table = self.table.lock();
                let versions = table.iter().filter(|(writer, _)| *writer < reader);
                versions.max_by_key(|(writer, _)| *writer).map_or(0, |(_, value)| *value)
            }
        }
    }
}

struct ModelWrite<'a> {
    model: &'a Model,
    writer: u32,
    value: u32,
}

impl Write for ModelWrite<'_> {
    type Moved = ();

    fn set(&self) {
        self.model.put(self.writer, Some(self.value));
    }

    fn move_in(&self, by: u32, _: u32) {
        let value = *self.model.lists[by as usize].lock();
        self.model.put(by, value);
    }

    fn move_out(&self, by: u32, (): ()) {
        self.model.put(by, None);
    }
}

fn check(preemptions: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(run);
}

/// Two workers execute the writers ahead while a third executes the reader; the committer then finds transaction 0 void
/// where `void` says so, and executes it again.
fn ahead(void: bool, alone: [bool; 2]) {
    let model = Model::new();
    let writers = [0, 1].map(|writer| {
        let model = model.clone();
        thread::spawn(move || {
            model.publish(writer, 10 + writer, alone[writer as usize]);
        })
    });
    let read = {
        let model = model.clone();
        thread::spawn(move || {
            let stamp = model.stamps.find(SPOT);
            (stamp, model.resolve(stamp, READER))
        })
    };
    let [first, second] = writers;
    first.join().unwrap();
    if void {
        model.publish(0, 20, true);
    }
    second.join().unwrap();
    let (stamp, value) = read.join().unwrap();
    if model.stamps.is_current(stamp) {
        assert_eq!(value, 11, "{stamp:?} is said to be current");
    }
    let now = model.stamps.find(SPOT);
    assert_eq!(model.resolve(now, READER), 11, "{now:?}");
    assert_eq!(model.resolve(now, 1), if void { 20 } else { 10 }, "{now:?}");
    assert_eq!(model.resolve(now, 0), 0);
}

#[test]
fn a_reader_beside_two_writers() {
    check(4, || ahead(false, [true, true]));
}

#[test]
fn a_reader_beside_two_writers_one_of_whom_has_to_write_again() {
    check(3, || ahead(true, [true, true]));
}

#[test]
fn a_reader_beside_writers_who_need_the_tables() {
    check(3, || ahead(true, [false, true]));
    check(3, || ahead(true, [true, false]));
}

/// Two locations of a row take their stamps at the same time: each has its own, and whoever read one of them before
/// it was written learns of it.
#[test]
fn two_locations_of_a_row() {
    check(3, || {
        let model = Model::new();
        let other = {
            let model = model.clone();
            thread::spawn(move || {
                let write = ModelWrite { model: &model, writer: 0, value: 1 };
                announce(&model.stamps, OTHER, 0, true, &write);
            })
        };
        let read = {
            let model = model.clone();
            thread::spawn(move || {
                let stamp = model.stamps.find(SPOT);
                (stamp, model.resolve(stamp, READER))
            })
        };
        model.publish(1, 11, true);
        other.join().unwrap();
        let (stamp, value) = read.join().unwrap();
        assert!(value == 11 || !model.stamps.is_current(stamp), "{stamp:?}");
        let [spot, other] = [SPOT, OTHER].map(|spot| model.stamps.find(spot));
        assert_eq!((spot.writers(), other.writers()), (Writers::One(1), Writers::One(0)));
        assert_ne!(spot.place, other.place);
    });
}
