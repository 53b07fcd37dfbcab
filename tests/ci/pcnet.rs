//! PowerChute Network Shutdown with a program that others wrote: the real apcupsd at the same simulated card.

use std::path::PathBuf;
use std::process::Command;

use super::beside::{Apcupsd, fetch, settle};
use crate::support::pcnet::{PHRASE, PcnetCard, USER};
use crate::support::runner::{Group, Needs, prepared, tests};
use crate::support::{self, Daemon, Scratch, Setup, free_port};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    prepare: Some(fetch),
    tests: tests![keys_and_values_equal_those_of_apcupsd, the_simulated_card_takes_the_order_of_apcupsd],
    ..Group::new(module_path!())
};

/// What differs on purpose (mainsd-compat(7)).
const DIFFERENT: [&str; 0] = [];

fn keys_and_values_equal_those_of_apcupsd() {
    let their_port = free_port();
    let theirs = PcnetCard::start("127.0.0.6", their_port);
    let lines = format!("UPSCABLE ether\nUPSTYPE pcnet\nDEVICE 127.0.0.6:{USER}:{PHRASE}:{their_port}\n");
    let apcupsd = Apcupsd::start(&lines);
    let ours = PcnetCard::start("127.0.0.7", free_port());
    let mainsd = Daemon::start(&Setup::new("pcnet").with("DEVICE", &ours.device()));
    let cards = [&theirs, &ours];
    let online = |status: &support::Status| status.get("MODEL").is_some() && status.is("STATUS", "ONLINE");
    settle(&apcupsd, &mainsd, &DIFFERENT, "on line", online);
    for card in cards {
        let mut unit = card.unit();
        unit.mains(false);
        unit.say("66", "077.0");
        unit.say("68", "045.0");
    }
    settle(&apcupsd, &mainsd, &DIFFERENT, "on battery", |status| {
        status.is("STATUS", "ONBATT")
            && status.is("BCHARGE", "77.0 Percent")
            && status.is("STATFLAG", "0x05060010")
    });
    for card in cards {
        card.unit().mains(true);
    }
    settle(&apcupsd, &mainsd, &DIFFERENT, "on line again", |status| {
        online(status) && status.is("STATFLAG", "0x05000008")
    });
    for card in cards {
        let mut unit = card.unit();
        unit.say("51", "0C");
        unit.say("58", "BT");
        unit.say("6B", "L");
    }
    settle(&apcupsd, &mainsd, &DIFFERENT, "values of settings and tests", |status| {
        status.is("STATUS", "BOOST ONLINE") && status.is("SELFTEST", "BT")
    });
}

/// So what the simulated card wants is what a card wants.
fn the_simulated_card_takes_the_order_of_apcupsd() {
    let port = free_port();
    // apcupsd knows no other port of a web server.
    let card = PcnetCard::with_web("127.0.0.8", port, 80);
    let scratch = Scratch::new();
    let dir = scratch.path().display().to_string();
    scratch.file("powerfail", "");
    let text = format!(
        "## apcupsd.conf v1.1 ##\nUPSCABLE ether\nUPSTYPE pcnet\nDEVICE 127.0.0.8:{USER}:{PHRASE}:{port}\nLOCKFILE {dir}\n\
         SCRIPTDIR {dir}\nPWRFAILDIR {dir}\nNOLOGINDIR {dir}\nEVENTSFILE {dir}/events\nNETSERVER off\n"
    );
    let config = scratch.file("apcupsd.conf", text);
    let program = PathBuf::from(prepared()).join("sbin/apcupsd");
    let done = Command::new(program).args(["--killpower", "-f"]).arg(config).output().unwrap();
    let taken = support::poll_until(support::TIMEOUT, || (card.orders() > 0).then_some(()));
    assert_eq!(taken, Some(()), "{done:?}");
}
