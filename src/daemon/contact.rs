//! What is said when the daemon begins to look for its UPS, and when it has found it: for the person who has just started it.

use crate::config::{Config, device};
use crate::ups::{Fixed, Identity, Reading, StatusFlags};

/// Readings after which the line is said also if charge and runtime are still missing: many UPSes know neither.
const READINGS_WAITED_FOR: u8 = 2;

/// Says each thing once: what is waited for, and what was found.
#[derive(Debug)]
pub struct Contact {
    wanted: String,
    /// What a UPS is called that tells no model.
    nameless: &'static str,
    /// The UPS has not answered since the start, and that has been said.
    waiting: bool,
    /// It has answered since the start.
    attached: bool,
    /// It answers, and has not been described yet.
    found: Option<Found>,
    /// Model and serial number that were described last.
    described: Option<(Option<String>, Option<String>)>,
}

#[derive(Debug)]
struct Found {
    identity: Identity,
    readings: u8,
}

impl Contact {
    /// For the UPS that this configuration names.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let nameless = if config.measures() { "it tells no model" } else { "one with simple signalling" };
        Self {
            wanted: device::describe(config),
            nameless,
            waiting: false,
            attached: false,
            found: None,
            described: None,
        }
    }

    /// The UPS does not answer. A line for the log if it never has.
    pub fn handle_lost(&mut self, reason: &str) -> Option<String> {
        self.found = None;
        let first = !std::mem::replace(&mut self.waiting, true) && self.described.is_none();
        first.then(|| format!("Waiting for {}: {reason}", self.wanted))
    }

    /// The UPS answers and has said what it is.
    pub fn handle_attached(&mut self, identity: &Identity) {
        self.waiting = true;
        self.attached = true;
        let is_known = self
            .described
            .as_ref()
            .is_some_and(|(model, serial)| *model == identity.model && *serial == identity.serial);
        self.found = (!is_known).then(|| Found { identity: identity.clone(), readings: 0 });
    }

    /// Whether a UPS has answered since the start.
    #[must_use]
    pub const fn has_attached(&self) -> bool {
        self.attached
    }

    /// It has been read. A line for the log when there is something to tell of a UPS that has not been described.
    pub fn handle_reading(&mut self, reading: &Reading) -> Option<String> {
        let found = self.found.as_mut()?;
        found.readings = found.readings.saturating_add(1);
        let values = &reading.values;
        let whole = values.battery_charge.is_some() && values.runtime_left.is_some();
        if !whole && found.readings < READINGS_WAITED_FOR {
            return None;
        }
        let Found { identity, .. } = self.found.take()?;
        let line = describe(&identity, self.nameless, reading);
        self.described = Some((identity.model, identity.serial));
        Some(line)
    }
}

/// The UPS in one line.
fn describe(identity: &Identity, nameless: &str, reading: &Reading) -> String {
    // A UPS may say anything of itself; a line of the log is one line.
    let plain = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default().trim();
        text.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>()
    };
    let (model, serial) = (plain(&identity.model), plain(&identity.serial));
    let mut line = format!("UPS found: {}", if model.is_empty() { nameless } else { &model });
    if !serial.is_empty() {
        line.push_str(&format!(", serial number {serial}"));
    }
    if let Some(charge) = reading.values.battery_charge {
        line.push_str(&format!(", charge {:.0} %", Fixed(charge.0)));
    }
    if let Some(runtime) = reading.values.runtime_left {
        line.push_str(&format!(", runtime {:.1} minutes", Fixed(runtime.0)));
    }
    if reading.status.contains(StatusFlags::ONBATT) {
        line.push_str(", on battery");
    } else if reading.status.contains(StatusFlags::ONLINE) {
        line.push_str(", on mains");
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use super::*;
    use crate::config::parse;
    use crate::ups::{Minutes, Percent};

    fn contact(text: &str) -> Contact {
        Contact::new(&parse(text.as_bytes(), "t.conf").config)
    }

    fn reading(charge: Option<f64>, runtime: Option<f64>) -> Reading {
        let mut reading = Reading::new(std::time::Instant::now());
        reading.status.set(StatusFlags::ONLINE, true);
        reading.values.battery_charge = charge.map(Percent);
        reading.values.runtime_left = runtime.map(Minutes);
        reading
    }

    fn back_ups(serial: &str) -> Identity {
        Identity {
            model: Some("Back-UPS ES 850G2 ".to_owned()),
            serial: Some(serial.to_owned()),
            ..Identity::default()
        }
    }

    #[test]
    fn what_is_waited_for_is_said_at_once_and_once() {
        for (config, line) in [
            ("UPSTYPE usb", "Waiting for a UPS on USB, the first that is found: none"),
            (
                "UPSTYPE usb\nDEVICE AS1",
                "Waiting for the UPS AS1 on USB (DEVICE: a serial number or a bus port path): none",
            ),
            ("UPSTYPE net\nDEVICE nas:3551", "Waiting for the master nas:3551: none"),
            ("UPSTYPE apcsmart\nDEVICE /dev/ttyS0", "Waiting for the UPS at /dev/ttyS0: none"),
        ] {
            let mut contact = contact(config);
            assert_eq!(contact.handle_lost("none").as_deref(), Some(line));
            assert_eq!(contact.handle_lost("none"), None);
        }
    }

    #[test]
    fn what_is_found_is_described_in_one_line_when_its_values_are_there() {
        let mut contact = contact("UPSTYPE usb");
        contact.handle_attached(&back_ups("5B1\n"));
        assert_eq!(contact.handle_reading(&reading(None, None)), None);
        let line =
            "UPS found: Back-UPS ES 850G2, serial number 5B1, charge 100 %, runtime 54.3 minutes, on mains";
        assert_eq!(contact.handle_reading(&reading(Some(100.0), Some(54.31))).as_deref(), Some(line));
        assert_eq!(contact.handle_reading(&reading(Some(100.0), Some(54.31))), None);
        // Back again it is no news; another one is. Lost later, it is not waited for but lost.
        assert_eq!(contact.handle_lost("gone"), None);
        contact.handle_attached(&back_ups("5B1\n"));
        assert_eq!(contact.handle_reading(&reading(Some(9.0), Some(1.0))), None);
        contact.handle_attached(&back_ups("5B2"));
        assert!(
            contact.handle_reading(&reading(Some(9.0), Some(1.0))).unwrap().contains("serial number 5B2")
        );
    }

    #[test]
    fn a_ups_that_tells_little_is_described_by_that() {
        let mut contact = contact("UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0");
        contact.handle_attached(&Identity::default());
        let mut on_battery = reading(None, None);
        on_battery.status.set(StatusFlags::ONLINE, false);
        on_battery.status.set(StatusFlags::ONBATT, true);
        assert_eq!(contact.handle_reading(&on_battery), None);
        assert_eq!(
            contact.handle_reading(&on_battery).as_deref(),
            Some("UPS found: one with simple signalling, on battery")
        );
    }

    #[test]
    fn nothing_that_a_ups_says_of_itself_makes_a_second_line() {
        let mut contact = contact("UPSTYPE usb");
        let identity = Identity { model: Some("a\nb\x1b[2J".to_owned()), ..Identity::default() };
        contact.handle_attached(&identity);
        let line = contact.handle_reading(&reading(Some(1.0), Some(1.0))).unwrap();
        assert!(line.starts_with("UPS found: a?b?[2J, charge 1 %"), "{line:?}");
    }
}
