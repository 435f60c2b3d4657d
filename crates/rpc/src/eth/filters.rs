//! Filters that clients install and poll.
//!
//! A filter of blocks or logs remembers the next block that its client has not seen, so it costs
//! nothing between two polls. Pending transactions are remembered once for all filters, while there
//! is one that wants them.

use super::logs::{self, LogFilter};
use crate::{
    RpcConfig,
    api::{Api, heavy, quick},
    convert::{self, RpcTransaction},
    error::{self, RpcResult},
    params::Arguments,
};
use alloy_consensus::transaction::Recovered;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{B128, B256};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::RpcModule;
use parking_lot::Mutex;
use plasma_chain::ExecutedBlock;
use plasma_txpool::PoolTransaction;
use serde::Serialize;
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// Pending transactions that are remembered for filters; who polls too seldom misses the oldest.
const REMEMBERED_PENDING: usize = 16_384;

/// Blocks that one poll reports at most; the rest comes with the next poll.
const MAX_BLOCKS_PER_POLL: u64 = 10_000;

/// All installed filters.
#[derive(Debug)]
pub(crate) struct Filters {
    inner: Mutex<Inner>,
    most: usize,
    most_of_connection: usize,
    timeout: Duration,
}

/// How many filters were installed over a connection and are there still. They outlive it: a client may come back for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionFilters(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
struct Counted(ConnectionFilters);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Inner {
    installed: HashMap<B128, Installed>,
    pending: VecDeque<Arc<PoolTransaction>>,
    /// How many pending transactions were seen before the first of `pending`.
    forgotten: u64,
    wanting_pending: usize,
}

#[derive(Debug)]
struct Installed {
    kind: Kind,
    last_used: Instant,
    /// `None` where it came over HTTP, whose connections mean nothing.
    _counted: Option<Counted>,
}

#[derive(Clone, Debug)]
enum Kind {
    Blocks { next: u64 },
    Logs { filter: Arc<Filter>, next: u64, removed: Vec<Log> },
    Pending { next: u64, full: bool },
}

/// What a poll answers.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Changes {
    Hashes(Vec<B256>),
    Transactions(Vec<RpcTransaction>),
    Logs(Vec<Log>),
}

impl Filters {
    /// Room for `max_filters`, each removed when nobody asks for it within `filter_timeout`.
    pub(crate) fn new(config: &RpcConfig) -> Self {
        Self {
            inner: Mutex::default(),
            most: config.max_filters,
            most_of_connection: config.max_filters_per_connection,
            timeout: config.filter_timeout,
        }
    }

    /// Installs a filter, over `connection` where that is known.
    fn install(
        &self,
        connection: Option<&ConnectionFilters>,
        kind: impl FnOnce(&Inner) -> Kind,
    ) -> RpcResult<B128> {
        let mut inner = self.inner.lock();
        // Relaxed: counts change under the lock alone.
        let is_full =
            || connection.is_some_and(|it| it.0.load(Ordering::Relaxed) >= self.most_of_connection);
        if inner.installed.len() >= self.most || is_full() {
            inner.expire(self.timeout);
        }
        if is_full() {
            return Err(error::limit_exceeded(format!(
                "this connection has {} filters already (--rpc.max-connection-filters): uninstall \
                 some, or wait until unused ones expire",
                self.most_of_connection
            )));
        }
        if inner.installed.len() >= self.most {
            return Err(error::limit_exceeded(format!(
                "{} filters are installed already (--rpc.max-filters): uninstall some, or wait \
                 until unused ones expire",
                self.most
            )));
        }
        let kind = kind(&inner);
        if matches!(kind, Kind::Pending { .. }) {
            inner.wanting_pending += 1;
        }
        let id = B128::random();
        let counted = connection.map(|connection| {
            connection.0.fetch_add(1, Ordering::Relaxed);
            Counted(connection.clone())
        });
        let last_used = Instant::now();
        inner.installed.insert(id, Installed { kind, last_used, _counted: counted });
        Ok(id)
    }

    fn uninstall(&self, id: B128) -> bool {
        let mut inner = self.inner.lock();
        let removed = inner.installed.remove(&id);
        if let Some(installed) = &removed {
            inner.forget(&installed.kind);
        }
        removed.is_some()
    }

    /// The filter's kind as it was, marked as used, and changed by `advance`.
    fn poll(&self, id: B128, advance: impl FnOnce(&mut Kind)) -> RpcResult<Kind> {
        let mut inner = self.inner.lock();
        let Some(installed) = inner.installed.get_mut(&id) else {
            return Err(error::filter_not_found());
        };
        installed.last_used = Instant::now();
        let before = installed.kind.clone();
        advance(&mut installed.kind);
        Ok(before)
    }

    /// Removes the filters that nobody asked for in time.
    pub(crate) fn expire(&self) {
        self.inner.lock().expire(self.timeout);
    }

    /// Takes note of a pending transaction.
    pub(crate) fn on_pending(&self, transaction: Arc<PoolTransaction>) {
        let mut inner = self.inner.lock();
        if inner.wanting_pending == 0 {
            inner.forgotten += inner.pending.len() as u64;
            inner.pending.clear();
            return;
        }
        if inner.pending.len() == REMEMBERED_PENDING {
            inner.pending.pop_front();
            inner.forgotten += 1;
        }
        inner.pending.push_back(transaction);
    }

    /// Takes note that `block` is canonical no longer.
    pub(crate) fn on_removed(&self, block: &ExecutedBlock) {
        let number = block.number();
        for installed in self.inner.lock().installed.values_mut() {
            match &mut installed.kind {
                Kind::Blocks { next } => *next = number.min(*next),
                Kind::Logs { filter, next, removed } => {
                    if number < *next {
                        removed.extend(convert::block_logs(block, filter, true));
                        *next = number;
                    }
                }
                Kind::Pending { .. } => {}
            }
        }
    }

    /// Pending transactions from number `next` on, and the number after the last.
    fn pending_since(&self, next: u64) -> (Vec<Arc<PoolTransaction>>, u64) {
        let inner = self.inner.lock();
        let skipped = usize::try_from(next.saturating_sub(inner.forgotten)).unwrap_or(usize::MAX);
        let found = inner.pending.iter().skip(skipped).cloned().collect();
        (found, inner.pending_end())
    }
}

impl Inner {
    fn pending_end(&self) -> u64 {
        self.forgotten + self.pending.len() as u64
    }

    fn forget(&mut self, kind: &Kind) {
        if matches!(kind, Kind::Pending { .. }) {
            self.wanting_pending -= 1;
        }
    }

    fn expire(&mut self, timeout: Duration) {
        let expired: Vec<B128> = self
            .installed
            .iter()
            .filter(|(_, installed)| installed.last_used.elapsed() >= timeout)
            .map(|(id, _)| *id)
            .collect();
        for id in expired {
            if let Some(installed) = self.installed.remove(&id) {
                self.forget(&installed.kind);
            }
        }
    }
}

/// What the names of all methods begin with that install a filter.
pub(crate) const INSTALLS: &str = "eth_new";

/// Registers a method that installs the filter that `kind` makes, where the chain's next block is the one given.
fn installs<K>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    arguments: usize,
    kind: impl Fn(u64, Arguments<'_>) -> RpcResult<K> + Send + Sync + 'static,
) where
    K: FnOnce(&Inner) -> Kind,
{
    let registered = module.register_method(name, move |params, api, extensions| {
        let next = api.chain.head().number() + 1;
        let kind = kind(next, Arguments::new(&params, arguments)?)?;
        api.filters.install(extensions.get::<ConnectionFilters>(), kind)
    });
    registered.expect("each method is registered once");
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    installs(module, "eth_newBlockFilter", 0, |next, _| Ok(move |_: &Inner| Kind::Blocks { next }));
    installs(module, "eth_newPendingTransactionFilter", 1, |_, arguments| {
        let full = arguments.or_default(0)?;
        Ok(move |inner: &Inner| Kind::Pending { next: inner.pending_end(), full })
    });
    installs(module, "eth_newFilter", 1, |next, arguments| {
        let LogFilter(filter) = arguments.required(0)?;
        let filter = Arc::new(filter);
        Ok(move |_: &Inner| Kind::Logs { filter, next, removed: Vec::new() })
    });
    quick(module, "eth_uninstallFilter", 1, |api, arguments| {
        Ok(api.filters.uninstall(arguments.required::<FilterId>(0)?.0))
    });
    heavy(module, "eth_getFilterChanges", 1, |api, arguments| {
        changes(api, arguments.required::<FilterId>(0)?.0)
    });
    heavy(module, "eth_getFilterLogs", 1, |api, arguments| {
        let id = arguments.required::<FilterId>(0)?.0;
        match api.filters.poll(id, |_| ())? {
            Kind::Logs { filter, .. } => logs::query(api, &filter),
            _ => Err(error::filter_not_found()),
        }
    });
}

/// An id as this node gave it; any other text names a filter that does not exist.
struct FilterId(B128);

impl<'de> serde::Deserialize<'de> for FilterId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Clients may have dropped leading zeros.
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u128::from_str_radix(digits, 16)
            .map(|number| Self(B128::from(number)))
            .map_err(|_| serde::de::Error::custom("a filter id is a hex string of up to 16 bytes"))
    }
}

fn changes(api: &Api, id: B128) -> RpcResult<Changes> {
    let head = api.chain.head().number();
    let end = |next: u64| (head + 1).max(next).min(next + MAX_BLOCKS_PER_POLL);
    let before = api.filters.poll(id, |kind| match kind {
        Kind::Blocks { next } => *next = end(*next),
        Kind::Logs { next, removed, .. } => {
            removed.clear();
            *next = end(*next);
        }
        Kind::Pending { .. } => {}
    })?;
    match before {
        Kind::Blocks { next } => (next..end(next))
            .map(|number| {
                let hash = api.chain.database().block_hash(number);
                hash.map_err(error::from_storage)?.ok_or_else(error::header_not_found)
            })
            .collect::<RpcResult<_>>()
            .map(Changes::Hashes),
        Kind::Logs { filter, next, removed } => {
            let mut logs = removed;
            logs.extend(of_new_blocks(api, &filter, next..end(next))?);
            Ok(Changes::Logs(logs))
        }
        Kind::Pending { next, full } => {
            let (found, end) = api.filters.pending_since(next);
            api.filters.poll(id, |kind| {
                if let Kind::Pending { next, .. } = kind {
                    *next = end;
                }
            })?;
            Ok(if full { Changes::Transactions(transactions(found)) } else { hashes(&found) })
        }
    }
}

/// The logs of new blocks, none of them above the filter's own end.
fn of_new_blocks(api: &Api, filter: &Filter, blocks: Range<u64>) -> RpcResult<Vec<Log>> {
    let end = match filter.block_option {
        FilterBlockOption::Range { to_block: Some(BlockNumberOrTag::Number(to)), .. } => {
            blocks.end.min(to.saturating_add(1))
        }
        _ => blocks.end,
    };
    if blocks.start >= end {
        return Ok(Vec::new());
    }
    logs::of_range(api, filter, blocks.start..=end - 1)
}

fn hashes(found: &[Arc<PoolTransaction>]) -> Changes {
    Changes::Hashes(found.iter().map(|transaction| transaction.hash).collect())
}

fn transactions(found: Vec<Arc<PoolTransaction>>) -> Vec<RpcTransaction> {
    let rpc = |found: Arc<PoolTransaction>| {
        let transaction = Recovered::new_unchecked(found.transaction.clone(), found.sender);
        convert::pool_transaction(transaction)
    };
    found.into_iter().map(rpc).collect()
}
