//! Storage layouts as solc writes them.
//!
//! A layout is an object with `storage` and `types`. It may be the whole file (`forge inspect C
//! storageLayout --json`) or lie anywhere in it: solc's standard and combined output, artifacts.

use alloy_primitives::U256;
use eyre::{Context as _, Result, bail};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use std::{collections::HashMap, path::Path};

/// Where the variables of a contract lie.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Layout {
    pub(super) storage: Vec<Variable>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) types: HashMap<String, Type>,
}

/// A state variable or a member of a struct.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Variable {
    pub(super) label: String,
    #[serde(deserialize_with = "number")]
    pub(super) slot: U256,
    #[serde(rename = "type")]
    pub(super) of: String,
}

/// A type by its parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Type {
    #[serde(default)]
    pub(super) encoding: Encoding,
    #[serde(deserialize_with = "number")]
    pub(super) number_of_bytes: U256,
    /// Of a mapping.
    pub(super) key: Option<String>,
    /// Of a mapping.
    pub(super) value: Option<String>,
    /// Of an array's elements.
    pub(super) base: Option<String>,
    /// Of a struct.
    #[serde(default)]
    pub(super) members: Vec<Variable>,
}

/// How a type lies in storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// In slots that follow each other.
    #[default]
    Inplace,
    /// Values at the hash of key and slot.
    Mapping,
    /// Length in the slot, elements at its hash.
    DynamicArray,
    /// Short ones in the slot, long ones at its hash.
    Bytes,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    value: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// solc writes numbers as decimal strings, other tools as numbers.
fn number<'de, D: Deserializer<'de>>(value: D) -> Result<U256, D::Error> {
    match Value::deserialize(value)? {
        Value::String(text) => text.parse().map_err(de::Error::custom),
        Value::Number(number) => {
            number.as_u64().map(U256::from).ok_or_else(|| de::Error::custom("no whole number"))
        }
        other => Err(de::Error::custom(format!("{other} is no number"))),
    }
}

/// Reads the layout of the contract `name` from a file; without a name, the only one there.
pub(super) fn read(file: &Path, name: Option<&str>) -> Result<Layout> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let json: Value =
        serde_json::from_str(&text).with_context(|| format!("{shown} is not JSON"))?;
    let mut found = Vec::new();
    search(&json, &mut Vec::new(), &mut found);
    if let Some(name) = name {
        found.retain(|(path, _)| path.split([':', '/']).any(|part| part == name));
    }
    match &found[..] {
        [(_, layout)] => Layout::deserialize(*layout)
            .with_context(|| format!("the storage layout in {shown} has an unexpected form")),
        [] => bail!(
            "{shown} has no storage layout{}; make one with `forge inspect CONTRACT storageLayout \
             --json` or solc's outputSelection storageLayout",
            name.map(|name| format!(" of {name}")).unwrap_or_default()
        ),
        several => {
            let names: Vec<_> = several.iter().map(|(path, _)| path.as_str()).collect();
            bail!(
                "{shown} has several storage layouts: choose one with --layout-contract ({})",
                names.join(", ")
            )
        }
    }
}

/// All layouts with variables below `json`, each with the keys that lead to it.
fn search<'a>(json: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<(String, &'a Value)>) {
    let Value::Object(members) = json else { return };
    let storage = members.get("storage").and_then(Value::as_array);
    if let Some(storage) = storage.filter(|_| members.contains_key("types")) {
        if !storage.is_empty() {
            found.push((path.join("/"), json));
        }
        return;
    }
    for (key, value) in members {
        let framing = ["contracts", "storageLayout", "storage-layout"].contains(&key.as_str());
        if !framing {
            path.push(key);
        }
        search(value, path, found);
        if !framing {
            path.pop();
        }
    }
}
