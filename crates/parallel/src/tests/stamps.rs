//! Stamps: what they tell, and which location has which.

use alloy_primitives::{Address, U256};

use crate::stamps::{
    COUNT_BITS, COUNT_MOST, EACH, LEAST, MANY, MOST, Spot, Stamp, Stamps, Writers,
};

#[test]
fn a_stamp_names_one_writer_and_then_counts() {
    let stamps = Stamps::default();
    let (mut taken, address) = (Vec::new(), Address::repeat_byte(7));
    let spot = stamps.account_spot(address);
    let begun = stamps.read_account(address, &mut taken);
    assert!(begun.is_untouched() && begun.writers() == Writers::Nobody);
    let one = begun.after_one(0).unwrap();
    assert!(stamps.change(begun, one) && !stamps.change(begun, one));
    assert!(!stamps.is_current(taken[0]));
    assert_eq!(one.writers(), Writers::One(0));
    assert_eq!(one.after_one(1), None, "that would be two");
    // As often as it is written, it is another.
    let mut last = one;
    for _ in 0..COUNT_MOST {
        let next = last.after_one(0).unwrap();
        assert!(next.seen > last.seen && next.writers() == Writers::One(0));
        assert!(stamps.change(last, next));
        assert_eq!(stamps.find(spot), next);
        last = next;
    }
    assert_eq!(last.after_one(0), None, "it would be the next one's");
    let many = last.after_many();
    assert!(stamps.change(last, many));
    assert_eq!(many.after_one(0), None);
    let (before, after) = stamps.count(begun);
    assert!(before == many && after.seen == many.seen + 1);
    assert_eq!((after.writers(), stamps.find(spot)), (Writers::Many, after));
    let latest = (MANY >> COUNT_BITS) as u32 - 2;
    assert_eq!(begun.after_one(latest).unwrap().writers(), Writers::One(latest));
    assert_eq!(begun.after_one(latest + 1), None, "that has no place");
}

#[test]
fn a_row_gives_each_location_its_own_stamp_and_the_last_one_to_the_rest() {
    let stamps = Stamps::default();
    let spot = |tag| Spot { row: 5, tag };
    // Everybody who comes before the first write has the first stamp, and sees that it is taken.
    let readers: Vec<_> = (100..112).map(|tag| stamps.find(spot(tag))).collect();
    assert!(readers.iter().all(|stamp| stamp.is_untouched() && stamp.place == readers[0].place));
    for tag in 100..108 {
        let found = stamps.find(spot(tag));
        assert!(found.is_untouched());
        assert!(stamps.change(found, found.after_one(tag).unwrap()));
    }
    assert!(readers.iter().all(|stamp| !stamps.is_current(*stamp)));
    for tag in 100..108 {
        assert_eq!(stamps.find(spot(tag)).writers(), Writers::One(tag));
    }
    for tag in 108..112 {
        let found = stamps.find(spot(tag));
        assert_eq!((found.writers(), found.place), (Writers::One(107), 5 * 8 + 7));
    }
    let shared = stamps.find(spot(110));
    assert!(stamps.change(shared, shared.after_many()));
    assert_eq!(stamps.find(spot(107)).writers(), Writers::Many, "the owner finds it still");
}

#[test]
fn a_writer_passes_on_its_own_change_only() {
    let stamp = |tag, seen| Stamp { place: 3, tag, seen };
    let mut taken = stamp(1, 0);
    taken.pass(stamp(1, 0), stamp(1, 256));
    assert_eq!(taken, stamp(1, 256));
    taken.pass(stamp(1, 257), stamp(1, 258));
    assert_eq!(taken, stamp(1, 256), "somebody else has come between");
    taken.pass(Stamp { place: 4, ..taken }, stamp(1, 257));
    assert_eq!(taken, stamp(1, 256), "that is elsewhere");
    let mut other = stamp(2, 0);
    other.pass(stamp(1, 0), stamp(1, 256));
    assert_eq!(other, stamp(2, 0), "the next stamp may be its own");
}

#[test]
fn a_page_is_noted_down_once() {
    let (stamps, mut taken) = (Stamps::default(), Vec::new());
    for _ in 0..3 {
        stamps.read_page(Address::ZERO, U256::from(5), &mut taken);
    }
    assert_eq!(taken.len(), 1);
}

#[test]
fn stamps_grow_with_batches_and_begin_at_zero() {
    let (address, page) = (Address::repeat_byte(1), U256::from(5));
    let mut stamps = Stamps::default();
    for transactions in [0, 10, 100_000, 1_000, usize::MAX] {
        stamps.prepare(transactions);
        let enough = transactions.saturating_mul(EACH).clamp(LEAST, MOST);
        assert!((enough..=MOST).contains(&stamps.used));
        let begun = stamps.read_page(address, page, &mut Vec::new());
        assert!(begun.is_untouched());
        assert!(stamps.change(begun, begun.after_many()));
        assert!(!stamps.read_page(address, page, &mut Vec::new()).is_untouched());
        stamps.clear();
    }
}

/// What transactions usually touch does not fall into few rows.
#[test]
fn neighbours_have_stamps_of_their_own() {
    let stamps = Stamps::default();
    let address =
        |number: u64| Address::from_word(alloy_primitives::keccak256(number.to_be_bytes()));
    let mut spots = Vec::new();
    for number in 0..40 {
        spots.push(stamps.account_spot(address(number)));
        for page in 0..24u64 {
            spots.push(stamps.page_spot(address(number), U256::from(page)));
        }
    }
    for number in 0..500u64 {
        let page = U256::from_be_bytes(alloy_primitives::keccak256(number.to_le_bytes()).0);
        spots.push(stamps.page_spot(address(0), page));
    }
    for spot in &spots {
        let found = stamps.find(*spot);
        stamps.change(found, found.after_one(1).unwrap_or(found));
    }
    let mut places: Vec<_> = spots.iter().map(|spot| stamps.find(*spot).place).collect();
    places.sort_unstable();
    places.dedup();
    // 1,500 throws at 2,048 rows of eight leave hardly one without a stamp of its own.
    assert!(places.len() > 1_495, "{} of 1,500", places.len());
}
