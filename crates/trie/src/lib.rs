//! The Merkle-Patricia state trie: state roots, stored nodes and proofs.
//!
//! [`StateTrie`] holds the account trie and, hanging from the leaves of their accounts, the storage
//! tries. What is not in memory is *blinded*: known by its hash only, and loaded from a
//! [`NodeSource`] when a change or a proof reaches it. [`StateTrie::update`] takes what a block
//! changed and returns the [`TrieUpdates`](plasma_storage::TrieUpdates) that bring the stored
//! nodes to the new root; its cost follows what changed, not the size of the state.
//!
//! How an update works, module by module:
//! - `change` turns the block's changes into edits: keys are hashed (accounts under
//!   `keccak256(address)`, slots under `keccak256(slot)`) and sorted.
//! - `edit` takes the sorted batch down the trie once and restores its shape. An account's leaf
//!   works on its storage trie when the batch reaches it, so that the accounts' storage tries and
//!   the children of the upper branches are worked on by all threads of the rayon pool.
//! - `hash` computes the hashes of changed nodes from the leaves up and collects what to store.
//! - `open` does all this for a block that is still open, so that little is left when it is sealed.
//! - `evict` bounds memory; `proof` answers EIP-1186; `full` computes roots from scratch.
//!
//! Invariants:
//! - A stored node is one with a hash: its RLP has 32 bytes or more, or it is the root. Shorter
//!   nodes stand inside their parent and are stored with it only.
//! - A node from the source is used only if it hashes to what its parent says.
//! - Between updates no node in memory lacks its hash, so any of them may be dropped.
//! - After a failed update the trie is at the root it had before.
//! - The crate knows nothing of blocks, databases or code.

#![forbid(unsafe_code)]

mod change;
mod edit;
mod error;
mod evict;
mod full;
mod hash;
mod node;
mod open;
mod proof;
mod source;
mod state_trie;

pub use error::{NodeName, TrieError};
pub use full::full_state_root;
pub use open::OpenTrie;
pub use proof::{AccountProof, StorageProof};
pub use source::{EmptyNodes, NodeSource};
pub use state_trie::StateTrie;

#[cfg(test)]
mod trie_tests;
