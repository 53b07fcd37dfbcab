//! Modbus over the reports of a USB UPS that also speaks HID (modbus §1.2): what goes beside the conversation by HID, and must never
//! hold that up. It sends nothing but output reports, and ends by itself when nobody answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::conversation::Conversation;
use super::exchange::Framing;
use super::{Command, LinkEvent, Modbus, PollRate};
use crate::bus::usb::TransferError;
use crate::ups::Priority;
use crate::wire::hid::{Field, ReportDescriptor, ReportKind, Usage};
use crate::wire::modbus::usb;

/// What is sent to the UPS (modbus §1.2).
const TO_UPS: Usage = Usage(0xff86_00fc);
/// What it sends.
const FROM_UPS: Usage = Usage(0xff86_00fd);
/// The longest report that is sent, in bytes.
const REPORT_MAX: u16 = 64;
/// How long the UPS may take to accept a report.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// A port that does not tell in its time what became of a report gets this much more.
const PORT_GRACE: Duration = Duration::from_secs(2);
/// A UPS that has answered before is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The reports that carry Modbus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reports {
    /// Id of the output report, and its length with the id.
    output: (u8, u16),
    /// Id of the input report.
    input: u8,
    /// Where the answers are in it, with the byte of the id.
    first: usize,
    carries: Carries,
}

/// What is in the input report with the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link) enum Carries {
    /// It says nothing by HID.
    ModbusAlone,
    /// What HID says too.
    Both,
}

impl Reports {
    /// Those of this report descriptor, if it has the two usages in reports that have ids.
    fn find(descriptor: &[u8]) -> Option<Self> {
        let descriptor = ReportDescriptor::parse(descriptor).ok()?;
        let find = |kind, usage| {
            let mut fields = descriptor.fields().iter();
            let found = fields.find(|field| (field.kind, field.usage) == (kind, usage))?;
            Some((found.report_id, usize::try_from(found.bit_offset / 8).ok()?)).filter(|(id, _)| *id != 0)
        };
        let (output, _) = find(ReportKind::Output, TO_UPS)?;
        let length = descriptor.report_len(ReportKind::Output, output)?;
        let (input, first) = find(ReportKind::Input, FROM_UPS)?;
        // Address, function and code of an exception; and the longest request that is not split.
        let fits =
            (10..=REPORT_MAX).contains(&length) && descriptor.report_len(ReportKind::Input, input)? >= 4;
        let is_of_hid = |field: &Field| {
            (field.kind, field.report_id) == (ReportKind::Input, input) && field.usage != FROM_UPS
        };
        let carries =
            if descriptor.fields().iter().any(is_of_hid) { Carries::Both } else { Carries::ModbusAlone };
        fits.then_some(Self { output: (output, length), input, first: first + 1, carries })
    }
}

/// Whether there is a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The device is not open, or does not speak Modbus.
    None,
    Asking,
    /// It does not answer: asked again then; `None`: not before something calls for it.
    Silent(Option<Instant>),
}

/// The conversation by Modbus with a USB UPS whose HID reports another link reads.
#[derive(Debug)]
pub(in crate::link) struct UsbModbus {
    modbus: Modbus,
    reports: Option<Reports>,
    state: State,
    /// Reports of the request under way that are not sent yet.
    queue: VecDeque<Vec<u8>>,
    /// The port sends a report, and must have told what became of it by then.
    sent_by: Option<Instant>,
    /// It has answered since the device was opened.
    has_answered: bool,
    /// A line says already that it does not answer, or cannot.
    is_told: bool,
    /// Modbus is what the configuration asks for.
    is_wanted: bool,
}

impl UsbModbus {
    /// `is_wanted`: Modbus is what the configuration asks for, so its absence is worth a warning.
    pub(in crate::link) fn new(is_wanted: bool, poll_time: Duration) -> Self {
        let mut modbus = Modbus::new(String::new(), Framing::Usb, poll_time);
        // Losses are the other link's to tell.
        modbus.told.loss.end();
        Self {
            modbus,
            reports: None,
            state: State::None,
            queue: VecDeque::new(),
            sent_by: None,
            has_answered: false,
            is_told: false,
            is_wanted,
        }
    }

    /// The UPS of an open device is known: it is asked by Modbus too if it has the reports for that.
    pub(in crate::link) fn begin(&mut self, descriptor: &[u8], device: String, now: Instant) {
        self.modbus.device = device;
        self.reports = Reports::find(descriptor);
        self.has_answered = false;
        if self.reports.is_some() {
            self.ask(now);
        } else if self.is_wanted {
            self.tell(" has no reports for Modbus; it is watched by its HID reports");
        }
    }

    /// The device is closed.
    pub(in crate::link) fn close(&mut self, reason: &str) {
        self.modbus.end(reason);
        self.queue.clear();
        (self.state, self.reports, self.sent_by) = (State::None, None, None);
    }

    fn ask(&mut self, now: Instant) {
        self.queue.clear();
        self.modbus.begin(now);
        self.state = State::Asking;
    }

    /// Tries again if it did not answer, else reads everything now.
    pub(in crate::link) fn poll_soon(&mut self, now: Instant) {
        match (self.state, &mut self.modbus.conversation) {
            (State::Silent(_), _) => self.ask(now),
            (State::Asking, Some(conversation)) => conversation.poll_soon(now),
            _ => {}
        }
    }

    /// Whether it answers and everything is known.
    pub(in crate::link) fn is_watching(&self) -> bool {
        self.modbus.conversation.as_ref().is_some_and(Conversation::is_watching)
    }

    /// Whether it answers, or is asked for the first time: within seconds either comes true.
    pub(in crate::link) fn may_answer(&self) -> bool {
        self.state == State::Asking
    }

    /// What is in an input report; `None`: nothing by Modbus.
    pub(in crate::link) fn carries(&self, report: &[u8]) -> Option<Carries> {
        self.reports.filter(|reports| report.first() == Some(&reports.input)).map(|reports| reports.carries)
    }

    pub(in crate::link) fn handle_report(&mut self, report: &[u8], now: Instant) {
        let bytes = self.reports.and_then(|reports| report.get(reports.first..)).unwrap_or_default();
        // No report is more than noise to the next one.
        let _ = self.modbus.handle_bytes(bytes, now);
        self.look(now);
    }

    pub(in crate::link) fn handle_sent(&mut self, result: Result<(), TransferError>, now: Instant) {
        // One that was given up may still end.
        if self.sent_by.take().is_none() {
            return;
        }
        match result {
            // What was not accepted in time is not answered in time.
            Ok(()) => {}
            Err(TransferError::Timeout) => self.queue.clear(),
            // The port tells that it is closed.
            Err(TransferError::NoDevice) => self.queue.clear(),
            // One that has answered takes them again after an error of the line.
            Err(TransferError::Other) => self.takes_none(self.has_answered.then(|| now + ASK_AGAIN)),
            Err(TransferError::Stall | TransferError::Overflow) => self.takes_none(None),
        }
        self.look(now);
    }

    pub(in crate::link) fn handle_timeout(&mut self, now: Instant) {
        if self.sent_by.is_some_and(|by| now >= by) {
            self.sent_by = None;
            self.takes_none(self.has_answered.then(|| now + ASK_AGAIN));
        }
        if let State::Silent(Some(at)) = self.state {
            if now >= at {
                self.ask(now);
            }
        }
        if self.modbus.handle_timeout(now).is_err() {
            self.silent(now);
        }
        self.look(now);
    }

    fn takes_none(&mut self, again: Option<Instant>) {
        if !matches!(self.state, State::Silent(_)) {
            self.stop("takes no reports for Modbus; it is watched by its HID reports", again);
        }
    }

    /// Ends a search in vain, and notes that it answers.
    fn look(&mut self, now: Instant) {
        match &self.modbus.conversation {
            Some(conversation) if conversation.is_in_vain() => self.silent(now),
            Some(conversation) if conversation.is_watching() => {
                self.has_answered = true;
                if std::mem::take(&mut self.is_told) {
                    let text = format!("{} answers by Modbus", self.modbus.device);
                    self.modbus.told.push(LinkEvent::Log(Priority::Info, text));
                }
            }
            _ => {}
        }
    }

    fn silent(&mut self, now: Instant) {
        if self.has_answered {
            let text = "no longer answers by Modbus; it is watched by its HID reports";
            self.stop(text, Some(now + ASK_AGAIN));
        } else {
            let text = "does not answer by Modbus, which is off when a UPS is delivered; it is watched by its HID reports. To switch it on: \
                        Advanced Menu, Configuration, Modbus at its front panel, then plug the USB cable in again";
            self.stop(text, None);
        }
    }

    fn stop(&mut self, why: &str, again: Option<Instant>) {
        self.modbus.end("the UPS does not answer by Modbus");
        self.queue.clear();
        self.state = State::Silent(again);
        self.tell(&format!(" {why}"));
    }

    fn tell(&mut self, what: &str) {
        if !std::mem::replace(&mut self.is_told, true) {
            let priority =
                if self.is_wanted || self.has_answered { Priority::Warning } else { Priority::Info };
            self.modbus.told.push(LinkEvent::Log(priority, format!("{}{what}", self.modbus.device)));
        }
    }

    /// The report that is to be sent now, if any, and how long that may take.
    pub(in crate::link) fn poll_transmit(&mut self, now: Instant) -> Option<(Vec<u8>, Duration)> {
        let (id, length) = self.reports?.output;
        if self.sent_by.is_some() {
            return None;
        }
        if self.queue.is_empty() {
            let content = self.modbus.poll_transmit(now)?;
            self.queue.extend(usb(id, length, &content));
        }
        let report = self.queue.pop_front()?;
        self.sent_by = Some(now + SEND_TIMEOUT + PORT_GRACE);
        Some((report, SEND_TIMEOUT))
    }

    /// What the conversation tells. A loss is none: the other link guards.
    pub(in crate::link) fn poll_event(&mut self) -> Option<LinkEvent> {
        loop {
            match self.modbus.told.events.pop_front()? {
                LinkEvent::Lost { .. } => {}
                event => return Some(event),
            }
        }
    }

    pub(in crate::link) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::None => None,
            State::Silent(at) => crate::ups::earliest(&[at, self.sent_by]),
            // Nothing else can be sent meanwhile.
            State::Asking => self.sent_by.or_else(|| self.modbus.poll_timeout()),
        }
    }

    pub(in crate::link) fn set_polling(&mut self, poll_time: Duration, poll_rate: PollRate, now: Instant) {
        (self.modbus.poll_time, self.modbus.poll_rate) = (poll_time, poll_rate);
        self.modbus.set_polling(now);
    }

    pub(in crate::link) fn command(&mut self, command: Command, now: Instant) {
        self.modbus.command(command, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A collection of a UPS with the two usages: output and input report `id`, 63 bytes.
    fn descriptor(output: u8, input: u8, output_id: u8, input_id: u8) -> Vec<u8> {
        let mut bytes = vec![0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x06, 0x86, 0xff, 0x75, 0x08, 0x95, 0x3f];
        bytes.extend([0x85, output_id, 0x09, output, 0x91, 0x02]);
        bytes.extend([0x85, input_id, 0x09, input, 0x81, 0x02, 0xc0]);
        bytes
    }

    #[test]
    fn a_ups_speaks_modbus_if_it_has_both_usages_whatever_their_report_ids() {
        for id in [0x89, 0x42] {
            let found = Reports::find(&descriptor(0xfc, 0xfd, id, id)).unwrap();
            assert_eq!((found.output, found.input), ((id, 64), id));
        }
        let found = Reports::find(&descriptor(0xfc, 0xfd, 1, 2)).unwrap();
        assert_eq!((found.output.0, found.input), (1, 2));
        for (output, input) in [(0xfd, 0xfc), (0xfc, 0xfc), (0x52, 0xfd)] {
            assert_eq!(Reports::find(&descriptor(output, input, 1, 1)), None);
        }
        // A byte of HID before the answers, in the same report.
        let mut shared = descriptor(0xfc, 0xfd, 1, 2);
        let place = shared.windows(2).position(|bytes| bytes == [0x85, 2]).unwrap();
        shared.splice(place + 2..place + 2, [0x95, 1, 0x09, 0x52, 0x81, 2, 0x95, 0x3f]);
        let found = Reports::find(&shared).unwrap();
        assert_eq!((found.input, found.first, found.carries), (2, 2, Carries::Both));
        let whole = descriptor(0xfc, 0xfd, 1, 2);
        assert_eq!(Reports::find(&whole).map(|it| (it.first, it.carries)), Some((1, Carries::ModbusAlone)));
        for end in 0..whole.len() - 1 {
            assert_eq!(Reports::find(&whole[..end]).filter(|_| end < 24), None, "{end}");
        }
    }
}
