//! Hashing: after the structure of a trie has changed, its changed nodes get their hashes.

use crate::{
    edit::PARALLEL_WEIGHT,
    node::{Link, Node, child_path},
};
use alloy_primitives::{Bytes, keccak256};
use alloy_trie::{Nibbles, nodes::RlpNode};
use rayon::prelude::*;
use std::sync::Arc;

/// A node's path and its RLP, or `None` where no stored node stands at the path any more.
pub(crate) type NodeUpdate = (Nibbles, Option<Bytes>);

/// The shortest RLP for which a parent holds the hash instead of the node itself.
const HASHED_LENGTH: usize = 32;

/// Longer than the RLP of most nodes; a full branch takes 532 bytes.
const SCRATCH_CAPACITY: usize = 600;

/// Hashes all changed nodes of a trie and tells what is to be stored. `weight` is the number of
/// leaves that changed, by which the work is divided among threads.
pub(crate) fn hash_root(root: Option<&mut Link>, weight: usize) -> Vec<NodeUpdate> {
    let mut hasher = Hasher::new(weight);
    if let Some(link) = root {
        hasher.hash(link, &Nibbles::new(), weight);
    }
    hasher.updates
}

struct Hasher {
    scratch: Vec<u8>,
    updates: Vec<NodeUpdate>,
}

impl Hasher {
    fn new(weight: usize) -> Self {
        Self {
            scratch: Vec::with_capacity(SCRATCH_CAPACITY),
            updates: Vec::with_capacity(2 * weight),
        }
    }

    fn hash(&mut self, link: &mut Link, path: &Nibbles, weight: usize) {
        if !link.is_dirty() {
            return;
        }
        let node = Arc::make_mut(link.node.as_mut().expect("a changed node is in memory"));
        match node {
            Node::Leaf(_) => {}
            Node::Extension(node) => {
                self.hash(&mut node.child, &path.join(&node.key), weight);
            }
            Node::Branch(branch) if weight >= PARALLEL_WEIGHT => {
                let children: Vec<_> =
                    branch.iter_mut().filter(|(_, link)| link.is_dirty()).collect();
                let weight = weight / children.len().max(1);
                let parts: Vec<_> = children
                    .into_par_iter()
                    .with_max_len(1)
                    .map(|(nibble, link)| {
                        let mut hasher = Self::new(weight);
                        hasher.hash(link, &child_path(path, nibble), weight);
                        hasher.updates
                    })
                    .collect();
                for mut part in parts {
                    self.updates.append(&mut part);
                }
            }
            Node::Branch(branch) => {
                for (nibble, link) in branch.iter_mut() {
                    if link.is_dirty() {
                        self.hash(link, &child_path(path, nibble), weight);
                    }
                }
            }
        }

        self.scratch.clear();
        node.encode(&mut self.scratch);
        let rlp = self.scratch.as_slice();
        if rlp.len() >= HASHED_LENGTH || path.is_empty() {
            link.rlp = RlpNode::word_rlp(&keccak256(rlp));
            link.stored = true;
            self.updates.push((*path, Some(Bytes::copy_from_slice(rlp))));
        } else {
            link.rlp = RlpNode::from_raw(rlp).expect("fewer than 32 bytes fit");
            if link.stored {
                self.updates.push((*path, None));
            }
            link.stored = false;
        }
    }
}
