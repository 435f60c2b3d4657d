//! The values that a field or a slot takes in the course of a block.

use alloy_eip7928::{BalanceChange, BlockAccessIndex, NonceChange, StorageChange};
use alloy_primitives::U256;

/// A change in a list of them, sorted by their indexes.
pub(super) trait Change {
    type Value: Copy;
    fn index(&self) -> BlockAccessIndex;
    fn value(&self) -> Self::Value;
}

macro_rules! change {
    ($change:ty, $field:ident: $value:ty) => {
        impl Change for $change {
            type Value = $value;
            fn index(&self) -> BlockAccessIndex {
                self.block_access_index
            }
            fn value(&self) -> $value {
                self.$field
            }
        }
    };
}

change!(BalanceChange, post_balance: U256);
change!(NonceChange, new_nonce: u64);
change!(StorageChange, new_value: U256);

/// Most fields and slots change once at most: that change is kept here, so that the list itself is not
/// looked at again.
#[derive(Debug)]
pub(super) enum Changes<'l, C: Change> {
    Few(Option<(BlockAccessIndex, C::Value)>),
    Many(&'l [C]),
}

impl<'l, C: Change> Changes<'l, C> {
    pub(super) fn new(changes: &'l [C]) -> Self {
        match changes {
            [] => Self::Few(None),
            [one] => Self::Few(Some((one.index(), one.value()))),
            many => Self::Many(many),
        }
    }

    /// The last value before `index`; `None`: the base's.
    pub(super) fn before(&self, index: BlockAccessIndex) -> Option<C::Value> {
        match self {
            Self::Few(one) => one.filter(|(at, _)| *at < index).map(|(_, value)| value),
            Self::Many(changes) => changes[..count_before(changes, index)].last().map(C::value),
        }
    }

    /// The value that it gets at `index`.
    pub(super) fn exactly(&self, index: BlockAccessIndex) -> Option<C::Value> {
        match self {
            Self::Few(one) => one.filter(|(at, _)| *at == index).map(|(_, value)| value),
            Self::Many(changes) => {
                let next = changes.get(count_before(changes, index))?;
                (next.index() == index).then(|| next.value())
            }
        }
    }
}

/// How many of `changes` come before `index`.
fn count_before<C: Change>(changes: &[C], index: BlockAccessIndex) -> usize {
    let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return 0 };
    let (first, last, wanted) = (first.index().get(), last.index().get(), index.get());
    if wanted <= first {
        return 0;
    }
    if wanted > last {
        return changes.len();
    }
    // What changes often changes all the time, so a guess is seldom far off.
    let steps = changes.len() as u64 - 1;
    let guess = 1 + ((wanted - first - 1) * steps / (last - first)) as usize;
    let before = |place: usize| changes.get(place).is_some_and(|it| it.index() < index);
    if before(guess - 1) && !before(guess) {
        return guess;
    }
    changes.partition_point(|change| change.index() < index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::btree_set, prelude::*};

    proptest! {
        #[test]
        fn values_are_those_of_a_plain_search(indexes in btree_set(0..200u64, 0..60)) {
            let changes: Vec<_> = indexes
                .iter()
                .map(|index| NonceChange::new(BlockAccessIndex::new(*index), 1_000 + index))
                .collect();
            let listed = Changes::new(&changes);
            for index in 0..=201u64 {
                let at = BlockAccessIndex::new(index);
                let before = indexes.range(..index).next_back().map(|found| 1_000 + found);
                let exactly = indexes.get(&index).map(|found| 1_000 + found);
                prop_assert_eq!(listed.before(at), before);
                prop_assert_eq!(listed.exactly(at), exactly);
            }
        }
    }
}
