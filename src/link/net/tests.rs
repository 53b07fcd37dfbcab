//! The conversation with a master, with a fake clock, over recorded answers.

mod believed;
mod hostile;
mod watched;

use super::*;
use crate::ups::{Minutes, Percent, TransferCause, Volts};
use crate::wire::nis::{INVALID_COMMAND, push_lines};
use believed::Believed;

const ONLINE: &[u8] = include_bytes!("../../../tests/captures/nis/status-apcsmart-online.bin");
const ONBATT: &[u8] = include_bytes!("../../../tests/captures/nis/status-apcsmart-onbatt.bin");
const SHUTTING_DOWN: &[u8] = include_bytes!("../../../tests/captures/nis/status-apcsmart-shutting-down.bin");
const COMMLOST: &[u8] = include_bytes!("../../../tests/captures/nis/status-apcsmart-commlost-runtime.bin");
const COMMLOST_AT_START: &[u8] = include_bytes!("../../../tests/captures/nis/status-commlost-at-start.bin");
const SLAVE: &[u8] = include_bytes!("../../../tests/captures/nis/status-net-slave-online.bin");

/// What a master does with a connection.
#[derive(Clone, Copy)]
enum Master<'a> {
    Refuses,
    /// An apcupsd: answers `status` with this, cut into pieces of so many bytes.
    Says(&'a [u8], usize),
    /// A mainsd: says this when it is watched, when it changes, and every 10 s.
    Watched(&'a [u8]),
    /// Accepts and says nothing.
    Silent,
}

struct Bench {
    link: NetLink,
    believed: Believed,
    zero: Instant,
    now: Instant,
    told: Vec<String>,
    connects: Vec<(f64, usize)>,
    readings: Vec<crate::ups::Reading>,
    identity: Identity,
    /// The target that is being watched, what it said last, and when it says something next.
    watched: Option<(usize, Vec<u8>, Instant)>,
    requests: Vec<(f64, &'static str)>,
    refusals: usize,
}

impl Bench {
    fn new(device: &str) -> Self {
        #[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
        let zero = Instant::now();
        Self {
            link: NetLink::new(targets(device, 3551), Duration::from_secs(60), zero),
            believed: Believed::new(zero),
            zero,
            now: zero,
            told: Vec::new(),
            connects: Vec::new(),
            readings: Vec::new(),
            identity: Identity::default(),
            watched: None,
            requests: Vec::new(),
            refusals: 0,
        }
    }

    /// Runs for so many seconds against these masters, one a target; gives what was told.
    fn run(&mut self, seconds: f64, masters: &[Master]) -> Vec<String> {
        let end = self.now + Duration::from_secs_f64(seconds);
        match self.watched.as_ref().map(|(target, said, _)| (masters[*target], said)) {
            None | Some((Master::Silent, _)) => {}
            Some((Master::Watched(now), said)) if now == said => {}
            Some((Master::Watched(_), _)) => self.push(masters),
            Some((Master::Refuses | Master::Says(..), _)) => {
                self.watched = None;
                self.link.handle_closed(self.now, "the connection was closed");
            }
        }
        loop {
            self.link.handle_timeout(self.now);
            self.believe();
            while let Some(transmit) = self.link.poll_transmit(self.now) {
                self.serve(transmit, masters);
            }
            self.take_events();
            let believed = self.believed.machine.poll_timeout();
            let next = self.link.poll_timeout().into_iter().chain(believed).min().unwrap();
            let push =
                self.watched.as_ref().filter(|(target, ..)| matches!(masters[*target], Master::Watched(_)));
            let push = push.map_or(end + Duration::from_secs(1), |(.., at)| *at);
            if next.min(push) > end {
                break;
            }
            self.now = next.min(push).max(self.now);
            if push < next {
                self.push(masters);
            }
        }
        self.now = end;
        std::mem::take(&mut self.told)
    }

    /// The watched master says what it has to say.
    fn push(&mut self, masters: &[Master]) {
        let Some((target, said, at)) = &mut self.watched else { return };
        let Master::Watched(answer) = masters[*target] else { return };
        *said = answer.to_vec();
        *at = self.now + Duration::from_secs(10);
        self.link.handle_bytes(self.now, answer);
    }

    fn serve(&mut self, transmit: Transmit, masters: &[Master]) {
        let at = self.now.duration_since(self.zero).as_secs_f64();
        match transmit {
            Transmit::Close => self.watched = None,
            Transmit::Connect { target, .. } => {
                self.connects.push((at, target));
                match masters[target] {
                    Master::Refuses => self.link.handle_closed(self.now, "Connection refused"),
                    _ => self.link.handle_connected(self.now),
                }
            }
            Transmit::Send(bytes) => {
                self.requests.push((at, if bytes == WATCH { "watch" } else { "status" }));
                let (State::Asked { target, .. } | State::Watching { target, .. }) = self.link.state else {
                    panic!("sent before it asked")
                };
                match masters[target] {
                    Master::Says(..) if bytes == WATCH => {
                        self.link.handle_bytes(self.now, INVALID_COMMAND);
                    }
                    Master::Says(answer, size) => {
                        assert_eq!(bytes, STATUS);
                        for piece in answer.chunks(size) {
                            self.link.handle_bytes(self.now, piece);
                        }
                        self.link.handle_closed(self.now, "the connection was closed");
                    }
                    Master::Watched(answer) => {
                        if bytes == WATCH {
                            self.watched =
                                Some((target, answer.to_vec(), self.now + Duration::from_secs(10)));
                        }
                        self.link.handle_bytes(self.now, answer);
                    }
                    Master::Silent | Master::Refuses => {}
                }
            }
        }
    }

    fn take_events(&mut self) {
        self.take_link_events();
        self.believe();
    }

    fn take_link_events(&mut self) {
        while let Some(event) = self.link.poll_event() {
            let at = self.now.duration_since(self.zero).as_secs();
            if matches!(&event, LinkEvent::Log(Priority::Info, text) if text.ends_with("does not know `watch`: it is polled"))
            {
                self.refusals += 1;
                continue;
            }
            self.told.push(match event {
                LinkEvent::Attached(identity) => {
                    self.identity = *identity;
                    format!("{at} attached")
                }
                LinkEvent::Reading(reading) => {
                    let bits = reading.status.bits();
                    self.readings.push(*reading);
                    format!("{at} reading {bits:08x}")
                }
                LinkEvent::Lost { reason } => format!("{at} lost: {reason}"),
                LinkEvent::Master { name, .. } => format!("{at} master {name}"),
                LinkEvent::MasterUnreachable { since } => {
                    format!("{at} unreachable since {}", since.duration_since(self.zero).as_secs())
                }
                LinkEvent::Remote(ordered) => {
                    self.believed.machine.handle_remote(self.now, ordered, Evidence::Poll);
                    continue;
                }
                LinkEvent::Command(result) if result.command == Command::Poll && self.believed.asked => {
                    self.believed.asked = false;
                    continue;
                }
                LinkEvent::Command(result) => format!("{at} {:?} {:?}", result.command, result.outcome),
                LinkEvent::Counters(counters) => format!("{at} counters {counters:?}"),
                LinkEvent::Log(_, text) => format!("{at} log {text}"),
            });
        }
    }
}

const fn says(answer: &[u8]) -> Master<'_> {
    Master::Says(answer, usize::MAX)
}

#[test]
fn a_recorded_master_is_relayed_value_for_value() {
    let mut bench = Bench::new("127.0.0.1:41020");
    for size in [1, 7, 1024] {
        bench.run(61.0, &[Master::Says(SLAVE, size)]);
        let values = &bench.readings.last().unwrap().values;
        assert_eq!(values.line_voltage, Some(Volts(229.7)));
        assert_eq!(values.load, Some(Percent(13.0)));
        assert_eq!(values.battery_charge, Some(Percent(100.0)));
        assert_eq!(values.runtime_left, Some(Minutes(87.0)));
        assert_eq!(values.battery_voltage, Some(Volts(27.7)));
        assert_eq!(values.transfer_cause, Some(TransferCause::None));
        let identity = &bench.identity;
        assert_eq!(identity.name.as_deref(), Some("rack1"));
        assert_eq!(identity.model.as_deref(), Some("Smart-UPS 1000"));
        assert_eq!(identity.serial.as_deref(), Some("AS0433123456"));
        assert_eq!((identity.low_transfer, identity.high_transfer), (Some(208), Some(253)));
        assert_eq!(identity.nominal_battery_voltage, Some(Volts(24.0)));
        assert_eq!(identity.nominal_output_voltage, Some(230));
    }
}

#[test]
fn the_master_is_asked_every_polltime_and_every_two_seconds_on_battery() {
    let mut bench = Bench::new("a");
    let told = bench.run(70.0, &[says(ONLINE)]);
    assert_eq!(
        told,
        ["0 master a:3551", "0 attached", "0 reading 04000008", "60 master a:3551", "60 reading 04000008"]
    );
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    let told = bench.run(3.0, &[says(ONBATT)]);
    assert_eq!(told.iter().filter(|line| line.contains("reading 04000010")).count(), 2, "{told:?}");
    let times: Vec<f64> = bench.connects.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [0.0, 60.0, 70.0, 72.0]);
}

#[test]
fn a_value_that_is_absent_is_never_taken_from_another_key() {
    let text = "APC      : 001,005,0100\nSERIALNO : \nBATTDATE : 2001-02-03\nNOMBATTV : 24.0 Volts\nUPSNAME  : my ups\n\
                LINEV    : N/A\nITEMP    : \nLOTRANS  : 208.9 Volts\nSTATFLAG : 0x05000008\nEND APC  : now\n";
    let mut bytes = Vec::new();
    push_lines(&mut bytes, text);
    let mut bench = Bench::new("a");
    bench.run(1.0, &[says(&bytes)]);
    assert_eq!(bench.identity.serial.as_deref(), Some(""));
    assert_eq!(bench.identity.battery_date.as_deref(), Some("2001-02-03"));
    assert_eq!(bench.identity.name.as_deref(), Some("my ups"));
    assert_eq!(bench.identity.low_transfer, Some(208));
    let values = &bench.readings[0].values;
    assert_eq!(values.battery_voltage, None);
    assert_eq!((values.line_voltage, values.temperature), (None, None));
}

#[test]
fn a_master_without_its_ups_is_lost_but_not_unreachable_and_its_values_come_when_it_has_them() {
    let mut bench = Bench::new("a");
    let told = bench.run(31.0, &[says(COMMLOST_AT_START)]);
    assert_eq!(told[..2], ["0 master a:3551", "0 lost: the master a:3551 has lost its UPS"]);
    assert!(told[2..].iter().all(|line| line.ends_with("master a:3551")), "{told:?}");
    let told = bench.run(5.0, &[says(ONLINE)]);
    assert_eq!(told, ["35 master a:3551", "35 attached", "35 reading 04000008"]);
    let told = bench.run(61.0, &[says(COMMLOST)]);
    assert_eq!(told.iter().filter(|line| line.contains("lost its UPS")).count(), 1, "{told:?}");
    assert!(!told.iter().any(|line| line.contains("reading")), "old values are no news: {told:?}");
}

#[test]
fn five_checks_without_an_answer_make_a_master_unreachable_once() {
    let mut bench = Bench::new("a");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(1.0, &[says(ONBATT)]);
    let told = bench.run(60.0, &[Master::Refuses]);
    assert_eq!(told, ["2 lost: a:3551: Connection refused", "10 unreachable since 2"]);
    let told = bench.run(2.0, &[says(ONBATT)]);
    assert_eq!(told, ["62 master a:3551", "62 attached", "62 reading 04000010"]);
    let told = bench.run(8.5, &[Master::Refuses]);
    assert_eq!(told, ["64 lost: a:3551: Connection refused"], "four checks are not five");
}

#[test]
fn a_master_that_accepts_and_never_answers_is_given_fifteen_seconds() {
    let mut bench = Bench::new("a");
    let told = bench.run(14.9, &[Master::Silent]);
    assert_eq!(told, [""; 0]);
    assert_eq!(bench.run(1.0, &[Master::Silent]), ["15 lost: a:3551: no answer"]);
}

#[test]
fn a_shutting_down_master_orders_once_and_takes_it_back_when_it_is_up_again() {
    let mut bench = Bench::new("a");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    let told = bench.run(20.0, &[says(SHUTTING_DOWN)]);
    let remote = |told: &[String]| -> Vec<String> {
        told.iter().filter(|l| l.contains("remote") || l.contains("log")).cloned().collect()
    };
    assert_eq!(remote(&told), ["0 log Shutdown because NIS master is shutting down.", "0 remote true"]);
    assert_eq!(remote(&bench.run(20.0, &[Master::Refuses])), [""; 0]);
    assert_eq!(remote(&bench.run(20.0, &[says(ONLINE)])), ["40 remote false"]);
}

#[test]
fn the_first_target_that_answers_is_used_and_kept() {
    let mut bench = Bench::new("a b c");
    let told = bench.run(61.0, &[Master::Refuses, says(ONLINE), Master::Refuses]);
    assert_eq!(told[0], "0 master b:3551");
    assert_eq!(bench.connects, [(0.0, 0), (0.0, 1), (60.0, 1)]);
    bench.connects.clear();
    let told = bench.run(60.0, &[says(ONLINE), Master::Refuses, Master::Refuses]);
    assert_eq!(told, ["120 master a:3551", "120 reading 04000008"], "a change of address is no loss");
    assert_eq!(bench.connects, [(120.0, 1), (120.0, 2), (120.0, 0)]);
}

#[test]
fn what_is_no_status_is_a_loss_but_its_sender_is_not_unreachable() {
    let endless = [b"\x00\x02a\n".repeat(10_000), vec![]].concat();
    let too_long = [&[0x7f, 0xff][..], &[b'x'; 100]].concat();
    let cut = &ONLINE[..ONLINE.len() / 2];
    for (answer, reason) in [
        (INVALID_COMMAND, "a:3551 answers, but not with a status"),
        (&endless, "a:3551: an answer of more than 16384 bytes"),
        (&too_long, "a:3551: frame of 32767 bytes, at most 999 are accepted"),
        (cut, "a:3551: the connection was closed"),
    ] {
        let mut bench = Bench::new("a");
        assert_eq!(bench.run(1.0, &[says(answer)]), [format!("0 lost: {reason}")]);
    }
    let mut bench = Bench::new("a");
    let told = bench.run(300.0, &[says(INVALID_COMMAND)]);
    assert_eq!(told.len(), 1, "{told:?}");
    // The end frame may be missing (nis §9.1).
    let told = Bench::new("a").run(1.0, &[says(&ONLINE[..ONLINE.len() - 2])]);
    assert_eq!(told.last().map(String::as_str), Some("0 reading 04000008"));
    let mut bench = Bench::new("a");
    bench.run(0.0, &[Master::Watched(&ONLINE[..ONLINE.len() - 2])]);
    bench.link.handle_closed(bench.now, "the connection was closed");
    bench.take_events();
    assert_eq!(bench.told.last().map(String::as_str), Some("0 reading 04000008"));
    assert_eq!(bench.link.state, State::Idle, "there is nothing to be watched any more");
}

#[test]
fn each_of_many_commands_is_answered() {
    let mut bench = Bench::new("10.0.0.1");
    for _ in 0..20 {
        bench.link.command(Command::ReadSelfTest, bench.now);
    }
    let refused = std::iter::from_fn(|| bench.link.poll_event()).filter(|event| {
        matches!(event, LinkEvent::Command(result) if result.outcome.as_ref().is_err_and(|why| why.contains("too many")))
    });
    assert_eq!(refused.count(), 12, "eight wait for the next answer");
}

#[test]
fn reading_asks_the_master_at_once_and_commanding_its_ups_is_refused() {
    let mut bench = Bench::new("a");
    bench.run(10.0, &[says(ONLINE)]);
    bench.link.command(Command::ReadTransferCause, bench.now);
    let told = bench.run(1.0, &[says(ONLINE)]);
    assert_eq!(told, ["10 master a:3551", "10 reading 04000008", "10 ReadTransferCause Ok(\"read\")"]);
    bench.link.command(Command::KillPower, bench.now);
    assert_eq!(
        bench.run(1.0, &[says(ONLINE)]),
        ["11 KillPower Err(\"a slave does not command its master's UPS\")"]
    );
    bench.link.command(Command::ReadSelfTest, bench.now);
    let told = bench.run(1.0, &[Master::Refuses]);
    assert_eq!(told[1], "12 ReadSelfTest Err(\"the master does not answer\")");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_a_failure(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        Bench::new("a").run(16.0, &[Master::Says(&bytes, 5)]);
        Bench::new("a").run(31.0, &[Master::Watched(&bytes)]);
    }
}
