//! The machine behind alloy-evm's interface.

use crate::{Machine, StorageProbe};
use alloy_evm::{
    Database, Evm, EvmEnv, EvmFactory,
    eth::{EthEvmContext, EthEvmFactory},
    precompiles::PrecompilesMap,
};
use alloy_primitives::{Address, Bytes};
use revm::{
    ExecuteEvm, InspectEvm, Inspector, SystemCallEvm,
    context::{BlockEnv, CfgEnv, Context, TxEnv},
    context_interface::result::{EVMError, HaltReason, ResultAndState},
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
};

/// alloy-evm's `EthEvm` with EIP-7610: what executes everywhere but in batches.
#[expect(missing_debug_implementations, reason = "tables of instructions tell nobody anything")]
pub struct PlasmaEvm<DB: Database, I = NoOpInspector> {
    machine: Machine<EthEvmContext<DB>, I, PrecompilesMap>,
    inspect: bool,
}

impl<DB: Database> PlasmaEvm<DB> {
    /// An EVM over `database` in `env`.
    pub fn new(database: DB, env: EvmEnv) -> Self {
        let inner = EthEvmFactory::default().create_evm(database, env).into_inner();
        Self { machine: Machine { inner }, inspect: false }
    }

    /// The same with `inspector` listening.
    pub fn with_inspector<I: Inspector<EthEvmContext<DB>>>(self, inspector: I) -> PlasmaEvm<DB, I> {
        let inner = self.machine.inner.with_inspector(inspector);
        PlasmaEvm { machine: Machine { inner }, inspect: true }
    }
}

impl<DB: Database, I> PlasmaEvm<DB, I> {
    /// The machine inside, to change its instructions or to look at its context.
    pub const fn machine_mut(&mut self) -> &mut Machine<EthEvmContext<DB>, I, PrecompilesMap> {
        &mut self.machine
    }

    /// What listened.
    pub fn into_inspector(self) -> I {
        self.machine.inner.inspector
    }
}

impl<DB, I> Evm for PlasmaEvm<DB, I>
where
    DB: Database + StorageProbe,
    I: Inspector<EthEvmContext<DB>>,
{
    type DB = DB;
    type Tx = TxEnv;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        &self.machine.inner.ctx.block
    }

    fn cfg_env(&self) -> &CfgEnv {
        &self.machine.inner.ctx.cfg
    }

    fn chain_id(&self) -> u64 {
        self.machine.inner.ctx.cfg.chain_id
    }

    fn transact_raw(&mut self, tx: TxEnv) -> Result<ResultAndState<HaltReason>, Self::Error> {
        if self.inspect { self.machine.inspect_tx(tx) } else { self.machine.transact(tx) }
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<HaltReason>, Self::Error> {
        self.machine.system_call_with_caller(caller, contract, data)
    }

    fn finish(self) -> (DB, EvmEnv) {
        let Context { block, cfg, journaled_state, .. } = self.machine.inner.ctx;
        (journaled_state.database, EvmEnv { block_env: block, cfg_env: cfg })
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspect = enabled;
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        let inner = &self.machine.inner;
        (&inner.ctx.journaled_state.database, &inner.inspector, &inner.precompiles)
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        let inner = &mut self.machine.inner;
        (&mut inner.ctx.journaled_state.database, &mut inner.inspector, &mut inner.precompiles)
    }
}
