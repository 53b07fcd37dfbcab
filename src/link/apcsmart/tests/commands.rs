//! Commands, and what is read once.

use super::*;

#[test]
fn the_cause_of_a_transfer_is_read_with_a_status_of_its_own() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    bench.set(b'G', "S");
    let now = bench.now;
    bench.link.command(Command::ReadTransferCause, now);
    bench.seconds(1);
    assert_eq!(bench.heard(), "GQ");
    let events = bench.take();
    let [LinkEvent::Reading(reading), LinkEvent::Command(result)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(reading.values.transfer_cause, Some(TransferCause::SelfTest));
    assert_eq!(result.command, Command::ReadTransferCause);
    bench.link.command(Command::Poll, bench.now);
    bench.seconds(3);
    let events = bench.take();
    assert!(matches!(events.as_slice(), [LinkEvent::Reading(_), LinkEvent::Command(_)]), "{events:?}");
}

#[test]
fn a_cause_that_is_never_said_does_not_hold_up_a_power_kill() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.answers.insert(b'G', Vec::new());
    bench.set(b'S', "OK");
    let now = bench.now;
    bench.link.command(Command::ReadTransferCause, now);
    bench.link.command(Command::KillPower, now);
    bench.seconds(15);
    let events = bench.take();
    let killed = |event: &LinkEvent| {
        matches!(event, LinkEvent::Command(CommandResult { command: Command::KillPower, outcome: Ok(_), .. }))
    };
    assert!(events.iter().any(killed), "{events:?}");
}

#[test]
fn a_changed_eeprom_is_read_again() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.set(b'u', "265");
    bench.coming.push_back((bench.now, b'|'));
    bench.seconds(10);
    assert_eq!(identity(&bench.take()).high_transfer, Some(265));
}

#[test]
fn a_text_with_characters_of_alerts_is_kept_if_the_ups_repeats_it() {
    let mut answers = third();
    answers.insert(b'c', b"R&D=A".to_vec());
    let mut bench = Bench::new(answers);
    bench.seconds(30);
    assert_eq!(identity(&bench.take()).name.as_deref(), Some("R&D=A"));
}

#[test]
fn a_power_kill_is_sent_without_queries_in_between() {
    let mut bench = Bench::new(third());
    bench.seconds(30).set(b'Q', "10");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.seconds(5).take();
    bench.sent.clear();
    bench.answers.remove(&b'S');
    for silent in b"@0" {
        bench.answers.insert(*silent, Vec::new());
    }
    bench.answers.insert(b'K', Vec::new());
    bench.link.command(Command::KillPower, bench.now);
    bench.seconds(25);
    let heard = bench.heard();
    assert!(heard.contains("S@000KK"), "{heard}");
    let events = bench.take();
    assert!(events.iter().any(|e| matches!(e, LinkEvent::Command(r) if r.outcome.is_err())));
}

#[test]
fn a_unit_that_is_silent_on_what_it_does_not_know_is_watched_while_it_is_probed() {
    let mut answers: BTreeMap<u8, Vec<u8>> = (0..128).map(|query| (query, Vec::new())).collect();
    for (query, answer) in [(b'Y', "SM"), (b'Q', "08"), (b'f', "100.0"), (b'V', "4QI"), (b'G', "O")] {
        answers.insert(query, answer.as_bytes().to_vec());
    }
    let mut bench = Bench::new(answers);
    bench.seconds(120);
    let attached: Vec<Duration> = bench
        .told
        .iter()
        .filter_map(|(at, event)| matches!(event, LinkEvent::Attached(_)).then_some(*at))
        .collect();
    // Early, so that an order can be given, and when all is known.
    assert_eq!(attached.len(), 2);
    assert!(attached[0] < Duration::from_secs(13), "{attached:?}");
    assert!(attached[1] < Duration::from_secs(60), "{attached:?}");
    let until = attached[1];
    let status: Vec<Duration> =
        bench.sent.iter().filter(|(at, byte)| *byte == b'Q' && *at < until).map(|(at, _)| *at).collect();
    assert!(
        status.windows(2).take(9).all(|pair| pair[1] - pair[0] < Duration::from_millis(2500)),
        "{status:?}"
    );
    let last = bench.readings().pop().unwrap();
    assert_eq!(last.values.battery_charge, Some(Percent(100.0)));
    assert_eq!(last.values.line_voltage, None);
    bench.sent.clear();
    bench.seconds(60);
    assert_eq!(bench.heard().replace('Q', ""), "fG");
}

#[test]
fn early_calls_do_nothing() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    for _ in 0..100 {
        let now = bench.now;
        bench.link.handle_timeout(now);
        bench.settle();
    }
    assert!(bench.sent.is_empty());
}
