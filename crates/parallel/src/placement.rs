//! Where worker threads run: not where the committer does.
//!
//! Invariant: a worker may always run somewhere, and nowhere that the process was not allowed to run
//! when the executor was made. Nothing but speed depends on this.
//!
//! Where there are about as many threads as processors, the system often wakes a worker on the
//! committer's own, whom it then waits for until it is moved: a batch of some milliseconds is over by
//! then. So whoever calls workers first takes its own processor from them. Only on Linux.

#[cfg(target_os = "linux")]
pub(crate) use linux::Placement;
#[cfg(not(target_os = "linux"))]
pub(crate) use other::Placement;

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use parking_lot::Mutex;
    use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

    /// No processor has this number.
    const NOWHERE: usize = usize::MAX;

    /// See the module's documentation.
    #[derive(Debug)]
    pub(crate) struct Placement {
        workers: Mutex<Vec<Pid>>,
        /// Where the process may run; `None` where workers are left to the system.
        allowed: Option<CpuSet>,
        /// What was last taken from the workers.
        taken: AtomicUsize,
    }

    impl Placement {
        /// For an executor of so many threads, the committer's included.
        pub(crate) fn new(threads: usize) -> Self {
            let allowed = sched_getaffinity(None).ok().filter(|set| {
                // With many more processors than threads the system finds a free one.
                let processors = set.count() as usize;
                processors > 1 && processors <= 2 * threads
            });
            Self { workers: Mutex::default(), allowed, taken: AtomicUsize::new(NOWHERE) }
        }

        /// Tells that the calling thread is a worker.
        pub(crate) fn register(&self) {
            self.workers.lock().push(gettid());
        }

        /// Keeps workers off the calling thread's processor.
        pub(crate) fn make_way(&self) {
            let Some(allowed) = &self.allowed else { return };
            let here = sched_getcpu();
            if self.taken.swap(here, Relaxed) == here {
                return;
            }
            let mut elsewhere = *allowed;
            if here < CpuSet::MAX_CPU {
                elsewhere.unset(here);
            }
            if elsewhere.count() == 0 {
                return;
            }
            for worker in &*self.workers.lock() {
                // A hint: a worker that cannot be moved runs where it is.
                let _ = sched_setaffinity(Some(*worker), &elsewhere);
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::{sync::mpsc, thread};

        /// The worker may run wherever the process may, except where the caller is.
        #[test]
        fn workers_keep_off_the_callers_processor() {
            let allowed = sched_getaffinity(None).unwrap();
            let placement = Placement::new(CpuSet::MAX_CPU);
            let (tell, told) = mpsc::channel();
            let (done, wait) = mpsc::channel::<()>();
            thread::scope(|scope| {
                let placement = &placement;
                scope.spawn(move || {
                    placement.register();
                    tell.send(gettid()).unwrap();
                    wait.recv().unwrap();
                });
                let worker = told.recv().unwrap();
                placement.make_way();
                let taken = placement.taken.load(Relaxed);
                let now = sched_getaffinity(Some(worker)).unwrap();
                if allowed.count() == 1 {
                    assert_eq!(now, allowed);
                } else {
                    let mut expected = allowed;
                    expected.unset(taken);
                    assert_eq!(now, expected);
                }
                done.send(()).unwrap();
            });
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    /// Leaves workers to the system.
    #[derive(Debug)]
    pub(crate) struct Placement;

    impl Placement {
        pub(crate) fn new(_threads: usize) -> Self {
            Self
        }

        pub(crate) fn register(&self) {}

        pub(crate) fn make_way(&self) {}
    }
}
