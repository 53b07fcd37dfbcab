//! What the UPS does not answer, or refuses for a while, costs the rest nothing; and what it has said once stays.

use super::*;

const STATE: [u8; 6] = [1, 3, 0, 0, 0, 25];

fn asked(bench: &Bench, from: usize, beginning: &[u8]) -> usize {
    bench.requests[from..].iter().filter(|(_, frame)| frame.starts_with(beginning)).count()
}

#[test]
fn the_cause_of_the_last_transfer_outlives_a_connection_to_the_same_ups() {
    for (serial, cause) in [("AS1234567890", Some(TransferCause::LowLine)), ("AS0000000001", None)] {
        let mut bench = Bench::new();
        bench.unit.mains(false);
        bench.run(5 * SECOND);
        bench.unit.mains(true);
        bench.run(5 * SECOND);
        assert_eq!(bench.last().values.transfer_cause, Some(TransferCause::LowLine));
        bench.unit.text(564, 8, serial);
        // Lost, and lost again while it is looked for.
        for _ in 0..2 {
            bench.link.handle_event(bench.now, serial::Event::Closed("unplugged".to_owned()));
            bench.link.handle_event(bench.now, serial::Event::Opened);
            bench.run(SECOND / 10);
        }
        bench.told.clear();
        bench.run(5 * SECOND);
        assert_eq!(bench.last().values.transfer_cause, cause);
        assert_eq!(bench.last().read.of(Item::TransferCause), None, "that is no sample");
    }
}

#[test]
fn a_block_that_is_never_answered_is_split_and_an_item_that_is_never_answered_is_asked_for_ever_more_seldom()
{
    let mut bench = Bench::new();
    bench.unit.silent = vec![22];
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(60 * SECOND);
    assert!(!bench.is_lost());
    let from = bench.requests.len();
    bench.told.clear();
    let begun = bench.now;
    bench.run(60 * SECOND);
    assert_eq!(asked(&bench, from, &STATE), 0, "not as a whole any more");
    assert!(asked(&bench, from, &[1, 3, 0, 22, 0, 1]) <= 4);
    let told: BTreeSet<Instant> = bench.readings().filter_map(|(_, it)| it.read.of(Item::Line)).collect();
    assert!(told.len() >= 55, "{} in a minute", told.len());
    let mut last = begun;
    for at in told {
        assert!(at - last <= 2 * SECOND, "{:?}", at - last);
        last = at;
    }
    // What shares its block is read all the same.
    bench.unit.registers.insert(18, 1 << 1);
    bench.run(3 * SECOND);
    assert!(bench.last().status.contains(StatusFlags::BATTLOW));
    // It answers again, within the longest pause.
    bench.unit.silent.clear();
    bench.unit.registers.insert(22, 1 << 2);
    bench.run(11 * 60 * SECOND);
    assert!(bench.last().status.contains(StatusFlags::REPLACEBATT));
}

#[test]
fn a_ups_that_is_silent_for_some_seconds_is_asked_for_everything_again_at_once() {
    let mut bench = Bench::new();
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(10 * SECOND);
    bench.fate = Box::new(|_| Fate::Lost);
    bench.run(7 * SECOND);
    bench.fate = Box::new(|_| Fate::Arrives);
    bench.run(3 * SECOND);
    let from = bench.requests.len();
    bench.run(5 * SECOND);
    assert!(asked(&bench, from, &STATE) >= 4, "{}", asked(&bench, from, &STATE));
    assert!(!bench.is_lost());
}

#[test]
fn what_the_ups_is_and_refuses_to_say_is_asked_for_again_after_ten_minutes() {
    let identity = |bench: &Bench| {
        bench.told.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Attached(identity) => Some(identity.clone()),
            _ => None,
        })
    };
    let mut bench = Bench::new();
    bench.unit.refused = vec![516, 564, 595, 2048];
    bench.run(5 * SECOND);
    let first = identity(&bench).expect("attached");
    assert_eq!((first.serial, first.battery_date, first.firmware), (None, None, None));
    bench.unit.refused.clear();
    bench.told.clear();
    bench.run(12 * 60 * SECOND);
    let later = identity(&bench).expect("attached again");
    assert_eq!(later.serial.as_deref(), Some("AS1234567890"));
    assert_eq!(later.battery_date.as_deref(), Some("2024-08-22"));
    assert_eq!(later.firmware.as_deref(), Some("UPS 09.3 / 0001"));
    // Then nothing is missing, and it is not told again.
    bench.told.clear();
    bench.run(30 * 60 * SECOND);
    assert_eq!(identity(&bench), None);
}
