//! Encodings of values.

use super::{TableKey, TableValue};
use crate::{
    Account, ContractOrigin,
    codec::{Damage, Input, decode_compact, put_u32, put_u64},
};
use alloy_primitives::{B256, Bytes, U256};
use reth_codecs::Compact;

impl TableValue for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        Ok(Self::copy_from_slice(bytes))
    }
}

impl TableValue for Account {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_compact(out);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        decode_compact(bytes)
    }
}

impl TableValue for Option<Account> {
    fn encode(&self, out: &mut Vec<u8>) {
        if let Some(account) = self {
            account.to_compact(out);
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        if bytes.is_empty() { Ok(None) } else { decode_compact(bytes).map(Some) }
    }
}

impl TableValue for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes_trimmed_vec());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        Self::try_from_be_slice(bytes).ok_or(Damage("a number exceeds 256 bits"))
    }
}

impl TableValue for B256 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_slice());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        <Self as TableKey>::decode(bytes)
    }
}

impl TableValue for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, *self);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        <Self as TableKey>::decode(bytes)
    }
}

impl TableValue for (u64, u64) {
    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.0);
        put_index(out, self.1);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input::new(bytes);
        let location = (input.u64()?, u64::from(input.u32()?));
        input.finish()?;
        Ok(location)
    }
}

impl TableValue for ContractOrigin {
    fn encode(&self, out: &mut Vec<u8>) {
        put_u64(out, self.block);
        put_index(out, self.index);
        if let Some(creator) = self.creator {
            out.extend_from_slice(creator.as_slice());
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let mut input = Input::new(bytes);
        let (block, index) = (input.u64()?, u64::from(input.u32()?));
        let creator = if input.is_empty() { None } else { Some(input.address()?) };
        input.finish()?;
        Ok(Self { block, index, creator })
    }
}

fn put_index(out: &mut Vec<u8>, index: u64) {
    put_u32(out, u32::try_from(index).expect("a block has fewer than 2^32 transactions"));
}
