//! A link and its port, and what goes between them.

use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::Driver;
use crate::bus::Bus;
use crate::link::{Link, LinkEvent};
use crate::port::Port;
use crate::ups::{Asker, Command, PollRate};

/// Rounds between port and link in one turn of the loop; more wait for the next turn.
const ROUNDS: usize = 64;
/// Most commands without a result; links take fewer and refuse the rest.
const ASKED_MAX: usize = 64;

/// The driver of a link that talks through a port.
pub struct Pump<B: Bus> {
    port: Box<dyn Port<Bus = B>>,
    link: Box<dyn Link<Bus = B>>,
    /// The link was told something outside of the loop's calls that carry the registry, or there was too much for one turn.
    due: Option<Instant>,
    /// Commands without a result yet, and who gave them.
    asked: Vec<(Asker, Command)>,
}

// Those of port and link would bring that of everything in them into the binary.
impl<B: Bus> std::fmt::Debug for Pump<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").finish_non_exhaustive()
    }
}

impl<B: Bus> Pump<B> {
    /// A driver of the two.
    #[must_use]
    pub fn new(port: Box<dyn Port<Bus = B>>, link: Box<dyn Link<Bus = B>>) -> Self {
        Self { port, link, due: None, asked: Vec::new() }
    }

    /// Moves what there is between port and link until both are still.
    fn pump(&mut self, registry: &Registry, now: Instant) {
        self.due = None;
        for _ in 0..ROUNDS {
            while let Some(event) = self.port.poll_event() {
                self.link.handle_event(now, event);
            }
            match self.link.poll_transmit(now) {
                Some(transmit) => self.port.transmit(registry, transmit, now),
                None => return,
            }
        }
        self.due = Some(now);
    }
}

impl<B: Bus> Driver for Pump<B> {
    fn prepare(&mut self) -> bool {
        self.port.prepare()
    }

    fn listen(&mut self) {
        self.port.listen();
    }

    fn start(&mut self, registry: &Registry, now: Instant) {
        self.port.start(registry, now);
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.port.ready(registry, event.token(), now);
        self.pump(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.port.handle_timeout(registry, now);
        if self.link.poll_timeout().is_some_and(|at| at <= now) {
            self.port.take_waiting(registry, now);
        }
        self.pump(registry, now);
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        crate::ups::earliest(&[self.due, self.port.poll_timeout(), self.link.poll_timeout()])
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        let line = self.port.poll_log().map(|(priority, text)| LinkEvent::Log(priority, text));
        let mut event = line.or_else(|| self.link.poll_event())?;
        if let LinkEvent::Command(result) = &mut event {
            // Of equal commands the first is answered first.
            let at = self.asked.iter().position(|(_, command)| *command == result.command);
            result.asker = at.map_or(Asker::Machine, |at| self.asked.remove(at).0);
        }
        Some(event)
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.link.set_poll_rate(poll_rate, now);
        self.due = Some(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
        self.due = Some(now);
    }

    fn command(&mut self, asker: Asker, command: Command, now: Instant) {
        if self.asked.len() >= ASKED_MAX {
            self.asked.remove(0);
        }
        self.asked.push((asker, command));
        self.link.command(command, now);
        self.due = Some(now);
    }

    fn close(&mut self, registry: &Registry) {
        self.port.close(registry);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use mio::Poll;

    use super::*;
    use crate::config;
    use crate::port::device_lock::DeviceLocks;
    use crate::sys::tty;

    fn driver(text: &str, now: Instant) -> Box<dyn Driver> {
        let config = config::parse(text.as_bytes(), "test").config;
        super::super::open(&config, &DeviceLocks::default(), None, None, None, now).unwrap()
    }

    /// The simulated UPS answers each command.
    #[test]
    fn each_result_goes_to_who_has_asked() {
        let poll = Poll::new().unwrap();
        let now = Instant::now();
        let mut driver = driver("UPSTYPE test\n", now);
        driver.start(poll.registry(), now);
        let asked = [
            (Asker::Other(7), Command::SelfTest),
            (Asker::Machine, Command::ReadSelfTest),
            (Asker::Other(8), Command::SelfTest),
            (Asker::Other(9), Command::ReadSelfTest),
        ];
        for (asker, command) in asked {
            driver.command(asker, command, now);
        }
        driver.handle_timeout(poll.registry(), now + Duration::from_secs(30));
        let results = std::iter::from_fn(|| driver.poll_event()).filter_map(|event| match event {
            LinkEvent::Command(result) => Some((result.asker, result.command)),
            _ => None,
        });
        let results: Vec<_> = results.collect();
        for command in [Command::SelfTest, Command::ReadSelfTest] {
            let of = |all: &[(Asker, Command)]| -> Vec<Asker> {
                all.iter().filter(|(_, of)| *of == command).map(|(asker, _)| *asker).collect()
            };
            assert_eq!(of(&results), of(&asked), "{command:?}: {results:?}");
        }
    }

    /// As after SIGSTOP and SIGCONT, of whose end the loop has not been told either.
    #[test]
    fn an_answer_that_waits_is_heard_before_its_deadline_is_judged() {
        let poll = Poll::new().unwrap();
        let (master, path) = tty::pty().unwrap();
        let mut master = std::fs::File::from(master);
        let now = Instant::now();
        let text = format!("UPSCABLE smart\nUPSTYPE apcsmart\nDEVICE {}\n", path.display());
        let mut driver = driver(&text, now);
        driver.start(poll.registry(), now);
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        assert_eq!(byte, *b"Y", "is it there?");
        driver.handle_timeout(poll.registry(), now);
        master.write_all(b"SM\r\n").unwrap();
        driver.handle_timeout(poll.registry(), now + Duration::from_secs(15));
        master.read_exact(&mut byte).unwrap();
        assert_ne!(byte, *b"Y", "it has answered");
        driver.close(poll.registry());
    }

    /// As after SIGSTOP and SIGCONT, of whose end the loop has not been told either.
    #[test]
    fn a_connection_that_waits_is_used_before_its_deadline_is_judged() {
        let poll = Poll::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let device = listener.local_addr().unwrap();
        let now = Instant::now();
        let mut driver = driver(&format!("UPSCABLE ether\nUPSTYPE net\nDEVICE {device}\n"), now);
        driver.start(poll.registry(), now);
        let (mut slave, _) = listener.accept().unwrap();
        driver.handle_timeout(poll.registry(), now + Duration::from_secs(100));
        slave.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut request = [0; 2];
        slave.read_exact(&mut request).unwrap();
        assert_eq!(driver.poll_event(), None, "nothing is lost");
        driver.close(poll.registry());
    }
}
