//! What is wrong with a block access list.

use std::fmt;

use alloy_eip7928::{BlockAccessIndex, BlockAccessListValidationError};
use alloy_primitives::{Address, U256};

/// Something that a list tells of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedField {
    /// Its balance in wei.
    Balance,
    /// Its nonce.
    Nonce,
    /// Its code, told by hash.
    Code,
    /// One storage slot.
    Slot(U256),
}

impl fmt::Display for ListedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance => f.write_str("balance"),
            Self::Nonce => f.write_str("nonce"),
            Self::Code => f.write_str("code hash"),
            Self::Slot(slot) => write!(f, "slot {slot:#x}"),
        }
    }
}

/// A change as the list tells it and as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} of {address} at index {index}: the block access list says {}, execution gives {}",
    told(*listed),
    told(*found)
)]
pub struct ChangeDifference {
    /// The account.
    pub address: Address,
    /// What of it.
    pub field: ListedField,
    /// Where.
    pub index: BlockAccessIndex,
    /// What the list says; `None`: no change.
    pub listed: Option<U256>,
    /// What execution leaves behind; `None`: no change.
    pub found: Option<U256>,
}

fn told(value: Option<U256>) -> String {
    value.map_or_else(|| "no change".into(), |value| format!("{value:#x}"))
}

fn place(index: Option<BlockAccessIndex>) -> String {
    match index {
        Some(index) => format!("at index {index}"),
        None => "outside of transactions".into(),
    }
}

/// A block access list (EIP-7928) is not that of its block. Indexes are block access indexes: 0 for
/// what comes before the transactions, then the transactions from 1 on, then what comes after.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessListError {
    /// It breaks the rules of its form.
    #[error("the block access list is malformed: {0}")]
    Malformed(#[from] BlockAccessListValidationError),
    /// What it gives as code is none.
    #[error("the block access list gives {address} code at index {index} that is none")]
    Code {
        /// The account.
        address: Address,
        /// Where.
        index: BlockAccessIndex,
    },
    /// No fault of the list: an account exists in the base state without anything in it. Whoever touches it
    /// removes it (EIP-161), which no list tells; the block is to be executed without its list.
    #[error(
        "account {address} exists without anything in it: the list cannot tell what becomes of it"
    )]
    EmptyAccount {
        /// The account.
        address: Address,
    },
    /// An account is accessed that it does not name.
    #[error("account {address} is accessed {}, the block access list lacks it", place(*index))]
    AccountMissing {
        /// The account.
        address: Address,
        /// Where; `None`: before or after the transactions.
        index: Option<BlockAccessIndex>,
    },
    /// A storage slot is accessed that it does not name.
    #[error("slot {slot:#x} of {address} is accessed {}, the block access list lacks it", place(*index))]
    SlotMissing {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
        /// Where; `None`: before or after the transactions.
        index: Option<BlockAccessIndex>,
    },
    /// It tells another change than there was.
    #[error(transparent)]
    Change(Box<ChangeDifference>),
    /// It names an account that nothing accesses.
    #[error("the block access list names {address}, which nothing in the block accesses")]
    AccountSurplus {
        /// The account.
        address: Address,
    },
    /// It names a slot that nothing accesses.
    #[error(
        "the block access list names slot {slot:#x} of {address}, which nothing in the block accesses"
    )]
    SlotSurplus {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// It tells changes at indexes where the account or slot is not even accessed.
    #[error("the block access list tells {listed} changes, execution makes {found} of them")]
    ChangesSurplus {
        /// How many it tells.
        listed: usize,
        /// How many there were.
        found: usize,
    },
}
