//! SELFTESTSCHEDULE: whether the UPS is told to test itself now. A test runs the load from the battery, so whatever speaks against it lets
//! the date pass, and none is made up.

use std::time::{Duration, Instant};

use crate::ups::{Fixed, Percent, StatusFlags, TestSchedule};

/// Mains must have been there for so long without a break, as far as this process has seen.
const ON_MAINS: Duration = Duration::from_secs(24 * 3_600);
/// And the charge must be more than this, in per cent.
const CHARGE: f64 = 90.0;
/// Between two tests there is so much time, whatever the clock on the wall is set to. Dates are a week apart.
const BETWEEN: Duration = Duration::from_secs(6 * 24 * 3_600);
/// So often it is looked whether a date has come.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// The UPS at one moment.
#[derive(Clone, Debug)]
pub struct Ups {
    /// As the power machine believes it.
    pub flags: StatusFlags,
    /// Its charge.
    pub charge: Option<Percent>,
    /// What else is against a test now.
    pub against: Option<String>,
    /// When the last test began that the daemon has seen, an earlier run of it since the boot too.
    pub last_test: Option<Instant>,
}

/// The dates, and what they depend on.
#[derive(Debug, Default)]
pub struct SelfTests {
    mains_since: Option<Instant>,
    /// The last date that has come, whatever became of it.
    date: Option<i64>,
    ordered_at: Option<Instant>,
    look_at: Option<Instant>,
    /// What the UPS said of the last test was a failure already when one was ordered.
    pub had_failed: bool,
}

impl SelfTests {
    /// Takes note of whether mains is there.
    pub fn note(&mut self, flags: StatusFlags, now: Instant) {
        let is_there = flags.contains(StatusFlags::ONLINE)
            && !flags.intersects(StatusFlags::ONBATT | StatusFlags::COMMLOST);
        self.mains_since = is_there.then(|| self.mains_since.unwrap_or(now));
    }

    /// The machine has slept: nobody has seen whether mains was there.
    pub const fn slept(&mut self) {
        self.mains_since = None;
    }

    /// When to look next, if there is a schedule.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// Whether it is time to look; then the next look is a minute later. Without a schedule there is none.
    pub fn is_due(&mut self, is_wanted: bool, now: Instant) -> bool {
        let is_due = is_wanted && self.look_at.is_none_or(|at| at <= now);
        if is_due || !is_wanted {
            self.look_at = now.checked_add(LOOK_INTERVAL).filter(|_| is_wanted);
        }
        is_due
    }

    /// What becomes of a date that has come just now: the test is ordered, or why it is not. `None`: none has come. `local`: as
    /// [`TestSchedule::date`] has it.
    pub fn look(
        &mut self,
        schedule: TestSchedule,
        local: i64,
        ups: &Ups,
        now: Instant,
    ) -> Option<Result<(), String>> {
        let date = schedule.date(local)?;
        if self.date.replace(date) == Some(date) {
            return None;
        }
        let against = self.against(ups, now);
        if against.is_none() {
            self.ordered_at = Some(now);
        }
        Some(against.map_or(Ok(()), Err))
    }

    fn against(&self, ups: &Ups, now: Instant) -> Option<String> {
        let for_so_long = |since: Option<Instant>| since.map(|since| now.saturating_duration_since(since));
        let last = [self.ordered_at, ups.last_test].into_iter().flatten().max();
        if ups.flags.contains(StatusFlags::COMMLOST) {
            return Some("the UPS does not answer".to_owned());
        }
        if ups.against.is_some() {
            return ups.against.clone();
        }
        if ups.flags.contains(StatusFlags::REPLACEBATT) {
            return Some("the battery must be replaced, and might drop the load".to_owned());
        }
        if for_so_long(self.mains_since).is_none_or(|time| time < ON_MAINS) {
            return Some("mains has not been seen to be there for 24 hours".to_owned());
        }
        match ups.charge {
            None => return Some("the UPS does not tell its charge".to_owned()),
            Some(Percent(charge)) if charge <= CHARGE => {
                let (charge, most) = (Fixed(charge), Fixed(CHARGE));
                return Some(format!("the charge is {charge:.0} %, and must be more than {most:.0} %"));
            }
            Some(_) => {}
        }
        let is_soon = for_so_long(last).is_some_and(|time| time < BETWEEN);
        is_soon.then(|| "the last test is less than six days ago".to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const DAY: i64 = 24 * HOUR;
    /// Sunday, 2026-03-29, 00:00, when summer time begins in Europe at 02:00.
    const SUNDAY: i64 = 20_541 * DAY;

    /// A UPS on mains, and clocks: what becomes of each date, with the local time at which it came.
    struct Life {
        tests: SelfTests,
        ups: Ups,
        schedule: TestSchedule,
        now: Instant,
        local: i64,
    }

    impl Life {
        /// Begins so many hours before that Sunday.
        fn new(schedule: &str, hours: i64) -> Self {
            let ups = Ups {
                flags: StatusFlags::ONLINE,
                charge: Some(Percent(100.0)),
                against: None,
                last_test: None,
            };
            let schedule = TestSchedule::parse(schedule).unwrap();
            let local = SUNDAY - hours * HOUR;
            Self { tests: SelfTests::default(), ups, schedule, now: Instant::now(), local }
        }

        /// Lets hours pass, with a look each minute; what came, with the hours since that Sunday.
        fn run(&mut self, hours: i64) -> Vec<(i64, Result<(), String>)> {
            let mut came = Vec::new();
            for _ in 0..hours * 60 {
                self.tests.note(self.ups.flags, self.now);
                if self.tests.is_due(true, self.now) {
                    let what = self.tests.look(self.schedule, self.local, &self.ups, self.now);
                    came.extend(what.map(|what| ((self.local - SUNDAY).div_euclid(HOUR), what)));
                }
                self.now += Duration::from_secs(60);
                self.local += 60;
            }
            came
        }

        /// What speaks against the date, after three days.
        fn against(change: impl FnOnce(&mut Self)) -> String {
            let mut life = Self::new("weekly", 72);
            assert_eq!(life.run(74), []);
            change(&mut life);
            let came = life.run(2);
            assert_eq!(came.len(), 1, "{came:?}");
            came.into_iter().next().unwrap().1.unwrap_err()
        }
    }

    #[test]
    fn a_test_is_ordered_once_at_each_date() {
        let mut life = Life::new("weekly sun 03:00", 48);
        let came = life.run(48 + 24 * 15);
        assert_eq!(came, [(3, Ok(())), (3 + 168, Ok(())), (3 + 336, Ok(()))]);
    }

    #[test]
    fn whatever_speaks_against_it_lets_the_date_pass() {
        assert_eq!(Life::against(|it| it.ups.flags |= StatusFlags::COMMLOST), "the UPS does not answer");
        assert_eq!(
            Life::against(|it| it.ups.against = Some("not now: the UPS is on battery".to_owned())),
            "not now: the UPS is on battery"
        );
        assert_eq!(
            Life::against(|it| it.ups.flags |= StatusFlags::REPLACEBATT),
            "the battery must be replaced, and might drop the load"
        );
        assert_eq!(Life::against(|it| it.ups.charge = None), "the UPS does not tell its charge");
        assert_eq!(
            Life::against(|it| it.ups.charge = Some(Percent(90.0))),
            "the charge is 90 %, and must be more than 90 %"
        );
        let not_for_a_day = "mains has not been seen to be there for 24 hours";
        assert_eq!(Life::against(|it| it.tests.slept()), not_for_a_day);
        // A minute of battery, or of silence, the day before.
        for flags in [StatusFlags::ONBATT, StatusFlags::ONLINE | StatusFlags::COMMLOST, StatusFlags::empty()]
        {
            assert_eq!(Life::against(|it| it.tests.note(flags, it.now)), not_for_a_day);
        }
        // A test of the UPS's own, which the state file knows too.
        assert_eq!(
            Life::against(|it| it.ups.last_test = Some(it.now)),
            "the last test is less than six days ago"
        );
    }

    #[test]
    fn a_daemon_that_has_just_started_waits_for_a_day_on_mains() {
        let mut life = Life::new("weekly", 20);
        assert!(matches!(&life.run(24 * 6)[..], [(3, Err(_))]), "23 hours are none");
        assert_eq!(life.run(24 * 2), [(3 + 168, Ok(()))]);
    }

    #[test]
    fn a_missed_date_is_not_made_up() {
        let mut life = Life::new("weekly", 48);
        life.run(48);
        // Off, or asleep, from midnight to five past four.
        life.local += 4 * HOUR + 300;
        life.now += Duration::from_secs(60);
        assert_eq!(life.run(24 * 6), []);
        // What spoke against it is over a minute later.
        let mut life = Life::new("weekly", 72);
        life.ups.charge = Some(Percent(50.0));
        assert!(matches!(&life.run(72 + 4)[..], [(3, Err(_))]));
        life.ups.charge = Some(Percent(100.0));
        assert_eq!(life.run(24), []);
    }

    #[test]
    fn a_time_that_summer_time_leaves_out_or_repeats_is_one_date() {
        let mut life = Life::new("weekly sun 02:30", 48);
        assert_eq!(life.run(48 + 2), []);
        life.local += HOUR;
        assert_eq!(life.run(24), [(3, Ok(()))], "from 02:00 to 03:00: at the hour after");
        let mut life = Life::new("weekly sun 02:30", 48);
        assert_eq!(life.run(48 + 3), [(2, Ok(()))]);
        life.local -= HOUR;
        assert_eq!(life.run(24), [], "from 03:00 back to 02:00: it has been");
    }

    #[test]
    fn a_clock_that_is_set_causes_no_second_test() {
        let mut life = Life::new("weekly", 48);
        assert_eq!(life.run(48 + 4), [(3, Ok(()))]);
        // A week ahead, and a week back.
        for week in [7 * DAY, -7 * DAY] {
            life.local += week - HOUR;
            let came = life.run(3);
            assert!(matches!(&came[..], [(_, Err(why))] if why.contains("six days")), "{came:?}");
            life.local -= 2 * HOUR;
        }
    }

    #[test]
    fn without_a_schedule_nothing_is_looked_at() {
        let (mut tests, now) = (SelfTests::default(), Instant::now());
        assert!(!tests.is_due(false, now) && tests.poll_timeout().is_none());
        assert!(tests.is_due(true, now) && !tests.is_due(true, now));
        assert_eq!(tests.poll_timeout(), Some(now + LOOK_INTERVAL));
        assert!(!tests.is_due(false, now) && tests.poll_timeout().is_none(), "it was taken out of the file");
    }
}
