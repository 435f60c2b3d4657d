//! `cargo bench -p plasma-bench`: `plasma-bench executor`, small unless arguments say otherwise.
//!
//! Arguments after `--` are those of that command: `cargo bench -p plasma-bench -- --scale 1`.

#![forbid(unsafe_code)]

use std::{ffi::OsString, process::ExitCode};

/// A twentieth of the full sizes, which is enough to see a row change.
const SMALL: [&str; 4] = ["--scale", "0.05", "--rounds", "11"];

fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Cargo says so when it measures; when it only tests, there is nothing to do.
    let Some(measures) = arguments.iter().position(|argument| argument == "--bench") else {
        return ExitCode::SUCCESS;
    };
    arguments.remove(measures);
    let mut command: Vec<OsString> = vec!["plasma-bench".into(), "executor".into()];
    for pair in SMALL.chunks(2) {
        if !arguments.iter().any(|argument| argument == pair[0]) {
            command.extend(pair.iter().map(OsString::from));
        }
    }
    command.extend(arguments);
    plasma_bench::run(command)
}
