//! Where the keys of a long sorted list stand, and a cell for each.
//!
//! Invariant: a part is made once, by the first who asks for it, and never changes place. So no
//! thread pays for the whole list before it can begin, and a part that nobody asks for costs nothing.

use std::{hash::Hash, sync::OnceLock};

use alloy_primitives::{Address, U256, map::HashMap};

/// Entries of a part: small enough to be made in some microseconds.
const PART: usize = 256;
/// Up to so many entries are searched without a table.
const SEARCHED: usize = 8;

/// A key whose first bits tell about where it stands among others.
pub(super) trait Key: Copy + Ord + Hash {
    /// The first 32 bits.
    fn first_bits(&self) -> u32;
}

impl Key for Address {
    fn first_bits(&self) -> u32 {
        u32::from_be_bytes([self[0], self[1], self[2], self[3]])
    }
}

impl Key for U256 {
    fn first_bits(&self) -> u32 {
        (self.as_limbs()[3] >> 32) as u32
    }
}

/// See the module's documentation. The list itself stays with the caller, who gives its keys.
#[derive(Debug)]
pub(super) struct Parts<K, T> {
    len: usize,
    /// The first key of each part.
    firsts: Box<[K]>,
    parts: Box<[OnceLock<Part<K, T>>]>,
}

#[derive(Debug)]
struct Part<K, T> {
    /// `None` for few entries.
    places: Option<HashMap<K, u32>>,
    cells: Box<[T]>,
}

impl<K: Key, T> Parts<K, T> {
    /// For a list of `len` keys, which `key` gives by their place.
    pub(super) fn new(len: usize, key: impl Fn(usize) -> K) -> Self {
        let firsts: Box<[K]> = (0..len).step_by(PART).map(key).collect();
        let parts = firsts.iter().map(|_| OnceLock::new()).collect();
        Self { len, firsts, parts }
    }

    /// Place and cell of `wanted`; `make` makes the cells of a part, given its places.
    pub(super) fn find(
        &self,
        wanted: &K,
        key: impl Fn(usize) -> K,
        make: impl FnOnce(std::ops::Range<usize>) -> Box<[T]>,
    ) -> Option<(usize, &T)> {
        let number = self.part_of(wanted)?;
        let begin = number * PART;
        let places = begin..self.len.min(begin + PART);
        let part = self.parts[number].get_or_init(|| Part {
            places: (places.len() > SEARCHED)
                .then(|| places.clone().zip(0..).map(|(place, at)| (key(place), at)).collect()),
            cells: make(places.clone()),
        });
        let at = match &part.places {
            Some(table) => *table.get(wanted)? as usize,
            None => places.clone().position(|place| key(place) == *wanted)?,
        };
        Some((begin + at, part.cells.get(at)?))
    }

    /// The part in which `wanted` stands, if anywhere.
    fn part_of(&self, wanted: &K) -> Option<usize> {
        let count = self.firsts.len();
        // Addresses and hashed slots are spread evenly, so a guess is seldom far off.
        let mut guess = ((u64::from(wanted.first_bits()) * count as u64) >> 32) as usize;
        for _ in 0..3 {
            if self.firsts.get(guess)? > wanted {
                guess = guess.checked_sub(1)?;
            } else if self.firsts.get(guess + 1).is_some_and(|next| next <= wanted) {
                guess += 1;
            } else {
                return Some(guess);
            }
        }
        self.firsts.partition_point(|first| first <= wanted).checked_sub(1)
    }

    /// The cell at `place`, if somebody has asked for its part before.
    pub(super) fn at(&self, place: usize) -> Option<&T> {
        self.parts.get(place / PART)?.get()?.cells.get(place % PART)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key is found at its place and nothing else is found, whatever the length and however
    /// the keys are spread.
    #[test]
    fn finds_what_is_there() {
        let small = |number: usize| U256::from(number);
        let even = |number: usize| U256::from(number) << 243;
        let upper_half = |number: usize| (U256::from(number) << 200) | (U256::from(1) << 255);
        let spreads: [&dyn Fn(usize) -> U256; 3] = [&small, &even, &upper_half];
        for (spread, len) in spreads.iter().flat_map(|spread| {
            [0, 1, 2, SEARCHED, SEARCHED + 1, PART, PART + 1, 3 * PART + 7, 10 * PART]
                .map(|len| (spread, len))
        }) {
            let key = |place: usize| spread(3 * place + 1);
            let parts = Parts::new(len, key);
            let make = |places: std::ops::Range<usize>| places.map(|place| place * 10).collect();
            for number in 0..3 * len + 5 {
                let expected = (number % 3 == 1 && number < 3 * len)
                    .then_some(number / 3)
                    .map(|place| (place, place * 10));
                let found = parts.find(&spread(number), key, make);
                let found = found.map(|(place, cell)| (place, *cell));
                assert_eq!(found, expected, "{number} of {len}");
            }
            for place in 0..len {
                assert_eq!(parts.at(place), Some(&(place * 10)));
            }
            assert_eq!(parts.at(len), None);
        }
    }
}
