//! A steady load: so many transactions per second, and how long each takes.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use eyre::{Result, eyre};

use super::{
    accounts::Signed,
    burst::{self, Payload, check_receipts},
    http::{Connection, Endpoint},
    rpc::contains,
    target::{Meter, Target},
};
use crate::{machine, report::Row, statistics::quantile_ms};

/// Threads, and so transactions that may be under way at once.
const WORKERS: usize = 192;
/// Stack of such a thread.
const STACK_BYTES: usize = 256 << 10;
/// Time for the threads to start and to connect before the first transaction.
const LEAD: Duration = Duration::from_secs(1);
/// Sent later than this after its turn counts as late.
const LATE: Duration = Duration::from_millis(5);
/// A receipt is asked for again after a tenth of the time waited so far, within these bounds: a
/// fast node's figure is not rounded up, and a slow node is not drowned in questions.
const MIN_POLL: Duration = Duration::from_micros(500);
const MAX_POLL: Duration = Duration::from_millis(25);

/// How it is found out that a transaction was mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inclusion {
    /// `eth_sendRawTransaction`, then `eth_getTransactionReceipt` until it is there.
    Polled,
    /// `eth_sendRawTransactionSync` answers with the receipt.
    Synchronous,
}

/// A steady load.
#[derive(Clone, Debug)]
pub(crate) struct Paced {
    pub(crate) name: &'static str,
    pub(crate) inclusion: Inclusion,
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
}

/// One transaction's requests.
struct Job {
    send: Vec<u8>,
    receipt: Vec<u8>,
    hash: B256,
}

/// One transaction's fate.
enum Fate {
    Mined { accepted: Duration, receipt: Duration, late: bool },
    Failed(String),
    Unmined,
}

impl Paced {
    /// Runs the load.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let count = self.per_second as usize * self.seconds as usize;
        let signed = burst::sign(target, Payload::Transfer, count)?;
        let jobs: Vec<Job> = signed.iter().map(|signed| self.job(target, signed)).collect();
        let mut rpc = target.rpc()?;
        let block_before = rpc.block_number()?;
        let meter = Meter::start(target);
        let next = AtomicUsize::new(0);
        let interval = Duration::from_secs(1) / self.per_second;
        let started = Instant::now() + LEAD;
        let deadline = started + interval * u32::try_from(count)? + target.timeout;
        let fates: Vec<Fate> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..WORKERS)
                .map(|_| {
                    std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || {
                        let mut fates = Vec::new();
                        let mut connection = None;
                        loop {
                            // Only the number itself matters, not what others have written before.
                            let index = next.fetch_add(1, Ordering::Relaxed);
                            let Some(job) = jobs.get(index) else { return fates };
                            let turn = started + interval * index as u32;
                            fates.push(self.follow(target, &mut connection, job, turn, deadline));
                        }
                    })
                })
                .collect::<std::io::Result<_>>()?;
            let mut fates = Vec::with_capacity(count);
            for thread in threads {
                fates.extend(thread.join().map_err(|_| eyre!("a sending thread panicked"))?);
            }
            Ok::<_, eyre::Report>(fates)
        })?;
        let blocks = rpc.block_number()?.saturating_sub(block_before);
        let row = meter.stop(target, self.row(&fates).figure("blocks", blocks));
        if fates.iter().all(|fate| matches!(fate, Fate::Mined { .. })) {
            let hashes: Vec<B256> = jobs.iter().map(|job| job.hash).collect();
            return Ok(row.figure("receipts_checked", check_receipts(&mut rpc, &hashes)?));
        }
        Ok(row)
    }

    fn job(&self, target: &Target, signed: &Signed) -> Job {
        let method = match self.inclusion {
            Inclusion::Polled => "eth_sendRawTransaction",
            Inclusion::Synchronous => "eth_sendRawTransactionSync",
        };
        let receipt = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionReceipt","params":["{}"]}}"#,
            signed.hash
        );
        Job {
            send: target.raw_request(method, signed),
            receipt: target.endpoint.request(receipt.as_bytes()),
            hash: signed.hash,
        }
    }

    /// Sends one transaction at its turn and follows it until its receipt is there.
    fn follow(
        &self,
        target: &Target,
        kept: &mut Option<Connection>,
        job: &Job,
        turn: Instant,
        deadline: Instant,
    ) -> Fate {
        let followed = (|| {
            let connection = open(kept, &target.endpoint, target.timeout)?;
            std::thread::sleep(turn.saturating_duration_since(Instant::now()));
            let sent = Instant::now();
            let late = sent.saturating_duration_since(turn) > LATE;
            let answer = connection.exchange(&job.send)?;
            let accepted = sent.elapsed();
            if contains(answer, b"\"error\"") {
                return Ok(Fate::Failed(String::from_utf8_lossy(answer).into_owned()));
            }
            if self.inclusion == Inclusion::Synchronous {
                return Ok(Fate::Mined { accepted, receipt: accepted, late });
            }
            loop {
                let answer = connection.exchange(&job.receipt)?;
                if contains(answer, b"\"blockHash\"") {
                    return Ok(Fate::Mined { accepted, receipt: sent.elapsed(), late });
                }
                if Instant::now() >= deadline {
                    return Ok(Fate::Unmined);
                }
                std::thread::sleep((sent.elapsed() / 10).clamp(MIN_POLL, MAX_POLL));
            }
        })();
        followed.unwrap_or_else(|error: eyre::Report| {
            *kept = None;
            Fate::Failed(format!("{error:#}"))
        })
    }

    fn row(&self, fates: &[Fate]) -> Row {
        let (mut accepted, mut receipts) = (Vec::new(), Vec::new());
        let (mut failed, mut unmined, mut late) = (0, 0, 0);
        let mut example = None;
        for fate in fates {
            match fate {
                Fate::Mined { accepted: took, receipt, late: was_late } => {
                    accepted.push(*took);
                    receipts.push(*receipt);
                    late += usize::from(*was_late);
                }
                Fate::Failed(why) => {
                    failed += 1;
                    example.get_or_insert(why);
                }
                Fate::Unmined => unmined += 1,
            }
        }
        if let Some(why) = example {
            eprintln!("{}: {failed} failed, for example: {why}", self.name);
        }
        Row::new(self.name, machine::cores())
            .figure("receipt_p50_ms", quantile_ms(&mut receipts, 0.5))
            .figure("receipt_p99_ms", quantile_ms(&mut receipts, 0.99))
            .figure("receipt_max_ms", quantile_ms(&mut receipts, 1.0))
            .figure("accept_p50_ms", quantile_ms(&mut accepted, 0.5))
            .figure("accept_p99_ms", quantile_ms(&mut accepted, 0.99))
            .figure("transactions", fates.len())
            .figure("unmined", unmined)
            .figure("failed", failed)
            .figure("sent_late", late)
    }
}

fn open<'a>(
    kept: &'a mut Option<Connection>,
    endpoint: &Endpoint,
    timeout: Duration,
) -> Result<&'a mut Connection> {
    if kept.is_none() {
        *kept = Some(endpoint.connect(timeout)?);
    }
    kept.as_mut().ok_or_else(|| eyre!("no connection"))
}
