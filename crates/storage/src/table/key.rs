//! Encodings of keys, which keep their order.

use super::{
    KeyBytes, LogKey, META_BLOCK, META_CHECKPOINTS, META_GENESIS, META_SCHEMA, Name, NodePath,
    TableKey,
};
use crate::codec::{Damage, Input};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::Nibbles;

impl TableKey for Name {
    fn encode(&self) -> KeyBytes {
        KeyBytes::from_slice(self.0.as_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        [META_SCHEMA, META_GENESIS, META_CHECKPOINTS, META_BLOCK]
            .into_iter()
            .find(|name| name.0.as_bytes() == bytes)
            .ok_or(Damage("the name of a setting is unknown"))
    }
}

impl TableKey for NodePath {
    fn encode(&self) -> KeyBytes {
        let mut key = KeyBytes::from_slice(&self.0.pack());
        key.push(u8::try_from(self.0.len()).expect("a path has at most 64 nibbles"));
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (&count, packed) = bytes.split_last().ok_or(Damage("a node's path is empty"))?;
        let count = usize::from(count);
        if count > 64 || packed.len() != count.div_ceil(2) {
            return Err(Damage("a node's path has a wrong length"));
        }
        Ok(Self(Nibbles::unpack(packed).slice(..count)))
    }
}

/// Joins the parts of a key.
macro_rules! key {
    ($(($($part:ident: $type:ty),+))+) => {
        $(impl TableKey for ($($type),+) {
            fn encode(&self) -> KeyBytes {
                let ($($part),+) = self;
                let mut key = KeyBytes::new();
                $(key.extend_from_slice(&TableKey::encode($part));)+
                key
            }

            fn decode(bytes: &[u8]) -> Result<Self, Damage> {
                let mut input = Input::new(bytes);
                $(let $part = <$type as TableKey>::decode(input.take(<$type as FixedKey>::BYTES)?)?;)+
                input.finish()?;
                Ok(($($part),+))
            }
        })+
    };
}

key! {
    (address: Address, slot: U256)
    (address: Address, number: u64)
    (address: Address, slot: U256, number: u64)
    (number: u64, part: u32)
}

impl TableKey for (B256, NodePath) {
    fn encode(&self) -> KeyBytes {
        let mut key = TableKey::encode(&self.0);
        key.extend_from_slice(&TableKey::encode(&self.1));
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (owner, path) =
            bytes.split_at_checked(32).ok_or(Damage("a node's key is cut short"))?;
        Ok((<B256 as TableKey>::decode(owner)?, NodePath::decode(path)?))
    }
}

/// A key that always has the same length.
trait FixedKey: TableKey {
    /// Length in bytes.
    const BYTES: usize;
}

/// Keys that are plain bytes.
macro_rules! fixed_key {
    ($($type:ty, $bytes:literal, $to:expr, $from:expr;)+) => {
        $(impl FixedKey for $type {
            const BYTES: usize = $bytes;
        }
        impl TableKey for $type {
            fn encode(&self) -> KeyBytes {
                let to: fn(&$type) -> [u8; $bytes] = $to;
                KeyBytes::from_slice(&to(self))
            }

            fn decode(bytes: &[u8]) -> Result<Self, Damage> {
                let array: [u8; $bytes] =
                    bytes.try_into().map_err(|_| Damage("a key has a wrong length"))?;
                let from: fn([u8; $bytes]) -> $type = $from;
                Ok(from(array))
            }
        })+
    };
}

fixed_key! {
    u32, 4, |n| n.to_be_bytes(), u32::from_be_bytes;
    u64, 8, |n| n.to_be_bytes(), u64::from_be_bytes;
    Address, 20, |a| a.into_array(), Address::new;
    B256, 32, |h| h.0, B256::new;
    U256, 32, |n| n.to_be_bytes(), U256::from_be_bytes;
}

/// What kind of key follows; topics count on by their position.
const ANY: u8 = 0;
const ADDRESS: u8 = 1;
const TOPIC: u8 = 2;

impl TableKey for LogKey {
    fn encode(&self) -> KeyBytes {
        let mut key = KeyBytes::new();
        match self {
            Self::Any => key.push(ANY),
            Self::Address(address) => {
                key.push(ADDRESS);
                key.extend_from_slice(address.as_slice());
            }
            Self::Topic(position, topic) => {
                key.push(TOPIC + position);
                key.extend_from_slice(topic.as_slice());
            }
        }
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (&kind, rest) = bytes.split_first().ok_or(Damage("a log's key is empty"))?;
        match kind {
            ANY if rest.is_empty() => Ok(Self::Any),
            ADDRESS => Ok(Self::Address(TableKey::decode(rest)?)),
            TOPIC..=5 => Ok(Self::Topic(kind - TOPIC, TableKey::decode(rest)?)),
            _ => Err(Damage("a log's key has an unknown kind")),
        }
    }
}

impl TableKey for (LogKey, u64) {
    fn encode(&self) -> KeyBytes {
        let mut key = TableKey::encode(&self.0);
        key.extend_from_slice(&self.1.to_be_bytes());
        key
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let place = bytes.len().checked_sub(8).ok_or(Damage("a log's key is cut short"))?;
        let (key, window) = bytes.split_at(place);
        Ok((LogKey::decode(key)?, <u64 as TableKey>::decode(window)?))
    }
}
