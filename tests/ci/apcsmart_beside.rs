//! mainsd beside the real apcupsd, each at a simulated UPS of its own that goes through the same.

use super::beside::{Apcupsd, fetch, settle};
use crate::support::runner::{Group, Needs, tests};
use crate::support::smart::{Generation, Smart};
use crate::support::{Daemon, Scratch, Setup, Status};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    prepare: Some(fetch),
    tests: tests![
        keys_and_values_of_a_third_generation_equal_those_of_apcupsd,
        keys_and_values_of_an_early_unit_equal_those_of_apcupsd,
        keys_and_values_of_a_back_ups_pro_equal_those_of_apcupsd,
        keys_and_values_of_a_matrix_equal_those_of_apcupsd,
    ],
    ..Group::new(module_path!())
};

/// On line, on battery, on line again.
fn beside(generation: Generation) {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS1");
    let their_ups = Smart::start(generation, &port, false);
    let theirs = Apcupsd::start(&format!("UPSCABLE smart\nUPSTYPE apcsmart\nDEVICE {}\n", port.display()));
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(generation, &port, false);
    let ours = Daemon::start(&Setup::new("apcsmart").with("DEVICE", &port.display().to_string()));
    let online = |status: &Status| {
        status.get("MODEL").is_some() && status.is("STATUS", "ONLINE") && status.is("LINEV", "230.0 Volts")
    };
    settle(&theirs, &ours, &[], &format!("{generation:?} on line"), online);
    their_ups.unit().fail_mains();
    ups.unit().fail_mains();
    // ONBATT, announced, polled fast; all values read since.
    settle(&theirs, &ours, &[], &format!("{generation:?} on battery"), |status| {
        status.is("STATFLAG", "0x05060010") && status.is("LINEV", "0.0 Volts") && status.is("NUMXFERS", "1")
    });
    their_ups.unit().restore_mains();
    ups.unit().restore_mains();
    // apcupsd polls fast for one more round; the flag goes after it (power-events, table of states).
    settle(&theirs, &ours, &[], &format!("{generation:?} on line again"), |status| {
        online(status) && status.is("STATFLAG", "0x05000008")
    });
}

fn keys_and_values_of_a_third_generation_equal_those_of_apcupsd() {
    beside(Generation::Third);
}

fn keys_and_values_of_an_early_unit_equal_those_of_apcupsd() {
    beside(Generation::First);
}

fn keys_and_values_of_a_back_ups_pro_equal_those_of_apcupsd() {
    beside(Generation::BackUpsPro);
}

fn keys_and_values_of_a_matrix_equal_those_of_apcupsd() {
    beside(Generation::Matrix);
}
