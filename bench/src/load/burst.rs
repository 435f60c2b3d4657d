//! A burst: everything is sent as fast as the node accepts it.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes, TxKind, U256};
use alloy_sol_types::{SolCall as _, sol};
use eyre::{Result, bail, eyre};
use rayon::prelude::*;
use serde_json::json;

use super::{
    accounts::Signed,
    http::Connection,
    rpc::{Rpc, contains, occurrences},
    target::{Meter, Target, raw_call},
};
use crate::{machine, report::Row, statistics::quantile_ms};

/// How long the block of a transaction that was answered for may stay open.
const SEALED_WITHIN: Duration = Duration::from_secs(10);

/// How often an account's nonce is asked for.
const POLL: Duration = Duration::from_millis(20);
/// Most receipts that are looked at afterwards.
const CHECKED_RECEIPTS: usize = 500;

sol! {
    function transfer(address to, uint256 value) external returns (bool);
    function balanceOf(address owner) external view returns (uint256);
}

/// What a burst consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// One wei from account to account.
    Transfer,
    /// One token from account to account.
    Token,
}

impl Payload {
    /// Gas limit of one transaction. An ERC-20 transfer uses 51,000 at most.
    fn gas(self) -> u64 {
        match self {
            Self::Transfer => 21_000,
            Self::Token => 60_000,
        }
    }
}

/// A burst.
#[derive(Clone, Debug)]
pub(crate) struct Burst {
    pub(crate) name: &'static str,
    pub(crate) payload: Payload,
    pub(crate) transactions: usize,
    /// Calls per request.
    pub(crate) batch: usize,
}

/// One HTTP request, ready to be sent.
struct Request {
    bytes: Vec<u8>,
    transactions: usize,
}

/// What one connection saw.
#[derive(Default)]
struct Sent {
    times: Vec<Duration>,
    accepted: usize,
    rejected: usize,
    rejection: Option<String>,
    unsent: usize,
    finished: Option<Instant>,
}

/// Signs `count` transactions of one kind, dealt out to the accounts in turn. Whom an account pays
/// changes from one transaction to the next, so that accounts are payers and payees at once.
pub(crate) fn sign(target: &Target, payload: Payload, count: usize) -> Result<Vec<Signed>> {
    let nonces = target.rpc()?.nonces(&target.addresses())?;
    let accounts = target.accounts.len();
    Ok((0..count)
        .into_par_iter()
        .map(|index| {
            let (sender, round) = (index % accounts, index / accounts);
            let payee = target.accounts[(sender + 1 + round) % accounts].address;
            let nonce = nonces[sender] + round as u64;
            let (to, value, input) = match payload {
                Payload::Transfer => (payee, U256::from(1), Bytes::new()),
                Payload::Token => {
                    let call = transferCall { to: payee, value: U256::from(1) };
                    (target.token, U256::ZERO, call.abi_encode().into())
                }
            };
            let account = &target.accounts[sender];
            account.sign(target.terms, nonce, TxKind::Call(to), value, input, payload.gas())
        })
        .collect())
}

impl Burst {
    /// Sends the burst and waits until it is mined.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let accounts = target.accounts.len();
        let signed = sign(target, self.payload, self.transactions)?;
        let mut rpc = target.rpc()?;
        let mut expected = rpc.nonces(&target.addresses())?;
        for index in 0..signed.len() {
            expected[index % accounts] += 1;
        }
        let queues = self.requests(target, &signed);
        let mut connections: Vec<Connection> = queues
            .iter()
            .map(|_| target.endpoint.connect(target.timeout))
            .collect::<Result<_>>()?;
        let block_before = rpc.block_number()?;
        let meter = Meter::start(target);

        let barrier = Barrier::new(queues.len() + 1);
        let (started, sent) = std::thread::scope(|scope| {
            let threads: Vec<_> = queues
                .iter()
                .zip(&mut connections)
                .map(|(queue, connection)| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        send(queue, connection, Instant::now() + target.timeout)
                    })
                })
                .collect();
            barrier.wait();
            let started = Instant::now();
            let sent: Vec<Sent> = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| eyre!("a sending thread panicked")))
                .collect::<Result<_>>()?;
            Ok::<_, eyre::Report>((started, sent))
        })?;
        let mined = await_nonces(target, &mut rpc, &expected, started + target.timeout)?;

        let mut times: Vec<Duration> = sent.iter().flat_map(|sent| sent.times.clone()).collect();
        let accepted: usize = sent.iter().map(|sent| sent.accepted).sum();
        let rejected: usize = sent.iter().map(|sent| sent.rejected).sum();
        let unsent: usize = sent.iter().map(|sent| sent.unsent).sum();
        let last = sent.iter().filter_map(|sent| sent.finished).max();
        let row = Row::new(self.name, machine::cores());
        let row = match mined {
            Some(at) => row
                .figure("mined_per_s", signed.len() as f64 / (at - started).as_secs_f64())
                .figure("finished", true),
            None => {
                let done: u64 = rpc
                    .nonces(&target.addresses())?
                    .iter()
                    .zip(&expected)
                    .map(|(found, expected)| expected.saturating_sub(*found))
                    .sum();
                row.figure("finished", false).figure("unmined", done)
            }
        };
        let sending = last.map_or(Duration::ZERO, |last| last - started);
        let mut row = row
            .figure("accepted_per_s", accepted as f64 / sending.as_secs_f64().max(1e-9))
            .figure("request_p50_ms", quantile_ms(&mut times, 0.5))
            .figure("request_p99_ms", quantile_ms(&mut times, 0.99))
            .figure("transactions", signed.len())
            .figure("rejected", rejected)
            .figure("blocks", rpc.block_number()?.saturating_sub(block_before));
        if unsent > 0 {
            row = row.figure("unsent", unsent);
        }
        if let Some(rejection) = sent.into_iter().find_map(|sent| sent.rejection) {
            eprintln!("{}: rejected, for example: {rejection}", self.name);
        }
        let row = meter.stop(target, row);
        if mined.is_some() {
            let hashes: Vec<B256> = signed.iter().map(|signed| signed.hash).collect();
            let checked = check_receipts(&mut rpc, &hashes)?;
            return Ok(row.figure("receipts_checked", checked));
        }
        Ok(row)
    }

    /// One queue of requests per connection. An account's transactions stay on one connection and in
    /// the order of their nonces.
    fn requests(&self, target: &Target, signed: &[Signed]) -> Vec<Vec<Request>> {
        let (accounts, connections) = (target.accounts.len(), target.connections);
        (0..connections)
            .into_par_iter()
            .map(|connection| {
                let own: Vec<&Signed> = signed
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| index % accounts % connections == connection)
                    .map(|(_, signed)| signed)
                    .collect();
                own.chunks(self.batch)
                    .map(|part| {
                        let calls: Vec<String> = part
                            .iter()
                            .enumerate()
                            .map(|(id, signed)| raw_call("eth_sendRawTransaction", signed, id))
                            .collect();
                        let body = match calls.as_slice() {
                            [call] if self.batch == 1 => call.clone(),
                            calls => format!("[{}]", calls.join(",")),
                        };
                        Request {
                            bytes: target.endpoint.request(body.as_bytes()),
                            transactions: part.len(),
                        }
                    })
                    .collect()
            })
            .collect()
    }
}

/// Sends a queue of requests until it is empty, the node fails or the time is over.
fn send(queue: &[Request], connection: &mut Connection, deadline: Instant) -> Sent {
    let mut sent = Sent { times: Vec::with_capacity(queue.len()), ..Sent::default() };
    for (index, request) in queue.iter().enumerate() {
        let before = Instant::now();
        let answer = match connection.exchange(&request.bytes) {
            Ok(answer) if before < deadline => answer,
            Ok(_) | Err(_) => {
                sent.unsent = queue[index..].iter().map(|request| request.transactions).sum();
                break;
            }
        };
        let errors = if contains(answer, b"\"error\"") {
            sent.rejection.get_or_insert_with(|| {
                String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned()
            });
            occurrences(answer, b"\"error\"").min(request.transactions)
        } else {
            0
        };
        let now = Instant::now();
        sent.times.push(now - before);
        sent.rejected += errors;
        sent.accepted += request.transactions - errors;
        sent.finished = Some(now);
    }
    sent
}

/// Waits until every account has its expected nonce; `None` where the time is over before.
///
/// Asks for one account at a time, and for all that are left once that one is done, so that waiting
/// costs the node little.
fn await_nonces(
    target: &Target,
    rpc: &mut Rpc,
    expected: &[u64],
    deadline: Instant,
) -> Result<Option<Instant>> {
    let mut waiting: Vec<(usize, u64)> = expected.iter().copied().enumerate().collect();
    while let Some(&(last, nonce)) = waiting.last() {
        if rpc.nonces(&[target.accounts[last].address])?[0] >= nonce {
            let addresses: Vec<_> =
                waiting.iter().map(|(index, _)| target.accounts[*index].address).collect();
            let found = rpc.nonces(&addresses)?;
            let mut found = found.into_iter();
            waiting.retain(|(_, nonce)| found.next().is_some_and(|found| found < *nonce));
            continue;
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
    Ok(Some(Instant::now()))
}

/// Demands that an even selection of the transactions succeeded; returns how many were looked at.
pub(crate) fn check_receipts(rpc: &mut Rpc, hashes: &[B256]) -> Result<usize> {
    let step = hashes.len().div_ceil(CHECKED_RECEIPTS).max(1);
    let params: Vec<_> = hashes.iter().step_by(step).map(|hash| json!([hash])).collect();
    let deadline = Instant::now() + SEALED_WITHIN;
    let receipts = loop {
        let receipts = rpc.call_all("eth_getTransactionReceipt", &params)?;
        // What was answered before its block was sealed has one when it is.
        if Instant::now() >= deadline || receipts.iter().all(|receipt| !receipt.is_null()) {
            break receipts;
        }
        std::thread::sleep(POLL);
    };
    for (receipt, params) in receipts.iter().zip(&params) {
        if receipt["status"] != "0x1" || receipt["transactionHash"] != params[0] {
            bail!("the receipt of {} is {receipt}", params[0]);
        }
    }
    Ok(receipts.len())
}
