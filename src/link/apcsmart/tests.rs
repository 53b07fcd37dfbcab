#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

mod commands;
mod eeprom;
mod noise;
mod random;

use std::collections::BTreeMap;

use super::*;
use crate::ups::{Evidence, Identity, Minutes, Percent, Reading, StatusFlags, TransferCause, Volts};

/// One character at 2400 bit/s.
const CHARACTER: Duration = Duration::from_micros(4167);
/// What a unit takes to begin its answer.
const THINKS: Duration = Duration::from_millis(20);

/// A UPS of fixed answers at the other end of a line of 2400 bit/s, and the clock.
struct Bench {
    link: ApcSmartLink,
    now: Instant,
    start: Instant,
    answers: BTreeMap<u8, Vec<u8>>,
    silent: bool,
    /// On their way to the machine.
    coming: VecDeque<(Instant, u8)>,
    sent: Vec<(Duration, u8)>,
    told: Vec<(Duration, LinkEvent)>,
    /// Alerts that fall into answers: before character number `n` of all that come.
    torn: BTreeMap<usize, u8>,
    characters: usize,
    reopened: u32,
    /// What `-` steps through behind each query; the first is the present one.
    steps: BTreeMap<u8, VecDeque<&'static str>>,
}

fn third() -> BTreeMap<u8, Vec<u8>> {
    let mut answers: BTreeMap<u8, Vec<u8>> = [
        (b'Y', "SM"),
        (b'Q', "08"),
        (b'B', "27.37"),
        (b'F', "50.00"),
        (b'L', "230.0"),
        (b'M', "231.4"),
        (b'N', "228.1"),
        (b'O', "229.6"),
        (b'P', "024.0"),
        (b'f', "100.0"),
        (b'G', "O"),
        (b'X', "NO"),
        (b'C', "029.2"),
        (b'j', "0060:"),
        (b'7', "00"),
        (b'8', "00"),
        (b'\'', "00"),
        (b'~', "40"),
        (b'h', "042.4"),
        (b't', "23.50"),
        (0x01, "Smart-UPS 1000"),
        (b'b', "60.11.I"),
        (b'n', "WS9643050926"),
        (b'm', "10/23/96"),
        (b'x', "11/29/02"),
        (b'c', "UPS_IDEN"),
        (b'E', "336"),
        (b's', "H"),
        (b'k', "T"),
        (b'p', "020"),
        (b'r', "060"),
        (b'q', "02"),
        (b'e', "15"),
        (b'g', "024"),
        (b'o', "230"),
        (b'u', "253"),
        (b'l', "196"),
        (b'>', "000"),
        (b'<', "001"),
    ]
    .into_iter()
    .map(|(query, answer)| (query, answer.as_bytes().to_vec()))
    .collect();
    let mut list = b"3.!$%+?=#|.".to_vec();
    list.extend(answers.keys());
    list.extend(b"ADKSW@");
    answers.insert(b'a', list);
    answers
}

impl Bench {
    fn new(answers: BTreeMap<u8, Vec<u8>>) -> Self {
        let start = Instant::now();
        let settings = Settings { poll_time: Duration::from_secs(60), port: "/dev/ttyS0".into() };
        let mut link = ApcSmartLink::new(settings);
        link.handle_opened(start);
        Self {
            link,
            now: start,
            start,
            answers,
            silent: false,
            coming: VecDeque::new(),
            sent: Vec::new(),
            told: Vec::new(),
            torn: BTreeMap::new(),
            characters: 0,
            reopened: 0,
            steps: BTreeMap::new(),
        }
    }

    fn come(&mut self, at: Instant, bytes: &[u8]) {
        let mut at = self.coming.back().map_or(at, |(last, _)| at.max(*last));
        for byte in bytes {
            if let Some(alert) = self.torn.get(&self.characters) {
                at += CHARACTER;
                self.coming.push_back((at, *alert));
            }
            self.characters += 1;
            at += CHARACTER;
            self.coming.push_back((at, *byte));
        }
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            while let Some(event) = self.link.poll_event() {
                self.told.push((self.now - self.start, event));
            }
            match self.link.poll_transmit(self.now) {
                None => return,
                Some(Transmit::Bytes(_) | Transmit::Look | Transmit::Switch(..) | Transmit::Break(_)) => {
                    panic!("modem lines")
                }
                Some(Transmit::Reopen) => {
                    self.reopened += 1;
                    self.link.handle_opened(self.now);
                }
                Some(Transmit::Byte(byte)) => {
                    let before = self.sent.last().map_or(0, |(_, byte)| *byte);
                    self.sent.push((self.now - self.start, byte));
                    if byte == b'-' {
                        if let Some(values) = self.steps.get_mut(&before) {
                            values.rotate_left(1);
                            self.answers.insert(before, values[0].as_bytes().to_vec());
                            self.come(self.now + CHARACTER + THINKS, b"OK\r\n");
                            continue;
                        }
                    }
                    let answer = self.answers.get(&byte).cloned();
                    if !self.silent && byte != upslink::ESCAPE {
                        // An entry without an answer: the unit knows the query and says nothing.
                        let answer = answer.unwrap_or_else(|| b"NA".to_vec());
                        if !answer.is_empty() {
                            let at = self.now + CHARACTER + THINKS;
                            self.come(at, &[answer.as_slice(), b"\r\n"].concat());
                        }
                    }
                }
            }
        }
        panic!("the link does not come to rest: {:?}", &self.sent[self.sent.len() - 10..]);
    }

    fn run(&mut self, span: Duration) -> &mut Self {
        let end = self.now + span;
        let mut idle = 0;
        self.settle();
        loop {
            let timer = self.link.poll_timeout();
            let byte = self.coming.front().map(|(at, _)| *at);
            let Some(next) = [timer, byte].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            idle = if next > self.now { 0 } else { idle + 1 };
            assert!(idle < 100, "the clock stands still at {:?}", self.now - self.start);
            self.now = next.max(self.now);
            while self.coming.front().is_some_and(|(at, _)| *at <= self.now) {
                let (_, byte) = self.coming.pop_front().unwrap();
                self.link.handle_bytes(self.now, &[byte]);
                self.settle();
            }
            self.link.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
        self
    }

    fn seconds(&mut self, seconds: u64) -> &mut Self {
        self.run(Duration::from_secs(seconds))
    }

    fn set(&mut self, query: u8, answer: &str) -> &mut Self {
        self.answers.insert(query, answer.as_bytes().to_vec());
        self
    }

    /// What has been told since the last call.
    fn take(&mut self) -> Vec<LinkEvent> {
        self.told.drain(..).map(|(_, event)| event).collect()
    }

    fn readings(&mut self) -> Vec<Reading> {
        let all = self.take();
        all.into_iter()
            .filter_map(|event| if let LinkEvent::Reading(r) = event { Some(*r) } else { None })
            .collect()
    }

    fn heard(&mut self) -> String {
        self.sent.drain(..).map(|(_, byte)| char::from(byte)).collect()
    }
}

fn identity(events: &[LinkEvent]) -> Identity {
    let found =
        events.iter().find_map(|event| if let LinkEvent::Attached(i) = event { Some(i) } else { None });
    (**found.expect("attached")).clone()
}

fn losses(events: &[LinkEvent]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|e| if let LinkEvent::Lost { reason } = e { Some(reason.as_str()) } else { None })
        .collect()
}

#[test]
fn a_smart_ups_is_found_out_about_in_a_few_seconds_at_2400_baud() {
    let mut bench = Bench::new(third());
    bench.seconds(4);
    let (attached_at, _) =
        bench.told.iter().find(|(_, event)| matches!(event, LinkEvent::Attached(_))).expect("attached");
    assert!(*attached_at < Duration::from_secs(4), "{attached_at:?}");
    let events = bench.take();
    let identity = identity(&events);
    assert_eq!(identity.model.as_deref(), Some("Smart-UPS 1000"));
    assert_eq!(identity.serial.as_deref(), Some("WS9643050926"));
    assert_eq!(identity.shutdown_delay, Some(20));
    let [LinkEvent::Attached(_), LinkEvent::Reading(reading)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(reading.status.bits(), 0x0400_0008);
    assert_eq!(reading.values.line_voltage, Some(Volts(230.0)));
    assert_eq!(reading.values.runtime_left, Some(Minutes(60.0)));
    assert_eq!(reading.values.bad_batteries, Some(1));
    assert_eq!(reading.values.transfer_cause, Some(TransferCause::None));
}

#[test]
fn a_full_poll_takes_less_than_three_seconds_and_begins_and_ends_with_the_status() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    bench.seconds(60);
    let first = bench.sent.iter().position(|(_, byte)| *byte == b'f').unwrap() - 1;
    let last = bench.sent.iter().position(|(_, byte)| *byte == b't').unwrap() + 1;
    let took = bench.sent[last].0 - bench.sent[first].0;
    assert!(took < Duration::from_secs(3), "{took:?}");
    let heard = bench.heard();
    assert_eq!(&heard[first..=last], "QfjLPG'BXMNOFC7~8htQ");
}

/// Whatever POLLTIME says: the alert of an outage may be lost.
/// One each 95 ms: all else is read as ever, and so are orders carried out.
/// Neither on mains nor on battery: nothing is known, and a loss does not end by it.
#[test]
fn an_alert_is_confirmed_by_a_status_byte_and_believed_at_once() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    bench.set(b'Q', "10").set(b'L', "000.0").set(b'G', "T");
    let at = bench.now;
    bench.come(at, b"!");
    bench.seconds(2);
    // Why first, so that the power machine need not ask once the status byte has confirmed it.
    assert!(bench.heard().starts_with("GQ"));
    let readings = bench.readings();
    assert_eq!(readings[0].evidence, Evidence::AlertCauseAndRead);
    assert_eq!(readings[0].values.transfer_cause, Some(TransferCause::Notch));
    assert!(readings[0].status.contains(StatusFlags::ONBATT));
    assert!(readings[0].at - at < Duration::from_millis(110));
    // The values of the new state follow without waiting for the next poll.
    assert_eq!(readings.len(), 2);
    assert_eq!(readings[1].values.line_voltage, Some(Volts(0.0)));
}

#[test]
fn an_alert_that_the_status_byte_does_not_confirm_is_none() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.coming.push_back((bench.now, b'!'));
    bench.seconds(10);
    let readings = bench.readings();
    assert!(readings.iter().all(|r| r.evidence == Evidence::Poll && r.status.contains(StatusFlags::ONLINE)));
    // The byte may lag: it is looked at for a while.
    bench.coming.push_back((bench.now, b'!'));
    bench.run(Duration::from_millis(500)).set(b'Q', "10");
    bench.seconds(2);
    let readings = bench.readings();
    assert!(readings.iter().any(|r| r.evidence != Evidence::Poll), "{readings:?}");
}

#[test]
fn on_battery_the_status_byte_comes_every_second_before_anything_else() {
    let mut bench = Bench::new(third());
    bench.seconds(30);
    bench.set(b'Q', "10");
    let now = bench.now;
    bench.link.set_poll_rate(PollRate::Fast, now);
    bench.seconds(5);
    bench.sent.clear();
    bench.take();
    bench.seconds(60);
    let at: Vec<Duration> = bench.sent.iter().filter(|(_, byte)| *byte == b'Q').map(|(at, _)| *at).collect();
    for pair in at.windows(2) {
        assert!(pair[1] - pair[0] < Duration::from_millis(1150), "{:?}", pair[1] - pair[0]);
    }
    let readings = bench.readings();
    assert!((59..130).contains(&readings.len()), "{}", readings.len());
    // And all values are read all the while.
    let charges = bench.sent.iter().filter(|(_, byte)| *byte == b'f').count();
    assert!(charges >= 20, "{charges}");
}

#[test]
fn a_start_on_battery_is_told_before_anything_else_is_asked() {
    let mut answers = third();
    answers.insert(b'Q', b"50".to_vec());
    let mut bench = Bench::new(answers);
    bench.seconds(1);
    let (at, event) = &bench.told[0];
    assert!(matches!(event, LinkEvent::Reading(r) if r.status.contains(StatusFlags::BATTLOW)));
    assert!(*at < Duration::from_millis(200));
}

#[test]
fn nothing_said_is_never_a_value() {
    for query in b"QfjLG" {
        let mut bench = Bench::new(third());
        bench.seconds(30).take();
        // Empty lines, then silence, to this query alone.
        bench.answers.insert(*query, b"\r\n\r\n".to_vec());
        bench.seconds(120);
        bench.answers.insert(*query, Vec::new());
        bench.seconds(120);
        for reading in bench.readings() {
            assert_eq!(reading.status.bits() & 0xff, 8);
            assert!(reading.values.battery_charge.is_none_or(|v| v == Percent(100.0)));
            assert!(reading.values.runtime_left.is_none_or(|v| v == Minutes(60.0)));
            assert!(reading.values.line_voltage.is_none_or(|v| v == Volts(230.0)));
        }
    }
}

#[test]
fn a_silent_ups_is_lost_once_and_found_again_with_its_identity() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.silent = true;
    bench.seconds(60 + 10);
    let events = bench.take();
    assert_eq!(
        losses(&events),
        ["/dev/ttyS0: the UPS does not answer; is it on, and is its cable a smart one?"]
    );
    bench.seconds(600);
    assert_eq!(losses(&bench.take()), Vec::<&str>::new());
    assert!(bench.reopened >= 10, "{}", bench.reopened);
    // A few bytes a second at most.
    assert!(bench.sent.len() < 1500);
    bench.silent = false;
    bench.seconds(10);
    let events = bench.take();
    assert_eq!(identity(&events).model.as_deref(), Some("Smart-UPS 1000"));
    assert!(matches!(events.last(), Some(LinkEvent::Reading(_))));
}

#[test]
fn one_lost_answer_is_asked_for_again_behind_a_link_check() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    bench.answers.insert(b'L', Vec::new());
    bench.run(Duration::from_millis(33_300));
    let heard = bench.heard();
    assert!(heard.contains("LY"), "{heard}");
    bench.set(b'L', "231.0");
    bench.seconds(5);
    let events = bench.take();
    assert_eq!(losses(&events), Vec::<&str>::new());
    let last = events.iter().rev().find_map(|e| if let LinkEvent::Reading(r) = e { Some(r) } else { None });
    assert_eq!(last.unwrap().values.line_voltage, Some(Volts(231.0)));
}

#[test]
fn a_unit_that_is_not_ready_keeps_its_status_and_is_lost_only_if_it_stays_so() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.set(b'Q', "SM");
    bench.seconds(9);
    assert_eq!(bench.take(), []);
    bench.seconds(120);
    assert_eq!(losses(&bench.take()).len(), 1);
}

#[test]
fn noise_is_lost_contact_and_never_a_reading() {
    let mut bench = Bench::new(BTreeMap::new());
    bench.silent = true;
    let mut seed = 1_u32;
    for _ in 0..3000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let byte = (seed >> 24) as u8;
        let now = bench.now;
        bench.link.handle_bytes(now, &[byte]);
        bench.run(Duration::from_millis(10));
    }
    let events = bench.take();
    assert!(losses(&events).first().is_some_and(|reason| reason.contains("no UPS with smart signalling")));
    assert!(!events.iter().any(|e| matches!(e, LinkEvent::Reading(_) | LinkEvent::Attached(_))));
    assert!(events.len() < 4, "{events:?}");
}

#[test]
fn a_port_that_is_gone_is_lost_and_commands_to_it_are_answered() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    let now = bench.now;
    bench.link.command(Command::KillPower, now);
    bench.seconds(1);
    bench.link.handle_closed(now, "/dev/ttyS0 is gone");
    bench.link.handle_closed(now, "/dev/ttyS0 is gone");
    bench.link.command(Command::Poll, now);
    bench.settle();
    let events = bench.take();
    assert_eq!(losses(&events), ["/dev/ttyS0 is gone"]);
    let failed = events.iter().filter(|e| matches!(e, LinkEvent::Command(r) if r.outcome.is_err())).count();
    assert_eq!(failed, 2);
    assert_eq!(bench.link.poll_timeout(), None);
}
