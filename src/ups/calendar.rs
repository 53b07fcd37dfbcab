//! Days as dates.

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. The year is taken to begin on
/// 1 March, so that the leap day is its last and the lengths of the months before it follow one line.
pub(crate) const fn civil(day: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let day = day + 719_468; // from 0000-03-01
    let era = day.div_euclid(DAYS_IN_400_YEARS);
    let of_era = day.rem_euclid(DAYS_IN_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

/// The day, counted from 1970-01-01, of a date of the Gregorian calendar with a year of 0 or later: the inverse of [`civil`].
#[cfg(any(feature = "tools", test))]
pub(crate) const fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * from_march + 2) / 5
        + day
        - 719_469
}

/// A day counted from 1970-01-01, as `YYYY-MM-DD`.
#[must_use]
pub fn calendar_date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date() {
        assert_eq!(
            (calendar_date(0), calendar_date(10_957)),
            ("1970-01-01".to_owned(), "2000-01-01".to_owned())
        );
        assert_eq!(
            (calendar_date(11_016), calendar_date(-1)),
            ("2000-02-29".to_owned(), "1969-12-31".to_owned())
        );
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut last = civil(-1);
        for day in 0..146_097 {
            let now = civil(day);
            let next_day = now.0 == last.0 && now.1 == last.1 && now.2 == last.2 + 1;
            let next_month = now.0 == last.0 && now.1 == last.1 + 1 && now.2 == 1 && last.2 >= 28;
            let next_year = now.0 == last.0 + 1 && now.1 == 1 && now.2 == 1 && last.1 == 12 && last.2 == 31;
            assert!(next_day || next_month || next_year, "{last:?} then {now:?}");
            assert_eq!(day_of(now.0, now.1, now.2), day, "{now:?}");
            last = now;
        }
        assert_eq!(last, (2369, 12, 31));
    }
}
