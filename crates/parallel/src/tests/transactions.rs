//! Random transactions of every type.

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::{collection::vec, prelude::*};
use revm::{
    context::TxEnv,
    context_interface::{
        either::Either,
        transaction::{
            AccessList, AccessListItem, Authorization, RecoveredAuthority, RecoveredAuthorization,
        },
    },
    primitives::{TxKind, hardfork::SpecId},
};

use super::{
    assembler::word,
    guide::Guide,
    world::{CONTRACTS, Setting, contract},
};

/// One transaction, in small numbers.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    from: u8,
    to: u8,
    value: u8,
    /// Gas limit class.
    gas: u8,
    /// Gas price above the base fee.
    tip: u8,
    input: u8,
    /// What is wrong with it, mostly nothing.
    flaw: u8,
    /// Type and its extras.
    kind: u8,
    /// Authority, target, validity.
    authorizations: Vec<(u8, u8, u8)>,
}

pub(super) fn draft() -> impl Strategy<Value = Draft> {
    (
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()),
        (0u8..3, any::<u8>(), 0u8..60, any::<u8>()),
        vec(any::<(u8, u8, u8)>(), 1..3),
    )
        .prop_map(|((from, to, value, gas), (tip, input, flaw, kind), authorizations)| Draft {
            from,
            to,
            value,
            gas,
            tip,
            input,
            flaw,
            kind,
            authorizations,
        })
}

impl Draft {
    pub(super) fn transaction(&self, setting: &Setting<'_>, guide: &mut Guide<'_>) -> TxEnv {
        let domain = setting.domain;
        let caller = setting.sender(self.from);
        let creates = self.to >= 232;
        let mut transaction = TxEnv {
            tx_type: 0,
            caller,
            gas_limit: match self.gas % 16 {
                0 => 21_000,
                1..=4 => 60_000,
                5..=8 => 150_000,
                9..=12 => 400_000,
                _ => 1_000_000,
            },
            gas_price: setting.base_fee() + u128::from(self.tip),
            kind: match self.to {
                _ if creates => TxKind::Create,
                // Half of the calls go to contracts that are there, or may have been created.
                to if to % 4 == 0 => TxKind::Call(contract(usize::from(to / 4) % CONTRACTS)),
                to if to % 4 == 1 => TxKind::Call(setting.child(to / 4)),
                to => TxKind::Call(domain.address(to / 4)),
            },
            value: U256::from(match self.value % 8 {
                0..=3 => 0,
                7 if self.value > 200 => 30_000_000,
                _ => u64::from(self.value),
            }),
            data: if creates {
                domain.init_codes[usize::from(self.input) % domain.init_codes.len()].clone()
            } else if self.input.is_multiple_of(2) {
                Bytes::new()
            } else {
                word(u64::from(self.input))
            },
            nonce: guide.nonce(caller),
            chain_id: Some(1),
            ..TxEnv::default()
        };
        match self.flaw {
            0 => transaction.nonce = transaction.nonce.wrapping_add(1),
            1 => transaction.nonce = transaction.nonce.wrapping_sub(1),
            2 => transaction.value = U256::MAX >> 8,
            _ => {}
        }
        self.dress(&mut transaction, setting, guide);
        transaction
    }

    /// Gives the transaction a type, mostly one that the fork knows.
    fn dress(&self, transaction: &mut TxEnv, setting: &Setting<'_>, guide: &mut Guide<'_>) {
        let creates = transaction.kind.is_create();
        let knows = |spec| setting.spec().is_enabled_in(spec) || self.flaw == 3;
        match self.kind % 7 {
            1 if knows(SpecId::BERLIN) => {
                transaction.tx_type = 1;
                transaction.access_list = AccessList(vec![AccessListItem {
                    address: setting.domain.address(self.kind / 7),
                    storage_keys: vec![B256::with_last_byte(self.input % 4)],
                }]);
            }
            2 | 3 if knows(SpecId::LONDON) => {
                transaction.tx_type = 2;
                transaction.gas_priority_fee = Some(u128::from(self.tip.min(1)));
            }
            4 if knows(SpecId::CANCUN) && (!creates || self.input.is_multiple_of(2)) => {
                transaction.tx_type = 3;
                transaction.gas_priority_fee = Some(0);
                transaction.max_fee_per_blob_gas = 1;
                let blobs = 1 + self.kind / 7 % 3;
                transaction.blob_hashes = (0..blobs).map(blob_hash).collect();
                self.spoil_blobs(transaction);
            }
            5 | 6 if knows(SpecId::PRAGUE) && !creates => {
                transaction.tx_type = 4;
                transaction.gas_priority_fee = Some(0);
                transaction.authorization_list = self
                    .authorizations
                    .iter()
                    .map(|numbers| {
                        Either::Right(authorization(*numbers, transaction, setting, guide))
                    })
                    .collect();
                if self.flaw == 4 {
                    transaction.authorization_list.clear();
                }
            }
            _ => {}
        }
    }

    fn spoil_blobs(&self, transaction: &mut TxEnv) {
        match self.input {
            0..8 => transaction.blob_hashes.clear(),
            8..24 => transaction.blob_hashes = (0..20).map(blob_hash).collect(),
            24..32 => transaction.blob_hashes[0].0[0] = 2,
            32..40 => transaction.max_fee_per_blob_gas = 0,
            _ => {}
        }
    }
}

/// A hash of the version that EIP-4844 asks for.
fn blob_hash(number: u8) -> B256 {
    let mut hash = B256::with_last_byte(number);
    hash.0[0] = 1;
    hash
}

/// An authorization, mostly with the nonce that the authority has or, for the sender, will have.
fn authorization(
    (authority, target, validity): (u8, u8, u8),
    transaction: &TxEnv,
    setting: &Setting<'_>,
    guide: &mut Guide<'_>,
) -> RecoveredAuthorization {
    let own = authority % 4 == 0;
    let authority = if own { transaction.caller } else { setting.sender(authority) };
    let address = match target % 4 {
        0 => Address::ZERO,
        1 => setting.domain.address(target / 4),
        _ => contract(usize::from(target / 4) % CONTRACTS),
    };
    let nonce = if own { transaction.nonce.wrapping_add(1) } else { guide.nonce(authority) };
    let mut inner = Authorization { chain_id: U256::from(1), address, nonce };
    let mut authority = RecoveredAuthority::Valid(authority);
    match validity {
        0..16 => inner.nonce = inner.nonce.wrapping_add(1),
        16..32 => inner.nonce = u64::from(validity % 4),
        32..40 => inner.chain_id = U256::from(2),
        40..64 => inner.chain_id = U256::ZERO,
        64..72 => authority = RecoveredAuthority::Invalid,
        _ => {}
    }
    RecoveredAuthorization::new_unchecked(inner, authority)
}
