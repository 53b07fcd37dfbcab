//! Bytes from the line, sorted: alerts, and lines of answers (apcsmart §2).

use crate::wire::upslink::Alert;

/// Longest answer kept: the permitted values of the EEPROM take some hundred bytes (apcsmart §2).
const LINE_MAX: usize = 2000;

/// Which alert characters are alerts now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Filter {
    /// All of them.
    #[default]
    All,
    /// Those that can be characters of a text are text.
    Text,
    /// None: the answer lists alert characters.
    Off,
}

/// What a byte has completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The UPS said something by itself.
    Alert(Alert),
    /// An answer, without CR and LF.
    Line(Vec<u8>),
}

/// The line under way.
#[derive(Debug, Default)]
pub(super) struct Stream {
    line: Vec<u8>,
    /// Bytes that no answer ended, since the last good answer: noise, or another protocol.
    pub(super) stray: u64,
}

impl Stream {
    /// Takes in one byte.
    pub(super) fn push(&mut self, byte: u8, filter: Filter) -> Option<Item> {
        if let Some(alert) = Alert::of(byte) {
            let text = match filter {
                Filter::All => false,
                Filter::Text => alert.is_also_text(),
                Filter::Off => true,
            };
            if !text {
                return Some(Item::Alert(alert));
            }
        }
        match byte {
            b'\n' => return Some(Item::Line(std::mem::take(&mut self.line))),
            b'\r' => {}
            // The end mark of the runtime, and what a line without a sender gives.
            b':' if filter != Filter::Off => {}
            0 => self.stray = self.stray.saturating_add(1),
            _ if self.line.len() < LINE_MAX => self.line.push(byte),
            _ => self.stray = self.stray.saturating_add(1),
        }
        None
    }

    /// Forgets a line that was begun.
    pub(super) fn clear(&mut self) {
        self.stray = self.stray.saturating_add(self.line.len() as u64);
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], filter: Filter) -> (Vec<Alert>, Vec<Vec<u8>>) {
        let mut stream = Stream::default();
        let (mut alerts, mut lines) = (Vec::new(), Vec::new());
        for byte in bytes {
            match stream.push(*byte, filter) {
                Some(Item::Alert(alert)) => alerts.push(alert),
                Some(Item::Line(line)) => lines.push(line),
                None => {}
            }
        }
        (alerts, lines)
    }

    #[test]
    fn alerts_are_taken_out_of_an_answer_and_not_out_of_a_list() {
        let (alerts, lines) = all(b"0!060%:\r\n", Filter::All);
        assert_eq!(alerts, [Alert::OnBattery, Alert::BatteryLow]);
        assert_eq!(lines, [b"0060"]);
        let (alerts, lines) = all(b"R&D!#1\r\n", Filter::Text);
        assert_eq!(alerts, [Alert::OnBattery, Alert::ReplaceBattery]);
        assert_eq!(lines, [b"R&D1"]);
        let (alerts, lines) = all(b"3.!$%+?=#|.Q:\r\n", Filter::Off);
        assert_eq!(alerts, []);
        assert_eq!(lines, [b"3.!$%+?=#|.Q:"]);
    }

    #[test]
    fn a_line_without_an_end_does_not_grow() {
        let mut stream = Stream::default();
        for _ in 0..10 * LINE_MAX {
            assert_eq!(stream.push(b'U', Filter::All), None);
        }
        assert_eq!(stream.line.len(), LINE_MAX);
        assert_eq!(stream.stray, 9 * LINE_MAX as u64);
    }
}
