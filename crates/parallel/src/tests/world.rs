//! Random worlds: few accounts, few contracts, one batch of transactions among them.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use proptest::{collection::vec, prelude::*};
use revm::{
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::{
        block::BlobExcessGasAndPrice,
        either::Either,
        transaction::{
            AccessList, AccessListItem, Authorization, RecoveredAuthority, RecoveredAuthorization,
        },
    },
    database::InMemoryDB,
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use super::assembler::{Domain, Step, assemble, init_code};

/// The forks that differ in what concerns this crate.
pub(crate) const SPECS: [SpecId; 9] = [
    SpecId::FRONTIER,
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::PETERSBURG,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
];

const SENDERS: u64 = 6;
const CONTRACTS: usize = 4;
const BASE_FEE: u64 = 7;
/// Addresses at which the world's contracts and senders may create.
const CHILDREN: usize = 11;
/// Never part of the base state.
pub(crate) const NOBODY: Address = address!("00000000000000000000000000000000000b0d1e");
/// In the base state with no balance, no nonce and no code, as before EIP-161.
const EMPTY: Address = address!("0000000000000000000000000000000000000e3f");

pub(crate) fn sender(number: u8) -> Address {
    let number = u64::from(number) % SENDERS;
    Address::from_word(B256::from(U256::from(0x5e4d_0000 + number)))
}

pub(crate) fn contract(number: usize) -> Address {
    Address::from_word(B256::from(U256::from(0xc0de_0000 + number)))
}

/// One transaction, in small numbers.
#[derive(Clone, Debug)]
pub(crate) struct TxSpec {
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
    authorizations: Vec<(u8, u8, u8)>,
}

/// One world.
#[derive(Clone, Debug)]
pub(crate) struct World {
    spec: SpecId,
    contracts: Vec<Vec<Step>>,
    prologue: Vec<Step>,
    child: Vec<Step>,
    coinbase: u8,
    funds: Vec<u8>,
    transactions: Vec<TxSpec>,
}

fn leaf() -> impl Strategy<Value = Step> {
    let slot = 0u8..4;
    prop_oneof![
        6 => (slot.clone(), 1u8..4).prop_map(|(slot, amount)| Step::Add { slot, amount }),
        1 => slot.clone().prop_map(|slot| Step::StoreInput { slot }),
        1 => slot.clone().prop_map(|slot| Step::Clear { slot }),
        2 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreBalance { slot, of }),
        1 => slot.clone().prop_map(|slot| Step::StoreOwnBalance { slot }),
        1 => slot.clone().prop_map(|slot| Step::StoreCoinbaseBalance { slot }),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreCodeHash { slot, of }),
        1 => (slot.clone(), any::<u8>()).prop_map(|(slot, of)| Step::StoreCodeSize { slot, of }),
        1 => (slot.clone(), 0u8..4).prop_map(|(slot, back)| Step::StoreBlockHash { slot, back }),
        5 => (any::<u8>(), 0u8..3, any::<u16>())
            .prop_map(|(to, value, gas)| Step::Call { to, value, gas }),
        1 => any::<u8>().prop_map(|to| Step::StaticCall { to }),
        2 => any::<u8>().prop_map(|to| Step::DelegateCall { to }),
        1 => (0u8..3).prop_map(|value| Step::PayCoinbase { value }),
        2 => (any::<u8>(), 0u8..3).prop_map(|(code, value)| Step::Create { code, value }),
        3 => (any::<u8>(), any::<u8>(), 0u8..3)
            .prop_map(|(code, salt, value)| Step::Create2 { code, salt, value }),
        3 => any::<u8>().prop_map(|to| Step::SelfDestruct { to }),
        1 => (any::<u8>(), slot.clone()).prop_map(|(key, slot)| Step::Transient { key, slot }),
        1 => slot.prop_map(|slot| Step::Log { slot }),
        1 => Just(Step::Revert),
        1 => Just(Step::Invalid),
        1 => Just(Step::Loop),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => leaf(),
        1 => (0u8..4, leaf())
            .prop_map(|(slot, step)| Step::IfOdd { slot, step: Box::new(step) }),
        1 => (0u8..4, 1u8..4, leaf())
            .prop_map(|(slot, than, step)| Step::IfLess { slot, than, step: Box::new(step) }),
    ]
}

/// Steps without creations, so that init codes stay short.
fn short_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..4, 1u8..4).prop_map(|(slot, amount)| Step::Add { slot, amount }),
        4 => any::<u8>().prop_map(|to| Step::SelfDestruct { to }),
        2 => (any::<u8>(), 0u8..3, any::<u16>())
            .prop_map(|(to, value, gas)| Step::Call { to, value, gas }),
        1 => (0u8..4, any::<u8>()).prop_map(|(slot, to)| Step::IfOdd {
            slot,
            step: Box::new(Step::SelfDestruct { to }),
        }),
        1 => Just(Step::Revert),
    ]
}

/// Counts on its first call and dies on its second, so that there is a storage to forget.
fn mortal() -> impl Strategy<Value = Vec<Step>> {
    any::<u8>().prop_map(|to| {
        vec![
            Step::IfOdd { slot: 0, step: Box::new(Step::SelfDestruct { to }) },
            Step::Add { slot: 0, amount: 1 },
            Step::Add { slot: 1, amount: 1 },
        ]
    })
}

/// What a contract does; some begin by creating a child at an address known beforehand.
fn contract_steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        2 => vec(step(), 0..5),
        1 => (0u8..2, 0u8..2, vec(step(), 0..3)).prop_map(|(code, salt, mut steps)| {
            steps.insert(0, Step::Create2 { code, salt, value: 0 });
            steps
        }),
        1 => mortal(),
    ]
}

fn transaction() -> impl Strategy<Value = TxSpec> {
    (
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()),
        (0u8..3, any::<u8>(), 0u8..40, any::<u8>()),
        vec((any::<u8>(), any::<u8>(), 0u8..8), 1..3),
    )
        .prop_map(|((from, to, value, gas), (tip, input, flaw, kind), authorizations)| {
            TxSpec { from, to, value, gas, tip, input, flaw, kind, authorizations }
        })
}

pub(crate) fn world(max_transactions: usize) -> impl Strategy<Value = World> {
    (
        prop::sample::select(SPECS.to_vec()),
        vec(contract_steps(), CONTRACTS),
        vec(short_step(), 0..2),
        prop_oneof![vec(short_step(), 0..3), mortal()],
        any::<u8>(),
        vec(any::<u8>(), SENDERS as usize),
        vec(transaction(), 1..max_transactions),
    )
        .prop_map(|(spec, contracts, prologue, child, coinbase, funds, transactions)| World {
            spec,
            contracts,
            prologue,
            child,
            coinbase,
            funds,
            transactions,
        })
}

/// A world made concrete.
pub(crate) struct Scene {
    pub(crate) state: InMemoryDB,
    pub(crate) env: EvmEnv,
    pub(crate) transactions: Vec<TxEnv>,
    /// Every address that the world is likely to touch.
    pub(crate) addresses: Vec<Address>,
}

impl World {
    pub(crate) fn scene(&self) -> Scene {
        let mut addresses: Vec<Address> = (0..SENDERS as u8).map(sender).collect();
        addresses.extend((0..CONTRACTS).map(contract));
        addresses.extend([NOBODY, EMPTY]);
        addresses.extend([2, 3, 4].map(Address::with_last_byte));

        // Codes that are deployed know only the addresses so far; runtime codes also know the
        // children that the former make.
        let domain = Domain { addresses: &addresses, init_codes: &[] };
        let child = assemble(&self.child, &domain);
        let init_codes: Vec<Bytes> =
            vec![init_code(&[], &child, &domain), init_code(&self.prologue, &child, &domain)];
        let mut children = Vec::new();
        for creator in (0..2).map(contract) {
            for init in &init_codes {
                for salt in 0..2u64 {
                    let salt = B256::from(U256::from(salt));
                    children.push(creator.create2(salt, keccak256(init)));
                }
            }
        }
        children.extend([sender(0).create(0), sender(1).create(1), contract(0).create(1)]);
        assert_eq!(children.len(), CHILDREN);
        addresses.extend(children);

        let domain = Domain { addresses: &addresses, init_codes: &init_codes };
        let env = self.environment(&addresses);
        let state = self.state(&domain);
        let transactions = self.transactions(&domain, &env, &init_codes);
        Scene { state, env, transactions, addresses }
    }

    fn environment(&self, addresses: &[Address]) -> EvmEnv {
        let number = U256::from(1_000);
        let coinbase = match self.coinbase % 4 {
            // Nobody's, a sender, or anything.
            0 | 1 => Address::with_last_byte(0xfe),
            2 => sender(self.coinbase / 4),
            _ => addresses[usize::from(self.coinbase / 4) % addresses.len()],
        };
        let london = self.spec.is_enabled_in(SpecId::LONDON);
        let block_env = BlockEnv {
            number,
            beneficiary: coinbase,
            timestamp: U256::from(1_700_000_000),
            gas_limit: 30_000_000,
            basefee: if london { BASE_FEE } else { 0 },
            difficulty: U256::from(1),
            prevrandao: Some(B256::with_last_byte(9)),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice {
                excess_blob_gas: 0,
                blob_gasprice: 1,
            }),
            slot_num: 0,
        };
        EvmEnv::new(CfgEnv::new_with_spec(self.spec), block_env)
    }

    fn state(&self, domain: &Domain<'_>) -> InMemoryDB {
        let mut state = InMemoryDB::default();
        for (number, funds) in (0u8..).zip(&self.funds) {
            // Some have plenty, some just enough for a few transactions.
            let balance = match funds % 8 {
                0 => 300_000 * u64::from(*funds),
                _ => 1_000_000_000_000,
            };
            let info = AccountInfo { balance: U256::from(balance), ..Default::default() };
            state.insert_account_info(sender(number), info);
        }
        for (number, steps) in self.contracts.iter().enumerate() {
            let code = Bytecode::new_legacy(assemble(steps, domain));
            let info = AccountInfo {
                balance: U256::from(number),
                nonce: 1,
                code_hash: code.hash_slow(),
                code: Some(code),
                account_id: None,
            };
            state.insert_account_info(contract(number), info);
            for slot in 0..2 {
                let value = U256::from(number + slot);
                state.insert_account_storage(contract(number), U256::from(slot), value).unwrap();
            }
        }
        state.insert_account_info(EMPTY, AccountInfo::default());
        state
    }

    fn transactions(&self, domain: &Domain<'_>, env: &EvmEnv, inits: &[Bytes]) -> Vec<TxEnv> {
        let mut nonces = [0u64; SENDERS as usize];
        self.transactions
            .iter()
            .map(|spec| {
                let from = usize::from(spec.from) % nonces.len();
                let transaction = self.transaction(spec, domain, env, inits, &nonces);
                if spec.flaw >= 3 {
                    nonces[from] += 1;
                }
                for authorization in &transaction.authorization_list {
                    let Either::Right(authorization) = authorization else { continue };
                    for (number, nonce) in (0u8..).zip(&mut nonces) {
                        if authorization.authority() == Some(sender(number))
                            && authorization.nonce == *nonce
                        {
                            *nonce += 1;
                        }
                    }
                }
                transaction
            })
            .collect()
    }

    fn transaction(
        &self,
        spec: &TxSpec,
        domain: &Domain<'_>,
        env: &EvmEnv,
        inits: &[Bytes],
        nonces: &[u64],
    ) -> TxEnv {
        let from = usize::from(spec.from) % nonces.len();
        let creates = spec.to >= 240;
        let children = &domain.addresses[domain.addresses.len() - CHILDREN..];
        let base_fee = u128::from(env.block_env.basefee);
        let mut transaction = TxEnv {
            tx_type: 0,
            caller: sender(spec.from),
            gas_limit: match spec.gas % 16 {
                0 => 21_000,
                1..=4 => 60_000,
                5..=8 => 150_000,
                9..=12 => 400_000,
                _ => 1_000_000,
            },
            gas_price: base_fee + u128::from(spec.tip),
            kind: match spec.to {
                _ if creates => TxKind::Create,
                // Half of the calls go to contracts that are there, or may have been created.
                to if to % 4 == 0 => TxKind::Call(contract(usize::from(to / 4) % CONTRACTS)),
                to if to % 4 == 1 => TxKind::Call(children[usize::from(to / 4) % children.len()]),
                to => TxKind::Call(domain.address(to / 4)),
            },
            value: U256::from(match spec.value % 8 {
                0..=3 => 0,
                7 if spec.value > 200 => 30_000_000,
                _ => u64::from(spec.value),
            }),
            data: if creates {
                inits[usize::from(spec.input) % inits.len()].clone()
            } else if spec.input.is_multiple_of(2) {
                Bytes::new()
            } else {
                super::assembler::word(u64::from(spec.input))
            },
            nonce: nonces[from],
            chain_id: Some(1),
            ..TxEnv::default()
        };
        match spec.flaw {
            0 => transaction.nonce += 1,
            1 => transaction.nonce = transaction.nonce.wrapping_sub(1),
            2 => transaction.value = U256::MAX >> 8,
            _ => {}
        }
        self.dress(&mut transaction, spec, domain);
        transaction
    }

    /// Gives the transaction a type that the fork knows.
    fn dress(&self, transaction: &mut TxEnv, spec: &TxSpec, domain: &Domain<'_>) {
        let creates = transaction.kind.is_create();
        match spec.kind % 6 {
            1 if self.spec.is_enabled_in(SpecId::BERLIN) => {
                transaction.tx_type = 1;
                transaction.access_list = AccessList(vec![AccessListItem {
                    address: domain.address(spec.kind / 6),
                    storage_keys: vec![B256::with_last_byte(spec.input % 4)],
                }]);
            }
            2 | 3 if self.spec.is_enabled_in(SpecId::LONDON) => {
                transaction.tx_type = 2;
                transaction.gas_priority_fee = Some(u128::from(spec.tip.min(1)));
            }
            4 if self.spec.is_enabled_in(SpecId::CANCUN) && !creates => {
                transaction.tx_type = 3;
                transaction.gas_priority_fee = Some(0);
                transaction.max_fee_per_blob_gas = 1;
                transaction.blob_hashes = vec![B256::with_last_byte(1)];
                transaction.blob_hashes[0].0[0] = 1;
            }
            5 if self.spec.is_enabled_in(SpecId::PRAGUE) && !creates => {
                transaction.tx_type = 4;
                transaction.gas_priority_fee = Some(0);
                transaction.authorization_list = spec
                    .authorizations
                    .iter()
                    .map(|authorization| {
                        Either::Right(self.authorization(*authorization, transaction, domain))
                    })
                    .collect();
            }
            _ => {}
        }
    }

    /// An authorization that often enough has the right nonce: a sender's first few, or the
    /// sender's own after this transaction.
    fn authorization(
        &self,
        (authority, target, nonce): (u8, u8, u8),
        transaction: &TxEnv,
        domain: &Domain<'_>,
    ) -> RecoveredAuthorization {
        let own = authority % 4 == 0;
        let authority = if own { transaction.caller } else { sender(authority) };
        let address = match target % 4 {
            0 => Address::ZERO,
            1 => domain.address(target / 4),
            _ => contract(usize::from(target / 4) % CONTRACTS),
        };
        let nonce = if own { transaction.nonce.wrapping_add(1) } else { u64::from(nonce / 2) };
        let inner = Authorization { chain_id: U256::from(1), address, nonce };
        RecoveredAuthorization::new_unchecked(inner, RecoveredAuthority::Valid(authority))
    }
}
