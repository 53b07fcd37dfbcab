//! The driver of Smart signalling: [`ApcSmartLink`] and [`SerialPort`], and the bytes that go between them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::Driver;
use crate::daemon::token;
use crate::link::LinkEvent;
use crate::link::apcsmart::{ApcSmartLink, Settings, Transmit};
use crate::port::serial::{Event, SerialPort};
use crate::sys::tty::ModemLines;
use crate::ups::{Command, Pace};

/// Rounds between port and link in one turn of the loop; more wait for the next turn.
const ROUNDS: usize = 64;

/// A UPS with Smart signalling at a serial port.
#[derive(Debug)]
pub struct ApcSmartDriver {
    port: SerialPort,
    link: ApcSmartLink,
    /// The link was told something outside of the loop's calls that carry the registry.
    due: Option<Instant>,
}

impl ApcSmartDriver {
    /// A driver for the UPS at the port that `device` (the directive DEVICE) names.
    #[must_use]
    pub fn new(device: &str, poll_time: Duration, now: Instant) -> Self {
        // RTS off is what cables for plug and play need; the others do not connect it (apcsmart §1).
        let (raise, clear) = (ModemLines::default(), ModemLines::RTS);
        Self {
            port: SerialPort::new(PathBuf::from(device), token::DRIVER, raise, clear, now),
            link: ApcSmartLink::new(Settings { poll_time, port: device.to_owned() }),
            due: None,
        }
    }

    /// Moves bytes between port and link until both are still.
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
                Some(Transmit::Byte(byte)) => self.port.send(registry, byte, now),
                Some(Transmit::Reopen) => self.port.reopen(registry, now),
                None => return,
            }
        }
        self.due = Some(now);
    }
}

impl Driver for ApcSmartDriver {
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
