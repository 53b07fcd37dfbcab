//! Any bytes as the life of a slave: what its masters say, cut anywhere, over connections that fail, with commands between.
//! What must hold is checked after each step; at the end a master that answers must be heard.

#![allow(clippy::panic, clippy::indexing_slicing, reason = "what does not hold fails the test")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mainsd::bus::stream::Transmit;
use mainsd::link::net::{NetLink, targets};
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Command, PollRate, StatusFlags};

const ONLINE: &[u8] = include_bytes!("../captures/nis/status-apcsmart-online.bin");
/// What masters have been heard to say.
const SAID: [&[u8]; 8] = [
    ONLINE,
    include_bytes!("../captures/nis/status-apcsmart-onbatt.bin"),
    include_bytes!("../captures/nis/status-apcsmart-shutting-down.bin"),
    include_bytes!("../captures/nis/status-apcsmart-commlost-runtime.bin"),
    include_bytes!("../captures/nis/status-commlost-at-start.bin"),
    include_bytes!("../captures/nis/status-net-slave-onbatt.bin"),
    include_bytes!("../captures/nis/invalid-command.bin"),
    b"\0\0",
];
const POLL_TIME: Duration = Duration::from_secs(5);
/// A whole check of two targets that both are silent, with and without `watch`, and what may be under way before it.
const LONGEST: Duration = Duration::from_secs(300);

/// What a life has reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub watches: usize,
    pub polls: usize,
    pub readings: usize,
    pub losses: usize,
    pub unreachable: usize,
    /// How often the master has said another thing of its shutdown than before.
    pub remotes: usize,
}

struct Life {
    link: NetLink,
    start: Instant,
    now: Instant,
    summary: Summary,
    /// What the master has sent and the slave not yet received.
    wire: VecDeque<u8>,
    connecting: bool,
    connected: bool,
    connects: u64,
    commands: u64,
    results: u64,
    lost: bool,
    remote: bool,
    /// A master that answers everything at once.
    good: bool,
}

/// Lives this life. Panics if something does not hold.
pub fn run(bytes: &[u8], start: Instant) -> Summary {
    let mut life = Life {
        link: NetLink::new(targets("a b:1", 3551), POLL_TIME, start),
        start,
        now: start,
        summary: Summary::default(),
        wire: VecDeque::new(),
        connecting: false,
        connected: false,
        connects: 0,
        commands: 0,
        results: 0,
        lost: false,
        remote: false,
        good: false,
    };
    let mut rest = bytes;
    while let [step, tail @ ..] = rest {
        rest = life.step(*step, tail);
        life.settle();
    }
    life.good = true;
    life.end();
    life.summary
}

impl Life {
    fn step<'a>(&mut self, step: u8, tail: &'a [u8]) -> &'a [u8] {
        let low = usize::from(step & 0x0f);
        match step {
            0x00..=0x2f if self.connecting => {
                (self.connecting, self.connected) = (false, true);
                self.link.handle_connected(self.now);
            }
            0x00..=0x2f => {}
            0x30..=0x3f => self.close(),
            0x40..=0x6f => self.pass(Duration::from_millis(250) * u32::from(step & 0x1f)),
            0x70..=0x9f => self.wire.extend(SAID[low & 7]),
            0xa0..=0xdf => self.deliver(usize::from(step & 0x3f) * 40 + 1),
            0xe0..=0xef => {
                let (raw, after) = tail.split_at(low.min(tail.len()));
                self.wire.extend(raw);
                return after;
            }
            0xf0..=0xf7 => {
                let commands =
                    [Command::Poll, Command::ReadTransferCause, Command::ReadSelfTest, Command::KillPower];
                self.commands += 1;
                self.link.command(commands[low & 3], self.now);
            }
            0xf8..=0xff => self
                .link
                .set_poll_rate(if low & 1 == 0 { PollRate::Normal } else { PollRate::Fast }, self.now),
        }
        tail
    }

    fn close(&mut self) {
        if self.connecting || self.connected {
            (self.connecting, self.connected) = (false, false);
            self.wire.clear();
            self.link.handle_closed(self.now, "reset");
        }
    }

    fn deliver(&mut self, most: usize) {
        if self.connected {
            let bytes: Vec<u8> = self.wire.drain(..most.min(self.wire.len())).collect();
            self.link.handle_bytes(self.now, &bytes);
        }
    }

    /// Time goes on, with all deadlines in it.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let next = self.link.poll_timeout().unwrap();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.link.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            match transmit {
                Transmit::Connect { target, .. } => {
                    assert!(target < 2);
                    assert!(!self.connecting && !self.connected, "connects while it has a connection");
                    self.connecting = true;
                    self.connects += 1;
                    // A check takes each target twice at most; 2 s lie between checks that no command asked for, and between two
                    // of them is another if a shutdown was said.
                    let checks = self.now.duration_since(self.start).as_secs() + self.commands + 2;
                    assert!(self.connects <= checks * 4, "{} connections", self.connects);
                    if self.good {
                        (self.connecting, self.connected) = (false, true);
                        self.link.handle_connected(self.now);
                    }
                }
                Transmit::Send(request) => {
                    assert!(self.connected, "asks nobody");
                    match &*request {
                        b"\0\x05watch" => self.summary.watches += 1,
                        b"\0\x06status" => self.summary.polls += 1,
                        _ => panic!("{request:?}"),
                    }
                    if self.good {
                        self.link.handle_bytes(self.now, ONLINE);
                    }
                }
                Transmit::Close => {
                    (self.connecting, self.connected) = (false, false);
                    self.wire.clear();
                }
            }
        }
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Reading(reading) => {
                    assert!(StatusFlags::FROM_UPS.contains(reading.status));
                    assert!(!self.lost, "a reading of what is lost");
                    self.summary.readings += 1;
                }
                LinkEvent::Attached(_) => self.lost = false,
                LinkEvent::Lost { .. } => {
                    assert!(!std::mem::replace(&mut self.lost, true), "lost twice");
                    self.summary.losses += 1;
                }
                LinkEvent::MasterUnreachable { since } => {
                    assert!(self.lost && since <= self.now);
                    self.summary.unreachable += 1;
                }
                LinkEvent::Remote(ordered) => {
                    let changed = std::mem::replace(&mut self.remote, ordered) != ordered;
                    assert!(
                        changed || self.summary.remotes > 0,
                        "told before it was ordered for the first time"
                    );
                    self.summary.remotes += usize::from(changed);
                }
                LinkEvent::Command(result) => {
                    self.results += 1;
                    assert!(self.results <= self.commands, "{result:?} was not asked");
                    assert!(result.command != Command::KillPower || result.outcome.is_err());
                }
                LinkEvent::Master { .. } | LinkEvent::Counters(_) | LinkEvent::Log(..) => {}
            }
        }
    }

    /// From here on the master answers: it must be heard, whatever has been.
    fn end(&mut self) {
        // What was said to the connection before it.
        self.close();
        self.settle();
        let (until, before) = (self.now + LONGEST, self.summary.readings);
        while self.now < until && (self.summary.readings == before || self.remote) {
            self.pass(Duration::from_secs(1));
        }
        assert!(self.summary.readings > before && !self.lost && !self.remote, "{:?}", self.link);
    }
}
