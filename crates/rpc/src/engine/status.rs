//! `PayloadStatusV1`: what is said of a block.

use alloy_primitives::B256;
use plasma_chain::PayloadVerdict;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Valid,
    Invalid,
    Syncing,
    Accepted,
    /// Of the first version only: later ones say `INVALID`.
    InvalidBlockHash,
}

/// `PayloadStatusV1`. All members are always there; what is not known is `null`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PayloadStatus {
    status: Status,
    latest_valid_hash: Option<B256>,
    validation_error: Option<String>,
}

impl PayloadStatus {
    /// The block with this hash is valid.
    pub(super) fn valid(hash: B256) -> Self {
        Self { status: Status::Valid, latest_valid_hash: Some(hash), validation_error: None }
    }

    /// The block is not known, or its ancestors are not.
    pub(super) fn syncing() -> Self {
        Self { status: Status::Syncing, latest_valid_hash: None, validation_error: None }
    }

    /// The block is invalid, for a reason that says nothing of its ancestors.
    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self {
            status: Status::Invalid,
            latest_valid_hash: None,
            validation_error: Some(reason.into()),
        }
    }

    /// The block's hash is not that of its header; `first`: in the words of the first version.
    pub(super) fn wrong_hash(stated: B256, found: B256, first: bool) -> Self {
        let status = if first { Status::InvalidBlockHash } else { Status::Invalid };
        let reason = format!("the block's hash is {found}, and the payload says {stated}");
        Self { status, ..Self::invalid(reason) }
    }

    /// What became of the block with this hash.
    pub(super) fn of(verdict: PayloadVerdict, hash: B256) -> Self {
        match verdict {
            PayloadVerdict::Valid => Self::valid(hash),
            PayloadVerdict::Invalid { latest_valid, reason } => {
                Self { latest_valid_hash: latest_valid, ..Self::invalid(reason) }
            }
            PayloadVerdict::Syncing => Self::syncing(),
            PayloadVerdict::Accepted => Self { status: Status::Accepted, ..Self::syncing() },
        }
    }
}
