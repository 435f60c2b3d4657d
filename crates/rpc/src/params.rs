//! Positional parameters: reading them, and saying what is wrong with them.
//!
//! `params` may be absent, `null`, or an array that is shorter than the method's full list; what is
//! missing or `null` at the end counts as not given.

use crate::error::{self, RpcResult};
use alloy_primitives::{B256, U256, hex};
use jsonrpsee::types::Params;
use plasma_keeper::Outcome;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// The positional parameters of one request.
#[derive(Debug)]
pub struct Arguments<'a> {
    values: Vec<&'a RawValue>,
}

impl<'a> Arguments<'a> {
    /// Reads `params`, of which the method takes at most `most`.
    ///
    /// # Errors
    /// -32602 where they are not an array or are too many.
    pub fn new(params: &'a Params<'_>, most: usize) -> RpcResult<Self> {
        Self::from_text(params.as_str(), most)
    }

    fn from_text(text: Option<&'a str>, most: usize) -> RpcResult<Self> {
        let text = text.map_or("", str::trim);
        if text.is_empty() || text == "null" {
            return Ok(Self { values: Vec::new() });
        }
        if !text.starts_with('[') {
            return Err(error::invalid_params(
                "non-array args: parameters are given by position, as a JSON array",
            ));
        }
        let values: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|reason| error::invalid_params(format!("invalid parameters: {reason}")))?;
        if values.len() > most {
            return Err(error::invalid_params(format!("too many arguments, want at most {most}")));
        }
        Ok(Self { values })
    }

    /// The argument at `index`, which must be there.
    ///
    /// # Errors
    /// -32602 where it is missing, `null` or malformed.
    pub fn required<T: Deserialize<'a>>(&self, index: usize) -> RpcResult<T> {
        self.optional(index)?.ok_or_else(|| error::missing_argument(index))
    }

    /// The argument at `index`, or `None` where it is missing or `null`.
    ///
    /// # Errors
    /// -32602 where it is malformed.
    pub fn optional<T: Deserialize<'a>>(&self, index: usize) -> RpcResult<Option<T>> {
        match self.values.get(index) {
            None => Ok(None),
            Some(raw) if raw.get() == "null" => Ok(None),
            Some(raw) => serde_json::from_str(raw.get())
                .map(Some)
                .map_err(|reason| error::invalid_argument(index, words(&reason))),
        }
    }

    /// Refuses what stands at `index` or behind, for methods whose first argument decides on the others.
    ///
    /// # Errors
    /// -32602 where something but `null` stands there.
    pub fn none_from(&self, index: usize) -> RpcResult<()> {
        match self.values.iter().skip(index).all(|raw| raw.get() == "null") {
            true => Ok(()),
            false => {
                Err(error::invalid_params(format!("too many arguments, want at most {index}")))
            }
        }
    }

    /// The argument at `index`, or its default where it is missing or `null`.
    ///
    /// # Errors
    /// -32602 where it is malformed.
    pub fn or_default<T: Deserialize<'a> + Default>(&self, index: usize) -> RpcResult<T> {
        Ok(self.optional(index)?.unwrap_or_default())
    }
}

/// serde_json appends a position, which means nothing within a single argument.
fn words(reason: &serde_json::Error) -> String {
    let text = reason.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// An unsigned number of up to 64 bits: a hex quantity as the specification has it, or, as some
/// tools send it, a JSON number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantity(pub u64);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        u64::try_from(number.0)
            .map(Self)
            .map_err(|_| de::Error::custom(format!("{:#x} does not fit in 64 bits", number.0)))
    }
}

/// An unsigned number of up to 256 bits: a hex quantity, a decimal string, or a JSON number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number(pub U256);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a hex quantity such as \"0x1\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
                Ok(Number(U256::from(value)))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
                u64::try_from(value)
                    .map(|value| Number(U256::from(value)))
                    .map_err(|_| E::custom("a negative number stands where none is allowed"))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
                // JavaScript sends large whole numbers as floats.
                if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&value) {
                    return Ok(Number(U256::from(value as u64)));
                }
                Err(E::custom(format!("{value} is not a whole number within 0 to 2^53")))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                parse_number(text).map(Number).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn parse_number(text: &str) -> Result<U256, String> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some("") => return Err("empty hex string".to_owned()),
        Some(digits) => (digits, 16),
        None if text.is_empty() => return Err("empty string".to_owned()),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => (text, 10),
        None => return Err(format!("hex string without 0x prefix: \"{}\"", shown(text))),
    };
    if digits.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
        return Err(format!("invalid hex string \"{}\"", shown(text)));
    }
    U256::from_str_radix(digits, radix)
        .map_err(|_| format!("number \"{}\" does not fit in 256 bits", shown(text)))
}

/// Input in a message is cut, so that nobody makes the node repeat megabytes.
fn shown(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An outcome of the keeper, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutcomeName(pub &'static str);

impl<'de> Deserialize<'de> for OutcomeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let known = Outcome::NAMES.into_iter().find(|name| *name == text);
        known.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "there is no outcome \"{}\"; outcomes are {}",
                shown(&text),
                Outcome::NAMES.join(", ")
            ))
        })
    }
}

/// A storage key: up to 32 bytes of hex, short forms such as `0x0` included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey {
    /// The slot.
    pub slot: B256,
    /// The key had all 32 bytes. geth answers a proof's key in the form in which it was asked.
    pub full: bool,
}

impl StorageKey {
    /// The slot as a number.
    pub fn number(&self) -> U256 {
        self.slot.into()
    }

    /// Reads a key; the error is a sentence.
    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        if digits.len() > 64 {
            return Err(format!(
                "storage key too long (want at most 32 bytes): \"{}\"",
                shown(text)
            ));
        }
        let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
        let bytes = hex::decode(&even)
            .map_err(|_| format!("invalid hex in storage key: \"{}\"", shown(text)))?;
        let full = digits.len() == 64;
        Ok(Self { slot: B256::left_padding_from(&bytes), full })
    }
}

impl<'de> Deserialize<'de> for StorageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, uint};
    use alloy_rpc_types_eth::BlockId;

    fn arguments(text: Option<&str>) -> Arguments<'_> {
        Arguments::from_text(text, 3).unwrap()
    }

    #[test]
    fn absent_null_and_empty_params_are_the_same() {
        for text in [None, Some("null"), Some("[]"), Some(" [ ] "), Some("")] {
            let arguments = arguments(text);
            assert_eq!(arguments.optional::<Quantity>(0).unwrap(), None);
            let missing = arguments.required::<Quantity>(0).unwrap_err();
            assert_eq!(missing.code(), -32602);
            assert_eq!(missing.message(), "missing value for required argument 0");
        }
    }

    #[test]
    fn null_counts_as_missing() {
        let arguments = arguments(Some("[null, \"0x2\"]"));
        assert_eq!(
            arguments.required::<Address>(0).unwrap_err().message(),
            "missing value for required argument 0"
        );
        assert_eq!(arguments.required::<Quantity>(1).unwrap(), Quantity(2));
    }

    #[test]
    fn objects_and_too_many_arguments_are_refused() {
        let object = Arguments::from_text(Some("{\"a\":1}"), 3).unwrap_err();
        assert!(object.message().starts_with("non-array args"));
        let many = Arguments::from_text(Some("[1,2,3,4]"), 3).unwrap_err();
        assert_eq!(many.message(), "too many arguments, want at most 3");
    }

    #[test]
    fn a_malformed_argument_is_named_without_a_json_position() {
        let arguments = arguments(Some("[\"0x12\"]"));
        let error = arguments.required::<Address>(0).unwrap_err();
        assert!(error.message().starts_with("invalid argument 0: "), "{}", error.message());
        assert!(!error.message().contains(" at line "), "{}", error.message());
    }

    #[test]
    fn numbers_come_in_many_clothes() {
        let read = |text: &str| serde_json::from_str::<Number>(text).map(|number| number.0);
        for text in ["\"0x10\"", "\"0x010\"", "\"16\"", "16", "16.0"] {
            assert_eq!(read(text).unwrap(), uint!(16_U256), "{text}");
        }
        assert_eq!(read(&format!("\"0x{}\"", "f".repeat(64))).unwrap(), U256::MAX);
        for text in ["\"\"", "\"0x\"", "\"latest\"", "-1", "1.5", "\"0xg\"", "true"] {
            read(text).unwrap_err();
        }
        read(&format!("\"0x1{}\"", "0".repeat(64))).unwrap_err();
        let large = serde_json::from_str::<Quantity>("\"0x10000000000000000\"").unwrap_err();
        assert!(large.to_string().contains("64 bits"));
    }

    #[test]
    fn storage_keys_may_be_short() {
        let key: StorageKey = serde_json::from_str("\"0x0\"").unwrap();
        assert_eq!((key.slot, key.full), (B256::ZERO, false));
        let key: StorageKey = serde_json::from_str("\"0x1ff\"").unwrap();
        assert_eq!(key.number(), U256::from(0x1ff));
        let full = format!("\"{}\"", B256::with_last_byte(7));
        assert!(serde_json::from_str::<StorageKey>(&full).unwrap().full);
        let long = format!("\"0x{}\"", "0".repeat(65));
        let error = serde_json::from_str::<StorageKey>(&long).unwrap_err();
        assert!(error.to_string().contains("storage key too long"));
    }

    #[test]
    fn block_ids_are_tags_numbers_hashes_and_objects() {
        let hash = B256::repeat_byte(3);
        let read = |text: &str| serde_json::from_str::<BlockId>(text);
        assert_eq!(read("\"latest\"").unwrap(), BlockId::latest());
        assert_eq!(read("\"0x10\"").unwrap(), BlockId::number(16));
        assert!(read(&format!("\"{hash}\"")).unwrap().is_hash());
        assert!(read(&format!("{{\"blockHash\":\"{hash}\"}}")).unwrap().is_hash());
        assert_eq!(read("{\"blockNumber\":\"0x2\"}").unwrap(), BlockId::number(2));
        read("\"newest\"").unwrap_err();
    }

    proptest::proptest! {
        #[test]
        fn any_number_survives_the_way_through_hex(low: u64, high: u64) {
            let value = (U256::from(high) << 64) | U256::from(low);
            let read: Number = serde_json::from_str(&format!("\"{value:#x}\"")).unwrap();
            proptest::prop_assert_eq!(read.0, value);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}") {
            let json = serde_json::to_string(&text).unwrap();
            let _ = serde_json::from_str::<Number>(&json);
            let _ = serde_json::from_str::<StorageKey>(&json);
            let _ = Arguments::from_text(Some(&text), 3);
        }
    }
}
