//! `rpc_modules`: which namespaces this node serves.

use crate::api::Api;
use jsonrpsee::{Methods, RpcModule};
use std::collections::BTreeMap;

/// Adds `rpc_modules`, which tells the namespaces of `methods` with geth's version, "1.0".
pub(crate) fn register(module: &mut RpcModule<Api>, methods: &Methods) {
    let mut served: BTreeMap<String, &'static str> = methods
        .method_names()
        .filter_map(|name| name.split_once('_'))
        .map(|(namespace, _)| (namespace.to_owned(), "1.0"))
        .collect();
    served.insert("rpc".to_owned(), "1.0");
    let served = serde_json::json!(served);
    let registered = module.register_method("rpc_modules", move |_, _, _| served.clone());
    registered.expect("each method is registered once");
}
