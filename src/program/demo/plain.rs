//! The demonstration as lines, for a pipe, a log or a terminal without colours.

use std::io::{self, Write};
use std::time::Duration;

use super::story::Happening;
use super::view::{clock, state_words};
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
    /// Writes the lines that say what this is.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn begin(mut out: W, scenario: &str, speed: f64, lapse: f64, command: &str) -> io::Result<Self> {
        writeln!(
            out,
            "mainsd demo: a simulated UPS; nothing real is touched. Scenario {scenario}, speed {speed}."
        )?;
        if lapse > 1.0 {
            writeln!(
                out,
                "Time-lapse: the battery discharges and charges {lapse} times as fast as a real one, or faster."
            )?;
        }
        writeln!(
            out,
            "Hooks are only printed: apccontrol EVENT UPSNAME CONNECTED POWERED (0: nothing is powered)."
        )?;
        writeln!(out, "Try in another terminal: {command}    Ctrl-C ends.")?;
        out.flush()?;
        Ok(Self { out, state: "", next_values: Duration::ZERO })
    }

    /// Writes what happened.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn happened(&mut self, at: Duration, happening: &Happening) -> io::Result<()> {
        match happening {
            Happening::Event(_, text) => writeln!(self.out, "{}  {text}", clock(at)),
            Happening::Hook(arguments) => writeln!(self.out, "{}  hook: apccontrol {arguments}", clock(at)),
        }?;
        self.out.flush()
    }

    /// Writes the values, if the state has changed or it is time to.
    ///
    /// # Errors
    /// The reader is gone.
    pub fn values(&mut self, at: Duration, snapshot: &Snapshot) -> io::Result<()> {
        let (_, state, _) = state_words(snapshot);
        if state == self.state && at < self.next_values {
            return Ok(());
        }
        self.state = state;
        self.next_values = at + LINE_INTERVAL;
        let values = &snapshot.values;
        let number = |value: Option<f64>| value.map_or("--".to_owned(), |value| format!("{value:.1}"));
        writeln!(
            self.out,
            "{}  {state}: line {} V, load {} %, charge {} %, runtime {} min",
            clock(at),
            number(values.line_voltage.map(|v| v.0)),
            number(values.load.map(|v| v.0)),
            number(values.battery_charge.map(|v| v.0)),
            number(values.runtime_left.map(|v| v.0)),
        )?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Percent, Priority, StatusFlags};

    #[test]
    fn values_come_at_each_change_of_state_and_every_five_seconds_between() {
        let mut out = Vec::new();
        let mut plain = Plain::begin(&mut out, "outage", 2.0, 60.0, "mainsd status 127.0.0.1:3552").unwrap();
        let mut snapshot = Snapshot { flags: StatusFlags::ONLINE, ..Snapshot::default() };
        snapshot.values.battery_charge = Some(Percent(99.96));
        for second in 0..8 {
            if second == 7 {
                let event = Happening::Event(Priority::Alert, "Power failure.".to_owned());
                plain.happened(Duration::from_secs(7), &event).unwrap();
                plain
                    .happened(Duration::from_secs(7), &Happening::Hook("powerout demo 1 0".to_owned()))
                    .unwrap();
                snapshot.flags = StatusFlags::ONBATT;
            }
            plain.values(Duration::from_secs(second), &snapshot).unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        let expected = "\
mainsd demo: a simulated UPS; nothing real is touched. Scenario outage, speed 2.
Time-lapse: the battery discharges and charges 60 times as fast as a real one, or faster.
Hooks are only printed: apccontrol EVENT UPSNAME CONNECTED POWERED (0: nothing is powered).
Try in another terminal: mainsd status 127.0.0.1:3552    Ctrl-C ends.
 0:00  ON MAINS: line -- V, load -- %, charge 100.0 %, runtime -- min
 0:05  ON MAINS: line -- V, load -- %, charge 100.0 %, runtime -- min
 0:07  Power failure.
 0:07  hook: apccontrol powerout demo 1 0
 0:07  ON BATTERY: line -- V, load -- %, charge 100.0 %, runtime -- min
";
        assert_eq!(text, expected);
    }
}
