//! A serial UPS with smart signalling that is a function of its query, at the end of a port: for the whole daemon in fake time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mainsd::bus::serial::{Event, Serial, Transmit};
use mainsd::daemon::Driver;
use mainsd::daemon::driver::Pump;
use mainsd::link::LinkEvent;
use mainsd::link::apcsmart::{ApcSmartLink, Settings};
use mainsd::port::Port;
use mainsd::ups::{Asker, Command, PollRate, Priority, Reading};
use mio::{Registry, Token, event::Event as IoEvent};

/// From a query to its answer: 2400 bit/s.
const LATENCY: Duration = Duration::from_millis(30);

/// What the UPS was asked and has told.
#[derive(Debug, Default)]
pub struct Heard {
    /// When each answer came, and to which query.
    pub answers: Vec<(Instant, u8)>,
    pub readings: Vec<Reading>,
}

/// The UPS and its line. It answers a query at a second with a line.
pub struct SerialUps<A> {
    answer: A,
    zero: Instant,
    now: Instant,
    opened: bool,
    due: VecDeque<(Instant, u8)>,
    heard: Rc<RefCell<Heard>>,
}

impl<A: FnMut(u8, f64) -> String> SerialUps<A> {
    /// Opened when it is started; seconds count from `zero`.
    pub fn new(zero: Instant, answer: A, heard: Rc<RefCell<Heard>>) -> Self {
        Self { answer, zero, now: zero, opened: false, due: VecDeque::new(), heard }
    }
}

impl<A: FnMut(u8, f64) -> String> Port for SerialUps<A> {
    type Bus = Serial;

    fn start(&mut self, _: &Registry, _: Instant) {
        self.opened = true;
    }

    fn ready(&mut self, _: &Registry, _: Token, _: Instant) {}

    fn take_waiting(&mut self, _: &Registry, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, now: Instant) {
        self.now = now;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due.front().map(|(at, _)| *at)
    }

    fn poll_event(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.opened) {
            return Some(Event::Opened);
        }
        let (_, query) = *self.due.front().filter(|(at, _)| *at <= self.now)?;
        self.due.pop_front();
        let second = self.now.saturating_duration_since(self.zero).as_secs_f64();
        self.heard.borrow_mut().answers.push((self.now, query));
        Some(Event::Bytes(format!("{}\r\n", (self.answer)(query, second)).into_bytes()))
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        None
    }

    fn transmit(&mut self, _: &Registry, transmit: Transmit, now: Instant) {
        match transmit {
            Transmit::Byte(query) => self.due.push_back((now + LATENCY, query)),
            Transmit::Reopen => {
                self.due.clear();
                self.opened = true;
            }
            other => panic!("it has no use for {other:?}"),
        }
    }

    fn close(&mut self, _: &Registry) {}
}

/// The link that a UPS of this kind has.
pub fn link(poll_time: Duration) -> Box<ApcSmartLink> {
    Box::new(ApcSmartLink::new(Settings { poll_time, port: "ttyS9".into() }))
}

/// The driver of such a UPS, which keeps what it has told.
pub fn driver(
    poll_time: Duration,
    zero: Instant,
    answer: impl FnMut(u8, f64) -> String + 'static,
    heard: Rc<RefCell<Heard>>,
) -> Box<dyn Driver> {
    let port = Box::new(SerialUps::new(zero, answer, Rc::clone(&heard)));
    Box::new(Recording { inner: Pump::new(port, link(poll_time)), heard })
}

/// A driver whose readings are kept.
struct Recording {
    inner: Pump<Serial>,
    heard: Rc<RefCell<Heard>>,
}

impl Driver for Recording {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.inner.start(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.inner.ready(registry, event, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.inner.handle_timeout(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        let event = self.inner.poll_event();
        if let Some(LinkEvent::Reading(reading)) = &event {
            self.heard.borrow_mut().readings.push((**reading).clone());
        }
        event
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.inner.set_poll_rate(poll_rate, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.inner.set_poll_time(poll_time, now);
    }

    fn command(&mut self, asker: Asker, command: Command, now: Instant) {
        self.inner.command(asker, command, now);
    }

    fn close(&mut self, registry: &Registry) {
        self.inner.close(registry);
    }
}

/// What a healthy Smart-UPS on mains, or on battery, says.
pub fn healthy(query: u8, on_battery: bool) -> String {
    let by_line = |battery: &str, mains: &str| if on_battery { battery } else { mains }.to_owned();
    match query {
        b'Y' => "SM".into(),
        b'Q' => by_line("10", "08"),
        b'L' => by_line("000.0", "230.4"),
        b'G' => by_line("L", "O"),
        b'f' => "100.0".into(),
        b'j' => "0045:".into(),
        b'X' => "NO".into(),
        b'~' | b'\'' | b'8' => "00".into(),
        b'l' => "196".into(),
        b'u' => "253".into(),
        // The commands that it has.
        b'a' => "3.!$%+?=#|.Y.QGLXfj~'8lu".into(),
        _ => "NA".into(),
    }
}
