//! The loaded node: its endpoint, the funded accounts, the token, and what it costs.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, TxKind, U256, hex};
use alloy_sol_types::SolValue as _;
use eyre::{Result, bail, eyre};
use rayon::prelude::*;
use serde_json::json;

use super::{
    accounts::{Account, FUNDED_KEY, Signed, Terms},
    http::Endpoint,
    rpc::{Rpc, quantity},
};
use crate::{
    machine::{self, Usage},
    report::Row,
};

/// Wei that each account of the load receives.
const ACCOUNT_WEI: u128 = 10_000_000_000_000_000_000;
/// Tokens that each account of the load receives.
const ACCOUNT_TOKENS: u128 = 1_000_000_000_000_000_000_000_000;
/// Wei per gas that is offered at least: room for many full blocks above 1 gwei, while no transaction
/// of the load offers more than the ether that nodes cap fees at.
const MIN_MAX_FEE: u128 = 50_000_000_000;
const PRIORITY_FEE: u128 = 1_000_000_000;
/// Gas of the transactions that set the load up; below the cap of EIP-7825.
const SETUP_GAS: u64 = 16_000_000;

const DISPERSE: &str = include_str!("../../contracts/artifacts/Disperse.init.hex");
const TOKEN: &str = include_str!("../../contracts/artifacts/Token.init.hex");

/// A node that is ready to be loaded.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) accounts: Vec<Account>,
    pub(crate) terms: Terms,
    /// The deployed ERC-20.
    pub(crate) token: Address,
    /// The node's process, where known.
    pub(crate) pid: Option<u32>,
    pub(crate) connections: usize,
    /// How long a phase may take.
    pub(crate) timeout: Duration,
}

impl Target {
    /// Derives the accounts, funds them and deploys the token.
    pub(crate) fn prepare(
        endpoint: Endpoint,
        seed: &str,
        accounts: u32,
        connections: usize,
        pid: Option<u32>,
        timeout: Duration,
    ) -> Result<Self> {
        let mut rpc = Rpc::connect(&endpoint, timeout)?;
        let accounts: Vec<Account> = (0..accounts)
            .into_par_iter()
            .map(|index| Account::derive(seed, index))
            .collect::<Result<_>>()?;
        if accounts.is_empty() {
            bail!("a load needs accounts");
        }
        let head = rpc.call("eth_getBlockByNumber", json!(["latest", false]))?;
        let base_fee = head.get("baseFeePerGas").map_or(Ok(0), quantity)?;
        let terms = Terms {
            chain_id: quantity(&rpc.call("eth_chainId", json!([]))?)?,
            max_fee: MIN_MAX_FEE.max(10 * u128::from(base_fee)),
            priority_fee: PRIORITY_FEE,
        };
        let funder = Funder::new(terms)?;
        let holders: Vec<Address> = accounts.iter().map(|account| account.address).collect();
        let per_account = U256::from(ACCOUNT_WEI);
        if rpc.balance(holders[0])? < per_account / U256::from(2) {
            let input =
                [hex::decode(DISPERSE.trim())?, (holders.clone(),).abi_encode_params()].concat();
            funder.deploy(&mut rpc, input, per_account * U256::from(holders.len()))?;
        }
        let arguments = (holders, U256::from(ACCOUNT_TOKENS)).abi_encode_params();
        let input = [hex::decode(TOKEN.trim())?, arguments].concat();
        let token = funder.deploy(&mut rpc, input, U256::ZERO)?;
        Ok(Self { endpoint, accounts, terms, token, pid, connections, timeout })
    }

    /// A connection for calls that are not timed.
    pub(crate) fn rpc(&self) -> Result<Rpc> {
        Rpc::connect(&self.endpoint, self.timeout)
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.accounts.iter().map(|account| account.address).collect()
    }

    /// What the node has used so far.
    pub(crate) fn usage(&self) -> Option<Usage> {
        machine::usage(self.pid?)
    }

    /// A request with the raw transaction as the only parameter.
    pub(crate) fn raw_request(&self, method: &str, signed: &Signed) -> Vec<u8> {
        self.endpoint.request(raw_call(method, signed, 1).as_bytes())
    }
}

/// One JSON-RPC call with a raw transaction as its parameter.
pub(crate) fn raw_call(method: &str, signed: &Signed, id: usize) -> String {
    let raw = hex::encode(&signed.raw);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":["0x{raw}"]}}"#)
}

/// What node and generator used during a phase.
#[derive(Debug)]
pub(crate) struct Meter {
    node: Option<Usage>,
    own_cpu_s: f64,
}

impl Meter {
    pub(crate) fn start(target: &Target) -> Self {
        Self { node: target.usage(), own_cpu_s: machine::own_cpu_s() }
    }

    /// Adds what was used since the start.
    pub(crate) fn stop(self, target: &Target, row: Row) -> Row {
        let row = match (self.node, target.usage()) {
            (Some(before), Some(after)) => row
                .figure("node_cpu_s", after.cpu_s - before.cpu_s)
                .figure("rss_after_mib", after.rss_mib),
            _ => row,
        };
        row.figure("generator_cpu_s", machine::own_cpu_s() - self.own_cpu_s)
    }
}

/// The well-known account that pays for the set-up.
#[derive(Debug)]
pub(crate) struct Funder {
    account: Account,
    terms: Terms,
}

impl Funder {
    pub(crate) fn new(terms: Terms) -> Result<Self> {
        Ok(Self { account: Account::new(FUNDED_KEY)?, terms })
    }

    pub(crate) fn address(&self) -> Address {
        self.account.address
    }

    /// Deploys a contract and waits for its receipt.
    pub(crate) fn deploy(&self, rpc: &mut Rpc, input: Vec<u8>, value: U256) -> Result<Address> {
        let nonce = rpc.nonces(&[self.account.address])?[0];
        let signed =
            self.account.sign(self.terms, nonce, TxKind::Create, value, input.into(), SETUP_GAS);
        rpc.call("eth_sendRawTransaction", json!([hex::encode_prefixed(&signed.raw)]))?;
        let receipt = rpc.receipt(signed.hash)?;
        serde_json::from_value(receipt["contractAddress"].clone())
            .map_err(|_| eyre!("the receipt of {} names no contract", signed.hash))
    }

    /// Sends many transactions one after the other and waits for all receipts.
    pub(crate) fn send_all(
        &self,
        rpc: &mut Rpc,
        calls: impl IntoIterator<Item = (TxKind, U256, Bytes, u64)>,
    ) -> Result<Vec<serde_json::Value>> {
        let first = rpc.nonces(&[self.account.address])?[0];
        let mut hashes = Vec::new();
        for (nonce, (to, value, input, gas)) in (first..).zip(calls) {
            let signed = self.account.sign(self.terms, nonce, to, value, input, gas);
            rpc.call("eth_sendRawTransaction", json!([hex::encode_prefixed(&signed.raw)]))?;
            hashes.push(signed.hash);
        }
        hashes.into_iter().map(|hash| rpc.receipt(hash)).collect()
    }
}
