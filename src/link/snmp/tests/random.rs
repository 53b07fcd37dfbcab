//! Whatever the order of losses, duplicates, errors and late answers: what is shown was said by the UPS for that object.

use proptest::prelude::*;

use super::*;

/// Values that differ from object to object and from second to second, so that one in a wrong place is seen.
fn renew(unit: &mut Unit, turn: i64) {
    let step = turn % 8;
    if unit.base == unit::POWERNET {
        for (tail, first) in [
            (&[1, 2, 2, 1][..], 90),
            (&[1, 2, 2, 8], 20),
            (&[1, 2, 2, 2], 40),
            (&[1, 4, 2, 3], 10),
            (&[1, 3, 2, 1], 220),
            (&[1, 4, 2, 1], 200),
            (&[1, 3, 2, 4], 110),
            (&[1, 3, 2, 2], 240),
            (&[1, 3, 2, 3], 180),
            (&[2, 1, 2], 60),
        ] {
            if unit.objects.contains_key(&[&unit.name(tail)[..], &[0]].concat()) {
                unit.set(tail, gauge(first + step));
            }
        }
    } else {
        unit.set(&[2, 4], int(90 + step));
        unit.set(&[2, 5], int(200 + step * 10));
        unit.set(&[2, 7], int(40 + step));
        unit.set_row(&[3, 3, 1, 3], 1, int(220 + step));
        unit.set_row(&[3, 3, 1, 2], 1, int(1100 + step * 10));
        unit.set_row(&[4, 4, 1, 2], 1, int(200 + step));
        unit.set_row(&[4, 4, 1, 5], 1, int(10 + step));
    }
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
        2 => (500_u64..8_000).prop_map(|late| Fate::Late(Duration::from_millis(late))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_value_is_one_that_the_ups_has_said_for_that_object(
        fates in proptest::collection::vec(fates(), 1..60),
        is_rfc in any::<bool>(),
        versions in proptest::sample::select(vec![vec![0], vec![1], vec![0, 1]]),
        most in proptest::sample::select(vec![2_usize, 7, 100]),
        vanishes in proptest::sample::select(vec![vec![], vec![1, 3, 2, 1], vec![1, 2, 2, 2], vec![1, 8, 1]]),
    ) {
        let mut unit = if is_rfc { Unit::rfc1628() } else { Unit::powernet() };
        (unit.versions, unit.most) = (versions, most);
        renew(&mut unit, 0);
        let mut bench = Bench::new(unit);
        bench.follows = false;
        let mut next = fates.into_iter().cycle();
        bench.fate = Box::new(move |_| next.next().unwrap_or(Fate::Arrives));
        bench.link.set_poll_rate(PollRate::Fast, bench.now);
        for turn in 0..60 {
            if turn == 20 && !is_rfc {
                bench.unit.remove(&vanishes);
                if vanishes.is_empty() {
                    bench.unit = Unit::powernet();
                    bench.unit.most = most;
                }
            }
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
            prop_assert!(is_of(values.line_voltage.map(|it| it.0), 220.0), "{values:?}");
            prop_assert!(is_of(values.output_voltage.map(|it| it.0), 200.0), "{values:?}");
            prop_assert!(is_of(values.frequency.map(|it| it.0), 110.0), "{values:?}");
            prop_assert!(is_of(values.line_voltage_max.map(|it| it.0), 240.0), "{values:?}");
            prop_assert!(is_of(values.line_voltage_min.map(|it| it.0), 180.0), "{values:?}");
            prop_assert!(is_of(values.humidity.map(|it| it.0), 60.0), "{values:?}");
            prop_assert!(values.runtime_left.is_none_or(|it| it == crate::ups::Minutes(61.0)), "{values:?}");
        }
        // Nothing of all that takes the UPS away for good.
        bench.fate = Box::new(|_| Fate::Arrives);
        bench.run(40 * SECOND);
        prop_assert!(bench.lost().is_none());
    }
}
