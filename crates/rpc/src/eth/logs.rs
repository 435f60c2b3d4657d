//! `eth_getLogs` and what filters share with it.

use crate::{
    api::{Api, guessed_by_params},
    convert,
    error::{self, RpcResult},
    exec,
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::RpcModule;
use serde::{Deserialize, Deserializer};
use std::ops::RangeInclusive;

/// A filter as requests write it.
///
/// geth's check that a block hash excludes a range is made here, since its words are fixed.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogFilter(pub(crate) Filter);

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let given = |name: &str| value.get(name).is_some_and(|member| !member.is_null());
        if given("blockHash") && (given("fromBlock") || given("toBlock")) {
            return Err(serde::de::Error::custom(
                "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other",
            ));
        }
        serde_json::from_value(value).map(Self).map_err(serde::de::Error::custom)
    }
}

pub(crate) fn register(module: &mut RpcModule<Api>) {
    guessed_by_params(module, "eth_getLogs", 1, |api, arguments| {
        let LogFilter(filter) = arguments.required(0)?;
        query(api, &filter)
    });
}

/// All logs that `filter` wants.
///
/// # Errors
/// Where the block is unknown, the range is not one, or a limit is exceeded.
pub(crate) fn query(api: &Api, filter: &Filter) -> RpcResult<Vec<Log>> {
    match &filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => of_block(api, filter, *hash),
        FilterBlockOption::Range { from_block, to_block } => {
            let head = api.chain.head().number();
            let first = bound(api, *from_block, head);
            let last = bound(api, *to_block, head);
            if first > last {
                return Err(error::invalid_params("invalid block range params"));
            }
            if last > head && matches!(to_block, Some(BlockNumberOrTag::Number(_))) {
                return Err(error::invalid_params("block range extends beyond current head block"));
            }
            let mut logs = of_range(api, filter, first..=last.min(head))?;
            if *to_block == Some(BlockNumberOrTag::Pending) {
                let pending = api.chain.pending();
                if pending.block.number() > head {
                    push(api, &mut logs, convert::block_logs(&pending.block, filter, false))?;
                }
            }
            Ok(logs)
        }
    }
}

/// Without a bound the query is about the latest block. `pending` counts as the block after it.
fn bound(api: &Api, tag: Option<BlockNumberOrTag>, head: u64) -> u64 {
    api.sealed_number(tag.unwrap_or(BlockNumberOrTag::Latest)).unwrap_or(head + 1)
}

fn of_block(api: &Api, filter: &Filter, hash: B256) -> RpcResult<Vec<Log>> {
    let block = api.chain.block_by_hash(hash).map_err(error::from_chain)?;
    let block = block.ok_or_else(|| error::server_error("unknown block"))?;
    let mut logs = Vec::new();
    push(api, &mut logs, convert::block_logs(&block, filter, false))?;
    Ok(logs)
}

/// The logs of a range of sealed blocks. The index of logs names the blocks that may have some; of
/// these, receipts are read only where the bloom filter of the header does not exclude all of the
/// filter's wishes.
///
/// # Errors
/// Where more blocks or more logs match than allowed. The length of the range is free.
pub(crate) fn of_range(
    api: &Api,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> RpcResult<Vec<Log>> {
    let database = api.chain.database();
    let addresses: Vec<Address> = filter.address.iter().copied().collect();
    let topics: Vec<Vec<B256>> =
        filter.topics.iter().map(|topics| topics.iter().copied().collect()).collect();
    let limit = api.config.max_log_blocks;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let found =
        database.log_blocks(range, &addresses, &topics, most).map_err(error::from_storage)?;
    if let Some(block) = found.stopped_at {
        return Err(error::limit_exceeded(format!(
            "the query has to search more than {limit} blocks (--rpc.max-log-blocks): the limit is \
             reached at block {block}; ask for a shorter range, or for fewer or rarer addresses \
             and topics"
        )));
    }
    let mut logs = Vec::new();
    for number in found.blocks {
        exec::check_time()?;
        let header = database.header(number).map_err(error::from_storage)?;
        let Some(header) = header else { break };
        if !filter.matches_bloom(header.logs_bloom) {
            continue;
        }
        let block = api.chain.block(number).map_err(error::from_chain)?;
        let Some(block) = block else { break };
        push(api, &mut logs, convert::block_logs(&block, filter, false))?;
    }
    Ok(logs)
}

fn push(api: &Api, logs: &mut Vec<Log>, more: impl Iterator<Item = Log>) -> RpcResult<()> {
    let limit = api.config.max_logs;
    for log in more {
        if logs.len() >= limit {
            let block = log.block_number.unwrap_or_default();
            return Err(error::limit_exceeded(format!(
                "the query answers more than {limit} logs (--rpc.max-logs): the limit is reached \
                 in block {block}; ask for a shorter range"
            )));
        }
        logs.push(log);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogFilter, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_hash_excludes_a_range() {
        let hash = B256::ZERO;
        let both = format!("{{\"blockHash\":\"{hash}\",\"fromBlock\":\"0x1\"}}");
        let refused = read(&both).unwrap_err().to_string();
        assert!(refused.starts_with("cannot specify both BlockHash and FromBlock/ToBlock"));
        let with_null = format!("{{\"blockHash\":\"{hash}\",\"fromBlock\":null}}");
        assert!(matches!(
            read(&with_null).unwrap().0.block_option,
            FilterBlockOption::AtBlockHash(_)
        ));
    }

    #[test]
    fn filters_come_as_tools_send_them() {
        for text in [
            "{}",
            "{\"topics\":[]}",
            "{\"topics\":[null,null]}",
            "{\"address\":[],\"topics\":[[]]}",
            "{\"address\":\"0x0000000000000000000000000000000000000001\",\"topics\":[null]}",
            "{\"fromBlock\":\"earliest\",\"toBlock\":\"latest\"}",
        ] {
            read(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
        }
        read("{\"fromBlock\":\"newest\"}").unwrap_err();
        read("{\"address\":\"0x12\"}").unwrap_err();
    }
}
