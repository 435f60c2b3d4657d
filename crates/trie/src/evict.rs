//! Dropping nodes from memory.

use crate::node::{Link, Node};
use std::{collections::BTreeMap, sync::Arc};

/// Order in which nodes are kept: used most lately first, then nearest to the root. A parent always
/// comes before its children, since whatever reaches a child reaches its parents.
type Rank = (u32, usize);

const fn rank(used: u32, depth: usize) -> Rank {
    (u32::MAX - used, depth)
}

/// Drops nodes below `root` until no more than `keep` are in memory; returns how many are.
pub(crate) fn evict(root: Option<&mut Link>, keep: usize) -> usize {
    let Some(link) = root else { return 0 };
    let mut tally = BTreeMap::new();
    if let Some(node) = &link.node {
        count(node, link.used, 0, &mut tally);
    }
    let mut kept = 0;
    for (limit, nodes) in tally {
        if kept + nodes > keep {
            evict_link(link, 0, limit);
            return kept;
        }
        kept += nodes;
    }
    kept
}

fn count(node: &Node, used: u32, depth: usize, tally: &mut BTreeMap<Rank, usize>) {
    *tally.entry(rank(used, depth)).or_default() += 1;
    let mut count_link = |link: &Link| {
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
        Node::Extension(node) => count_link(&node.child),
        Node::Branch(branch) => branch.links().iter().for_each(count_link),
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
        Node::Branch(branch) => {
            branch.iter_mut().for_each(|(_, link)| evict_link(link, depth + 1, limit));
        }
    }
}
