//! The card is found: by version, community and MIB; whenever it answers.

use super::*;

#[test]
fn versions_and_communities_are_tried_and_the_mib_is_found() {
    for versions in [vec![0], vec![1], vec![0, 1]] {
        for (unit, model) in [
            (Unit::powernet(), "Smart-UPS 1500"),
            (Unit::rfc1628(), "Eaton 5P 1150"),
            (Unit::mge(), "Evolution"),
        ] {
            for community in ["private", "public"] {
                let mut unit = unit.clone();
                unit.versions.clone_from(&versions);
                unit.communities = ["secret", community];
                let mut bench = Bench::new(unit);
                bench.run(8 * SECOND);
                assert_eq!(bench.identity().model.as_deref(), Some(model), "{versions:?} {community}");
                let warned =
                    bench.logged().iter().filter(|line| line.contains("may usually read only")).count();
                assert_eq!(warned, usize::from(community == "public"));
            }
        }
    }
}

#[test]
fn what_device_says_is_used_and_nothing_else() {
    let mut unit = Unit::rfc1628();
    unit.communities = ["se:cret", "other"];
    let mut bench = Bench::with(unit, "card:1161:RFC:se:cret");
    bench.run(3 * SECOND);
    assert!(bench.lost().is_none());
    assert!(bench.logged().is_empty());
    let mut bench = Bench::with(Unit::rfc1628(), "card::APC:private");
    bench.run(60 * SECOND);
    let (_, why) = bench.lost().unwrap();
    assert!(why.contains("card:161") && why.contains("serves none of the MIBs"), "{why}");
}

/// Snmp §2, weak spot 1: apcupsd reads nothing for ever, or ends.
#[test]
fn a_card_that_is_silent_at_start_is_lost_and_found_when_it_answers() {
    let mut bench = Bench::new(Unit::powernet());
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(600 * SECOND);
    let (at, why) = bench.lost().unwrap();
    assert!(at <= bench.start + 20 * SECOND && why.contains("is one of them switched on"), "{why}");
    assert_eq!(bench.told.iter().filter(|(_, event)| matches!(event, LinkEvent::Lost { .. })).count(), 1);
    assert!(bench.opened > 50, "its name is looked up again");
    assert!(bench.requests.len() < 1000, "{}", bench.requests.len());
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(10 * SECOND);
    assert!(bench.lost().is_none());
    assert_eq!(bench.identity().serial.as_deref(), Some("AS1933123456"));
}

#[test]
fn a_slow_card_is_found_too() {
    let mut bench = Bench::new(Unit::powernet());
    bench.fate = Box::new(|_| Fate::Late(Duration::from_millis(1700)));
    bench.run(40 * SECOND);
    assert!(bench.lost().is_none());
    assert_eq!(bench.reading().values.load.unwrap().0, 17.0);
}

#[test]
fn no_name_of_a_community_is_in_what_is_told() {
    let mut unit = Unit::powernet();
    unit.communities = ["s3cr3t", "other"];
    let mut bench = Bench::with(unit, "card:161:APC:s3cr3t");
    bench.run(3 * SECOND);
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(60 * SECOND);
    assert!(!format!("{:?} {:?}", bench.told, bench.link.state).contains("s3cr3t"));
}

/// It would be one that may read only, or the older version, by the moment at which the card is back.
#[test]
fn a_card_that_is_back_is_spoken_to_by_the_best_way_that_it_answers() {
    for (versions, public_only) in [(vec![0, 1], false), (vec![0], false), (vec![1], true)] {
        for offset in 0..12 {
            let mut unit = Unit::powernet();
            unit.versions.clone_from(&versions);
            unit.communities[0] = if public_only { "secret" } else { "private" };
            let mut bench = Bench::new(unit);
            bench.run(10 * SECOND);
            assert!(bench.lost().is_none());
            bench.fate = Box::new(|_| Fate::Lost);
            bench.run(40 * SECOND + offset * SECOND / 2);
            bench.fate = Box::new(|_| Fate::Arrives);
            bench.run(10 * SECOND);
            assert!(bench.lost().is_none());
            let warned = bench.logged().iter().filter(|line| line.contains("may usually read only")).count();
            assert_eq!(warned, usize::from(public_only), "{versions:?} {offset}");
            let State::Talking(conversation) = &mut bench.link.state else { panic!("not found") };
            assert_eq!(conversation.session_mut().is_v1(), versions == [0], "{versions:?} {offset}");
        }
    }
}
