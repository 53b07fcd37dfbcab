//! Alerts without end, alerts that never come, and a status byte that cannot be read.

use super::*;

#[test]
fn the_status_byte_is_asked_every_five_seconds_and_told_and_nothing_else_between_two_polls() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    bench.seconds(60);
    let at: Vec<Duration> = bench.sent.iter().filter(|(_, byte)| *byte == b'Q').map(|(at, _)| *at).collect();
    for pair in at.windows(2) {
        assert!(pair[1] - pair[0] < Duration::from_millis(5_100), "{:?}", pair[1] - pair[0]);
    }
    assert!((12..=15).contains(&at.len()), "{}", at.len());
    // Of what moves slowly there is one poll in the minute.
    assert_eq!(bench.heard().matches('f').count(), 1);
    let readings = bench.readings();
    assert!((12..=15).contains(&readings.len()), "{}", readings.len());
}

#[test]
fn an_outage_without_an_alert_is_told_within_ten_seconds_twice() {
    let mut bench = Bench::new(third());
    bench.seconds(33).take();
    bench.set(b'Q', "10").set(b'L', "000.0");
    let failed = bench.now;
    bench.run(Duration::from_millis(5_100));
    let now = bench.now;
    bench.link.set_poll_rate(PollRate::Fast, now);
    bench.seconds(5);
    let readings = bench.readings();
    let on_battery: Vec<&Reading> =
        readings.iter().filter(|r| r.status.contains(StatusFlags::ONBATT)).collect();
    assert!(on_battery[0].at - failed <= Duration::from_millis(5_100));
    assert!(on_battery[1].at - failed < Duration::from_secs(10));
}

#[test]
fn the_cause_is_asked_once_a_transfer_however_many_alerts_come() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    for _ in 0..30 {
        bench.coming.push_back((bench.now, b'!'));
        bench.run(Duration::from_millis(50));
    }
    let heard = bench.heard();
    assert_eq!(heard.matches('G').count(), 1, "{heard}");
    assert!(heard.matches('Q').count() > 8, "{heard}");
    // Another transfer, another cause.
    bench.seconds(10);
    bench.sent.clear();
    bench.set(b'Q', "10");
    bench.coming.push_back((bench.now, b'!'));
    bench.run(Duration::from_millis(200));
    let heard = bench.heard();
    assert!(heard.starts_with("GQ") && heard.matches('G').count() == 1, "{heard}");
}

#[test]
fn alerts_without_end_leave_the_line_to_everything_else() {
    for alert in b"!$%+#?=*" {
        let mut bench = Bench::new(third());
        bench.seconds(30).take();
        bench.sent.clear();
        for _ in 0..70 * 20 {
            bench.coming.push_back((bench.now, *alert));
            bench.run(Duration::from_millis(50));
        }
        let heard = bench.heard();
        assert!(heard.contains('f') && heard.contains('j'), "{}: no poll", char::from(*alert));
        let now = bench.now;
        bench.link.command(Command::PowerOff, now);
        for _ in 0..100 {
            bench.coming.push_back((bench.now, *alert));
            bench.run(Duration::from_millis(50));
        }
        assert!(bench.heard().contains('K'), "{}: no order", char::from(*alert));
    }
}

#[test]
fn a_status_without_a_line_state_is_a_loss_in_the_end() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.set(b'Q', "00");
    bench.seconds(25);
    assert_eq!(losses(&bench.take()).len(), 1);
    bench.seconds(300);
    // An alert makes no difference, and does not have the status byte asked without a pause.
    bench.sent.clear();
    bench.coming.push_back((bench.now, b'!'));
    bench.seconds(10);
    assert!(bench.sent.len() < 10 * 25, "{}", bench.heard());
    let events = bench.take();
    assert!(
        !events.iter().any(|e| matches!(e, LinkEvent::Reading(_) | LinkEvent::Attached(_))),
        "{events:?}"
    );
    bench.set(b'Q', "08");
    bench.seconds(15);
    assert!(matches!(bench.take().last(), Some(LinkEvent::Reading(_))));
}

#[test]
fn an_eeprom_that_is_said_to_change_all_the_time_is_read_again() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    for _ in 0..10 {
        bench.coming.push_back((bench.now, b'|'));
        bench.seconds(1);
    }
    assert!(bench.heard().contains("\u{1}"));
}

#[test]
fn a_ups_whose_status_is_not_heard_any_more_is_lost_and_found_again() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    // The link check is answered, and half of what is asked.
    bench.set(b'Q', "SM");
    bench.seconds(16);
    assert_eq!(losses(&bench.take()), ["/dev/ttyS0: the UPS is not ready to say its status"]);
    bench.seconds(60);
    assert_eq!(losses(&bench.take()), Vec::<&str>::new());
    bench.set(b'Q', "08");
    bench.seconds(15);
    let events = bench.take();
    assert!(events.iter().any(|event| matches!(event, LinkEvent::Attached(_))));
    assert!(matches!(events.last(), Some(LinkEvent::Reading(_))));
}

#[test]
fn alerts_have_the_status_byte_asked_ten_times_a_second_at_most() {
    for alert in b"!$%+#=" {
        let mut bench = Bench::new(third());
        bench.seconds(30).take();
        bench.sent.clear();
        for _ in 0..500 {
            let now = bench.now;
            bench.link.handle_bytes(now, &[*alert]);
            bench.run(Duration::from_millis(20));
        }
        let asked = bench.heard().matches('Q').count();
        assert!((30..=105).contains(&asked), "{}: {asked} in 10 s", char::from(*alert));
    }
}

/// What the status byte has not confirmed within two seconds is over, also when more of it comes.
#[test]
fn an_alert_that_nothing_confirms_is_over_however_often_it_is_repeated() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.sent.clear();
    for _ in 0..200 {
        let now = bench.now;
        bench.link.handle_bytes(now, b"!");
        bench.run(Duration::from_millis(50));
    }
    let causes = bench.heard().matches('G').count();
    assert!((4..=6).contains(&causes), "{causes} in 10 s");
}

#[test]
fn alerts_do_not_make_an_answer_that_is_lost_be_waited_for_longer() {
    let mut bench = Bench::new(third());
    bench.seconds(30).take();
    bench.answers.insert(b'L', Vec::new());
    bench.sent.clear();
    let now = bench.now;
    bench.link.command(Command::Poll, now);
    for _ in 0..30 {
        let now = bench.now;
        bench.link.handle_bytes(now, b"+");
        bench.run(Duration::from_millis(100));
    }
    let sent = |query| bench.sent.iter().find(|(_, byte)| *byte == query).expect("sent").0;
    assert!(sent(b'Y') - sent(b'L') < Duration::from_millis(1100));
}
