//! Structural changes: a sorted batch of edits goes down the trie once.
//!
//! Each function receives the edits whose keys begin with the path of its node and leaves the
//! subtree in its only valid shape: a branch has two children or more, an extension leads to a
//! branch. Changed nodes lose their hash here; [`crate::hash`] computes the new ones afterwards.
//!
//! Blinded nodes never move: a leaf or an extension that merges into its parent was loaded before,
//! and a branch keeps its path whatever happens above it. So a blinded node can always be loaded
//! from the path where it stands now.

use crate::{
    TrieError,
    node::{Branch, Extension, Leaf, Link, Node, Value, child_path, prepend},
    source::Walk,
};
use alloy_trie::{Nibbles, nodes::RlpNode};
use rayon::prelude::*;
use std::{mem, sync::Arc};

/// Edits from which on the children of a branch are worked on by several threads. Below it, waking
/// threads costs more than it saves: a leaf takes about 5 µs.
pub(crate) const PARALLEL_WEIGHT: usize = 96;

/// New leaves from which on the subtrees of a branch are built by several threads.
const PARALLEL_ITEMS: usize = 1024;

/// What is to happen to one key. The keys of a batch are all of one length, distinct, and sorted.
pub(crate) trait Edit: Send {
    /// The whole key.
    fn key(&self) -> &Nibbles;

    /// Work that the edit stands for, in leaves.
    fn weight(&self) -> usize;

    /// The edit never creates a leaf: where there is none, it is skipped.
    fn is_removal(&self) -> bool;

    /// Changes `value`, which is the leaf's, or the default where `exists` is false. It is called
    /// once at most.
    fn apply(
        &mut self,
        walk: &Walk<'_>,
        value: &mut Value,
        exists: bool,
    ) -> Result<Applied, TrieError>;
}

/// What became of a leaf's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Unchanged,
    Changed,
    Removed,
}

/// What became of a node.
enum Outcome {
    Unchanged,
    Changed,
    /// Another node takes its place.
    Replaced(Node),
    /// Nothing is left.
    Gone,
}

struct Item {
    key: Nibbles,
    value: Value,
}

/// Applies `edits` to the subtree at `slot`. Paths where a stored node stood that moved or is gone
/// are added to `removed`; a later node at such a path takes precedence. True where anything
/// changed.
pub(crate) fn edit_slot<E: Edit>(
    walk: &Walk<'_>,
    slot: &mut Option<Link>,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<bool, TrieError> {
    if edits.is_empty() {
        return Ok(false);
    }
    let Some(link) = slot else {
        *slot = grow(walk, path, edits)?;
        return Ok(slot.is_some());
    };
    match edit_link(walk, link, path, edits, removed)? {
        Applied::Unchanged => Ok(false),
        Applied::Changed => Ok(true),
        Applied::Removed => {
            *slot = None;
            Ok(true)
        }
    }
}

fn edit_link<E: Edit>(
    walk: &Walk<'_>,
    link: &mut Link,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<Applied, TrieError> {
    let node = Arc::make_mut(walk.load(link, path)?);
    check_depth(walk, node, path, edits)?;
    let outcome = match node {
        Node::Leaf(leaf) => edit_leaf(walk, leaf, path, edits)?,
        Node::Extension(extension) => edit_extension(walk, extension, path, edits, removed)?,
        Node::Branch(branch) => edit_branch(walk, branch, path, edits, removed)?,
    };
    match outcome {
        Outcome::Unchanged => return Ok(Applied::Unchanged),
        Outcome::Changed => {}
        Outcome::Replaced(replacement) => *node = replacement,
        Outcome::Gone => {
            if link.stored {
                removed.push(*path);
            }
            return Ok(Applied::Removed);
        }
    }
    link.mark_dirty();
    Ok(Applied::Changed)
}

/// A loaded node that ends deeper, or a leaf that ends elsewhere, than the keys is not of this
/// trie, though its hash is right.
fn check_depth<E: Edit>(
    walk: &Walk<'_>,
    node: &Node,
    path: &Nibbles,
    edits: &[E],
) -> Result<(), TrieError> {
    let length = edits.first().map_or(0, |edit| edit.key().len());
    let fits = match node {
        Node::Leaf(leaf) => path.len() + leaf.key.len() == length,
        Node::Extension(extension) => path.len() + extension.key.len() < length,
        Node::Branch(_) => path.len() < length,
    };
    if fits { Ok(()) } else { Err(walk.malformed(path, "its depth does not fit the trie's keys")) }
}

fn edit_leaf<E: Edit>(
    walk: &Walk<'_>,
    leaf: &mut Leaf,
    path: &Nibbles,
    edits: &mut [E],
) -> Result<Outcome, TrieError> {
    let key = path.join(&leaf.key);
    let own = edits.iter().position(|edit| *edit.key() == key);
    let applied = match own {
        Some(index) => {
            let before = leaf.value.rlp_bytes();
            let applied = edits[index].apply(walk, &mut leaf.value, true)?;
            walk.count(leaf.value.rlp_bytes().saturating_sub(before));
            applied
        }
        None => Applied::Unchanged,
    };
    let mut items = match own {
        Some(index) => {
            let mut items = apply_new(walk, &mut edits[..index])?;
            items.extend(apply_new(walk, &mut edits[index + 1..])?);
            items
        }
        None => apply_new(walk, edits)?,
    };
    if items.is_empty() {
        return Ok(match applied {
            Applied::Unchanged => Outcome::Unchanged,
            Applied::Changed => Outcome::Changed,
            Applied::Removed => Outcome::Gone,
        });
    }
    if applied != Applied::Removed {
        let index = items.partition_point(|item| item.key < key);
        items.insert(index, Item { key, value: mem::take(&mut leaf.value) });
    }
    Ok(Outcome::Replaced(build(walk, path.len(), &mut items)))
}

fn edit_extension<E: Edit>(
    walk: &Walk<'_>,
    extension: &mut Extension,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<Outcome, TrieError> {
    let end = path.join(&extension.key);
    // How much of the extension's key stays shared when the edits' new leaves are there.
    let shared = edits
        .iter()
        .filter(|edit| !edit.is_removal())
        .map(|edit| edit.key().common_prefix_length(&end))
        .min()
        .unwrap_or(end.len());
    let edits = below(edits, &end.slice(..shared));
    if edits.is_empty() {
        return Ok(Outcome::Unchanged);
    }
    if shared < end.len() {
        return split_extension(walk, extension, path, shared, edits, removed);
    }

    match edit_link(walk, &mut extension.child, &end, edits, removed)? {
        Applied::Unchanged => Ok(Outcome::Unchanged),
        Applied::Removed => Ok(Outcome::Gone),
        Applied::Changed => {
            let child = &mut extension.child;
            if matches!(child.node.as_deref(), Some(Node::Branch(_))) {
                return Ok(Outcome::Changed);
            }
            if child.stored {
                removed.push(end);
            }
            let node = child.node.take().expect("a node that just changed is in memory");
            Ok(Outcome::Replaced(prefixed(walk, &extension.key, Arc::unwrap_or_clone(node))))
        }
    }
}

/// Puts a branch into an extension after `shared` nibbles of the whole path, and edits that.
fn split_extension<E: Edit>(
    walk: &Walk<'_>,
    extension: &mut Extension,
    path: &Nibbles,
    shared: usize,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<Outcome, TrieError> {
    let at = shared - path.len();
    let prefix = extension.key.slice(..at);
    let rest = extension.key.slice(at + 1..);
    let child = mem::replace(&mut *extension.child, Link::blinded(RlpNode::default()));
    let lower = if rest.is_empty() {
        child
    } else {
        let lower = Node::Extension(Extension { key: rest, child: Box::new(child) });
        walk.count(lower.bytes());
        Link::fresh(lower, walk.generation)
    };
    let mut branch = Branch::with_capacity(2);
    walk.count(Node::Branch(Branch::default()).bytes() + branch.link_bytes());
    branch.set(extension.key.get_unchecked(at), Some(lower));
    let node = match edit_branch(walk, &mut branch, &path.join(&prefix), edits, removed)? {
        Outcome::Unchanged | Outcome::Changed => Node::Branch(branch),
        Outcome::Replaced(node) => node,
        Outcome::Gone => return Ok(Outcome::Gone),
    };
    Ok(Outcome::Replaced(prefixed(walk, &prefix, node)))
}

fn edit_branch<E: Edit>(
    walk: &Walk<'_>,
    branch: &mut Branch,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<Outcome, TrieError> {
    let before = branch.link_bytes();
    let changed = if weight(edits) >= PARALLEL_WEIGHT {
        edit_children_in_parallel(walk, branch, path, edits, removed)?
    } else {
        edit_children(walk, branch, path, edits, removed)?
    };
    walk.count(branch.link_bytes().saturating_sub(before));
    if !changed {
        return Ok(Outcome::Unchanged);
    }
    if branch.len() == 0 {
        return Ok(Outcome::Gone);
    }
    match branch.take_only_child() {
        None => Ok(Outcome::Changed),
        Some((nibble, link)) => collapse(walk, path, nibble, link, removed),
    }
}

fn edit_children<E: Edit>(
    walk: &Walk<'_>,
    branch: &mut Branch,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<bool, TrieError> {
    let mut changed = false;
    for (nibble, group) in groups(edits, path.len()) {
        let path = child_path(path, nibble);
        match branch.get_mut(nibble) {
            Some(link) => match edit_link(walk, link, &path, group, removed)? {
                Applied::Unchanged => {}
                Applied::Changed => changed = true,
                Applied::Removed => {
                    branch.set(nibble, None);
                    changed = true;
                }
            },
            None => {
                if let Some(link) = grow(walk, &path, group)? {
                    branch.set(nibble, Some(link));
                    changed = true;
                }
            }
        }
    }
    Ok(changed)
}

fn edit_children_in_parallel<E: Edit>(
    walk: &Walk<'_>,
    branch: &mut Branch,
    path: &Nibbles,
    edits: &mut [E],
    removed: &mut Vec<Nibbles>,
) -> Result<bool, TrieError> {
    let mut tasks = Vec::with_capacity(16);
    for (nibble, group) in groups(edits, path.len()) {
        // Moved out, not cloned: a node that is shared would be copied on change.
        let placeholder = || Link::blinded(RlpNode::default());
        let slot = branch.get_mut(nibble).map(|link| mem::replace(link, placeholder()));
        tasks.push((nibble, slot, group));
    }
    let done = tasks
        .into_par_iter()
        .with_max_len(1)
        .map(|(nibble, mut slot, group)| {
            let mut removed = Vec::new();
            let path = child_path(path, nibble);
            let changed = edit_slot(walk, &mut slot, &path, group, &mut removed)?;
            Ok((nibble, slot, changed, removed))
        })
        .collect::<Result<Vec<_>, TrieError>>()?;
    let mut any = false;
    for (nibble, slot, changed, mut paths) in done {
        branch.set(nibble, slot);
        removed.append(&mut paths);
        any |= changed;
    }
    Ok(any)
}

/// What a branch with a single child left becomes.
fn collapse(
    walk: &Walk<'_>,
    path: &Nibbles,
    nibble: u8,
    mut link: Link,
    removed: &mut Vec<Nibbles>,
) -> Result<Outcome, TrieError> {
    let path = child_path(path, nibble);
    if matches!(**walk.load(&mut link, &path)?, Node::Branch(_)) {
        let key = Nibbles::from_nibbles_unchecked([nibble]);
        let node = Node::Extension(Extension { key, child: Box::new(link) });
        walk.count(node.bytes());
        return Ok(Outcome::Replaced(node));
    }
    if link.stored {
        removed.push(path);
    }
    let node = link.node.take().expect("the node was loaded just above");
    Ok(Outcome::Replaced(match Arc::unwrap_or_clone(node) {
        Node::Leaf(leaf) => Node::Leaf(Leaf { key: prepend(nibble, &leaf.key), ..leaf }),
        Node::Extension(node) => {
            Node::Extension(Extension { key: prepend(nibble, &node.key), ..node })
        }
        Node::Branch(_) => unreachable!("a branch was handled above"),
    }))
}

/// `node`, which is new at its path, as it looks from `prefix` further up.
fn prefixed(walk: &Walk<'_>, prefix: &Nibbles, node: Node) -> Node {
    if prefix.is_empty() {
        return node;
    }
    match node {
        Node::Leaf(leaf) => Node::Leaf(Leaf { key: prefix.join(&leaf.key), ..leaf }),
        Node::Extension(node) => Node::Extension(Extension { key: prefix.join(&node.key), ..node }),
        Node::Branch(_) => {
            let child = Box::new(Link::fresh(node, walk.generation));
            let node = Node::Extension(Extension { key: *prefix, child });
            walk.count(node.bytes());
            node
        }
    }
}

/// The subtree that `edits` make where nothing stands.
fn grow<E: Edit>(
    walk: &Walk<'_>,
    path: &Nibbles,
    edits: &mut [E],
) -> Result<Option<Link>, TrieError> {
    let mut items = apply_new(walk, edits)?;
    if items.is_empty() {
        return Ok(None);
    }
    Ok(Some(Link::fresh(build(walk, path.len(), &mut items), walk.generation)))
}

/// The leaves that `edits` make where none stands.
fn apply_new<E: Edit>(walk: &Walk<'_>, edits: &mut [E]) -> Result<Vec<Item>, TrieError> {
    let apply = |edit: &mut E| -> Result<Option<Item>, TrieError> {
        let mut value = Value::default();
        Ok(match edit.apply(walk, &mut value, false)? {
            Applied::Removed => None,
            Applied::Unchanged | Applied::Changed => Some(Item { key: *edit.key(), value }),
        })
    };
    let inserts = |edit: &&mut E| !edit.is_removal();
    if weight(edits) >= PARALLEL_WEIGHT && edits.len() > 1 {
        edits.par_iter_mut().filter(inserts).filter_map(|edit| apply(edit).transpose()).collect()
    } else {
        edits.iter_mut().filter(inserts).filter_map(|edit| apply(edit).transpose()).collect()
    }
}

/// The subtree of `items` (at least one, sorted, with distinct keys), `depth` nibbles below the
/// root.
fn build(walk: &Walk<'_>, depth: usize, items: &mut [Item]) -> Node {
    let (first, last) = match items {
        [] => unreachable!("a subtree is built of one leaf or more"),
        [item] => {
            let value = mem::take(&mut item.value);
            let node = Node::Leaf(Leaf { key: item.key.slice(depth..), value });
            walk.count(node.bytes());
            return node;
        }
        [first, .., last] => (first.key, last.key),
    };
    let shared = first.common_prefix_length(&last);
    let mut branch = Branch::with_capacity(items.len().min(16));
    let parallel = items.len() >= PARALLEL_ITEMS;
    let groups = items
        .chunk_by_mut(|a, b| a.key.get_unchecked(shared) == b.key.get_unchecked(shared))
        .map(|group| (group[0].key.get_unchecked(shared), group));
    let child = |(nibble, group): (u8, &mut [Item])| {
        (nibble, Link::fresh(build(walk, shared + 1, group), walk.generation))
    };
    if parallel {
        let groups: Vec<_> = groups.collect();
        let children: Vec<_> = groups.into_par_iter().with_max_len(1).map(child).collect();
        children.into_iter().for_each(|(nibble, link)| branch.set(nibble, Some(link)));
    } else {
        groups.map(child).for_each(|(nibble, link)| branch.set(nibble, Some(link)));
    }
    let node = Node::Branch(branch);
    walk.count(node.bytes());
    prefixed(walk, &first.slice(depth..shared), node)
}

fn weight<E: Edit>(edits: &[E]) -> usize {
    edits.iter().map(Edit::weight).sum()
}

/// The part of the sorted `edits` whose keys begin with `prefix`.
fn below<'e, E: Edit>(edits: &'e mut [E], prefix: &Nibbles) -> &'e mut [E] {
    let start = edits.partition_point(|edit| edit.key() < prefix);
    let edits = &mut edits[start..];
    let end = edits.partition_point(|edit| edit.key().starts_with(prefix));
    &mut edits[..end]
}

/// The sorted `edits` by their nibble at `depth`, where they all have one.
fn groups<E: Edit>(edits: &mut [E], depth: usize) -> impl Iterator<Item = (u8, &mut [E])> {
    edits
        .chunk_by_mut(move |a, b| a.key().get_unchecked(depth) == b.key().get_unchecked(depth))
        .map(move |group| (group[0].key().get_unchecked(depth), group))
}
