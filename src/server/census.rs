//! Who has been asking, and who of them is a slave.
//!
//! A client that polls on a new connection each time is known by its address alone. It is a slave while it asks for the
//! status again and again; it has gone when it has not for twice the time that it takes between two questions.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Who has not been seen for so long is not listed; two questions this far apart are no polling.
const SEEN: Duration = Duration::from_secs(120);
/// Questions closer together are one look (a slave of apcupsd asks three times at its start).
const APART: Duration = Duration::from_millis(200);
/// A slave has this long for its next question, however fast the last two came.
const SHORTEST: Duration = Duration::from_secs(1);
/// Sources kept; another takes the place of the one that has been silent longest.
const MOST: usize = 64;

/// One source.
#[derive(Debug)]
pub(super) struct Source {
    pub address: IpAddr,
    /// Since when it has been coming without a pause of [`SEEN`].
    pub since: Instant,
    seen: Instant,
    /// When it asked for the status, latest first.
    asked: [Option<Instant>; 3],
}

impl Source {
    /// Whether it polls.
    pub fn is_polling(&self, now: Instant) -> bool {
        let [Some(last), Some(before), _] = self.asked else { return false };
        last.saturating_duration_since(before) <= SEEN && now.saturating_duration_since(last) <= SEEN
    }

    /// Whether it polls and its next question is not overdue.
    fn is_there(&self, now: Instant) -> bool {
        let [Some(last), Some(before), third] = self.asked else { return false };
        let gap = last.saturating_duration_since(before);
        let longest = third.map_or(gap, |third| gap.max(before.saturating_duration_since(third)));
        let overdue = now.saturating_duration_since(last) > longest.max(SHORTEST) * 2;
        self.is_polling(now) && !overdue
    }
}

/// The sources of the last two minutes.
#[derive(Debug, Default)]
pub(super) struct Census {
    sources: Vec<Source>,
}

impl Census {
    /// This source has asked something; `status`: for the status.
    pub fn note(&mut self, address: IpAddr, status: bool, now: Instant) {
        let old = |source: &Source| now.saturating_duration_since(source.seen) > SEEN;
        let fresh = Source { address, since: now, seen: now, asked: [None; 3] };
        let source = match self.sources.iter().position(|source| source.address == address) {
            Some(index) => self.sources.get_mut(index),
            None if self.sources.len() < MOST => {
                self.sources.retain(|source| !old(source));
                self.sources.push(fresh);
                self.sources.last_mut()
            }
            None => self.sources.iter_mut().min_by_key(|source| source.seen).map(|place| {
                *place = fresh;
                place
            }),
        };
        let Some(source) = source else { return };
        if old(source) {
            source.since = now;
            source.asked = [None; 3];
        }
        source.seen = now;
        let [last, before, _] = source.asked;
        if status && last.is_none_or(|last| now.saturating_duration_since(last) >= APART) {
            source.asked = [Some(now), last, before];
        }
    }

    /// This source has closed the connection that it polled on.
    pub fn left(&mut self, address: IpAddr) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.address == address) {
            source.asked = [None; 3];
        }
    }

    /// Who has been seen in the last two minutes.
    pub fn seen(&self, now: Instant) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| now.saturating_duration_since(source.seen) <= SEEN)
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

    fn host(n: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, n).into()
    }

    /// Status questions of one source at these seconds; whether it is a slave at the last of `at`.
    fn is_slave(asked: &[f64], at: f64) -> bool {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let moment = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut census = Census::default();
        for seconds in asked {
            census.note(host(1), true, moment(*seconds));
        }
        census.slaves(moment(at)).count() == 1
    }

    #[test]
    fn a_slave_is_who_asks_again_and_again_and_has_gone_after_twice_its_own_time() {
        assert!(!is_slave(&[0.0], 1.0), "once is not polling");
        assert!(!is_slave(&[0.0, 0.05, 0.1], 0.2), "at one moment is once");
        assert!(is_slave(&[0.0, 60.0], 119.0) && !is_slave(&[0.0, 60.0], 181.0));
        assert!(is_slave(&[0.0, 2.0, 4.0], 8.0) && !is_slave(&[0.0, 2.0, 4.0], 8.1));
        assert!(!is_slave(&[0.0, 121.0], 121.0), "seen twice, not within two minutes");
        // Not overdue by the time before the last outage's, nor by a second client at the same address.
        assert!(is_slave(&[0.0, 60.0, 62.0], 100.0) && is_slave(&[0.0, 30.0, 30.5], 60.0));
        assert!(is_slave(&[0.0, 0.3, 0.6], 2.6) && !is_slave(&[0.0, 0.3, 0.6], 2.7));
    }

    #[test]
    fn loopback_pollers_and_who_closed_its_connection_are_no_slaves() {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let mut census = Census::default();
        for second in 0..3 {
            for address in [host(1), host(2), Ipv4Addr::LOCALHOST.into()] {
                census.note(address, true, start + Duration::from_secs(second));
            }
            census.note(host(3), false, start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(census.slaves(now).collect::<Vec<_>>(), [host(1), host(2)]);
        census.left(host(1));
        assert_eq!(census.slaves(now).collect::<Vec<_>>(), [host(2)]);
        assert_eq!(census.seen(now).count(), 4);
        assert_eq!(census.seen(now + SEEN).count(), 0);
    }

    #[test]
    fn the_table_is_bounded_and_the_longest_silent_makes_room() {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let mut census = Census::default();
        for n in 0..200 {
            census.note(host(n), true, start + Duration::from_millis(n.into()));
        }
        assert_eq!(census.sources.len(), MOST);
        assert!(census.sources.iter().all(|source| source.address >= host(136)));
        census.note(host(250), true, start + Duration::from_secs(300));
        let seen: Vec<IpAddr> = census.seen(start + Duration::from_secs(300)).map(|s| s.address).collect();
        assert_eq!(seen, [host(250)]);
    }
}
