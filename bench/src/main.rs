//! The program `plasma-bench`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    plasma_bench::run(std::env::args_os())
}
