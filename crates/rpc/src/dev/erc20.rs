//! Balances and allowances of tokens, written where the token keeps them.
//!
//! Where that is, a token does not tell. So the slots that `balanceOf` reads are tried one after
//! the other: the right one is that which, when it holds a number, makes the token answer that
//! number.

use super::{Call, Commands, refused_by_chain};
use crate::{
    error::{self, RpcResult},
    exec::{self, Overrides},
    params::Number,
};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, map::B256Map};
use alloy_rpc_types_eth::{
    TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use alloy_sol_types::{SolCall, sol};
use plasma_evm::ExecutionResult;
use plasma_storage::{AccountChange, StateChanges};

/// The number that is tried first: unlike any balance, and small enough for a slot that the token
/// shares between a balance and something else.
const PROBE: U256 = U256::from_limbs([0x7b1d_90c5_23ae_f406, 0, 0, 0]);

sol! {
    function balanceOf(address owner) returns (uint256);
    function allowance(address owner, address spender) returns (uint256);
}

pub(super) fn register(commands: &mut Commands<'_>) {
    commands.command(
        &[
            "anvil_dealERC20",
            "hardhat_dealERC20",
            "anvil_setERC20Balance",
            "hardhat_setERC20Balance",
        ],
        3,
        |call| {
            let owner: Address = call.arguments.required(0)?;
            let token: Address = call.arguments.required(1)?;
            let Number(amount) = call.arguments.required(2)?;
            let question = balanceOfCall { owner }.abi_encode();
            write(call, token, question.into(), amount, "balance")
        },
    );
    commands.command(&["anvil_setERC20Allowance", "hardhat_setERC20Allowance"], 4, |call| {
        let owner: Address = call.arguments.required(0)?;
        let spender: Address = call.arguments.required(1)?;
        let token: Address = call.arguments.required(2)?;
        let Number(amount) = call.arguments.required(3)?;
        let question = allowanceCall { owner, spender }.abi_encode();
        write(call, token, question.into(), amount, "allowance")
    });
}

/// Makes `token` answer `amount` to `question`.
fn write(
    call: &Call<'_>,
    token: Address,
    question: Bytes,
    amount: U256,
    what: &str,
) -> RpcResult<()> {
    let question = Question { call, token, question };
    let _writing = call.context.writing.lock();
    let (holder, slot) = exec::run_until(call.api.config.call_timeout, || {
        for (holder, slot) in question.slots_read()? {
            let answers = |value| question.answer(holder, slot, value);
            if answers(PROBE)? == Some(PROBE) && answers(amount)? == Some(amount) {
                return Ok(Some((holder, slot)));
            }
        }
        Ok(None)
    })?
    .ok_or_else(|| {
        error::invalid_params(format!(
            "Unable to set ERC20 {what}, no slot found: {token} has no storage slot that alone \
             decides on the {what}; use a transaction of an impersonated account instead \
             (anvil_impersonateAccount)"
        ))
    })?;
    let patched = call.dev.patch_state(|state| {
        let account = state.account(holder).map_err(error::from_storage)?;
        let change = AccountChange {
            account: Some(account.unwrap_or_default()),
            storage_wiped: false,
            storage: [(slot.into(), amount)].into_iter().collect(),
        };
        let mut changes = StateChanges::default();
        changes.accounts.insert(holder, change);
        Ok(changes)
    });
    patched.map_err(refused_by_chain)?
}

/// A question to a token.
struct Question<'a> {
    call: &'a Call<'a>,
    token: Address,
    question: Bytes,
}

impl Question<'_> {
    /// The slots that the token reads before it answers, with the accounts that have them: a token
    /// behind a proxy or with a storage contract reads more than its own.
    fn slots_read(&self) -> RpcResult<Vec<(Address, B256)>> {
        let prepared =
            exec::prepare(self.call.api, Some(BlockId::pending()), Overrides::default())?;
        let list = exec::create_access_list(&prepared, self.request())?.access_list;
        let slots = |item: alloy_eips::eip2930::AccessListItem| {
            item.storage_keys.into_iter().map(move |slot| (item.address, slot))
        };
        // The token's own slots first.
        let (own, others): (Vec<_>, Vec<_>) =
            list.0.into_iter().partition(|item| item.address == self.token);
        Ok(own.into_iter().chain(others).flat_map(slots).collect())
    }

    /// What the token answers while `slot` of `holder` is `value`; `None` where that is no number.
    fn answer(&self, holder: Address, slot: B256, value: U256) -> RpcResult<Option<U256>> {
        let state_diff: B256Map<B256> = [(slot, value.into())].into_iter().collect();
        let account = AccountOverride { state_diff: Some(state_diff), ..Default::default() };
        let state = Some(StateOverride::from_iter([(holder, account)]));
        let overrides = Overrides { state, block: None };
        let prepared = exec::prepare(self.call.api, Some(BlockId::pending()), overrides)?;
        let transaction = prepared.transaction(self.request())?;
        let outcome = prepared.execute(transaction).map_err(error::from_simulation)?;
        Ok(match outcome.result {
            ExecutionResult::Success { output, .. } => {
                output.data().get(..32).map(U256::from_be_slice)
            }
            ExecutionResult::Revert { .. } | ExecutionResult::Halt { .. } => None,
        })
    }

    fn request(&self) -> TransactionRequest {
        TransactionRequest {
            to: Some(TxKind::Call(self.token)),
            input: self.question.clone().into(),
            ..TransactionRequest::default()
        }
    }
}
