//! The command line.

mod blockchain_test;
mod blocks;
mod chain_file;
mod db;
mod engine_test;
mod explain;
mod export;
mod fixture_files;
mod import;
mod keeper;
mod node;
mod rpc_args;
mod rpc_client;
mod signer;
mod state_test;
mod units;

use clap::{Parser, Subcommand};
use eyre::Result;

/// An EVM execution node that fires the upkeeps that contracts registered on chain.
#[derive(Debug, Parser)]
#[command(name = "plasma-node", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node.
    Node(Box<node::NodeArgs>),
    /// Make a data directory for the chain of a genesis file.
    Init(blocks::InitArgs),
    /// Import RLP-encoded blocks from files.
    Import(import::ImportArgs),
    /// Write blocks as RLP to a file.
    Export(export::ExportArgs),
    /// Execute stored blocks again and compare every receipt and state root.
    Replay(blocks::ReplayArgs),
    /// Register and look after upkeeps on a running node.
    Keeper(keeper::KeeperArgs),
    /// Tell what a block waited for, or why a contract does not scale.
    Explain(explain::ExplainArgs),
    /// Look into the database of a data directory.
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Run conformance tests.
    #[command(subcommand)]
    Test(TestCommand),
}

#[derive(Debug, Subcommand)]
enum TestCommand {
    /// State tests in the ethereum/tests format; one JSON line per case.
    State(state_test::StateTestArgs),
    /// Blockchain tests in the ethereum/tests format; one JSON line per case.
    Blockchain(blockchain_test::BlockchainTestArgs),
    /// Blockchain tests in the Engine API's form; one JSON line per case.
    Engine(blockchain_test::BlockchainTestArgs),
}

impl Cli {
    /// Does what the command line asks for.
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Node(args) => node::run(*args),
            Command::Init(args) => blocks::init(&args),
            Command::Import(args) => import::import(&args),
            Command::Export(args) => export::export(&args),
            Command::Replay(args) => blocks::replay(&args),
            Command::Keeper(args) => keeper::run(args),
            Command::Explain(args) => explain::run(&args),
            Command::Db(command) => db::run(&command),
            Command::Test(TestCommand::State(args)) => state_test::run(&args),
            Command::Test(TestCommand::Blockchain(args)) => blockchain_test::run(&args),
            Command::Test(TestCommand::Engine(args)) => engine_test::run(&args),
        }
    }
}
