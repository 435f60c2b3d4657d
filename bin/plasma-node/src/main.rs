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
            eprintln!("plasma-node: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes; those that the words before them tell already are left out.
fn sentence(error: &eyre::Report) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}
