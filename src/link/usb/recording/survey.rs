//! The questions of a recording, one after the other. The caller carries the transfers, keeps them apart, and says how each ended.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Pushed, Recording};
use crate::bus::usb::{DeviceInfo, TransferError, Transmit};
use crate::link::usb::device::looks_damaged;
use crate::link::usb::request;
use crate::wire::hid::{ReportDescriptor, ReportKind, is_power_device};

/// A damaged descriptor is read so often.
const DESCRIPTOR_TRIES: usize = 3;
/// Transfers in a row that time out: nothing more is asked.
const HANGS_AFTER: u32 = 3;
/// Buffer of a second try, for units that send more than they declare (usb-hid §15).
const WIDE: u16 = 64;
/// Most different reports that are kept of those that come by themselves.
const MOST_PUSHED: usize = 200;

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
    Descriptor,
    Reports,
    Strings,
    Listening(Instant),
}

/// A recording that is being made.
#[derive(Debug)]
pub(in crate::link::usb) struct Survey {
    pub(in crate::link::usb) recording: Recording,
    /// How long to listen; `None`: only the report descriptor is wanted.
    listen: Option<Duration>,
    step: Step,
    queue: VecDeque<Ask>,
    asked: Option<Ask>,
    begun_at: Instant,
    timeouts: u32,
}

impl Survey {
    /// The survey of a device that is open.
    #[inline(never)]
    pub(in crate::link::usb) fn new(info: DeviceInfo, listen: Option<Duration>, now: Instant) -> Self {
        let mut queue = VecDeque::new();
        if info.report_descriptor.is_empty() || looks_damaged(&info) {
            queue.extend([Ask::Descriptor; DESCRIPTOR_TRIES]);
        }
        let recording = Recording { info, ..Recording::default() };
        Self { recording, listen, step: Step::Descriptor, queue, asked: None, begun_at: now, timeouts: 0 }
    }

    /// Whether the end of a transfer is waited for.
    pub(in crate::link::usb) const fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// Goes on when everything of a step was asked; what came of it when it is over.
    #[inline(never)]
    pub(in crate::link::usb) fn poll(&mut self, now: Instant) -> Option<Result<(), String>> {
        while self.queue.is_empty() && self.asked.is_none() {
            match self.step {
                Step::Descriptor => {
                    let descriptor = ReportDescriptor::parse(&self.recording.info.report_descriptor);
                    let Some(descriptor) = descriptor.ok().filter(is_power_device) else {
                        return Some(Err("it is no UPS by its report descriptor".to_owned()));
                    };
                    if self.listen.is_none() {
                        return Some(Ok(()));
                    }
                    for wanted in [ReportKind::Feature, ReportKind::Input] {
                        let reports = descriptor.reports().filter(|(kind, _)| *kind == wanted);
                        self.queue.extend(reports.map(|(kind, id)| Ask::Report { kind, id, wide: false }));
                    }
                    self.step = Step::Reports;
                }
                Step::Reports => {
                    let indexes = self.recording.string_indexes();
                    // Each once, however many fields name it.
                    let named = (1..=u8::MAX).filter(|index| indexes.iter().any(|(_, of)| of == index));
                    self.queue.extend(named.map(Ask::String));
                    self.step = Step::Strings;
                }
                Step::Strings => self.step = Step::Listening(now + self.listen.unwrap_or_default()),
                Step::Listening(until) if now < until => return None,
                Step::Listening(_) => return Some(Ok(())),
            }
        }
        None
    }

    /// When it wants to be polled next; `None`: as soon as a transfer may start, or when one has ended.
    pub(in crate::link::usb) const fn until(&self) -> Option<Instant> {
        if let Step::Listening(until) = self.step { Some(until) } else { None }
    }

    /// The next transfer, if there is something to ask.
    #[inline(never)]
    pub(in crate::link::usb) fn next(&mut self) -> Option<Transmit> {
        let ask = self.queue.pop_front()?;
        self.asked = Some(ask);
        let info = &self.recording.info;
        Some(match ask {
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
        })
    }

    /// The transfer has ended.
    #[inline(never)]
    pub(in crate::link::usb) fn answered(&mut self, result: Result<&[u8], TransferError>) {
        let Some(ask) = self.asked.take() else { return };
        self.timeouts = if result == Err(TransferError::Timeout) { self.timeouts + 1 } else { 0 };
        let recording = &mut self.recording;
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
    }

    /// A report came by itself.
    #[inline(never)]
    pub(in crate::link::usb) fn heard(&mut self, now: Instant, bytes: &[u8]) {
        let pushed = &mut self.recording.pushed;
        let has_room = pushed.len() < MOST_PUSHED;
        match pushed.iter_mut().find(|known| known.bytes == bytes) {
            Some(known) => known.times = known.times.saturating_add(1),
            None if has_room => {
                let after = now.saturating_duration_since(self.begun_at);
                pushed.push(Pushed { bytes: bytes.to_vec(), after, times: 1 });
            }
            None => {}
        }
    }

    /// Length of the longest report that comes by itself.
    pub(in crate::link::usb) fn interrupt_len(&self) -> Option<u16> {
        ReportDescriptor::parse(&self.recording.info.report_descriptor).ok()?.longest(ReportKind::Input)
    }
}
