//! Nodes in memory and their encoding (yellow paper, appendix D).

use alloy_primitives::B256;
use alloy_rlp::{BufMut, Decodable, EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode, TrieNode},
};
use std::sync::Arc;

/// The longest path in a trie, in nibbles: a Keccak-256 hash.
pub(crate) const MAX_PATH: usize = 64;

/// Bytes of the two counts in front of what an [`Arc`] holds.
const REFERENCE_COUNTS: usize = 2 * size_of::<usize>();

/// Memory that an allocation of `bytes` takes: allocators round up to classes of size, about an
/// eighth apart.
const fn allocated(bytes: usize) -> usize {
    bytes + bytes / 16
}

/// A parent's reference to a child.
///
/// What the parent's encoding needs stands here and not in the child, so that hashing a branch
/// reads one stretch of memory instead of sixteen scattered nodes.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// What the parent's encoding holds for this child: the RLP string of its hash, or the node
    /// itself where that is shorter than 32 bytes. Empty while the node is changed and not hashed.
    pub(crate) rlp: RlpNode,
    /// An entry for this path stands in the node store as of the last update.
    pub(crate) stored: bool,
    /// The last update that reached the node.
    pub(crate) used: u32,
    /// The node; `None` while it is blinded.
    pub(crate) node: Option<Arc<Node>>,
}

impl Link {
    /// A node that is not in memory.
    pub(crate) fn blinded(rlp: RlpNode) -> Self {
        Self { stored: rlp.is_hash(), rlp, used: 0, node: None }
    }

    /// A node that is new at its path and not hashed yet.
    pub(crate) fn fresh(node: Node, generation: u32) -> Self {
        Self {
            rlp: RlpNode::default(),
            stored: false,
            used: generation,
            node: Some(Arc::new(node)),
        }
    }

    /// The root of a trie: `None` for the empty trie. A root is always referred to by its hash.
    pub(crate) fn root(hash: B256, node: Option<Arc<Node>>) -> Option<Self> {
        (hash != EMPTY_ROOT_HASH).then(|| Self { node, ..Self::blinded(RlpNode::word_rlp(&hash)) })
    }

    /// The hash of a root link after hashing.
    pub(crate) fn root_hash(link: Option<&Self>) -> B256 {
        link.map_or(EMPTY_ROOT_HASH, |link| {
            link.rlp.as_hash().expect("a root is hashed by the end of each update")
        })
    }

    /// The node is changed and not hashed yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.rlp.is_empty()
    }

    /// Forgets the hash after a change.
    pub(crate) fn mark_dirty(&mut self) {
        self.rlp = RlpNode::default();
    }
}

/// A trie node.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    Extension(Extension),
    Branch(Branch),
}

/// The end of a key.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// The nibbles of the key after the node's own path.
    pub(crate) key: Nibbles,
    pub(crate) value: Value,
}

/// What a leaf holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// RLP of the account, or of the slot's value.
    pub(crate) rlp: Box<[u8]>,
    /// In the account trie: the root node of the account's storage trie, where it is in memory.
    pub(crate) storage: Option<Arc<Node>>,
}

impl Value {
    /// Memory of the RLP, in bytes.
    pub(crate) fn rlp_bytes(&self) -> usize {
        allocated(self.rlp.len())
    }
}

/// Nibbles that all keys below share.
#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) key: Nibbles,
    /// Always a branch. Boxed to keep leaves, of which there are most, small.
    pub(crate) child: Box<Link>,
}

/// Two to sixteen children by their next nibble.
#[derive(Clone, Debug, Default)]
pub(crate) struct Branch {
    mask: u16,
    /// The children, in the order of their nibbles.
    links: Vec<Link>,
}

impl Branch {
    pub(crate) fn with_capacity(children: usize) -> Self {
        Self { mask: 0, links: Vec::with_capacity(children) }
    }

    const fn has(&self, nibble: u8) -> bool {
        self.mask & (1 << nibble) != 0
    }

    const fn index(&self, nibble: u8) -> usize {
        (self.mask & ((1 << nibble) - 1)).count_ones() as usize
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn get(&self, nibble: u8) -> Option<&Link> {
        if self.has(nibble) { self.links.get(self.index(nibble)) } else { None }
    }

    pub(crate) fn get_mut(&mut self, nibble: u8) -> Option<&mut Link> {
        let index = self.index(nibble);
        if self.has(nibble) { self.links.get_mut(index) } else { None }
    }

    /// Puts a child at `nibble`, or removes the one that stands there.
    pub(crate) fn set(&mut self, nibble: u8, link: Option<Link>) {
        let index = self.index(nibble);
        match (self.has(nibble), link) {
            (true, Some(link)) => self.links[index] = link,
            (true, None) => {
                self.links.remove(index);
                self.mask &= !(1 << nibble);
            }
            (false, Some(link)) => {
                self.links.insert(index, link);
                self.mask |= 1 << nibble;
            }
            (false, None) => {}
        }
    }

    /// The children with their nibbles.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u8, &mut Link)> {
        let mask = self.mask;
        (0..16u8).filter(move |nibble| mask & (1 << nibble) != 0).zip(&mut self.links)
    }

    /// Memory of the children's links, in bytes.
    pub(crate) fn link_bytes(&self) -> usize {
        allocated(self.links.capacity() * size_of::<Link>())
    }

    /// The only child left, taken out.
    pub(crate) fn take_only_child(&mut self) -> Option<(u8, Link)> {
        if self.len() != 1 {
            return None;
        }
        let nibble = self.mask.trailing_zeros() as u8;
        self.mask = 0;
        self.links.pop().map(|link| (nibble, link))
    }

    /// The children in order.
    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    pub(crate) fn links_mut(&mut self) -> &mut [Link] {
        &mut self.links
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let children: usize = self.links.iter().map(|link| link.rlp.len()).sum();
        // An absent child and the branch's own value, which state tries do not have, take a byte.
        let payload_length = children + (16 - self.links.len()) + 1;
        Header { list: true, payload_length }.encode(out);
        let mut links = self.links.iter();
        for nibble in 0..16 {
            match self.has(nibble).then(|| links.next()).flatten() {
                Some(link) => out.put_slice(&link.rlp),
                None => out.push(EMPTY_STRING_CODE),
            }
        }
        out.push(EMPTY_STRING_CODE);
    }
}

impl Node {
    /// Memory that the node takes without its children, in bytes, with what an allocator adds.
    pub(crate) fn bytes(&self) -> usize {
        const SHARED: usize = size_of::<Node>() + REFERENCE_COUNTS;
        let outside = match self {
            Self::Leaf(leaf) => leaf.value.rlp_bytes(),
            Self::Extension(_) => allocated(size_of::<Link>()),
            Self::Branch(branch) => branch.link_bytes(),
        };
        allocated(SHARED) + outside
    }

    /// Appends the node's RLP. All its children must be hashed.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Leaf(leaf) => LeafNodeRef::new(&leaf.key, &leaf.value.rlp).encode(out),
            Self::Extension(node) => ExtensionNodeRef::new(&node.key, &node.child.rlp).encode(out),
            Self::Branch(branch) => branch.encode(out),
        }
    }

    /// Reads the node that stands `depth` nibbles below its root.
    pub(crate) fn decode(mut rlp: &[u8], depth: usize) -> Result<Self, alloy_rlp::Error> {
        let node = TrieNode::decode(&mut rlp)?;
        if !rlp.is_empty() {
            return Err(alloy_rlp::Error::Custom("bytes follow the node"));
        }
        match node {
            TrieNode::EmptyRoot => Err(alloy_rlp::Error::Custom("the node is empty")),
            TrieNode::Leaf(leaf) => {
                if depth + leaf.key.len() > MAX_PATH {
                    return Err(alloy_rlp::Error::Custom("the leaf's path is too long"));
                }
                let value = Value { rlp: leaf.value.into_boxed_slice(), storage: None };
                Ok(Self::Leaf(Leaf { key: leaf.key, value }))
            }
            TrieNode::Extension(node) => {
                if node.key.is_empty() || depth + node.key.len() >= MAX_PATH {
                    return Err(alloy_rlp::Error::Custom("the extension's path is out of bounds"));
                }
                let child = Box::new(Link::blinded(node.child));
                Ok(Self::Extension(Extension { key: node.key, child }))
            }
            TrieNode::Branch(node) => {
                if depth >= MAX_PATH || node.stack.len() < 2 {
                    return Err(alloy_rlp::Error::Custom("the branch is too deep or too small"));
                }
                let links = node.stack.into_iter().map(Link::blinded).collect();
                Ok(Self::Branch(Branch { mask: node.state_mask.get(), links }))
            }
        }
    }
}

/// `path` with one more nibble.
pub(crate) fn child_path(path: &Nibbles, nibble: u8) -> Nibbles {
    let mut path = *path;
    path.push(nibble);
    path
}

/// `nibble` followed by `key`.
pub(crate) fn prepend(nibble: u8, key: &Nibbles) -> Nibbles {
    Nibbles::from_nibbles_unchecked([nibble]).join(key)
}
