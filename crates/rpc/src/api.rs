//! What every method works with: the chain, the settings, the workers.

use crate::{
    RpcConfig,
    dev::KeptBlobs,
    error::{self, RpcResult},
    eth::{fees::TipOracle, filters::Filters},
    exec,
    params::Arguments,
    rate::RateLimit,
    workers::Workers,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use jsonrpsee::{RpcModule, types::Params};
use plasma_chain::{Chain, ExecutedBlock, PendingBlock};
use plasma_evm::{EvmEnv, block_env};
use plasma_storage::StateReader;
use serde::Serialize;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
};

/// Traces, simulations and log queries that run at once on the smallest machines: what is one's own waits for nobody's long one.
const LEAST_TRACERS: usize = 2;

/// How the names of methods begin that may work for seconds: they execute whole blocks or many
/// calls, or search many blocks.
const LONG: [&str; 11] = [
    "debug_accountRange",
    "debug_trace",
    "debug_intermediateRoots",
    "debug_storageRangeAt",
    "eth_callMany",
    "eth_getFilterLogs",
    "eth_getLogs",
    "eth_simulate",
    "ots_",
    "testing_",
    "trace_",
];

/// What kind of a heavy method one is: told from its name once, when it is registered.
#[derive(Clone, Copy, Debug)]
enum Heavy {
    /// It may work for seconds.
    Long,
    /// It does not, within the bounds of calls.
    Short,
}

impl Heavy {
    fn of(name: &str) -> Self {
        let is_long = LONG.iter().any(|start| name.starts_with(start));
        if is_long { Self::Long } else { Self::Short }
    }
}

/// The context of all methods. A cheap handle.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

/// What an [`Api`] holds.
pub struct Parts {
    /// The chain.
    pub chain: Chain,
    /// Settings and limits.
    pub config: RpcConfig,
    /// Where heavy reading and executing runs.
    pub workers: Workers,
    /// Where traces, simulations and log queries run: apart from `workers`, so that calls do not
    /// wait for them.
    pub tracers: Workers,
    /// Where transactions are decoded and their senders recovered; apart from `workers`, so that
    /// heavy reading does not hold up submissions.
    pub submitters: Workers,
    /// Where the consensus layer's commands run, one after the other.
    pub(crate) engine_workers: Workers,
    /// Requests that addresses may make.
    pub(crate) rate: Option<Arc<RateLimit>>,
    /// Submissions that wait for their blocks.
    pub(crate) waiting: AtomicUsize,
    /// Filters that clients have installed.
    pub(crate) filters: Filters,
    /// Suggested tips.
    pub(crate) tips: TipOracle,
    /// Whether a development node tells in its log what transactions and commands did.
    pub(crate) dev_logging: AtomicBool,
    /// Blobs of the newest transactions; `None` outside of development.
    pub(crate) blobs: Option<KeptBlobs>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// A block as a request names it.
#[derive(Clone, Debug)]
pub enum Target {
    /// A sealed block.
    Sealed(Arc<ExecutedBlock>),
    /// The open block.
    Pending(Arc<PendingBlock>),
}

impl Target {
    /// The block itself.
    pub fn block(&self) -> &ExecutedBlock {
        match self {
            Self::Sealed(block) => block,
            Self::Pending(pending) => &pending.block,
        }
    }

    /// True for the open block.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}

impl Api {
    /// The context over `chain`.
    pub fn new(config: RpcConfig, chain: Chain) -> Self {
        let workers = Workers::new(config.workers, config.max_queued);
        let tracers = match config.trace_workers {
            0 => std::thread::available_parallelism()
                .map_or(LEAST_TRACERS, |cores| cores.get().div_ceil(2).max(LEAST_TRACERS)),
            given => given,
        };
        let tracers = Workers::new(tracers, config.max_queued);
        // Whoever waits here holds one raw transaction, so the queue may be long.
        let submitters = Workers::new(0, config.max_queued.saturating_mul(16));
        let engine_workers = Workers::new(1, config.max_queued);
        let rate = config.rate_limit.map(RateLimit::new).map(Arc::new);
        let filters = Filters::new(&config);
        let blobs = chain.dev().is_some().then(|| KeptBlobs::new(chain.pool()));
        Self(Arc::new(Parts {
            chain,
            config,
            workers,
            tracers,
            submitters,
            engine_workers,
            rate,
            waiting: AtomicUsize::new(0),
            filters,
            tips: TipOracle::default(),
            dev_logging: AtomicBool::new(true),
            blobs,
        }))
    }

    /// Where a heavy method runs.
    fn workers_of(&self, kind: Heavy) -> &Workers {
        match kind {
            Heavy::Long => &self.tracers,
            Heavy::Short => &self.workers,
        }
    }

    /// Answers a heavy method, with a bound on the time of those that may work for seconds.
    fn answer<T>(&self, kind: Heavy, answer: impl FnOnce() -> RpcResult<T>) -> RpcResult<T> {
        match kind {
            Heavy::Long => {
                exec::run_within(self.config.trace_timeout, "--rpc.trace-timeout", answer)
            }
            Heavy::Short => answer(),
        }
    }

    /// The number that a tag or a number stands for; `None` for `pending`.
    ///
    /// # Errors
    /// -32000 for `safe` and `finalized` before a consensus layer that drives this node has named one.
    pub fn sealed_number(&self, tag: BlockNumberOrTag) -> RpcResult<Option<u64>> {
        let named = |block: Option<u64>, name: &str| {
            let absent = || error::server_error(format!("{name} block not found"));
            block.ok_or_else(absent).map(Some)
        };
        match tag {
            BlockNumberOrTag::Number(number) => Ok(Some(number)),
            BlockNumberOrTag::Earliest => Ok(Some(0)),
            BlockNumberOrTag::Latest => Ok(Some(self.chain.head().number())),
            BlockNumberOrTag::Safe => named(self.chain.safe(), "safe"),
            BlockNumberOrTag::Finalized => named(self.chain.finalized(), "finalized"),
            BlockNumberOrTag::Pending => Ok(None),
        }
    }

    /// The block that `id` names, where there is one.
    ///
    /// # Errors
    /// Where the database fails.
    pub fn target(&self, id: BlockId) -> RpcResult<Option<Target>> {
        let sealed = match id {
            BlockId::Hash(hash) => self.chain.block_by_hash(hash.block_hash),
            BlockId::Number(tag) => match self.sealed_number(tag)? {
                None => return Ok(Some(Target::Pending(self.chain.pending()))),
                Some(number) => {
                    let head = self.chain.head();
                    if head.number() == number {
                        return Ok(Some(Target::Sealed(head)));
                    }
                    self.chain.block(number)
                }
            },
        };
        Ok(sealed.map_err(error::from_chain)?.map(Target::Sealed))
    }

    /// The block that `id` (or, without one, `latest`) names.
    ///
    /// # Errors
    /// -32000 "header not found" where there is none.
    pub fn existing(&self, id: Option<BlockId>) -> RpcResult<Target> {
        self.target(id.unwrap_or_default())?.ok_or_else(error::header_not_found)
    }

    /// The state after the block that `id` (or, without one, `latest`) names.
    ///
    /// # Errors
    /// -32000 where there is no such block or its state is pruned.
    pub fn state(&self, id: Option<BlockId>) -> RpcResult<Arc<dyn StateReader>> {
        let number = match id.unwrap_or_default() {
            BlockId::Number(tag) => match self.sealed_number(tag)? {
                None => return Ok(self.chain.pending().state.clone()),
                Some(number) if number > self.chain.head().number() => {
                    return Err(error::header_not_found());
                }
                Some(number) => number,
            },
            BlockId::Hash(hash) => {
                let found = self.chain.database().block_number(hash.block_hash);
                found
                    .map_err(error::from_storage)?
                    .ok_or_else(|| error::server_error("header for hash not found"))?
            }
        };
        self.chain.state_at(number).map_err(error::from_chain)
    }

    /// The state after the block that `id` names, with the environment of that block.
    ///
    /// # Errors
    /// -32000 where there is no such block or its state is pruned.
    pub fn state_and_env(&self, id: Option<BlockId>) -> RpcResult<(Arc<dyn StateReader>, EvmEnv)> {
        match self.existing(id)? {
            Target::Pending(pending) => Ok((pending.state.clone(), pending.env.clone())),
            Target::Sealed(block) => {
                let state = self.chain.state_at(block.number()).map_err(error::from_chain)?;
                Ok((state, block_env(self.chain.spec(), &block.header)))
            }
        }
    }
}

/// Registers a method that answers in place, on the async thread. `arguments` is the most that the
/// method takes.
pub(crate) fn quick<T, F>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    arguments: usize,
    answer: F,
) where
    T: Serialize + Clone + Send + 'static,
    F: Fn(&Api, Arguments<'_>) -> RpcResult<T> + Send + Sync + 'static,
{
    let registered = module.register_method(name, move |params: Params<'_>, api, _| {
        answer(api, Arguments::new(&params, arguments)?)
    });
    registered.expect("each method is registered once");
}

/// Registers a method that answers on a worker thread.
pub(crate) fn heavy<T, F>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    arguments: usize,
    answer: F,
) where
    T: Serialize + Clone + Send + 'static,
    F: Fn(&Api, Arguments<'_>) -> RpcResult<T> + Copy + Send + Sync + 'static,
{
    let kind = Heavy::of(name);
    let registered =
        module.register_async_method(name, move |params, api: Arc<Api>, _| async move {
            let workers = api.workers_of(kind).clone();
            let job =
                move || api.answer(kind, || answer(&api, Arguments::new(&params, arguments)?));
            workers.run(job).await
        });
    registered.expect("each method is registered once");
}

/// Registers a method that answers in place while its last answer was cheap, else on a worker
/// thread.
pub(crate) fn guessed_by_method<T, F>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    arguments: usize,
    answer: F,
) where
    T: Serialize + Clone + Send + 'static,
    F: Fn(&Api, Arguments<'_>) -> RpcResult<T> + Copy + Send + Sync + 'static,
{
    let kind = Heavy::of(name);
    let registered =
        module.register_async_method(name, move |params, api: Arc<Api>, _| async move {
            let workers = api.workers_of(kind).clone();
            let job =
                move || api.answer(kind, || answer(&api, Arguments::new(&params, arguments)?));
            workers.run_guessed(name, job).await
        });
    registered.expect("each method is registered once");
}

/// Registers a method that answers in place while its last answer to the same parameters was cheap,
/// else on a worker thread.
pub(crate) fn guessed_by_params<T, F>(
    module: &mut RpcModule<Api>,
    name: &'static str,
    arguments: usize,
    answer: F,
) where
    T: Serialize + Clone + Send + 'static,
    F: Fn(&Api, Arguments<'_>) -> RpcResult<T> + Copy + Send + Sync + 'static,
{
    let kind = Heavy::of(name);
    let registered =
        module.register_async_method(name, move |params, api: Arc<Api>, _| async move {
            let workers = api.workers_of(kind).clone();
            let entry = workers.entry(&(name, params.as_str()));
            let job =
                move || api.answer(kind, || answer(&api, Arguments::new(&params, arguments)?));
            workers.run_guessed_at(entry, job).await
        });
    registered.expect("each method is registered once");
}
