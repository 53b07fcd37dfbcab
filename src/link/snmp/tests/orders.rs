//! Orders, and how it is known that they are done.

use super::*;
use crate::ups::{Setting, SettingValue};

fn ordered(unit: Unit, command: Command) -> (Result<String, String>, Unit) {
    let mut bench = Bench::watched(unit);
    let result = bench.result(command, 30 * SECOND);
    (result, bench.unit)
}

/// The whole names and numbers that were set, as text.
fn written(unit: &Unit) -> Vec<String> {
    let name =
        |name: &[u32]| name[unit.base.len()..].iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    unit.written.iter().map(|(object, number)| format!("{} = {number}", name(object))).collect()
}

#[test]
fn a_card_of_apc_is_given_orders_by_the_instance_and_shows_them() {
    for (command, set, said) in [
        (Command::KillPower, "1.6.1.1.0 = 2", "the UPS switches off, and on again when mains is there"),
        (Command::PowerOff, "1.6.2.1.0 = 2", "the UPS has switched off and stays off"),
        (Command::SelfTest, "1.7.2.2.0 = 2", "self test started"),
        (Command::Calibrate, "1.7.2.5.0 = 2", "calibration started"),
    ] {
        let (result, unit) = ordered(Unit::powernet(), command);
        assert_eq!(result, Ok(said.to_owned()), "{command:?}");
        assert_eq!(written(&unit), [set]);
    }
    let mut bench = Bench::watched(Unit::powernet());
    bench.result(Command::Calibrate, 5 * SECOND).unwrap();
    assert!(bench.reading().status.contains(StatusFlags::CALIBRATION));
    assert_eq!(bench.result(Command::AbortTest, 5 * SECOND), Ok("no test is running any more".to_owned()));
    assert_eq!(bench.unit.get(&[1, 7, 2, 6]), 5);
}

#[test]
fn what_the_ups_does_not_do_is_said() {
    for (command, start) in [
        (Command::KillPower, "the card has acknowledged it: the UPS switches off 180 s after it"),
        (Command::PowerOff, "the card has acknowledged it, but the UPS does not do it"),
        (Command::SelfTest, "the card has acknowledged it, but the UPS does not do it"),
    ] {
        let mut unit = Unit::powernet();
        unit.idle = true;
        let (result, _) = ordered(unit, command);
        let text = result.clone().unwrap_or_else(|text| text);
        assert!(text.starts_with(start), "{text}");
        assert_eq!(result.is_ok(), command == Command::KillPower);
    }
}

#[test]
fn a_community_that_may_only_read_is_refused_with_a_reason() {
    for (versions, name) in [(vec![0], "noSuchName"), (vec![1], "noAccess")] {
        let mut unit = Unit::powernet();
        (unit.communities, unit.versions) = (["secret", "public"], versions);
        let mut bench = Bench::new(unit);
        bench.run(10 * SECOND);
        let refused = bench.result(Command::KillPower, 10 * SECOND).unwrap_err();
        assert!(refused.contains(name) && refused.contains("community"), "{refused}");
    }
}

#[test]
fn an_order_whose_answer_is_lost_is_given_again() {
    let mut bench = Bench::watched(Unit::powernet());
    let mut lost = false;
    bench.fate = Box::new(move |answer| {
        let is_set = answer.windows(11).any(|it| it == [1, 4, 1, 0x82, 0x3e, 1, 1, 1, 6, 1, 1]);
        if is_set && !std::mem::replace(&mut lost, true) { Fate::Lost } else { Fate::Arrives }
    });
    assert!(bench.result(Command::KillPower, 10 * SECOND).is_ok());
    assert_eq!(written(&bench.unit), ["1.6.1.1.0 = 2", "1.6.1.1.0 = 2"]);
}

#[test]
fn rfc_1628_is_told_the_type_the_restart_and_the_delay() {
    let (result, unit) = ordered(Unit::rfc1628(), Command::KillPower);
    assert_eq!(result, Ok("the UPS switches off in 60 s, and on again when mains is there".to_owned()));
    assert_eq!(written(&unit), ["8.1.0 = 1", "8.5.0 = 1", "8.2.0 = 60"]);
    let (result, unit) = ordered(Unit::rfc1628(), Command::PowerOff);
    assert_eq!(result, Ok("the UPS switches off in 60 s, and stays off".to_owned()));
    assert_eq!(written(&unit), ["8.1.0 = 2", "8.5.0 = 2", "8.2.0 = 60"]);
    let mut idle = Unit::rfc1628();
    idle.idle = true;
    let (result, _) = ordered(idle, Command::KillPower);
    assert_eq!(result, Err("the card has acknowledged it, but the UPS does not do it".to_owned()));
}

#[test]
fn a_test_of_rfc_1628_takes_the_lock_and_the_test_in_one() {
    let (result, unit) = ordered(Unit::rfc1628(), Command::SelfTest);
    assert_eq!(result, Ok("self test started".to_owned()));
    assert_eq!(written(&unit)[0], "7.2.0 = 41");
    let sets: Vec<_> = unit.asked.iter().filter(|(kind, _)| *kind == 0xa3).collect();
    assert_eq!(sets, [&(0xa3, 2)]);
}

#[test]
fn a_card_of_mge_is_given_the_orders_of_rfc_1628() {
    let mut unit = Unit::mge();
    for (tail, value) in [(&[8, 1][..], 1), (&[8, 2], -1), (&[8, 5], 2)] {
        unit.objects.insert([&unit::RFC1628[..], tail, &[0]].concat(), int(value));
    }
    unit.idle = true;
    let mut bench = Bench::watched(unit);
    bench.link.command(Command::KillPower, bench.now);
    bench.run(2 * SECOND);
    let names: Vec<_> =
        bench.unit.written.iter().map(|(name, number)| (name[8..].to_vec(), *number)).collect();
    assert_eq!(names, [(vec![8, 1, 0], 1), (vec![8, 5, 0], 1), (vec![8, 2, 0], 60)]);
    let (result, _) = ordered(Unit::mge(), Command::KillPower);
    assert!(result.unwrap_err().contains("notWritable"));
    let (result, unit) = ordered(Unit::mge(), Command::SelfTest);
    assert!(result.unwrap().contains("does not show"));
    assert_eq!(written(&unit), ["10.4.0 = 1"]);
}

#[test]
fn the_battery_date_is_set_and_read_back() {
    let value = SettingValue::parse(Setting::BatteryDate, "11/30/26").unwrap();
    let command = Command::Set(Setting::BatteryDate, value);
    let (result, _) = ordered(Unit::powernet(), command);
    assert_eq!(result, Ok("it is 11/30/26 now".to_owned()));
    let mut unit = Unit::powernet();
    unit.idle = true;
    let (result, _) = ordered(unit, command);
    assert_eq!(result, Err("the card has acknowledged it, but keeps 08/16/2019".to_owned()));
}

#[test]
fn a_test_that_is_over_before_it_is_seen_says_its_own_result() {
    let mut unit = Unit::powernet();
    unit.idle = true;
    let mut bench = Bench::watched(unit);
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(3 * SECOND);
    bench.unit.set(&[1, 7, 2, 4], text("12/01/2026"));
    bench.unit.set(&[1, 7, 2, 3], int(2));
    bench.run(3 * SECOND);
    let ended = bench.told.iter().find_map(|(_, event)| match event {
        LinkEvent::Command(result) => Some(result.outcome.clone()),
        _ => None,
    });
    assert_eq!(ended, Some(Ok("self test completed: Test failed".to_owned())));
}

/// What came of this command, if anything has.
fn ended(bench: &Bench, command: Command) -> Option<Result<String, String>> {
    bench.told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Command(result) if result.command == command => Some(result.outcome.clone()),
        _ => None,
    })
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn kill_power_takes_the_place_of_a_clients_order_at_once_whatever_that_one_waits_for() {
    // What it looks at before, its order, its looks; and a card that answers nothing of it.
    for (after, is_mute) in [(20, false), (60, false), (200, false), (3000, false), (20, true), (1500, true)]
    {
        for command in [Command::SelfTest, Command::PowerOff] {
            let mut unit = Unit::powernet();
            unit.idle = true;
            let mut bench = Bench::watched(unit);
            if is_mute {
                bench.fate = Box::new(|_| Fate::Lost);
            }
            bench.link.command(command, bench.now);
            bench.run(MILLISECOND * after);
            bench.fate = Box::new(|_| Fate::Arrives);
            bench.unit.idle = false;
            bench.unit.written.clear();
            bench.link.command(Command::KillPower, bench.now);
            bench.run(MILLISECOND);
            assert_eq!(written(&bench.unit), ["1.6.1.1.0 = 2"], "{command:?} {after} {is_mute}");
            let why = ended(&bench, command).expect("the first has ended").unwrap_err();
            assert_eq!(why, "another order took its place");
            bench.run(2 * SECOND);
            let said = "the UPS switches off, and on again when mains is there";
            assert_eq!(ended(&bench, Command::KillPower), Some(Ok(said.to_owned())));
        }
    }
}

#[test]
fn what_is_read_when_kill_power_comes_is_read_afterwards() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.set(&[1, 4, 2, 3], gauge(63));
    bench.link.command(Command::Poll, bench.now);
    bench.run(20 * MILLISECOND);
    bench.link.command(Command::KillPower, bench.now);
    bench.run(3 * SECOND);
    assert_eq!(bench.reading().values.load.unwrap().0, 63.0);
    assert_eq!(ended(&bench, Command::Poll), Some(Ok("read".to_owned())));
}

#[test]
fn no_other_order_takes_the_place_of_one_nor_any_that_of_kill_power() {
    let mut unit = Unit::powernet();
    unit.idle = true;
    for (first, then) in [(Command::Calibrate, Command::SelfTest), (Command::KillPower, Command::PowerOff)] {
        let mut bench = Bench::watched(unit.clone());
        bench.link.command(first, bench.now);
        bench.run(SECOND);
        assert_eq!(bench.result(then, MILLISECOND), Err("another order is under way".to_owned()));
        assert_eq!(ended(&bench, first), None);
    }
}

#[test]
fn kill_power_is_given_to_a_card_that_says_that_it_has_lost_its_ups() {
    let mut bench = Bench::watched(Unit::powernet());
    bench.unit.set(&[1, 8, 1], int(2));
    bench.run(20 * SECOND);
    assert!(bench.lost().is_some());
    bench.result(Command::KillPower, 5 * SECOND).unwrap();
    assert_eq!(written(&bench.unit), ["1.6.1.1.0 = 2"]);
}

/// Snmp §5: some cards say 0 while none is counted down.
#[test]
fn a_countdown_of_0_is_no_sign_that_the_ups_switches_off() {
    let mut unit = Unit::rfc1628();
    unit.idle = true;
    unit.set(&[8, 2], int(0));
    let (result, _) = ordered(unit, Command::KillPower);
    assert_eq!(result, Err("the card has acknowledged it, but the UPS does not do it".to_owned()));
}
