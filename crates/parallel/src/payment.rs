//! Plain payments, which need no interpreter: about half of what many blocks hold.
//!
//! Invariant: a payment made here gives result and state that revm gives, field by field. Whatever
//! is not certain to succeed by the rules that stand here is left to revm, invalid transactions
//! with their reasons among it.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, Bytes, Log, LogData, U256};
use revm::{
    Database,
    context::{
        TxEnv,
        result::{ExecutionResult, HaltReason, Output, ResultGas, SuccessReason},
    },
    context_interface::{
        Cfg, Transaction, cfg::gas_params::Eip2780TxInfo, transaction::TransactionType,
    },
    handler::validation::validate_initial_tx_gas_with_gas_params,
    primitives::{
        KECCAK_EMPTY, TxKind,
        eip7708::{ETH_TRANSFER_LOG_ADDRESS, ETH_TRANSFER_LOG_TOPIC},
        hardfork::SpecId,
    },
    state::{Account, AccountInfo, Bytecode, EvmState, TransactionId},
};

/// A payment made.
#[derive(Debug)]
pub(crate) struct Payment {
    pub(crate) result: ExecutionResult<HaltReason>,
    /// Payer and payee.
    pub(crate) state: EvmState,
    /// What the beneficiary is still to get.
    pub(crate) fee: U256,
}

/// The rules for payments in one block.
#[derive(Clone, Debug)]
pub(crate) struct Payments<'a> {
    env: &'a EvmEnv,
    /// What each payment uses; `None` where all are left to revm.
    gas: Option<ResultGas>,
    /// To pay somebody for the first time costs more (EIP-2780).
    pays_for_accounts: bool,
    /// Each payment leaves a log (EIP-7708).
    logs: bool,
}

impl<'a> Payments<'a> {
    pub(crate) fn new(env: &'a EvmEnv) -> Self {
        let amsterdam = env.cfg_env.spec.is_enabled_in(SpecId::AMSTERDAM);
        let logs = amsterdam && !env.cfg_env.is_eip7708_disabled();
        let pays_for_accounts = amsterdam || env.cfg_env.is_amsterdam_eip2780_enabled();
        Self { env, gas: gas(env), pays_for_accounts, logs }
    }

    /// Makes the payment `transaction`; `None`: it is none, or revm has to tell what becomes of it.
    ///
    /// # Errors
    /// Those of `db`.
    pub(crate) fn pay<DB: Database>(
        &self,
        db: &mut DB,
        transaction: &TxEnv,
    ) -> Result<Option<Payment>, DB::Error> {
        let (Some(gas), TxKind::Call(payee)) = (self.gas, transaction.kind) else {
            return Ok(None);
        };
        if !self.is_payment(transaction, payee, gas) {
            return Ok(None);
        }
        let payer = transaction.caller;
        let Some(info) = db.basic(payer)? else { return Ok(None) };
        let (Ok(most), true) = (
            transaction.max_balance_spending(),
            is_plain(&info) && info.nonce == transaction.nonce,
        ) else {
            return Ok(None);
        };
        if info.balance < most {
            return Ok(None);
        }
        let mut payer_account = loaded(info);
        let mut payee_account = match db.basic(payee)? {
            Some(info) if is_plain(&info) && !(self.pays_for_accounts && info.is_empty()) => {
                loaded(info)
            }
            None if !self.pays_for_accounts => Account::new_not_existing(TransactionId::ZERO),
            _ => return Ok(None),
        };
        let Some(credited) = payee_account.info.balance.checked_add(transaction.value) else {
            return Ok(None);
        };
        let basefee = u128::from(self.env.block_env.basefee);
        let price = transaction.effective_gas_price(basefee);
        let used = u128::from(gas.tx_gas_used());
        // No more than `most`, which the payer has.
        payer_account.info.balance -= U256::from(price * used) + transaction.value;
        payer_account.info.nonce += 1;
        payer_account.mark_touch();
        payee_account.info.balance = credited;
        payee_account.mark_touch();
        let mut state = EvmState::with_capacity_and_hasher(3, Default::default());
        state.insert(payer, payer_account);
        state.insert(payee, payee_account);
        // EIP-1559: the base fee is burnt.
        let london = self.env.cfg_env.spec.is_enabled_in(SpecId::LONDON);
        let tip = if london { price - basefee } else { price };
        let result = ExecutionResult::Success {
            reason: SuccessReason::Stop,
            gas,
            logs: self.logs.then(|| log(payer, payee, transaction.value)).into_iter().collect(),
            output: Output::Call(Bytes::new()),
        };
        Ok(Some(Payment { result, state, fee: U256::from(tip * used) }))
    }

    /// Whether `transaction` keeps all rules of a payment that can be told without the state.
    fn is_payment(&self, transaction: &TxEnv, payee: Address, gas: ResultGas) -> bool {
        let EvmEnv { cfg_env, block_env } = self.env;
        let nothing_else = transaction.data.is_empty()
            && transaction.access_list.is_empty()
            && transaction.authorization_list.is_empty()
            && transaction.blob_hashes.is_empty();
        if !nothing_else || transaction.value.is_zero() {
            return false;
        }
        let others = [transaction.caller, block_env.beneficiary];
        // Precompiles have addresses of two bytes at most.
        if others.contains(&payee)
            || transaction.caller == block_env.beneficiary
            || payee[..18].iter().all(|byte| *byte == 0)
        {
            return false;
        }
        let spec = cfg_env.spec;
        let price = transaction.gas_price;
        let basefee = u128::from(block_env.basefee);
        let priced = match transaction.tx_type.into() {
            TransactionType::Legacy => price >= basefee,
            TransactionType::Eip2930 => spec.is_enabled_in(SpecId::BERLIN) && price >= basefee,
            TransactionType::Eip1559 => {
                spec.is_enabled_in(SpecId::LONDON)
                    && transaction.gas_priority_fee.unwrap_or_default() <= price
                    && transaction.effective_gas_price(basefee) >= basefee
            }
            _ => false,
        };
        let of_this_chain = match transaction.chain_id {
            Some(chain) => chain == cfg_env.chain_id || !cfg_env.tx_chain_id_check(),
            None => transaction.tx_type == 0 || !cfg_env.tx_chain_id_check(),
        };
        priced
            && of_this_chain
            && transaction.gas_limit >= gas.tx_gas_used()
            && transaction.gas_limit <= block_env.gas_limit
            && transaction.gas_limit <= cfg_env.tx_gas_limit_cap()
            && transaction.nonce != u64::MAX
    }
}

/// What a payment uses in this block; `None` where a rule is switched off or not known here.
fn gas(env: &EvmEnv) -> Option<ResultGas> {
    let EvmEnv { cfg_env, block_env } = env;
    let spec = cfg_env.spec;
    let usual = spec.is_enabled_in(SpecId::SPURIOUS_DRAGON)
        && !cfg_env.is_base_fee_check_disabled()
        && !cfg_env.is_nonce_check_disabled()
        && !cfg_env.is_balance_check_disabled()
        && !cfg_env.is_fee_charge_disabled()
        && !cfg_env.is_block_gas_limit_disabled()
        && !cfg_env.is_priority_fee_check_disabled()
        && (block_env.prevrandao.is_some() || !spec.is_enabled_in(SpecId::MERGE))
        && (block_env.blob_excess_gas_and_price.is_some() || !spec.is_enabled_in(SpecId::CANCUN));
    if !usual {
        return None;
    }
    let template =
        TxEnv { gas_limit: u64::MAX, kind: TxKind::Call(Address::ZERO), ..TxEnv::default() };
    let initial = validate_initial_tx_gas_with_gas_params(
        &template,
        spec,
        cfg_env.gas_params(),
        cfg_env.is_eip7623_disabled(),
        cfg_env.is_amsterdam_eip8037_enabled(),
        cfg_env.tx_gas_limit_cap(),
        cfg_env
            .is_amsterdam_eip2780_enabled()
            .then_some(Eip2780TxInfo { value: U256::ONE, is_self_transfer: false }),
    );
    let initial = initial.ok()?;
    // State gas would not be the same for all.
    if initial.initial_state_gas > 0 {
        return None;
    }
    // The floor counts as spent where it is higher (EIP-7623).
    let spent = initial.initial_total_gas().max(initial.floor_gas());
    Some(ResultGas::default().with_total_gas_spent(spent).with_floor_gas(initial.floor_gas()))
}

/// The log of a payment (EIP-7708).
fn log(payer: Address, payee: Address, value: U256) -> Log {
    let topics = vec![ETH_TRANSFER_LOG_TOPIC, payer.into_word(), payee.into_word()];
    let data = Bytes::copy_from_slice(&value.to_be_bytes::<32>());
    Log { address: ETH_TRANSFER_LOG_ADDRESS, data: LogData::new_unchecked(topics, data) }
}

/// Whether an account is an ordinary one: no code, no delegation.
fn is_plain(info: &AccountInfo) -> bool {
    info.code_hash == KECCAK_EMPTY
}

/// The account as revm's journal loads it, with its code.
fn loaded(info: AccountInfo) -> Account {
    let mut account = Account::from(info);
    account.info.code.get_or_insert_with(Bytecode::default);
    account
}
