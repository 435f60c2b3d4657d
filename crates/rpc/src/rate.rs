//! How many requests an address may make: one token bucket for each.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Instant,
};

/// Seconds of requests that may come at once after a pause.
const BURST_SECONDS: f64 = 2.0;

/// Most addresses that are remembered; where more ask, those with full buckets are forgotten first.
const MOST_ADDRESSES: usize = 65_536;

/// The buckets of all addresses.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimit {
    /// `per_second` requests of each address.
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self { per_second: per_second.get().into(), buckets: Mutex::default() }
    }

    /// Requests of one address that are allowed in a second.
    pub(crate) const fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Takes a token of `address` at the time `now`; false where there is none.
    pub(crate) fn take(&self, address: IpAddr, now: Instant) -> bool {
        let most = self.per_second * BURST_SECONDS;
        let mut buckets = self.buckets.lock();
        let address = network(address);
        if buckets.len() >= MOST_ADDRESSES && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < most);
            if buckets.len() >= MOST_ADDRESSES {
                // So many at once are no ordinary clients: nobody new is served for the moment.
                return false;
            }
        }
        let full = Bucket { tokens: most, at: now };
        let bucket = buckets.entry(address).or_insert(full);
        let tokens = self.filled(*bucket, now);
        let taken = tokens >= 1.0;
        *bucket = Bucket { tokens: if taken { tokens - 1.0 } else { tokens }, at: now };
        taken
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + passed * self.per_second).min(self.per_second * BURST_SECONDS)
    }
}

/// One customer has a whole /64 of IPv6 addresses and could use each of them once.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limit(per_second: u32) -> RateLimit {
        RateLimit::new(NonZeroU32::new(per_second).unwrap())
    }

    fn taken(limit: &RateLimit, address: &str, now: Instant, tries: usize) -> usize {
        let address = address.parse().unwrap();
        (0..tries).filter(|_| limit.take(address, now)).count()
    }

    #[test]
    fn a_burst_passes_and_then_what_the_rate_allows() {
        let (limit, start) = (limit(10), Instant::now());
        assert_eq!(taken(&limit, "10.0.0.1", start, 100), 20);
        assert_eq!(taken(&limit, "10.0.0.2", start, 5), 5);
        let later = start + Duration::from_millis(500);
        assert_eq!(taken(&limit, "10.0.0.1", later, 100), 5);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(taken(&limit, "10.0.0.1", much_later, 100), 20);
    }

    #[test]
    fn forms_of_one_address_share_a_bucket_and_so_does_a_network() {
        let (limit, now) = (limit(1), Instant::now());
        assert_eq!(taken(&limit, "10.0.0.1", now, 1), 1);
        assert_eq!(taken(&limit, "::ffff:10.0.0.1", now, 9), 1);
        assert_eq!(taken(&limit, "2001:db8::1", now, 1), 1);
        assert_eq!(taken(&limit, "2001:db8::2", now, 9), 1);
        assert_eq!(taken(&limit, "2001:db8:0:1::2", now, 9), 2);
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let (limit, start) = (limit(1), Instant::now());
        for number in 0..MOST_ADDRESSES as u32 + 10 {
            limit.take(IpAddr::V4(number.into()), start);
        }
        assert_eq!(limit.buckets.lock().len(), MOST_ADDRESSES);
        let later = start + Duration::from_secs(10);
        assert_eq!(taken(&limit, "192.0.2.1", later, 9), 2);
        assert_eq!(limit.buckets.lock().len(), 1);
    }
}
