//! Which thread had best execute which transaction.
//!
//! Invariant: none; it is advice, and any advice is right. Transactions that call the same contract
//! mostly touch the same slots. Where one thread executes them all it finds these in its own cache,
//! where the versions last written are its own, and it executes them in their order, so that they
//! are seldom void. Where a few contracts get most of the calls there is nothing to share out by, and
//! transactions are handed out as they come.

use alloy_primitives::Address;
use revm::{context::TxEnv, primitives::TxKind};

/// Transactions that are looked at to see what a batch is like.
const SAMPLE: usize = 128;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Affinity {
    threads: u32,
    /// Contracts with more calls than one thread should have; theirs go by their senders.
    busy: Vec<Address>,
}

impl Affinity {
    /// How to share out `transactions` among so many threads; `None`: as they come.
    pub(crate) fn of(transactions: &[TxEnv], threads: usize) -> Option<Self> {
        // Odd, for what comes in turns mostly comes in even ones.
        let step = transactions.len().div_ceil(SAMPLE) | 1;
        let sample = || transactions.iter().step_by(step);
        let count = sample().count();
        let mut called: Vec<_> = sample().filter_map(contract).collect();
        called.sort_unstable();
        // Of one thread's share this much may be calls of one contract.
        let most = count / (2 * threads.max(1));
        let busy: Vec<_> = called
            .chunk_by(|one, next| one == next)
            .filter(|calls| calls.len() > most.max(1))
            .collect();
        let by_contract = called.len() - busy.iter().map(|calls| calls.len()).sum::<usize>();
        (threads > 1 && by_contract > 0 && by_contract * 4 >= count * 3).then(|| Self {
            threads: threads as u32,
            busy: busy.into_iter().map(|calls| calls[0]).collect(),
        })
    }

    /// The thread that the worker is who has come as number `number`, from 0 on; the committer is thread 0.
    pub(crate) fn worker(&self, number: u32) -> u32 {
        1 + number % (self.threads - 1)
    }

    /// The thread, from 0 on, that had best execute `transaction`.
    pub(crate) fn thread(&self, transaction: &TxEnv) -> u32 {
        let key = contract(transaction)
            .filter(|contract| !self.busy.contains(contract))
            .unwrap_or(transaction.caller);
        // Addresses are random, but for some that were sought for long.
        let word = u32::from_le_bytes(key.0.0[16..].try_into().expect("an address has 20 bytes"));
        let spread = u64::from(word.wrapping_mul(0x9e37_79b9));
        ((spread * u64::from(self.threads)) >> 32) as u32
    }
}

/// The contract that `transaction` calls, as far as can be told: payments call none.
fn contract(transaction: &TxEnv) -> Option<Address> {
    match transaction.kind {
        TxKind::Call(address) if !transaction.data.is_empty() => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, keccak256};

    use super::*;

    fn address(number: u64) -> Address {
        Address::from_word(keccak256(number.to_be_bytes()))
    }

    fn call(contract: u64) -> TxEnv {
        let kind = TxKind::Call(address(contract));
        TxEnv {
            kind,
            data: Bytes::from_static(&[1]),
            caller: address(contract + 1_000),
            ..TxEnv::default()
        }
    }

    #[test]
    fn calls_of_many_contracts_are_shared_out_by_contract() {
        let calls: Vec<_> = (0..2_000).map(|number| call(number * 7 % 200)).collect();
        for threads in [2, 8, 16] {
            let affinity = Affinity::of(&calls, threads).unwrap();
            let mut shares = vec![0; threads];
            for call in &calls {
                shares[affinity.thread(call) as usize] += 1;
                // Whoever calls.
                let by_another = TxEnv { caller: address(9), ..call.clone() };
                assert_eq!(affinity.thread(call), affinity.thread(&by_another));
            }
            let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            assert!(*least > 0 && *most <= 3 * 2_000 / threads, "{shares:?}");
        }
    }

    #[test]
    fn calls_of_few_contracts_and_payments_are_not() {
        let one: Vec<_> = (0..500).map(|_| call(1)).collect();
        assert_eq!(Affinity::of(&one, 2), None);
        let payments: Vec<_> =
            (0..500).map(|number| TxEnv { data: Bytes::new(), ..call(number) }).collect();
        assert_eq!(Affinity::of(&payments, 2), None);
        assert_eq!(Affinity::of(&[], 2), None);
        let many: Vec<_> = (0..500).map(call).collect();
        assert_eq!(Affinity::of(&many, 1), None, "there is nobody to share with");
    }

    #[test]
    fn a_busy_contract_s_calls_go_by_their_senders() {
        // Every fourth call is of one contract, each by a sender of its own.
        let calls: Vec<_> = (0..1_000)
            .map(|number| {
                if number % 4 == 0 {
                    TxEnv { caller: address(number), ..call(7) }
                } else {
                    call(number)
                }
            })
            .collect();
        let affinity = Affinity::of(&calls, 4).unwrap();
        assert_eq!(affinity.busy, [address(7)]);
        let threads: std::collections::BTreeSet<_> =
            calls.iter().step_by(4).map(|call| affinity.thread(call)).collect();
        assert_eq!(threads.len(), 4);
    }
}
