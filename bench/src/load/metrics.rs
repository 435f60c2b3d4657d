//! The node's own histograms, as its metrics address serves them to Prometheus.

use std::time::Duration;

use eyre::{Context as _, Result, ensure, eyre};

use super::http::Endpoint;

/// How some values are distributed; each bucket holds the values up to its bound, those of smaller buckets included.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    /// Bounds with the numbers of values; the last bound is infinite.
    buckets: Vec<(f64, u64)>,
    sum: f64,
}

impl Histogram {
    /// Asks for a histogram; an empty one where nothing has been recorded yet.
    pub(crate) fn read(endpoint: &Endpoint, name: &str, timeout: Duration) -> Result<Self> {
        let mut connection = endpoint.connect(timeout)?;
        let text = connection.exchange(&endpoint.get())?;
        Self::parse(std::str::from_utf8(text)?, name)
    }

    fn parse(text: &str, name: &str) -> Result<Self> {
        let mut histogram = Self::default();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix(name) else { continue };
            let value = || line.rsplit_once(' ').map_or("", |(_, value)| value);
            let number = || value().parse::<f64>().with_context(|| format!("in {line:?}"));
            if rest.starts_with("_bucket") {
                let bound = rest
                    .split_once("le=\"")
                    .and_then(|(_, rest)| rest.split_once('"'))
                    .ok_or_else(|| eyre!("a bucket without its bound: {line}"))?
                    .0;
                let bound =
                    if bound == "+Inf" { f64::INFINITY } else { bound.parse().context("bound")? };
                histogram.buckets.push((bound, number()? as u64));
            } else if rest.starts_with("_sum") {
                histogram.sum = number()?;
            }
        }
        Ok(histogram)
    }

    /// What was recorded after `before`.
    pub(crate) fn since(mut self, before: &Self) -> Result<Self> {
        if before.buckets.is_empty() {
            return Ok(self);
        }
        ensure!(self.buckets.len() == before.buckets.len(), "the histogram has other buckets now");
        for (now, then) in self.buckets.iter_mut().zip(&before.buckets) {
            now.1 = now.1.saturating_sub(then.1);
        }
        self.sum -= before.sum;
        Ok(self)
    }

    /// How many values there are.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// The mean of all values; `None` for none.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum / self.count() as f64)
    }

    /// The bound of the bucket that the `quantile` (0 to 1) lies in, so that it is this at most. `None` for no values and
    /// where only infinity bounds it.
    pub(crate) fn at_most(&self, quantile: f64) -> Option<f64> {
        let rank = ((quantile * self.count() as f64).ceil() as u64).max(1);
        let (bound, _) = self.buckets.iter().find(|(_, count)| *count >= rank)?;
        bound.is_finite().then_some(*bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE wait_seconds histogram\n\
        wait_seconds_bucket{le=\"0.5\"} 10\n\
        wait_seconds_bucket{le=\"1\"} 12\n\
        wait_seconds_bucket{le=\"+Inf\"} 13\n\
        wait_seconds_sum 9.5\n\
        wait_seconds_count 13\n\
        other_bucket{le=\"1\"} 4\n";

    #[test]
    fn quantiles_lie_in_buckets() {
        let now = Histogram::parse(TEXT, "wait_seconds").unwrap();
        assert_eq!((now.count(), now.at_most(0.5), now.at_most(0.9)), (13, Some(0.5), Some(1.0)));
        assert_eq!(now.at_most(1.0), None);
        let before = Histogram { buckets: vec![(0.5, 9), (1.0, 9), (f64::INFINITY, 9)], sum: 1.5 };
        let since = now.since(&before).unwrap();
        assert_eq!((since.count(), since.mean()), (4, Some(2.0)));
        assert_eq!((since.at_most(0.25), since.at_most(0.26)), (Some(0.5), Some(1.0)));
        let none = Histogram::parse(TEXT, "absent").unwrap();
        assert_eq!((none.count(), none.mean(), none.at_most(0.5)), (0, None, None));
    }
}
