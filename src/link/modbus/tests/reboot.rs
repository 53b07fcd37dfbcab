//! A UPS that restarts, and what it says meanwhile.

use super::*;

/// All that it has says 0.
fn zeros(unit: &Unit) -> Unit {
    let mut zeros = unit.clone();
    zeros.registers.values_mut().for_each(|word| *word = 0);
    zeros
}

#[test]
fn a_ups_that_says_0_for_everything_at_first_is_read_when_it_says_something() {
    let mut bench = Bench::new();
    let well = bench.unit.clone();
    bench.unit = zeros(&well);
    bench.run(6 * SECOND);
    bench.unit = well;
    bench.run(6 * SECOND);
    let identity = bench.told.iter().rev().find_map(|(_, event)| match event {
        LinkEvent::Attached(identity) => Some(identity.clone()),
        _ => None,
    });
    assert_eq!(identity.and_then(|it| it.serial).as_deref(), Some("AS1234567890"));
    assert!(bench.last().status.contains(StatusFlags::ONLINE));
}

#[test]
fn a_ups_that_does_not_say_where_the_load_gets_its_power_is_lost_after_a_while_and_not_at_once() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    bench.unit.mains(false);
    bench.run(5 * SECOND);
    let well = bench.unit.clone();
    bench.unit = zeros(&well);
    bench.run(5 * SECOND);
    assert!(!bench.is_lost());
    bench.run(10 * SECOND);
    assert!(bench.is_lost());
    bench.unit = well;
    bench.run(15 * SECOND);
    assert!(!bench.is_lost() && bench.last().status.contains(StatusFlags::ONBATT));
}

#[test]
fn a_ups_whose_output_is_off_is_there() {
    let mut bench = Bench::new();
    bench.unit.set32(0, 1 << 4);
    bench.run(30 * SECOND);
    assert!(!bench.is_lost());
    assert!(!bench.last().status.intersects(StatusFlags::ONLINE | StatusFlags::ONBATT));
}

#[test]
fn what_a_ups_refuses_while_it_restarts_is_asked_for_again() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    bench.unit.refused = vec![18, 128, 130];
    bench.link.command(Command::Poll, bench.now);
    bench.run(5 * SECOND);
    bench.unit.refused.clear();
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(15 * 60 * SECOND);
    bench.unit.mains(false);
    bench.unit.battery(30, 300, true);
    bench.run(5 * SECOND);
    assert!(bench.last().status.contains(StatusFlags::ONBATT | StatusFlags::BATTLOW));
    assert_eq!(bench.last().values.battery_charge, Some(crate::ups::Percent(30.0)));
}

#[test]
fn a_self_test_is_one_by_its_cause_and_by_mains_that_is_there() {
    let mut bench = Bench::new();
    bench.run(5 * SECOND);
    bench.unit.set32(0, 1 << 2 | 1 << 7);
    bench.unit.registers.insert(2, 9);
    bench.unit.registers.insert(23, 1 << 1 | 1 << 8);
    bench.run(3 * SECOND);
    let last = bench.last();
    assert_eq!((last.mains, last.values.transfer_cause), (Some(true), Some(TransferCause::SelfTest)));
    assert_eq!(last.values.self_test, Some(crate::ups::SelfTestResult::InProgress));
}

#[test]
fn a_ups_that_says_nothing_where_it_has_nothing_is_known_and_an_outage_is_seen() {
    for quiet in [2050..2051, 512..2050, 1026..2051] {
        let mut bench = Bench::new();
        let silent = quiet.clone();
        bench.fate = Box::new(move |frame| {
            let address = u16::from_be_bytes([frame[2], frame[3]]);
            if silent.contains(&address) { Fate::Lost } else { Fate::Arrives }
        });
        bench.run(30 * SECOND);
        assert!(!bench.is_lost(), "{quiet:?}");
        bench.unit.mains(false);
        bench.link.set_poll_rate(PollRate::Fast, bench.now);
        let at = bench.now;
        bench.run(10 * SECOND);
        assert!(bench.on_battery_after(at).expect("seen") <= 6 * SECOND, "{quiet:?}");
        assert!(!bench.told.iter().any(|(_, event)| matches!(event, LinkEvent::Lost { .. })), "{quiet:?}");
    }
}
