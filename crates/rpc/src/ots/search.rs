//! The transactions in which an address appears, page by page.
//!
//! Pages hold whole blocks, so that the next page begins at a block's number; they may be longer than
//! asked for. The newest transaction comes first, whichever way the search goes.

use super::block::{TimedReceipt, timed_receipt};
use crate::{
    api::Api,
    convert::{self, RpcTransaction},
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_primitives::Address;
use plasma_chain::ExecutedBlock;
use plasma_storage::AddressPage;
use serde::Serialize;
use std::sync::Arc;

/// Most transactions that a page may be asked to hold.
const MAX_PAGE_SIZE: u64 = 1_000;

/// A page is put together anew this often while the chain changes under it.
const ATTEMPTS: usize = 3;

/// One page of a search.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    txs: Vec<RpcTransaction>,
    receipts: Vec<TimedReceipt>,
    /// Nothing is newer than what stands here.
    first_page: bool,
    /// Nothing is older than what stands here.
    last_page: bool,
}

/// A request: whose transactions, from which block on (`None`: from the end of the chain on), and
/// how many.
struct Search {
    address: Address,
    block: Option<u64>,
    size: usize,
}

impl Search {
    fn new(arguments: &Arguments<'_>) -> RpcResult<Self> {
        let Quantity(block) = arguments.required(1)?;
        let Quantity(size) = arguments.required(2)?;
        if !(1..=MAX_PAGE_SIZE).contains(&size) {
            return Err(error::invalid_argument(
                2,
                format!("page size {size} is not within 1 to {MAX_PAGE_SIZE}"),
            ));
        }
        Ok(Self {
            address: arguments.required(0)?,
            block: (block > 0).then_some(block),
            size: usize::try_from(size).unwrap_or(usize::MAX),
        })
    }
}

/// `ots_searchTransactionsBefore`: back from a block, which is not searched itself; 0: from the latest.
pub(super) fn before(api: &Api, arguments: Arguments<'_>) -> RpcResult<Page> {
    let Search { address, block, size } = Search::new(&arguments)?;
    let database = api.chain.database();
    let (found, blocks) =
        fetch(api, || database.address_transactions_before(address, block, size))?;
    show(api, &found, &blocks, block.is_none(), !found.more)
}

/// `ots_searchTransactionsAfter`: on from a block, which is not searched itself; 0: from genesis.
pub(super) fn after(api: &Api, arguments: Arguments<'_>) -> RpcResult<Page> {
    let Search { address, block, size } = Search::new(&arguments)?;
    let database = api.chain.database();
    let (mut found, mut blocks) =
        fetch(api, || database.address_transactions_after(address, block, size))?;
    found.blocks.reverse();
    blocks.reverse();
    show(api, &found, &blocks, !found.more, block.is_none())
}

/// What `search` finds, and the blocks that it names.
fn fetch(
    api: &Api,
    search: impl Fn() -> Result<AddressPage, plasma_storage::StorageError>,
) -> RpcResult<(AddressPage, Vec<Arc<ExecutedBlock>>)> {
    for _ in 0..ATTEMPTS {
        let found = search().map_err(error::from_storage)?;
        let blocks = found.blocks.iter().map(|block| api.chain.block_by_hash(block.hash));
        let blocks: Option<Vec<_>> = blocks.collect::<Result<_, _>>().map_err(error::from_chain)?;
        if let Some(blocks) = blocks {
            return Ok((found, blocks));
        }
    }
    Err(error::server_error("the chain is being reorganised: ask again"))
}

fn show(
    api: &Api,
    found: &AddressPage,
    blocks: &[Arc<ExecutedBlock>],
    first_page: bool,
    last_page: bool,
) -> RpcResult<Page> {
    let mut page = Page { txs: Vec::new(), receipts: Vec::new(), first_page, last_page };
    for (block, named) in blocks.iter().zip(&found.blocks) {
        for index in named.transactions.iter().rev() {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            let transaction = convert::block_transaction(block, index).ok_or_else(|| {
                error::internal(format!(
                    "the index of addresses names transaction {index} of block {}, which has fewer",
                    named.number
                ))
            })?;
            page.txs.push(transaction);
            page.receipts.push(timed_receipt(api, block, index)?);
        }
    }
    Ok(page)
}
