//! Log lines on standard error.

use crate::LogFormat;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. `filter` is a level or a list of `target=level`; `RUST_LOG` wins over it.
/// Fails with a sentence where the filter cannot be read or logging runs already.
pub fn init_logging(filter: &str, format: LogFormat) -> Result<(), String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(from_env) => EnvFilter::try_new(from_env),
        Err(_) => EnvFilter::try_new(filter),
    }
    .map_err(|error| format!("log filter: {error}"))?;
    let colours = std::io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).compact().try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| format!("logging: {error}"))
}
