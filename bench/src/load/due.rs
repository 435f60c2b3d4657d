//! Upkeeps that transactions make due, and how long it takes until they are performed.
//!
//! Many conditional upkeeps watch a number each. A transaction sets the numbers of some of them, all at once, and again
//! and again for the next ones. Which block performed what is read from the chain; how long it took, from the state of the
//! block that is being made.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, Bytes, TxKind, U256, hex, map::HashMap};
use alloy_sol_types::{SolCall as _, SolValue as _, sol};
use eyre::{Result, bail, ensure, eyre};
use serde_json::json;

use super::{
    accounts::Signed,
    http::Endpoint,
    metrics::Histogram,
    rpc::{Rpc, contains, quantity},
    target::{Funder, Meter, Target},
    upkeeps::{self, Performed, Upkeep, await_block},
};
use crate::{
    machine,
    report::Row,
    statistics::{quantile, quantile_ms},
};

sol! {
    function setLevels(uint256 first, uint256 count, uint256 value) external;
    function progress(uint256 first, uint256 count) external view returns (uint256 written, uint256 due);
}

const WATCHER: &str = include_str!("../../contracts/artifacts/Watcher.init.hex");
/// The node's histogram of the same, from the start of the tick that found an upkeep due.
const NODE_HISTOGRAM: &str = "keeper_due_to_performed_seconds";
/// Trigger type of a condition.
const CONDITION: u8 = 0;
/// Gas that each upkeep asks for; its perform needs about 8,000.
const PERFORM_GAS: u32 = 50_000;
/// Levels at which an upkeep is not due, and due.
const IDLE: u64 = 1;
const DUE: u64 = 100;
/// Gas of a transaction that sets levels, for each of them and beside; the first time takes the most.
const LEVEL_GAS: u64 = 24_000;
const LEVELS_GAS: u64 = 100_000;
/// Time until the first transaction, which others need to start.
const LEAD: Duration = Duration::from_millis(500);
/// Sent later than this after its turn counts as late.
const LATE: Duration = Duration::from_millis(5);
/// How often the state of the block that is being made is asked for.
const POLL: Duration = Duration::from_millis(2);

/// The load.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) registry: Address,
    pub(crate) upkeeps: u32,
    /// Upkeeps that one transaction makes due.
    pub(crate) batch: u32,
    /// Transactions per second.
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
    /// Where the node serves its metrics, if it does.
    pub(crate) metrics: Option<Endpoint>,
}

/// When what happened to one transaction.
#[derive(Clone, Copy, Debug)]
struct Times {
    sent: Instant,
    /// The first answer in which the levels were set, and the first in which all its upkeeps were performed.
    shown: Instant,
    performed: Instant,
}

/// A place in the chain: block and transaction.
type Place = (u64, u64);

/// What the chain tells of how long upkeeps waited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waits {
    /// Blocks from the transaction that made an upkeep due to its perform.
    blocks: Vec<u64>,
    /// Made due once more before they were performed.
    coalesced: usize,
    unperformed: usize,
}

impl Due {
    /// Registers the upkeeps, makes them due for a while and cancels them again.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let mut rpc = target.rpc()?;
        let funder = Funder::new(target.terms)?;
        let watcher = funder.deploy(&mut rpc, hex::decode(WATCHER.trim())?, U256::ZERO)?;
        let parts = (0..self.upkeeps).step_by(self.batch as usize);
        let idle = parts.map(|first| {
            let count = self.batch.min(self.upkeeps - first);
            let (input, gas) = set_levels(first, count, IDLE);
            (TxKind::Call(watcher), U256::ZERO, input, gas)
        });
        funder.send_all(&mut rpc, idle)?;
        let watching = (0..self.upkeeps).map(|upkeep| Upkeep {
            target: watcher,
            perform_gas: PERFORM_GAS,
            trigger_type: CONDITION,
            check_data: U256::from(upkeep).abi_encode().into(),
            trigger_config: Bytes::new(),
        });
        let ids = upkeeps::register(&mut rpc, &funder, self.registry, watching)?;
        let row = self.load(target, &mut rpc, watcher, &ids);
        upkeeps::cancel(&mut rpc, &funder, self.registry, &ids)?;
        row
    }

    /// The first upkeep of transaction `nth`. The transactions take turns over all upkeeps.
    fn first(&self, nth: usize) -> u32 {
        let parts = (self.upkeeps / self.batch) as usize;
        (nth % parts) as u32 * self.batch
    }

    fn sign(&self, target: &Target, rpc: &mut Rpc, watcher: Address) -> Result<Vec<Signed>> {
        let sender = &target.accounts[0];
        let nonce = rpc.nonces(&[sender.address])?[0];
        let count = (self.per_second * self.seconds) as usize;
        let sign = |nth| {
            let (input, gas) = set_levels(self.first(nth), self.batch, DUE);
            let to = TxKind::Call(watcher);
            sender.sign(target.terms, nonce + nth as u64, to, U256::ZERO, input, gas)
        };
        Ok((0..count).map(sign).collect())
    }

    fn load(&self, target: &Target, rpc: &mut Rpc, watcher: Address, ids: &[U256]) -> Result<Row> {
        let signed = self.sign(target, rpc, watcher)?;
        // The block after the funding, so that nobody still waits for money.
        let (head, _) = await_block(rpc, 0, target.timeout)?;
        let (before, _) = await_block(rpc, head, target.timeout)?;
        let histogram = self.histogram(target)?;
        let meter = Meter::start(target);
        let start = Instant::now() + LEAD;
        let (sent, seen) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| self.send(target, &signed, start));
            let seen = self.observe(target, rpc, watcher, signed.len(), start)?;
            let sent = sender.join().map_err(|_| eyre!("the sending thread panicked"))??;
            Ok::<_, eyre::Report>((sent, seen))
        })?;
        let used = meter.stop(target, Row::new("due", machine::cores()));
        let histogram = match (self.histogram(target)?, histogram) {
            (Some(after), Some(before)) => Some(after.since(&before)?),
            _ => None,
        };

        let made: Vec<Place> = signed
            .iter()
            .map(|signed| {
                let receipt = rpc.receipt(signed.hash)?;
                Ok((quantity(&receipt["blockNumber"])?, quantity(&receipt["transactionIndex"])?))
            })
            .collect::<Result<_>>()?;
        // A perform that was seen in a block being made may stand in the next one by now.
        let head = rpc.block_number()?;
        let (last, _) = await_block(rpc, head, target.timeout)?;
        let performs = upkeeps::performed(rpc, self.registry, before, last)?;
        let due: Vec<(u32, Place)> = made
            .iter()
            .enumerate()
            .flat_map(|(nth, place)| (0..self.batch).map(move |of| (nth, of, *place)))
            .map(|(nth, of, place)| (self.first(nth) + of, place))
            .collect();
        let waits = waits(&due, ids, &performs);
        let times: Vec<Times> = sent
            .iter()
            .zip(&seen)
            .map(|((sent, _), (shown, performed))| Times {
                sent: *sent,
                shown: *shown,
                performed: *performed,
            })
            .collect();
        let late = sent.iter().filter(|(_, is_late)| *is_late).count();
        ensure!(!waits.blocks.is_empty(), "none of the {} upkeeps was performed", due.len());
        Ok(self.row(used, &times, waits, &performs, histogram).figure("sent_late", late))
    }

    fn histogram(&self, target: &Target) -> Result<Option<Histogram>> {
        let read = |endpoint| Histogram::read(endpoint, NODE_HISTOGRAM, target.timeout);
        self.metrics.as_ref().map(read).transpose()
    }

    /// When transaction `nth` is sent. Within its share of time it moves about, so that all phases of the node's ticks are
    /// met alike.
    fn turn(&self, nth: usize, start: Instant) -> Instant {
        let share = 1.0 / f64::from(self.per_second);
        let golden = (nth as f64 * 0.618_033_988_75).fract();
        start + Duration::from_secs_f64(share * (nth as f64 + golden))
    }

    /// Sends each transaction at its turn; when, and whether that was late.
    fn send(
        &self,
        target: &Target,
        signed: &[Signed],
        start: Instant,
    ) -> Result<Vec<(Instant, bool)>> {
        let requests: Vec<Vec<u8>> = signed
            .iter()
            .map(|signed| target.raw_request("eth_sendRawTransaction", signed))
            .collect();
        let mut connection = target.endpoint.connect(target.timeout)?;
        let mut sent = Vec::with_capacity(requests.len());
        for (nth, request) in requests.iter().enumerate() {
            let turn = self.turn(nth, start);
            std::thread::sleep(turn.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            sent.push((now, now.saturating_duration_since(turn) > LATE));
            let answer = connection.exchange(request)?;
            if contains(answer, b"\"error\"") {
                bail!("a transaction was refused: {}", String::from_utf8_lossy(answer));
            }
        }
        Ok(sent)
    }

    /// Follows the transactions one after the other in the block that is being made; when each was there, and when all its
    /// upkeeps were performed.
    fn observe(
        &self,
        target: &Target,
        rpc: &mut Rpc,
        watcher: Address,
        count: usize,
        start: Instant,
    ) -> Result<Vec<(Instant, Instant)>> {
        let (base, _) = progress(rpc, watcher, 0, self.batch)?;
        let mut seen = Vec::with_capacity(count);
        let mut shown = None;
        while seen.len() < count {
            let nth = seen.len();
            let (written, due) = progress(rpc, watcher, self.first(nth), self.batch)?;
            let now = Instant::now();
            if written > base + nth as u64 {
                let since = *shown.get_or_insert(now);
                if due == 0 {
                    seen.push((since, now));
                    shown = None;
                    continue;
                }
            }
            if now > self.turn(nth, start) + target.timeout {
                bail!(
                    "{due} upkeeps of transaction {nth} were not performed within {:?}",
                    target.timeout
                );
            }
            std::thread::sleep(POLL);
        }
        Ok(seen)
    }

    fn row(
        &self,
        used: Row,
        times: &[Times],
        mut waits: Waits,
        performs: &[Performed],
        histogram: Option<Histogram>,
    ) -> Row {
        let mut sent: Vec<Duration> = times.iter().map(|one| one.performed - one.sent).collect();
        let mut shown: Vec<Duration> = times.iter().map(|one| one.performed - one.shown).collect();
        let at_once = waits.blocks.iter().filter(|blocks| **blocks == 0).count();
        let mut row = Row::new(used.name, used.threads)
            .figure("due_per_s", self.per_second * self.batch)
            .figure("made_due", times.len() * self.batch as usize)
            .figure("performed_in_same_block", at_once)
            .figure("blocks_waited_p50", quantile(&mut waits.blocks, 0.5))
            .figure("blocks_waited_p99", quantile(&mut waits.blocks, 0.99))
            .figure("blocks_waited_max", quantile(&mut waits.blocks, 1.0))
            .figure("sent_to_performed_p50_ms", quantile_ms(&mut sent, 0.5))
            .figure("sent_to_performed_p99_ms", quantile_ms(&mut sent, 0.99))
            .figure("sent_to_performed_max_ms", quantile_ms(&mut sent, 1.0))
            .figure("shown_to_performed_p50_ms", quantile_ms(&mut shown, 0.5))
            .figure("shown_to_performed_p99_ms", quantile_ms(&mut shown, 0.99))
            .figure("shown_to_performed_max_ms", quantile_ms(&mut shown, 1.0));
        if let Some(histogram) = histogram {
            let at_most = |quantile| histogram.at_most(quantile).map(|seconds| seconds * 1e3);
            row = row
                .figure("node_histogram_p50_at_most_ms", at_most(0.5))
                .figure("node_histogram_p90_at_most_ms", at_most(0.9))
                .figure("node_histogram_p99_at_most_ms", at_most(0.99))
                .figure("node_histogram_mean_ms", histogram.mean().map(|seconds| seconds * 1e3))
                .figure("node_histogram_count", histogram.count());
        }
        row.figures.extend(used.figures);
        row.figure("performs", performs.len())
            .figure("performs_failed", performs.iter().filter(|perform| !perform.success).count())
            .figure("coalesced", waits.coalesced)
            .figure("unperformed", waits.unperformed)
    }
}

fn set_levels(first: u32, count: u32, level: u64) -> (Bytes, u64) {
    let call = setLevelsCall {
        first: U256::from(first),
        count: U256::from(count),
        value: U256::from(level),
    };
    (call.abi_encode().into(), LEVELS_GAS + LEVEL_GAS * u64::from(count))
}

/// How often levels were set, and how many of these upkeeps are due, in the block that is being made.
fn progress(rpc: &mut Rpc, watcher: Address, first: u32, count: u32) -> Result<(u64, u64)> {
    let call = progressCall { first: U256::from(first), count: U256::from(count) };
    let input = hex::encode_prefixed(call.abi_encode());
    let answer = rpc.call("eth_call", json!([{"to": watcher, "data": input}, "pending"]))?;
    let answer: Bytes = serde_json::from_value(answer)?;
    let answer = progressCall::abi_decode_returns(&answer)?;
    Ok((answer.written.to(), answer.due.to()))
}

/// Finds the perform of each upkeep that was made due: the first after it in the chain. `due` and `performs` are in order.
fn waits(due: &[(u32, Place)], ids: &[U256], performs: &[Performed]) -> Waits {
    let mut of_upkeep: HashMap<U256, Vec<Place>> = HashMap::default();
    for perform in performs {
        of_upkeep.entry(perform.id).or_default().push((perform.block, perform.index));
    }
    let mut waits = Waits::default();
    let mut latest: HashMap<u32, Place> = HashMap::default();
    for (upkeep, place) in due {
        let places = of_upkeep.get(&ids[*upkeep as usize]).map_or(&[][..], Vec::as_slice);
        let Some(perform) = places.get(places.partition_point(|perform| perform < place)) else {
            waits.unperformed += 1;
            continue;
        };
        waits.blocks.push(perform.0 - place.0);
        waits.coalesced += usize::from(latest.insert(*upkeep, *perform) == Some(*perform));
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_perform_afterwards_counts() {
        let ids = [U256::from(70), U256::from(71)];
        let performed =
            |block, index, id| Performed { block, index, id, success: true, overhead: 0 };
        let performs = [
            performed(1, 0, ids[0]),
            performed(2, 5, ids[0]),
            performed(4, 0, ids[0]),
            performed(4, 1, ids[1]),
        ];
        let due = [(0, (2, 1)), (0, (2, 6)), (0, (3, 0)), (1, (4, 0)), (1, (4, 2)), (1, (5, 0))];
        let waits = waits(&due, &ids, &performs);
        assert_eq!(waits, Waits { blocks: vec![0, 2, 1, 0], coalesced: 1, unperformed: 2 });
    }
}
