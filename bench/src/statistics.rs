//! Quantiles of measured times.

use std::time::Duration;

/// The `quantile` (0 to 1) of some times in milliseconds, by the nearest rank; `None` for none.
pub(crate) fn quantile_ms(times: &mut [Duration], quantile: f64) -> Option<f64> {
    self::quantile(times, quantile).map(|time| time.as_secs_f64() * 1000.0)
}

/// The `quantile` (0 to 1) of some values, by the nearest rank; `None` for none.
pub(crate) fn quantile<T: Copy + Ord>(values: &mut [T], quantile: f64) -> Option<T> {
    let last = values.len().checked_sub(1)?;
    values.sort_unstable();
    let rank = (quantile * values.len() as f64).ceil() as usize;
    Some(values[rank.saturating_sub(1).min(last)])
}

/// The median of some times; `None` for none.
pub(crate) fn median(times: &mut [Duration]) -> Option<Duration> {
    times.sort_unstable();
    let middle = times.len() / 2;
    let upper = *times.get(middle)?;
    Some(if times.len() % 2 == 1 { upper } else { (times[middle - 1] + upper) / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks() {
        let mut times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(quantile_ms(&mut times, 0.5), Some(50.0));
        assert_eq!(quantile_ms(&mut times, 0.99), Some(99.0));
        assert_eq!(quantile_ms(&mut times, 1.0), Some(100.0));
        assert_eq!(quantile_ms(&mut [], 0.5), None);
        assert_eq!(median(&mut times), Some(Duration::from_micros(50_500)));
        assert_eq!(median(&mut times[..3]), Some(Duration::from_millis(2)));
    }
}
