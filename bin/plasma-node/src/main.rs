//! The `plasma-node` program: reads the command line and calls the node.

mod cli;

use clap::Parser;
use std::process::ExitCode;

/// The program's allocator: fewer stalls than the system's under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plasma-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}
