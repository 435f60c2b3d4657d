//! `debug_accountRange`: the accounts of a block's state, some at a time.
//!
//! The answer is geth's, but for the order: accounts come by address, which is how they are stored, and not by the hash of it. So
//! what tells where to go on is an address, too.

use crate::{
    api::{Api, Target},
    error::{self, RpcResult},
    params::{Arguments, Quantity},
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, hex, keccak256};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use plasma_chain::StateFork;
use plasma_storage::{Account, StateReader};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;

/// The most accounts in one answer, as in geth.
const MAX_ACCOUNTS: usize = 256;

/// The most slots in one answer.
const MAX_SLOTS: usize = 10_000;

/// The most addresses that are looked at for one answer.
const MAX_LOOKED_AT: usize = 10_000;

/// `state.Dump`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Accounts {
    /// The state root, in hex without a prefix.
    root: String,
    /// By address with its checksum (EIP-55).
    accounts: BTreeMap<String, Dumped>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_base64")]
    next: Option<Address>,
}

/// `state.DumpAccount`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Dumped {
    /// In wei, decimal.
    balance: String,
    nonce: u64,
    /// The root of its storage trie.
    root: B256,
    code_hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    /// Values in hex, without a prefix and without leading zeros.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<B256, String>,
    address: Address,
    /// The hash of the address.
    key: B256,
}

/// Bytes are base64 in geth's answer.
fn as_base64<S: Serializer>(next: &Option<Address>, serializer: S) -> Result<S::Ok, S::Error> {
    next.map(|address| BASE64_STANDARD.encode(address)).serialize(serializer)
}

/// Where to begin: the first address that begins so. In hex, or in base64 as the answer has it.
#[derive(Clone, Copy, Debug, Default)]
struct Start(Address);

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = match text.strip_prefix("0x") {
            Some(digits) => hex::decode(digits).map_err(de::Error::custom)?,
            None => BASE64_STANDARD.decode(&text).map_err(de::Error::custom)?,
        };
        if bytes.len() > Address::len_bytes() {
            return Err(de::Error::custom(
                "accounts are listed by address, so a start has at most 20 bytes",
            ));
        }
        Ok(Self(Address::right_padding_from(&bytes)))
    }
}

/// What is told of each account.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    code: bool,
    storage: bool,
}

pub(super) fn account_range(api: &Api, arguments: Arguments<'_>) -> RpcResult<Accounts> {
    let block: BlockId = arguments.required(0)?;
    let Start(start) = arguments.or_default(1)?;
    let Quantity(most) = arguments.or_default(2)?;
    let (no_code, no_storage): (bool, bool) = (arguments.or_default(3)?, arguments.or_default(4)?);
    let wanted = Wanted { code: !no_code, storage: !no_storage };
    // Whether accounts without a known address are told: here all addresses are known.
    let _incompletes: bool = arguments.or_default(5)?;
    let most = usize::try_from(most).unwrap_or(MAX_ACCOUNTS);
    let most = if most == 0 { MAX_ACCOUNTS } else { most.min(MAX_ACCOUNTS) };
    let Target::Sealed(block) = api.existing(Some(block))? else {
        return Err(error::server_error("pending state is not available"));
    };
    let fork = api.chain.fork(block.number()).map_err(error::from_chain)?;
    let found = fork.state().account_range(start, most, MAX_LOOKED_AT);
    let found = found.map_err(error::from_storage)?;
    let (mut accounts, mut next, mut slots_left) = (BTreeMap::new(), found.next, MAX_SLOTS);
    for (address, account) in found.accounts {
        let Some(dumped) = dump(&fork, address, account, wanted, slots_left)? else {
            if accounts.is_empty() {
                return Err(error::limit_exceeded(format!(
                    "{address} has more than {MAX_SLOTS} slots: ask without storage, and for its slots \
                     by debug_storageRangeAt"
                )));
            }
            next = Some(address);
            break;
        };
        slots_left -= dumped.storage.len();
        accounts.insert(address.to_string(), dumped);
    }
    Ok(Accounts { root: hex::encode(fork.root()), accounts, next })
}

/// The account; `None` where it has more than `most` slots.
fn dump(
    fork: &StateFork,
    address: Address,
    account: Account,
    wanted: Wanted,
    most: usize,
) -> RpcResult<Option<Dumped>> {
    let state = fork.state();
    let slots = match wanted.storage {
        true => state.slots_within(address, most).map_err(error::from_storage)?,
        false => Some(BTreeMap::new()),
    };
    let Some(slots) = slots else { return Ok(None) };
    let code = match account.bytecode_hash.filter(|_| wanted.code) {
        None => None,
        Some(hash) => {
            let code = state.code(hash).map_err(error::from_storage)?;
            Some(code.ok_or_else(|| {
                error::internal(format!("the code of {address}, whose hash is {hash}, is missing"))
            })?)
        }
    };
    let trimmed = |value: U256| hex::encode(value.to_be_bytes_trimmed_vec());
    Ok(Some(Dumped {
        balance: account.balance.to_string(),
        nonce: account.nonce,
        root: fork.storage_root(address).map_err(error::from_chain)?,
        code_hash: account.bytecode_hash.unwrap_or(KECCAK256_EMPTY),
        code,
        storage: slots.into_iter().map(|(slot, value)| (slot.into(), trimmed(value))).collect(),
        address,
        key: keccak256(address),
    }))
}
