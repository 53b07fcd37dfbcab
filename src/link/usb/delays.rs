//! Which of a UPS's delays an order writes (usb-hid §12, §14): both of a pair in one collection, and the whole unit's
//! before an outlet's. A unit with outlet groups has a pair for each group, and often before its own in the descriptor.

use super::layout::{in_outlet, place};
use super::quirks::Quirks;
use super::table::{OUTPUT, SUMMARY, insert};
use crate::wire::hid::{Field, ReportDescriptor, ReportKind, Usage};

const DELAY_BEFORE_STARTUP: Usage = Usage(0x0084_0056);
const DELAY_BEFORE_SHUTDOWN: Usage = Usage(0x0084_0057);

/// Number of the last entry in a Powercom's table of delays.
const LAST_INDEX: i64 = 18;

/// The delays of one device; feature fields all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Delays {
    pub startup: Option<Field>,
    pub shutdown: Option<Field>,
    /// Both may be written as one order.
    pub paired: bool,
    /// A shutdown delay that is the number of an entry in a table.
    pub index: Option<Field>,
}

impl Delays {
    pub(super) fn of(descriptor: &ReportDescriptor, quirks: Quirks) -> Self {
        let all = |usage| {
            let wanted = move |field: &&Field| field.kind == ReportKind::Feature && field.usage == usage;
            let mut fields = Vec::new();
            for field in descriptor.fields().iter().filter(wanted).filter(|field| !is_index(field)) {
                insert(&mut fields, *field, |field| rank(descriptor, field));
            }
            fields
        };
        let (startups, shutdowns) = (all(DELAY_BEFORE_STARTUP), all(DELAY_BEFORE_SHUTDOWN));
        let of_unit = |field: &&Field| !in_outlet(descriptor, field);
        let beside =
            |field: &Field| startups.iter().find(|startup| startup.collection == field.collection).copied();
        let pair = |shutdown: &Field| Some((beside(shutdown)?, *shutdown));
        let whole = || shutdowns.iter().filter(of_unit);
        // The unit's first shutdown delay, and a startup delay of the unit from another collection.
        let mixed = || {
            whole()
                .next()
                .copied()
                .and_then(|shutdown| startups.iter().find(of_unit).map(|startup| (*startup, shutdown)))
        };
        let chosen = if quirks.contains(Quirks::DELAYS_APART) {
            // What apcupsd writes is the summary's shutdown delay and the output's startup delay (usb-hid §12).
            mixed()
        } else {
            whole().find_map(pair).or_else(mixed)
        };
        // An outlet's pair does nothing for a unit that has a shutdown delay of its own.
        let chosen =
            chosen.or_else(|| if whole().next().is_some() { None } else { shutdowns.iter().find_map(pair) });
        let index =
            descriptor.fields().iter().find(|field| field.usage == DELAY_BEFORE_SHUTDOWN && is_index(field));
        Self {
            startup: chosen.map(|(startup, _)| startup).or(startups.first().copied()),
            shutdown: chosen.map(|(_, shutdown)| shutdown).or(shutdowns.first().copied()),
            paired: chosen.is_some(),
            index: index.copied(),
        }
    }
}

/// One byte without a unit that counts to 18 (usb-hid §14 says what the numbers mean).
fn is_index(field: &Field) -> bool {
    field.kind == ReportKind::Feature
        && field.unit == 0
        && field.bit_size <= 8
        && (field.logical_min, field.logical_max) == (0, LAST_INDEX)
}

/// The summary's first, then the output's, then what else concerns the whole unit, then the outlets'.
fn rank(descriptor: &ReportDescriptor, field: &Field) -> u8 {
    if in_outlet(descriptor, field) {
        return 3;
    }
    match place(descriptor, field).and_then(|place| place.usage) {
        Some(SUMMARY) => 0,
        Some(OUTPUT) => 1,
        _ => 2,
    }
}

/// Seconds of one step of a delay: units that count minutes map a number to 60 seconds (usb-hid §4, §5).
pub(super) fn step(delay: &Field) -> f64 {
    (delay.scale(1) - delay.scale(0)).max(1.0)
}

/// Whether a delay counts minutes and presents them as seconds, as the firmware of CyberPower does under every maker's name.
pub(super) fn counts_minutes(descriptor: &ReportDescriptor) -> bool {
    let is_delay = |field: &&Field| {
        field.kind == ReportKind::Feature
            && matches!(field.usage, DELAY_BEFORE_STARTUP | DELAY_BEFORE_SHUTDOWN)
    };
    descriptor.fields().iter().filter(is_delay).any(|field| (step(field) - 60.0).abs() < 0.5)
}
