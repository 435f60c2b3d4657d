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

/// Asks for ERC-20 balances with `eth_call` for a while on every connection.
pub(crate) fn eth_call(target: &Target, duration: Duration) -> Result<Row> {
    let requests: Vec<Vec<u8>> = target
        .accounts
        .iter()
        .map(|account| {
            let input = hex::encode(balanceOfCall { owner: account.address }.abi_encode());
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[{{"to":"{}","data":"0x{input}"}},"latest"]}}"#,
                target.token
            );
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
                    let mut times = Vec::new();
                    for request in requests.iter().cycle().skip(first) {
                        let before = Instant::now();
                        if before - started >= duration {
                            break;
                        }
                        let answer = connection.exchange(request)?;
                        times.push(before.elapsed());
                        // 32 bytes, as an account of the load has tokens.
                        if !contains(answer, b"\"result\":\"0x0000") {
                            bail!("eth_call answered {}", String::from_utf8_lossy(answer));
                        }
                    }
                    Ok(times)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| eyre!("a reading thread panicked"))?)
            .collect::<Result<Vec<Vec<Duration>>>>()
    })?;
    let took = started.elapsed();
    let mut times: Vec<Duration> = results.into_iter().flatten().collect();
    let row = Row::new("eth-call", machine::cores())
        .figure("calls_per_s", times.len() as f64 / took.as_secs_f64())
        .figure("call_p50_ms", quantile_ms(&mut times, 0.5))
        .figure("call_p99_ms", quantile_ms(&mut times, 0.99))
        .figure("calls", times.len());
    Ok(meter.stop(target, row))
}
