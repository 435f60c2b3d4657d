//! The leaves of a stored trie in order, every node checked against the hash that names it.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{RlpNode, TrieNode},
};
use eyre::{Context as _, Result, bail, eyre};
use plasma_storage::{Inspection, TrieNodeKey};

/// Goes through one trie, depth first.
pub(super) struct Walk<'a> {
    inspection: &'a Inspection,
    owner: Option<B256>,
    /// What is still to be visited, the next one last.
    ahead: Vec<(Nibbles, RlpNode)>,
    /// Stored nodes seen so far.
    pub(super) nodes: u64,
}

/// A leaf: the hash that its key is, and its value.
pub(super) type Leaf = (B256, Vec<u8>);

impl<'a> Walk<'a> {
    /// Begins at the root of the account trie, or of the storage trie of the account with hash
    /// `owner`.
    pub(super) fn new(inspection: &'a Inspection, owner: Option<B256>, root: B256) -> Self {
        let ahead = match root {
            EMPTY_ROOT_HASH => Vec::new(),
            root => vec![(Nibbles::default(), RlpNode::word_rlp(&root))],
        };
        Self { inspection, owner, ahead, nodes: 0 }
    }

    /// The next leaf; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Leaf>> {
        while let Some((path, link)) = self.ahead.pop() {
            match self.read(&path, &link)? {
                TrieNode::EmptyRoot => bail!("{}: the node is empty", self.name(&path)),
                TrieNode::Branch(branch) => {
                    let children: Vec<_> = branch
                        .as_ref()
                        .children()
                        .filter_map(|(nibble, child)| child.map(|child| (nibble, child.clone())))
                        .collect();
                    for (nibble, child) in children.into_iter().rev() {
                        let mut path = path;
                        self.longer(&path, 1)?;
                        path.push(nibble);
                        self.ahead.push((path, child));
                    }
                }
                TrieNode::Extension(extension) => {
                    self.longer(&path, extension.key.len())?;
                    self.ahead.push((path.join(&extension.key), extension.child));
                }
                TrieNode::Leaf(leaf) => {
                    self.longer(&path, leaf.key.len())?;
                    let key = path.join(&leaf.key);
                    if key.len() != 64 {
                        bail!("{}: its leaf's key has {} nibbles", self.name(&path), key.len());
                    }
                    return Ok(Some((B256::from_slice(&key.pack()), leaf.value)));
                }
            }
        }
        Ok(None)
    }

    fn read(&mut self, path: &Nibbles, link: &RlpNode) -> Result<TrieNode> {
        let name = || self.name(path);
        let Some(expected) = link.as_hash() else {
            return TrieNode::decode(&mut link.as_ref()).wrap_err_with(name);
        };
        let key = TrieNodeKey { owner: self.owner, path: *path };
        let rlp = self.inspection.trie_node(&key)?.ok_or_else(|| {
            eyre!("{}: it is not stored, though {expected} belongs there", name())
        })?;
        let found = keccak256(&rlp);
        if found != expected {
            bail!("{}: it hashes to {found}, but its parent names {expected}", name());
        }
        let node = TrieNode::decode(&mut rlp.as_ref()).wrap_err_with(name)?;
        self.nodes += 1;
        Ok(node)
    }

    fn longer(&self, path: &Nibbles, by: usize) -> Result<()> {
        if path.len() + by > 64 {
            bail!("{}: the path below it is too long", self.name(path));
        }
        Ok(())
    }

    /// The node at `path` in words.
    fn name(&self, path: &Nibbles) -> String {
        let path: String = path.to_vec().iter().map(|nibble| format!("{nibble:x}")).collect();
        match self.owner {
            None => format!("node \"{path}\" of the account trie"),
            Some(owner) => format!("node \"{path}\" of the storage trie of account {owner}"),
        }
    }
}
