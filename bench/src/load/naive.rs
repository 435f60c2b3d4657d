//! A keeper outside of the node: in each new block it asks for every upkeep whether it is due, and sends a transaction for
//! each that is.
//!
//! It is what an operator would write first, written well: its questions and its transactions go in JSON-RPC batches, it
//! counts its nonces itself, and it asks nothing of an upkeep whose perform is under way. It learns of new blocks from the
//! loop that watches them, so that its waiting costs the node nothing more than in the other phases.

use std::{
    sync::mpsc::{self, Receiver},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, Bytes, TxKind, U256, hex, map::HashMap};
use alloy_sol_types::{SolCall as _, sol};
use clap::ValueEnum;
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};

use super::{
    accounts::{Account, FUNDED_KEY, Terms},
    performs::{PERFORM_GAS, Performs},
    rpc::Rpc,
    target::{Funder, Target},
    upkeeps,
};
use crate::{report::Row, statistics::quantile_ms};

sol! {
    function checkUpkeep(uint256 id) external returns (bool upkeepNeeded, bytes performData, uint8 upkeepFailureReason, uint256 gasUsed, uint256 gasLimit, uint256 fastGasWei, uint256 linkNative);
    function performDue(uint256 id, bytes performData) external returns (bool success);
    function setLane(address lane, bool active) external;
}

/// Gas of a perform's transaction beside what its target may use: the registry's path and the calldata.
const OVERHEAD_GAS: u64 = 100_000;
/// Transactions in one JSON-RPC batch.
const BATCH: usize = 100;
/// How often it is looked whether the last transactions were mined.
const SETTLE_POLL: Duration = Duration::from_millis(50);

/// The state that the keeper asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckAt {
    /// The block that has just come: what a keeper asks that must not be misled by a block that never comes.
    Latest,
    /// The block that is being made, so that a perform may stand in the first block in which it is due.
    Pending,
}

/// The keeper and what it is given to do.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    pub(crate) performs: Performs,
    pub(crate) check_at: CheckAt,
}

impl Naive {
    /// Registers the upkeeps, performs them for a while and cancels them again.
    pub(crate) fn run(&self, target: &Target) -> Result<Row> {
        let mut rpc = target.rpc()?;
        let funder = Funder::new(target.terms)?;
        let registry = self.performs.registry;
        let ids = self.performs.register(&mut rpc, &funder)?;
        set_lane(&mut rpc, &funder, registry, true)?;
        let (heads, new_heads) = mpsc::channel();
        let mut bot = Bot::new(self.check_at, registry, target, &ids)?;
        let name = self.performs.name("naive-keeper");
        let row = std::thread::scope(|scope| {
            let working = &mut bot;
            let thread = scope.spawn(move || working.run(&new_heads));
            let on_head = |head| {
                // Nobody takes it where the bot has failed, which it tells itself when it is joined.
                heads.send(head).ok();
            };
            let row = self.performs.watch().run(target, &mut rpc, name, &ids, on_head);
            drop(heads);
            thread.join().map_err(|_| eyre!("the keeper's thread panicked"))??;
            row
        })?;
        bot.settle(target.timeout)?;
        set_lane(&mut rpc, &funder, registry, false)?;
        upkeeps::cancel(&mut rpc, &funder, registry, &ids)?;
        Ok(row
            .figure("keeper_pass_p50_ms", quantile_ms(&mut bot.passes, 0.5))
            .figure("keeper_pass_max_ms", quantile_ms(&mut bot.passes, 1.0))
            .figure("checks", bot.checks)
            .figure("rejected", bot.rejected))
    }
}

fn set_lane(rpc: &mut Rpc, funder: &Funder, registry: Address, active: bool) -> Result<()> {
    let input = setLaneCall { lane: funder.address(), active }.abi_encode();
    let call = (TxKind::Call(registry), U256::ZERO, Bytes::from(input), 200_000);
    funder.send_all(rpc, [call])?;
    Ok(())
}

/// The keeper at work.
struct Bot<'a> {
    rpc: Rpc,
    check_at: CheckAt,
    registry: Address,
    account: Account,
    terms: Terms,
    ids: &'a [U256],
    nonce: u64,
    /// Upkeeps whose perform was sent and not mined, with its nonce.
    under_way: HashMap<U256, u64>,
    /// How long it took over each block.
    passes: Vec<Duration>,
    checks: usize,
    rejected: usize,
}

impl<'a> Bot<'a> {
    fn new(check_at: CheckAt, registry: Address, target: &Target, ids: &'a [U256]) -> Result<Self> {
        let account = Account::new(FUNDED_KEY)?;
        let mut rpc = target.rpc()?;
        let nonce = rpc.nonces(&[account.address])?[0];
        Ok(Self {
            rpc,
            check_at,
            registry,
            account,
            terms: target.terms,
            ids,
            nonce,
            under_way: HashMap::default(),
            passes: Vec::new(),
            checks: 0,
            rejected: 0,
        })
    }

    /// Serves each new head until there are no more; of several that have come meanwhile, the last.
    fn run(&mut self, heads: &Receiver<u64>) -> Result<()> {
        while heads.recv().is_ok() {
            while heads.try_recv().is_ok() {}
            let started = Instant::now();
            self.pass()?;
            self.passes.push(started.elapsed());
        }
        Ok(())
    }

    /// Asks for all upkeeps and performs those that are due.
    fn pass(&mut self) -> Result<()> {
        let mined = self.rpc.nonces(&[self.account.address])?[0];
        self.under_way.retain(|_, nonce| *nonce >= mined);
        let due = self.due()?;
        for part in due.chunks(BATCH) {
            if !self.send(part)? {
                break;
            }
        }
        Ok(())
    }

    /// The upkeeps that are due and not under way, with their perform data.
    fn due(&mut self) -> Result<Vec<(U256, Bytes)>> {
        let tag = match self.check_at {
            CheckAt::Latest => "latest",
            CheckAt::Pending => "pending",
        };
        let asked: Vec<U256> =
            self.ids.iter().filter(|id| !self.under_way.contains_key(*id)).copied().collect();
        let calls: Vec<Value> = asked
            .iter()
            .map(|id| {
                let input = hex::encode_prefixed(checkUpkeepCall { id: *id }.abi_encode());
                json!([{"to": self.registry, "data": input}, tag])
            })
            .collect();
        self.checks += calls.len();
        let mut due = Vec::new();
        for (id, answer) in asked.into_iter().zip(self.rpc.call_all("eth_call", &calls)?) {
            let answer: Bytes = serde_json::from_value(answer)?;
            let answer = checkUpkeepCall::abi_decode_returns(&answer)?;
            if answer.upkeepNeeded {
                due.push((id, answer.performData));
            }
        }
        Ok(due)
    }

    /// Sends one batch of performs. False where the node refused one: the rest of them waits for the next block.
    fn send(&mut self, performs: &[(U256, Bytes)]) -> Result<bool> {
        let calls: Vec<Value> = (self.nonce..)
            .zip(performs)
            .map(|(nonce, (id, data))| {
                let gas = u64::from(PERFORM_GAS) * 31 / 30 + 2 * data.len() as u64 + OVERHEAD_GAS;
                let call = performDueCall { id: *id, performData: data.clone() };
                let to = TxKind::Call(self.registry);
                let input = call.abi_encode().into();
                let signed = self.account.sign(self.terms, nonce, to, U256::ZERO, input, gas);
                json!([hex::encode_prefixed(&signed.raw)])
            })
            .collect();
        let answers = self.rpc.call_each("eth_sendRawTransaction", &calls)?;
        for ((id, _), answer) in performs.iter().zip(answers) {
            if let Err(why) = answer {
                if self.rejected == 0 {
                    eprintln!("naive-keeper: a perform was refused: {why}");
                }
                self.rejected += 1;
                return Ok(false);
            }
            self.under_way.insert(*id, self.nonce);
            self.nonce += 1;
        }
        Ok(true)
    }

    /// Waits until all that was sent is mined.
    fn settle(&mut self, timeout: Duration) -> Result<()> {
        let started = Instant::now();
        while self.rpc.nonces(&[self.account.address])?[0] < self.nonce {
            if started.elapsed() > timeout {
                bail!("the keeper's last performs were not mined within {timeout:?}");
            }
            std::thread::sleep(SETTLE_POLL);
        }
        Ok(())
    }
}
