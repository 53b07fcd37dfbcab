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

fn losses(bench: &Bench) -> usize {
    bench.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Lost { .. })).count()
}

/// The card says that it has lost its UPS, or no longer.
fn lose_ups(unit: &mut Unit, lost: bool) {
    if unit.base == unit::RFC1628 {
        unit.alarms(if lost { &[20] } else { &[] });
    } else {
        unit.set(&[1, 8, 1], int(if lost { 2 } else { 1 }));
    }
}

#[test]
fn one_answer_that_the_ups_is_lost_is_no_loss_whatever_is_read_beside_it() {
    for unit in [Unit::powernet(), Unit::rfc1628()] {
        for step in 0..8 {
            let mut bench = Bench::watched(unit.clone());
            bench.run(10 * SECOND);
            let asked = bench.unit.asked.len();
            lose_ups(&mut bench.unit, true);
            // Until the card has said it once.
            while !bench.unit.asked[asked..]
                .iter()
                .any(|(kind, _)| bench.unit.base == unit::POWERNET || *kind == 0xa5)
            {
                bench.run(DELAY / 4);
            }
            bench.run(DELAY / 8 * step);
            lose_ups(&mut bench.unit, false);
            bench.link.command(Command::Poll, bench.now);
            bench.run(20 * SECOND);
            assert_eq!(losses(&bench), 0, "{step}");
        }
    }
}

#[test]
fn a_card_that_has_said_that_it_has_lost_its_ups_and_then_nothing_is_searched_for() {
    for unit in [Unit::powernet(), Unit::rfc1628()] {
        let mut bench = Bench::watched(unit);
        lose_ups(&mut bench.unit, true);
        bench.run(200 * SECOND);
        assert_eq!((losses(&bench), bench.opened), (1, 1), "it answers: there is nothing to search");
        bench.fate = Box::new(|_| Fate::Lost);
        bench.run(40 * SECOND);
        assert!(bench.opened > 1, "nothing was opened anew");
    }
}

#[test]
fn an_order_goes_on_while_the_card_says_that_it_has_lost_its_ups() {
    let mut unit = Unit::powernet();
    unit.idle = true;
    let mut bench = Bench::watched(unit);
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND);
    lose_ups(&mut bench.unit, true);
    bench.run(8 * SECOND);
    assert!(bench.lost().is_some());
    bench.unit.set(&[1, 7, 2, 3], int(4));
    bench.run(5 * SECOND);
    let ended = bench.told.iter().find_map(|(_, event)| match event {
        LinkEvent::Command(result) => Some(result.outcome.clone()),
        _ => None,
    });
    assert_eq!(ended, Some(Ok("self test started".to_owned())));
}

#[test]
fn an_alarm_that_the_card_no_longer_answers_for_is_none() {
    for is_counted in [true, false] {
        let mut bench = Bench::watched(Unit::rfc1628());
        bench.link.set_poll_time(SECOND, bench.now);
        lose_ups(&mut bench.unit, true);
        bench.run(10 * SECOND);
        assert!(bench.lost().is_some());
        // What asks for the table is not answered any more; that are other columns too, whose rest it would be.
        bench.fate = Box::new(|answer| {
            let is_table = answer.windows(9).any(|it| it == [0x2b, 6, 1, 2, 1, 33, 1, 6, 2]);
            if is_table { Fate::Lost } else { Fate::Arrives }
        });
        if !is_counted {
            bench.unit.remove(&[6, 1]);
        }
        bench.run(200 * SECOND);
        assert!(bench.lost().is_none(), "{is_counted}");
    }
}

#[test]
fn alarms_are_read_where_the_card_stops_counting_them() {
    let mut bench = Bench::watched(Unit::rfc1628());
    bench.unit.remove(&[6, 1]);
    bench.run(70 * SECOND);
    bench.unit.alarms(&[8]);
    bench.unit.remove(&[6, 1]);
    bench.run(70 * SECOND);
    assert!(bench.reading().status.contains(StatusFlags::OVERLOAD));
}

/// A round that takes longer than its interval is not begun anew before its end.
#[test]
fn on_battery_a_slow_card_is_read_to_the_end_of_each_round() {
    let mut unit = Unit::powernet();
    unit.most = 2;
    let mut bench = Bench::watched(unit);
    bench.unit.mains(false);
    bench.fate = Box::new(|_| Fate::Late(SECOND));
    bench.run(20 * SECOND);
    assert!(bench.reading().status.contains(StatusFlags::ONBATT));
    for humidity in [41, 42] {
        bench.unit.set(&[2, 1, 2], gauge(humidity));
        bench.run(80 * SECOND);
        assert_eq!(bench.reading().values.humidity.unwrap().0, humidity as f64);
    }
}
