//! The values that a location takes in the course of a batch.

use alloy_primitives::{Address, B256, U256};
use revm::{
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};
use smallvec::SmallVec;

use crate::{
    Conflict, LocationKind, own_code::NOBODY, validation::AccountRead, write_set::AccountWrite,
};

/// A read met a value that an earlier transaction is known to be about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// The earlier transaction.
    pub(crate) writer: u32,
    /// What it is about to change.
    pub(crate) kind: LocationKind,
}

impl Blocked {
    /// What transaction `reader` waits for, which has read the account at `address`, or `slot` of it.
    pub(crate) fn conflict(self, reader: u32, address: Address, slot: Option<U256>) -> Conflict {
        let Self { writer, kind } = self;
        // A slot may have to wait for whoever wipes the whole storage.
        let slot = slot.filter(|_| kind == LocationKind::Storage);
        Conflict { reader, writer, address, slot, kind }
    }
}

/// A code and its hash.
#[derive(Clone, Debug)]
pub(crate) struct CodeWrite {
    pub(crate) hash: B256,
    /// `None` where the base state gave only the hash.
    pub(crate) code: Option<Bytecode>,
}

impl CodeWrite {
    pub(crate) fn empty() -> Self {
        Self { hash: KECCAK_EMPTY, code: Some(Bytecode::default()) }
    }
}

/// One transaction's value of a location.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version<T> {
    pub(crate) writer: u32,
    pub(crate) estimate: bool,
    pub(crate) value: T,
}

impl<T> Version<T> {
    /// The version, unless it is about to change.
    pub(crate) fn known(&self, kind: LocationKind) -> Result<&Self, Blocked> {
        if self.estimate { Err(Blocked { writer: self.writer, kind }) } else { Ok(self) }
    }
}

/// The values of a location in the order of their writers: the last that is committed, or none, and
/// those of the window. `N` of them need no memory of their own.
#[derive(Debug)]
pub(crate) struct Versions<T, const N: usize = 1>(SmallVec<[Version<T>; N]>);

impl<T, const N: usize> Default for Versions<T, N> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<T, const N: usize> Versions<T, N> {
    /// The latest version by a transaction before `reader`.
    pub(crate) fn before(&self, reader: u32) -> Option<&Version<T>> {
        // Most readers come after all writers.
        match self.0.last() {
            None => None,
            Some(last) if last.writer < reader => Some(last),
            Some(_) => {
                let end = self.0.partition_point(|version| version.writer < reader);
                self.0[..end].last()
            }
        }
    }

    /// The latest version by a transaction before `reader` that is not about to change.
    fn known_before(&self, reader: u32) -> Option<&Version<T>> {
        self.0.iter().rfind(|version| version.writer < reader && !version.estimate)
    }

    /// Whether no version is by `reader` or a later transaction.
    pub(crate) fn all_before(&self, reader: u32) -> bool {
        self.0.last().is_none_or(|last| last.writer < reader)
    }

    /// The latest version by a transaction before `reader`, unless it is about to change.
    pub(crate) fn resolve(
        &self,
        reader: u32,
        kind: LocationKind,
    ) -> Result<Option<&Version<T>>, Blocked> {
        self.before(reader).map(|version| version.known(kind)).transpose()
    }

    /// Sets the value that `writer` gives. Nobody before transaction `floor` reads any more.
    pub(crate) fn set(&mut self, writer: u32, value: T, floor: u32) {
        while self.0.len() > 1 && self.0[1].writer < floor {
            self.0.remove(0);
        }
        let version = Version { writer, estimate: false, value };
        match self.0.last() {
            Some(last) if last.writer >= writer => {
                match self.0.binary_search_by_key(&writer, |version| version.writer) {
                    Ok(at) => self.0[at] = version,
                    Err(at) => self.0.insert(at, version),
                }
            }
            _ => self.0.push(version),
        }
    }

    /// Takes over the version of `writer` in `versions`, which has no others.
    fn take_over(&mut self, writer: u32, versions: Self) {
        for version in versions.0 {
            self.set(writer, version.value, 0);
            if version.estimate {
                self.mark_estimate(writer);
            }
        }
    }

    pub(crate) fn remove(&mut self, writer: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&writer, |version| version.writer) {
            self.0.remove(at);
        }
    }

    pub(crate) fn mark_estimate(&mut self, writer: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&writer, |version| version.writer) {
            self.0[at].estimate = true;
        }
    }
}

/// Which fields of an account were written by a transaction of the batch when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versioned {
    pub(crate) balance: bool,
    pub(crate) nonce: bool,
    pub(crate) code: bool,
    pub(crate) exists: bool,
}

/// The fields of an account that somebody wrote.
#[derive(Debug, Default)]
pub(crate) struct AccountEntry {
    pub(crate) balance: Versions<U256>,
    pub(crate) nonce: Versions<u64>,
    /// `None`: nobody wrote any of it.
    pub(crate) rare: Option<Box<RareVersions>>,
}

/// The versions of what few transactions write.
#[derive(Debug, Default)]
pub(crate) struct RareVersions {
    pub(crate) code: Versions<CodeWrite>,
    pub(crate) exists: Versions<bool>,
}

impl AccountEntry {
    /// The account as transaction `reader` sees it, given what it is in the base, and which fields of it
    /// are not the base's.
    pub(crate) fn resolve(
        &self,
        base: Option<AccountInfo>,
        reader: u32,
    ) -> Result<(Option<AccountInfo>, Versioned), Blocked> {
        let balance = self.balance.resolve(reader, LocationKind::Balance)?;
        let nonce = self.nonce.resolve(reader, LocationKind::Nonce)?;
        let (code, exists) = match &self.rare {
            None => (None, None),
            Some(rare) => (
                rare.code.resolve(reader, LocationKind::Code)?,
                rare.exists.resolve(reader, LocationKind::Existence)?,
            ),
        };
        let versioned = Versioned {
            balance: balance.is_some(),
            nonce: nonce.is_some(),
            code: code.is_some(),
            exists: exists.is_some(),
        };
        if !exists.map_or(base.is_some(), |version| version.value) {
            return Ok((None, versioned));
        }
        let mut info = base.unwrap_or(NOBODY);
        if let Some(version) = balance {
            info.balance = version.value;
        }
        if let Some(version) = nonce {
            info.nonce = version.value;
        }
        if let Some(version) = code {
            (info.code_hash, info.code) = (version.value.hash, version.value.code.clone());
        }
        info.account_id = None;
        Ok((Some(info), versioned))
    }

    /// The account with the balance and nonce that transactions before `reader` have given it so far,
    /// and otherwise as it is in the base; `None` where other fields of it were written, too.
    pub(crate) fn so_far(&self, base: AccountInfo, reader: u32) -> Option<AccountInfo> {
        if self.rare.is_some() {
            return None;
        }
        let mut info = base;
        if let Some(version) = self.balance.known_before(reader) {
            info.balance = version.value;
        }
        if let Some(version) = self.nonce.known_before(reader) {
            info.nonce = version.value;
        }
        Some(info)
    }

    /// Takes over the balance and nonce that `writer`, who has written neither before, has in `entry`.
    pub(crate) fn take_over(&mut self, writer: u32, entry: Self) {
        self.balance.take_over(writer, entry.balance);
        self.nonce.take_over(writer, entry.nonce);
    }

    /// Removes the balance and nonce of `writer`.
    pub(crate) fn remove(&mut self, writer: u32) {
        self.balance.remove(writer);
        self.nonce.remove(writer);
    }

    /// Marks what `writer` wrote as about to change.
    pub(crate) fn mark_estimate(&mut self, writer: u32) {
        self.balance.mark_estimate(writer);
        self.nonce.mark_estimate(writer);
        if let Some(rare) = &mut self.rare {
            rare.code.mark_estimate(writer);
            rare.exists.mark_estimate(writer);
        }
    }

    /// Removes what `writer` wrote in `stale` and does not in `kept`.
    pub(crate) fn withdraw(
        &mut self,
        writer: u32,
        stale: &AccountWrite,
        kept: Option<&AccountWrite>,
    ) {
        if stale.balance.is_some() && kept.is_none_or(|kept| kept.balance.is_none()) {
            self.balance.remove(writer);
        }
        if stale.nonce.is_some() && kept.is_none_or(|kept| kept.nonce.is_none()) {
            self.nonce.remove(writer);
        }
        let Some(rare) = &mut self.rare else { return };
        if stale.code.is_some() && kept.is_none_or(|kept| kept.code.is_none()) {
            rare.code.remove(writer);
        }
        if stale.exists.is_some() && kept.is_none_or(|kept| kept.exists.is_none()) {
            rare.exists.remove(writer);
        }
    }

    /// The first field of `read` that transaction `reader` would see otherwise now, and who wrote it
    /// (`None`: nobody any more). What came from the base is the same as long as nobody has written it.
    pub(crate) fn difference(
        &self,
        read: &AccountRead,
        reader: u32,
    ) -> Option<(LocationKind, Option<u32>)> {
        let Versioned { balance, nonce, code, exists } = read.versioned;
        let rare = self.rare.as_deref();
        let code_now = rare.and_then(|rare| rare.code.before(reader));
        let is_code = |code: &CodeWrite| code.hash == read.code_hash;
        let exists_now = rare.and_then(|rare| rare.exists.before(reader));
        let differences = [
            (
                LocationKind::Balance,
                differs(self.balance.before(reader), balance, |now| *now == read.balance),
            ),
            (
                LocationKind::Nonce,
                differs(self.nonce.before(reader), nonce, |now| *now == read.nonce),
            ),
            (LocationKind::Code, differs(code_now, code, is_code)),
            (LocationKind::Existence, differs(exists_now, exists, |now| *now == read.exists)),
        ];
        differences.into_iter().find_map(|(kind, writer)| Some((kind, writer?)))
    }
}

/// Who wrote what is now another value than what was read, or about to be: where there is no version
/// any more, nobody. A value that was `versioned` when it was read is another without its version, too.
fn differs<T>(
    version: Option<&Version<T>>,
    versioned: bool,
    is_same: impl FnOnce(&T) -> bool,
) -> Option<Option<u32>> {
    match version {
        Some(version) => {
            (version.estimate || !is_same(&version.value)).then_some(Some(version.writer))
        }
        None => versioned.then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_waits_for_a_wipe_names_no_slot() {
        let (address, slot) = (Address::repeat_byte(1), Some(U256::from(7)));
        let waits = |kind| Blocked { writer: 3, kind }.conflict(5, address, slot);
        assert_eq!(waits(LocationKind::Storage).slot, slot);
        assert_eq!(waits(LocationKind::Existence).slot, None);
    }

    #[test]
    fn what_is_about_to_change_is_passed_over_so_far() {
        let base = AccountInfo { balance: U256::from(100), nonce: 4, ..AccountInfo::default() };
        let mut entry = AccountEntry::default();
        for (writer, left) in [(2, 90), (5, 80), (8, 70)] {
            entry.balance.set(writer, U256::from(left), 0);
            entry.nonce.set(writer, 4 + u64::from(writer), 0);
        }
        entry.balance.mark_estimate(5);
        entry.nonce.mark_estimate(5);
        let so_far = |reader| {
            let info = entry.so_far(base.clone(), reader).unwrap();
            (info.balance.to::<u64>(), info.nonce)
        };
        assert_eq!(so_far(2), (100, 4));
        assert_eq!(so_far(5), (90, 6));
        assert_eq!(so_far(8), (90, 6), "an estimate is no value");
        assert_eq!(so_far(9), (70, 12));
        assert!(entry.resolve(Some(base.clone()), 8).is_err());
        entry.rare = Some(Box::default());
        assert!(entry.so_far(base, 9).is_none(), "its code may have changed");
    }
}
