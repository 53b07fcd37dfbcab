//! A USB UPS that speaks HID and Modbus. Sans-I/O.
//!
//! HID guards: line state, low battery and losses are its own, as with [`UsbLink`] alone, and each value that it has. Modbus goes beside it and adds what HID
//! lacks; when it does not answer, nothing else changes. Either of them that says "on battery" has both polled fast.

mod merge;
mod orders;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::modbus::usb::{Carries, UsbModbus};
use super::usb::{Settings, UsbLink};
use super::{Link, LinkEvent};
use crate::bus::usb::{Event, Transmit, Usb};
use crate::ups::{Command, CommandResult, Evidence, Identity, Item, PollRate, Reading, StatusFlags};
use orders::{Next, Orders};

/// Most events kept for a caller that does not fetch them; the oldest go first.
const MAX_EVENTS: usize = 64;
/// A value by Modbus that has not been read for so many polls, and for so long, is none if HID has read it since.
const STALE_INTERVALS: u32 = 3;
const STALE_MIN: Duration = Duration::from_secs(10);

/// Whose word something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Hid,
    Modbus,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Hid => "by HID",
            Self::Modbus => "by Modbus",
        }
    }
}

/// What one source has said since the device was opened.
#[derive(Debug, Default)]
struct Said {
    identity: Option<Identity>,
    reading: Option<Reading>,
}

impl Said {
    fn is_on_battery(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.status.contains(StatusFlags::ONBATT))
    }

    fn states(&self, item: Item) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.states(item))
    }
}

/// The link.
#[derive(Debug)]
pub struct UsbModbusLink {
    hid: UsbLink,
    modbus: UsbModbus,
    /// Values and orders by Modbus first, by HID what that lacks.
    modbus_first: bool,
    by_hid: Said,
    by_modbus: Said,
    orders: Orders,
    poll_time: Duration,
    /// What the daemon wants, and what both have been told.
    poll_rate: PollRate,
    told_rate: PollRate,
    events: VecDeque<LinkEvent>,
    now: Instant,
}

impl UsbModbusLink {
    /// A link that waits for its device. `modbus_first`: UPSTYPE modbus, of which values and orders go by Modbus where that is answered.
    #[must_use]
    pub fn new(settings: Settings, modbus_first: bool, now: Instant) -> Self {
        let poll_time = settings.poll_time;
        Self {
            hid: UsbLink::new(settings, now),
            modbus: UsbModbus::new(modbus_first, poll_time),
            modbus_first,
            by_hid: Said::default(),
            by_modbus: Said::default(),
            orders: Orders::default(),
            poll_time,
            poll_rate: PollRate::Normal,
            told_rate: PollRate::Normal,
            events: VecDeque::new(),
            now,
        }
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Takes over what the two have to tell.
    fn after(&mut self, now: Instant) {
        self.now = now;
        loop {
            if let Some(event) = self.hid.poll_event() {
                self.take_hid(event, now);
            } else if let Some(event) = self.modbus.poll_event() {
                self.take_modbus(event);
            } else if self.modbus_waits() {
                break;
            } else if let Some(command) = self.orders.waiting() {
                self.modbus.command(command, now);
            } else {
                break;
            }
        }
        if !self.modbus.is_watching() {
            self.by_modbus = Said::default();
        }
        if self.rate() != self.told_rate {
            self.tell_rate(now);
        }
    }

    fn take_hid(&mut self, event: LinkEvent, now: Instant) {
        match event {
            LinkEvent::Attached(identity) => {
                // It is told again after each change of a setting.
                let is_known = self.by_hid.identity.replace(*identity).is_some();
                if let Some((descriptor, name)) = self.hid.attached_device().filter(|_| !is_known) {
                    self.modbus.begin(descriptor, name, now);
                }
                self.tell_identity();
            }
            LinkEvent::Reading(reading) => {
                self.by_hid.reading = Some(*reading);
                self.tell_reading(None);
            }
            LinkEvent::Lost { .. } => {
                self.forget("the UPS is lost");
                self.push(event);
            }
            LinkEvent::Command(result) => self.ended(result, Source::Hid),
            event => self.push(event),
        }
    }

    fn take_modbus(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Attached(identity) => {
                self.by_modbus.identity = Some(*identity);
                self.tell_identity();
            }
            LinkEvent::Reading(reading) => {
                let at = reading.at;
                self.by_modbus.reading = Some(*reading);
                self.tell_reading(Some(at));
            }
            LinkEvent::Command(result) => self.ended(result, Source::Modbus),
            event => self.push(event),
        }
    }

    /// What was said of the device holds no longer.
    fn forget(&mut self, reason: &str) {
        self.modbus.close(reason);
        (self.by_hid, self.by_modbus) = (Said::default(), Said::default());
    }

    fn tell_identity(&mut self) {
        let Some(hid) = &self.by_hid.identity else { return };
        let identity = match &self.by_modbus.identity {
            None => hid.clone(),
            Some(modbus) if self.modbus_first => merge::identity(modbus, hid),
            Some(modbus) => merge::identity(hid, modbus),
        };
        self.push(LinkEvent::Attached(Box::new(identity)));
    }

    /// `by_modbus`: Modbus has said something new then, and what HID has said is told again.
    fn tell_reading(&mut self, by_modbus: Option<Instant>) {
        let Some(hid) = &self.by_hid.reading else { return };
        let mut reading = match &self.by_modbus.reading {
            None => hid.clone(),
            Some(modbus) => {
                let stale = self.modbus_first.then(|| self.stale_after());
                merge::reading(hid, modbus, stale)
            }
        };
        if let Some(at) = by_modbus {
            (reading.at, reading.evidence) = (at, Evidence::Poll);
        }
        self.push(LinkEvent::Reading(Box::new(reading)));
    }

    /// What Modbus has said so much earlier than HID is old.
    fn stale_after(&self) -> Duration {
        let interval = if self.told_rate == PollRate::Fast { Duration::ZERO } else { self.poll_time };
        STALE_MIN.max(interval.saturating_mul(STALE_INTERVALS))
    }

    fn rate(&self) -> PollRate {
        if self.by_hid.is_on_battery() || self.by_modbus.is_on_battery() {
            PollRate::Fast
        } else {
            self.poll_rate
        }
    }

    fn tell_rate(&mut self, now: Instant) {
        self.told_rate = self.rate();
        self.hid.set_poll_rate(self.told_rate, now);
        self.modbus.set_polling(self.poll_time, self.told_rate, now);
    }

    /// Whether Modbus is answered is not known yet.
    fn modbus_waits(&self) -> bool {
        self.modbus.may_answer() && !self.modbus.is_watching()
    }

    fn ended(&mut self, result: CommandResult, source: Source) {
        let next = self.orders.ended(result, source, self.modbus_waits());
        self.go_on(next);
    }

    fn go_on(&mut self, next: Option<Next>) {
        match next {
            Some(Next::Give(command, Source::Hid)) => self.hid.command(command, self.now),
            Some(Next::Give(command, Source::Modbus)) => self.modbus.command(command, self.now),
            Some(Next::Told(command, outcome)) => {
                self.push(LinkEvent::Command(CommandResult::new(command, outcome)));
            }
            None => {}
        }
    }

    /// Who is asked, and who is asked if that one cannot.
    fn sources(&self, command: Command) -> (Source, Option<Source>) {
        let item = match command {
            Command::Poll | Command::Record => return (Source::Hid, None),
            Command::ReadTransferCause => Item::TransferCause,
            Command::ReadSelfTest => Item::SelfTest,
            // What one has refused, or has failed at, the other is not asked for.
            Command::SelfTest | Command::Calibrate => {
                let by_modbus = if self.modbus_first {
                    self.modbus.is_watching()
                } else {
                    self.modbus.may_answer() && !self.by_hid.states(Item::SelfTest)
                };
                return (if by_modbus { Source::Modbus } else { Source::Hid }, None);
            }
            // Each has ways of its own to switch off and to set.
            _ if self.modbus_first && self.modbus.may_answer() => return (Source::Modbus, Some(Source::Hid)),
            _ => return (Source::Hid, self.modbus.may_answer().then_some(Source::Modbus)),
        };
        // Who has said what is shown of it.
        let shows_modbus = self.modbus.is_watching()
            && self.by_modbus.states(item)
            && (self.modbus_first || !self.by_hid.states(item));
        (if shows_modbus { Source::Modbus } else { Source::Hid }, None)
    }
}

impl Link for UsbModbusLink {
    type Bus = Usb;

    fn handle_event(&mut self, now: Instant, event: Event<'_>) {
        self.now = now;
        match event {
            Event::Opened(_) => {
                self.forget("the device was opened anew");
                self.hid.handle_event(now, event);
            }
            Event::Closed(ref reason) => {
                self.forget(reason);
                self.hid.handle_event(now, event);
            }
            Event::Interrupt(report) => {
                let its = self.modbus.carries(report);
                if its.is_some() {
                    self.modbus.handle_report(report, now);
                }
                if its != Some(Carries::ModbusAlone) {
                    self.hid.handle_event(now, event);
                }
            }
            Event::InterruptSent(result) => self.modbus.handle_sent(result, now),
            event => self.hid.handle_event(now, event),
        }
        self.after(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.hid.handle_timeout(now);
        self.modbus.handle_timeout(now);
        self.after(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let transmit = self.hid.poll_transmit(now);
        self.after(now);
        transmit.or_else(|| {
            let (data, timeout) = self.modbus.poll_transmit(now)?;
            Some(Transmit::InterruptOut { data, timeout })
        })
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.hid.poll_timeout(), self.modbus.poll_timeout()])
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.poll_rate = poll_rate;
        self.tell_rate(now);
        self.after(now);
    }

    /// A configuration that was read again is a reason to ask a UPS again that does not answer by Modbus.
    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.poll_time = poll_time;
        self.hid.set_poll_time(poll_time, now);
        self.modbus.set_polling(poll_time, self.told_rate, now);
        self.modbus.poll_soon(now);
        self.after(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.now = now;
        if command == Command::Poll {
            self.modbus.poll_soon(now);
        }
        let next = self.orders.begin(command, self.sources(command), self.modbus_waits());
        self.go_on(next);
        self.after(now);
    }
}
