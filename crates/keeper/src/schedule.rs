//! Points of the calendar, by a cron expression.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, NaiveDate, Utc};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The end of the year 4900, in seconds: calendars are not followed further.
const LATEST: u64 = 92_465_711_999;

/// A cron expression, read: minute, hour, day of the month, month, day of the week, with an optional second before
/// them. Times are UTC. Days of the month and of the week that are both restricted are alternatives, as POSIX and
/// Vixie's cron have it; `L`, `W`, `#` and names are understood.
#[derive(Clone, Debug)]
pub struct Schedule {
    expression: Arc<str>,
    cron: Arc<Cron>,
}

/// A cron expression that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("\"{expression}\" is no cron expression: {reason}")]
pub struct ScheduleError {
    expression: String,
    reason: String,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(expression: &str) -> Result<Self, Self::Err> {
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| ScheduleError {
            expression: expression.into(),
            reason: error.to_string(),
        })?;
        if !has_days(&cron) {
            let reason = "no day of any calendar fits it".into();
            return Err(ScheduleError { expression: expression.into(), reason });
        }
        Ok(Self { expression: expression.into(), cron: Arc::new(cron) })
    }
}

/// Whether any day fits. Weekdays and leap days repeat every 28 years; a search without an end would let whoever registers
/// the 30th of February cost everybody milliseconds.
fn has_days(cron: &Cron) -> bool {
    let first = |values: Vec<u16>| values.first().copied().map(u32::from);
    let pattern = &cron.pattern;
    let times = (
        first(pattern.hours.values()),
        first(pattern.minutes.values()),
        first(pattern.seconds.values()),
    );
    let (Some(hour), Some(minute), Some(second)) = times else { return false };
    let begin = NaiveDate::from_ymd_opt(2000, 1, 1).expect("a date");
    begin
        .iter_days()
        .take(28 * 366)
        .filter_map(|day| day.and_hms_opt(hour, minute, second))
        .any(|time| cron.is_time_matching(&time.and_utc()).unwrap_or(false))
}

impl Schedule {
    /// The expression as it was registered.
    pub fn as_str(&self) -> &str {
        &self.expression
    }

    /// The first point after `second`, both in seconds since the Unix epoch; `None` where there is none any more.
    pub fn next_after(&self, second: u64) -> Option<u64> {
        let second = i64::try_from(second).ok().filter(|_| second <= LATEST)?;
        let after: DateTime<Utc> = DateTime::from_timestamp(second, 0)?;
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        u64::try_from(next.timestamp()).ok()
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

impl Eq for Schedule {}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expression = String::deserialize(deserializer)?;
        expression.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-01-01 00:00:00 UTC, a Thursday.
    const NEW_YEAR: u64 = 1_767_225_600;

    fn next(expression: &str, second: u64) -> Option<u64> {
        expression.parse::<Schedule>().unwrap().next_after(second)
    }

    #[test]
    fn points_are_those_of_the_calendar() {
        assert_eq!(next("* * * * *", NEW_YEAR), Some(NEW_YEAR + 60));
        assert_eq!(next("* * * * *", NEW_YEAR - 1), Some(NEW_YEAR));
        assert_eq!(next("*/5 * * * * *", NEW_YEAR + 5), Some(NEW_YEAR + 10));
        assert_eq!(next("30 12 * * *", NEW_YEAR), Some(NEW_YEAR + 45_000));
        // 1 or 7 is Monday or Sunday, as POSIX numbers them: the fifth is a Monday.
        assert_eq!(next("0 0 * * 1", NEW_YEAR), Some(NEW_YEAR + 4 * 86_400));
        // Either the 3rd or a Friday: the 2nd is one.
        assert_eq!(next("0 0 3 * FRI", NEW_YEAR), Some(NEW_YEAR + 86_400));
        // 2028 is the next leap year.
        assert_eq!(next("0 0 29 2 *", NEW_YEAR), Some(1_835_395_200));
        assert_eq!(next("* * * * *", u64::MAX), None);
    }

    #[test]
    fn rubbish_is_refused_with_a_reason() {
        for expression in [
            "",
            "*",
            "61 * * * *",
            "* * * *",
            "* * * * * * * 2026",
            "a b c d e",
            "@",
            "\u{e9} * * * *",
            "0 0 30 2 *",
            "0 0 31 2,4,6,9,11 *",
        ] {
            let error = expression.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains("is no cron expression: "), "{error}");
        }
    }

    proptest! {
        /// Anybody may register anything.
        #[test]
        fn rubbish_never_panics(expression in ".{0,40}", fields in "([-0-9*/,LW#?+a-zA-Z@\\PC]{0,8} ){4,6}[^ ]{0,8}") {
            for text in [&expression, &fields] {
                if let Ok(schedule) = text.parse::<Schedule>() {
                    schedule.next_after(0);
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(expression in "[-0-9*/,LW#?A-Z@ ]{0,24}", second in 0..LATEST + 10) {
            if let Ok(schedule) = expression.parse::<Schedule>() {
                let next = schedule.next_after(second);
                prop_assert!(next.is_none_or(|next| next > second));
                let json = serde_json::to_string(&schedule).unwrap();
                prop_assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
            }
        }
    }
}
