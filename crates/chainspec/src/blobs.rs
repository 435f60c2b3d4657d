//! Blob parameters by time: `config.blobSchedule` (EIP-7840, EIP-7892).

use crate::ChainSpecError;
use alloy_eips::{
    eip7594::MAX_BLOBS_PER_TX_FUSAKA,
    eip7840::{BLOB_BASE_COST, BlobParams},
};
use alloy_genesis::ChainConfig;

/// Most blobs of one block that the consensus layer can carry (`MAX_BLOB_COMMITMENTS_PER_BLOCK`).
const MAX_BLOB_COMMITMENTS_PER_BLOCK: u64 = 4096;

/// Blob parameters with the time (seconds) from which each set holds, in rising order.
pub(crate) type BlobSchedule = Vec<(u64, BlobParams)>;

/// Builds the schedule. A fork whose entry is absent takes Ethereum's values for it where the EIPs
/// give some (Cancun, Prague, BPO1, BPO2); Osaka and later named forks keep those before them.
pub(crate) fn blob_schedule(config: &ChainConfig) -> Result<BlobSchedule, ChainSpecError> {
    for (fork, params) in &config.blob_schedule {
        check(fork, params)?;
    }
    let entry = |name: &str| {
        let found = config.blob_schedule.iter().find(|(fork, _)| fork.eq_ignore_ascii_case(name));
        found.map(|(_, params)| *params)
    };
    let mut schedule = BlobSchedule::new();
    if let Some(time) = config.cancun_time {
        schedule.push((time, entry("cancun").unwrap_or_else(BlobParams::cancun)));
    }
    if let Some(time) = config.prague_time {
        schedule.push((time, entry("prague").unwrap_or_else(BlobParams::prague)));
    }
    if let Some(time) = config.osaka_time {
        let before = schedule.last().map_or_else(BlobParams::osaka, |(_, params)| *params);
        schedule.push((time, since_osaka(entry("osaka").unwrap_or(before))));
    }
    let blob_parameter_forks = [
        ("bpo1", config.bpo1_time, Some(BlobParams::bpo1())),
        ("bpo2", config.bpo2_time, Some(BlobParams::bpo2())),
        ("bpo3", config.bpo3_time, None),
        ("bpo4", config.bpo4_time, None),
        ("bpo5", config.bpo5_time, None),
    ];
    for (name, time, default) in blob_parameter_forks {
        let Some(time) = time else { continue };
        let params = entry(name).or(default).ok_or_else(|| {
            ChainSpecError::value(
                format!("config.blobSchedule.{name}"),
                format!("target, max and baseFeeUpdateFraction, because config.{name}Time is set"),
                None,
            )
        })?;
        schedule.push((time, since_osaka(params)));
    }
    for (name, time) in [("amsterdam", config.amsterdam_time), ("bogota", config.bogota_time)] {
        if let (Some(time), Some(params)) = (time, entry(name)) {
            schedule.push((time, since_osaka(params)));
        }
    }
    // Stable: of forks at the same time the later one comes last and wins.
    schedule.sort_by_key(|(time, _)| *time);
    Ok(schedule)
}

/// The set that holds at `timestamp`; `None` before Cancun.
pub(crate) fn params_at(schedule: &BlobSchedule, timestamp: u64) -> Option<BlobParams> {
    let later = schedule.partition_point(|(time, _)| *time <= timestamp);
    later.checked_sub(1).map(|index| schedule[index].1)
}

/// Adds what holds since Osaka: six blobs a transaction (EIP-7594), a reserve price (EIP-7918).
fn since_osaka(params: BlobParams) -> BlobParams {
    params.with_max_blobs_per_tx(MAX_BLOBS_PER_TX_FUSAKA).with_blob_base_cost(BLOB_BASE_COST)
}

fn check(fork: &str, params: &BlobParams) -> Result<(), ChainSpecError> {
    let path = |field| format!("config.blobSchedule.{fork}.{field}");
    if params.max_blob_count == 0 || params.max_blob_count > MAX_BLOB_COMMITMENTS_PER_BLOCK {
        return Err(ChainSpecError::field(
            path("max"),
            format!("from 1 to {MAX_BLOB_COMMITMENTS_PER_BLOCK} blobs"),
            params.max_blob_count.to_string(),
        ));
    }
    if params.target_blob_count > params.max_blob_count {
        return Err(ChainSpecError::field(
            path("target"),
            format!("at most max ({})", params.max_blob_count),
            params.target_blob_count.to_string(),
        ));
    }
    if params.update_fraction == 0 {
        return Err(ChainSpecError::field(path("baseFeeUpdateFraction"), "at least 1", "0"));
    }
    Ok(())
}
