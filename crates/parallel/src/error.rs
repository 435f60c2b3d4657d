//! Errors that end a whole batch. An invalid transaction is not among them: it is an outcome.

use revm::context::result::InvalidHeader;

/// Why a batch gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The base state could not be read.
    #[error("transaction {index} of the batch could not read the state: {source}")]
    Database {
        /// Position of the transaction within the batch.
        index: usize,
        /// The error of the state's reader.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The block environment lacks a field which the active fork needs.
    #[error("the block environment is incomplete for its fork: {source}")]
    Header {
        /// What is missing.
        #[source]
        source: InvalidHeader,
    },
    /// The EVM reported a fault of its own (a fatal precompile error, for example).
    #[error("the EVM failed on transaction {index} of the batch: {message}")]
    Evm {
        /// Position of the transaction within the batch.
        index: usize,
        /// The EVM's message.
        message: String,
    },
    /// Executing a transaction panicked. The batch is lost; the executor remains usable.
    #[error(
        "executing transaction {index} of the batch panicked: {message}; this is a defect, please report it"
    )]
    Panicked {
        /// Position of the transaction within the batch.
        index: usize,
        /// The panic's message.
        message: String,
    },
    /// A worker panicked outside of any transaction. The batch is lost; the executor remains usable.
    #[error(
        "a worker of the parallel executor panicked: {message}; this is a defect, please report it"
    )]
    Worker {
        /// The panic's message.
        message: String,
    },
    /// No worker had anything to do although the batch was not finished.
    #[error(
        "the parallel executor stopped after {committed} of {total} transactions with nothing left to run; this is a defect, please report it"
    )]
    Stalled {
        /// Transactions committed so far.
        committed: usize,
        /// Transactions in the batch.
        total: usize,
    },
    /// The worker threads could not be started.
    #[error("could not start {threads} executor threads: {message}")]
    Threads {
        /// How many threads were asked for.
        threads: usize,
        /// The operating system's answer.
        message: String,
    },
}
