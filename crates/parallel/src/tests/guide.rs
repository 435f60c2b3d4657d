//! Knows the accounts as the transactions made so far have left them, so that the next can be made
//! to fit, or to be wrong by just one.

use alloy_evm::EvmEnv;
use alloy_primitives::{Address, map::AddressMap};
use revm::{
    Database, context::TxEnv, context_interface::either::Either, database::InMemoryDB,
    state::AccountInfo,
};

use super::world::World;
use crate::{cache::BatchCache, payment::Payments, sequential::execute_in_order};

pub(crate) struct Guide<'a> {
    cache: BatchCache<&'a InMemoryDB>,
    env: &'a EvmEnv,
    payments: Payments<'a>,
    short_payments: usize,
    /// Nonces as they would be if everything was valid; `None`: as they are.
    optimistic: Option<AddressMap<u64>>,
}

impl<'a> Guide<'a> {
    pub(super) fn new(state: &'a InMemoryDB, env: &'a EvmEnv, world: &World) -> Self {
        Self {
            cache: BatchCache::new(state),
            env,
            payments: Payments::new(env),
            short_payments: 0,
            optimistic: (!world.guided).then(AddressMap::default),
        }
    }

    pub(crate) fn account(&mut self, address: Address) -> AccountInfo {
        self.cache.basic(address).unwrap().unwrap_or_default()
    }

    pub(crate) fn nonce(&mut self, address: Address) -> u64 {
        let optimistic = self.optimistic.as_ref().and_then(|nonces| nonces.get(&address));
        match optimistic {
            Some(nonce) => *nonce,
            None => self.account(address).nonce,
        }
    }

    /// Goes on beyond `transaction`.
    pub(crate) fn pass(&mut self, transaction: &TxEnv) {
        let nonce = self.nonce(transaction.caller);
        if let Some(nonces) = &mut self.optimistic
            && transaction.nonce == nonce
            && nonce != u64::MAX
        {
            nonces.insert(transaction.caller, nonce + 1);
            for authorization in &transaction.authorization_list {
                let Either::Right(authorization) = authorization else { continue };
                let Some(authority) = authorization.authority() else { continue };
                if let Some(nonce) = nonces.get_mut(&authority)
                    && authorization.nonce == *nonce
                {
                    *nonce += 1;
                }
            }
        }
        if self.payments.pay(&mut self.cache, transaction).unwrap().is_some() {
            self.short_payments += 1;
        }
        let transaction = std::slice::from_ref(transaction);
        let mut outcome = Vec::with_capacity(1);
        execute_in_order(&mut self.cache, self.env, transaction, None, &mut outcome, |_| true)
            .unwrap();
    }

    pub(crate) fn short_payments(&self) -> usize {
        self.short_payments
    }
}
