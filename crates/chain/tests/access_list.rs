//! Blocks with access lists (EIP-7928): made here, taken in with and without their lists, and refused
//! where the list is wrong.

mod support;

use alloy_consensus::Block;
use alloy_eip7928::{
    AccountChanges, BlockAccessIndex, BlockAccessList, compute_block_access_list_hash,
};
use alloy_primitives::{Address, Bytes, U256, address, keccak256};
use alloy_rlp::Decodable;
use plasma_chain::{Chain, ChainError, ExecutedBlock, PreparedBlock};
use plasma_storage::Transaction;
use std::sync::Arc;
use support::{
    NOTHING, appearances, balance, lane_address, open_amsterdam, scanned, submit, transfer_to_new,
};

/// The contract of past block hashes, which every block calls before its transactions.
const HISTORY: Address = address!("0000f90827f1c53a10cb7a02335b175320002935");
/// The contract of withdrawal requests, which every block calls after its transactions.
const REQUESTS: Address = address!("00000961ef480eb55e80d19ad83579a64c007002");
const PAYEE: Address = Address::repeat_byte(0x77);

/// Mines one block with two payments.
fn mine(chain: &Chain, round: u64) -> Arc<ExecutedBlock> {
    chain.dev().unwrap().set_automine(false).unwrap();
    for sender in 0..2 {
        submit(chain, transfer_to_new(sender, round, PAYEE, 3));
    }
    chain.dev().unwrap().mine(1, None).unwrap().last().unwrap().clone()
}

fn list_of(block: &ExecutedBlock) -> BlockAccessList {
    let bytes = block.access_list.clone().unwrap();
    assert_eq!(block.header.block_access_list_hash, Some(keccak256(&bytes)));
    BlockAccessList::decode(&mut bytes.as_ref()).unwrap()
}

fn import(
    chain: &Chain,
    block: Block<Transaction>,
    list: Option<&BlockAccessList>,
) -> Result<(), ChainError> {
    let mut prepared = PreparedBlock::new(chain.spec(), block)?;
    if let Some(list) = list {
        prepared = prepared.with_access_list(Bytes::from(alloy_rlp::encode(list)));
    }
    chain.import_batch(vec![prepared], |_| ())
}

#[test]
fn blocks_are_taken_in_with_and_without_their_lists() {
    let dirs: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [maker, with, without] = dirs.each_ref().map(|dir| open_amsterdam(dir.path()));
    for round in 0..3 {
        let block = mine(&maker, round);
        assert_eq!(block.transactions.len(), 2);
        assert_eq!(block.header.slot_number, Some(block.number()));
        let list = list_of(&block);
        import(&with, block.to_block(), Some(&list)).unwrap();
        import(&without, block.to_block(), None).unwrap();
        for chain in [&with, &without] {
            let found = chain.head();
            assert_eq!(found.hash, block.hash);
            assert_eq!(found.access_list, block.access_list);
            assert_eq!(found.receipts, block.receipts);
            assert_eq!(balance(chain, PAYEE), U256::from(6 * (round + 1)));
        }
        // What each step did stands at its place.
        let account = |address| list.iter().find(|account| account.address == address).unwrap();
        let places = |account: &AccountChanges| -> Vec<u64> {
            account.balance_changes.iter().map(|it| it.block_access_index.get()).collect()
        };
        assert_eq!(places(account(PAYEE)), [1, 2]);
        let senders: Vec<_> = (0..2).map(|index| places(account(lane_address(index)))).collect();
        assert!(senders == [[1], [2]] || senders == [[2], [1]], "{senders:?}");
        let first = account(HISTORY).storage_changes[0].changes[0].block_access_index;
        assert_eq!(first, BlockAccessIndex::PRE_EXECUTION);
        assert!(!account(REQUESTS).storage_reads.is_empty());
    }
    for address in [PAYEE, HISTORY, REQUESTS, lane_address(0), lane_address(1)] {
        let expected = scanned(&maker, address);
        for chain in [&maker, &with, &without] {
            assert_eq!(appearances(chain, address), expected, "{address}");
        }
    }
}

#[test]
fn a_wrong_list_is_refused_and_changes_nothing() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [maker, chain] = dirs.each_ref().map(|dir| open_amsterdam(dir.path()));
    let block = mine(&maker, 0);
    let right = list_of(&block);
    let place = |address| right.iter().position(|account| account.address == address).unwrap();
    let spoil = |change: &dyn Fn(&mut BlockAccessList)| {
        let mut list = right.clone();
        change(&mut list);
        list
    };
    let wrong = [
        (
            spoil(&|list| list[place(PAYEE)].balance_changes[1].post_balance += U256::from(1)),
            "balance of 0x7777",
        ),
        (spoil(&|list| drop(list.remove(place(PAYEE)))), "lacks it"),
        (spoil(&|list| drop(list.remove(place(HISTORY)))), "outside of transactions"),
        (
            spoil(&|list| {
                list[place(HISTORY)].storage_changes[0].changes[0].new_value ^= U256::from(1);
            }),
            "slot 0x0 of 0x0000F90827F1C53a10cb7A02335B175320002935 at index 0",
        ),
        (
            spoil(&|list| {
                list[place(REQUESTS)].storage_reads.remove(0);
            }),
            "outside of transactions",
        ),
        (
            spoil(&|list| list.push(AccountChanges::new(Address::repeat_byte(0xff)))),
            "which nothing in the block accesses",
        ),
        (spoil(&|list| list.swap(0, 1)), "canonical order"),
    ];
    for (list, reason) in wrong {
        // The header says another hash.
        let error = import(&chain, block.to_block(), Some(&list)).unwrap_err().to_string();
        assert!(error.contains("block access list hash is 0x"), "{error}");
        // The header goes along with it.
        let mut other = block.to_block();
        other.header.block_access_list_hash = Some(compute_block_access_list_hash(&list));
        let error = import(&chain, other.clone(), Some(&list)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error} lacks {reason}");
        let error = import(&chain, other, None).unwrap_err().to_string();
        assert!(error.contains("block access list hash is 0x"), "{error}");
        assert_eq!(chain.head().number(), 0);
    }
    let mut bare = block.to_block();
    bare.header.block_access_list_hash = None;
    let error = import(&chain, bare, None).unwrap_err().to_string();
    assert!(error.contains("block access list hash is \"absent\""), "{error}");
    import(&chain, block.to_block(), Some(&right)).unwrap();
    assert_eq!(chain.head().hash, block.hash);
}

/// A list cannot tell that an account with nothing in it is gone: the block is executed without it.
#[test]
fn blocks_that_touch_accounts_with_nothing_in_them_are_taken_in() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [maker, chain] = dirs.each_ref().map(|dir| open_amsterdam(dir.path()));
    let exists = |chain: &Chain| {
        let state = chain.state_at(chain.head().number()).unwrap();
        state.account(NOTHING).unwrap().is_some()
    };
    assert!(exists(&maker) && exists(&chain));
    maker.dev().unwrap().set_automine(false).unwrap();
    submit(&maker, transfer_to_new(0, 0, NOTHING, 0));
    submit(&maker, transfer_to_new(0, 1, NOTHING, 0));
    let block = maker.dev().unwrap().mine(1, None).unwrap().last().unwrap().clone();
    let list = list_of(&block);
    import(&chain, block.to_block(), Some(&list)).unwrap();
    assert_eq!(chain.head().hash, block.hash);
    assert_eq!(chain.head().access_list, block.access_list);
    assert!(!exists(&maker) && !exists(&chain));
}

#[test]
fn rubbish_is_no_list() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [maker, chain] = dirs.each_ref().map(|dir| open_amsterdam(dir.path()));
    let block = mine(&maker, 0);
    for rubbish in [&[][..], &[0xff; 40], &[0xc1, 0x80], &[0xf8]] {
        let mut other = block.to_block();
        other.header.block_access_list_hash = Some(keccak256(rubbish));
        let prepared = PreparedBlock::new(chain.spec(), other).unwrap();
        let prepared = prepared.with_access_list(Bytes::copy_from_slice(rubbish));
        let error = chain.import_batch(vec![prepared], |_| ()).unwrap_err().to_string();
        assert!(error.contains("no RLP of a list"), "{error}");
    }
    assert_eq!(chain.head().number(), 0);
}
