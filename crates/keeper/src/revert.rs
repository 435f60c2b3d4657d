//! Revert data as words for people.

use crate::{abi::RegistryError::RegistryErrorErrors, config::MAX_REVERT_DATA_BYTES};
use alloy_primitives::hex;
use alloy_sol_types::{Panic, Revert, SolError, SolInterface};

/// Longest reason that is kept, in characters.
const MAX_REASON_CHARS: usize = 256;
/// Bytes of unknown revert data that are shown.
const SHOWN_BYTES: usize = 36;

/// Describes what a call reverted with: `Error(string)`, `Panic(uint256)`, a custom error by its
/// selector, or rubbish. Overlong data is cut, and the text says so.
pub(crate) fn revert_reason(data: &[u8]) -> String {
    if data.is_empty() {
        return "reverted without a reason".into();
    }
    let kept = &data[..data.len().min(MAX_REVERT_DATA_BYTES)];
    let text = if let Ok(revert) = Revert::abi_decode(kept) {
        revert.reason
    } else if let Ok(panic) = Panic::abi_decode(kept) {
        panic.to_string()
    } else if let Ok(known) = RegistryErrorErrors::abi_decode(kept) {
        format!("{known:?}")
    } else if data.len() >= 4 {
        format!("custom error {}", hex_cut(kept))
    } else {
        format!("reverted with {}", hex_cut(kept))
    };
    let mut text = cut(&text);
    if data.len() > MAX_REVERT_DATA_BYTES {
        text.push_str(&format!(" (revert data of {} bytes truncated)", data.len()));
    }
    text
}

fn hex_cut(data: &[u8]) -> String {
    if data.len() <= SHOWN_BYTES {
        return hex::encode_prefixed(data);
    }
    format!("{}… ({} bytes)", hex::encode_prefixed(&data[..SHOWN_BYTES]), data.len())
}

/// At most [`MAX_REASON_CHARS`] characters, without control characters.
fn cut(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(MAX_REASON_CHARS).map(clean).collect();
    if text.chars().nth(MAX_REASON_CHARS).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, hex};
    use proptest::prelude::*;

    #[test]
    fn known_forms_are_decoded() {
        assert_eq!(revert_reason(&Revert::from("not yet").abi_encode()), "not yet");
        let panic = Panic { code: U256::from(0x11) }.abi_encode();
        assert!(revert_reason(&panic).contains("overflow"), "{}", revert_reason(&panic));
        assert_eq!(revert_reason(&hex!("deadbeef")), "custom error 0xdeadbeef");
        assert_eq!(revert_reason(&hex!("01")), "reverted with 0x01");
        assert_eq!(revert_reason(&[]), "reverted without a reason");
        assert!(revert_reason(&hex!("1099ed75")).contains("OnlyActiveTransmitters"));
    }

    #[test]
    fn overlong_reasons_are_cut() {
        let long = revert_reason(&Revert::from("x".repeat(4_000)).abi_encode());
        assert!(long.chars().count() <= MAX_REASON_CHARS + 1);
        let huge = revert_reason(&vec![7; 100_000]);
        assert!(huge.contains("100000 bytes truncated"), "{huge}");
        assert!(huge.len() < 1_000);
    }

    proptest! {
        #[test]
        fn any_data_has_a_bounded_reason(data in prop::collection::vec(any::<u8>(), 0..6_000)) {
            prop_assert!(revert_reason(&data).chars().count() < 400);
        }
    }
}
