//! Intrinsic gas equals that of the interpreter which will charge it.

mod support;

use alloy_consensus::{TxEip1559, TxEip7702};
use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, B256, Signature, TxKind};
use plasma_chainspec::EthereumHardfork as Fork;
use plasma_txpool::{floor_data_gas, intrinsic_gas};
use proptest::prelude::*;
use revm::{context_interface::cfg::gas::calculate_initial_tx_gas, primitives::hardfork::SpecId};
use support::*;

const FORKS: [(Fork, SpecId); 14] = [
    (Fork::Frontier, SpecId::FRONTIER),
    (Fork::Homestead, SpecId::HOMESTEAD),
    (Fork::Tangerine, SpecId::TANGERINE),
    (Fork::SpuriousDragon, SpecId::SPURIOUS_DRAGON),
    (Fork::Byzantium, SpecId::BYZANTIUM),
    (Fork::Petersburg, SpecId::PETERSBURG),
    (Fork::Istanbul, SpecId::ISTANBUL),
    (Fork::Berlin, SpecId::BERLIN),
    (Fork::London, SpecId::LONDON),
    (Fork::Paris, SpecId::MERGE),
    (Fork::Shanghai, SpecId::SHANGHAI),
    (Fork::Cancun, SpecId::CANCUN),
    (Fork::Prague, SpecId::PRAGUE),
    (Fork::Bpo2, SpecId::OSAKA),
];

proptest! {
    #[test]
    fn equals_the_interpreters(
        fork in 0usize..FORKS.len(),
        input in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..300),
        create in any::<bool>(),
        slots in prop::collection::vec(0usize..4, 0..4),
        authorizations in 0usize..4,
    ) {
        let (fork, spec_id) = FORKS[fork];
        // What a fork does not know yet no valid transaction of it has.
        let slots = if fork >= Fork::Berlin { slots } else { Vec::new() };
        let authorizations =
            if fork >= Fork::Prague && !create { authorizations } else { 0 };
        let access_list = AccessList(slots.iter().map(|slots| AccessListItem {
            address: Address::ZERO, storage_keys: vec![B256::ZERO; *slots],
        }).collect());
        let authorization: SignedAuthorization = Authorization {
            chain_id: Default::default(), address: Address::ZERO, nonce: 0,
        }.into_signed(Signature::test_signature());
        let wallet = Wallet::new(1);
        let tx = if authorizations > 0 {
            wallet.sign(TxEip7702 {
                input: input.clone().into(), access_list,
                authorization_list: vec![authorization; authorizations], ..TxEip7702::default()
            })
        } else {
            let to = if create { TxKind::Create } else { TxKind::Call(Address::ZERO) };
            wallet.sign(TxEip1559 {
                to, input: input.clone().into(), access_list, ..transfer(0)
            })
        };
        let expected = calculate_initial_tx_gas(
            spec_id, &input, create, slots.len() as u64, slots.iter().sum::<usize>() as u64,
            authorizations as u64, None,
        );
        prop_assert_eq!(intrinsic_gas(&tx, fork), expected.initial_total_gas());
        if fork >= Fork::Prague {
            prop_assert_eq!(floor_data_gas(&input), expected.floor_gas());
        }
    }
}
