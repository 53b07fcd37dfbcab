//! The driver of a UPS at a serial port: [`SerialPort`], a link, and what goes between them: bytes ([`ApcSmartLink`]) or
//! the state of the modem lines ([`DumbLink`]).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::{Driver, ROUNDS};
use crate::daemon::token;
use crate::link::LinkEvent;
use crate::link::apcsmart::{self, ApcSmartLink, Settings};
use crate::link::dumb::{self, Cable, DumbLink, Lines};
use crate::port::serial::{Event, SerialPort};
use crate::sys::tty::ModemLines;
use crate::ups::{Command, Pace};

/// What a link wants of the port.
#[derive(Debug)]
pub enum Transmit {
    /// Of one that talks in bytes.
    Talk(apcsmart::Transmit),
    /// Of one that talks by modem lines.
    Lines(dumb::Transmit),
}

/// A link that talks through a serial port.
pub trait SerialLink {
    /// The port is open.
    fn handle_opened(&mut self, now: Instant);
    /// The port is gone, or cannot be opened.
    fn handle_closed(&mut self, now: Instant, reason: &str);
    /// Bytes came.
    fn handle_bytes(&mut self, _now: Instant, _bytes: &[u8]) {}
    /// How the modem lines are; `None`: the port has none.
    fn handle_lines(&mut self, _now: Instant, _lines: Option<Lines>) {}
    /// A deadline may have passed.
    fn handle_timeout(&mut self, _now: Instant) {}
    /// What the port must do now, if anything.
    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit>;
    /// The next deadline.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What the link has to tell.
    fn poll_event(&mut self) -> Option<LinkEvent>;
    /// How often to poll from now on.
    fn set_pace(&mut self, pace: Pace, now: Instant);
    /// POLLTIME changed.
    fn set_poll_time(&mut self, poll_time: Duration, now: Instant);
    /// Something to tell the UPS.
    fn command(&mut self, command: Command, now: Instant);
}

/// A UPS at a serial port.
pub struct SerialDriver {
    port: SerialPort,
    link: Box<dyn SerialLink>,
    /// The link was told something outside of the loop's calls that carry the registry.
    due: Option<Instant>,
}

// The link's own would bring that of everything in it into the binary.
impl std::fmt::Debug for SerialDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SerialDriver").field("port", &self.port).finish_non_exhaustive()
    }
}

impl SerialDriver {
    /// A driver for the UPS with Smart signalling at the port that `device` (the directive DEVICE) names.
    #[must_use]
    pub fn smart(device: &str, poll_time: Duration, now: Instant) -> Self {
        // RTS off is what cables for plug and play need; the others do not connect it (apcsmart §1).
        let (raise, clear) = (ModemLines::default(), ModemLines::RTS);
        Self {
            port: SerialPort::new(PathBuf::from(device), token::DRIVER, raise, clear, now),
            link: Box::new(ApcSmartLink::new(Settings { poll_time, port: device.to_owned() })),
            due: None,
        }
    }

    /// A driver for the UPS with simple signalling that this cable connects to the port.
    #[must_use]
    pub fn dumb(device: &str, cable: &'static Cable, poll_time: Duration, now: Instant) -> Self {
        let (raise, clear) = (to_port(cable.rest.raise), to_port(cable.rest.clear));
        Self {
            port: SerialPort::new(PathBuf::from(device), token::DRIVER, raise, clear, now).keep_settings(),
            link: Box::new(DumbLink::new(cable, device, poll_time)),
            due: None,
        }
    }

    /// Moves what there is between port and link until both are still.
    fn pump(&mut self, registry: &Registry, now: Instant) {
        self.due = None;
        for _ in 0..ROUNDS {
            while let Some(event) = self.port.poll_event() {
                match event {
                    Event::Opened => self.link.handle_opened(now),
                    Event::Closed(reason) => self.link.handle_closed(now, &reason),
                    Event::Bytes(bytes) => self.link.handle_bytes(now, &bytes),
                }
            }
            match self.link.poll_transmit(now) {
                Some(Transmit::Talk(apcsmart::Transmit::Byte(byte))) => self.port.send(registry, byte, now),
                Some(Transmit::Talk(apcsmart::Transmit::Reopen)) => self.port.reopen(registry, now),
                Some(Transmit::Lines(dumb::Transmit::Look)) => {
                    if let Some(lines) = self.port.modem_lines(registry, now) {
                        self.link.handle_lines(now, lines.map(from_port));
                    }
                }
                Some(Transmit::Lines(dumb::Transmit::Switch(lines, on))) => {
                    self.port.set_modem_lines(to_port(lines), on);
                }
                Some(Transmit::Lines(dumb::Transmit::Break(on))) => self.port.set_break(on),
                None => return,
            }
        }
        self.due = Some(now);
    }
}

/// The lines of simple signalling, as link and port call them.
const LINES: [(Lines, ModemLines); 6] = [
    (Lines::CD, ModemLines::CD),
    (Lines::CTS, ModemLines::CTS),
    (Lines::RING, ModemLines::RING),
    (Lines::DTR, ModemLines::DTR),
    (Lines::RTS, ModemLines::RTS),
    (Lines::ST, ModemLines::ST),
];

fn to_port(lines: Lines) -> ModemLines {
    let of = LINES.iter().filter(|(line, _)| lines.contains(*line));
    of.fold(ModemLines::default(), |set, (_, line)| set.and(*line))
}

fn from_port(lines: ModemLines) -> Lines {
    let of = LINES.iter().filter(|(_, line)| lines.contains(*line));
    of.fold(Lines::NONE, |set, (line, _)| set.and(*line))
}

impl Driver for SerialDriver {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.port.start(registry, now);
        self.pump(registry, now);
    }

    fn ready(&mut self, registry: &Registry, _event: &IoEvent, now: Instant) {
        self.port.ready(registry, now);
        self.pump(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.port.handle_timeout(registry, now);
        self.pump(registry, now);
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.due, self.port.poll_timeout(), self.link.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.link.poll_event()
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.link.set_pace(pace, now);
        self.due = Some(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
        self.due = Some(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.link.command(command, now);
        self.due = Some(now);
    }

    fn close(&mut self, registry: &Registry) {
        self.port.close(registry);
    }
}

impl SerialLink for ApcSmartLink {
    fn handle_opened(&mut self, now: Instant) {
        self.handle_opened(now);
    }

    fn handle_closed(&mut self, now: Instant, reason: &str) {
        self.handle_closed(now, reason);
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.handle_bytes(now, bytes);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.poll_transmit(now).map(Transmit::Talk)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.poll_event()
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.set_pace(pace, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.set_poll_time(poll_time, now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.command(command, now);
    }
}

impl SerialLink for DumbLink {
    fn handle_opened(&mut self, now: Instant) {
        self.handle_opened(now);
    }

    fn handle_closed(&mut self, _now: Instant, reason: &str) {
        self.handle_closed(reason);
    }

    fn handle_lines(&mut self, now: Instant, lines: Option<Lines>) {
        self.handle_lines(now, lines);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.poll_transmit(now).map(Transmit::Lines)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.poll_event()
    }

    fn set_pace(&mut self, pace: Pace, _now: Instant) {
        self.set_pace(pace);
    }

    fn set_poll_time(&mut self, poll_time: Duration, _now: Instant) {
        self.set_poll_time(poll_time);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.command(command, now);
    }
}
