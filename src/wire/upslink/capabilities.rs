//! What a unit can do: the answer to `a` (apcsmart §7, §13).

/// A set of query bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Set(u128);

impl Set {
    /// Adds a byte; those of 128 and more are of no use to us and left out.
    pub const fn insert(&mut self, byte: u8) {
        if byte < 128 {
            self.0 |= 1 << byte;
        }
    }

    /// Whether the byte is in it.
    #[must_use]
    pub const fn contains(self, byte: u8) -> bool {
        byte < 128 && self.0 & (1 << byte) != 0
    }
}

/// The answer to `a`: `VERSION.ALERTS.COMMANDS`, on some models with a fourth part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of the protocol.
    pub version: u8,
    /// The commands.
    pub commands: Set,
}

impl Capabilities {
    /// Reads the answer to `a`, from which nothing must have been taken out. `None` if it is no such list.
    ///
    /// What stands in the alerts counts as a command too, which does no harm: no query of ours is an alert. A list that does not
    /// know the status byte is damaged: without it no unit can be watched, and probing finds out more.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let mut parts = answer.splitn(3, |byte| *byte == b'.');
        let version = parts.next()?;
        let _alerts = parts.next()?;
        let listed = parts.next()?;
        let version = match version {
            [.., digit] if digit.is_ascii_digit() => digit - b'0',
            _ => return None,
        };
        let mut commands = Set::default();
        for byte in listed.iter().take_while(|byte| **byte != b'.') {
            commands.insert(*byte);
        }
        commands.contains(super::STATUS).then_some(Self { version, commands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_with_its_control_characters_and_without_its_alerts() {
        let parsed = Capabilities::parse(b"3.!$%+?=#|.\x01\x0e\x1aABQYfj'~8.\x9f:\xd3").unwrap();
        assert_eq!(parsed.version, 3);
        for byte in b"\x01\x0e\x1aABQYfj'~8" {
            assert!(parsed.commands.contains(*byte), "{byte}");
        }
        for byte in b"!$%c.:\x9f\xd3" {
            assert!(!parsed.commands.contains(*byte), "{byte}");
        }
    }

    #[test]
    fn an_alert_that_falls_into_a_list_spoils_nothing() {
        let list = b"3.!$.\x01ABQYfj";
        for at in 0..=list.len() {
            for alert in b"!$%+#|" {
                let mut torn = list.to_vec();
                torn.insert(at, *alert);
                let Some(parsed) = Capabilities::parse(&torn) else {
                    // Between version and dot: the list is refused and every query probed.
                    assert_eq!(at, 1);
                    continue;
                };
                for byte in b"\x01ABQYfj" {
                    assert!(parsed.commands.contains(*byte), "{byte} at {at}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_list_is_none() {
        for answer in [b"".as_slice(), b"NA", b"SM", b"3", b"3.", b"3.!$", b"3.!$.", b"3.!$.ABC", b".!.Q"] {
            assert_eq!(Capabilities::parse(answer), None, "{answer:?}");
        }
    }
}
