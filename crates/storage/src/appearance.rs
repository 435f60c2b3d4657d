//! What blocks tell the indexes of addresses, nonces and contracts.

use alloy_primitives::{Address, B256};
use smallvec::SmallVec;

/// A transaction as its block's state is pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionEntry {
    /// Keccak-256 of its EIP-2718 encoding.
    pub hash: B256,
    /// Who sent it.
    pub sender: Address,
    /// The sender's nonce that it used.
    pub nonce: u64,
    /// Where it is found again.
    pub appearances: Appearances,
}

/// The addresses by which one transaction can be found, and the contracts that it created.
///
/// An address appears in a transaction that it sent or received, or that creates a contract there,
/// whether the transaction succeeded or not; and in one that touched its account (EIP-161) for good:
/// calls that transfer value or none, static ones included, creations, self-destructions and what they
/// pay, and the authorities of delegations (EIP-7702). What does not count: calls that were undone,
/// code that ran for another account (`DELEGATECALL`, `CALLCODE`), accounts that were only looked at,
/// and the beneficiary of the block, which every transaction pays, unless it is one of the first three.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appearances {
    /// The addresses. An address that stands here twice counts once.
    pub addresses: SmallVec<[Address; 4]>,
    /// The contracts.
    pub creations: Vec<ContractCreation>,
}

/// A contract that a transaction created and left in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractCreation {
    /// Its address.
    pub contract: Address,
    /// The account that executed the creation: the sender, or another contract. `None`: what the
    /// transaction changed leaves several accounts to choose from.
    pub creator: Option<Address>,
}

/// Where a contract comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractOrigin {
    /// The block.
    pub block: u64,
    /// Index of the transaction in the block.
    pub index: u64,
    /// As [`ContractCreation::creator`].
    pub creator: Option<Address>,
}
