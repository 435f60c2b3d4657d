//! Values as people write them on a command line.

use alloy_primitives::U256;
use std::time::Duration;

/// A duration such as `1s`, `250ms` or `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 1s, 250ms or 2m"))?;
    if parsed.is_zero() {
        return Err("it must be above zero".to_owned());
    }
    Ok(parsed)
}

/// An amount in ether such as `0.5`, as wei.
pub(crate) fn ether(text: &str) -> Result<U256, String> {
    alloy_primitives::utils::parse_ether(text)
        .map_err(|error| format!("{error}; write an amount in ether, like 0.5"))
}

/// An upkeep's id in decimal or as hexadecimal with `0x`.
pub(crate) fn upkeep_id(text: &str) -> Result<U256, String> {
    text.parse().map_err(|error| format!("{error}; write the id in decimal or with 0x"))
}
