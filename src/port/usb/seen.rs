//! Which USB devices there are and why none of them is opened, for a person who waits for a UPS: told until one has been
//! opened, each device once.

use super::Candidate;
#[cfg(feature = "tools")]
use super::Roots;
use super::sysfs::Other;
use crate::bus::usb::DeviceInfo;

/// Most devices that are told of; more are hardly looked through.
const DEVICES_MAX: usize = 24;

/// What is told, and what has been.
#[derive(Debug, Default)]
pub(super) struct Seen {
    over: bool,
    waiting: Vec<String>,
    told: Vec<String>,
}

impl Seen {
    /// Whether anybody still waits to hear of devices.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    /// A UPS has been opened: nothing is told from now on.
    pub(super) fn end(&mut self) {
        *self = Self { over: true, ..Self::default() };
    }

    /// A HID device that is no UPS, as far as can be seen.
    pub(super) fn note_foreign(&mut self, candidate: &Candidate) {
        let what = match candidate.info.report_descriptor.as_slice() {
            [] => {
                "a HID device without a report descriptor to be seen, of no vendor of UPSes: not taken for one"
            }
            // Usage page Generic Desktop, usage (HID usage tables §4).
            [0x05, 0x01, 0x09, 0x06, ..] => "a keyboard",
            [0x05, 0x01, 0x09, 0x02, ..] => "a mouse",
            [0x05, 0x01, 0x09, 0x04 | 0x05, ..] => "a game controller",
            _ => "a HID device, but by its report descriptor no UPS",
        };
        self.note(format!("USB device {}: {what}", candidate.words()));
    }

    /// A UPS that DEVICE does not name.
    pub(super) fn note_other_ups(&mut self, words: &str, info: &DeviceInfo) {
        let serial = info.serial.as_deref().map_or("", str::trim);
        let serial =
            if serial.is_empty() { "none".to_owned() } else { format!("'{}'", serial.escape_default()) };
        self.note(format!(
            "USB device {words}: a UPS, but not the one that DEVICE names: its serial number is {serial}, its bus port {}",
            info.location
        ));
    }

    /// A device without a HID interface.
    pub(super) fn note_other(&mut self, other: &Other) {
        let mut classes: Vec<&str> = other.classes.iter().map(|class| words(*class)).collect();
        classes.dedup();
        self.note(format!(
            "USB device {} ({:04x}:{:04x}): no HID device ({})",
            other.location,
            other.vendor,
            other.product,
            classes.join(", ")
        ));
    }

    fn note(&mut self, line: String) {
        let known = self.waiting.contains(&line) || self.told.contains(&line);
        if !self.over && !known && self.waiting.len() + self.told.len() < DEVICES_MAX {
            self.waiting.push(line);
        }
    }

    /// The devices that have not been told of yet.
    pub(super) fn take(&mut self) -> Vec<String> {
        let lines = std::mem::take(&mut self.waiting);
        self.told.extend_from_slice(&lines);
        lines
    }
}

/// The devices that are no UPS and why, a line each: `foreign`, which have a HID interface, and those without.
#[cfg(feature = "tools")]
#[must_use]
pub fn passed_over(roots: &Roots, foreign: &[Candidate]) -> Vec<String> {
    let mut seen = Seen::default();
    foreign.iter().for_each(|candidate| seen.note_foreign(candidate));
    roots.others().iter().for_each(|other| seen.note_other(other));
    seen.take()
}

/// The name of an interface class (usb.org, defined class codes).
const fn words(class: u8) -> &'static str {
    match class {
        0x01 => "audio",
        0x02 | 0x0a => "communications",
        0x06 => "camera",
        0x07 => "printer",
        0x08 => "storage",
        0x09 => "hub",
        0x0b | 0x0d => "card reader",
        0x0e => "video",
        0xe0 => "wireless",
        0xff => "a kind of its maker's own, such as a serial adapter",
        _ => "another kind",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_is_told_of_once_and_no_more_than_a_screenful() {
        let mut seen = Seen::default();
        for round in 0..3 {
            for number in 0..100u16 {
                let classes = vec![0x08, 0x08];
                seen.note_other(&Other { location: "1-1".into(), vendor: 0x1234, product: number, classes });
            }
            let lines = seen.take();
            assert_eq!(lines.len(), if round == 0 { DEVICES_MAX } else { 0 });
            if round == 0 {
                assert_eq!(lines[1], "USB device 1-1 (1234:0001): no HID device (storage)");
            }
        }
        seen.end();
        assert!(seen.is_over() && seen.take().is_empty());
    }
}
