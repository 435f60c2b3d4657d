//! Errors of the Engine API (execution-apis, `src/engine/common.md`), with the messages that it gives them. What was wrong
//! stands in `data`, as there.

use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use serde_json::json;

/// There is no such payload.
pub const UNKNOWN_PAYLOAD: i32 = -38001;
/// The named blocks do not belong together.
pub const INVALID_FORKCHOICE_STATE: i32 = -38002;
/// No block can have these attributes.
pub const INVALID_PAYLOAD_ATTRIBUTES: i32 = -38003;
/// More was asked for than is answered at once.
pub const TOO_LARGE_REQUEST: i32 = -38004;
/// Another version of the method speaks of this fork.
pub const UNSUPPORTED_FORK: i32 = -38005;
/// The chain cannot go back so far.
pub const TOO_DEEP_REORG: i32 = -38006;

fn error(code: i32, message: &str, reason: impl Into<String>) -> ErrorObjectOwned {
    ErrorObject::owned(code, message, Some(json!({ "err": reason.into() })))
}

/// -38001.
pub fn unknown_payload(reason: impl Into<String>) -> ErrorObjectOwned {
    error(UNKNOWN_PAYLOAD, "Unknown payload", reason)
}

/// -38002.
pub fn invalid_forkchoice_state(reason: impl Into<String>) -> ErrorObjectOwned {
    error(INVALID_FORKCHOICE_STATE, "Invalid forkchoice state", reason)
}

/// -38003.
pub fn invalid_payload_attributes(reason: impl Into<String>) -> ErrorObjectOwned {
    error(INVALID_PAYLOAD_ATTRIBUTES, "Invalid payload attributes", reason)
}

/// -38004.
pub fn too_large_request(reason: impl Into<String>) -> ErrorObjectOwned {
    error(TOO_LARGE_REQUEST, "Too large request", reason)
}

/// -38005.
pub fn unsupported_fork(reason: impl Into<String>) -> ErrorObjectOwned {
    error(UNSUPPORTED_FORK, "Unsupported fork", reason)
}

/// -38006.
pub fn too_deep_reorg(reason: impl Into<String>) -> ErrorObjectOwned {
    error(TOO_DEEP_REORG, "Too deep reorg", reason)
}
