//! Upkeeps that are due in every block, on a node that performs them.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes, TxKind, U256, aliases::U96, hex};
use alloy_sol_types::{SolCall as _, SolEvent as _, SolValue as _, sol};
use eyre::{Context as _, Result, bail, ensure, eyre};
use serde_json::{Value, json};

use super::{
    rpc::{Rpc, quantity},
    target::{Funder, Meter, Target},
};
use crate::{machine, report::Row, statistics::quantile_ms};

sol! {
    event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);
    event UpkeepPerformed(uint256 indexed id, bool indexed success, uint96 totalPayment, uint256 gasUsed, uint256 gasOverhead, bytes trigger);
    function registerUpkeep(address target, uint32 gasLimit, address admin, uint8 triggerType, bytes checkData, bytes triggerConfig, bytes offchainConfig) external returns (uint256 id);
    function addFunds(uint256 id, uint96 amount) external payable;
    function cancelUpkeep(uint256 id) external;
}

/// Trigger type of an interval.
const INTERVAL: u8 = 2;
/// Gas that each upkeep asks for; a beat needs about 50,000 the first time and 35,000 afterwards.
const PERFORM_GAS: u32 = 80_000;
/// Wei that each upkeep is funded with.
const UPKEEP_WEI: u64 = 200_000_000_000_000_000;
/// How often the head is looked at while blocks are counted.
const POLL: Duration = Duration::from_millis(2);

/// What is registered and for how long it is watched.
#[derive(Clone, Debug)]
pub(crate) struct Performs {
    pub(crate) registry: Address,
    /// Hardhat-style artifact of the contract that is performed.
    pub(crate) artifact: std::path::PathBuf,
    pub(crate) upkeeps: usize,
    pub(crate) blocks: u64,
}

impl Performs {
    /// Registers the upkeeps, each with a contract of its own, watches and cancels them again.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let mut rpc = target.rpc()?;
        let funder = Funder::new(target.terms)?;
        let ids = self.register(&mut rpc, &funder)?;
        let row = self.watch(target, &mut rpc);
        let cancel = ids.iter().map(|id| {
            let input = cancelUpkeepCall { id: *id }.abi_encode();
            (TxKind::Call(self.registry), U256::ZERO, Bytes::from(input), 200_000)
        });
        funder.send_all(&mut rpc, cancel)?;
        row
    }

    fn register(&self, rpc: &mut Rpc, funder: &Funder) -> Result<Vec<U256>> {
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
        // Every block: (1 block, 0 milliseconds).
        let trigger = Bytes::from((1_u64, 0_u64).abi_encode_params());
        let register = contracts.into_iter().map(|contract| {
            let call = registerUpkeepCall {
                target: contract,
                gasLimit: PERFORM_GAS,
                admin: funder.address(),
                triggerType: INTERVAL,
                checkData: Bytes::new(),
                triggerConfig: trigger.clone(),
                offchainConfig: Bytes::new(),
            };
            (TxKind::Call(self.registry), U256::ZERO, call.abi_encode().into(), 3_000_000)
        });
        let ids = funder
            .send_all(rpc, register)?
            .iter()
            .map(registered_id)
            .collect::<Result<Vec<U256>>>()?;
        let fund = ids.iter().map(|id| {
            let call = addFundsCall { id: *id, amount: U96::from(UPKEEP_WEI) };
            let input = Bytes::from(call.abi_encode());
            (TxKind::Call(self.registry), U256::from(UPKEEP_WEI), input, 300_000)
        });
        funder.send_all(rpc, fund)?;
        Ok(ids)
    }

    /// Watches some blocks go by, then reads from the chain what was performed in them.
    fn watch(&self, target: &Target, rpc: &mut Rpc) -> Result<Row> {
        // The first blocks after the funding hold the first, more expensive beats.
        let (mut head, _) = await_block(rpc, 0, target.timeout)?;
        for _ in 0..2 {
            (head, _) = await_block(rpc, head, target.timeout)?;
        }
        let first = head + 1;
        let meter = Meter::start(target);
        let (mut intervals, mut sealed) = (Vec::new(), Instant::now());
        while head < first + self.blocks - 1 {
            let (number, at) = await_block(rpc, head, target.timeout)?;
            if number == head + 1 {
                intervals.push(at - sealed);
            }
            (head, sealed) = (number, at);
        }
        let last = first + self.blocks - 1;
        let (mut counts, mut failed) = (Vec::new(), 0);
        let mut gas = 0;
        for number in first..=last {
            let at = format!("{number:#x}");
            let filter = json!([{
                "fromBlock": at, "toBlock": at, "address": self.registry,
                "topics": [UpkeepPerformed::SIGNATURE_HASH],
            }]);
            let logs = rpc.call("eth_getLogs", filter)?;
            let logs = logs.as_array().ok_or_else(|| eyre!("eth_getLogs answered {logs}"))?;
            let success = U256::from(1);
            for log in logs {
                let flag: U256 = serde_json::from_value(log["topics"][2].clone())?;
                failed += usize::from(flag != success);
            }
            counts.push(logs.len());
            let block = rpc.call("eth_getBlockByNumber", json!([at, false]))?;
            gas += quantity(&block["gasUsed"])?;
        }
        ensure!(
            counts.iter().any(|count| *count > 0),
            "no upkeep was performed in {} blocks",
            self.blocks
        );
        let total: usize = counts.iter().sum();
        let row = Row::new(format!("performs-{}", self.upkeeps), machine::cores())
            .figure("performs_per_block", total as f64 / self.blocks as f64)
            .figure("performs_least", counts.iter().min().copied())
            .figure("performs_failed", failed)
            .figure("seal_interval_p50_ms", quantile_ms(&mut intervals, 0.5))
            .figure("seal_interval_max_ms", quantile_ms(&mut intervals, 1.0))
            .figure("blocks", self.blocks)
            .figure("gas_per_block", gas / self.blocks);
        let cpu_before = row.figures.len();
        let mut row = meter.stop(target, row);
        let cpu = row.figures[cpu_before..].iter().find(|(name, _)| name == "node_cpu_s");
        if let Some(seconds) = cpu.and_then(|(_, value)| value.as_f64()) {
            row = row.figure("node_cpu_per_block_ms", seconds * 1000.0 / self.blocks as f64);
        }
        Ok(row)
    }
}

/// Waits for a block after `head`; its number and when it was seen.
fn await_block(rpc: &mut Rpc, head: u64, timeout: Duration) -> Result<(u64, Instant)> {
    let started = Instant::now();
    loop {
        let number = rpc.block_number()?;
        if number > head {
            return Ok((number, Instant::now()));
        }
        if started.elapsed() > timeout {
            bail!("no block after block {head} within {timeout:?}");
        }
        std::thread::sleep(POLL);
    }
}

fn registered_id(receipt: &Value) -> Result<U256> {
    let topic = json!(UpkeepRegistered::SIGNATURE_HASH);
    let logs = receipt["logs"].as_array().ok_or_else(|| eyre!("a receipt without logs"))?;
    let log = logs
        .iter()
        .find(|log| log["topics"][0] == topic)
        .ok_or_else(|| eyre!("the registry did not tell that the upkeep is registered"))?;
    Ok(serde_json::from_value(log["topics"][1].clone())?)
}
