//! Reads as fast as the node answers them.

use std::time::{Duration, Instant};

use alloy_primitives::hex;
use alloy_sol_types::SolCall as _;
use eyre::{Result, bail, eyre};

use super::{
    burst::balanceOfCall,
    rpc::contains,
    target::{Meter, Target},
};
use crate::{machine, report::Row, statistics::quantile_ms};

/// Bytes of an answer among which its result must begin.
const HEAD_BYTES: usize = 256;

/// One kind of call, asked for on every connection at once.
#[derive(Debug)]
pub(crate) struct Read {
    /// Name of the row.
    pub(crate) name: String,
    pub(crate) method: &'static str,
    /// The parameters (JSON arrays) of the calls, which are asked in turn.
    pub(crate) params: Vec<String>,
    /// A shorter answer than this many bytes counts as a wrong one.
    pub(crate) least_bytes: usize,
}

impl Read {
    /// Asks for `duration`.
    ///
    /// # Errors
    /// Where an answer is an error, too short, or none.
    pub(crate) fn run(&self, target: &Target, duration: Duration) -> Result<Row> {
        let requests: Vec<Vec<u8>> = self
            .params
            .iter()
            .map(|params| {
                let method = self.method;
                let body =
                    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
                target.endpoint.request(body.as_bytes())
            })
            .collect();
        let mut connections = (0..target.connections)
            .map(|_| target.endpoint.connect(target.timeout))
            .collect::<Result<Vec<_>>>()?;
        let meter = Meter::start(target);
        let started = Instant::now();
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> = connections
                .iter_mut()
                .enumerate()
                .map(|(first, connection)| {
                    let requests = &requests;
                    scope.spawn(move || {
                        let (mut times, mut bytes) = (Vec::new(), 0);
                        for request in requests.iter().cycle().skip(first) {
                            let before = Instant::now();
                            if before - started >= duration {
                                break;
                            }
                            let answer = connection.exchange(request)?;
                            times.push(before.elapsed());
                            bytes += answer.len();
                            self.check(answer)?;
                        }
                        Ok((times, bytes))
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| eyre!("a reading thread panicked"))?)
                .collect::<Result<Vec<(Vec<Duration>, usize)>>>()
        })?;
        let took = started.elapsed();
        let bytes: usize = results.iter().map(|(_, bytes)| bytes).sum();
        let mut times: Vec<Duration> = results.into_iter().flat_map(|(times, _)| times).collect();
        let row = Row::new(self.name.clone(), machine::cores())
            .figure("calls_per_s", times.len() as f64 / took.as_secs_f64())
            .figure("call_p50_ms", quantile_ms(&mut times, 0.5))
            .figure("call_p99_ms", quantile_ms(&mut times, 0.99))
            .figure("calls", times.len())
            .figure("answer_bytes", bytes / times.len().max(1));
        Ok(meter.stop(target, row))
    }

    fn check(&self, answer: &[u8]) -> Result<()> {
        let head = &answer[..answer.len().min(HEAD_BYTES)];
        if answer.len() < self.least_bytes
            || !contains(head, b"\"result\":")
            || contains(head, b"\"result\":null")
        {
            bail!("{} answered {}", self.method, String::from_utf8_lossy(head));
        }
        Ok(())
    }
}

/// ERC-20 balances of the load's accounts through `eth_call`.
pub(crate) fn token_balances(target: &Target, name: &str) -> Read {
    let params = target.accounts.iter().map(|account| {
        let input = hex::encode(balanceOfCall { owner: account.address }.abi_encode());
        format!(r#"[{{"to":"{}","data":"0x{input}"}},"latest"]"#, target.token)
    });
    // 32 bytes in hex.
    Read { name: name.to_owned(), method: "eth_call", params: params.collect(), least_bytes: 64 }
}
