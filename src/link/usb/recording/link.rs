//! The link of a program that records a UPS which no daemon has.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Recording, Survey};
use crate::bus::usb::{DeviceInfo, Event, TransferError, Transmit, Usb};
use crate::link::usb::PORT_GRACE;
use crate::link::usb::request::{SPACING, TIMEOUT};
use crate::link::{Link, LinkEvent};
use crate::ups::{Command, CommandResult, PollRate};

/// A link that begins to record with the first command, which ends when the recording does.
#[derive(Debug)]
pub struct RecordingLink {
    recording: Rc<RefCell<Recording>>,
    listen: Option<Duration>,
    /// The device that is open.
    info: Option<DeviceInfo>,
    /// The order that is carried out.
    work: Option<(Command, Survey)>,
    /// The transfer under way must have ended by then.
    outstanding: Option<Instant>,
    next_start: Instant,
    told_interrupt_len: Option<u16>,
    events: VecDeque<LinkEvent>,
}

impl RecordingLink {
    /// A link that fills this recording, and listens for so long; `None`: only the report descriptor is wanted.
    #[must_use]
    pub fn new(recording: Rc<RefCell<Recording>>, listen: Option<Duration>, now: Instant) -> Self {
        Self {
            recording,
            listen,
            info: None,
            work: None,
            outstanding: None,
            next_start: now,
            told_interrupt_len: None,
            events: VecDeque::new(),
        }
    }

    fn end(&mut self, outcome: Result<(), String>) {
        if let Some((command, survey)) = self.work.take() {
            *self.recording.borrow_mut() = survey.recording;
            let result = CommandResult::new(command, outcome.map(|()| String::new()));
            self.events.push_back(LinkEvent::Command(result));
        }
    }

    fn advance(&mut self, now: Instant) {
        if let Some(outcome) = self.work.as_mut().and_then(|(_, survey)| survey.poll(now)) {
            self.end(outcome);
        }
    }

    fn answered(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        self.outstanding = None;
        if let Some((_, survey)) = &mut self.work {
            survey.answered(result);
        }
        self.advance(now);
    }
}

impl Link for RecordingLink {
    type Bus = Usb;

    fn handle_event(&mut self, now: Instant, event: Event<'_>) {
        match event {
            Event::Opened(info) => {
                self.info = Some(info);
                self.told_interrupt_len = None;
                self.events.push_back(LinkEvent::Attached(Box::default()));
            }
            Event::Closed(reason) => {
                self.outstanding = None;
                self.end(Err(reason.clone()));
                self.events.push_back(LinkEvent::Lost { reason });
            }
            Event::Control(result) => self.answered(now, result),
            Event::Interrupt(report) => {
                if let Some((_, survey)) = &mut self.work {
                    survey.heard(now, report);
                }
            }
            #[cfg(feature = "usb-out")]
            Event::InterruptSent(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.outstanding.is_some_and(|until| until <= now) {
            self.answered(now, Err(TransferError::Timeout));
        }
        self.advance(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let (_, survey) = self.work.as_mut()?;
        let length = survey.interrupt_len();
        if length.is_some() && length != self.told_interrupt_len {
            self.told_interrupt_len = length;
            return length.map(Transmit::InterruptLen);
        }
        if self.outstanding.is_some() || now < self.next_start {
            return None;
        }
        let transmit = survey.next()?;
        self.next_start = now + SPACING;
        self.outstanding = Some(now + TIMEOUT + PORT_GRACE);
        Some(transmit)
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let (_, survey) = self.work.as_ref()?;
        self.outstanding.or(survey.until()).or(Some(self.next_start))
    }

    fn set_poll_rate(&mut self, _: PollRate, _: Instant) {}

    fn set_poll_time(&mut self, _: Duration, _: Instant) {}

    fn command(&mut self, command: Command, now: Instant) {
        if let Some(info) = self.info.clone() {
            self.work = Some((command, Survey::new(info, self.listen, now)));
            self.advance(now);
        }
    }
}
