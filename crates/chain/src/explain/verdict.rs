//! One sentence on a block.

use super::{
    explanation::{Explanation, HotAccount, HotLocation, limit, share},
    graph::{Cause, CauseKind},
};
use std::fmt;

/// From this share on, one location is what a block is about.
const DOMINANT_SHARE: f64 = 0.1;

/// The account with many locations is named before the hottest of them where it holds back this
/// many times as much.
const SPREAD: f64 = 1.5;

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match (self.kind, self.slot) {
            (CauseKind::Storage, Some(slot)) => write!(f, "slot {slot:#x} of {address}"),
            (CauseKind::Storage, None) => write!(f, "the storage of {address}"),
            (CauseKind::Balance, _) => write!(f, "the balance of {address}"),
            (CauseKind::Nonce, _) => write!(f, "the nonce of {address}"),
            (CauseKind::Code, _) => write!(f, "the code of {address}"),
            (CauseKind::Existence, _) => write!(f, "the creation or end of {address}"),
            (CauseKind::Sender, _) => write!(f, "earlier transactions of sender {address}"),
        }
    }
}

/// The sentence on a block of `transactions`.
pub(super) fn of_block(transactions: usize, block: &Explanation) -> String {
    let limit = Times(limit(block.work, block.critical_path));
    match (transactions, block.locations.first()) {
        (0, _) => "This block has no transactions.".to_owned(),
        (1, _) => "This block has one transaction: there is nothing to run beside it.".to_owned(),
        (_, None) => format!(
            "The {transactions} transactions of this block are independent of each other: with \
             enough cores it runs up to {limit} as fast as one by one."
        ),
        (_, Some(top)) => {
            let cause = waited_for(block, top);
            format!(
                "{cause}; with any number of cores it runs at most {limit} as fast as one by one."
            )
        }
    }
}

fn waited_for(block: &Explanation, top: &HotLocation) -> String {
    if let Some(account) = block.accounts.first()
        && account.share >= DOMINANT_SHARE
        && account.share >= SPREAD * top.share
    {
        return format!(
            "{} of this block waited for various parts of {} (written by {} transactions)",
            Percent(share(account.waiting_gas, block.work)),
            account.address,
            account.writers
        );
    }
    let part = Percent(share(top.waiting_gas, block.work));
    if top.share < DOMINANT_SHARE {
        return format!(
            "No conflict dominates this block: {} of it waited for others, and at most {part} for \
             one thing ({})",
            Percent(share(block.waiting_gas, block.work)),
            top.cause
        );
    }
    let cause = top.cause;
    match cause.kind {
        CauseKind::Sender => {
            format!("{part} of this block waited for {cause} (who sent {})", top.writers)
        }
        _ => format!(
            "{part} of this block waited for {cause} (written by {})",
            Transactions(top.writers)
        ),
    }
}

/// The sentence on one account of a block.
pub(super) fn of_account(block: &Explanation, account: &HotAccount) -> String {
    let HotAccount { address, touched, waiters, .. } = account;
    if *touched == 0 {
        return format!("No transaction of this block used {address}.");
    }
    let touched = Transactions(*touched);
    let Some(top) = block.locations.first() else {
        return format!(
            "{touched} of this block used {address}, and none had to wait for another because of \
             it."
        );
    };
    format!(
        "{touched} of this block used {address}, and {waiters} had to wait for another because of \
         it ({} of the block's gas), most for {}; without that the block could run {} as fast as \
         one by one, with it {}.",
        Percent(share(account.waiting_gas, block.work)),
        top.cause,
        Times(limit(block.work, account.critical_path_without)),
        Times(limit(block.work, block.critical_path))
    )
}

/// A share in percent.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        if percent > 0.0 && percent < 1.0 {
            return f.write_str("less than 1%");
        }
        // Rounded down, so that 100% means all.
        write!(f, "{}%", percent.floor())
    }
}

/// A ratio as "1.5 times".
struct Times(f64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} times", self.0)
    }
}

struct Transactions(u32);

impl fmt::Display for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} transaction{one}", self.0)
    }
}
