//! The signatures of Hardhat's console.sol, by selector.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, Selector, address, keccak256, map::HashMap};
use std::sync::LazyLock;

/// Where contracts send what they log: "console.log" in ASCII.
pub(crate) const CONSOLE: Address = address!("000000000000000000636F6e736F6c652e6c6f67");

/// The types that `log` takes up to four of, in any order.
const MIXED: [&str; 4] = ["uint256", "string", "bool", "address"];

/// The types of the parameters, by selector.
type Table = HashMap<Selector, DynSolType>;

static TABLE: LazyLock<Table> = LazyLock::new(table);

/// The arguments of a call to the console; `None` where they do not decode.
pub(super) fn arguments(input: &[u8]) -> Option<Vec<DynSolValue>> {
    let (selector, data) = input.split_first_chunk::<4>()?;
    match TABLE.get(&Selector::from(*selector))?.abi_decode_params(data) {
        Ok(DynSolValue::Tuple(values)) => Some(values),
        _ => None,
    }
}

fn table() -> Table {
    let hashed = |signature: String| Selector::from_slice(&keccak256(signature)[..4]);
    forms().map(|(signature, types)| (hashed(signature), types)).collect()
}

/// All signatures with the types of their parameters.
///
/// Contracts with versions of console.sol from before 2022 hash `uint` and `int` as they stand
/// there, which no canonical signature has. So every signature with a number has two spellings.
fn forms() -> impl Iterator<Item = (String, DynSolType)> {
    let mut rows: Vec<Vec<&str>> = vec![Vec::new()];
    let mut forms: Vec<(&str, Vec<String>)> = vec![("log", vec!["string".into(), "int256".into()])];
    for _ in 0..=4 {
        forms.extend(rows.iter().map(|row| ("log", row.iter().map(|it| (*it).into()).collect())));
        let longer = |row: &Vec<&'static str>| MIXED.map(|kind| [row.as_slice(), &[kind]].concat());
        rows = rows.iter().flat_map(longer).collect();
    }
    for (name, kind) in [
        ("logInt", "int256"),
        ("logUint", "uint256"),
        ("logString", "string"),
        ("logBool", "bool"),
        ("logAddress", "address"),
        ("logBytes", "bytes"),
    ] {
        forms.extend([(name, vec![kind.to_owned()]), ("log", vec![kind.to_owned()])]);
    }
    let mut all: Vec<(String, Vec<String>)> =
        forms.into_iter().map(|(name, types)| (name.to_owned(), types)).collect();
    for size in 1..=32 {
        let kind = vec![format!("bytes{size}")];
        all.extend([(format!("logBytes{size}"), kind.clone()), ("log".to_owned(), kind)]);
    }
    all.into_iter().flat_map(|(name, types)| {
        let signature = format!("{name}({})", types.join(","));
        let parsed = types.iter().filter_map(|kind| kind.parse().ok()).collect();
        let parsed = DynSolType::Tuple(parsed);
        [(signature.replace("int256", "int"), parsed.clone()), (signature, parsed)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(signature: &str) -> Selector {
        Selector::from_slice(&keccak256(signature)[..4])
    }

    #[test]
    fn the_address_is_the_name() {
        assert!(CONSOLE.ends_with(b"console.log"));
    }

    #[test]
    fn every_signature_is_there_in_both_spellings() {
        for signature in [
            "log()",
            "log(int256)",
            "log(int)",
            "log(uint256)",
            "log(uint)",
            "log(bytes)",
            "log(bytes7)",
            "log(string,int256)",
            "log(string,int)",
            "log(address,bool,string,uint256)",
            "log(uint,uint,uint,uint)",
            "logInt(int256)",
            "logUint(uint)",
            "logBytes32(bytes32)",
        ] {
            assert!(TABLE.contains_key(&selector(signature)), "{signature}");
        }
        assert!(!TABLE.contains_key(&selector("log(bytes33)")));
        assert!(!TABLE.contains_key(&selector("log(uint8)")));
    }

    #[test]
    fn no_two_signatures_share_a_selector() {
        let distinct: std::collections::HashSet<String> = forms().map(|(it, _)| it).collect();
        assert_eq!(TABLE.len(), distinct.len());
        // 341 rows of the four types, 220 of them with a number, and 77 signatures of one kind.
        assert_eq!(TABLE.len(), 341 + 220 + 77);
        for (signature, types) in forms() {
            let DynSolType::Tuple(types) = types else { panic!("no tuple") };
            let written = signature.split(',').filter(|it| !it.ends_with("()")).count();
            assert_eq!(types.len(), written, "{signature}: every type is parsed");
        }
    }

    /// Selectors as Hardhat publishes them.
    #[test]
    fn known_selectors_are_there() {
        for (signature, known) in [
            ("log(string)", [0x41, 0x30, 0x4f, 0xac]),
            ("log(string,uint256)", [0xb6, 0x0e, 0x72, 0xcc]),
            ("log(uint256)", [0xf8, 0x2c, 0x50, 0xf1]),
            ("log(uint)", [0xf5, 0xb1, 0xbb, 0xa9]),
        ] {
            assert_eq!(selector(signature), Selector::from(known), "{signature}");
            assert!(TABLE.contains_key(&Selector::from(known)), "{signature}");
        }
    }

    #[test]
    fn arguments_decode_or_are_refused() {
        let mut input = selector("log(uint256,bool)").to_vec();
        assert_eq!(arguments(&input), None, "too short");
        input.extend([[0u8; 31].as_slice(), &[7], &[0; 31], &[1]].concat());
        let values = arguments(&input).unwrap();
        assert_eq!(values[0].as_uint().unwrap().0.to::<u64>(), 7);
        assert_eq!(values[1].as_bool(), Some(true));
        assert_eq!(arguments(&[1, 2, 3]), None);
        assert_eq!(arguments(&[0xff; 36]), None);
        assert_eq!(arguments(selector("log()").as_slice()), Some(Vec::new()));
    }
}
