//! Dropping nodes from memory.

use crate::node::{Link, Node};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Order in which nodes are kept: used most lately first, then nearest to the root. A parent always
/// comes before its children, since whatever reaches a child reaches its parents.
type Rank = (u32, usize);

/// Bytes in memory by rank.
type Tally = BTreeMap<Rank, usize>;

/// Branches above this depth are worked on by all threads.
const PARALLEL_DEPTH: usize = 2;

const fn rank(used: u32, depth: usize) -> Rank {
    (u32::MAX - used, depth)
}

/// Drops nodes below `root` until they take no more than `keep` bytes; returns how many they take.
pub(crate) fn evict(root: Option<&mut Link>, keep: usize) -> usize {
    let Some(link) = root else { return 0 };
    let mut tally = Tally::new();
    if let Some(node) = &link.node {
        count(node, link.used, 0, &mut tally);
    }
    let mut kept = 0;
    for (limit, bytes) in tally {
        if kept + bytes > keep {
            evict_link(link, 0, limit);
            return kept;
        }
        kept += bytes;
    }
    kept
}

fn count(node: &Node, used: u32, depth: usize, tally: &mut Tally) {
    *tally.entry(rank(used, depth)).or_default() += node.bytes();
    let count_link = |link: &Link, tally: &mut Tally| {
        if let Some(node) = &link.node {
            count(node, link.used, depth + 1, tally);
        }
    };
    match node {
        Node::Leaf(leaf) => {
            if let Some(storage) = &leaf.value.storage {
                count(storage, used, depth + 1, tally);
            }
        }
        Node::Extension(node) => count_link(&node.child, tally),
        Node::Branch(branch) if depth < PARALLEL_DEPTH => {
            let parts: Vec<_> = branch
                .links()
                .par_iter()
                .map(|link| {
                    let mut tally = Tally::new();
                    count_link(link, &mut tally);
                    tally
                })
                .collect();
            for (rank, bytes) in parts.into_iter().flatten() {
                *tally.entry(rank).or_default() += bytes;
            }
        }
        Node::Branch(branch) => branch.links().iter().for_each(|link| count_link(link, tally)),
    }
}

fn evict_link(link: &mut Link, depth: usize, limit: Rank) {
    evict_node(&mut link.node, link.used, depth, limit);
}

fn evict_node(slot: &mut Option<Arc<Node>>, used: u32, depth: usize, limit: Rank) {
    let Some(node) = slot else { return };
    if rank(used, depth) >= limit {
        *slot = None;
        return;
    }
    if matches!(&**node, Node::Leaf(leaf) if leaf.value.storage.is_none()) {
        return;
    }
    match Arc::make_mut(node) {
        Node::Leaf(leaf) => evict_node(&mut leaf.value.storage, used, depth + 1, limit),
        Node::Extension(node) => evict_link(&mut node.child, depth + 1, limit),
        Node::Branch(branch) if depth < PARALLEL_DEPTH => {
            branch.links_mut().par_iter_mut().for_each(|link| evict_link(link, depth + 1, limit));
        }
        Node::Branch(branch) => {
            branch.links_mut().iter_mut().for_each(|link| evict_link(link, depth + 1, limit));
        }
    }
}
