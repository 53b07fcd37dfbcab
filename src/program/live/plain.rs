//! The view as lines, for a pipe, a log or a terminal without colours.

use std::io::{self, Write};
use std::time::Duration;

use super::history::Happening;
use super::view::state_words;
use crate::report::Snapshot;

/// A line of values at least this often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Writes lines as things happen, and the values now and then.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    state: &'static str,
    next_values: Duration,
}

impl<W: Write> Plain<W> {
    /// Nothing is written yet.
    pub const fn new(out: W) -> Self {
        Self { out, state: "", next_values: Duration::ZERO }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Writes what happened.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn happened(&mut self, at: &str, happening: &Happening) -> io::Result<()> {
        match happening {
            Happening::Event(_, text) => self.line(&format!("{at}  {text}")),
            Happening::Hook(arguments) => self.line(&format!("{at}  hook: apccontrol {arguments}")),
        }
    }

    /// Writes the values, if the state has changed or it is time to; `at` is how `now` is shown.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn values(&mut self, now: Duration, at: &str, snapshot: &Snapshot) -> io::Result<()> {
        let (_, state, _) = state_words(snapshot);
        if state == self.state && now < self.next_values {
            return Ok(());
        }
        self.state = state;
        self.next_values = now + LINE_INTERVAL;
        let values = &snapshot.values;
        let number = |value: Option<f64>| value.map_or("--".to_owned(), |value| format!("{value:.1}"));
        self.line(&format!(
            "{at}  {state}: line {} V, load {} %, charge {} %, runtime {} min",
            number(values.line_voltage.map(|v| v.0)),
            number(values.load.map(|v| v.0)),
            number(values.battery_charge.map(|v| v.0)),
            number(values.runtime_left.map(|v| v.0)),
        ))
    }
}

#[cfg(all(test, feature = "test"))]
mod tests {
    use super::*;
    use crate::program::live::view::clock;
    use crate::ups::{Percent, Priority, StatusFlags};

    #[test]
    fn values_come_at_each_change_of_state_and_every_five_seconds_between() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        plain.line("First.").unwrap();
        let mut snapshot = Snapshot { flags: StatusFlags::ONLINE, ..Snapshot::default() };
        snapshot.values.battery_charge = Some(Percent(99.96));
        for second in 0..8 {
            if second == 7 {
                let event = Happening::Event(Priority::Alert, "Power failure.".to_owned());
                plain.happened(" 0:07", &event).unwrap();
                plain.happened(" 0:07", &Happening::Hook("powerout demo 1 0".to_owned())).unwrap();
                snapshot.flags = StatusFlags::ONBATT;
            }
            let now = Duration::from_secs(second);
            plain.values(now, &clock(now), &snapshot).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let expected = "\
First.
 0:00  ON MAINS: line -- V, load -- %, charge 100.0 %, runtime -- min
 0:05  ON MAINS: line -- V, load -- %, charge 100.0 %, runtime -- min
 0:07  Power failure.
 0:07  hook: apccontrol powerout demo 1 0
 0:07  ON BATTERY: line -- V, load -- %, charge 100.0 %, runtime -- min
";
        assert_eq!(text, expected);
    }
}
