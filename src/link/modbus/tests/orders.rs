use crate::ups::{Beeper, Switch};

use super::*;

fn ended(bench: &Bench) -> Option<Result<String, String>> {
    bench.told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Command(result) => Some(result.outcome.clone()),
        _ => None,
    })
}

/// What comes of a command, of a UPS of which `change` is true.
fn outcome(command: Command, change: impl Fn(&mut Unit)) -> Result<String, String> {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    change(&mut bench.unit);
    bench.link.command(command, bench.now);
    bench.run(15 * SECOND);
    ended(&bench).expect("an end")
}

#[test]
fn an_order_is_done_when_the_ups_shows_it_and_not_when_it_acknowledges() {
    let well = |_: &mut Unit| {};
    let idle = |unit: &mut Unit| unit.idle = true;
    let refusing = |unit: &mut Unit| unit.refused = vec![1540, 1541, 1542];
    for (command, said) in [
        (Command::KillPower, "the UPS switches off, and on again when mains is there"),
        (Command::PowerOff, "the UPS has switched off and stays off"),
        (Command::SelfTest, "self test passed"),
    ] {
        assert_eq!(outcome(command, well), Ok(said.to_owned()));
        assert_eq!(
            outcome(command, idle),
            Err("the UPS has acknowledged it, but does not do it".to_owned()),
            "{command:?}"
        );
        assert_eq!(
            outcome(command, refusing),
            Err("the UPS refuses it (Modbus exception 2)".to_owned()),
            "{command:?}"
        );
    }
    // The load is too low.
    assert_eq!(outcome(Command::Calibrate, well), Err("the UPS refuses it: the load is too low".to_owned()));
    let sounding = |unit: &mut Unit| _ = unit.registers.insert(26, 1 << 1);
    assert_eq!(outcome(Command::Beeper(Beeper::Mute), sounding), Ok("the alarm is muted".to_owned()));
    let testing = |unit: &mut Unit| _ = unit.registers.insert(23, 1 << 1);
    assert_eq!(outcome(Command::AbortTest, testing), Ok("no test is running any more".to_owned()));
}

#[test]
fn the_result_of_a_test_is_that_of_this_one() {
    // An earlier one was refused, passed or failed.
    for (before, idle, refused) in
        [(1 << 4 | 1 << 11, false, false), (1 << 2, true, false), (1 << 4 | 1 << 11, true, true)]
    {
        let said = outcome(Command::SelfTest, |unit| {
            unit.registers.insert(23, before);
            unit.idle = idle;
        });
        match (idle, refused) {
            (false, _) => assert_eq!(said, Ok("self test passed".to_owned())),
            (true, true) => assert_eq!(said, Err("the UPS refuses it: its charge is too low".to_owned())),
            (true, false) => assert!(said.unwrap_err().contains("does not do it")),
        }
    }
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND);
    bench.unit.testing = 0;
    bench.run(2 * SECOND);
    bench.unit.registers.insert(23, 1 << 3 | 1 << 6);
    bench.run(5 * SECOND);
    assert_eq!(ended(&bench), Some(Err("self test failed".to_owned())));
}

#[test]
fn a_test_that_runs_holds_up_no_order_to_switch_off() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND);
    bench.unit.testing = 0;
    bench.run(2 * SECOND);
    bench.link.command(Command::KillPower, bench.now);
    bench.run(3 * SECOND);
    let said = ended(&bench).expect("an end").expect("well");
    assert!(said.contains("switches off"), "{said}");
    let results = bench.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Command(_))).count();
    assert_eq!(results, 2, "each order is answered");
}

#[test]
fn settings_are_written_as_a_whole_and_read_back() {
    use crate::ups::{Setting, SettingValue};
    let set = |setting, text| Command::Set(setting, SettingValue::parse(setting, text).unwrap());
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    for (command, said) in [
        (set(Setting::BatteryDate, "08/23/26"), Ok("written, and reads back the same")),
        (set(Setting::Name, "left"), Ok("written, and reads back the same")),
        (set(Setting::BatteryDate, "23.08.26"), Err("a date of this UPS is MM/DD/YY, such as 08/23/26")),
        (set(Setting::HighTransfer, "260"), Ok("written, and reads back the same")),
        (set(Setting::HighTransfer, "265"), Err("the UPS has acknowledged it, but keeps another value")),
        (
            set(Setting::HighTransfer, "207"),
            Err("the high transfer voltage must be above the low one, 207 V"),
        ),
        (set(Setting::LowTransfer, "200"), Ok("written, and reads back the same")),
        (set(Setting::LowTransfer, "260"), Err("the low transfer voltage must be below the high one, 260 V")),
        (set(Setting::LowTransfer, "0"), Err("that cannot be")),
        (set(Setting::LowTransfer, "4000000000"), Err("that cannot be")),
        (set(Setting::ShutdownDelay, "90"), Ok("written, and reads back the same")),
        (set(Setting::ShutdownDelay, "65535"), Err("that cannot be")),
        (set(Setting::WakeDelay, "0"), Ok("written, and reads back the same")),
        (set(Setting::Sensitivity, "L"), Err("this setting of the UPS is changed at its front panel")),
    ] {
        bench.link.command(command, bench.now);
        bench.run(8 * SECOND);
        assert_eq!(ended(&bench), Some(said.map(str::to_owned).map_err(str::to_owned)), "{command:?}");
    }
    assert_eq!([1026, 1027, 1029, 1030].map(|at| bench.unit.registers[&at]), [260, 200, 90, 0]);
    assert_eq!(bench.unit.registers[&595], 9_731);
    assert_eq!((bench.unit.registers[&596], bench.unit.registers[&598]), (0x6c65, 0x2020));
    // What the UPS is has changed.
    let identity = bench.told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Attached(identity) => Some(identity.clone()),
        _ => None,
    });
    let identity = identity.unwrap();
    assert_eq!(
        (identity.battery_date.as_deref(), identity.name.as_deref()),
        (Some("2026-08-23"), Some("left"))
    );
    assert_eq!((identity.high_transfer, identity.low_transfer), (Some(260), Some(200)));
    assert_eq!((identity.shutdown_delay, identity.wake_delay), (Some(90), Some(0)));
}

#[test]
fn a_setting_that_the_ups_does_not_tell_is_not_written() {
    use crate::ups::{Setting, SettingValue};
    let lacks = Err("the UPS does not tell this setting, so it is not changed".to_owned());
    // Lacking registers say all ones or 0, and tenths of a volt are another form.
    for value in [0xffff, 0, 2_300] {
        for (setting, address) in [(Setting::HighTransfer, 1026), (Setting::LowTransfer, 1027)] {
            let mut bench = Bench::new();
            bench.unit.registers.insert(address, value);
            bench.run(3 * SECOND);
            bench.link.command(Command::Set(setting, SettingValue::Number(230)), bench.now);
            bench.run(SECOND);
            assert_eq!(ended(&bench), Some(lacks.clone()), "{setting:?} {value}");
        }
    }
    let mut bench = Bench::new();
    bench.unit.registers.insert(1029, 0xffff);
    bench.run(3 * SECOND);
    bench.link.command(Command::Set(Setting::ShutdownDelay, SettingValue::Number(30)), bench.now);
    bench.run(SECOND);
    assert_eq!(ended(&bench), Some(lacks));
    assert!(bench.unit.asked.iter().all(|(function, ..)| *function == 3));
}

#[test]
fn kill_power_by_the_countdown_where_the_status_does_not_show_it() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.unit.idle = true;
    bench.link.command(Command::KillPower, bench.now);
    bench.run(SECOND);
    bench.unit.registers.insert(155, 20);
    bench.run(2 * SECOND);
    assert_eq!(
        ended(&bench),
        Some(Ok("the UPS switches off in 20 s, and on again when mains is there".to_owned()))
    );
}

#[test]
fn an_order_without_an_answer_fails_and_one_that_is_cut_off_too() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.fate = Box::new(|frame| if frame[1] == 16 { Fate::Lost } else { Fate::Arrives });
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(5 * SECOND);
    assert_eq!(ended(&bench), Some(Err("the UPS does not answer".to_owned())));
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND / 10);
    bench.link.handle_event(bench.now, serial::Event::Closed("unplugged".to_owned()));
    bench.run(SECOND);
    assert_eq!(ended(&bench), Some(Err("unplugged".to_owned())));
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND);
    assert_eq!(ended(&bench), Some(Err("no communication with the UPS".to_owned())));
}

#[test]
fn during_an_order_an_outage_is_seen_as_at_any_time() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.unit.idle = true;
    bench.link.command(Command::SelfTest, bench.now);
    bench.run(SECOND);
    bench.unit.mains(false);
    let at = bench.now;
    bench.run(2 * SECOND);
    assert!(bench.on_battery_after(at).unwrap() < 3 * SECOND / 2);
}

#[test]
fn on_battery_a_status_that_says_off_by_itself_is_no_sign_of_the_order_but_the_countdown_is() {
    // Whatever the moment within the second: the status is asked for beside the looks.
    for offset in 0..10 {
        for obeys in [false, true] {
            let mut bench = Bench::new();
            bench.unit.set32(0, 1 << 2 | 1 << 6 | 1 << 9);
            bench.run(3 * SECOND + SECOND / 10 * offset);
            bench.unit.idle = true;
            bench.link.command(Command::KillPower, bench.now);
            bench.run(SECOND);
            if obeys {
                bench.unit.registers.insert(155, 20);
            }
            bench.run(8 * SECOND);
            let said = ended(&bench).expect("an end").expect("well");
            assert_eq!(said.contains("switches off in"), obeys, "{offset}: {said}");
            assert_eq!(said.contains("does not show"), !obeys, "{offset}: {said}");
        }
    }
}

/// What came of this command, if anything has.
fn ended_of(told: &[(Instant, LinkEvent)], command: Command) -> Option<Result<String, String>> {
    told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Command(result) if result.command == command => Some(result.outcome.clone()),
        _ => None,
    })
}

#[test]
fn kill_power_takes_the_place_of_a_clients_order_whatever_that_one_waits_for() {
    let shutdown = [1, 16, 6, 4];
    for after in [0, 20, 80, 150, 210, 300, 900, 3000] {
        for command in [Command::Calibrate, Command::PowerOff, Command::KillPower] {
            let mut bench = Bench::new();
            bench.run(3 * SECOND);
            bench.unit.idle = true;
            bench.link.command(command, bench.now);
            bench.run(Duration::from_millis(after));
            // What it asks is not answered from now on, and nor is what is still to come of it.
            bench.coming.clear();
            bench.unit.idle = false;
            let before = bench.requests.len();
            bench.link.command(Command::KillPower, bench.now);
            bench.run(SECOND + Duration::from_millis(200));
            let why = bench.told.iter().find_map(|(_, event)| match event {
                LinkEvent::Command(result) => Some(result.outcome.clone()),
                _ => None,
            });
            assert_eq!(why, Some(Err("another order took its place".to_owned())), "{command:?} {after}");
            let sent = bench.requests[before..].iter().filter(|(_, frame)| frame[..4] == shutdown);
            assert_eq!(sent.count(), 1, "{command:?} {after}");
            bench.run(3 * SECOND);
            let said = ended_of(&bench.told, Command::KillPower).expect("an end").expect("well");
            assert!(said.contains("switches off"), "{said}");
        }
    }
}

#[test]
fn the_acknowledgement_of_an_order_is_none_of_the_one_that_took_its_place() {
    let mut bench = Bench::new();
    bench.run(3 * SECOND);
    bench.unit.idle = true;
    bench.link.command(Command::KillPower, bench.now);
    // Its order is acknowledged when the next one is given: that acknowledges the first.
    while !bench.requests.iter().any(|(_, frame)| frame[1] == 16) {
        bench.run(SECOND / 100);
    }
    bench.link.command(Command::KillPower, bench.now);
    bench.run(SECOND);
    assert_eq!(bench.requests.iter().filter(|(_, frame)| frame[1] == 16).count(), 2);
}

#[test]
fn no_other_order_takes_the_place_of_one_nor_any_that_of_kill_power() {
    for (first, then) in [(Command::Calibrate, Command::SelfTest), (Command::KillPower, Command::PowerOff)] {
        let mut bench = Bench::new();
        bench.run(3 * SECOND);
        bench.unit.idle = true;
        bench.link.command(first, bench.now);
        bench.run(SECOND);
        bench.link.command(then, bench.now);
        bench.run(SECOND / 1000);
        assert_eq!(ended_of(&bench.told, then), Some(Err("another order is under way".to_owned())));
        assert_eq!(ended_of(&bench.told, first), None);
    }
}

#[test]
fn outlet_groups_are_listed_with_what_the_ups_says_of_them() {
    assert_eq!(outcome(Command::Outlets, |_| ()), Ok("1 on, disks\n2 on".to_owned()));
    let all = |unit: &mut Unit| {
        unit.registers.insert(590, 0b1_1011);
        unit.set32(6, 1 << 1 | 1 << 2);
        unit.set32(12, 1 << 7);
        unit.set32(15, 1 << 4);
        unit.text(628, 8, "screens");
        // What is undefined is all ones, and may be refused.
        unit.refused = vec![612];
    };
    let mut bench = Bench::new();
    all(&mut bench.unit);
    bench.run(3 * SECOND);
    bench.link.command(Command::Outlets, bench.now);
    bench.run(5 * SECOND);
    assert_eq!(ended(&bench), Some(Ok("1 off rebooting\n3 unknown, screens\n4 sleeping".to_owned())));
    assert!(!bench.is_lost());
    // The main group alone, none, and a register that is not there.
    for groups in [1, 0, 0xffff] {
        let mut bench = Bench::new();
        bench.unit.registers.insert(590, groups);
        bench.run(3 * SECOND);
        for command in [Command::Outlets, Command::Outlet(Switch::Off, 1)] {
            bench.link.command(command, bench.now);
            bench.run(SECOND);
            let why = ended(&bench).unwrap().unwrap_err();
            assert!(why.contains("no outlet group"), "{groups:#x} {why}");
        }
        assert!(bench.unit.asked.iter().all(|(function, ..)| *function == 3));
    }
}

#[test]
fn an_outlet_group_is_switched_when_the_ups_shows_it() {
    for (switch, number, written, said) in [
        (Switch::Off, 1, 1 << 2 | 1 << 9 | 1 << 14, "the outlet group is off"),
        (Switch::On, 2, 1 << 1 | 1 << 10 | 1 << 14, "the outlet group has power"),
        (Switch::Reboot, 2, 1 << 4 | 1 << 10 | 1 << 14, "the outlet group goes off, and on again"),
    ] {
        let mut bench = Bench::new();
        bench.unit.set32(9, 1 << 1);
        bench.run(3 * SECOND);
        bench.link.command(Command::Outlet(switch, number), bench.now);
        bench.run(3 * SECOND);
        assert_eq!(ended(&bench), Some(Ok(said.to_owned())));
        let orders: Vec<_> = bench.unit.asked.iter().filter(|(function, ..)| *function == 16).collect();
        assert_eq!(orders, [&(16, 1538, written)]);
    }
    let idle = |unit: &mut Unit| unit.idle = true;
    let does_not = "the UPS has acknowledged it, but does not do it";
    assert_eq!(outcome(Command::Outlet(Switch::Off, 1), idle), Err(does_not.to_owned()));
    let refusing = |unit: &mut Unit| unit.refused = vec![1538];
    let refuses = "the UPS refuses it (Modbus exception 3)";
    assert_eq!(outcome(Command::Outlet(Switch::Off, 1), refusing), Err(refuses.to_owned()));
    // The main group has no number, and the UPS has no third.
    for number in [0, 3, 4, 5, 9, u32::MAX] {
        let why = outcome(Command::Outlet(Switch::Off, number), |_| ()).unwrap_err();
        assert_eq!(why, format!("the UPS has no outlet group {number}"));
    }
}
