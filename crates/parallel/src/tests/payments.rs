//! Random plain payments: those that need no interpreter, and everything that differs from them by
//! just one thing.

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::prelude::*;
use revm::{
    context::TxEnv,
    context_interface::transaction::{AccessList, AccessListItem},
    primitives::{TxKind, hardfork::SpecId},
};

use super::{
    guide::Guide,
    world::{
        ANCIENT, BLOCK_GAS_LIMIT, CONTRACTS, DELEGATED, EMPTY, NOBODY, RICH, Setting, contract,
    },
};

const PAYMENT_GAS: u64 = 21_000;

/// Who is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payee {
    Sender,
    Payer,
    Contract,
    Child,
    Empty,
    Nobody,
    /// An account that nobody else pays, most likely.
    Fresh,
    Delegated,
    Precompile,
    Coinbase,
    Rich,
    Ancient,
}

/// What a payment has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Twist {
    NonceBefore,
    NonceAfter,
    NonceMost,
    /// The sender's last nonce but one, then its last.
    Ancient,
    GasOneShort,
    GasNone,
    GasMore,
    GasOfBlock,
    GasAboveBlock,
    GasAboveCap,
    GasMost,
    PriceBelowBase,
    PriceNone,
    PriceMost,
    TipAboveFee,
    ChainOther,
    ChainNone,
    /// A list with one entry.
    AccessList,
    /// A transaction type that comes with an access list, which is empty.
    AccessListEmpty,
    Data,
    /// The sender is a contract.
    FromContract,
    FromDelegated,
    /// The sender does not exist.
    FromNobody,
    FromCoinbase,
    AllFunds,
    AllFundsAndOneWei,
    ValueNone,
    ValueMost,
    BlobsNone,
    AuthorizationsNone,
}

const TWISTS: [Twist; 30] = [
    Twist::NonceBefore,
    Twist::NonceAfter,
    Twist::NonceMost,
    Twist::Ancient,
    Twist::GasOneShort,
    Twist::GasNone,
    Twist::GasMore,
    Twist::GasOfBlock,
    Twist::GasAboveBlock,
    Twist::GasAboveCap,
    Twist::GasMost,
    Twist::PriceBelowBase,
    Twist::PriceNone,
    Twist::PriceMost,
    Twist::TipAboveFee,
    Twist::ChainOther,
    Twist::ChainNone,
    Twist::AccessList,
    Twist::AccessListEmpty,
    Twist::Data,
    Twist::FromContract,
    Twist::FromDelegated,
    Twist::FromNobody,
    Twist::FromCoinbase,
    Twist::AllFunds,
    Twist::AllFundsAndOneWei,
    Twist::ValueNone,
    Twist::ValueMost,
    Twist::BlobsNone,
    Twist::AuthorizationsNone,
];

/// One payment.
#[derive(Clone, Debug)]
pub(crate) struct PaymentDraft {
    from: u8,
    payee: Payee,
    number: u8,
    value: u8,
    tip: u8,
    kind: u8,
    twist: Option<Twist>,
}

fn payee() -> impl Strategy<Value = Payee> {
    prop_oneof![
        6 => Just(Payee::Sender),
        1 => Just(Payee::Payer),
        1 => Just(Payee::Contract),
        1 => Just(Payee::Child),
        1 => Just(Payee::Empty),
        1 => Just(Payee::Nobody),
        4 => Just(Payee::Fresh),
        1 => Just(Payee::Delegated),
        1 => Just(Payee::Precompile),
        1 => Just(Payee::Coinbase),
        1 => Just(Payee::Rich),
        1 => Just(Payee::Ancient),
    ]
}

pub(super) fn payment_draft() -> impl Strategy<Value = PaymentDraft> {
    (
        (any::<u8>(), payee(), any::<u8>()),
        (any::<u8>(), 0u8..3, any::<u8>()),
        prop::option::weighted(0.3, prop::sample::select(TWISTS.to_vec())),
    )
        .prop_map(|((from, payee, number), (value, tip, kind), twist)| PaymentDraft {
            from,
            payee,
            number,
            value,
            tip,
            kind,
            twist,
        })
}

impl PaymentDraft {
    pub(super) fn transaction(&self, setting: &Setting<'_>, guide: &mut Guide<'_>) -> TxEnv {
        let caller = match self.twist {
            Some(Twist::Ancient) => ANCIENT,
            Some(Twist::FromContract) => contract(usize::from(self.from) % CONTRACTS),
            Some(Twist::FromDelegated) => DELEGATED,
            Some(Twist::FromNobody) => NOBODY,
            Some(Twist::FromCoinbase) => setting.env.block_env.beneficiary,
            _ => setting.sender(self.from),
        };
        let mut transaction = TxEnv {
            tx_type: 0,
            caller,
            gas_limit: PAYMENT_GAS,
            gas_price: setting.base_fee() + u128::from(self.tip),
            kind: TxKind::Call(self.payee(caller, setting)),
            value: U256::from(1 + u64::from(self.value)),
            nonce: guide.nonce(caller),
            chain_id: Some(1),
            ..TxEnv::default()
        };
        match self.kind % 4 {
            1 if setting.spec().is_enabled_in(SpecId::BERLIN) => transaction.tx_type = 1,
            2 | 3 if setting.spec().is_enabled_in(SpecId::LONDON) => {
                transaction.tx_type = 2;
                // Less than, as much as and more than what the fee leaves for it.
                let tip = u128::from(self.kind / 4 % 4);
                transaction.gas_priority_fee = Some(tip.min(transaction.gas_price));
            }
            _ => {}
        }
        if let Some(twist) = self.twist {
            let balance = guide.account(caller).balance;
            self.twist(&mut transaction, twist, balance, setting);
        }
        transaction
    }

    fn payee(&self, caller: Address, setting: &Setting<'_>) -> Address {
        let number = self.number;
        match self.payee {
            Payee::Sender => setting.sender(number),
            Payee::Payer => caller,
            Payee::Contract => contract(usize::from(number) % CONTRACTS),
            Payee::Child => setting.child(number),
            Payee::Empty => EMPTY,
            Payee::Nobody => NOBODY,
            Payee::Fresh => {
                let word = U256::from(0xf4e5_0000_0000u64 + u64::from(number));
                Address::from_word(B256::from(word << 8 | U256::from(self.value)))
            }
            Payee::Delegated => DELEGATED,
            // The last of the short ones is that of EIP-7951.
            Payee::Precompile => Address::from_word(B256::from(U256::from(match number % 20 {
                18 => 0x100,
                19 => 0x101,
                number => u64::from(number),
            }))),
            Payee::Coinbase => setting.env.block_env.beneficiary,
            Payee::Rich => RICH,
            Payee::Ancient => ANCIENT,
        }
    }

    fn twist(&self, transaction: &mut TxEnv, twist: Twist, balance: U256, setting: &Setting<'_>) {
        let fee = |transaction: &TxEnv| {
            U256::from(transaction.gas_price) * U256::from(transaction.gas_limit)
        };
        match twist {
            Twist::NonceBefore => transaction.nonce = transaction.nonce.wrapping_sub(1),
            Twist::NonceAfter => transaction.nonce = transaction.nonce.wrapping_add(1),
            Twist::NonceMost => transaction.nonce = u64::MAX,
            Twist::GasOneShort => transaction.gas_limit -= 1,
            Twist::GasNone => transaction.gas_limit = 0,
            Twist::GasMore => transaction.gas_limit += 1 + u64::from(self.value),
            Twist::GasOfBlock => transaction.gas_limit = BLOCK_GAS_LIMIT,
            Twist::GasAboveBlock => transaction.gas_limit = BLOCK_GAS_LIMIT + 1,
            Twist::GasAboveCap => transaction.gas_limit = (1 << 24) + u64::from(self.value % 2),
            Twist::GasMost => transaction.gas_limit = u64::MAX,
            Twist::PriceBelowBase => {
                transaction.gas_price = setting.base_fee().saturating_sub(1);
                transaction.gas_priority_fee = transaction.gas_priority_fee.map(|_| 0);
            }
            Twist::PriceNone => {
                transaction.gas_price = 0;
                transaction.gas_priority_fee = transaction.gas_priority_fee.map(|_| 0);
            }
            Twist::PriceMost => transaction.gas_price = u128::MAX,
            Twist::TipAboveFee => {
                transaction.tx_type = 2;
                transaction.gas_priority_fee = Some(transaction.gas_price + 1);
            }
            Twist::ChainOther => transaction.chain_id = Some(2),
            Twist::ChainNone => transaction.chain_id = None,
            Twist::AccessList => {
                transaction.tx_type = transaction.tx_type.max(1);
                transaction.gas_limit *= 2;
                transaction.access_list = AccessList(vec![AccessListItem {
                    address: setting.domain.address(self.value),
                    storage_keys: vec![B256::with_last_byte(self.value % 4)],
                }]);
            }
            Twist::AccessListEmpty => transaction.tx_type = 1,
            Twist::Data => {
                transaction.data = Bytes::from(vec![self.value % 2; 1 + usize::from(self.tip)]);
                transaction.gas_limit *= 2;
            }
            Twist::AllFunds => transaction.value = balance.saturating_sub(fee(transaction)),
            Twist::AllFundsAndOneWei => {
                let all = balance.saturating_sub(fee(transaction));
                transaction.value = all.saturating_add(U256::ONE);
            }
            Twist::ValueNone => transaction.value = U256::ZERO,
            Twist::ValueMost => transaction.value = U256::MAX,
            Twist::BlobsNone => {
                transaction.tx_type = 3;
                transaction.gas_priority_fee = Some(0);
            }
            Twist::AuthorizationsNone => {
                transaction.tx_type = 4;
                transaction.gas_priority_fee = Some(0);
            }
            Twist::Ancient
            | Twist::FromContract
            | Twist::FromDelegated
            | Twist::FromNobody
            | Twist::FromCoinbase => {}
        }
    }
}

/// Whether there is a precompile at `address` in some fork.
pub(super) fn is_precompile(address: Address) -> bool {
    let number = U256::from_be_slice(address.as_slice());
    (U256::ONE..=U256::from(0x11)).contains(&number) || number == U256::from(0x100)
}
