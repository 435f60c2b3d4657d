//! Reading the registry through its view functions, so that nothing but state is needed.

use crate::{
    KeeperError,
    abi::{Registry, Registry::RegistryEvents},
    call::{CallEnd, FreeCall, free_call},
    revert::revert_reason,
    upkeep::UpkeepInfo,
};
use alloy_primitives::{Address, B256, Log, U256};
use alloy_sol_types::{SolCall, SolEventInterface};
use plasma_evm::EvmEnv;
use plasma_storage::StateReader;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Gas of a view call.
const VIEW_GAS: u64 = 16_000_000;
/// Ids asked for at once.
const PAGE: u64 = 1_000;

/// The registry at one state.
pub(crate) struct RegistryView<'a> {
    pub(crate) state: &'a dyn StateReader,
    pub(crate) env: &'a EvmEnv,
    pub(crate) registry: Address,
}

impl RegistryView<'_> {
    /// Fails where no contract stands at the registry's address.
    pub(crate) fn expect_code(&self) -> Result<(), KeeperError> {
        let account = self.state.account(self.registry)?;
        if account.and_then(|account| account.bytecode_hash).is_none() {
            return Err(KeeperError::NoRegistry(self.registry));
        }
        Ok(())
    }

    /// Ids of all active upkeeps, page by page.
    pub(crate) fn active_ids(&self) -> Result<Vec<U256>, KeeperError> {
        let count = self.view("getNumUpkeeps", &Registry::getNumUpkeepsCall {})?;
        let mut ids = Vec::new();
        while U256::from(ids.len()) < count {
            let page = self.view(
                "getActiveUpkeepIDs",
                &Registry::getActiveUpkeepIDsCall {
                    startIndex: U256::from(ids.len()),
                    maxCount: U256::from(PAGE),
                },
            )?;
            if page.is_empty() {
                return Err(KeeperError::Registry {
                    registry: self.registry,
                    call: "getActiveUpkeepIDs",
                    reason: format!("{count} upkeeps were announced, {} listed", ids.len()),
                });
            }
            ids.extend(page);
        }
        Ok(ids)
    }

    /// Which of `lanes` may perform.
    pub(crate) fn active_lanes(&self, lanes: &[Address]) -> Result<Vec<bool>, KeeperError> {
        lanes
            .iter()
            .map(|lane| self.view("isLane", &Registry::isLaneCall { lane: *lane }))
            .collect()
    }

    /// Status of one upkeep; `None` where the registry does not know it (any more).
    pub(crate) fn status(&self, id: U256) -> Result<Option<UpkeepInfo>, KeeperError> {
        match self.call(Registry::getUpkeepStatusCall { id }.abi_encode(), 0)? {
            CallEnd::Returned(data) => UpkeepInfo::from_status(id, &data).map(Some),
            CallEnd::Reverted(_) => Ok(None),
            end => Err(KeeperError::UpkeepStatus { id, reason: format!("{end:?}") }),
        }
    }

    /// Status of many upkeeps, read in parallel, in the order of `ids`.
    pub(crate) fn statuses(&self, ids: &[U256]) -> Result<Vec<Option<UpkeepInfo>>, KeeperError> {
        ids.par_iter().map(|id| self.status(*id)).collect()
    }

    /// Greatest cost of one perform of `id` at `gas_price`, in wei, as the registry demands it.
    pub(crate) fn min_balance(&self, id: U256, gas_price: u128) -> Result<U256, KeeperError> {
        let data = Registry::getMinBalanceCall { id }.abi_encode();
        let end = self.call(data, gas_price)?;
        self.decode::<Registry::getMinBalanceCall>("getMinBalance", end).map(U256::from)
    }

    /// Whether the registry performed an upkeep for a log; see [`crate::logs::dedup_key`].
    pub(crate) fn has_dedup_key(&self, key: B256) -> Result<bool, KeeperError> {
        self.view("hasDedupKey", &Registry::hasDedupKeyCall { key })
    }

    /// The premium on gas costs, in parts per billion.
    pub(crate) fn premium_ppb(&self) -> Result<u32, KeeperError> {
        Ok(self.view("getPaymentConfig", &Registry::getPaymentConfigCall {})?.premiumPPB)
    }

    fn view<C: SolCall>(&self, name: &'static str, call: &C) -> Result<C::Return, KeeperError> {
        let end = self.call(call.abi_encode(), 0)?;
        self.decode::<C>(name, end)
    }

    fn decode<C: SolCall>(
        &self,
        call: &'static str,
        end: CallEnd,
    ) -> Result<C::Return, KeeperError> {
        let fail = |reason| KeeperError::Registry { registry: self.registry, call, reason };
        match end {
            CallEnd::Returned(data) => {
                C::abi_decode_returns(&data).map_err(|error| fail(error.to_string()))
            }
            CallEnd::Reverted(data) => Err(fail(revert_reason(&data))),
            end => Err(fail(format!("{end:?}"))),
        }
    }

    fn call(&self, data: Vec<u8>, gas_price: u128) -> Result<CallEnd, KeeperError> {
        let call = FreeCall {
            caller: Address::ZERO,
            origin: Address::ZERO,
            target: self.registry,
            data: data.into(),
            gas: VIEW_GAS,
            gas_price,
        };
        Ok(free_call(self.state, self.env, &call)?.0)
    }
}

/// Upkeep `id` as the registry at `registry` knows it, cancelled ones included; `None` where it was never registered.
///
/// # Errors
/// Where the state cannot be read or the registry's answer is no status.
pub fn registered_upkeep(
    state: &dyn StateReader,
    env: &EvmEnv,
    registry: Address,
    id: U256,
) -> Result<Option<UpkeepInfo>, KeeperError> {
    RegistryView { state, env, registry }.status(id)
}

/// What a batch's logs say about the registry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RegistryNews {
    /// Upkeeps whose status must be read again.
    pub(crate) changed: BTreeSet<U256>,
    /// Those of them that were registered, and not cancelled again.
    pub(crate) registered: BTreeSet<U256>,
    /// A lane was authorised or dismissed.
    pub(crate) lanes: bool,
    /// The whole registry was paused (`true`) or unpaused.
    pub(crate) paused: Option<bool>,
}

impl RegistryNews {
    /// Adds what `logs` (in order) say; logs of other contracts are passed over.
    pub(crate) fn add<'a>(&mut self, registry: Address, logs: impl IntoIterator<Item = &'a Log>) {
        for log in logs {
            if log.address != registry {
                continue;
            }
            let Ok(event) = RegistryEvents::decode_log(log) else { continue };
            match event.data {
                RegistryEvents::UpkeepRegistered(event) => {
                    self.changed.insert(event.id);
                    self.registered.insert(event.id);
                }
                RegistryEvents::UpkeepCanceled(event) => {
                    self.changed.insert(event.id);
                    self.registered.remove(&event.id);
                }
                RegistryEvents::DedupKeyAdded(_) => {}
                RegistryEvents::LaneSet(_) => self.lanes = true,
                RegistryEvents::Paused(_) => self.paused = Some(true),
                RegistryEvents::Unpaused(_) => self.paused = Some(false),
                // every other event of the interface has the id as its first topic
                _ => self.changed.extend(log.topics().get(1).map(|id| U256::from_be_bytes(id.0))),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
