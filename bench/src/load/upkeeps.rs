//! Upkeeps of the load: registered, funded, performed, cancelled.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes, TxKind, U256, aliases::U96};
use alloy_sol_types::{SolCall as _, SolEvent as _, sol};
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};

use super::{
    rpc::{Rpc, quantity},
    target::Funder,
};

sol! {
    event UpkeepRegistered(uint256 indexed id, uint32 performGas, address admin);
    event UpkeepPerformed(uint256 indexed id, bool indexed success, uint96 totalPayment, uint256 gasUsed, uint256 gasOverhead, bytes trigger);
    function registerUpkeep(address target, uint32 gasLimit, address admin, uint8 triggerType, bytes checkData, bytes triggerConfig, bytes offchainConfig) external returns (uint256 id);
    function addFunds(uint256 id, uint96 amount) external payable;
    function cancelUpkeep(uint256 id) external;
}

/// Wei that each upkeep is funded with.
const UPKEEP_WEI: u64 = 200_000_000_000_000_000;
/// How often the head is looked at while blocks are counted.
const POLL: Duration = Duration::from_millis(2);

/// An upkeep to register.
#[derive(Clone, Debug)]
pub(crate) struct Upkeep {
    pub(crate) target: Address,
    /// Gas limit of the target's call.
    pub(crate) perform_gas: u32,
    /// The registry's number of it.
    pub(crate) trigger_type: u8,
    pub(crate) check_data: Bytes,
    pub(crate) trigger_config: Bytes,
}

/// A perform, as the registry's event tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Performed {
    pub(crate) block: u64,
    /// The transaction's place in the block.
    pub(crate) index: u64,
    pub(crate) id: U256,
    /// Whether the target returned normally.
    pub(crate) success: bool,
    /// Gas beside the target's call, its part of what the transaction costs by itself included.
    pub(crate) overhead: u64,
}

/// Registers and funds upkeeps; their ids in the same order.
pub(crate) fn register(
    rpc: &mut Rpc,
    funder: &Funder,
    registry: Address,
    upkeeps: impl IntoIterator<Item = Upkeep>,
) -> Result<Vec<U256>> {
    let register = upkeeps.into_iter().map(|upkeep| {
        let call = registerUpkeepCall {
            target: upkeep.target,
            gasLimit: upkeep.perform_gas,
            admin: funder.address(),
            triggerType: upkeep.trigger_type,
            checkData: upkeep.check_data,
            triggerConfig: upkeep.trigger_config,
            offchainConfig: Bytes::new(),
        };
        (TxKind::Call(registry), U256::ZERO, call.abi_encode().into(), 3_000_000)
    });
    let ids: Vec<U256> =
        funder.send_all(rpc, register)?.iter().map(registered_id).collect::<Result<_>>()?;
    let fund = ids.iter().map(|id| {
        let call = addFundsCall { id: *id, amount: U96::from(UPKEEP_WEI) };
        let input = Bytes::from(call.abi_encode());
        (TxKind::Call(registry), U256::from(UPKEEP_WEI), input, 300_000)
    });
    funder.send_all(rpc, fund)?;
    Ok(ids)
}

/// Cancels upkeeps.
pub(crate) fn cancel(
    rpc: &mut Rpc,
    funder: &Funder,
    registry: Address,
    ids: &[U256],
) -> Result<()> {
    let cancel = ids.iter().map(|id| {
        let input = cancelUpkeepCall { id: *id }.abi_encode();
        (TxKind::Call(registry), U256::ZERO, Bytes::from(input), 200_000)
    });
    funder.send_all(rpc, cancel)?;
    Ok(())
}

/// All performs of the blocks `first` to `last`, in order.
pub(crate) fn performed(
    rpc: &mut Rpc,
    registry: Address,
    first: u64,
    last: u64,
) -> Result<Vec<Performed>> {
    let mut performs = Vec::new();
    for number in first..=last {
        let at = format!("{number:#x}");
        let filter = json!([{
            "fromBlock": at, "toBlock": at, "address": registry,
            "topics": [UpkeepPerformed::SIGNATURE_HASH],
        }]);
        let logs = rpc.call("eth_getLogs", filter)?;
        let logs = logs.as_array().ok_or_else(|| eyre!("eth_getLogs answered {logs}"))?;
        for log in logs {
            let success: U256 = serde_json::from_value(log["topics"][2].clone())?;
            performs.push(Performed {
                block: number,
                index: quantity(&log["transactionIndex"])?,
                id: serde_json::from_value(log["topics"][1].clone())?,
                success: success == U256::from(1),
                // Payment, gas used, gas overhead, and where the trigger stands: a word each.
                overhead: word(&log["data"], 2)?,
            });
        }
    }
    Ok(performs)
}

/// The word at `place` of data, as a small number.
fn word(data: &Value, place: usize) -> Result<u64> {
    let data: Bytes = serde_json::from_value(data.clone())?;
    let word =
        data.get(32 * place..32 * (place + 1)).ok_or_else(|| eyre!("too little data: {data}"))?;
    u64::try_from(U256::from_be_slice(word))
        .map_err(|_| eyre!("word {place} of {data} is too large"))
}

/// Waits for a block after `head`; its number and when it was seen.
pub(crate) fn await_block(rpc: &mut Rpc, head: u64, timeout: Duration) -> Result<(u64, Instant)> {
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
