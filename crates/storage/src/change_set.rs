//! What a block changed, as values from before it: the way back, stored in chunks.

use crate::{
    Account, ContractOrigin, StorageError,
    codec::{Damage, Input, put_bytes, put_compact, put_u64, put_u256},
    engine::{Transaction, TransactionKind, WriteTx},
    table::{LogKey, NodePath, NodePlace, Table, TableKey, TableValue},
};
use alloy_primitives::{Address, B256, Bytes, U256};

/// A chunk is closed once it has this many bytes: large enough to be few, small enough that the
/// engine need not look for long runs of free pages.
const CHUNK_BYTES: usize = 16 << 10;

/// One value from before a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Prior {
    /// A transaction that the block brought.
    Transaction(B256),
    /// An account before the block.
    Account(Address, Option<Account>),
    /// A slot before the block; zero: it was empty.
    Slot(Address, U256, U256),
    /// Code that the block brought.
    Code(B256),
    /// A node of the account trie before the block.
    AccountNode(NodePath, Option<Bytes>),
    /// A node of a storage trie before the block.
    StorageNode((B256, NodePath), Option<Bytes>),
    /// Something that the block's logs can be searched by.
    Log(LogKey),
    /// An address that appears in the block's transactions.
    Appearance(Address),
    /// Where a sender had used a nonce before the block used it.
    Nonce(Address, u64, Option<(u64, u64)>),
    /// Where a contract that the block created had been created before.
    Creation(Address, Option<ContractOrigin>),
}

impl Prior {
    /// A trie node before the block.
    pub(crate) fn node(place: NodePlace, node: Option<Bytes>) -> Self {
        match place {
            NodePlace::Account(path) => Self::AccountNode(path, node),
            NodePlace::Storage(key) => Self::StorageNode(key, node),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Transaction(hash) => {
                out.push(0);
                out.extend_from_slice(hash.as_slice());
            }
            Self::Account(address, account) => {
                out.push(1);
                out.extend_from_slice(address.as_slice());
                out.push(u8::from(account.is_some()));
                if let Some(account) = account {
                    put_compact(out, account);
                }
            }
            Self::Slot(address, slot, value) => {
                out.push(2);
                out.extend_from_slice(address.as_slice());
                put_u256(out, *slot);
                put_u256(out, *value);
            }
            Self::Code(hash) => {
                out.push(3);
                out.extend_from_slice(hash.as_slice());
            }
            Self::AccountNode(path, node) => {
                out.push(4);
                put_bytes(out, &path.encode());
                put_node(out, node.as_ref());
            }
            Self::StorageNode(key, node) => {
                out.push(5);
                put_bytes(out, &key.encode());
                put_node(out, node.as_ref());
            }
            Self::Log(key) => {
                out.push(6);
                put_bytes(out, &key.encode());
            }
            Self::Appearance(address) => {
                out.push(7);
                out.extend_from_slice(address.as_slice());
            }
            Self::Nonce(sender, nonce, before) => {
                out.push(8);
                out.extend_from_slice(sender.as_slice());
                put_u64(out, *nonce);
                put_value(out, before.as_ref());
            }
            Self::Creation(contract, before) => {
                out.push(9);
                out.extend_from_slice(contract.as_slice());
                put_value(out, before.as_ref());
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Damage> {
        Ok(match input.byte()? {
            0 => Self::Transaction(input.b256()?),
            1 => {
                let address = input.address()?;
                let account = if input.flag()? { Some(input.compact()?) } else { None };
                Self::Account(address, account)
            }
            2 => Self::Slot(input.address()?, input.u256()?, input.u256()?),
            3 => Self::Code(input.b256()?),
            4 => Self::AccountNode(NodePath::decode(input.bytes()?)?, node(input)?),
            5 => Self::StorageNode(TableKey::decode(input.bytes()?)?, node(input)?),
            6 => Self::Log(LogKey::decode(input.bytes()?)?),
            7 => Self::Appearance(input.address()?),
            8 => Self::Nonce(input.address()?, input.u64()?, value(input)?),
            9 => Self::Creation(input.address()?, value(input)?),
            _ => return Err(Damage("an entry has an unknown kind")),
        })
    }
}

/// Appends a value of a table where there is one.
fn put_value<T: TableValue>(out: &mut Vec<u8>, value: Option<&T>) {
    let mut bytes = Vec::new();
    if let Some(value) = value {
        value.encode(&mut bytes);
    }
    put_bytes(out, &bytes);
}

/// Reads back what [`put_value`] wrote; no value of a table is empty.
fn value<T: TableValue>(input: &mut Input<'_>) -> Result<Option<T>, Damage> {
    let bytes = input.bytes()?;
    if bytes.is_empty() { Ok(None) } else { T::decode(bytes).map(Some) }
}

fn put_node(out: &mut Vec<u8>, node: Option<&Bytes>) {
    out.push(u8::from(node.is_some()));
    if let Some(node) = node {
        put_bytes(out, node);
    }
}

fn node(input: &mut Input<'_>) -> Result<Option<Bytes>, Damage> {
    if !input.flag()? {
        return Ok(None);
    }
    Ok(Some(Bytes::copy_from_slice(input.bytes()?)))
}

/// Writes the change set of one block into table `T`.
pub(crate) struct ChangeSetWriter<'t, T> {
    tx: &'t WriteTx,
    number: u64,
    part: u32,
    chunk: Vec<u8>,
    table: std::marker::PhantomData<T>,
}

impl<'t, T: Table<Key = (u64, u32), Value = Bytes>> ChangeSetWriter<'t, T> {
    /// Begins the change set of block `number`.
    pub(crate) const fn new(tx: &'t WriteTx, number: u64) -> Self {
        Self { tx, number, part: 0, chunk: Vec::new(), table: std::marker::PhantomData }
    }

    /// Adds one value from before the block.
    pub(crate) fn push(&mut self, prior: &Prior) -> Result<(), StorageError> {
        prior.encode(&mut self.chunk);
        if self.chunk.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.write_chunk()
    }

    /// Writes what is left. A block without changes gets an empty chunk: it tells that its
    /// predecessor's state can be had.
    pub(crate) fn finish(mut self) -> Result<(), StorageError> {
        if self.part == 0 || !self.chunk.is_empty() {
            self.write_chunk()?;
        }
        Ok(())
    }

    fn write_chunk(&mut self) -> Result<(), StorageError> {
        let chunk = std::mem::take(&mut self.chunk);
        self.tx.put::<T>(&(self.number, self.part), &chunk.into())?;
        self.part += 1;
        Ok(())
    }
}

/// The change set of block `number` in table `T`; `None` where there is none.
pub(crate) fn read_change_set<K, T>(
    tx: &Transaction<K>,
    number: u64,
) -> Result<Option<Vec<Prior>>, StorageError>
where
    K: TransactionKind,
    T: Table<Key = (u64, u32), Value = Bytes>,
{
    let chunks = tx.with_prefix::<T>(&number.to_be_bytes())?;
    if chunks.is_empty() {
        return Ok(None);
    }
    let mut priors = Vec::new();
    for (_, chunk) in chunks {
        let mut input = Input::new(&chunk);
        while !input.is_empty() {
            priors.push(Prior::decode(&mut input).map_err(|damage| damage.of(T::SPEC.name))?);
        }
    }
    Ok(Some(priors))
}

/// Removes the change set of block `number` from table `T`; answers in how many chunks it lay.
pub(crate) fn delete_change_set<T>(tx: &WriteTx, number: u64) -> Result<usize, StorageError>
where
    T: Table<Key = (u64, u32), Value = Bytes>,
{
    let mut part = 0;
    while tx.delete::<T>(&(number, part))? {
        part += 1;
    }
    Ok(part as usize)
}
