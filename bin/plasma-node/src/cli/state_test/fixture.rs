//! The file format of state tests.

use alloy_primitives::{Address, B256, Bytes, U256};
use plasma_evm::SpecId;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// Tells state tests from the suites' other kinds of files by the members of their cases.
pub(super) fn is_state_test(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        post: Option<de::IgnoredAny>,
        transaction: Option<de::IgnoredAny>,
    }
    let cases: Result<BTreeMap<String, Probe>, _> = serde_json::from_str(text);
    // What is no map of cases at all is some other kind of file, too.
    cases.is_ok_and(|cases| {
        cases.values().any(|case| case.post.is_some() && case.transaction.is_some())
    })
}

/// One named test: many cases over forks and argument combinations.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) env: Env,
    pub(super) pre: BTreeMap<Address, PreAccount>,
    pub(super) transaction: TransactionParts,
    pub(super) post: BTreeMap<String, Vec<Post>>,
    #[serde(default)]
    pub(super) config: Config,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Config {
    #[serde(default, alias = "chainId")]
    pub(crate) chainid: Option<Quantity>,
    #[serde(default, rename = "blobSchedule")]
    pub(crate) blob_schedule: BTreeMap<String, BlobSchedule>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlobSchedule {
    pub(crate) target: Quantity,
    pub(crate) max: Quantity,
    pub(crate) base_fee_update_fraction: Quantity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Env {
    pub(super) current_coinbase: Address,
    #[serde(default)]
    pub(super) current_difficulty: Quantity,
    pub(super) current_gas_limit: Quantity,
    pub(super) current_number: Quantity,
    pub(super) current_timestamp: Quantity,
    #[serde(default)]
    pub(super) current_base_fee: Option<Quantity>,
    #[serde(default)]
    pub(super) current_random: Option<Quantity>,
    #[serde(default)]
    pub(super) current_excess_blob_gas: Option<Quantity>,
    #[serde(default)]
    pub(super) slot_number: Option<Quantity>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PreAccount {
    pub(crate) balance: Quantity,
    pub(crate) code: Bytes,
    pub(crate) nonce: Quantity,
    pub(crate) storage: BTreeMap<Quantity, Quantity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionParts {
    pub(super) data: Vec<Bytes>,
    pub(super) gas_limit: Vec<Quantity>,
    pub(super) value: Vec<Quantity>,
    #[serde(default)]
    pub(super) gas_price: Option<Quantity>,
    #[serde(default)]
    pub(super) max_fee_per_gas: Option<Quantity>,
    #[serde(default)]
    pub(super) max_priority_fee_per_gas: Option<Quantity>,
    pub(super) nonce: Quantity,
    #[serde(default, deserialize_with = "optional_address")]
    pub(super) to: Option<Address>,
    #[serde(default)]
    pub(super) sender: Option<Address>,
    #[serde(default)]
    pub(super) secret_key: Option<B256>,
    #[serde(default)]
    pub(super) access_lists: Option<Vec<Option<Vec<AccessListItem>>>>,
    #[serde(default)]
    pub(super) blob_versioned_hashes: Option<Vec<B256>>,
    #[serde(default)]
    pub(super) max_fee_per_blob_gas: Option<Quantity>,
    #[serde(default)]
    pub(super) authorization_list: Option<Vec<Authorization>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccessListItem {
    pub(super) address: Address,
    pub(super) storage_keys: Vec<Quantity>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorization {
    pub(super) chain_id: Quantity,
    pub(super) address: Address,
    pub(super) nonce: Quantity,
    /// Parity of the signature under either of its names; some files carry both.
    #[serde(default)]
    pub(super) v: Option<Quantity>,
    #[serde(default)]
    pub(super) y_parity: Option<Quantity>,
    pub(super) r: Quantity,
    pub(super) s: Quantity,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Post {
    pub(super) indexes: Indexes,
    pub(super) hash: B256,
    pub(super) logs: B256,
    #[serde(default)]
    pub(super) expect_exception: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Indexes {
    pub(super) data: usize,
    pub(super) gas: usize,
    pub(super) value: usize,
}

/// A number as the suites write it: hexadecimal or decimal, a string or a number, short or padded,
/// sometimes marked `0x:bigint `.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(pub(crate) U256);

impl Quantity {
    /// The low 64 bits; the flag tells whether that was all.
    pub(crate) fn as_u64(self) -> u64 {
        self.0.saturating_to()
    }

    pub(crate) fn as_u128(self) -> u128 {
        self.0.saturating_to()
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(U256::from(value)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                let text = text.strip_prefix("0x:bigint ").unwrap_or(text);
                let parsed = match text.strip_prefix("0x") {
                    Some("") => return Ok(Quantity(U256::ZERO)),
                    Some(hex) => U256::from_str_radix(hex, 16),
                    None if text.is_empty() => return Ok(Quantity(U256::ZERO)),
                    None => U256::from_str_radix(text, 10),
                };
                parsed.map(Quantity).map_err(|error| E::custom(format!("{text}: {error}")))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

fn optional_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Address>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    match text.as_deref() {
        None | Some("" | "0x") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(de::Error::custom),
    }
}

/// revm's name of a fork; `None` where revm does not implement it.
pub(super) fn fork(name: &str) -> Option<SpecId> {
    Some(match name {
        "Frontier" => SpecId::FRONTIER,
        "Homestead" => SpecId::HOMESTEAD,
        "EIP150" => SpecId::TANGERINE,
        "EIP158" => SpecId::SPURIOUS_DRAGON,
        "Byzantium" => SpecId::BYZANTIUM,
        "ConstantinopleFix" | "Petersburg" => SpecId::PETERSBURG,
        "Istanbul" => SpecId::ISTANBUL,
        "Berlin" => SpecId::BERLIN,
        "London" => SpecId::LONDON,
        "Merge" | "Paris" => SpecId::MERGE,
        "Shanghai" => SpecId::SHANGHAI,
        "Cancun" => SpecId::CANCUN,
        "Prague" => SpecId::PRAGUE,
        "Osaka" => SpecId::OSAKA,
        _ => return None,
    })
}
