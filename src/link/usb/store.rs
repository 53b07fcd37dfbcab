//! The reports last received, one buffer for each, reused for as long as the device is open.

use std::time::Instant;

use super::layout::{Layout, Slot, Wire};
use super::table::{Key, When, insert};
use crate::wire::hid::{Field, ReportKind};

/// After so many failures in a row a report's old bytes are no data any more.
const FORGET_AFTER: u32 = 3;
/// Longest pause of a failing report, in polls.
const LONGEST_PAUSE: u32 = 16;
/// Longest report kept. What a UPS says lies in the first bytes; longer ones are vendor blocks.
const MAX_REPORT: usize = 256;

/// What the line state is told by.
const LINE: [Key; 3] = [Key::StatusFlag, Key::AcPresent, Key::Discharging];

/// One report and its history.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub wire: Wire,
    data: Vec<u8>,
    /// When these bytes came.
    at: Option<Instant>,
    failures: u32,
    pause: u32,
    /// Answered since the device was opened.
    ever: bool,
    /// Asked for with a larger buffer after an overflow.
    wide: bool,
}

/// What is known of a value's field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub field: Field,
    pub bytes: &'a [u8],
    /// When the bytes came.
    pub at: Option<Instant>,
    /// They came by themselves; nothing can be read.
    pub pushed: bool,
}

impl Report {
    fn new(wire: Wire) -> Self {
        let data = Vec::with_capacity(usize::from(wire.len).min(MAX_REPORT));
        Self { wire, data, at: None, failures: 0, pause: 0, ever: false, wide: false }
    }

    /// `wLength` of the next request.
    pub(super) fn request_len(&self) -> u16 {
        // ES 525 and CS send more than they declare (usb-hid §15).
        let len = if self.wide { self.wire.len.max(64) } else { self.wire.len };
        len.min(MAX_REPORT as u16)
    }

    /// Whether it has data that can be used.
    pub(super) fn is_known(&self) -> bool {
        !self.data.is_empty()
    }

    /// Whether it has data and all of it is zero.
    pub(super) fn is_zero(&self) -> bool {
        self.is_known() && self.payload().iter().all(|&byte| byte == 0)
    }

    fn payload(&self) -> &[u8] {
        self.data.get(usize::from(self.wire.id != 0)..).unwrap_or_default()
    }
}

/// All reports of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub reports: Vec<Report>,
    /// Input reports as they came by themselves, by id; only of ids that the layout knows.
    pushed: Vec<Report>,
    /// Feature reports are dead and the pushed reports count as data (Arduino-style controllers, usb-hid §14).
    pub input_counts: bool,
}

impl Store {
    pub(super) fn new(layout: &Layout) -> Self {
        let reports = layout.wires.iter().map(|&wire| Report::new(wire)).collect();
        Self { reports, pushed: Vec::new(), input_counts: false }
    }

    /// Whether report `index` is due in a poll of this depth; a failing one is left out more and more often.
    pub(super) fn is_due(&mut self, index: usize, deepest: When) -> bool {
        let Some(report) = self.reports.get_mut(index) else { return false };
        if report.wire.when > deepest {
            return false;
        }
        if report.wire.when != When::Line && report.pause > 0 {
            report.pause -= 1;
            return false;
        }
        true
    }

    /// An answer came now. `false`: it is not this report.
    pub(super) fn answered(&mut self, index: usize, answer: &[u8], now: Instant) -> bool {
        let Some(report) = self.reports.get_mut(index) else { return false };
        let header = usize::from(report.wire.id != 0);
        if answer.len() <= header || (header == 1 && answer.first() != Some(&report.wire.id)) {
            self.failed(index);
            return false;
        }
        report.data.clear();
        report.data.extend(answer.iter().take(MAX_REPORT));
        report.at = Some(now);
        report.ever = true;
        report.failures = 0;
        report.pause = 0;
        true
    }

    /// A read of report `index` failed.
    pub(super) fn failed(&mut self, index: usize) {
        let Some(report) = self.reports.get_mut(index) else { return };
        report.failures += 1;
        if report.failures >= FORGET_AFTER {
            report.data.clear();
        }
        report.pause = (1 << report.failures.min(5)).min(LONGEST_PAUSE) - 1;
    }

    /// More came than was asked for: ask for more from now on. `false` if that was done already.
    pub(super) fn widen(&mut self, index: usize) -> bool {
        let Some(report) = self.reports.get_mut(index) else { return false };
        !std::mem::replace(&mut report.wide, true)
    }

    /// Keeps a report that the device sent by itself now. `true` if it says the same as the one before it.
    pub(super) fn push(&mut self, wire: Wire, data: &[u8], now: Instant) -> bool {
        let index = self.pushed.iter().position(|report| report.wire.id == wire.id).unwrap_or_else(|| {
            self.pushed.push(Report::new(wire));
            self.pushed.len() - 1
        });
        let Some(report) = self.pushed.get_mut(index) else { return false };
        let same = report.data == data;
        report.data.clear();
        report.data.extend(data.iter().take(MAX_REPORT));
        report.at = Some(now);
        same
    }

    /// Adds the input reports of values whose feature report did not answer. Called once, after the first pass.
    pub(super) fn add_inputs(&mut self, wires: &[Wire]) {
        for wire in wires {
            if self.read(wire.kind, wire.id).is_none() {
                self.reports.push(Report::new(*wire));
            }
        }
    }

    /// Whether this report was answered since the device was opened.
    pub(super) fn ever_answered(&self, kind: ReportKind, id: u8) -> bool {
        self.read(kind, id).is_some_and(|report| report.ever)
    }

    /// The field of a value that counts now, with the bytes that hold it.
    pub(super) fn field(&self, slot: Slot) -> Option<(Field, &[u8])> {
        self.told(slot).map(|told| (told.field, told.bytes))
    }

    /// The same, with where the bytes are from. Pushed bytes count only where there is no feature report to ask: some families
    /// push noise (usb-hid §15).
    pub(super) fn told(&self, slot: Slot) -> Option<Told<'_>> {
        let field = self.place(slot)?;
        if field.kind == ReportKind::Feature {
            let report = self.read(field.kind, field.report_id).filter(|report| report.is_known())?;
            return Some(Told { field, bytes: &report.data, at: report.at, pushed: false });
        }
        let read = self.read(field.kind, field.report_id).filter(|report| report.is_known());
        let pushed = || self.pushed.iter().find(|report| report.wire.id == field.report_id);
        let report = read.or_else(pushed)?;
        Some(Told { field, bytes: &report.data, at: report.at, pushed: read.is_none() })
    }

    /// The field of a value that counts now.
    fn place(&self, slot: Slot) -> Option<Field> {
        let feature = slot.feature.filter(|_| !(self.input_counts && slot.input.is_some()));
        feature.filter(|field| self.ever_answered(field.kind, field.report_id)).or(slot.input)
    }

    /// Whether report `index` is the one that a value is read from now; one that never answered is read for nothing.
    pub(super) fn is_place_of(&self, index: usize, slot: Slot) -> bool {
        let report = self.reports.get(index).filter(|report| report.ever);
        let wire = report.map(|report| (report.wire.kind, report.wire.id));
        wire.is_some() && wire == self.place(slot).map(|field| (field.kind, field.report_id))
    }

    /// The raw number of a feature field, as last read.
    pub(super) fn feature(&self, field: &Field) -> Option<i64> {
        let report = self.read(field.kind, field.report_id).filter(|report| report.is_known())?;
        field.raw(&report.data)
    }

    /// Whether the pushed report with this id is the data of the line state: no read of anything says it.
    pub(super) fn counts_pushed(&self, layout: &Layout, id: u8) -> bool {
        LINE.into_iter().any(|key| {
            let slot = layout.slot(key);
            let answered = |field: Option<Field>| {
                field.is_some_and(|field| self.ever_answered(field.kind, field.report_id))
            };
            slot.input.is_some_and(|field| field.report_id == id)
                && (self.input_counts || !answered(slot.feature))
                && !answered(slot.input)
        })
    }

    /// After the first pass: a line-state report that never answered is asked like any other, not first. If that was the
    /// only one, those that tell the line state instead take its place.
    pub(super) fn settle(&mut self, layout: &Layout) {
        if !self.reports.iter().any(|report| report.wire.when == When::Line && report.ever) {
            for key in LINE {
                let told_by = self.field(layout.slot(key)).map(|(field, _)| (field.kind, field.report_id));
                let mut reports = self.reports.iter_mut();
                if let Some(report) =
                    reports.find(|report| Some((report.wire.kind, report.wire.id)) == told_by)
                {
                    report.wire.when = When::Line;
                }
            }
        }
        for report in &mut self.reports {
            if report.wire.when == When::Line && !report.ever {
                report.wire.when = When::Volatile;
            }
        }
        for report in std::mem::take(&mut self.reports) {
            insert(&mut self.reports, report, |report| report.wire.when);
        }
    }

    fn read(&self, kind: ReportKind, id: u8) -> Option<&Report> {
        self.reports.iter().find(|report| (report.wire.kind, report.wire.id) == (kind, id))
    }

    /// Decides anew whether pushed reports count: the line-state report was answered with zeros or not at all, and so
    /// was every report that moves, while pushed ones say something.
    pub(super) fn update_input_preference(&mut self, layout: &Layout) {
        let dead = self
            .reports
            .iter()
            .filter(|report| report.wire.kind == ReportKind::Feature && report.wire.when <= When::Urgent)
            .all(|report| !report.is_known() || report.is_zero());
        let says = |key| {
            let input = layout.slot(key).input;
            input.and_then(|field| self.pushed.iter().find(|report| report.wire.id == field.report_id))
        };
        self.input_counts =
            dead && LINE.into_iter().filter_map(says).any(|report| report.is_known() && !report.is_zero());
    }
}
