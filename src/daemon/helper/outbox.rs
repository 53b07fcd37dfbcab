//! What waits to be sent over a socket between roles.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::ups::MAX_LINE;
use crate::wire::helper::FromHelper;

/// When the socket is full, another try is made after so long.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// Most packets that wait before one that may be lost is.
const MAX_WAITING: usize = 256;

/// Packets in order, and a configuration in pieces after them.
#[derive(Debug, Default)]
pub struct Outbox {
    packets: VecDeque<Vec<u8>>,
    configuration: Option<(Vec<u8>, usize)>,
    retry_at: Option<Instant>,
}

impl Outbox {
    /// A packet that must arrive.
    pub fn push(&mut self, packet: Vec<u8>) {
        self.packets.push_back(packet);
    }

    /// A packet that is lost where too many wait; false: it is.
    pub fn push_if_room(&mut self, packet: Vec<u8>) -> bool {
        let has_room = self.packets.len() < MAX_WAITING;
        if has_room {
            self.packets.push_back(packet);
        }
        has_room
    }

    /// A packet that takes the place of those before it that begin with the same tag.
    pub fn replace(&mut self, packet: Vec<u8>) {
        self.packets.retain(|waiting| waiting.first() != packet.first());
        self.packets.push_back(packet);
    }

    /// A configuration as its reader has told it; one that is on its way is void.
    pub fn push_configuration(&mut self, answer: Vec<u8>) {
        self.configuration = Some((answer, 0));
    }

    /// Who comes next has the configuration already.
    pub fn drop_configuration(&mut self) {
        self.configuration = None;
    }

    /// Sends what can be sent. An error: nobody is at the other end.
    pub fn send(&mut self, now: Instant, send: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.retry_at = None;
        loop {
            let sent = match (self.packets.front(), &self.configuration) {
                (Some(packet), _) => send(packet),
                (None, Some((answer, at))) => send(&piece(answer, *at).0.encode()),
                (None, None) => return Ok(()),
            };
            match sent {
                Ok(()) if self.packets.pop_front().is_some() => {}
                Ok(()) => {
                    self.configuration = self
                        .configuration
                        .take()
                        .map(|(answer, at)| (piece(&answer, at).1, answer))
                        .and_then(|(next, answer)| next.map(|next| (answer, next)));
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(error),
                // Full, or the kernel has no memory for it.
                Err(_) => {
                    self.retry_at = Some(now + RETRY_INTERVAL);
                    return Ok(());
                }
            }
        }
    }

    /// How many packets wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.packets.len()
    }

    /// What waits, as text.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.packets.iter().map(|packet| String::from_utf8_lossy(packet)).collect()
    }

    /// When to call [`Outbox::send`] again.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.retry_at
    }
}

/// The piece that begins there, and where the next one does.
fn piece(answer: &[u8], at: usize) -> (FromHelper<'_>, Option<usize>) {
    let rest = answer.get(at..).unwrap_or_default();
    let bytes = rest.get(..MAX_LINE).unwrap_or(rest);
    let last = bytes.len() == rest.len();
    (FromHelper::Configuration { last, bytes }, (!last).then_some(at + bytes.len()))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn what_waits_is_sent_in_order_a_configuration_last_and_in_pieces() {
        let now = Instant::now();
        let sent = RefCell::new(Vec::new());
        let room = RefCell::new(2);
        let send = |packet: &[u8]| {
            if *room.borrow() == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            *room.borrow_mut() -= 1;
            sent.borrow_mut().push(packet.to_vec());
            Ok(())
        };
        let mut outbox = Outbox::default();
        let answer: Vec<u8> = (0..MAX_LINE + 5).map(|at| at.to_le_bytes()[0]).collect();
        outbox.push_configuration(answer.clone());
        outbox.push(b"O1".to_vec());
        outbox.push(b"r".to_vec());
        outbox.replace(b"O2".to_vec());
        outbox.send(now, send).unwrap();
        assert_eq!(*sent.borrow(), [b"r".to_vec(), b"O2".to_vec()]);
        assert_eq!(outbox.poll_timeout(), Some(now + RETRY_INTERVAL));
        *room.borrow_mut() = 9;
        outbox.send(now, send).unwrap();
        assert!(
            outbox.packets.is_empty() && outbox.configuration.is_none() && outbox.poll_timeout().is_none()
        );
        let pieces: Vec<_> =
            sent.borrow()[2..].iter().map(|packet| FromHelper::decode(packet).is_some()).collect();
        assert_eq!(pieces, [true, true]);
        let bytes: Vec<u8> = sent.borrow()[2..].iter().flat_map(|packet| packet[2..].to_vec()).collect();
        assert_eq!(bytes, answer);
        assert_eq!(sent.borrow().iter().map(|packet| packet[1..2].to_vec()).next_back(), Some(vec![1]));
    }

    #[test]
    fn what_may_be_lost_is_when_too_much_waits() {
        let mut outbox = Outbox::default();
        for _ in 0..MAX_WAITING {
            assert!(outbox.push_if_room(vec![1]));
        }
        assert!(!outbox.push_if_room(vec![1]));
        outbox.push(vec![2]);
        assert_eq!(outbox.packets.len(), MAX_WAITING + 1);
        assert!(outbox.send(Instant::now(), |_| Err(io::ErrorKind::BrokenPipe.into())).is_err());
    }
}
