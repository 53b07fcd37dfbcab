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
        (Command::SelfTest, "self test started"),
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
    let testing = |unit: &mut Unit| _ = unit.registers.insert(23, 1 << 1);
    assert_eq!(outcome(Command::AbortTest, testing), Ok("no test is running any more".to_owned()));
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
