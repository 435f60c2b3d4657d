//! How a writer changes the stamp of a location, and what goes to the tables of versions for that.
//!
//! Invariant: while a stamp names one writer, what that transaction wrote under it is found with it, and nobody looks into
//! the tables; when it tells of many, everything that was written under it is there. So when a second writer comes, what the
//! first wrote goes to the tables, under the stamp's lock and before the stamp tells of many; should the first have
//! changed its mind meanwhile, which changes the stamp, that is taken back.

use super::{
    interleave::{self, Point},
    stamps::{Spot, Stamp, Stamps, Writers},
};

/// How often tests have seen what was moved to the tables taken back, and stand.
#[cfg(test)]
pub(crate) static MOVED: [std::sync::atomic::AtomicUsize; 2] =
    [const { std::sync::atomic::AtomicUsize::new(0) }; 2];

/// One write, as the tables have to know it where several write under a stamp.
pub(crate) trait Write {
    /// What was moved.
    type Moved;

    /// Puts what is written into the tables. Again does no harm.
    fn set(&self);

    /// Puts into the tables what `by`, so far the only one, wrote under the stamp at `place`.
    fn move_in(&self, by: u32, place: u32) -> Self::Moved;

    /// Takes that back.
    fn move_out(&self, by: u32, moved: Self::Moved);
}

/// Changes the stamp of a location that `writer` has written. What is written goes to the tables, unless `writer` is
/// `alone`, which is to say that it is found with the writer, and the stamp can tell so. Gives the stamp before and after.
pub(crate) fn announce(
    stamps: &Stamps,
    spot: Spot,
    writer: u32,
    alone: bool,
    write: &impl Write,
) -> (Stamp, Stamp) {
    loop {
        let before = stamps.find(spot);
        interleave::point(Point::Stamp);
        let after_one = before.after_one(writer).filter(|_| alone);
        match (before.writers(), after_one) {
            (_, Some(after)) => {
                if stamps.change(before, after) {
                    return (before, after);
                }
            }
            (Writers::Nobody, None) => {
                write.set();
                let after = before.after_many();
                if stamps.change(before, after) {
                    return (before, after);
                }
            }
            (Writers::One(by), None) => {
                let _lock = stamps.lock(before);
                if stamps.find(spot) != before {
                    continue;
                }
                let moved = write.move_in(by, before.place);
                write.set();
                interleave::point(Point::Stamp);
                let after = before.after_many();
                let stands = stamps.change(before, after);
                #[cfg(test)]
                MOVED[usize::from(stands)].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if stands {
                    return (before, after);
                }
                write.move_out(by, moved);
            }
            (Writers::Many, None) => {
                write.set();
                return stamps.count(before);
            }
        }
    }
}
