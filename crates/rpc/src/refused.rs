//! Methods of other nodes that this one does not have on purpose: what to do instead.
//!
//! They are answered as every unknown method, with geth's words and -32601; the sentence comes
//! after them. Nothing is registered for them, so `rpc_modules` does not tell of them.

/// Names, and the sentence for each. A name that ends in `_` stands for its whole namespace.
/// The first entry that fits counts, so single methods stand before their namespaces.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["engine_"],
        "a consensus layer speaks to the authenticated port (--authrpc.port) of a node that was \
         started with --engine",
    ),
    (
        &["miner_"],
        "how this node makes blocks is set when it starts, such as with --gas-limit; a \
         development node changes it with evm_setBlockGasLimit and \
         hardhat_setNextBlockBaseFeePerGas",
    ),
    (
        &["mev_", "flashbots_", "eth_sendBundle", "eth_cancelBundle"],
        "this node takes no bundles from builders: send transactions with eth_sendRawTransaction, \
         and try several in order with eth_callMany or eth_simulateV1",
    ),
    (
        &[
            "eth_sendPrivateTransaction",
            "eth_sendPrivateRawTransaction",
            "eth_cancelPrivateTransaction",
        ],
        "this node passes no transaction on to others, so all of its pool is private: use \
         eth_sendRawTransaction",
    ),
    (
        &[
            "admin_addPeer",
            "admin_addTrustedPeer",
            "admin_banPeer",
            "admin_peerEvents",
            "admin_peers",
            "admin_removePeer",
            "admin_removeTrustedPeer",
            "admin_unbanPeer",
        ],
        "this node has no peers: net_peerCount tells 0, and blocks come from its own sequencer or \
         a consensus layer",
    ),
    (
        &["admin_"],
        "this node is administered by its command line (plasma-node --help); web3_clientVersion \
         and eth_capabilities tell what runs",
    ),
    (
        &["personal_"],
        "this node keeps no accounts behind passwords: sign in a wallet and use \
         eth_sendRawTransaction; a development node signs for its own accounts with personal_sign \
         and eth_sendTransaction",
    ),
    (
        &["eth_getWork", "eth_submitWork", "eth_submitHashrate"],
        "nothing is mined by proof of work here: eth_getBlockByNumber with \"pending\" shows the \
         block that is being made",
    ),
    (
        &["debug_verbosity", "debug_vmodule"],
        "what is logged is set when the node starts, with --log",
    ),
    (
        &[
            "debug_blockProfile",
            "debug_cpuProfile",
            "debug_freeOSMemory",
            "debug_gcStats",
            "debug_goTrace",
            "debug_memStats",
            "debug_mutexProfile",
            "debug_setBlockProfileRate",
            "debug_setGCPercent",
            "debug_setMemoryLimit",
            "debug_setMutexProfileFraction",
            "debug_stacks",
            "debug_startCPUProfile",
            "debug_startGoTrace",
            "debug_stopCPUProfile",
            "debug_stopGoTrace",
            "debug_writeBlockProfile",
            "debug_writeMemProfile",
            "debug_writeMutexProfile",
        ],
        "it looks into the runtime of Go, which this node is not written in: use its metrics, or \
         a profiler of the system such as perf",
    ),
    (
        &[
            "debug_chaindbCompact",
            "debug_chaindbProperty",
            "debug_dbAncient",
            "debug_dbAncients",
            "debug_dbGet",
            "debug_getTrieFlushInterval",
            "debug_setTrieFlushInterval",
        ],
        "it looks into geth's database, and this node has another: debug_getRawBlock, \
         debug_getRawReceipts and debug_codeByHash tell what is stored",
    ),
    (
        &["anvil_anvil_dropTransaction", "hardhat_hardhat_dropTransaction", "anvil_enableTraces"],
        "use hardhat_dropTransaction to drop a transaction, and debug_traceTransaction for traces",
    ),
    (
        &[
            "anvil_dealTIP20",
            "anvil_setFeeAmmLiquidity",
            "anvil_setFeeToken",
            "anvil_setValidatorFeeToken",
            "eth_signRawTransaction",
        ],
        "it belongs to networks that pay fees in tokens: here fees are paid in the native \
         currency, which anvil_setBalance gives, and anvil_dealERC20 gives tokens",
    ),
];

/// What only development nodes have.
const DEVELOPMENT: [&str; 4] = ["evm_", "anvil_", "hardhat_", "tenderly_"];

/// The sentence for a method that is not served; `None` where there is nothing to say.
/// `development`: whether this node serves what only development nodes have.
pub(crate) fn sentence(method: &str, development: bool) -> Option<&'static str> {
    let fits = |name: &str| match name.ends_with('_') {
        true => method.starts_with(name),
        false => method == name,
    };
    if !development && DEVELOPMENT.iter().any(|name| fits(name)) {
        return Some("it changes what a chain may not: a development node (--dev) serves it");
    }
    let found = REFUSED.iter().find(|(names, _)| names.iter().any(|name| fits(name)));
    found.map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dev::harness::Node, live::Live, sign::DevAccounts};
    use std::sync::Arc;

    /// Every entry is reached, and none stands for a method that is served.
    #[tokio::test(flavor = "multi_thread")]
    async fn every_entry_is_reached_and_none_is_served() {
        for development in [true, false] {
            let node = Node::with(development);
            let accounts = Arc::new(DevAccounts::dev());
            let methods = crate::server::methods(
                &node.api,
                &Live::new(),
                accounts,
                jsonrpsee::Methods::default(),
            )
            .unwrap();
            for (names, expected) in REFUSED {
                for name in *names {
                    let method =
                        if name.ends_with('_') { format!("{name}x") } else { (*name).to_owned() };
                    assert!(methods.method(&method).is_none(), "{method} is served");
                    let found = sentence(&method, development).expect("a sentence");
                    let is_command = DEVELOPMENT.iter().any(|it| name.starts_with(it));
                    match is_command && !development {
                        true => assert!(found.contains("--dev"), "{method}: {found}"),
                        false => assert_eq!(found, *expected, "{method}"),
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_in_no_table_has_no_sentence() {
        for method in ["eth_nonsense", "", "minerx_", "engine", "anvil_nonsense", "debug_traceX"] {
            assert_eq!(sentence(method, true), None, "{method}");
        }
        assert!(sentence("anvil_mine", false).unwrap().contains("--dev"));
        assert_ne!(sentence("admin_peers", true), sentence("admin_nodeInfo", true));
    }

    #[test]
    fn sentences_are_one_sentence_each() {
        for (names, sentence) in REFUSED {
            assert!(!sentence.contains(". ") && !sentence.ends_with('.'), "{names:?}");
            assert!(sentence.starts_with(|c: char| c.is_lowercase()), "{names:?}");
        }
    }
}
