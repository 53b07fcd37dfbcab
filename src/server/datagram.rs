//! Datagrams: one question, one answer; never an amplifier.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;

use super::protocol::Protocol;
use crate::ups::RateLimit;

/// Most answers to one source in any second.
const ANSWERS_A_SECOND: usize = 10;
/// Most bytes to one source in any second: an answer to `events`, or ten to `status`. A forged source gets what another asked
/// for, and events are two thousand times as long as the question.
const BYTES_A_SECOND: usize = 16 * 1024;
/// Bytes to all sources together: so many kilobytes at once, and as many a second.
const KILOBYTES: RateLimit = RateLimit::new(256, Duration::from_micros(3906));
/// Most sources answered within one second; further ones get nothing.
const SOURCES: usize = 64;
/// Datagrams read before others have their turn.
const DATAGRAMS_A_TURN: u32 = 64;
/// Longer than any question, so that a longer datagram cannot be cut to one.
const REQUEST_BYTES_MAX: usize = 32;

/// Who has been answered in the last second.
#[derive(Debug)]
pub(super) struct Limiter {
    sources: Vec<Source>,
    kilobytes: RateLimit,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { sources: Vec::new(), kilobytes: KILOBYTES }
    }
}

#[derive(Debug)]
struct Source {
    address: IpAddr,
    /// The last answers, oldest first from `next` on, and how long they were.
    at: [Option<(Instant, usize)>; ANSWERS_A_SECOND],
    next: usize,
}

impl Source {
    /// The lengths of the answers of the last second.
    fn lengths(&self, now: Instant) -> impl Iterator<Item = usize> {
        let recent = move |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(1);
        self.at.iter().flatten().filter(move |(at, _)| recent(*at)).map(|(_, length)| *length)
    }
}

impl Limiter {
    /// Whether it is worth making an answer for this source.
    pub fn may_ask(&mut self, address: IpAddr, now: Instant) -> bool {
        let source = self.sources.iter().find(|source| source.address == address);
        let answers = source.map_or(0, |source| source.lengths(now).count());
        answers < ANSWERS_A_SECOND && self.kilobytes.is_there(now)
    }

    /// Whether this source may have an answer of this length now; if so, it is counted.
    pub fn allow(&mut self, address: IpAddr, length: usize, now: Instant) -> bool {
        let known = self.sources.iter().position(|s| s.address == address);
        let index = known.or_else(|| {
            let fresh = Source { address, at: [None; ANSWERS_A_SECOND], next: 0 };
            if self.sources.len() < SOURCES {
                self.sources.push(fresh);
                return Some(self.sources.len() - 1);
            }
            let quiet = self.sources.iter().position(|s| s.lengths(now).next().is_none())?;
            *self.sources.get_mut(quiet)? = fresh;
            Some(quiet)
        });
        let Some(source) = index.and_then(|i| self.sources.get_mut(i)) else { return false };
        let (answers, bytes) = source.lengths(now).fold((0, 0), |(n, sum), length| (n + 1, sum + length));
        let kilobytes = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
        if answers >= ANSWERS_A_SECOND
            || bytes + length > BYTES_A_SECOND
            || !self.kilobytes.take_all(kilobytes, now)
        {
            return false;
        }
        if let Some(oldest) = source.at.get_mut(source.next) {
            *oldest = Some((now, length));
        }
        source.next = (source.next + 1) % ANSWERS_A_SECOND;
        true
    }
}

/// Answers what has come. True: there may be more.
pub(super) fn answer<P: Protocol>(
    socket: &UdpSocket,
    allowed: &dyn Fn(IpAddr) -> bool,
    limiter: &mut Limiter,
    now: Instant,
    protocol: &mut P,
    source: &mut P::Source,
) -> bool {
    let mut received = false;
    for _ in 0..DATAGRAMS_A_TURN {
        let mut buffer = [0; REQUEST_BYTES_MAX];
        let (length, peer) = match socket.recv_from(&mut buffer) {
            Ok(datagram) => datagram,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            // An error reported for an earlier datagram; it does not concern the next one.
            Err(_) => continue,
        };
        received = true;
        let ip = peer.ip();
        if peer.port() == 0 || !allowed(ip) || !limiter.may_ask(ip, now) {
            continue;
        }
        let datagram = buffer.get(..length).unwrap_or(&[]);
        let Some(answer) = protocol.answer_datagram(datagram, source) else { continue };
        if !limiter.allow(ip, answer.len(), now) {
            continue;
        }
        // A datagram may get lost; the client asks again.
        let _ = socket.send_to(&answer, peer);
    }
    // A socket that does nothing but fail must not keep the loop busy; the next datagram wakes it.
    received
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn start() -> Instant {
        #[allow(clippy::disallowed_methods)]
        Instant::now()
    }

    fn host(n: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, n).into()
    }

    #[test]
    fn no_second_holds_more_than_ten_answers_to_one_source() {
        let start = start();
        let mut limiter = Limiter::default();
        let mut allowed = Vec::new();
        for step in 0..3000 {
            let now = start + Duration::from_millis(step * 7);
            if limiter.allow(host(1), 1300, now) {
                allowed.push(now);
            }
        }
        for (i, at) in allowed.iter().enumerate() {
            let within = allowed[i..].iter().filter(|t| **t - *at < Duration::from_secs(1)).count();
            assert!(within <= 10, "{within} answers in a second");
        }
        assert!(allowed.len() > 150, "only {} answers in 21 s", allowed.len());
    }

    #[test]
    fn one_source_does_not_use_up_the_answers_of_another() {
        let now = start();
        let mut limiter = Limiter::default();
        assert_eq!((0..50).filter(|_| limiter.allow(host(1), 1300, now)).count(), 10);
        assert!(limiter.allow(host(2), 1300, now));
    }

    #[test]
    fn no_second_holds_more_than_its_bytes_to_one_source_nor_to_all() {
        let start = start();
        let (mut limiter, mut to_one, mut to_all) = (Limiter::default(), 0, 0);
        for step in 0..10_000u32 {
            let now = start + Duration::from_millis(step.into());
            // Answers to events, to 60 sources that somebody forges.
            for n in 0..60 {
                let sent = if limiter.may_ask(host(n), now) && limiter.allow(host(n), 13_000, now) {
                    13_000
                } else {
                    0
                };
                to_one += if n == 1 { sent } else { 0 };
                to_all += sent;
            }
        }
        assert!(to_one <= 13_000 * 11, "{to_one} bytes in 10 s");
        assert!((2_000_000..=3_000_000).contains(&to_all), "{to_all} bytes in 10 s");
    }

    #[test]
    fn the_table_is_bounded_and_quiet_sources_make_room() {
        let now = start();
        let mut limiter = Limiter::default();
        let answered = (0..200).filter(|n| limiter.allow(host(*n), 1300, now)).count();
        assert_eq!((answered, limiter.sources.len()), (SOURCES, SOURCES));
        assert!(limiter.allow(host(250), 1300, now + Duration::from_secs(1)));
        assert_eq!(limiter.sources.len(), SOURCES);
    }
}
