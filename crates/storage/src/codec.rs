//! Bytes of values: checked reading and writing, and the bridge to reth's `Compact` codecs.

use crate::StorageError;
use alloy_primitives::{Address, B256, U256};
use reth_codecs::Compact;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is wrong with stored bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage(pub(crate) &'static str);

impl Damage {
    /// The error for a record of `table`.
    pub(crate) fn of(self, table: &'static str) -> StorageError {
        StorageError::Corrupt { table, reason: self.0.into() }
    }
}

/// Appends a number as 8 bytes, most significant first.
pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a number as 4 bytes, most significant first.
pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a length as 4 bytes. Nothing stored is longer than 4 GiB: blocks are bounded by gas.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize) {
    put_u32(out, u32::try_from(length).expect("a record is shorter than 4 GiB"));
}

/// Appends the length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a number without leading zero bytes, its length first.
pub(crate) fn put_u256(out: &mut Vec<u8>, value: U256) {
    let bytes = value.to_be_bytes_trimmed_vec();
    out.push(u8::try_from(bytes.len()).expect("a 256-bit number has at most 32 bytes"));
    out.extend_from_slice(&bytes);
}

/// Appends the `Compact` encoding with its length, because some `Compact` codecs read to the end.
pub(crate) fn put_compact<T: Compact>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    put_u32(out, 0);
    value.to_compact(out);
    let length = u32::try_from(out.len() - start - 4).expect("a record is shorter than 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends the number of items, then each as [`put_compact`] does.
pub(crate) fn put_compact_list<T: Compact>(out: &mut Vec<u8>, values: &[T]) {
    put_length(out, values.len());
    for value in values {
        put_compact(out, value);
    }
}

/// Decodes a whole `Compact` value.
///
/// The codecs trust their input and panic on anything else; a damaged page must end in an error.
pub(crate) fn decode_compact<T: Compact>(bytes: &[u8]) -> Result<T, Damage> {
    if bytes.is_empty() {
        return Err(Damage("a value is empty"));
    }
    catch_unwind(AssertUnwindSafe(|| T::from_compact(bytes, bytes.len()).0))
        .map_err(|_| Damage("a compact value cannot be decoded"))
}

/// Reads a value from the front, with every length checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Begins at the front of `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True when all was read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses bytes that are left over.
    pub(crate) const fn finish(&self) -> Result<(), Damage> {
        if self.rest.is_empty() { Ok(()) } else { Err(Damage("bytes are left over")) }
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Damage("the record is cut short"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// One byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        Ok(self.array::<1>()?[0])
    }

    /// A flag: 0 or 1.
    pub(crate) fn flag(&mut self) -> Result<bool, Damage> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damage("a flag is neither 0 nor 1")),
        }
    }

    /// 8 bytes, most significant first.
    pub(crate) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// 4 bytes, most significant first.
    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A count of items, of which each has at least `item_bytes` bytes.
    pub(crate) fn count(&mut self, item_bytes: usize) -> Result<usize, Damage> {
        let count = self.u32()? as usize;
        if count.saturating_mul(item_bytes) > self.rest.len() {
            return Err(Damage("a list is cut short"));
        }
        Ok(count)
    }

    /// Bytes after their length.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    /// A number without leading zero bytes.
    pub(crate) fn u256(&mut self) -> Result<U256, Damage> {
        let length = usize::from(self.byte()?);
        U256::try_from_be_slice(self.take(length)?).ok_or(Damage("a number exceeds 256 bits"))
    }

    /// A hash.
    pub(crate) fn b256(&mut self) -> Result<B256, Damage> {
        Ok(B256::new(self.array()?))
    }

    /// An address.
    pub(crate) fn address(&mut self) -> Result<Address, Damage> {
        Ok(Address::new(self.array()?))
    }

    /// A `Compact` value after its length.
    pub(crate) fn compact<T: Compact>(&mut self) -> Result<T, Damage> {
        decode_compact(self.bytes()?)
    }

    /// A list of `Compact` values.
    pub(crate) fn compact_list<T: Compact>(&mut self) -> Result<Vec<T>, Damage> {
        let count = self.count(4)?;
        (0..count).map(|_| self.compact()).collect()
    }
}
