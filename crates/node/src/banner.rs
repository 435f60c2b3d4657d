//! What a development node says first.

use plasma_chain::Chain;
use plasma_rpc::DevAccounts;
use std::{fmt::Write, net::SocketAddr};

/// Accounts whose keys the banner shows.
const SHOWN_ACCOUNTS: usize = 10;

/// Prints addresses, keys and URLs on standard output.
pub fn print_banner(chain: &Chain, accounts: &DevAccounts, http: SocketAddr) {
    print!("{}", banner(chain, accounts, http));
}

fn banner(chain: &Chain, accounts: &DevAccounts, http: SocketAddr) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let mut line = |part: String| {
        let _ = writeln!(text, "{part}");
    };
    let spec = chain.spec();
    line(format!("Plasma {}", env!("CARGO_PKG_VERSION")));
    line(String::new());
    line(format!("Chain id     {}", spec.chain_id()));
    line(format!("Genesis      {}", spec.genesis_hash()));
    line(format!("Head         block {} {}", chain.head().number(), chain.head().hash));
    match spec.plasma().registry {
        Some(registry) => line(format!("Registry     {registry}")),
        None => line("Registry     none (config.plasma.registry is not set)".to_owned()),
    }
    let lanes = chain.lanes();
    if let (Some(first), count) = (lanes.first(), lanes.len()) {
        line(format!("Keeper lanes {count}, first {first}"));
    }
    line(format!("HTTP         http://{http}"));
    line(format!("WebSocket    ws://{http}"));
    if !accounts.is_empty() {
        line(String::new());
        line("Accounts (well-known test keys: never send real funds to them)".to_owned());
        let state = chain.pending().state.clone();
        for (index, account) in accounts.iter().take(SHOWN_ACCOUNTS).enumerate() {
            let balance = match state.account(account.address()) {
                Ok(Some(found)) => alloy_primitives::utils::format_ether(found.balance),
                Ok(None) => "0".to_owned(),
                Err(error) => error.to_string(),
            };
            let balance = balance.trim_end_matches('0').trim_end_matches('.').to_owned();
            line(format!(
                "({index}) {} {} ({balance} ETH)",
                account.address(),
                account.secret_key()
            ));
        }
    }
    line(String::new());
    text
}
