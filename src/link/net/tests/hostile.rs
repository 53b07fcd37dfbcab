//! A master that means harm, or has lost its wits.

use super::*;

#[test]
fn no_word_of_a_master_breaks_a_line() {
    let mut answer = Vec::new();
    push_lines(
        &mut answer,
        "STATFLAG : 0x05000008\nUPSNAME  : a\tb\u{1b}[2J\nMODEL    : Smart \r\u{9b}\u{202e}x \n",
    );
    let mut bench = Bench::new("a");
    bench.run(1.0, &[Master::Watched(&answer)]);
    assert_eq!(bench.identity.name.as_deref(), Some("a b [2J"));
    assert_eq!(bench.identity.model.as_deref(), Some("Smart    x "));
}

/// The events that a shutdown of the master makes, and the seconds of the requests.
fn shutdown_told(bench: &mut Bench, seconds: f64, master: Master) -> Vec<String> {
    let mut told = bench.run(seconds, &[master]);
    told.retain(|line| line.contains("remote") || line.contains("log"));
    told
}

#[test]
fn a_shutdown_is_asked_about_again_and_believed_a_quarter_of_a_second_later() {
    let watched = (Master::Watched(ONLINE), Master::Watched(SHUTTING_DOWN), 0.0);
    // Found by the check at second 60.
    let polled = (says(ONLINE), says(SHUTTING_DOWN), 55.0);
    for (before, after, found) in [watched, polled] {
        let mut bench = Bench::new("a");
        bench.run(5.0, &[before]);
        assert_eq!(shutdown_told(&mut bench, found + 0.24, after), [""; 0]);
        let told = shutdown_told(&mut bench, 0.02, after);
        let second = 5 + found as u32;
        assert_eq!(told[1..], [format!("{second} remote true")]);
    }
}

#[test]
fn a_master_that_says_its_shutdown_once_and_then_nothing_is_believed() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    bench.link.handle_bytes(bench.now, SHUTTING_DOWN);
    assert_eq!(shutdown_told(&mut bench, 1.9, Master::Silent), [""; 0]);
    let expected = ["7 log Shutdown because NIS master is shutting down.", "7 remote true"];
    assert_eq!(shutdown_told(&mut bench, 0.2, Master::Silent), expected);
    // The same if the connection ends.
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    bench.link.handle_bytes(bench.now, SHUTTING_DOWN);
    assert_eq!(shutdown_told(&mut bench, 2.1, Master::Refuses), expected);
}

#[test]
fn a_master_that_takes_its_shutdown_back_at_once_has_said_nothing() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    for _ in 0..1000 {
        for answer in [SHUTTING_DOWN, ONLINE] {
            bench.link.handle_bytes(bench.now, answer);
            assert_eq!(shutdown_told(&mut bench, 0.01, Master::Watched(ONLINE)), [""; 0]);
        }
    }
}

/// Answers that are left out count as words to the contrary.
#[test]
fn a_flood_that_mixes_shutdown_and_none_is_no_shutdown_and_one_of_shutdowns_is() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    for n in 0..20_000u32 {
        // Always the same at the moments when one is taken.
        bench.link.handle_bytes(bench.now, if n % 100 < 97 { SHUTTING_DOWN } else { ONLINE });
        assert_eq!(shutdown_told(&mut bench, 0.001, Master::Silent), [""; 0], "after {n}");
    }
    let mut told = Vec::new();
    for _ in 0..700 {
        bench.link.handle_bytes(bench.now, SHUTTING_DOWN);
        told.extend(shutdown_told(&mut bench, 0.001, Master::Silent));
    }
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn the_last_word_before_a_connection_ends_is_heard_after_a_flood_too() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    for _ in 0..100 {
        bench.link.handle_bytes(bench.now, ONLINE);
    }
    bench.link.handle_bytes(bench.now, ONBATT);
    bench.readings.clear();
    bench.watched = None;
    bench.link.handle_closed(bench.now, "the connection was closed");
    bench.run(0.0, &[Master::Refuses]);
    assert!(bench.readings.last().is_some_and(|reading| reading.status.contains(StatusFlags::ONBATT)));
}

#[test]
fn of_a_flood_of_answers_few_are_taken_and_the_last_word_is() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    bench.readings.clear();
    for n in 0..10_000 {
        bench.link.handle_bytes(bench.now, if n % 2 == 0 { ONBATT } else { ONLINE });
        bench.run(0.001, &[Master::Watched(ONLINE)]);
    }
    bench.link.handle_bytes(bench.now, ONBATT);
    bench.watched.as_mut().unwrap().1 = ONBATT.to_vec();
    bench.run(0.2, &[Master::Watched(ONBATT)]);
    let taken = bench.readings.len();
    assert!((100..=125).contains(&taken), "{taken} readings in 10 s");
    assert!(bench.readings.last().unwrap().status.contains(StatusFlags::ONBATT));
}
