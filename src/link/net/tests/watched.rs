//! A master that is watched: it says by itself what has changed.

use super::*;

/// Lines of the kind, with their times.
fn only(told: &[String], word: &str) -> Vec<String> {
    told.iter().filter(|line| line.contains(word)).cloned().collect()
}

#[test]
fn a_watched_master_is_heard_the_moment_it_says_something_on_one_connection() {
    let mut bench = Bench::new("a");
    let told = bench.run(35.0, &[Master::Watched(ONLINE)]);
    assert_eq!(told[..3], ["0 master a:3551", "0 attached", "0 reading 04000008"]);
    assert_eq!(only(&told, "reading").len(), 4, "at 0, 10, 20 and 30: {told:?}");
    let told = bench.run(1.0, &[Master::Watched(ONBATT)]);
    assert_eq!(told, ["35 master a:3551", "35 reading 04000010"]);
    assert_eq!(bench.readings.last().unwrap().evidence, Evidence::AlertAndRead);
    let told = bench.run(600.0, &[Master::Watched(ONLINE)]);
    assert_eq!(only(&told, "lost"), [""; 0]);
    assert_eq!((bench.connects.len(), bench.refusals), (1, 0));
    assert_eq!(bench.requests, [(0.0, "watch")]);
}

#[test]
fn on_battery_a_watched_master_is_asked_every_two_seconds_on_the_same_connection() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    let told = bench.run(7.0, &[Master::Watched(ONBATT)]);
    assert_eq!(only(&told, "reading").len(), 4, "{told:?}");
    bench.link.set_poll_rate(PollRate::Normal, bench.now);
    bench.run(60.0, &[Master::Watched(ONLINE)]);
    assert_eq!(bench.requests, [(0.0, "watch"), (7.0, "status"), (9.0, "status"), (11.0, "status")]);
    assert_eq!(bench.connects.len(), 1);
}

#[test]
fn a_master_that_does_not_know_watch_is_polled_and_not_asked_again_before_it_was_away() {
    let mut bench = Bench::new("a");
    bench.run(130.0, &[says(ONLINE)]);
    let polls = [(0.0, "watch"), (0.0, "status"), (60.0, "status"), (120.0, "status")];
    assert_eq!(bench.requests, polls);
    assert_eq!(
        (bench.connects.len(), bench.refusals),
        (3, 1),
        "status goes over the connection that refused"
    );
    bench.run(60.0, &[Master::Refuses]);
    bench.requests.clear();
    // Upgraded while it was away.
    let told = bench.run(30.0, &[Master::Watched(ONLINE)]);
    assert_eq!(bench.requests, [(195.0, "watch")], "{told:?}");
    // And back again: said once in a life.
    bench.run(1.0, &[Master::Refuses]);
    bench.run(60.0, &[says(ONLINE)]);
    assert_eq!(bench.refusals, 1);
}

#[test]
fn a_polled_master_that_has_been_restarted_between_two_polls_is_asked_to_be_watched_again() {
    let upgraded = String::from_utf8(ONLINE.to_vec()).unwrap();
    let (before, after) = upgraded.split_once("STARTTIME: 2026").unwrap();
    let upgraded = format!("{before}STARTTIME: 2027{after}").into_bytes();
    let mut bench = Bench::new("a");
    bench.run(61.0, &[says(ONLINE)]);
    bench.requests.clear();
    bench.run(120.0, &[says(&upgraded)]);
    assert_eq!(bench.requests, [(120.0, "status"), (180.0, "watch"), (180.0, "status")]);
}

#[test]
fn a_watched_master_that_closes_is_asked_again_at_once_and_is_no_loss_if_it_answers() {
    let mut bench = Bench::new("a");
    bench.run(30.0, &[Master::Watched(ONLINE)]);
    bench.watched = None;
    bench.link.handle_closed(bench.now, "the connection was closed");
    let told = bench.run(5.0, &[Master::Watched(ONLINE)]);
    assert_eq!(told, ["30 master a:3551", "30 reading 04000008"]);
    // One that is gone is lost at once, and unreachable after five checks.
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(1.0, &[Master::Watched(ONBATT)]);
    let told = bench.run(60.0, &[Master::Refuses]);
    assert_eq!(told, ["36 lost: a:3551: Connection refused", "44 unreachable since 36"]);
    // One that closes whatever it is asked is not asked in a hurry.
    bench.connects.clear();
    for _ in 0..10 {
        bench.run(2.0, &[Master::Watched(ONLINE)]);
        bench.watched = None;
        bench.link.handle_closed(bench.now, "the connection was closed");
    }
    assert!(bench.connects.len() <= 11, "{:?}", bench.connects);
}

#[test]
fn a_watched_master_that_is_silent_for_more_than_ten_seconds_is_checked_anew() {
    let mut bench = Bench::new("a");
    bench.run(30.0, &[Master::Watched(ONLINE)]);
    // The last word was said at 30; a new check is begun 12 s later and not answered for 15 s.
    let told = bench.run(11.9, &[Master::Silent]);
    assert_eq!((told.len(), bench.connects.len()), (0, 1), "{told:?}");
    let told = bench.run(20.0, &[Master::Silent]);
    assert_eq!(told, ["50 lost: a:3551: it does not say how its UPS is any more"]);
    assert_eq!(bench.requests.last(), Some(&(57.0, "status")), "then without watch");
}

#[test]
fn another_target_is_watched_when_the_one_that_was_is_gone() {
    let mut bench = Bench::new("a b");
    bench.run(5.0, &[Master::Watched(ONLINE), Master::Refuses]);
    let told = bench.run(1.0, &[Master::Refuses, Master::Watched(ONLINE)]);
    assert_eq!(told, ["5 master b:3551", "5 reading 04000008"], "a change of address is no loss");
    bench.run(600.0, &[Master::Watched(ONBATT), Master::Watched(ONLINE)]);
    assert_eq!(bench.connects, [(0.0, 0), (5.0, 0), (5.0, 1)], "and is kept");
    // An apcupsd at one address does not keep the other from being watched.
    bench.requests.clear();
    bench.run(1.0, &[says(ONLINE), Master::Refuses]);
    bench.run(60.0, &[Master::Refuses, Master::Watched(ONLINE)]);
    let asked: Vec<&str> = bench.requests.iter().map(|(_, request)| *request).collect();
    assert_eq!(asked, ["watch", "status", "watch"]);
}

#[test]
fn of_what_has_piled_up_only_the_last_counts() {
    let mut bench = Bench::new("a");
    bench.run(3.0, &[Master::Watched(ONLINE)]);
    let pile = [ONBATT, SHUTTING_DOWN, ONLINE, &ONBATT[..100]].concat();
    bench.link.handle_bytes(bench.now, &pile);
    assert_eq!(bench.run(0.0, &[Master::Watched(ONLINE)]), ["3 master a:3551", "3 reading 04000008"]);
    bench.link.handle_bytes(bench.now, &ONBATT[100..]);
    bench.take_events();
    assert_eq!(bench.told.last().map(String::as_str), Some("3 reading 04000010"));
}

#[test]
fn a_watched_master_is_asked_about_a_transfer_once_it_can_know_and_polled_at_once() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    bench.link.command(Command::ReadTransferCause, bench.now);
    // What it says meanwhile by itself is no answer.
    let told = bench.run(0.5, &[Master::Watched(ONBATT)]);
    assert_eq!((only(&told, "reading").len(), only(&told, "ReadTransferCause").len()), (1, 0), "{told:?}");
    let told = bench.run(0.5, &[Master::Watched(ONBATT)]);
    assert_eq!(told.last().map(String::as_str), Some("5 ReadTransferCause Ok(\"read\")"));
    bench.link.command(Command::Poll, bench.now);
    let told = bench.run(0.0, &[Master::Watched(ONBATT)]);
    assert_eq!(told.last().map(String::as_str), Some("6 Poll Ok(\"read\")"));
    // A loss does not swallow a command.
    bench.link.command(Command::ReadSelfTest, bench.now);
    let told = bench.run(3.0, &[Master::Refuses]);
    assert_eq!(only(&told, "ReadSelfTest"), ["6 ReadSelfTest Err(\"the master does not answer\")"]);
}

#[test]
fn a_watched_master_that_shuts_down_orders_once_and_the_connection_stays() {
    let mut bench = Bench::new("a");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.run(5.0, &[Master::Watched(ONBATT)]);
    let told = bench.run(60.0, &[Master::Watched(SHUTTING_DOWN)]);
    assert_eq!(only(&told, "remote"), ["5 remote true"]);
    assert_eq!((bench.connects.len(), bench.watched.is_some()), (1, true));
}

#[test]
fn a_watched_master_that_loses_its_ups_and_finds_it_is_followed() {
    let mut bench = Bench::new("a");
    bench.run(5.0, &[Master::Watched(ONLINE)]);
    let told = bench.run(100.0, &[Master::Watched(COMMLOST)]);
    assert_eq!(only(&told, "lost"), ["5 lost: the master a:3551 has lost its UPS"]);
    assert!(only(&told, "unreachable").is_empty());
    let told = bench.run(1.0, &[Master::Watched(ONLINE)]);
    assert_eq!(told, ["105 master a:3551", "105 attached", "105 reading 04000008"]);
    assert_eq!(bench.connects.len(), 1);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]
    /// A busy machine reads what comes late, and in any pieces.
    #[test]
    fn a_shutdown_that_is_taken_back_at_once_is_none_however_the_words_are_cut(
        // More than an answer each: with nothing behind it for two seconds a shutdown is believed.
        pieces in proptest::collection::vec((1_500_usize..6_000, 0_u64..1_900), 1..40),
        alternate: bool,
    ) {
        let mut bench = Bench::new("a");
        bench.run(3.0, &[Master::Watched(ONLINE)]);
        let words: &[&[u8]] =
            if alternate { &[SHUTTING_DOWN, ONLINE] } else { &[SHUTTING_DOWN, ONLINE, ONLINE] };
        let stream = words.concat().repeat(200);
        let mut rest = &stream[..];
        let mut told = Vec::new();
        for (size, pause) in pieces {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            bench.link.handle_bytes(bench.now, piece);
            bench.take_events();
            // Nothing is sent to it, and nobody speaks for it.
            bench.watched = None;
            told.extend(bench.run(pause as f64 / 1000.0, &[Master::Silent]));
        }
        proptest::prop_assert!(only(&told, "remote").is_empty(), "{told:?}");
    }
}
