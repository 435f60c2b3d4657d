//! A long history whose every value can be told from its place.

use std::{path::Path, sync::Arc, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, U256, keccak256};
use eyre::{Result, ensure};
use plasma_storage::{
    Account, AccountChange, BlockRecord, Database, DatabaseOptions, Receipt, StateChanges,
    TrieUpdates,
};

/// Blocks per commit of the journal.
const BLOCKS_PER_COMMIT: u64 = 1_000;
/// A rare log stands in as many blocks, whatever their number.
const RARE_BLOCKS: u64 = 20;

/// Numbers that look random and are the same in every run.
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 += 1;
        mixed(self.0) % end
    }
}

/// The first eight bytes of a hash.
fn mixed(number: u64) -> u64 {
    let hash = keccak256(number.to_be_bytes());
    u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"))
}

/// The shape of a history.
///
/// The accounts stand in groups of `changes`, and each block changes the next group, round and round.
pub(super) struct Generated {
    accounts: u64,
    blocks: u64,
    changes: u64,
    /// Addresses by the accounts' numbers: spread over the key space as hashes are.
    addresses: Vec<Address>,
}

impl Generated {
    pub(super) fn new(accounts: u64, blocks: u64, changes: u64) -> Self {
        let addresses = (0..accounts).map(|n| Address::from_word(keccak256(n.to_be_bytes())));
        Self {
            accounts,
            blocks,
            changes: changes.clamp(1, accounts),
            addresses: addresses.collect(),
        }
    }

    pub(super) fn address(&self, account: u64) -> Address {
        self.addresses[account as usize]
    }

    /// The slot that every account has.
    pub(super) const fn slot() -> U256 {
        U256::from_limbs([7, 0, 0, 0])
    }

    /// The last block up to `block` that changed `account`; 0: none did.
    fn changed(&self, account: u64, block: u64) -> u64 {
        let (group, groups) = (account / self.changes, self.groups());
        if group >= groups {
            return 0;
        }
        let since = (block % groups + groups - group) % groups;
        block.saturating_sub(since)
    }

    /// Groups of accounts that change together.
    const fn groups(&self) -> u64 {
        self.accounts / self.changes
    }

    /// The nonce of `account` after `block`: the block that set it.
    pub(super) fn nonce_at(&self, account: u64, block: u64) -> u64 {
        self.changed(account, block)
    }

    /// The slot of `account` after `block`.
    pub(super) fn value_at(&self, account: u64, block: u64) -> U256 {
        U256::from(self.changed(account, block) + 1)
    }

    pub(super) fn common_emitter(&self) -> Address {
        Address::repeat_byte(0xc0)
    }

    pub(super) fn common_topic(&self) -> B256 {
        B256::repeat_byte(0xc1)
    }

    pub(super) fn rare_emitter(&self) -> Address {
        Address::repeat_byte(0xa0)
    }

    pub(super) fn rare_topic(&self) -> B256 {
        B256::repeat_byte(0xa1)
    }

    /// Blocks with the rare address and topic.
    pub(super) fn rare_blocks(&self) -> u64 {
        (1..=self.blocks).filter(|block| self.is_rare(*block)).count() as u64
    }

    const fn is_rare(&self, block: u64) -> bool {
        let every = self.blocks / RARE_BLOCKS;
        every == 0 || block % every == every / 2
    }

    fn change(&self, nonce: u64, value: U256) -> AccountChange {
        AccountChange {
            account: Some(Account { nonce, balance: U256::from(nonce), bytecode_hash: None }),
            storage: [(Self::slot(), value)].into_iter().collect(),
            ..AccountChange::default()
        }
    }

    /// Three logs: of the contract that all use, of one of many, and now and then of the rare one.
    fn receipt(&self, block: u64) -> Receipt {
        let who = B256::from(U256::from(mixed(block) % 100_000));
        let data = Bytes::from_static(&[0; 32]);
        let common = self.common_emitter();
        let mut logs = vec![
            Log::new_unchecked(common, vec![self.common_topic(), who], data.clone()),
            Log::new_unchecked(Address::from_word(who), vec![who], data.clone()),
        ];
        if self.is_rare(block) {
            let topics = vec![self.common_topic(), self.rare_topic()];
            logs.push(Log::new_unchecked(self.rare_emitter(), topics.clone(), data.clone()));
            logs.push(Log::new_unchecked(common, topics, data));
        }
        Receipt { success: true, cumulative_gas_used: 21_000, logs, ..Receipt::default() }
    }

    fn record(&self, number: u64) -> (BlockRecord, StateChanges) {
        let receipt = self.receipt(number);
        let mut bloom = Bloom::default();
        for log in &receipt.logs {
            bloom.accrue_log(log);
        }
        let header = Header { number, logs_bloom: bloom, ..Header::default() };
        let hash = keccak256(number.to_be_bytes());
        let record = BlockRecord { header, hash, receipts: vec![receipt], ..Default::default() };
        let first = number % self.groups() * self.changes;
        let change = |account| (self.address(account), self.change(number, U256::from(number + 1)));
        let accounts = (first..first + self.changes).map(change).collect();
        (record, StateChanges { accounts, ..StateChanges::default() })
    }

    /// Makes the database in `dir`, or uses a finished one.
    pub(super) fn ensure(&self, dir: &Path) -> Result<()> {
        if dir.join("journal").exists() {
            let head = open(dir)?.latest()?.number();
            ensure!(
                head == self.blocks,
                "{} holds a history of {head} blocks, not of {}",
                dir.display(),
                self.blocks
            );
            return Ok(());
        }
        let db = open(dir)?;
        let accounts = self.addresses.iter().map(|address| (*address, self.change(0, U256::ONE)));
        let genesis = StateChanges { accounts: accounts.collect(), ..StateChanges::default() };
        let hash = keccak256(0u64.to_be_bytes());
        db.init_genesis(&Header::default(), hash, &genesis, &TrieUpdates::default())?;
        for first in (1..=self.blocks).step_by(BLOCKS_PER_COMMIT as usize) {
            let last = (first + BLOCKS_PER_COMMIT - 1).min(self.blocks);
            let (records, changes): (Vec<_>, Vec<_>) =
                (first..=last).map(|number| self.record(number)).unzip();
            db.append_blocks(&records)?;
            for (record, changes) in records.iter().zip(changes) {
                db.push_block_state(
                    record.header.number,
                    record.hash,
                    Vec::new(),
                    Arc::new(changes),
                    Arc::default(),
                    &record.receipts,
                )?;
            }
            if last.is_multiple_of(100 * BLOCKS_PER_COMMIT) {
                eprintln!("{last} of {} blocks are made", self.blocks);
            }
        }
        Ok(db.shutdown()?)
    }
}

/// Opens the database as an archive.
pub(super) fn open(dir: &Path) -> Result<Database> {
    let options = DatabaseOptions {
        persist_batch: 64,
        max_unpersisted_blocks: 128,
        persist_interval: Duration::from_secs(2),
        ..DatabaseOptions::default()
    };
    Ok(Database::open(dir, options)?)
}
