//! A serial UPS with smart signalling that is a function of its query, as a driver: for the whole daemon in fake time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mainsd::bus::serial::Transmit;
use mainsd::daemon::Driver;
use mainsd::link::apcsmart::{ApcSmartLink, Settings};
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Asker, Command, PollRate, Reading};
use mio::{Registry, event::Event as IoEvent};

/// From a query to its answer: 2400 bit/s.
const LATENCY: Duration = Duration::from_millis(30);

/// What the UPS was asked and has told.
#[derive(Debug, Default)]
pub struct Heard {
    /// When each answer came, and to which query.
    pub answers: Vec<(Instant, u8)>,
    pub readings: Vec<Reading>,
}

/// The UPS, its line and the link. It answers a query at a second with a line.
pub struct SerialUps<A> {
    link: ApcSmartLink,
    answer: A,
    zero: Instant,
    due: Option<(Instant, u8)>,
    heard: Rc<RefCell<Heard>>,
}

impl<A: FnMut(u8, f64) -> String> SerialUps<A> {
    /// Opened when it is started; seconds count from `zero`.
    pub fn new(poll_time: Duration, zero: Instant, answer: A, heard: Rc<RefCell<Heard>>) -> Self {
        let link = ApcSmartLink::new(Settings { poll_time, port: "ttyS9".into() });
        Self { link, answer, zero, due: None, heard }
    }

    fn pump(&mut self, now: Instant) {
        if let Some((_, query)) = self.due.take_if(|(at, _)| *at <= now) {
            let second = now.saturating_duration_since(self.zero).as_secs_f64();
            let answer = (self.answer)(query, second);
            self.heard.borrow_mut().answers.push((now, query));
            self.link.handle_bytes(now, format!("{answer}\r\n").as_bytes());
        }
        self.link.handle_timeout(now);
        while self.due.is_none() {
            match self.link.poll_transmit(now) {
                Some(Transmit::Byte(query)) => self.due = Some((now + LATENCY, query)),
                Some(Transmit::Reopen) => self.link.handle_opened(now),
                Some(_) => panic!("it has no use for modem lines"),
                None => break,
            }
        }
    }
}

impl<A: FnMut(u8, f64) -> String> Driver for SerialUps<A> {
    fn start(&mut self, _: &Registry, now: Instant) {
        self.link.handle_opened(now);
        self.pump(now);
    }

    fn ready(&mut self, _: &Registry, _: &IoEvent, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, now: Instant) {
        self.pump(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let due = self.due.map(|(at, _)| at);
        [due, self.link.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        let event = self.link.poll_event();
        if let Some(LinkEvent::Reading(reading)) = &event {
            self.heard.borrow_mut().readings.push((**reading).clone());
        }
        event
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.link.set_poll_rate(poll_rate, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
    }

    fn command(&mut self, _: Asker, command: Command, now: Instant) {
        self.link.command(command, now);
    }

    fn close(&mut self, _: &Registry) {}
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
