//! Whatever the order of losses, duplicates, refusals and late answers: what is shown was said by the UPS for that register.

use proptest::prelude::*;

use super::*;

/// Values that differ from register to register and from second to second, so that one in a wrong place is seen.
fn renew(unit: &mut Unit, turn: u16) {
    let step = turn % 8;
    unit.registers.insert(130, (90 + step) << 9);
    unit.registers.insert(131, (20 + step) << 5);
    unit.registers.insert(135, (40 + step) << 7);
    unit.registers.insert(136, (10 + step) << 8);
    unit.registers.insert(138, (60 + step) << 8);
    unit.registers.insert(142, (200 + step) << 6);
    unit.registers.insert(144, (110 + step) << 7);
    unit.registers.insert(151, (220 + step) << 6);
}

fn is_of(value: Option<f64>, first: f64) -> bool {
    value.is_none_or(|value| value >= first && value < first + 8.0)
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Garbled),
        1 => Just(Fate::Twice),
        2 => (500_u64..4_000).prop_map(|late| Fate::Late(Duration::from_millis(late))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_value_is_one_that_the_ups_has_said_for_that_register(
        fates in proptest::collection::vec(fates(), 1..60),
        refused in proptest::sample::select(vec![vec![], vec![135], vec![22, 131, 144], vec![2050]]),
    ) {
        let mut bench = Bench::new();
        bench.unit.refused = refused;
        renew(&mut bench.unit, 0);
        let mut next = fates.into_iter().cycle();
        bench.fate = Box::new(move |_| next.next().unwrap_or(Fate::Arrives));
        bench.link.set_poll_rate(PollRate::Fast, bench.now);
        for turn in 0..60 {
            renew(&mut bench.unit, turn);
            bench.run(SECOND);
        }
        for (told, reading) in bench.readings() {
            // A sample has the time of the answer that it is from, and no other.
            for item in Item::ALL {
                let at = reading.read.of(item);
                prop_assert!(at.is_none_or(|at| at <= told && bench.arrivals.contains(&at)), "{item:?}");
                prop_assert!(at.is_none() || reading.states(item), "{item:?}");
            }
            let values = &reading.values;
            prop_assert!(reading.status.contains(StatusFlags::ONLINE) && !reading.status.contains(StatusFlags::ONBATT));
            prop_assert!(!reading.status.intersects(StatusFlags::BATTLOW | StatusFlags::REPLACEBATT | StatusFlags::OVERLOAD));
            prop_assert!(is_of(values.battery_charge.map(|it| it.0), 90.0), "{values:?}");
            prop_assert!(is_of(values.battery_voltage.map(|it| it.0), 20.0), "{values:?}");
            prop_assert!(is_of(values.temperature.map(|it| it.0), 40.0), "{values:?}");
            prop_assert!(is_of(values.load.map(|it| it.0), 10.0), "{values:?}");
            prop_assert!(is_of(values.load_apparent.map(|it| it.0), 60.0), "{values:?}");
            prop_assert!(is_of(values.output_voltage.map(|it| it.0), 200.0), "{values:?}");
            prop_assert!(is_of(values.frequency.map(|it| it.0), 110.0), "{values:?}");
            prop_assert!(is_of(values.line_voltage.map(|it| it.0), 220.0), "{values:?}");
            prop_assert!(values.runtime_left.is_none_or(|it| it == crate::ups::Minutes(60.0)), "{values:?}");
        }
        // Nothing of all that takes the UPS away for good.
        bench.fate = Box::new(|_| Fate::Arrives);
        bench.run(20 * SECOND);
        prop_assert!(!bench.is_lost());
    }
}

/// Found by the lives above: probes that were late, from before a status that was asked for once more, said that nothing older could come.
#[test]
fn a_probe_from_before_a_request_that_is_sent_once_more_says_nothing_of_its_answer() {
    let late = Fate::Late(Duration::from_millis(3_141));
    let mut fates = vec![Fate::Arrives; 15];
    (fates[0], fates[2], fates[12]) = (late, Fate::Twice, Fate::Garbled);
    let mut bench = Bench::new();
    bench.unit.refused = vec![22, 131, 144];
    let mut next = fates.into_iter().cycle();
    bench.fate = Box::new(move |_| next.next().unwrap_or(Fate::Arrives));
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(60 * SECOND);
    let runtimes: Vec<_> = bench.readings().filter_map(|(_, it)| it.values.runtime_left).collect();
    assert!(runtimes.iter().all(|it| *it == crate::ups::Minutes(60.0)), "{runtimes:?}");
}
