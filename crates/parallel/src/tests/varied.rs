//! The worlds are worth something only if they hold what they are meant to hold.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, U256};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use revm::{
    DatabaseRef,
    bytecode::opcode as op,
    context::result::{ExecutionResult, HaltReason},
    context_interface::either::Either,
    primitives::{TxKind, hardfork::SpecId},
};

use super::{
    payments::is_precompile,
    world::{ANCIENT, DELEGATED, EMPTY, NOBODY, RICH, Scene, world},
};
use crate::{BatchOutcome, TransactionOutcome, execute_sequential};

/// How often each thing was met.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, what: impl Into<String>, holds: bool) {
        *self.0.entry(what.into()).or_default() += usize::from(holds);
    }

    fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }
}

/// The name of an enum's variant.
fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|character: char| !character.is_alphanumeric()).next().unwrap_or("").to_owned()
}

/// Counts what there is in one batch.
fn count(tally: &mut Tally, scene: &Scene, batch: &BatchOutcome) {
    let coinbase = scene.env.block_env.beneficiary;
    let spec = scene.env.cfg_env.spec;
    let era = if spec.is_enabled_in(SpecId::CANCUN) { "since Cancun" } else { "before Cancun" };
    let mut died: BTreeSet<Address> = BTreeSet::new();
    let mut delegated: BTreeMap<Address, Address> = BTreeMap::new();
    tally
        .0
        .entry("short payments".into())
        .and_modify(|it| *it += scene.short_payments)
        .or_default();
    for (transaction, outcome) in scene.transactions.iter().zip(&batch.outcomes) {
        let (result, state) = match outcome {
            TransactionOutcome::Executed { result, state } => (result, state),
            TransactionOutcome::Invalid(reason) => {
                tally.count(format!("invalid: {}", variant(reason)), true);
                tally.count("invalid", true);
                continue;
            }
        };
        tally.count("valid", true);
        tally.count(format!("type {}", transaction.tx_type), true);
        match result {
            ExecutionResult::Success { logs, .. } => {
                tally.count("succeeded", true);
                tally.count("logs", !logs.is_empty());
            }
            ExecutionResult::Revert { .. } => tally.count("reverted", true),
            ExecutionResult::Halt { reason, .. } => {
                tally.count("halted", true);
                tally.count("collided", *reason == HaltReason::CreateCollision);
            }
        }
        for (address, account) in state {
            let dies = account.is_selfdestructed();
            tally.count(format!("self-destructed {era}"), dies);
            tally.count(format!("created {era}"), account.is_created());
            tally.count(format!("created and died at once {era}"), dies && account.is_created());
            tally.count("created again", account.is_created() && died.contains(address));
            if dies {
                died.insert(*address);
            }
            tally.count("the coinbase is created", account.is_created() && *address == coinbase);
            tally.count("the coinbase dies", dies && *address == coinbase);
            let target = account.info.code.as_ref().and_then(|code| code.eip7702_address());
            if account.is_created() || *address == DELEGATED {
                continue;
            }
            let before = match target {
                Some(target) => delegated.insert(*address, target),
                None => delegated.remove(address),
            };
            tally.count("delegation set", target.is_some() && before.is_none());
            let changed = before.is_some_and(|before| target.is_some_and(|now| now != before));
            tally.count("delegation changed", changed);
            tally.count("delegation cleared", target.is_none() && before.is_some());
        }
        tally.count("the coinbase sends", transaction.caller == coinbase);
        tally.count("by a delegated sender", delegated.contains_key(&transaction.caller));
        tally.count("by the ancient sender", transaction.caller == ANCIENT);
        tally.count("authorization skipped", {
            transaction.authorization_list.iter().any(|it| match it {
                Either::Right(it) => it.authority().is_none_or(|who| !delegated.contains_key(&who)),
                Either::Left(_) => false,
            })
        });
        if let TxKind::Call(to) = transaction.kind {
            tally.count("transient storage", {
                let stored = state.get(&to).is_some_and(|account| !account.storage.is_empty());
                spec.is_enabled_in(SpecId::CANCUN) && stored && uses_transient_storage(scene, to)
            });
            let paid = !transaction.value.is_zero();
            let with = if paid { "with value" } else { "without value" };
            tally.count("the coinbase is called", to == coinbase);
            tally.count(format!("to oneself {with}"), to == transaction.caller);
            tally.count(format!("to an empty account {with}"), to == EMPTY);
            tally.count(format!("to nobody {with}"), to == NOBODY);
            tally.count(format!("to a precompile {with}"), is_precompile(to));
            tally.count(format!("to a delegated account {with}"), {
                delegated.contains_key(&to) || (to == DELEGATED && spec >= SpecId::PRAGUE)
            });
            let overflows = paid && to == RICH && matches!(result, ExecutionResult::Halt { .. });
            tally.count("overflows the payee", overflows);
        }
        tally.count(
            "all funds",
            state.get(&transaction.caller).is_some_and(|account| {
                account.info.balance < U256::from(100) && result.is_success()
            }),
        );
    }
}

/// Whether the contract at `address` reads transient storage as the assembler has it do so.
fn uses_transient_storage(scene: &Scene, address: Address) -> bool {
    let info = scene.state.basic_ref(address).unwrap().unwrap_or_default();
    let code = info.code.unwrap_or_default().original_bytes();
    code.windows(3).any(|it| it[0] == op::PUSH1 && it[2] == op::TLOAD)
}

/// Met at least this often.
const LEAST: usize = 20;

/// What has to be met. Whatever else is counted is for the reader.
const EXPECTED: [&str; 64] = [
    "succeeded",
    "reverted",
    "halted",
    "logs",
    "collided",
    "short payments",
    "type 0",
    "type 1",
    "type 2",
    "type 3",
    "type 4",
    "created before Cancun",
    "created since Cancun",
    "created again",
    "self-destructed before Cancun",
    "self-destructed since Cancun",
    "created and died at once before Cancun",
    "created and died at once since Cancun",
    "delegation set",
    "delegation changed",
    "delegation cleared",
    "authorization skipped",
    "by a delegated sender",
    "by the ancient sender",
    "the coinbase sends",
    "the coinbase is called",
    "the coinbase is created",
    "the coinbase dies",
    "all funds",
    "overflows the payee",
    "to oneself with value",
    "to oneself without value",
    "to an empty account with value",
    "to an empty account without value",
    "to nobody with value",
    "to nobody without value",
    "to a precompile with value",
    "to a precompile without value",
    "to a delegated account with value",
    "to a delegated account without value",
    "invalid: Eip1559NotSupported",
    "invalid: Eip2930NotSupported",
    "invalid: Eip4844NotSupported",
    "invalid: Eip7702NotSupported",
    "invalid: BlobGasPriceGreaterThanMax",
    "invalid: BlobVersionNotSupported",
    "invalid: CallGasCostMoreThanGasLimit",
    "invalid: CallerGasLimitMoreThanBlock",
    "invalid: EmptyAuthorizationList",
    "invalid: EmptyBlobs",
    "invalid: GasPriceLessThanBasefee",
    "invalid: InvalidChainId",
    "invalid: LackOfFundForMaxFee",
    "invalid: MissingChainId",
    "invalid: NonceOverflowInTransaction",
    "invalid: NonceTooHigh",
    "invalid: NonceTooLow",
    "invalid: OverflowPaymentInTransaction",
    "invalid: PriorityFeeGreaterThanMaxFee",
    "invalid: RejectCallerWithCode",
    "invalid: TooManyBlobs",
    "invalid: TxGasLimitGreaterThanCap",
    "transient storage",
    "valid",
];

#[test]
fn worlds_are_varied() {
    let mut runner = TestRunner::deterministic();
    let strategy = world(120);
    let mut tally = Tally::default();
    for _ in 0..2_500 {
        let scene = strategy.new_tree(&mut runner).unwrap().current().scene();
        let batch = execute_sequential(&scene.state, &scene.env, &scene.transactions).unwrap();
        count(&mut tally, &scene, &batch);
    }
    let rare: Vec<&str> = EXPECTED.into_iter().filter(|what| tally.of(what) < LEAST).collect();
    assert!(rare.is_empty(), "seldom met: {rare:?} among {:#?}", tally.0);
    assert!(tally.of("succeeded") > 3 * tally.of("invalid") / 2, "{:#?}", tally.0);
}
