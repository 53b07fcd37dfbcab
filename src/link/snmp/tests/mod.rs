#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::ups::{CommandResult, Identity, Item, Reading, StatusFlags};
use unit::{Unit, gauge, int, text, ticks};

mod account;
mod believed;
mod orders;
mod random;
mod search;
mod traps;
mod values;

#[path = "../../../../tests/support/snmp/ber.rs"]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "bytes are made"
)]
mod ber;
#[path = "../../../../tests/support/snmp/unit.rs"]
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "bytes are made")]
mod unit;

const SECOND: Duration = Duration::from_secs(1);
/// From a request to its answer.
const DELAY: Duration = Duration::from_millis(40);
const CARD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    Lost,
    Garbled,
    Twice,
    Late(Duration),
}

type Fates = Box<dyn FnMut(&[u8]) -> Fate>;

/// A card at the other end, and the clock.
struct Bench {
    unit: Unit,
    /// It speaks v3 alone.
    agent: Option<account::Agent>,
    link: SnmpLink,
    now: Instant,
    start: Instant,
    coming: VecDeque<(Instant, Vec<u8>)>,
    fate: Fates,
    told: Vec<(Instant, LinkEvent)>,
    requests: Vec<(Instant, Vec<u8>)>,
    /// When something came.
    arrivals: BTreeSet<Instant>,
    opened: usize,
    acknowledged: Vec<Vec<u8>>,
    /// The daemon sets the poll rate by what it is told.
    follows: bool,
}

impl Bench {
    fn with(unit: Unit, device: &str) -> Self {
        Self::with_login(unit, device, None)
    }

    fn with_login(unit: Unit, device: &str, login: Option<Login>) -> Self {
        let now = Instant::now();
        let device = Device::parse(device).unwrap();
        let settings =
            Settings { device, version: None, login, poll_time: 60 * SECOND, first_number: i32::MAX - 20 };
        Self {
            unit,
            agent: None,
            link: SnmpLink::new(settings, now),
            now,
            start: now,
            coming: VecDeque::new(),
            fate: Box::new(|_| Fate::Arrives),
            told: Vec::new(),
            requests: Vec::new(),
            arrivals: BTreeSet::new(),
            opened: 0,
            acknowledged: Vec::new(),
            follows: true,
        }
    }

    fn new(unit: Unit) -> Self {
        Self::with(unit, "card")
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < 100_000, "the link keeps the loop busy");
            self.transmit();
            self.take_events();
            let next = self.coming.iter().map(|(at, _)| *at).min();
            let timer = self.link.poll_timeout().map(|at| at.max(self.now + Duration::from_micros(100)));
            let at = [next, timer].into_iter().flatten().fold(end, Instant::min);
            self.now = at.max(self.now);
            if self.now >= end {
                return;
            }
            let mut i = 0;
            while i < self.coming.len() {
                if self.coming[i].0 > self.now {
                    i += 1;
                    continue;
                }
                let (_, bytes) = self.coming.remove(i).unwrap();
                self.arrivals.insert(self.now);
                let from = (CARD, 161).into();
                self.link.handle_event(self.now, Event::Bytes { bytes, from, socket: Socket::Peer });
                self.transmit();
            }
            self.link.handle_timeout(self.now);
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            match transmit {
                Transmit::Open => {
                    self.opened += 1;
                    self.link.handle_event(self.now, Event::Opened(vec![CARD]));
                }
                Transmit::Send(bytes) => {
                    self.requests.push((self.now, bytes.clone()));
                    let answer = match &mut self.agent {
                        Some(agent) => agent.answer(&mut self.unit, &bytes, self.now),
                        None => self.unit.answer(&bytes),
                    };
                    if let Some(answer) = answer {
                        self.answered(answer);
                    }
                }
                Transmit::Answer(_, bytes) => self.acknowledged.push(bytes),
            }
        }
    }

    fn answered(&mut self, mut answer: Vec<u8>) {
        let at = self.now + DELAY;
        match (self.fate)(&answer) {
            Fate::Arrives => self.coming.push_back((at, answer)),
            Fate::Lost => {}
            Fate::Garbled => {
                let middle = answer.len() / 2;
                answer.truncate(middle);
                self.coming.push_back((at, answer));
            }
            Fate::Twice => self.coming.extend([(at, answer.clone()), (at + DELAY, answer)]),
            Fate::Late(late) => self.coming.push_back((at + late, answer)),
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.link.poll_event() {
            if let (LinkEvent::Reading(reading), true) = (&event, self.follows) {
                let on_battery = reading.status.contains(StatusFlags::ONBATT);
                let rate = if on_battery { PollRate::Fast } else { PollRate::Normal };
                self.link.set_poll_rate(rate, self.now);
            }
            self.told.push((self.now, event));
        }
    }

    fn readings(&self) -> impl Iterator<Item = (Instant, &Reading)> {
        self.told.iter().filter_map(|(at, event)| match event {
            LinkEvent::Reading(reading) => Some((*at, &**reading)),
            _ => None,
        })
    }

    fn reading(&self) -> &Reading {
        self.readings().last().expect("nothing was read").1
    }

    fn identity(&self) -> &Identity {
        let told = self.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Attached(identity) => Some(&**identity),
            _ => None,
        });
        told.expect("it is not attached")
    }

    /// When it was told lost, and why; `None` if something was told since.
    fn lost(&self) -> Option<(Instant, &str)> {
        let last = self
            .told
            .iter()
            .rev()
            .find(|(_, event)| matches!(event, LinkEvent::Lost { .. } | LinkEvent::Reading(_)));
        match last {
            Some((at, LinkEvent::Lost { reason })) => Some((*at, reason)),
            _ => None,
        }
    }

    fn logged(&self) -> Vec<&str> {
        self.told
            .iter()
            .filter_map(|(_, event)| if let LinkEvent::Log(_, text) = event { Some(&**text) } else { None })
            .collect()
    }

    fn result(&mut self, command: Command, time: Duration) -> Result<String, String> {
        self.link.command(command, self.now);
        self.run(time);
        let result = self.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Command(CommandResult { command: of, outcome, .. }) if *of == command => {
                Some(outcome.clone())
            }
            _ => None,
        });
        result.expect("the order has not ended")
    }

    /// A card that has been found and read.
    fn watched(unit: Unit) -> Self {
        let mut bench = Self::new(unit);
        bench.run(4 * SECOND);
        assert!(bench.lost().is_none());
        assert!(bench.reading().status.contains(StatusFlags::ONLINE));
        bench
    }
}
