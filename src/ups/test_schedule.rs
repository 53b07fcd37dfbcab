//! The dates on which a UPS is told to test itself.

use std::fmt;

use super::calendar::civil;

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// 1970-01-01, by its place in [`DAYS`].
const FIRST_DAY: i64 = 4;
const DAY: i64 = 86_400;
/// So long after its time a date counts, in seconds: a time that the change to summer time leaves out is an hour later.
const COUNTS: i64 = 3_600;

/// A day of each week, or the first of its name in each month, and a time of that day; in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestSchedule {
    monthly: bool,
    /// Place in [`DAYS`].
    weekday: u8,
    /// Minutes from midnight.
    minute: u16,
}

impl TestSchedule {
    /// `weekly` or `monthly`, then a day (`sun` if none is given) and a time (`03:00`). `None`: it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let mut words = text.split_ascii_whitespace().peekable();
        let monthly = match words.next()? {
            "weekly" => false,
            "monthly" => true,
            _ => return None,
        };
        let mut schedule = Self { monthly, weekday: 0, minute: 3 * 60 };
        let day = words.peek().and_then(|word| DAYS.iter().position(|day| day == word));
        if let Some(day) = day {
            schedule.weekday = u8::try_from(day).ok()?;
            words.next();
        }
        if let Some(time) = words.next() {
            let (hour, minute) = time.split_once(':')?;
            let number = |text: &str, below: u16| {
                let is_plain =
                    (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u16>().ok().filter(|number| is_plain && *number < below)
            };
            schedule.minute = number(hour, 24)? * 60 + number(minute, 60)?;
        }
        words.next().is_none().then_some(schedule)
    }

    /// The date that has come at this moment, in days since 1970-01-01; `None`: there is none, or its hour is over. `local`: what clocks show
    /// here, in seconds since 1970-01-01 00:00 of such a clock.
    #[must_use]
    pub fn date(&self, local: i64) -> Option<i64> {
        let past_time = local.saturating_sub(i64::from(self.minute) * 60);
        let day = past_time.div_euclid(DAY);
        let is_day = (day + FIRST_DAY).rem_euclid(7) == i64::from(self.weekday);
        let is_week = !self.monthly || civil(day).2 <= 7;
        (past_time.rem_euclid(DAY) < COUNTS && is_day && is_week).then_some(day)
    }
}

impl fmt::Display for TestSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = if self.monthly { "monthly" } else { "weekly" };
        let day = DAYS.get(usize::from(self.weekday)).copied().unwrap_or_default();
        write!(f, "{every} {day} {:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::calendar_date;
    use proptest::prelude::*;

    /// All dates of so many days from 2026-01-01 on, looked at each minute.
    fn dates(text: &str, days: i64) -> Vec<String> {
        let schedule = TestSchedule::parse(text).unwrap();
        let begin = 20_454 * DAY;
        let mut found: Vec<i64> =
            (0..days * 1440).filter_map(|minute| schedule.date(begin + minute * 60)).collect();
        found.dedup();
        found.into_iter().map(calendar_date).collect()
    }

    #[test]
    fn a_schedule_is_what_it_was_written_as() {
        for (text, whole) in [
            ("weekly", "weekly sun 03:00"),
            ("monthly", "monthly sun 03:00"),
            ("Weekly SAT 4:05", "weekly sat 04:05"),
            ("monthly 23:59", "monthly sun 23:59"),
        ] {
            assert_eq!(TestSchedule::parse(text).unwrap().to_string(), whole);
            assert_eq!(TestSchedule::parse(whole), TestSchedule::parse(text));
        }
        for text in [
            "",
            "daily",
            "sun 03:00",
            "weekly 24:00",
            "weekly 3",
            "weekly 3:60",
            "weekly +3:00",
            "weekly sun mon",
            "weekly 03:00 sun",
            "weekly sunday",
            "weekly sun 03:00 x",
            "weekly 003:00",
            "hourly",
        ] {
            assert_eq!(TestSchedule::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_a_week_apart_or_the_first_of_a_month() {
        assert_eq!(dates("weekly", 15), ["2026-01-04", "2026-01-11"]);
        assert_eq!(dates("weekly thu 23:30", 9), ["2026-01-01", "2026-01-08"], "its hour goes over midnight");
        let first_sundays = ["2026-01-04", "2026-02-01", "2026-03-01", "2026-04-05", "2026-05-03"];
        assert_eq!(dates("monthly sun 03:00", 130), first_sundays);
    }

    #[test]
    fn a_date_lasts_an_hour() {
        let schedule = TestSchedule::parse("weekly sun 03:00").unwrap();
        let three = 20_457 * DAY + 3 * 3_600;
        assert_eq!([three - 1, three + 3_600].map(|local| schedule.date(local)), [None; 2]);
        assert_eq!([three, three + 3_599].map(|local| schedule.date(local)), [Some(20_457); 2]);
    }

    proptest! {
        #[test]
        fn any_clock_and_any_text_are_a_date_or_none(local: i64, text in "(weekly|monthly)?.{0,20}") {
            if let Some(schedule) = TestSchedule::parse(&text) {
                prop_assert!(schedule.date(local).is_none_or(|day| day <= local.div_euclid(DAY)));
                prop_assert_eq!(TestSchedule::parse(&schedule.to_string()), Some(schedule));
            }
        }
    }
}
