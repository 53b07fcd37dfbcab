//! Long sessions of clients with the server of port 3551, at random: `fuzz/fuzz_targets/nis_session.rs` goes on from here.

use crate::support::nis_session::{Summary, run};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_any_session_answers_are_whole_and_in_order(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        run(&bytes);
    }
}

#[test]
fn sessions_do_what_they_are_meant_to_show() {
    let mut sum = Summary::default();
    let mut seed = 1_u32;
    for _ in 0..40 {
        let bytes: Vec<u8> = (0..300)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed.to_be_bytes()[0]
            })
            .collect();
        let one = run(&bytes);
        sum.answers += one.answers;
        sum.told += one.told;
        sum.closed += one.closed;
    }
    println!("{sum:?}");
    assert!(sum.answers > 1000 && sum.told > 100 && sum.closed > 10, "{sum:?}");
}
