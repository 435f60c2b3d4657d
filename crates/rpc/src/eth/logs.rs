//! `eth_getLogs` and what filters share with it.

use crate::{
    api::{Api, guessed_by_params},
    convert::{self, LogText},
    error::{self, RpcResult},
    exec,
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, B256, Bloom, BloomInput};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::RpcModule;
use plasma_chain::ExecutedBlock;
use plasma_evm::json;
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
        let mut text = LogText::new();
        visit(api, &filter, &mut |block, index, log, position| {
            check_count(api, text.len(), block)?;
            text.push(block, index, log, position);
            Ok(())
        })?;
        Ok(json::written(text.finish()))
    });
}

/// Takes a log with its block, the position of its transaction and its own in the block.
type Visitor<'a> =
    dyn FnMut(&ExecutedBlock, usize, &alloy_primitives::Log, u64) -> RpcResult<()> + 'a;

/// All logs that `filter` wants.
///
/// # Errors
/// Where the block is unknown, the range is not one, or a limit is exceeded.
pub(crate) fn query(api: &Api, filter: &Filter) -> RpcResult<Vec<Log>> {
    let mut logs = Vec::new();
    visit(api, filter, &mut collector(api, &mut logs))?;
    Ok(logs)
}

/// The logs of a range of sealed blocks.
///
/// # Errors
/// Where more blocks or more logs match than allowed. The length of the range is free.
pub(crate) fn of_range(
    api: &Api,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> RpcResult<Vec<Log>> {
    let mut logs = Vec::new();
    visit_range(api, filter, range, &mut collector(api, &mut logs))?;
    Ok(logs)
}

fn collector<'a>(
    api: &'a Api,
    logs: &'a mut Vec<Log>,
) -> impl FnMut(&ExecutedBlock, usize, &alloy_primitives::Log, u64) -> RpcResult<()> + 'a {
    |block, index, log, position| {
        check_count(api, logs.len(), block)?;
        logs.push(convert::rpc_log(block, index, log, position, false));
        Ok(())
    }
}

/// Refuses one log more than `count`, of `block`, where that is too many.
fn check_count(api: &Api, count: usize, block: &ExecutedBlock) -> RpcResult<()> {
    let limit = api.config.max_logs;
    if count < limit {
        return Ok(());
    }
    Err(error::limit_exceeded(format!(
        "the query answers more than {limit} logs (--rpc.max-logs): the limit is reached in block \
         {}; ask for a shorter range",
        block.number()
    )))
}

fn visit(api: &Api, filter: &Filter, take: &mut Visitor<'_>) -> RpcResult<()> {
    match &filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = api.chain.block_by_hash(*hash).map_err(error::from_chain)?;
            let block = block.ok_or_else(|| error::server_error("unknown block"))?;
            visit_block(&block, filter, take)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let head = api.chain.head().number();
            let first = bound(api, *from_block, head)?;
            let last = bound(api, *to_block, head)?;
            if first > last {
                return Err(error::invalid_params("invalid block range params"));
            }
            if last > head && matches!(to_block, Some(BlockNumberOrTag::Number(_))) {
                return Err(error::invalid_params("block range extends beyond current head block"));
            }
            visit_range(api, filter, first..=last.min(head), take)?;
            if *to_block == Some(BlockNumberOrTag::Pending) {
                let pending = api.chain.pending();
                if pending.block.number() > head {
                    visit_block(&pending.block, filter, take)?;
                }
            }
            Ok(())
        }
    }
}

/// Without a bound the query is about the latest block. `pending` counts as the block after it.
fn bound(api: &Api, tag: Option<BlockNumberOrTag>, head: u64) -> RpcResult<u64> {
    let number = api.sealed_number(tag.unwrap_or(BlockNumberOrTag::Latest))?;
    Ok(number.unwrap_or(head + 1))
}

/// The index of logs names the blocks that may have some; of these, receipts are read only where the bloom filter of the header
/// does not exclude all of the filter's wishes. Late blocks are in memory.
fn visit_range(
    api: &Api,
    filter: &Filter,
    range: RangeInclusive<u64>,
    take: &mut Visitor<'_>,
) -> RpcResult<()> {
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
    let wishes = Wishes::new(&addresses, &topics);
    for number in found.blocks {
        exec::check_time()?;
        let block = match api.chain.recent_block(number) {
            Some(block) if wishes.may_be_in(&block.header.logs_bloom) => block,
            Some(_) => continue,
            None => {
                let header = database.header(number).map_err(error::from_storage)?;
                let Some(header) = header else { break };
                if !wishes.may_be_in(&header.logs_bloom) {
                    continue;
                }
                let block = api.chain.block(number).map_err(error::from_chain)?;
                let Some(block) = block else { break };
                block
            }
        };
        visit_block(&block, filter, take)?;
    }
    Ok(())
}

fn visit_block(block: &ExecutedBlock, filter: &Filter, take: &mut Visitor<'_>) -> RpcResult<()> {
    convert::matching_logs(block, filter)
        .try_for_each(|(index, log, position)| take(block, index, log, position))
}

/// What a filter looks for, in the form of bloom filters: hashed once, not for each block.
struct Wishes(Vec<Vec<Bloom>>);

impl Wishes {
    fn new(addresses: &[Address], topics: &[Vec<B256>]) -> Self {
        let bloom = |bytes: &[u8]| Bloom::from(BloomInput::Raw(bytes));
        let addresses = addresses.iter().map(|address| bloom(address.as_slice())).collect();
        let topics =
            topics.iter().map(|one| one.iter().map(|topic| bloom(topic.as_slice())).collect());
        let wishes = std::iter::once(addresses).chain(topics);
        Self(wishes.filter(|any: &Vec<Bloom>| !any.is_empty()).collect())
    }

    /// False where a block with this filter has none of the logs.
    fn may_be_in(&self, block: &Bloom) -> bool {
        self.0.iter().all(|any| any.iter().any(|one| block.contains(one)))
    }
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
