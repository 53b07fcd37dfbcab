//! The conversation with one APC UPS by Modbus (`modbus`), on a serial line or with a network card over TCP. Sans-I/O.
//!
//! One request is under way at a time ([`exchange`]). The UPS says nothing by itself, so its status is asked for every second, before
//! everything else; a change is looked at a second time at once. Neighbouring registers are asked for together ([`blocks`]), what they mean
//! is in [`store`].

mod blocks;
mod conversation;
mod exchange;
mod order;
mod outlet;
mod setting;
mod store;
#[cfg(test)]
mod tests;
#[cfg(feature = "usb")]
pub(super) mod usb;

use std::time::{Duration, Instant};

use super::{Link, LinkEvent};
use crate::bus::{serial, stream};
use crate::ups::{Command, CommandResult, PollRate, TransferCause};
use conversation::{Conversation, Told};
use exchange::Framing;

/// The usual port of a card (modbus §1.3).
pub const PORT: u16 = 502;
/// Longest wait for a connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Between the end of a connection and the next one.
const CONNECT_INTERVAL: Duration = Duration::from_secs(1);
/// Without a connection for so long the UPS counts as lost.
const UNREACHABLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What both ways have in common.
#[derive(Debug)]
struct Modbus {
    /// How a person calls it: the port, or the host.
    device: String,
    framing: Framing,
    poll_time: Duration,
    poll_rate: PollRate,
    conversation: Option<Conversation>,
    /// Why the UPS with this serial number last transferred: it says that only while it is on battery.
    cause: Option<(String, TransferCause)>,
    /// How many probes have been sent: late answers outlast a connection that is made anew.
    probes: usize,
    told: Told,
}

impl Modbus {
    fn new(device: String, framing: Framing, poll_time: Duration) -> Self {
        let told = Told::default();
        Self {
            device,
            framing,
            poll_time,
            poll_rate: PollRate::Normal,
            conversation: None,
            cause: None,
            probes: 0,
            told,
        }
    }

    fn begin(&mut self, now: Instant) {
        self.end("the connection was made anew");
        let conversation = Conversation::new(self.framing, self.poll_time, self.poll_rate, self.probes, now);
        self.conversation = Some(conversation.knowing(self.cause.clone()));
    }

    fn end(&mut self, reason: &str) {
        if let Some(conversation) = self.conversation.take() {
            self.probes = conversation.probes();
            self.cause = conversation.cause().or(self.cause.take());
            conversation.end(reason, &mut self.told);
        }
    }

    /// `Err`: the connection is of no use any more.
    fn handle_bytes(&mut self, bytes: &[u8], now: Instant) -> Result<(), ()> {
        match &mut self.conversation {
            Some(conversation) => conversation.handle_bytes(bytes, &mut self.told, now),
            None => Ok(()),
        }
    }

    /// `Err`: the UPS is lost, which is told.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), ()> {
        match &mut self.conversation {
            Some(conversation) => conversation.handle_timeout(&self.device, &mut self.told, now),
            None => Ok(()),
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.conversation.as_mut()?.poll_transmit(now)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.conversation.as_ref().map(Conversation::poll_timeout)
    }

    fn set_polling(&mut self, now: Instant) {
        if let Some(conversation) = &mut self.conversation {
            conversation.set_polling(self.poll_time, self.poll_rate, now);
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match &mut self.conversation {
            Some(conversation) => conversation.command(command, &mut self.told, now),
            None => {
                let outcome = Err("no communication with the UPS".to_owned());
                self.told.push(LinkEvent::Command(CommandResult::new(command, outcome)));
            }
        }
    }
}

/// A UPS on a serial line.
#[derive(Debug)]
pub struct SerialModbus {
    modbus: Modbus,
    /// The port is to be opened anew: an adapter may have lost its settings.
    reopens: bool,
}

impl SerialModbus {
    /// 9600 bit/s (modbus §1.1).
    pub const SPEED: u32 = 9600;

    /// A link that waits for its port.
    #[must_use]
    pub fn new(port: &str, poll_time: Duration) -> Self {
        Self { modbus: Modbus::new(port.to_owned(), Framing::Rtu, poll_time), reopens: false }
    }
}

impl Link for SerialModbus {
    type Bus = serial::Serial;

    fn handle_event(&mut self, now: Instant, event: serial::Event) {
        match event {
            serial::Event::Opened => self.modbus.begin(now),
            serial::Event::Closed(reason) => {
                self.modbus.end(&reason);
                self.modbus.told.lost(reason);
            }
            // No frame of a serial line is more than noise to the next one.
            serial::Event::Bytes(bytes) => _ = self.modbus.handle_bytes(&bytes, now),
            serial::Event::Lines(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.modbus.handle_timeout(now).is_err() {
            self.modbus.end("the UPS does not answer");
            self.reopens = true;
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<serial::Transmit> {
        if std::mem::take(&mut self.reopens) {
            return Some(serial::Transmit::Reopen);
        }
        self.modbus.poll_transmit(now).map(serial::Transmit::Bytes)
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.modbus.told.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.modbus.poll_timeout()
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.modbus.poll_rate = poll_rate;
        self.modbus.set_polling(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.modbus.poll_time = poll_time;
        self.modbus.set_polling(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.modbus.command(command, now);
    }
}

/// A network card, over TCP.
#[derive(Debug)]
pub struct TcpModbus {
    modbus: Modbus,
    connection: Connection,
    /// Since when there is none; `None`: there is one that is of use.
    unreachable_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// To be made then.
    None(Instant),
    /// Being made.
    Begun,
    Made,
    /// To be closed.
    Useless,
}

impl TcpModbus {
    /// A link to the card at this target, first connected to at `now`.
    #[must_use]
    pub fn new(target: &stream::Target, poll_time: Duration, now: Instant) -> Self {
        let modbus = Modbus::new(target.to_string(), Framing::Tcp, poll_time);
        Self { modbus, connection: Connection::None(now), unreachable_since: Some(now) }
    }

    fn is_unreachable(&self, now: Instant) -> bool {
        self.told_at().is_some_and(|at| now >= at)
    }

    /// When it is told that the card cannot be reached; `None`: there is a connection, or that it is lost has been told, with a better reason.
    fn told_at(&self) -> Option<Instant> {
        let waits = self.connection != Connection::Made && !self.modbus.told.loss.is_told();
        self.unreachable_since.filter(|_| waits).map(|since| since + UNREACHABLE_TIMEOUT)
    }
}

impl Link for TcpModbus {
    type Bus = stream::Stream;

    fn handle_event(&mut self, now: Instant, event: stream::Event) {
        match event {
            stream::Event::Connected => {
                self.connection = Connection::Made;
                self.modbus.begin(now);
            }
            stream::Event::Bytes(bytes) => {
                if self.connection == Connection::Made && self.modbus.handle_bytes(&bytes, now).is_err() {
                    self.connection = Connection::Useless;
                }
            }
            stream::Event::Closed(reason) => {
                self.modbus.end(&reason);
                self.connection = Connection::None(now + CONNECT_INTERVAL);
                let since = *self.unreachable_since.get_or_insert(now);
                // A card that restarts its server is there again before that.
                if now >= since + UNREACHABLE_TIMEOUT {
                    self.modbus.told.lost(format!("{}: {reason}", self.modbus.device));
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.modbus.handle_timeout(now).is_err() {
            self.connection = Connection::Useless;
        }
        if self.is_unreachable(now) {
            self.modbus.told.lost(format!("{}: the card cannot be reached", self.modbus.device));
        }
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<stream::Transmit> {
        match self.connection {
            Connection::Useless => {
                self.modbus.end("the card does not answer");
                self.unreachable_since.get_or_insert(now);
                self.connection = Connection::None(now + CONNECT_INTERVAL);
                Some(stream::Transmit::Close)
            }
            Connection::None(at) if at <= now => {
                self.connection = Connection::Begun;
                Some(stream::Transmit::Connect { target: 0, timeout: CONNECT_TIMEOUT })
            }
            Connection::Made => {
                self.modbus.poll_transmit(now).map(|frame| stream::Transmit::Send(frame.into()))
            }
            Connection::None(_) | Connection::Begun => None,
        }
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        let event = self.modbus.told.events.pop_front();
        if self.connection == Connection::Made && matches!(event, Some(LinkEvent::Reading(_))) {
            self.unreachable_since = None;
        }
        event
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.connection {
            Connection::None(at) => Some(self.told_at().map_or(at, |told| told.min(at))),
            Connection::Begun => self.told_at(),
            Connection::Made | Connection::Useless => self.modbus.poll_timeout(),
        }
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.modbus.poll_rate = poll_rate;
        self.modbus.set_polling(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.modbus.poll_time = poll_time;
        self.modbus.set_polling(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.modbus.command(command, now);
    }
}
