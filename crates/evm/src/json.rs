//! JSON text that this program has written itself, piece by piece.

#![allow(unsafe_code, reason = "the checked way parses the whole text again")]

use serde_json::value::RawValue;

/// `text` as a value of its own, unread: answers of many kilobytes are written as text because serializing them
/// member by member costs more than making them, and parsing them again would cost as much.
///
/// The caller has written all of `text` as one JSON value: debug builds, and so all tests, panic where it is none.
pub fn written(text: String) -> Box<RawValue> {
    debug_assert!(
        serde_json::from_str::<&RawValue>(&text).is_ok_and(|it| it.get().len() == text.len()),
        "this is no JSON: {text}"
    );
    // SAFETY: nothing in a `RawValue` is unsafe to read whatever its text is, since it is only ever copied into other
    // text; what is asked for is valid JSON without space around it, and that is what callers of this function write.
    unsafe { RawValue::from_string_unchecked(text) }
}
