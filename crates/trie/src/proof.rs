//! Proofs of accounts and slots (EIP-1186).

use crate::{
    NodeSource, StateTrie, TrieError,
    change::{account_key, decode_account, slot_key},
    node::{Link, Node, Value, child_path},
    source::{fetch, fetch_rlp, malformed},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Decodable;
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieAccount};
use std::sync::Arc;

/// What the state root proves about an account and some of its slots (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account's address.
    pub address: Address,
    /// The account as its leaf holds it; `None`: the proof shows that there is none.
    pub account: Option<TrieAccount>,
    /// RLP of the hashed nodes from the root of the account trie towards `keccak256(address)`.
    /// Empty for the empty trie.
    pub proof: Vec<Bytes>,
    /// The slots, in the order in which they were asked for.
    pub storage: Vec<StorageProof>,
}

impl AccountProof {
    /// The root of the account's storage trie; the empty trie's where there is no account.
    pub fn storage_root(&self) -> B256 {
        self.account.as_ref().map_or(EMPTY_ROOT_HASH, |account| account.storage_root)
    }
}

/// What a storage root proves about a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// The slot.
    pub slot: B256,
    /// Its value; zero: the proof shows that nothing is stored there.
    pub value: U256,
    /// RLP of the hashed nodes from the root of the storage trie towards `keccak256(slot)`. Empty
    /// for the empty trie.
    pub proof: Vec<Bytes>,
}

impl StateTrie {
    /// Proves the account at `address` and its `slots`, or that they are absent.
    ///
    /// What is not in memory is read from `source`, which must hold the nodes of this root, and
    /// does not come into memory.
    ///
    /// # Errors
    /// Where a node cannot be loaded.
    pub fn account_proof(
        &self,
        source: &dyn NodeSource,
        address: Address,
        slots: &[B256],
    ) -> Result<AccountProof, TrieError> {
        let hash = account_key(address);
        let key = Nibbles::unpack_array(&hash);
        let mut prover = Prover { source, owner: None, key, proof: Vec::new() };
        let leaf = prover.prove(self.root.as_ref())?;
        let account =
            leaf.as_ref().map(|leaf| decode_account(&leaf.rlp, &prover.key)).transpose()?;
        let storage_root = account.as_ref().map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let root = Link::root(storage_root, leaf.and_then(|leaf| leaf.storage));
        let storage = slots
            .iter()
            .map(|slot| prove_slot(source, hash, root.as_ref(), *slot))
            .collect::<Result<_, _>>()?;
        Ok(AccountProof { address, account, proof: prover.proof, storage })
    }
}

fn prove_slot(
    source: &dyn NodeSource,
    owner: B256,
    root: Option<&Link>,
    slot: B256,
) -> Result<StorageProof, TrieError> {
    let key = Nibbles::unpack_array(&slot_key(slot.into()));
    let mut prover = Prover { source, owner: Some(owner), key, proof: Vec::new() };
    let value = match prover.prove(root)? {
        None => U256::ZERO,
        Some(leaf) => {
            U256::decode(&mut &leaf.rlp[..]).map_err(|error| malformed(Some(owner), &key, error))?
        }
    };
    Ok(StorageProof { slot, value, proof: prover.proof })
}

struct Prover<'a> {
    source: &'a dyn NodeSource,
    owner: Option<B256>,
    key: Nibbles,
    proof: Vec<Bytes>,
}

impl Prover<'_> {
    /// Collects the nodes from `root` towards the key, and gives the key's value.
    fn prove(&mut self, root: Option<&Link>) -> Result<Option<Value>, TrieError> {
        root.map_or(Ok(None), |root| self.descend(root, &Nibbles::new()))
    }

    fn descend(&mut self, link: &Link, path: &Nibbles) -> Result<Option<Value>, TrieError> {
        let node = self.node(link, path)?;
        let rest = self.key.slice(path.len()..);
        match &*node {
            Node::Leaf(leaf) => Ok((leaf.key == rest).then(|| leaf.value.clone())),
            Node::Extension(node) if rest.starts_with(&node.key) => {
                self.descend(&node.child, &path.join(&node.key))
            }
            Node::Extension(_) => Ok(None),
            Node::Branch(branch) => {
                match rest.first().and_then(|nibble| Some((nibble, branch.get(nibble)?))) {
                    Some((nibble, child)) => self.descend(child, &child_path(path, nibble)),
                    None => Ok(None),
                }
            }
        }
    }

    /// The node behind `link`; adds it to the proof unless its parent holds it whole.
    fn node(&mut self, link: &Link, path: &Nibbles) -> Result<Arc<Node>, TrieError> {
        match (&link.node, link.rlp.as_hash()) {
            (Some(node), hash) => {
                if hash.is_some() {
                    let mut rlp = Vec::new();
                    node.encode(&mut rlp);
                    self.proof.push(rlp.into());
                }
                Ok(Arc::clone(node))
            }
            (None, None) => fetch(self.source, self.owner, path, link).map(Arc::new),
            (None, Some(hash)) => {
                let rlp = fetch_rlp(self.source, self.owner, path, hash)?;
                let node = Node::decode(&rlp, path.len())
                    .map_err(|error| malformed(self.owner, path, error))?;
                self.proof.push(rlp);
                Ok(Arc::new(node))
            }
        }
    }
}
