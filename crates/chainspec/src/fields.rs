//! Typed access to the fields of one JSON object, with errors that name the JSON path.

use crate::ChainSpecError;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::{Map, Value};
use std::{cell::RefCell, collections::BTreeSet};

/// Terminal total difficulty of Ethereum mainnet. geth writes it as a bare number beyond 64 bits,
/// which JSON parsers round to this float.
const MAINNET_TTD: u128 = 58_750_000_000_000_000_000_000;

/// One JSON object of the file. Names match without regard to case, as in Go's decoder, so that
/// `mixhash` and `mixHash` are the same field.
pub(crate) struct Fields<'a> {
    path: String,
    object: &'a Map<String, Value>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Fields<'a> {
    /// The object at `path` (empty: the whole file).
    pub(crate) fn new(path: &str, value: &'a Value) -> Result<Self, ChainSpecError> {
        let object = value.as_object().ok_or_else(|| {
            let shown = if path.is_empty() { "genesis" } else { path };
            ChainSpecError::value(shown, "an object", Some(value))
        })?;
        Ok(Self { path: path.to_owned(), object, asked: RefCell::default() })
    }

    /// JSON path of the field `name` of this object.
    pub(crate) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The value of `name`; `None` where it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(name.to_ascii_lowercase());
        let exact = self.object.get(name);
        exact
            .or_else(|| {
                self.object
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value)
            })
            .filter(|value| !value.is_null())
    }

    /// Fields that nobody asked for until now.
    pub(crate) fn unasked(&self) -> Vec<(&'a String, &'a Value)> {
        let asked = self.asked.borrow();
        self.object.iter().filter(|(key, _)| !asked.contains(&key.to_ascii_lowercase())).collect()
    }

    /// The object at `name`.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ChainSpecError> {
        self.get(name).map(|value| Fields::new(&self.path_of(name), value)).transpose()
    }

    fn parse<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ChainSpecError> {
        self.get(name)
            .map(|value| {
                parse(value)
                    .ok_or_else(|| ChainSpecError::value(self.path_of(name), expected, Some(value)))
            })
            .transpose()
    }

    /// A whole number of 64 bits: a JSON number, or a hex (`0x`) or decimal string.
    pub(crate) fn u64(&self, name: &str) -> Result<Option<u64>, ChainSpecError> {
        self.parse(
            name,
            "a whole number from 0 to 2^64-1 (a number, or a hex or decimal string)",
            |value| parse_u256(value).and_then(|number| number.try_into().ok()),
        )
    }

    /// A whole number of 256 bits, written likewise.
    pub(crate) fn u256(&self, name: &str) -> Result<Option<U256>, ChainSpecError> {
        self.parse(
            name,
            "a whole number of at most 256 bits (a hex or decimal string; a bare number up to 2^64-1)",
            parse_u256,
        )
    }

    /// A terminal total difficulty: as [`Self::u256`], and mainnet's as a bare number.
    pub(crate) fn total_difficulty(&self, name: &str) -> Result<Option<U256>, ChainSpecError> {
        if let Some(Value::Number(number)) = self.get(name)
            && number.as_u64().is_none()
            && number.as_f64() == Some(MAINNET_TTD as f64)
        {
            return Ok(Some(U256::from(MAINNET_TTD)));
        }
        self.u256(name)
    }

    /// A boolean.
    pub(crate) fn bool(&self, name: &str) -> Result<Option<bool>, ChainSpecError> {
        self.parse(name, "true or false", Value::as_bool)
    }

    /// A 20-byte address in hex.
    pub(crate) fn address(&self, name: &str) -> Result<Option<Address>, ChainSpecError> {
        self.parse(name, "a 20-byte hex address", |value| {
            fixed_bytes::<20>(value.as_str()?).map(Address::from)
        })
    }

    /// A 32-byte hash in hex.
    pub(crate) fn hash(&self, name: &str) -> Result<Option<B256>, ChainSpecError> {
        self.parse(name, "32 bytes in hex", |value| {
            fixed_bytes::<32>(value.as_str()?).map(B256::from)
        })
    }

    /// A byte string in hex.
    pub(crate) fn bytes(&self, name: &str) -> Result<Option<Bytes>, ChainSpecError> {
        self.parse(name, "bytes in hex", |value| hex::decode(value.as_str()?).ok().map(Bytes::from))
    }

    /// Turns an absent field into an error.
    pub(crate) fn required<T>(
        &self,
        name: &str,
        expected: &str,
        value: Option<T>,
    ) -> Result<T, ChainSpecError> {
        value.ok_or_else(|| {
            ChainSpecError::value(self.path_of(name), format!("{expected} (required)"), None)
        })
    }
}

/// Reads an address with or without `0x`.
pub(crate) fn parse_address(text: &str) -> Option<Address> {
    fixed_bytes::<20>(text).map(Address::from)
}

/// Reads a storage key or value: up to 32 bytes of hex, leading zeros left out or not.
pub(crate) fn parse_storage_word(text: &str) -> Option<B256> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    fixed_bytes::<32>(&format!("{digits:0>64}")).map(B256::from)
}

fn fixed_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn parse_u256(value: &Value) -> Option<U256> {
    match value {
        Value::Number(number) => number.as_u64().map(U256::from),
        Value::String(text) => {
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
            let (digits, radix) = hex.map_or((text.as_str(), 10), |digits| (digits, 16));
            // The library also takes underscores between digits, which no other client reads.
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            U256::from_str_radix(digits, radix).ok()
        }
        _ => None,
    }
}
