//! `rpc.discover`: what this server serves, as an OpenRPC document.
//!
//! Plasma's own methods stand in `openrpc/own.json` with their parameters, results, errors and
//! examples. All others stand in `openrpc/methods.txt`, a line each with a name and a summary: their
//! parameters are those of Ethereum's JSON-RPC or of the tool that they come from.

use crate::api::Api;
use jsonrpsee::{Methods, RpcModule};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Plasma's own methods, and the members of the document beside its methods.
const OWN: &str = include_str!("../openrpc/own.json");

/// All other methods.
const OTHERS: &str = include_str!("../openrpc/methods.txt");

/// The name of the method itself, which the OpenRPC specification sets.
const NAME: &str = "rpc.discover";

/// Adds `rpc.discover`, which describes `methods` and itself.
pub(crate) fn register(module: &mut RpcModule<Api>, methods: &Methods) {
    let served = methods.method_names().chain(["rpc_modules", NAME]);
    let document = document(served);
    let registered = module.register_method(NAME, move |_, _, _| document.clone());
    registered.expect("each method is registered once");
}

/// The document for a server of the methods `served`.
fn document<'a>(served: impl Iterator<Item = &'a str>) -> Value {
    let mut document = own();
    let mut described: BTreeMap<String, Value> = BTreeMap::new();
    if let Some(Value::Array(methods)) = document.get_mut("methods").map(Value::take) {
        for method in methods {
            described.insert(method["name"].as_str().unwrap_or_default().to_owned(), method);
        }
    }
    let others: BTreeMap<&str, &str> = others().collect();
    let mut methods: Vec<Value> = Vec::new();
    for name in served {
        methods.push(described.remove(name).unwrap_or_else(|| {
            let summary = others.get(name).copied().unwrap_or("An additional method of this node.");
            json!({
                "name": name,
                "summary": summary,
                "tags": [{"name": "listed"}],
                "params": [],
                "result": {"name": "result", "schema": true},
            })
        }));
    }
    methods.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["methods"] = methods.into();
    document
}

fn own() -> Value {
    serde_json::from_str(OWN).expect("openrpc/own.json is JSON, as a test sees")
}

/// Names and summaries of [`OTHERS`].
fn others() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = OTHERS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or((line, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth, dev::harness, live::Live, server, sign::DevAccounts};
    use std::{collections::BTreeSet, sync::Arc};

    /// Every method of every port, of a development node, which has all there are.
    fn served() -> BTreeSet<String> {
        let node = harness::Node::start();
        let live = Live::new();
        let accounts = Arc::new(DevAccounts::dev());
        let open = server::methods(&node.api, &live, accounts, Methods::new()).unwrap();
        let locked = auth::methods(&node.api, &live).unwrap();
        open.method_names().chain(locked.method_names()).map(str::to_owned).collect()
    }

    fn described() -> BTreeSet<String> {
        let own = own();
        let methods = own["methods"].as_array().expect("openrpc/own.json has methods");
        methods.iter().map(|method| method["name"].as_str().unwrap().to_owned()).collect()
    }

    fn is_own(name: &str) -> bool {
        name.starts_with("keeper_") || name.starts_with("plasma_")
    }

    #[tokio::test]
    async fn every_method_is_described_and_no_other() {
        let (served, described) = (served(), described());
        let listed: BTreeSet<String> = others().map(|(name, _)| name.to_owned()).collect();
        let missing: Vec<_> =
            served.iter().filter(|name| !is_own(name) && !listed.contains(*name)).collect();
        assert!(
            missing.is_empty(),
            "crates/rpc/openrpc/methods.txt needs a line \"NAME SUMMARY\" for each of: {missing:#?}"
        );
        let stale: Vec<_> = listed.iter().filter(|name| !served.contains(*name)).collect();
        assert!(
            stale.is_empty(),
            "crates/rpc/openrpc/methods.txt has lines of methods that are not served: {stale:#?}"
        );
        let own: BTreeSet<String> = served.into_iter().filter(|name| is_own(name)).collect();
        assert_eq!(described, own, "left: methods of crates/rpc/openrpc/own.json, right: served");
    }

    #[test]
    fn the_list_is_in_order_and_says_something_of_each() {
        let names: Vec<_> = others().map(|(name, _)| name).collect();
        assert!(names.is_sorted(), "crates/rpc/openrpc/methods.txt: lines are in order of names");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "twice");
        for (name, summary) in others() {
            assert!(summary.ends_with('.') && summary.len() > 10, "{name}: {summary:?}");
            assert!(!summary.contains("http"), "{name}: {summary:?}");
        }
    }

    #[test]
    fn own_methods_are_described_in_full() {
        for method in own()["methods"].as_array().unwrap() {
            let name = &method["name"];
            for member in ["summary", "description", "paramStructure"] {
                assert!(
                    method[member].as_str().is_some_and(|text| !text.is_empty()),
                    "{name}: {member}"
                );
            }
            assert!(method["result"]["schema"].is_object(), "{name}");
            assert!(method["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{name}");
            assert!(method["examples"].as_array().is_some_and(|some| !some.is_empty()), "{name}");
            for parameter in method["params"].as_array().unwrap() {
                assert!(parameter["description"].is_string(), "{name}: {parameter}");
                assert!(parameter["schema"].is_object(), "{name}: {parameter}");
            }
        }
    }

    #[test]
    fn a_document_tells_what_is_served_and_no_more() {
        let document = document(["eth_chainId", "keeper_get", "x_new", NAME].into_iter());
        let methods = document["methods"].as_array().unwrap();
        let names: Vec<_> = methods.iter().map(|method| method["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["eth_chainId", "keeper_get", NAME, "x_new"]);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
