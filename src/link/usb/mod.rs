//! The conversation with one USB UPS of the HID power device class. Sans-I/O.
//!
//! The port finds and opens the device and moves transfers; this room knows what to ask and what the answers mean.
//! A poll reads each report that carries a value once, the one with the line state first. Interrupt reports are hints to
//! look: what they say is believed when a read of the feature report says the same (usb-hid §10). Each item of a reading has
//! the time of the report that it was taken from; what is told again without having been read again keeps it.

mod copies;
mod decode;
mod delays;
mod device;
mod figures;
mod layout;
mod meaning;
mod orders;
mod quirks;
#[cfg(feature = "tools")]
mod recording;
mod request;
mod runtime;
mod sampled;
mod scale;
mod session;
mod settings;
mod store;
mod strings;
mod table;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::usb::{DeviceInfo, Event, TransferError, Transmit, Usb};
use crate::ups::{Command, CommandResult, PollRate, clean};
use meaning::Meaning;
use session::{Session, SessionEvent};

pub use device::{Wanted, verdict};
#[cfg(feature = "tools")]
use recording::Survey;
#[cfg(feature = "tools")]
pub use recording::{Pushed, Recording, RecordingLink, hex, path};
pub use session::describe;

/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;
/// Pauses before a device that was given up is opened again.
const PAUSES: [u64; 7] = [0, 1, 2, 4, 8, 16, 30];
/// An attachment that lasted so long was a good one: the next pause is the shortest again.
const GOOD_ATTACHMENT: Duration = Duration::from_secs(60);
/// A port that does not end a transfer in its time gets this much more.
const PORT_GRACE: Duration = Duration::from_secs(2);
/// Without a reading for three polls and for so long the UPS counts as lost, whatever reports it sends.
const SILENT_LEAST: Duration = Duration::from_secs(15);
/// How long a recording of a daemon listens to what the UPS sends by itself.
#[cfg(feature = "tools")]
pub const RECORD_TIME: Duration = Duration::from_secs(60);

/// What the configuration says about the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// POLLTIME: time between two polls on mains.
    pub poll_time: Duration,
}

/// The conversation with one USB UPS.
///
/// At most one control transfer is outstanding: the next is yielded when the end of the last was handed over.
#[derive(Debug)]
pub struct UsbLink {
    settings: Settings,
    poll_rate: PollRate,
    phase: Phase,
    events: VecDeque<LinkEvent>,
    /// The transfer the port is carrying out must have ended by then.
    outstanding: Option<Instant>,
    next_start: Instant,
    /// `Lost` was sent and no `Attached` since.
    loss_reported: bool,
    silence: Silence,
    failures: usize,
    /// What is known of the numbers of the last device: what is learned of a unit holds when it comes back.
    known: Option<(DeviceInfo, Meaning)>,
    /// What the port has been told of the length of interrupt reports since the device was opened.
    told_interrupt_len: Option<u16>,
    /// The recording that a client has ordered.
    #[cfg(feature = "tools")]
    survey: Option<Box<Survey>>,
}

#[derive(Debug)]
enum Phase {
    /// The port looks for the device.
    Closed,
    /// The device is open.
    Open { session: Session, since: Instant },
    /// The device is given up; the port is told so when the pause is over.
    GivenUp { until: Instant, how: Transmit },
}

impl UsbLink {
    /// A link that waits for its device.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            poll_rate: PollRate::Normal,
            phase: Phase::Closed,
            events: VecDeque::new(),
            outstanding: None,
            next_start: now,
            loss_reported: false,
            silence: Silence::new(now, SILENT_LEAST, SILENT_LEAST),
            failures: 0,
            known: None,
            told_interrupt_len: None,
            #[cfg(feature = "tools")]
            survey: None,
        }
    }

    /// The device is open and its interface claimed.
    pub fn handle_opened(&mut self, now: Instant, mut info: DeviceInfo) {
        // It names the device in the log.
        info.product_name = info.product_name.as_deref().map(clean);
        info.manufacturer = info.manufacturer.as_deref().map(clean);
        self.end_session("the device was opened anew");
        self.outstanding = None;
        let known = self.known.take().filter(|(device, _)| *device == info);
        let meaning = known.map(|(_, meaning)| meaning).unwrap_or_default();
        self.known = Some((info.clone(), Meaning::default()));
        self.told_interrupt_len = None;
        let session = Session::new(info, meaning, self.poll_rate, self.settings.poll_time, now);
        self.phase = Phase::Open { session, since: now };
    }

    /// The device is gone, could not be opened, or is not there. SessionEvent again, it is told once.
    pub fn handle_closed(&mut self, _now: Instant, reason: &str) {
        self.end_session(reason);
        self.outstanding = None;
        self.phase = Phase::Closed;
        self.tell_lost(reason.to_owned());
    }

    /// The outstanding control transfer ended.
    pub fn handle_control(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        // One that was given up may still end.
        if self.outstanding.take().is_none() {
            return;
        }
        #[cfg(feature = "tools")]
        if let Some(survey) = self.survey.as_mut().filter(|survey| survey.is_asking()) {
            survey.answered(result);
            return self.after(now);
        }
        if let Phase::Open { session, .. } = &mut self.phase {
            session.handle_control(now, result);
        }
        self.after(now);
    }

    /// A packet came on the interrupt-IN endpoint; the first byte is the report id.
    pub fn handle_interrupt(&mut self, now: Instant, report: &[u8]) {
        #[cfg(feature = "tools")]
        if let Some(survey) = &mut self.survey {
            survey.heard(now, report);
        }
        if let Phase::Open { session, .. } = &mut self.phase {
            let before = session.interval();
            session.handle_interrupt(now, report);
            // One that tells its line state by itself is asked less often.
            if session.interval() != before {
                self.silence.set_interval(now, session.interval());
            }
        }
        self.after(now);
    }

    /// The report descriptor of the device whose UPS is known, and how the device is called.
    #[cfg(feature = "usb-out")]
    pub(super) fn attached_device(&self) -> Option<(&[u8], String)> {
        match &self.phase {
            Phase::Open { session, .. } => session.attached_device(),
            Phase::Closed | Phase::GivenUp { .. } => None,
        }
    }

    /// Length of the longest interrupt report of the open device, as far as is known: its descriptor may have been read anew.
    fn interrupt_len(&self) -> Option<u16> {
        match &self.phase {
            Phase::Open { session, .. } => session.interrupt_len(),
            Phase::Closed | Phase::GivenUp { .. } => None,
        }
    }

    /// Begins to record the UPS that is watched: what the session does not ask meanwhile is the recording's.
    #[cfg(feature = "tools")]
    #[cold]
    #[inline(never)]
    fn record(&mut self, now: Instant) -> Result<(), String> {
        match &self.phase {
            Phase::Open { session, .. } if session.is_attached() && self.survey.is_none() => {
                self.survey = Some(Box::new(Survey::new(session.info().clone(), Some(RECORD_TIME), now)));
                Ok(())
            }
            _ => Err("a recording is under way, or the UPS is not there".to_owned()),
        }
    }

    /// Once in the binary: each of its callers would have a copy.
    #[cfg(feature = "tools")]
    #[cold]
    #[inline(never)]
    fn recorded(&mut self, outcome: Result<(), String>) {
        if let Some(survey) = self.survey.take() {
            let lines = survey.recording.encode().into_iter().map(|(word, text)| format!("{word} {text}\n"));
            let outcome = outcome.map(|()| lines.collect());
            self.push(LinkEvent::Command(CommandResult::new(Command::Record, outcome)));
        }
    }

    /// Takes over what the session has to tell.
    fn after(&mut self, now: Instant) {
        #[cfg(feature = "tools")]
        if let Some(outcome) = self.survey.as_mut().and_then(|survey| survey.poll(now)) {
            self.recorded(outcome);
        }
        while let Phase::Open { session, .. } = &mut self.phase {
            match session.poll_told() {
                None => return,
                Some(SessionEvent::Event(event)) => {
                    match event {
                        LinkEvent::Attached(_) => self.loss_reported = false,
                        LinkEvent::Reading(_) => self.silence.told(now, session.interval(), false),
                        _ => {}
                    }
                    self.push(event);
                }
                Some(SessionEvent::GiveUp { reason, reset }) => {
                    self.give_up(now, reason, if reset { Transmit::Reset } else { Transmit::Reopen });
                }
                Some(SessionEvent::NotAUps { reason }) => {
                    self.end_session(&reason);
                    self.phase = Phase::GivenUp { until: now, how: Transmit::LeaveAlone };
                    self.tell_lost(reason);
                }
            }
        }
    }

    fn give_up(&mut self, now: Instant, reason: String, how: Transmit) {
        if let Phase::Open { session, since } = &self.phase {
            if session.is_attached() && now.saturating_duration_since(*since) >= GOOD_ATTACHMENT {
                self.failures = 0;
            }
        }
        self.end_session(&reason);
        let pause = PAUSES.get(self.failures).or(PAUSES.last()).copied().unwrap_or_default();
        self.failures = (self.failures + 1).min(PAUSES.len());
        self.phase = Phase::GivenUp { until: now + Duration::from_secs(pause), how };
        self.tell_lost(reason);
    }

    /// Answers the orders that cannot be carried out any more, and keeps what the session still had to tell.
    fn end_session(&mut self, reason: &str) {
        let Phase::Open { mut session, .. } = std::mem::replace(&mut self.phase, Phase::Closed) else {
            return;
        };
        if let Some((_, meaning)) = &mut self.known {
            *meaning = session.take_meaning();
        }
        for event in session.end(reason) {
            self.push(event);
        }
        #[cfg(feature = "tools")]
        self.recorded(Err(reason.to_owned()));
    }

    fn tell_lost(&mut self, reason: String) {
        if !std::mem::replace(&mut self.loss_reported, true) {
            self.push(LinkEvent::Lost { reason });
        }
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Link for UsbLink {
    type Bus = Usb;

    fn handle_event(&mut self, now: Instant, event: Event<'_>) {
        match event {
            Event::Opened(info) => self.handle_opened(now, info),
            Event::Closed(reason) => self.handle_closed(now, &reason),
            Event::Control(result) => self.handle_control(now, result),
            Event::Interrupt(report) => self.handle_interrupt(now, report),
            // This link sends none.
            #[cfg(feature = "usb-out")]
            Event::InterruptSent(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.outstanding.is_some_and(|deadline| now >= deadline) {
            self.outstanding = None;
            self.give_up(now, "the USB port does not end a transfer".into(), Transmit::Reset);
        }
        if let Phase::Open { session, .. } = &mut self.phase {
            session.handle_timeout(now);
            if session.is_attached() && self.silence.is_over(now) {
                let reason = format!("{} has not said for too long how it is", session.name());
                self.give_up(now, reason, Transmit::Reopen);
            }
        }
        self.after(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let length = self.interrupt_len();
        if length != self.told_interrupt_len && length.is_some() {
            self.told_interrupt_len = length;
            return length.map(Transmit::InterruptLen);
        }
        if self.outstanding.is_some() {
            return None;
        }
        match &mut self.phase {
            Phase::Closed => None,
            Phase::GivenUp { until, .. } if now < *until => None,
            Phase::GivenUp { how, .. } => {
                let how = how.clone();
                self.phase = Phase::Closed;
                Some(how)
            }
            Phase::Open { .. } if now < self.next_start => None,
            Phase::Open { session, .. } => {
                let transmit = session.poll_transmit(now);
                #[cfg(feature = "tools")]
                let transmit = transmit.or_else(|| self.survey.as_mut()?.next());
                if transmit.is_some() {
                    self.next_start = now + request::SPACING;
                    self.outstanding = Some(now + request::TIMEOUT + PORT_GRACE);
                }
                self.after(now);
                transmit
            }
        }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.outstanding.is_some() {
            return self.outstanding;
        }
        match &self.phase {
            Phase::Closed => None,
            Phase::GivenUp { until, .. } => Some(*until),
            Phase::Open { session, .. } => {
                let next = session.poll_timeout().map_or(self.next_start, |at| at.max(self.next_start));
                #[cfg(feature = "tools")]
                let next = match &self.survey {
                    Some(survey) => next.min(survey.until().unwrap_or(self.next_start)),
                    None => next,
                };
                let silence = session.is_attached().then(|| self.silence.until());
                Some(silence.map_or(next, |until| next.min(until)))
            }
        }
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.poll_rate = poll_rate;
        if let Phase::Open { session, .. } = &mut self.phase {
            session.set_poll_rate(poll_rate, self.settings.poll_time, now);
            self.silence.set_interval(now, session.interval());
        }
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.settings.poll_time = poll_time;
        self.set_poll_rate(self.poll_rate, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        #[cfg(feature = "tools")]
        if command == Command::Record {
            if let Err(reason) = self.record(now) {
                self.push(LinkEvent::Command(CommandResult::new(command, Err(reason))));
            }
            return;
        }
        let refused = match &mut self.phase {
            Phase::Open { session, .. } => session.command(command, now).err(),
            Phase::Closed | Phase::GivenUp { .. } => Some("no communication with the UPS".to_owned()),
        };
        if let Some(reason) = refused {
            self.push(LinkEvent::Command(CommandResult::new(command, Err(reason))));
        }
        self.after(now);
    }
}
