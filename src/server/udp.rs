//! Datagrams: one question, one answer; never an amplifier.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;

use super::StatusSource;
use crate::wire::nis::Request;

/// Most answers to one source in any second.
const ANSWERS_A_SECOND: usize = 10;
/// Most sources answered within one second; further ones get nothing.
const SOURCES: usize = 64;
/// Datagrams read before others have their turn.
const DATAGRAMS_A_TURN: u32 = 64;
/// Longer than any question, so that a longer datagram cannot be cut to one.
const BUFFER: usize = 32;

/// Who has been answered in the last second.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    address: IpAddr,
    /// The last answers, oldest first from `next` on.
    at: [Option<Instant>; ANSWERS_A_SECOND],
    next: usize,
}

impl Source {
    fn is_quiet(&self, now: Instant) -> bool {
        self.at
            .iter()
            .all(|at| at.is_none_or(|at| now.saturating_duration_since(at) >= Duration::from_secs(1)))
    }
}

impl Limiter {
    /// Whether this source may have an answer now; if so, it is counted.
    pub fn allow(&mut self, address: IpAddr, now: Instant) -> bool {
        let known = self.sources.iter().position(|s| s.address == address);
        let index = known.or_else(|| {
            let fresh = Source { address, at: [None; ANSWERS_A_SECOND], next: 0 };
            if self.sources.len() < SOURCES {
                self.sources.push(fresh);
                return Some(self.sources.len() - 1);
            }
            let quiet = self.sources.iter().position(|s| s.is_quiet(now))?;
            *self.sources.get_mut(quiet)? = fresh;
            Some(quiet)
        });
        let Some(source) = index.and_then(|i| self.sources.get_mut(i)) else { return false };
        let Some(oldest) = source.at.get_mut(source.next) else { return false };
        if oldest.is_some_and(|at| now.saturating_duration_since(at) < Duration::from_secs(1)) {
            return false;
        }
        *oldest = Some(now);
        source.next = (source.next + 1) % ANSWERS_A_SECOND;
        true
    }
}

/// Answers what has come. True: there may be more.
pub(super) fn answer(
    socket: &UdpSocket,
    allowed: &dyn Fn(IpAddr) -> bool,
    limiter: &mut Limiter,
    now: Instant,
    source: &mut dyn StatusSource,
) -> bool {
    let mut received = false;
    for _ in 0..DATAGRAMS_A_TURN {
        let mut buffer = [0; BUFFER];
        let (length, peer) = match socket.recv_from(&mut buffer) {
            Ok(datagram) => datagram,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            // An error reported for an earlier datagram; it does not concern the next one.
            Err(_) => continue,
        };
        received = true;
        let Some(request) = Request::parse_datagram(buffer.get(..length).unwrap_or(&[])) else { continue };
        let ip = peer.ip();
        if peer.port() == 0 || !allowed(ip) || !limiter.allow(ip, now) {
            continue;
        }
        let answer = match request {
            Request::Status => source.status(),
            Request::Events => source.events(),
            Request::Watch | Request::Clients | Request::Unknown => continue,
        };
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
            if limiter.allow(host(1), now) {
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
        assert_eq!((0..50).filter(|_| limiter.allow(host(1), now)).count(), 10);
        assert!(limiter.allow(host(2), now));
    }

    #[test]
    fn the_table_is_bounded_and_quiet_sources_make_room() {
        let now = start();
        let mut limiter = Limiter::default();
        let answered = (0..200).filter(|n| limiter.allow(host(*n), now)).count();
        assert_eq!((answered, limiter.sources.len()), (SOURCES, SOURCES));
        assert!(limiter.allow(host(250), now + Duration::from_secs(1)));
        assert_eq!(limiter.sources.len(), SOURCES);
    }
}
