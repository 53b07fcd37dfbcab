//! Losses, their time limits, and what counts as evidence.

use super::*;
use crate::ups::TransferCause;

/// From now on nothing arrives; how long until the loss is told.
fn time_to_loss(bench: &mut Bench) -> Duration {
    let since = bench.now;
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(60 * SECOND);
    bench.lost().expect("not lost").0 - since
}

#[test]
fn silence_is_told_within_thirty_seconds_on_mains_and_ten_on_battery_whatever_polltime() {
    for poll_time in [1, 60, 600] {
        for offset in [0, 1300, 4900] {
            let mut bench = Bench::watched(Unit::powernet());
            bench.link.set_poll_time(poll_time * SECOND, bench.now);
            bench.run(100 * SECOND + Duration::from_millis(offset));
            let mains = time_to_loss(&mut bench);
            assert!(mains > 8 * SECOND && mains <= 30 * SECOND, "{mains:?}");
            let mut bench = Bench::watched(Unit::powernet());
            bench.link.set_poll_time(poll_time * SECOND, bench.now);
            bench.unit.mains(false);
            bench.run(30 * SECOND + Duration::from_millis(offset));
            let battery = time_to_loss(&mut bench);
            assert!(battery > 5 * SECOND && battery <= 10 * SECOND, "{battery:?}");
        }
    }
}

#[test]
fn a_lost_answer_is_asked_for_again_at_once_and_costs_nothing() {
    let mut bench = Bench::watched(Unit::powernet());
    let mut count = 0;
    bench.fate = Box::new(move |_| {
        count += 1;
        if count % 2 == 1 { Fate::Lost } else { Fate::Arrives }
    });
    bench.run(300 * SECOND);
    assert!(!bench.told.iter().any(|(_, event)| matches!(event, LinkEvent::Lost { .. })));
}

#[test]
fn an_outage_is_told_by_two_readings_within_seven_seconds() {
    for unit in [Unit::powernet(), Unit::rfc1628(), Unit::mge()] {
        for offset in [0, 2000, 4900] {
            let mut bench = Bench::watched(unit.clone());
            bench.run(60 * SECOND + Duration::from_millis(offset));
            bench.unit.mains(false);
            let failed = bench.now;
            bench.run(10 * SECOND);
            let on_battery =
                bench.readings().filter(|(_, reading)| reading.status.contains(StatusFlags::ONBATT));
            let mut samples: Vec<Instant> =
                on_battery.filter_map(|(_, reading)| reading.read.of(Item::Line)).collect();
            samples.dedup();
            assert!(
                samples[0] - failed <= 6 * SECOND && samples[1] - failed <= 7 * SECOND,
                "{:?}",
                samples[1] - failed
            );
            assert!(samples.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_millis(200)));
        }
    }
}

#[test]
fn the_cause_is_read_with_the_transfer_and_again_when_it_is_asked_for() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.mains(false);
    bench.unit.set(&[1, 3, 2, 5], int(9));
    bench.run(10 * SECOND);
    assert_eq!(bench.reading().values.transfer_cause, Some(TransferCause::SelfTest));
    bench.unit.set(&[1, 3, 2, 5], int(2));
    let asked = bench.now;
    bench.result(Command::ReadTransferCause, SECOND).unwrap();
    let reading = bench.reading();
    assert_eq!(reading.values.transfer_cause, Some(TransferCause::HighLine));
    assert!(reading.read.of(Item::TransferCause).unwrap() >= asked);
}

/// Snmp §2, weak spot 4.
#[test]
fn a_card_that_has_lost_its_ups_says_nothing_of_it() {
    let change = |unit: &mut Unit, lost: bool, way: usize| match (way, lost) {
        (0, _) => unit.set(&[1, 8, 1], int(if lost { 2 } else { 1 })),
        (1, _) => unit.set(&[1, 4, 1, 1], int(if lost { 1 } else { 2 })),
        (2, true) => unit.set(&[1, 11, 1, 1], text("UNKNOWN")),
        (2, false) => unit.word(&[4, 6, 19]),
        (_, true) => unit.alarms(&[20]),
        (_, false) => unit.alarms(&[]),
    };
    for way in 0..4 {
        let mut bench = Bench::watched(if way == 3 { Unit::rfc1628() } else { Unit::powernet() });
        change(&mut bench.unit, true, way);
        let since = bench.now;
        bench.run(100 * SECOND);
        let (at, why) = bench.lost().expect("it is lost");
        assert!(
            at - since <= 10 * SECOND && why.contains("has lost its UPS"),
            "{way}: {why} {:?}",
            at - since
        );
        assert_eq!(bench.result(Command::SelfTest, SECOND), Err("no communication with the UPS".to_owned()));
        change(&mut bench.unit, false, way);
        bench.run(10 * SECOND);
        assert!(bench.lost().is_none(), "{way}");
    }
}

#[test]
fn a_status_that_is_gone_is_a_loss_whatever_else_is_answered() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.remove(&[1, 4, 1, 1]);
    bench.run(40 * SECOND);
    assert!(bench.lost().is_some());
}

#[test]
fn a_number_that_nobody_knows_is_judged_by_the_state_word() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.set(&[1, 4, 1, 1], int(77));
    bench.run(20 * SECOND);
    assert!(bench.reading().status.contains(StatusFlags::ONLINE) && bench.lost().is_none());
    bench.unit.word(&[2, 6, 19]);
    bench.run(20 * SECOND);
    assert!(bench.reading().status.contains(StatusFlags::ONBATT));
}

#[test]
fn bypass_is_told_once_and_eco_mode_is_on_line() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.set(&[1, 4, 1, 1], int(16));
    bench.run(30 * SECOND);
    assert_eq!(bench.logged().iter().filter(|line| line.contains("bypass")).count(), 1);
    bench.unit.set(&[1, 4, 1, 1], int(13));
    bench.run(30 * SECOND);
    assert!(bench.reading().status.contains(StatusFlags::ONLINE));
}

#[test]
fn answers_of_others_and_to_nothing_are_none() {
    let mut bench = Bench::watched(Unit::powernet());
    let mut other = Unit::powernet();
    other.mains(false);
    for _ in 0..30 {
        bench.run(SECOND);
        let Some(answer) = bench.requests.last().and_then(|(_, request)| other.answer(request)) else {
            continue;
        };
        // From another address while it is under way is not possible here: from the right one when it is over.
        for from in [CARD, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 8))] {
            let event =
                Event::Bytes { bytes: answer.clone(), from: (from, 161).into(), socket: Socket::Peer };
            bench.link.handle_event(bench.now, event);
        }
    }
    assert!(bench.readings().all(|(_, reading)| reading.status.contains(StatusFlags::ONLINE)));
}

#[test]
fn a_port_that_refuses_is_opened_again_and_the_loss_says_so() {
    let mut bench = Bench::watched(Unit::powernet());
    let opened = bench.opened;
    for _ in 0..20 {
        bench.link.handle_event(bench.now, Event::Closed("Connection refused".to_owned()));
        bench.fate = Box::new(|_| Fate::Lost);
        bench.run(SECOND + DELAY);
    }
    assert!(bench.opened >= opened + 10);
    assert!(bench.lost().unwrap().1.ends_with("Connection refused"));
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(10 * SECOND);
    assert!(bench.lost().is_none());
}
