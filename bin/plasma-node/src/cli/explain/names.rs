//! Names of storage slots.
//!
//! What lies in place is named by arithmetic. A mapping's value lies at the hash of its key and the
//! mapping's slot, which cannot be undone: the hashes of keys that are likely are computed, and
//! looked up.

use super::layout::{Encoding, Layout, Type, Variable};
use alloy_primitives::{Address, B256, U256, keccak256};
use std::collections::{BTreeMap, VecDeque};

/// Most hashes of keys that are tried.
const MAX_HASHES: usize = 300_000;

/// Elements of an array that are looked into for mappings and arrays.
const MAX_ELEMENTS: u64 = 64;

/// How far behind the hash of its slot an array's element is looked for.
const MAX_ARRAY_SLOTS: u64 = 1 << 32;

/// Names slots by a layout and by keys that are likely.
#[derive(Debug)]
pub(super) struct Names<'a> {
    layout: &'a Layout,
    /// What begins at a hash, by that hash.
    regions: BTreeMap<U256, Region>,
}

/// What begins at a hash.
#[derive(Clone, Debug)]
struct Region {
    name: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    /// One value of this type.
    Value(String),
    /// Elements of this type.
    Elements(String),
    /// Bytes of a string.
    Bytes,
}

impl<'a> Names<'a> {
    /// Names by `layout`, where mappings have `keys`, the likeliest first.
    pub(super) fn new(layout: &'a Layout, keys: &[B256]) -> Self {
        let mut names = Self { layout, regions: BTreeMap::new() };
        // Breadth first, so that the bound cuts off what is deep.
        let mut queue: VecDeque<(String, String, U256)> = VecDeque::new();
        for variable in &layout.storage {
            queue.push_back((variable.label.clone(), variable.of.clone(), variable.slot));
        }
        let mut hashes = 0;
        while let Some((name, of, slot)) = queue.pop_front() {
            if hashes >= MAX_HASHES {
                break;
            }
            let Some(kind) = layout.types.get(&of) else { continue };
            match kind.encoding {
                Encoding::Inplace => {
                    for (name, of, slot) in names.parts(kind, &name, slot) {
                        queue.push_back((name, of, slot));
                    }
                }
                Encoding::Mapping => {
                    let Some(value) = &kind.value else { continue };
                    let Some(show) = names.key(kind) else { continue };
                    for key in keys {
                        let Some(shown) = show(*key) else { continue };
                        hashes += 1;
                        let at = hash_of(&[key.as_slice(), &slot.to_be_bytes::<32>()].concat());
                        let name = format!("{name}[{shown}]");
                        names.put(at, &name, Content::Value(value.clone()));
                        if names.holds_hashes(value) {
                            queue.push_back((name, value.clone(), at));
                        }
                    }
                }
                Encoding::DynamicArray => {
                    let Some(base) = &kind.base else { continue };
                    hashes += 1;
                    let at = hash_of(&slot.to_be_bytes::<32>());
                    names.put(at, &name, Content::Elements(base.clone()));
                    let width = names.slots(base);
                    if names.holds_hashes(base) {
                        for index in 0..MAX_ELEMENTS {
                            let element = at.wrapping_add(width.wrapping_mul(U256::from(index)));
                            queue.push_back((format!("{name}[{index}]"), base.clone(), element));
                        }
                    }
                }
                Encoding::Bytes => {
                    hashes += 1;
                    names.put(hash_of(&slot.to_be_bytes::<32>()), &name, Content::Bytes);
                }
            }
        }
        names
    }

    fn put(&mut self, at: U256, name: &str, content: Content) {
        self.regions.entry(at).or_insert_with(|| Region { name: name.to_owned(), content });
    }

    /// The name of `slot`, several where variables share it; `None` where it is unknown.
    pub(super) fn name(&self, slot: U256) -> Option<String> {
        let mut found = Vec::new();
        for Variable { label, slot: start, of } in &self.layout.storage {
            self.within(of, label, *start, slot, &mut found);
        }
        if found.is_empty()
            && let Some((start, region)) = self.regions.range(..=slot).next_back()
        {
            match &region.content {
                Content::Value(of) => self.within(of, &region.name, *start, slot, &mut found),
                Content::Elements(of) if slot - *start < U256::from(MAX_ARRAY_SLOTS) => {
                    self.element(of, &region.name, *start, slot, &mut found);
                }
                Content::Bytes if slot - *start < U256::from(MAX_ARRAY_SLOTS) => {
                    found.push(format!(
                        "{} (bytes {} on)",
                        region.name,
                        (slot - *start) * U256::from(32)
                    ));
                }
                Content::Elements(_) | Content::Bytes => {}
            }
        }
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Names what of a value of type `of`, which begins at `start`, lies at `slot`.
    fn within(&self, of: &str, name: &str, start: U256, slot: U256, found: &mut Vec<String>) {
        if slot < start || slot - start >= self.slots(of) {
            return;
        }
        match self.layout.types.get(of) {
            Some(kind) if !kind.members.is_empty() => {
                for member in &kind.members {
                    let name = format!("{name}.{}", member.label);
                    self.within(&member.of, &name, start + member.slot, slot, found);
                }
            }
            Some(Type { encoding: Encoding::Inplace, base: Some(base), .. }) => {
                self.element(base, name, start, slot, found);
            }
            Some(Type { encoding: Encoding::DynamicArray, .. }) => {
                found.push(format!("{name}.length"));
            }
            _ => found.push(name.to_owned()),
        }
    }

    /// Names the elements of type `of` at `slot` of an array whose elements begin at `start`.
    fn element(&self, of: &str, name: &str, start: U256, slot: U256, found: &mut Vec<String>) {
        let distance = slot - start;
        let bytes = self.layout.types.get(of).map_or(U256::from(32), |kind| kind.number_of_bytes);
        if !bytes.is_zero() && bytes <= U256::from(16) {
            // Several lie in one slot.
            let in_slot = U256::from(32) / bytes;
            let first = distance * in_slot;
            found.push(format!("{name}[{first}..={}]", first + in_slot - U256::from(1)));
            return;
        }
        let width = self.slots(of);
        let index = distance / width;
        self.within(of, &format!("{name}[{index}]"), start + index * width, slot, found);
    }

    /// Slots that a value of type `of` takes: at least one.
    fn slots(&self, of: &str) -> U256 {
        let bytes = self.layout.types.get(of).map_or(U256::from(32), |kind| kind.number_of_bytes);
        bytes.div_ceil(U256::from(32)).max(U256::from(1))
    }

    /// The parts of a value in place, as far as they may lead to hashes.
    fn parts(&self, kind: &Type, name: &str, start: U256) -> Vec<(String, String, U256)> {
        let member = |it: &Variable| {
            (format!("{name}.{}", it.label), it.of.clone(), start.wrapping_add(it.slot))
        };
        let mut parts: Vec<_> = kind.members.iter().map(member).collect();
        if let Some(base) = kind.base.as_ref().filter(|base| self.holds_hashes(base)) {
            let width = self.slots(base);
            let count = (kind.number_of_bytes / (width * U256::from(32))).saturating_to::<u64>();
            parts.extend((0..count.min(MAX_ELEMENTS)).map(|index| {
                let at = start.wrapping_add(width * U256::from(index));
                (format!("{name}[{index}]"), base.clone(), at)
            }));
        }
        parts
    }

    /// Whether a value of type `of` has parts at hashes.
    fn holds_hashes(&self, of: &str) -> bool {
        self.layout.types.get(of).is_some_and(|kind| {
            kind.encoding != Encoding::Inplace
                || kind.members.iter().any(|member| self.holds_hashes(&member.of))
                || kind.base.as_ref().is_some_and(|base| self.holds_hashes(base))
        })
    }

    /// How the keys of a mapping are shown; `None` inside for words that are no such key, outside
    /// where keys are not words.
    fn key(&self, mapping: &Type) -> Option<fn(B256) -> Option<String>> {
        let of = mapping.key.as_deref()?;
        if of.starts_with("t_address") || of.starts_with("t_contract") {
            return Some(|key| {
                let fits = key[..12].iter().all(|byte| *byte == 0);
                fits.then(|| Address::from_word(key).to_string())
            });
        }
        if of.starts_with("t_bytes_") || of.starts_with("t_string") {
            return None;
        }
        if of.starts_with("t_bytes") {
            return Some(|key| Some(key.to_string()));
        }
        Some(|key| {
            let number = U256::from_be_bytes(key.0);
            let small = number <= U256::from(u64::MAX);
            Some(if small { number.to_string() } else { format!("{number:#x}") })
        })
    }
}

fn hash_of(bytes: &[u8]) -> U256 {
    keccak256(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::layout;

    const LAYOUT: &str = r#"{"contracts": {"src/C.sol": {
        "Empty": {"storageLayout": {"storage": [], "types": null}},
        "C": {"storageLayout": {"storage": [
            {"label": "total", "offset": 0, "slot": "0", "type": "t_uint256"},
            {"label": "owner", "offset": 0, "slot": "1", "type": "t_address"},
            {"label": "open", "offset": 20, "slot": "1", "type": "t_bool"},
            {"label": "balanceOf", "offset": 0, "slot": "2", "type": "t_mapping(t_address,t_uint256)"},
            {"label": "allowance", "offset": 0, "slot": "3", "type": "t_mapping(t_address,t_mapping(t_address,t_uint256))"},
            {"label": "jobs", "offset": 0, "slot": "4", "type": "t_array(t_struct(Job)1_storage)dyn_storage"},
            {"label": "fixed", "offset": 0, "slot": "5", "type": "t_array(t_uint64)6_storage"},
            {"label": "note", "offset": 0, "slot": "7", "type": "t_string_storage"}
        ], "types": {
            "t_uint256": {"encoding": "inplace", "label": "uint256", "numberOfBytes": "32"},
            "t_uint64": {"encoding": "inplace", "label": "uint64", "numberOfBytes": "8"},
            "t_address": {"encoding": "inplace", "label": "address", "numberOfBytes": "20"},
            "t_bool": {"encoding": "inplace", "label": "bool", "numberOfBytes": "1"},
            "t_string_storage": {"encoding": "bytes", "label": "string", "numberOfBytes": "32"},
            "t_mapping(t_address,t_uint256)": {"encoding": "mapping", "key": "t_address", "label": "", "numberOfBytes": "32", "value": "t_uint256"},
            "t_mapping(t_uint256,t_uint256)": {"encoding": "mapping", "key": "t_uint256", "label": "", "numberOfBytes": "32", "value": "t_uint256"},
            "t_mapping(t_address,t_mapping(t_address,t_uint256))": {"encoding": "mapping", "key": "t_address", "label": "", "numberOfBytes": "32", "value": "t_mapping(t_address,t_uint256)"},
            "t_array(t_struct(Job)1_storage)dyn_storage": {"encoding": "dynamic_array", "base": "t_struct(Job)1_storage", "label": "Job[]", "numberOfBytes": "32"},
            "t_array(t_uint64)6_storage": {"encoding": "inplace", "base": "t_uint64", "label": "uint64[6]", "numberOfBytes": "64"},
            "t_struct(Job)1_storage": {"encoding": "inplace", "label": "struct Job", "numberOfBytes": "64", "members": [
                {"label": "due", "offset": 0, "slot": "0", "type": "t_uint256"},
                {"label": "seen", "offset": 0, "slot": "1", "type": "t_mapping(t_uint256,t_uint256)"}
            ]}
        }}}
    }}}"#;

    fn named(check: impl Fn(&Names<'_>)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), LAYOUT).unwrap();
        for name in [None, Some("C")] {
            let layout = layout::read(file.path(), name).unwrap();
            let keys = [word(0xaa), word(0xbb), B256::with_last_byte(9)];
            check(&Names::new(&layout, &keys));
        }
        assert!(layout::read(file.path(), Some("D")).is_err());
    }

    fn word(byte: u8) -> B256 {
        Address::repeat_byte(byte).into_word()
    }

    /// The rule of the language's documentation, written down once more.
    fn at(key: B256, slot: U256) -> U256 {
        U256::from_be_bytes(keccak256([key.0, slot.to_be_bytes()].concat()).0)
    }

    #[test]
    fn variables_in_place() {
        named(|names| {
            let name = |slot: u64| names.name(U256::from(slot));
            assert_eq!(name(0).as_deref(), Some("total"));
            assert_eq!(name(1).as_deref(), Some("owner, open"));
            assert_eq!(name(4).as_deref(), Some("jobs.length"));
            assert_eq!(name(5).as_deref(), Some("fixed[0..=3]"));
            assert_eq!(name(6).as_deref(), Some("fixed[4..=7]"));
            assert_eq!(name(7).as_deref(), Some("note"));
            assert_eq!(name(8), None);
        });
    }

    #[test]
    fn mappings_and_arrays() {
        named(|names| {
            let (a, b) = (Address::repeat_byte(0xaa), Address::repeat_byte(0xbb));
            let name = |slot| names.name(slot).unwrap_or_default();
            assert_eq!(name(at(word(0xaa), U256::from(2))), format!("balanceOf[{a}]"));
            let nested = at(word(0xbb), at(word(0xaa), U256::from(3)));
            assert_eq!(name(nested), format!("allowance[{a}][{b}]"));
            let jobs = U256::from_be_bytes(keccak256(B256::with_last_byte(4)).0);
            assert_eq!(name(jobs + U256::from(6)), "jobs[3].due");
            let seen = at(B256::with_last_byte(9), jobs + U256::from(3));
            assert_eq!(name(seen), "jobs[1].seen[9]");
            assert_eq!(name(at(word(0xcc), U256::from(2))), "", "a key that nobody guessed");
        });
    }
}
