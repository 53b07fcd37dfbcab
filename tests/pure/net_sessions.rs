//! Random lives of a slave with its masters: nothing they say or do makes it deaf, busy or wrong.

use std::time::Instant;

use crate::support::net_session::run;
use proptest::prelude::*;

#[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
fn start() -> Instant {
    Instant::now()
}

/// Steps that lead somewhere more often than plain random bytes: connect, be asked, answer, cut, wait.
fn step() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(vec![0x00]),
        1 => Just(vec![0x30]),
        3 => (0x40u8..0x70).prop_map(|wait| vec![wait]),
        4 => (0x70u8..0xa0).prop_map(|answer| vec![answer, 0xbf]),
        3 => (0x70u8..0xa0, 0xa0u8..0xe0).prop_map(|(answer, piece)| vec![answer, piece]),
        2 => (0xa0u8..0xe0).prop_map(|piece| vec![piece]),
        1 => (0xf0u8..).prop_map(|command| vec![command]),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_life_after_which_a_good_master_is_heard(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        run(&bytes, start());
    }

    #[test]
    fn long_lives_of_likely_steps_are_too(steps in prop::collection::vec(step(), 0..400)) {
        run(&steps.concat(), start());
    }
}

#[test]
fn a_life_can_reach_everything() {
    // Watched: on line, on battery, shutting down for a while, up again for a while; the connection breaks five times and more; polled.
    let watched = [0x40, 0x00, 0x70, 0xbf, 0x71, 0xbf, 0x72, 0xbf, 0x49, 0x70, 0xbf, 0x49];
    let gone = [0x30, 0x54].repeat(40);
    let polled = [0x00, 0x76, 0xbf, 0x70, 0xbf].to_vec();
    let summary = run(&[&watched[..], &gone, &polled].concat(), start());
    assert!(summary.watches >= 2 && summary.polls >= 1, "{summary:?}");
    assert!(summary.readings >= 5 && summary.losses >= 1, "{summary:?}");
    assert_eq!((summary.unreachable, summary.remotes), (1, 2), "{summary:?}");
}
