//! `--configure`: what a simulated UPS keeps, as the UPS received it.

use std::path::Path;

use crate::support::smart::{Generation, Smart};
use crate::support::{self, Scratch, Setup, TIMEOUT, attempt, free_port};

/// Runs `--configure` with these directives; what it printed, and whether it succeeded.
fn configure(port: &Path, directives: &[(&str, &str)]) -> (String, bool) {
    let scratch = Scratch::new();
    let mut setup = Setup::new("apcsmart").with("DEVICE", &port.display().to_string());
    for (keyword, value) in directives {
        setup = setup.with(keyword, value);
    }
    let config = support::write_config(&setup, &scratch, free_port());
    let args = ["--configure".to_owned(), "-f".to_owned(), config.display().to_string()];
    let done = support::run_program_for(&setup.program, args, 8 * TIMEOUT);
    (done.stdout, done.status.success())
}

/// What the unit has heard beside the queries of a poll, from the first of these bytes on.
fn changes(ups: &Smart, query: u8) -> String {
    let unit = ups.unit();
    let heard: Vec<u8> = unit.received.iter().map(|(byte, _)| *byte).collect();
    let first = heard.windows(3).position(|three| three == [query, query, b'-']);
    String::from_utf8_lossy(&heard[first.unwrap()..]).into_owned()
}

#[test]
fn settings_of_the_configuration_are_stepped_to_in_the_ups() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let (said, good) =
        configure(&port, &[("HITRANSFER", "261"), ("LOWBATT", "2"), ("UPSNAME", "aNameThatIsFarTooLong")]);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(
        said,
        [
            "UPSNAME: not written: the UPS keeps 8 plain characters, not aNameThatIsFarTooLong",
            "Smart-UPS 1000",
            "HITRANSFER: 261 instead of 253",
            "LOWBATT: 02 already",
        ]
    );
    assert!(good);
    // Two steps, each behind the query of its variable and read twice; the unit is watched in between.
    let heard = changes(&ups, b'u');
    assert!(heard.starts_with("uu-uu"), "{heard}");
    assert_eq!(heard.matches("u-uu").count(), 2, "{heard}");
    let unit = ups.unit();
    assert_eq!(unit.answers[&b'u'], b"261");
    assert_eq!(unit.answers[&b'q'], b"02");
}

#[test]
fn the_interval_of_self_tests_is_stepped_to_in_the_ups() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let (said, good) = configure(&port, &[("SELFTEST", "ON"), ("UPSNAME", "")]);
    assert!(good, "{said}");
    assert!(said.contains("SELFTEST: ON instead of 336"), "{said}");
    assert_eq!(ups.unit().answers[&b'E'], b"ON ");
}

#[test]
fn a_setting_that_the_ups_does_not_allow_stays_as_it_is() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    let (said, good) = configure(&port, &[("HITRANSFER", "280"), ("BATTDATE", "1/2/26"), ("UPSNAME", "")]);
    assert!(!good);
    assert!(
        said.contains("HITRANSFER: not written: it is 253, and this UPS allows only 253 257 261 265"),
        "{said}"
    );
    assert!(said.contains("BATTDATE: not written: the UPS keeps 8 plain characters, not 1/2/26"), "{said}");
    assert!(!ups.unit().received.iter().any(|(byte, _)| *byte == b'-'));
}

#[test]
fn a_setting_without_a_list_of_values_is_stepped_once_round_and_stays() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::BackUpsPro, &port, false);
    let (said, good) = configure(&port, &[("SENSITIVITY", "A"), ("WAKEUP", "60"), ("UPSNAME", "")]);
    assert!(!good);
    assert!(said.contains("SENSITIVITY: not written: not among the values of this UPS: M L L H"), "{said}");
    assert!(said.contains("WAKEUP: not written: this UPS does not have it"), "{said}");
    assert_eq!(ups.unit().answers[&b's'], b"H");
}

/// A UPS of its own is given these settings; what was said, and whether it went well.
fn typed(settings: &[(&str, &str)]) -> (Smart, String, bool) {
    let once = || {
        let scratch = Scratch::new();
        let port = scratch.path().join("ttyS0");
        let ups = Smart::start(Generation::Matrix, &port, false);
        let (said, good) = configure(&port, settings);
        (ups, said, good)
    };
    attempt(once, |(_, said, _)| !said.contains("the UPS does not answer"))
}

#[test]
fn a_battery_date_is_typed_into_the_ups() {
    let (ups, said, good) = typed(&[("BATTDATE", "11/21/26"), ("UPSNAME", "")]);
    assert!(good, "{said}");
    assert!(said.contains("BATTDATE: 11/21/26 instead of 11/29/02"), "{said}");
    assert!(changes(&ups, b'x').starts_with("xx-11/21/26xx"));
}

#[test]
fn a_name_is_typed_into_the_ups() {
    let (ups, said, good) = typed(&[("UPSNAME", "cellar")]);
    assert!(good, "{said}");
    assert!(said.contains("UPSNAME: cellar instead of UPS_IDEN"), "{said}");
    assert_eq!(ups.unit().answers[&b'c'], b"cellar  ");
}

#[test]
fn a_configuration_without_settings_shows_what_they_may_be() {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Matrix, &port, false);
    let (said, good) = configure(&port, &[("UPSNAME", "")]);
    assert!(good);
    assert!(said.contains("MATRIX-UPS 5000\n"), "{said}");
    assert!(said.contains("HITRANSFER: 253 257 261 265\n"), "{said}");
    assert!(said.contains("OUTPUTVOLTS: 230 240 220 225\n"), "{said}");
    assert!(!ups.unit().received.iter().any(|(byte, _)| *byte == b'-'));
}
