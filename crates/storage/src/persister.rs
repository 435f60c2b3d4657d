//! The background writer: moves blocks from memory into the `state` environment, several a commit.

use crate::{
    DatabaseOptions, StorageError,
    engine::{Environment, mapped_resident_bytes},
    flat_state,
    layer::Layer,
    log_index, prune,
    unwind::unwind_to,
    view::{Base, Caches, View},
};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// Blocks in one commit at most, so that one commit's memory and time stay bounded.
const MAX_BLOCKS_PER_COMMIT: usize = 64;
/// Mapped pages are let go this often at most: those in use come back sixteen at a time, in a microsecond or two.
const RELEASE_INTERVAL: Duration = Duration::from_secs(1);

/// The tip over the persisted state, shared by the callers and the background writer.
///
/// Locks are taken in this order: `writer`, `control`, `view`.
#[derive(Debug)]
pub(crate) struct Tip {
    environment: Arc<Environment>,
    journal: Arc<Environment>,
    options: DatabaseOptions,
    caches: Arc<Caches>,
    /// Held by whoever writes the environment; the generation of the base that was opened last.
    writer: Mutex<u64>,
    control: Mutex<Control>,
    /// Tells the background writer that there is something to do.
    wake: Condvar,
    /// Tells callers that the background writer got on, failed or ended.
    progress: Condvar,
    view: RwLock<Arc<View>>,
}

/// What the callers and the background writer tell each other.
#[derive(Debug, Default)]
struct Control {
    stop: bool,
    failed: Option<StorageError>,
    /// Blocks up to this one are to be written without waiting for more.
    flush_to: Option<u64>,
    /// Since when the oldest layer waits.
    waiting_since: Option<Instant>,
}

impl Tip {
    /// Begins with what `environment` holds and nothing above it. Of `journal` only mapped pages are
    /// looked after.
    pub(crate) fn new(
        environment: Arc<Environment>,
        journal: Arc<Environment>,
        options: DatabaseOptions,
    ) -> Result<Self, StorageError> {
        let caches = Arc::new(Caches::new(options.cache_entries));
        let base = Arc::new(Base::open(&environment, 0, Arc::clone(&caches))?);
        let view = RwLock::new(Arc::new(View { base, layers: Vec::new() }));
        Ok(Self {
            environment,
            journal,
            options,
            caches,
            writer: Mutex::new(0),
            control: Mutex::default(),
            wake: Condvar::new(),
            progress: Condvar::new(),
            view,
        })
    }

    /// The environment, for its statistics.
    pub(crate) const fn environment(&self) -> &Arc<Environment> {
        &self.environment
    }

    /// How the database works.
    pub(crate) const fn options(&self) -> &DatabaseOptions {
        &self.options
    }

    /// The view that stands now.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read())
    }

    /// Puts a block on top; waits while too many blocks are not written yet.
    pub(crate) fn push(&self, layer: Layer) -> Result<(), StorageError> {
        let mut control = self.control.lock();
        loop {
            check(&control)?;
            let view = self.view();
            let next = view.tip().ok_or(StorageError::Empty)? + 1;
            if layer.number != next {
                let given = layer.number;
                return Err(StorageError::OutOfOrder {
                    what: "state of block",
                    expected: next,
                    given,
                });
            }
            if view.layers.len() < self.options.max_unpersisted_blocks.max(1) {
                break;
            }
            self.wake.notify_one();
            self.progress.wait(&mut control);
        }
        let view = self.view();
        let mut layers = view.layers.clone();
        layers.push(Arc::new(layer));
        metrics::gauge!("plasma_state_unpersisted_blocks").set(layers.len() as f64);
        *self.view.write() = Arc::new(View { base: Arc::clone(&view.base), layers });
        control.waiting_since.get_or_insert_with(Instant::now);
        self.wake.notify_one();
        Ok(())
    }

    /// Waits until all blocks that are here now are on disk.
    pub(crate) fn flush(&self) -> Result<(), StorageError> {
        let mut control = self.control.lock();
        let view = self.view();
        if let (Some(target), false) = (view.tip(), view.layers.is_empty()) {
            check(&control)?;
            control.flush_to = Some(control.flush_to.map_or(target, |other| other.max(target)));
            self.wake.notify_one();
            loop {
                let view = self.view();
                if view.layers.is_empty() || view.base.block >= Some(target) {
                    break;
                }
                check(&control)?;
                self.progress.wait(&mut control);
            }
        }
        drop(control);
        self.environment.sync()
    }

    /// Lets the background writer finish what waits and end.
    pub(crate) fn stop(&self) {
        self.control.lock().stop = true;
        self.wake.notify_all();
        self.progress.notify_all();
    }

    /// Why nothing more can be written, if that is so.
    pub(crate) fn failure(&self) -> Option<StorageError> {
        self.control.lock().failed.clone()
    }

    /// The background writer's life.
    pub(crate) fn run(&self) {
        let end = catch_unwind(AssertUnwindSafe(|| self.persist_until_stopped()));
        let error = match end {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => {
                StorageError::Other("the background writer met a fault of the program".into())
            }
        };
        tracing::error!(target: "plasma::storage", %error, "state cannot be written");
        self.control.lock().failed = Some(error);
        self.progress.notify_all();
    }

    fn persist_until_stopped(&self) -> Result<(), StorageError> {
        let mut released = None;
        while self.wait_for_work() {
            self.persist()?;
            self.release_mapped(&mut released);
        }
        Ok(())
    }

    /// Lets go of mapped pages where there are too many; `released` tells when it last did.
    fn release_mapped(&self, released: &mut Option<Instant>) {
        let mapped = mapped_resident_bytes();
        metrics::gauge!("plasma_mapped_resident_bytes").set(mapped as f64);
        if mapped <= self.options.mapped_bytes
            || released.is_some_and(|at| at.elapsed() < RELEASE_INTERVAL)
        {
            return;
        }
        *released = Some(Instant::now());
        for environment in [&self.journal, &self.environment] {
            if let Err(error) = environment.release_mapped() {
                // Nothing depends on it but how large the process looks.
                tracing::warn!(target: "plasma::storage", %error, "mapped pages stay");
            }
        }
    }

    /// False when it is time to end.
    fn wait_for_work(&self) -> bool {
        let batch = self.options.persist_batch.clamp(1, self.options.max_unpersisted_blocks.max(1));
        let mut control = self.control.lock();
        loop {
            let view = self.view();
            let Some(first) = view.layers.first() else {
                if control.stop {
                    return false;
                }
                control.flush_to = None;
                self.wake.wait(&mut control);
                continue;
            };
            let due =
                control.waiting_since.unwrap_or_else(Instant::now) + self.options.persist_interval;
            let asked = control.flush_to.is_some_and(|target| first.number <= target);
            if control.stop || asked || view.layers.len() >= batch || Instant::now() >= due {
                return true;
            }
            self.wake.wait_until(&mut control, due);
        }
    }

    fn persist(&self) -> Result<(), StorageError> {
        let mut generation = self.writer.lock();
        let view = self.view();
        let count = view.layers.len().min(MAX_BLOCKS_PER_COMMIT);
        let layers = &view.layers[..count];
        let Some(last) = layers.last() else { return Ok(()) };
        let started = Instant::now();
        let tx = self.environment.write()?;
        for layer in layers {
            flat_state::write_block(&tx, layer)?;
        }
        log_index::write(&tx, layers)?;
        prune::prune(&tx, &self.options, last.number, count)?;
        tx.commit()?;
        metrics::histogram!("plasma_state_commit_seconds").record(started.elapsed());
        metrics::histogram!("plasma_state_commit_blocks").record(count as f64);
        *generation += 1;
        self.caches.advance(*generation, layers);
        let base = Arc::new(Base::open(&self.environment, *generation, Arc::clone(&self.caches))?);
        let control = self.control.lock();
        // Blocks may have been put on top meanwhile, but only the writer takes any away.
        let layers = self.view().layers[count..].to_vec();
        self.publish(control, View { base, layers });
        Ok(())
    }

    fn publish(&self, mut control: MutexGuard<'_, Control>, view: View) {
        metrics::gauge!("plasma_state_unpersisted_blocks").set(view.layers.len() as f64);
        control.waiting_since = (!view.layers.is_empty()).then(Instant::now);
        *self.view.write() = Arc::new(view);
        drop(control);
        self.progress.notify_all();
    }

    /// Writes the environment directly while the background writer is kept away, then begins
    /// anew from what it holds.
    pub(crate) fn rewrite<T>(
        &self,
        write: impl FnOnce(&crate::engine::WriteTx) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut generation = self.writer.lock();
        let tx = self.environment.write()?;
        let answer = write(&tx)?;
        tx.commit()?;
        self.environment.sync()?;
        *generation += 1;
        self.caches.reset(*generation);
        let base = Arc::new(Base::open(&self.environment, *generation, Arc::clone(&self.caches))?);
        self.publish(self.control.lock(), View { base, layers: Vec::new() });
        Ok(answer)
    }

    /// Takes back all blocks after `number`.
    pub(crate) fn revert_to(&self, number: u64) -> Result<(), StorageError> {
        {
            // While the writer's lock is held no block moves from memory to disk.
            let _writer = self.writer.lock();
            let control = self.control.lock();
            check(&control)?;
            let view = self.view();
            let persisted = view.base.block.ok_or(StorageError::Empty)?;
            let latest = view.tip().unwrap_or(persisted);
            if number > latest {
                return Err(StorageError::Unknown { number, latest });
            }
            let oldest = view.base.oldest_unwind;
            if number < oldest {
                return Err(StorageError::BeyondReorgs { number, oldest });
            }
            if number >= persisted {
                let mut layers = view.layers.clone();
                layers.retain(|layer| layer.number <= number);
                self.publish(control, View { base: Arc::clone(&view.base), layers });
                return Ok(());
            }
            // Nothing above the persisted block survives, so it need not be written first.
            self.publish(control, View { base: Arc::clone(&view.base), layers: Vec::new() });
        }
        self.rewrite(|tx| unwind_to(tx, number))
    }
}

fn check(control: &Control) -> Result<(), StorageError> {
    if let Some(error) = &control.failed {
        return Err(StorageError::PersistFailed(Arc::new(error.clone())));
    }
    if control.stop {
        return Err(StorageError::Closed);
    }
    Ok(())
}
