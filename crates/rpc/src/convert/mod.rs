//! Plasma's blocks, transactions, receipts and logs in the form that JSON-RPC answers.

mod block;
mod log_text;
mod receipt;
mod tick;
mod transaction;

pub use block::{block_json, header_json, rpc_block, rpc_header};
pub(crate) use log_text::LogText;
pub(crate) use receipt::matching_logs;
pub use receipt::{RpcReceipt, block_logs, receipt, rpc_log};
pub use tick::RpcTick;
pub use transaction::{RpcTransaction, block_transaction, pool_transaction};

#[cfg(test)]
mod tests;
