//! Upkeeps that are due in every block, or every few blocks, on a node that performs them.

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_sol_types::SolValue as _;
use eyre::{Context as _, Result, eyre};
use serde_json::Value;

use super::{
    rpc::Rpc,
    target::{Funder, Target},
    upkeeps::{self, Upkeep},
    watch::Watch,
};
use crate::report::Row;

/// Trigger type of an interval.
const INTERVAL: u8 = 2;
/// Gas that each upkeep asks for; a beat needs about 50,000 the first time and 35,000 afterwards.
pub(crate) const PERFORM_GAS: u32 = 80_000;

/// What is registered and for how long it is watched.
#[derive(Clone, Debug)]
pub(crate) struct Performs {
    pub(crate) registry: Address,
    /// Hardhat-style artifact of the contract that is performed.
    pub(crate) artifact: std::path::PathBuf,
    pub(crate) upkeeps: usize,
    /// Blocks from one perform of an upkeep to the next.
    pub(crate) every: u64,
    pub(crate) blocks: u64,
}

impl Performs {
    /// Registers the upkeeps, each with a contract of its own, watches and cancels them again.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let mut rpc = target.rpc()?;
        let funder = Funder::new(target.terms)?;
        let ids = self.register(&mut rpc, &funder)?;
        let row = self.watch().run(target, &mut rpc, self.name("performs"), &ids, |_| {});
        upkeeps::cancel(&mut rpc, &funder, self.registry, &ids)?;
        row
    }

    /// Name of the row.
    pub(crate) fn name(&self, phase: &str) -> String {
        match self.every {
            1 => format!("{phase}-{}", self.upkeeps),
            every => format!("{phase}-{}-every-{every}", self.upkeeps),
        }
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch { registry: self.registry, every: self.every, blocks: self.blocks }
    }

    /// Deploys the contracts and registers one upkeep for each.
    pub(crate) fn register(&self, rpc: &mut Rpc, funder: &Funder) -> Result<Vec<U256>> {
        let text = std::fs::read(&self.artifact)
            .with_context(|| format!("cannot read {}", self.artifact.display()))?;
        let artifact: Value = serde_json::from_slice(&text)?;
        let code = artifact["bytecode"].as_str().ok_or_else(|| eyre!("no bytecode in it"))?;
        let code = Bytes::from(hex::decode(code)?);
        let deploy = (0..self.upkeeps).map(|_| (TxKind::Create, U256::ZERO, code.clone(), 500_000));
        let contracts = funder
            .send_all(rpc, deploy)?
            .iter()
            .map(|receipt| Ok(serde_json::from_value(receipt["contractAddress"].clone())?))
            .collect::<Result<Vec<Address>>>()?;
        // Blocks, and no milliseconds.
        let trigger = Bytes::from((self.every, 0_u64).abi_encode_params());
        let beats = contracts.into_iter().map(|contract| Upkeep {
            target: contract,
            perform_gas: PERFORM_GAS,
            trigger_type: INTERVAL,
            check_data: Bytes::new(),
            trigger_config: trigger.clone(),
        });
        upkeeps::register(rpc, funder, self.registry, beats)
    }
}
