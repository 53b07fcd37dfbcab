#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

use super::*;
use crate::ups::TransferCause;

const POLL: Duration = Duration::from_secs(10);

/// A started link, with all it had to tell until now.
struct Bench {
    link: Simulated,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(script: &str) -> Self {
        let start = Instant::now();
        let mut link = Simulated::new(Script::parse(script).unwrap(), POLL, start);
        link.handle_timeout(start);
        Self { link, start, now: start }
    }

    /// Everything told in the next `span`, as short words with the tenth of a second.
    fn run(&mut self, seconds: f64) -> Vec<String> {
        let end = self.now + Duration::from_secs_f64(seconds);
        let mut told = Vec::new();
        loop {
            while let Some(event) = self.link.poll_event() {
                let at = self.now.duration_since(self.start).as_secs_f64();
                told.push(format!("{at:.1} {}", words(&event)));
            }
            let next = self.link.poll_timeout().unwrap();
            if next > end {
                break;
            }
            assert!(next > self.now || told.len() < 1000, "the clock stands still: {told:?}");
            self.now = self.now.max(next);
            self.link.handle_timeout(self.now);
        }
        self.now = end;
        self.link.handle_timeout(self.now);
        told
    }
}

fn words(event: &LinkEvent) -> String {
    match event {
        LinkEvent::Attached(identity) => format!("attached {}", identity.model.as_deref().unwrap()),
        LinkEvent::Reading(reading) => format!("{:02x} {:?}", reading.status.bits() & 0xff, reading.evidence),
        LinkEvent::Lost { reason } => format!("lost: {reason}"),
        LinkEvent::Command(result) => format!("{:?}", result.outcome),
        LinkEvent::Log(_, text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn steady_mains_is_polled_at_poll_time() {
    let mut bench = Bench::new("");
    let told = bench.run(25.0);
    assert_eq!(told, ["0.0 attached Simulated UPS 900", "0.0 08 Poll", "10.0 08 Poll", "20.0 08 Poll"]);
}

#[test]
fn a_change_of_the_line_is_told_at_once_with_the_evidence_of_an_alert() {
    let mut bench = Bench::new("3 mains off\n5 mains on\n");
    let told = bench.run(8.0);
    assert_eq!(told[2..], ["3.0 10 AlertAndRead", "5.0 08 AlertAndRead"]);
}

#[test]
fn a_blip_within_one_moment_gives_both_its_edges() {
    let mut bench = Bench::new("3 mains off\n3 mains on\n");
    assert_eq!(bench.run(8.0)[2..], ["3.0 10 AlertAndRead", "3.0 08 AlertAndRead"]);
}

#[test]
fn without_alerts_a_change_waits_for_the_next_poll() {
    let mut bench = Bench::new("0 alerts off\n3 mains off\n");
    assert_eq!(bench.run(12.0)[2..], ["10.0 10 Poll"]);
}

#[test]
fn at_fast_pace_it_is_polled_every_second() {
    let mut bench = Bench::new("");
    bench.run(2.0);
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    assert_eq!(bench.run(3.5), ["3.0 08 Poll", "4.0 08 Poll", "5.0 08 Poll"]);
    bench.link.set_poll_rate(PollRate::Normal, bench.now);
    assert_eq!(bench.run(12.0), ["6.0 08 Poll", "16.0 08 Poll"]);
}

#[test]
fn a_silent_ups_is_lost_at_the_next_poll_and_attached_again_when_it_answers() {
    let mut bench = Bench::new("3 silent\n15 answer\n");
    assert_eq!(
        bench.run(18.0)[2..],
        ["10.0 lost: the simulated UPS does not answer", "15.0 attached Simulated UPS 900", "15.0 08 Poll"]
    );
}

#[test]
fn an_unplugged_ups_is_lost_at_once_and_what_happened_meanwhile_shows_after_the_return() {
    let mut bench = Bench::new("3 unplug\n4 mains off\n6 plug\n");
    assert_eq!(
        bench.run(8.0)[2..],
        ["3.0 lost: the simulated UPS was unplugged", "6.0 attached Simulated UPS 900", "6.0 10 Poll"]
    );
}

#[test]
fn a_ups_that_is_silent_from_the_start_is_lost_once() {
    let mut bench = Bench::new("0 silent\n");
    assert_eq!(bench.run(30.0), ["0.0 lost: the simulated UPS does not answer"]);
}

#[test]
fn garbage_is_a_reading_of_zeros_and_the_next_is_sane() {
    let mut bench = Bench::new("1 garbage 2\n");
    assert_eq!(bench.run(31.0)[2..], ["10.0 00 Poll", "20.0 00 Poll", "30.0 08 Poll"]);
}

#[test]
fn a_self_test_command_switches_to_battery_and_back_by_itself() {
    let mut bench = Bench::new("");
    bench.run(1.0);
    bench.link.command(Command::SelfTest, bench.now);
    assert_eq!(
        bench.run(10.0)[..3],
        ["1.0 10 AlertAndRead", "1.0 Ok(\"self test started\")", "9.0 08 AlertAndRead"]
    );
    bench.link.command(Command::ReadSelfTest, bench.now);
    let Some(LinkEvent::Reading(reading)) = bench.link.poll_event() else { panic!("no reading") };
    assert_eq!(reading.values.self_test, Some(SelfTestResult::Passed));
    assert_eq!(reading.values.transfer_cause, Some(TransferCause::SelfTest));
}

#[test]
fn commands_fail_in_words_while_the_ups_is_away_or_refuses() {
    let mut bench = Bench::new("1 refuse on\n3 unplug\n");
    bench.run(2.0);
    bench.link.command(Command::KillPower, bench.now);
    assert_eq!(bench.run(0.5), ["2.0 Err(\"the simulated UPS refuses\")"]);
    bench.run(1.0);
    bench.link.command(Command::Poll, bench.now);
    assert_eq!(bench.run(0.5), ["3.5 Err(\"the simulated UPS does not answer\")"]);
}

#[test]
fn a_script_that_repeats_goes_round_and_a_long_sleep_skips_the_rounds_missed() {
    let mut bench = Bench::new("1 mains off\n2 mains on\n5 repeat\n");
    let told: Vec<_> = bench.run(12.5).into_iter().filter(|line| line.contains("Alert")).collect();
    assert_eq!(
        told,
        [
            "1.0 10 AlertAndRead",
            "2.0 08 AlertAndRead",
            "6.0 10 AlertAndRead",
            "7.0 08 AlertAndRead",
            "11.0 10 AlertAndRead",
            "12.0 08 AlertAndRead"
        ]
    );
    bench.now += Duration::from_secs(24 * 3600);
    bench.link.handle_timeout(bench.now);
    let mut count = 0;
    while bench.link.poll_event().is_some() {
        count += 1;
    }
    assert!(count < 10, "{count}");
}

#[test]
fn early_and_repeated_calls_do_nothing() {
    let mut bench = Bench::new("3 mains off\n");
    bench.run(1.0);
    bench.link.handle_timeout(bench.now);
    bench.link.handle_timeout(bench.start);
    assert_eq!(bench.link.poll_event(), None);
}
