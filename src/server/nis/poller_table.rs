//! Who has been asking on new connections, and who of them is a slave.
//!
//! A client that polls on a new connection each time is known by its address alone, and several clients may share one: the
//! slave, and a monitor beside it. So what is remembered of an address is the slowest rhythm in which it has been asked from
//! there lately: a monitor that asks more often, or that keeps a connection and closes it, makes nobody forget the slave. It
//! has gone when nobody there has asked for twice that time.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Who has not been seen for so long is not listed; two questions this far apart are no polling.
const FORGET_AFTER: Duration = Duration::from_secs(120);
/// Questions closer together are one look (a slave of apcupsd asks three times at its start).
const DEDUP_WINDOW: Duration = Duration::from_millis(200);
/// A slave has this long for its next question, however fast the last ones came: on battery one of apcupsd asks every 2 s.
const SHORTEST: Duration = Duration::from_secs(5);
/// Sources kept. Another takes the place of one that does not poll, the one silent longest first; of one that polls only if all
/// do, the one that came last: who has been asking regularly is not forgotten for who comes from ever new addresses.
const MAX_SOURCES: usize = 256;

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub address: IpAddr,
    /// Since when it has been coming without a pause of [`FORGET_AFTER`].
    pub since: Instant,
    seen: Instant,
    /// When it asked for the status last, on a new connection.
    asked: Option<Instant>,
    /// The longest time between two such questions: since `window`, and in as long before that.
    longest: [Option<Duration>; 2],
    window: Instant,
}

impl Source {
    const fn new(address: IpAddr, now: Instant) -> Self {
        Self { address, since: now, seen: now, asked: None, longest: [None; 2], window: now }
    }

    /// Whether it polls.
    pub fn is_polling(&self, now: Instant) -> bool {
        self.rhythm().is_some()
            && self.asked.is_some_and(|asked| now.saturating_duration_since(asked) <= FORGET_AFTER)
    }

    /// Whether it polls and its next question is not overdue.
    fn is_there(&self, now: Instant) -> bool {
        let (Some(rhythm), Some(asked)) = (self.rhythm(), self.asked) else { return false };
        self.is_polling(now) && now.saturating_duration_since(asked) <= (rhythm * 2).max(SHORTEST)
    }

    fn rhythm(&self) -> Option<Duration> {
        self.longest.into_iter().flatten().max()
    }

    fn note(&mut self, now: Instant) {
        let pause = self.asked.map(|asked| now.saturating_duration_since(asked));
        if pause.is_some_and(|pause| pause < DEDUP_WINDOW) {
            return;
        }
        let window = now.saturating_duration_since(self.window);
        if window >= FORGET_AFTER {
            let [latest, _] = self.longest;
            self.longest = [None, latest.filter(|_| window < FORGET_AFTER * 2)];
            self.window = now;
        }
        self.asked = Some(now);
        if let Some(pause) = pause.filter(|pause| *pause <= FORGET_AFTER) {
            let [latest, _] = &mut self.longest;
            *latest = (*latest).max(Some(pause));
        }
    }
}

/// The sources of the last two minutes.
#[derive(Debug, Default)]
pub(super) struct PollerTable {
    sources: Vec<Source>,
}

impl PollerTable {
    /// This source has asked something; `status`: for the status, on a connection on which it had not before.
    pub fn note(&mut self, address: IpAddr, status: bool, now: Instant) {
        let old = |source: &Source| now.saturating_duration_since(source.seen) > FORGET_AFTER;
        let index = match self.sources.iter().position(|source| source.address == address) {
            Some(index) => index,
            None => self.place(address, now),
        };
        let Some(source) = self.sources.get_mut(index) else { return };
        if old(source) {
            *source = Source::new(address, now);
        }
        source.seen = now;
        if status {
            source.note(now);
        }
    }

    /// A place for a new source.
    fn place(&mut self, address: IpAddr, now: Instant) -> usize {
        let fresh = Source::new(address, now);
        if self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|source| now.saturating_duration_since(source.seen) <= FORGET_AFTER);
        }
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(fresh);
            return self.sources.len() - 1;
        }
        let least = |a: &Source, b: &Source| match (a.is_polling(now), b.is_polling(now)) {
            (false, false) => a.seen.cmp(&b.seen),
            (true, true) => b.since.cmp(&a.since),
            (a, b) => a.cmp(&b),
        };
        let found = self.sources.iter().enumerate().min_by(|(_, a), (_, b)| least(a, b));
        let index = found.map_or(0, |(index, _)| index);
        if let Some(place) = self.sources.get_mut(index) {
            *place = fresh;
        }
        index
    }

    /// Who has been seen in the last two minutes.
    pub fn seen(&self, now: Instant) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| now.saturating_duration_since(source.seen) <= FORGET_AFTER)
    }

    /// Who polls, from another machine, and has not gone.
    pub fn slaves(&self, now: Instant) -> impl Iterator<Item = IpAddr> {
        let there = move |source: &&Source| !source.address.is_loopback() && source.is_there(now);
        self.sources.iter().filter(there).map(|source| source.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn host(n: u16) -> IpAddr {
        let [high, low] = n.to_be_bytes();
        Ipv4Addr::new(10, 0, high, low).into()
    }

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
        Instant::now()
    }

    /// Status questions of one source at these seconds; whether it is a slave at `at`.
    fn is_slave(asked: &[f64], at: f64) -> bool {
        let start = start();
        let moment = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut pollers = PollerTable::default();
        for seconds in asked {
            pollers.note(host(1), true, moment(*seconds));
        }
        pollers.slaves(moment(at)).count() == 1
    }

    #[test]
    fn a_slave_is_who_asks_again_and_again_and_has_gone_after_twice_its_own_time() {
        assert!(!is_slave(&[0.0], 1.0), "once is not polling");
        assert!(!is_slave(&[0.0, 0.05, 0.1], 0.2), "at one moment is once");
        assert!(is_slave(&[0.0, 60.0], 119.0) && !is_slave(&[0.0, 60.0], 181.0));
        assert!(is_slave(&[0.0, 4.0, 8.0], 16.0) && !is_slave(&[0.0, 4.0, 8.0], 16.1));
        assert!(!is_slave(&[0.0, 121.0], 121.0), "seen twice, not within two minutes");
        // Five seconds at least: a busy slave on battery.
        assert!(is_slave(&[0.0, 0.3, 0.6], 5.6) && !is_slave(&[0.0, 0.3, 0.6], 5.7));
        assert!(is_slave(&[0.0, 2.0, 4.0], 9.0) && !is_slave(&[0.0, 2.0, 4.0], 9.1));
    }

    #[test]
    fn a_monitor_at_a_slaves_address_makes_nobody_forget_the_slave() {
        // A slave that asks every minute, and beside it somebody who asks some times within seconds, and stops.
        let mut asked = vec![0.0, 60.0];
        asked.extend((0..20).map(|n| 61.0 + f64::from(n) / 2.0));
        assert!(is_slave(&asked, 119.0));
        asked.push(120.0);
        assert!(is_slave(&asked, 200.0));
        // A rhythm that has changed, as on battery, counts for itself after four minutes.
        let mut asked = vec![0.0, 60.0];
        asked.extend((0..130).map(|n| 62.0 + f64::from(n) * 2.0));
        assert!(is_slave(&asked, 325.0) && !is_slave(&asked, 326.0));
    }

    #[test]
    fn pollers_at_loopback_and_who_asks_for_something_else_are_no_slaves() {
        let start = start();
        let mut pollers = PollerTable::default();
        for second in 0..3 {
            for address in [host(1), host(2), Ipv4Addr::LOCALHOST.into()] {
                pollers.note(address, true, start + Duration::from_secs(second));
            }
            pollers.note(host(3), false, start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(pollers.slaves(now).collect::<Vec<_>>(), [host(1), host(2)]);
        assert_eq!(pollers.seen(now).count(), 4);
        assert_eq!(pollers.seen(now + FORGET_AFTER).count(), 0);
    }

    #[test]
    fn the_table_is_bounded_and_the_longest_silent_makes_room() {
        let start = start();
        let mut pollers = PollerTable::default();
        for n in 0..1000 {
            pollers.note(host(n), true, start + Duration::from_millis(n.into()));
        }
        assert_eq!(pollers.sources.len(), MAX_SOURCES);
        assert!(pollers.sources.iter().all(|source| source.address >= host(1000 - MAX_SOURCES as u16)));
        pollers.note(host(2000), true, start + Duration::from_secs(300));
        let seen: Vec<IpAddr> = pollers.seen(start + Duration::from_secs(300)).map(|s| s.address).collect();
        assert_eq!(seen, [host(2000)]);
    }

    #[test]
    fn however_many_addresses_ask_who_has_been_polling_is_not_forgotten() {
        let start = start();
        let moment =
            |seconds: u64, n: u16| start + Duration::from_secs(seconds) + Duration::from_millis(n.into());
        let mut pollers = PollerTable::default();
        let slaves: Vec<IpAddr> = (0..10).map(host).collect();
        for minute in 0..6 {
            for slave in &slaves {
                pollers.note(*slave, true, moment(minute * 60, 0));
            }
            // Strangers, from the second minute on: a new thousand each minute, then the same thousand, who look like slaves, again
            // and again.
            for n in 0..if minute == 0 { 0 } else { 1000u16 } {
                let address = if minute < 3 { 1000 * (minute as u16 + 1) + n } else { 5000 + n };
                for second in [0, 2] {
                    pollers.note(host(address), true, moment(minute * 60 + 1 + second, n));
                }
            }
            if minute > 0 {
                let there: Vec<IpAddr> = pollers.slaves(moment(minute * 60 + 5, 0)).collect();
                assert!(slaves.iter().all(|slave| there.contains(slave)), "minute {minute}");
            }
            assert!(pollers.sources.len() <= MAX_SOURCES);
        }
    }
}
