//! A list that one thread appends to while others read what is there already.
//!
//! Invariant: the elements before `len` are complete and do not change as long as anybody reads; only the
//! [`Appender`], of which there is one, writes, and only behind them. Nothing ever moves: the space is
//! that of the vector that the list was begun with, and is one again in the end, without a copy.
//!
//! The outcomes of a batch are the values that its transactions have written. Readers take them from
//! there; to keep them a second time for readers alone cost a quarter of the time.

#![allow(
    unsafe_code,
    reason = "a vector that is read while its owner appends to it; argued at each place"
)]

use std::{
    mem::ManuallyDrop,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The one that appends.
#[derive(Debug)]
pub(crate) struct Appender<T>(Arc<Elements<T>>);

/// The elements, to be read.
#[derive(Debug)]
pub(crate) struct Appended<T>(Arc<Elements<T>>);

/// The parts of a vector; see the module's documentation.
#[derive(Debug)]
struct Elements<T> {
    first: NonNull<T>,
    capacity: usize,
    len: AtomicUsize,
}

// SAFETY: the elements belong to it as to a vector.
unsafe impl<T: Send> Send for Elements<T> {}
// SAFETY: shared, it gives `&T` (hence `T: Sync`), and its appender, which may be on another thread than the
// one that drops it in the end, puts a `T` into it (hence `T: Send`). The appender's writes do not
// meet reads: see `push` and `get`.
unsafe impl<T: Send + Sync> Sync for Elements<T> {}

impl<T> Appender<T> {
    /// Goes on where `elements` end, within their capacity.
    pub(crate) fn new(elements: Vec<T>) -> Self {
        let mut elements = ManuallyDrop::new(elements);
        let first = NonNull::new(elements.as_mut_ptr()).expect("vectors have no null pointers");
        let (capacity, len) = (elements.capacity(), elements.len());
        Self(Arc::new(Elements { first, capacity, len: AtomicUsize::new(len) }))
    }

    /// The list, for somebody else to read.
    pub(crate) fn appended(&self) -> Appended<T> {
        Appended(self.0.clone())
    }

    pub(crate) fn len(&self) -> usize {
        // Relaxed: only the appender changes it.
        self.0.len.load(Ordering::Relaxed)
    }

    /// Appends an element.
    ///
    /// # Panics
    /// Where the capacity is used up.
    pub(crate) fn push(&mut self, element: T) {
        let len = self.len();
        assert!(len < self.0.capacity, "the list is full");
        // SAFETY: below the capacity the place belongs to the vector's space. Nobody reads it before `len` tells
        // of it, and nobody else writes: there is one appender, which is borrowed for itself alone.
        unsafe { self.0.first.add(len).write(element) };
        // Release: whoever sees the new length sees the element.
        self.0.len.store(len + 1, Ordering::Release);
    }

    /// The vector; `None` while somebody may still read it, with whom it goes then.
    pub(crate) fn into_vec(self) -> Option<Vec<T>> {
        let elements = ManuallyDrop::new(Arc::into_inner(self.0)?);
        // SAFETY: it is not dropped any more.
        Some(unsafe { elements.take() })
    }
}

impl<T> Appended<T> {
    /// The element at `index`, once it is there.
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        // Acquire: see `push`.
        if index >= self.0.len.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: elements before `len` are complete, stay where they are and do not change while the list lives,
        // which it does at least as long as `self`.
        Some(unsafe { self.0.first.add(index).as_ref() })
    }
}

impl<T> Elements<T> {
    /// The vector.
    ///
    /// # Safety
    /// It is called once, and nothing else is done with `self` afterwards.
    unsafe fn take(&self) -> Vec<T> {
        // Relaxed: whoever has it for himself has been told.
        let len = self.len.load(Ordering::Relaxed);
        // SAFETY: pointer and capacity are those of the vector of `new`, which was not dropped, and the elements
        // before `len` are complete.
        unsafe { Vec::from_raw_parts(self.first.as_ptr(), len, self.capacity) }
    }
}

impl<T> Drop for Elements<T> {
    fn drop(&mut self) {
        // SAFETY: nothing comes after the drop.
        drop(unsafe { self.take() });
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn elements_are_read_while_others_come_and_are_a_vector_in_the_end() {
        const COUNT: usize = 2_000;
        let mut begun = Vec::with_capacity(COUNT);
        begun.push(Arc::new(0));
        let mut appender = Appender::new(begun);
        let appended = appender.appended();
        let first = std::ptr::from_ref(appended.get(0).unwrap());
        thread::scope(|scope| {
            for _ in 0..2 {
                let appended = appender.appended();
                scope.spawn(move || {
                    let mut seen = 0;
                    while seen < COUNT {
                        if let Some(element) = appended.get(seen) {
                            assert_eq!(**element, seen);
                            seen += 1;
                        }
                    }
                });
            }
            for number in 1..COUNT {
                appender.push(Arc::new(number));
            }
        });
        assert_eq!(appender.len(), COUNT);
        assert!(appended.get(COUNT).is_none());
        drop(appended);
        let elements = appender.into_vec().unwrap();
        assert_eq!(std::ptr::from_ref(&elements[0]), first, "nothing was moved");
        assert!(elements.iter().enumerate().all(|(index, element)| **element == index));
    }

    #[test]
    fn elements_are_dropped_once_whoever_comes_last() {
        let element = Arc::new(());
        let mut appender = Appender::new(Vec::with_capacity(2));
        appender.push(element.clone());
        let appended = appender.appended();
        assert!(appender.into_vec().is_none(), "somebody reads");
        assert_eq!(Arc::strong_count(&element), 2);
        drop(appended);
        assert_eq!(Arc::strong_count(&element), 1);
        let mut appender = Appender::new(vec![element.clone()]);
        assert!(
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                appender.push(element.clone());
            }))
            .is_err()
        );
        drop(appender);
        assert_eq!(Arc::strong_count(&element), 1);
    }
}
