//! The conversation that records a USB UPS, for a bug report: each report that its descriptor names is read once, then what it
//! sends by itself is heard for a while. Nothing is written to the UPS.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::device::looks_damaged;
use super::request::{self, SPACING, TIMEOUT};
use super::{Event, PORT_GRACE};
use crate::bus::usb::{DeviceInfo, TransferError, Transmit, Usb};
use crate::link::{Link, LinkEvent};
use crate::ups::{Command, CommandResult, Identity, PollRate};
use crate::wire::hid::{ReportDescriptor, ReportKind, Usage, is_power_device};

/// A damaged descriptor is read so often.
const DESCRIPTOR_TRIES: usize = 3;
/// Transfers in a row that time out: nothing more is asked.
const HANGS_AFTER: u32 = 3;
/// Buffer of a second try, for units that send more than they declare (usb-hid §15).
const WIDE: u16 = 64;
/// Most different reports that are kept of those that come by themselves.
const MOST_PUSHED: usize = 200;

/// Usages whose value is the index of a string (HID Power Device tables 2 and 3): name, manufacturer, product, serial number;
/// device name, chemistry, OEM; and those of the makers' pages.
const INDEXES: [u32; 9] = [
    0x0084_0001,
    0x0084_00fd,
    0x0084_00fe,
    SERIAL,
    0x0085_0088,
    0x0085_0089,
    0x0085_008f,
    0xff86_0042,
    0xffff_00f0,
];
/// `iSerialNumber`.
const SERIAL: u32 = 0x0084_00ff;
/// What stands for each character of a serial number.
const BLANK: &str = "x";
/// A serial number that is shorter is not looked for in reports: it would be found everywhere.
const SHORTEST_SERIAL: usize = 5;

/// What one UPS has said.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// What it is, with its report descriptor.
    pub info: DeviceInfo,
    /// What it has answered: kind, id, and the bytes as they travelled.
    pub reports: Vec<(ReportKind, u8, Vec<u8>)>,
    /// Its strings by their index.
    pub strings: Vec<(u8, String)>,
    /// What it has sent by itself, each report once, in the order in which they came first.
    pub pushed: Vec<Pushed>,
    /// What was asked and not answered, in words.
    pub failed: Vec<String>,
}

/// A report that the UPS sends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// When it came first, since the device was opened.
    pub after: Duration,
    /// How often it came.
    pub times: u32,
}

impl Recording {
    /// The bytes of this report.
    #[must_use]
    pub fn report(&self, kind: ReportKind, id: u8) -> Option<&[u8]> {
        let found = self.reports.iter().find(|report| (report.0, report.1) == (kind, id));
        found.map(|(_, _, bytes)| bytes.as_slice())
    }

    /// The indexes of strings that its feature reports name, with their usages.
    fn string_indexes(&self) -> Vec<(u32, u8)> {
        let Ok(descriptor) = ReportDescriptor::parse(&self.info.report_descriptor) else { return Vec::new() };
        let mut found: Vec<(u32, u8)> = Vec::new();
        for field in descriptor.fields().iter().filter(|field| INDEXES.contains(&field.usage.0)) {
            let raw = self.report(ReportKind::Feature, field.report_id).and_then(|bytes| field.raw(bytes));
            let index = raw.and_then(|raw| u8::try_from(raw).ok()).filter(|index| *index != 0);
            found.extend(index.map(|index| (field.usage.0, index)));
        }
        found
    }

    /// Puts an `x` in place of each character of the serial number, wherever it is.
    pub fn blank_serials(&mut self) {
        let indexes = self.string_indexes();
        let of_index = |index: &u8| indexes.contains(&(SERIAL, *index));
        let named = self.strings.iter().filter(|(index, _)| of_index(index)).map(|(_, text)| text.clone());
        let serials: Vec<String> = named.chain(self.info.serial.clone()).collect();
        let texts = [&mut self.info.manufacturer, &mut self.info.product_name, &mut self.info.serial];
        let texts = texts.into_iter().flatten().chain(self.strings.iter_mut().map(|(_, text)| text));
        for text in texts {
            for serial in serials.iter().map(|serial| serial.trim()).filter(|serial| !serial.is_empty()) {
                *text = text.replace(serial, &BLANK.repeat(serial.chars().count()));
            }
        }
        let reports = self.reports.iter_mut().map(|(_, _, bytes)| bytes);
        for bytes in reports.chain(self.pushed.iter_mut().map(|pushed| &mut pushed.bytes)) {
            for serial in serials.iter().map(|serial| serial.trim().as_bytes()) {
                if serial.len() >= SHORTEST_SERIAL {
                    let at = bytes.windows(serial.len()).position(|part| part == serial);
                    if let Some(part) = at.and_then(|at| bytes.get_mut(at..at + serial.len())) {
                        part.fill(b'x');
                    }
                }
            }
        }
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Descriptor,
    /// `wide`: with a larger buffer.
    Report {
        kind: ReportKind,
        id: u8,
        wide: bool,
    },
    String(u8),
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The device is not open, or nothing was ordered, or all is done.
    Idle,
    Descriptor,
    Reports,
    Strings,
    Listening(Instant),
}

/// A link that begins to record with the first command, which ends when the recording does.
#[derive(Debug)]
pub struct RecordingLink {
    recording: Rc<RefCell<Recording>>,
    /// How long to listen; `None`: only the report descriptor is wanted.
    listen: Option<Duration>,
    step: Step,
    queue: VecDeque<Ask>,
    /// What is being asked, and when the port must have ended it.
    asked: Option<(Ask, Instant)>,
    next_start: Instant,
    opened_at: Instant,
    timeouts: u32,
    /// The order, while it is carried out.
    command: Option<Command>,
    interrupt_len: Option<u16>,
    events: VecDeque<LinkEvent>,
}

impl RecordingLink {
    /// A link that fills this recording.
    #[must_use]
    pub fn new(recording: Rc<RefCell<Recording>>, listen: Option<Duration>, now: Instant) -> Self {
        Self {
            recording,
            listen,
            step: Step::Idle,
            queue: VecDeque::new(),
            asked: None,
            next_start: now,
            opened_at: now,
            timeouts: 0,
            command: None,
            interrupt_len: None,
            events: VecDeque::new(),
        }
    }

    fn end(&mut self, outcome: Result<String, String>) {
        self.step = Step::Idle;
        self.queue.clear();
        let result = self.command.take().map(|command| CommandResult::new(command, outcome));
        self.events.extend(result.map(LinkEvent::Command));
    }

    /// Goes on to what comes next when everything of a step was asked.
    fn advance(&mut self, now: Instant) {
        while self.queue.is_empty() && self.asked.is_none() {
            let recording = self.recording.borrow();
            match self.step {
                Step::Idle => return,
                Step::Descriptor => {
                    let descriptor = ReportDescriptor::parse(&recording.info.report_descriptor);
                    let Some(descriptor) = descriptor.ok().filter(is_power_device) else {
                        drop(recording);
                        return self.end(Err("it is no UPS by its report descriptor".to_owned()));
                    };
                    drop(recording);
                    if self.listen.is_none() {
                        return self.end(Ok(String::new()));
                    }
                    self.interrupt_len = descriptor.longest(ReportKind::Input);
                    for wanted in [ReportKind::Feature, ReportKind::Input] {
                        let reports = descriptor.reports().filter(|(kind, _)| *kind == wanted);
                        self.queue.extend(reports.map(|(kind, id)| Ask::Report { kind, id, wide: false }));
                    }
                    self.step = Step::Reports;
                }
                Step::Reports => {
                    let mut indexes: Vec<u8> =
                        recording.string_indexes().into_iter().map(|(_, index)| index).collect();
                    drop(recording);
                    indexes.sort_unstable();
                    indexes.dedup();
                    self.queue.extend(indexes.into_iter().map(Ask::String));
                    self.step = Step::Strings;
                }
                Step::Strings => self.step = Step::Listening(now + self.listen.unwrap_or_default()),
                Step::Listening(until) if now < until => return,
                Step::Listening(_) => {
                    drop(recording);
                    self.end(Ok(String::new()));
                }
            }
        }
    }

    fn answered(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some((ask, _)) = self.asked.take() else { return };
        self.timeouts = if result == Err(TransferError::Timeout) { self.timeouts + 1 } else { 0 };
        let mut recording = self.recording.borrow_mut();
        match (ask, result) {
            (Ask::Descriptor, Ok(bytes)) => {
                recording.info.report_descriptor = bytes.to_vec();
                if !looks_damaged(&recording.info) {
                    self.queue.clear();
                }
            }
            (Ask::Report { kind, id, .. }, Ok(bytes)) => recording.reports.push((kind, id, bytes.to_vec())),
            (Ask::Report { kind, id, wide: false }, Err(TransferError::Overflow)) => {
                self.queue.push_front(Ask::Report { kind, id, wide: true });
            }
            (Ask::String(index), Ok(bytes)) => {
                recording.strings.extend(request::string_of(bytes).map(|text| (index, text)));
            }
            (ask, Err(error)) => {
                let what = match ask {
                    Ask::Descriptor => "the report descriptor".to_owned(),
                    Ask::Report { kind, id, .. } => format!("report 0x{id:02x} ({kind:?})"),
                    Ask::String(index) => format!("string {index}"),
                };
                recording.failed.push(format!("{what}: {error:?}"));
            }
        }
        if self.timeouts >= HANGS_AFTER && !self.queue.is_empty() {
            recording.failed.push("it does not answer any more: nothing else was asked".to_owned());
            self.queue.clear();
        }
        drop(recording);
        self.advance(now);
    }

    fn heard(&mut self, now: Instant, bytes: &[u8]) {
        let mut recording = self.recording.borrow_mut();
        let pushed = &mut recording.pushed;
        let has_room = pushed.len() < MOST_PUSHED;
        match pushed.iter_mut().find(|known| known.bytes == bytes) {
            Some(known) => known.times = known.times.saturating_add(1),
            None if has_room => {
                let after = now.saturating_duration_since(self.opened_at);
                pushed.push(Pushed { bytes: bytes.to_vec(), after, times: 1 });
            }
            None => {}
        }
    }

    fn transmit(&self, ask: Ask) -> Transmit {
        let recording = self.recording.borrow();
        let info = &recording.info;
        match ask {
            Ask::Descriptor => {
                let length = info.announced_descriptor_len.filter(|length| *length != 0).unwrap_or(4096);
                request::get_report_descriptor(info.interface, length)
            }
            Ask::String(index) => request::get_string(index),
            Ask::Report { kind, id, wide } => {
                let descriptor = ReportDescriptor::parse(&info.report_descriptor).unwrap_or_default();
                let length = descriptor.report_len(kind, id).unwrap_or(WIDE);
                let length = if wide { length.max(WIDE) } else { length };
                request::get_report(info.interface, kind, id, length)
            }
        }
    }
}

impl Link for RecordingLink {
    type Bus = Usb;

    fn handle_event(&mut self, now: Instant, event: Event<'_>) {
        match event {
            Event::Opened(info) => {
                *self.recording.borrow_mut() = Recording { info, ..Recording::default() };
                self.opened_at = now;
                self.asked = None;
                self.events.push_back(LinkEvent::Attached(Box::new(Identity::default())));
            }
            Event::Closed(reason) => {
                self.asked = None;
                self.end(Err(reason.clone()));
                self.events.push_back(LinkEvent::Lost { reason });
            }
            Event::Control(result) => self.answered(now, result),
            Event::Interrupt(report) => self.heard(now, report),
            #[cfg(feature = "usb-out")]
            Event::InterruptSent(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.asked.is_some_and(|(_, until)| until <= now) {
            self.answered(now, Err(TransferError::Timeout));
        }
        self.advance(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(length) = self.interrupt_len.take() {
            return Some(Transmit::InterruptLen(length));
        }
        if self.asked.is_some() || now < self.next_start {
            return None;
        }
        let ask = self.queue.pop_front()?;
        self.next_start = now + SPACING;
        self.asked = Some((ask, now + TIMEOUT + PORT_GRACE));
        Some(self.transmit(ask))
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let listening = if let Step::Listening(until) = self.step { Some(until) } else { None };
        let asked = self.asked.map(|(_, until)| until);
        asked.or_else(|| (!self.queue.is_empty()).then_some(self.next_start)).or(listening)
    }

    fn set_poll_rate(&mut self, _: PollRate, _: Instant) {}

    fn set_poll_time(&mut self, _: Duration, _: Instant) {}

    fn command(&mut self, command: Command, now: Instant) {
        self.command = Some(command);
        self.step = Step::Descriptor;
        let recording = self.recording.borrow();
        if recording.info.report_descriptor.is_empty() || looks_damaged(&recording.info) {
            self.queue.extend([Ask::Descriptor; DESCRIPTOR_TRIES]);
        }
        drop(recording);
        self.advance(now);
    }
}

/// The path of a field as `tests/devices` writes it: the usages of the collections around it and its own, as eight hexadecimal
/// digits each, joined with dots.
#[must_use]
pub fn path(descriptor: &ReportDescriptor, field: &crate::wire::hid::Field) -> String {
    let mut parts = vec![field.usage.to_string()];
    for collection in descriptor.enclosing(field) {
        if let crate::wire::hid::CollectionKind::Other(kind @ 0x80..) = collection.kind {
            parts.push(format!("[{}]", kind & 0x7f));
        }
        parts.push(collection.usage.map_or(Usage::default(), |usage| usage).to_string());
    }
    parts.reverse();
    parts.join(".")
}
