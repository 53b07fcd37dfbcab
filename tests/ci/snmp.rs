//! SNMP with what others wrote and where it is real: apcupsd at the same card, and notifications at their port of a machine of its own.

use std::net::UdpSocket;
use std::time::Duration;

use super::beside::{Apcupsd, fetch, settle};
use crate::support::cable::{Cable, MASTER, within};
use crate::support::runner::{Group, Needs, tests};
use crate::support::snmp::{Card, Unit, element, gauge, int, integer, oid};
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    prepare: Some(fetch),
    tests: tests![
        keys_and_values_equal_those_of_apcupsd_at_a_card_of_apc,
        keys_and_values_equal_those_of_apcupsd_by_rfc_1628,
        keys_and_values_equal_those_of_apcupsd_at_a_card_of_mge,
    ],
    ..Group::new(module_path!())
};

/// The same card for both, and what differs on purpose.
fn alike(unit: Unit, vendor: &str, different: &[&str], mains_lost: &str) {
    let card = Card::local(unit);
    let device = format!("127.0.0.1:{}:{vendor}_NOTRAP:private", card.address.port());
    let online = |status: &support::Status| status.get("MODEL").is_some() && status.is("STATUS", "ONLINE");
    let lines = format!("UPSCABLE ether\nUPSTYPE snmp\nDEVICE {device}\n");
    let theirs = Apcupsd::start_until(&lines, online);
    let setup = Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device).with("POLLTIME", "1");
    let ours = Daemon::start(&setup);
    settle(&theirs, &ours, different, "on line", online);
    card.unit().mains(false);
    card.unit().battery(77, 1_260, false);
    settle(&theirs, &ours, different, "on battery", |status| {
        status.is("STATUS", "ONBATT")
            && status.is("BCHARGE", "77.0 Percent")
            && status.is("STATFLAG", mains_lost)
    });
    card.unit().mains(true);
    settle(&theirs, &ours, different, "on line again", |status| {
        online(status) && status.is("STATFLAG", "0x05000008")
    });
}

/// mainsd-compat(7): the configured name stays, DWAKE is in seconds, and the current of the output is shown.
fn keys_and_values_equal_those_of_apcupsd_at_a_card_of_apc() {
    alike(Unit::powernet(), "APC", &["UPSNAME", "DWAKE", "OUTCURNT"], "0x05060010");
}

/// The same, and NOMAPNT.
fn keys_and_values_equal_those_of_apcupsd_by_rfc_1628() {
    alike(Unit::rfc1628(), "RFC", &["UPSNAME", "OUTCURNT", "NOMAPNT"], "0x05060010");
}

/// DLOWBATT is in minutes, an alarm that sounds at once is no silent one, and NOMBATTV is shown.
fn keys_and_values_equal_those_of_apcupsd_at_a_card_of_mge() {
    alike(Unit::mge(), "MGE", &["DLOWBATT", "ALARMDEL", "NOMBATTV"], "0x05060010");
}

pub const TRAPS: Group = Group {
    needs: Needs::Ci("root and network namespaces (iproute2)"),
    tests: tests![
        a_notification_has_the_card_looked_at_at_once_also_after_another_main_process,
        a_port_for_notifications_that_another_program_has_is_told_and_everything_goes_on,
    ],
    module: concat!(module_path!(), "::traps"),
    ..Group::new(module_path!())
};

/// That the UPS is on battery, as a card of APC tells it in version 1.
fn on_battery() -> Vec<u8> {
    let number = |value: i64| element(2, &integer(value));
    let trap = [
        element(6, &oid(&[1, 3, 6, 1, 4, 1, 318])),
        element(0x40, &[10, 99, 0, 1]),
        number(6),
        number(5),
        element(0x43, &[1]),
        element(0x30, &[]),
    ];
    element(0x30, &[number(0), element(4, b"public"), element(0xa4, &trap.concat())].concat())
}

/// A card on one machine and a daemon on the other, which polls so seldom that only the status would show an outage, after seconds.
fn daemon(cable: &Cable) -> (Card, Daemon) {
    let card = within(&cable.master, || {
        Card::start(Unit::powernet(), MASTER.parse::<std::net::IpAddr>().unwrap(), 161)
    });
    let setup =
        Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &format!("{MASTER}::APC:private"));
    let daemon = Daemon::start_in(&setup.within(&cable.slaves), Scratch::new(), 3551);
    within(&cable.slaves, || daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT));
    (card, daemon)
}

fn a_notification_has_the_card_looked_at_at_once_also_after_another_main_process() {
    let cable = Cable::new();
    let (card, daemon) = daemon(&cable);
    for turn in 0..2 {
        if turn == 1 {
            daemon.end_main("KILL");
            within(&cable.slaves, || daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT));
        }
        // The status is asked for every 5 s: of some tries most are between two of them.
        let quick = (0..5).filter(|_| {
            let asked = |unit: &Unit| unit.asked.len();
            let before = support::poll_until(TIMEOUT, || {
                let before = asked(&card.unit());
                std::thread::sleep(Duration::from_millis(300));
                (asked(&card.unit()) == before).then_some(before)
            });
            within(&cable.master, || {
                let socket = UdpSocket::bind((MASTER, 0)).unwrap();
                socket.send_to(&on_battery(), "10.99.0.2:162").unwrap();
            });
            std::thread::sleep(Duration::from_millis(500));
            asked(&card.unit()) > before.unwrap()
        });
        assert!(quick.count() >= 4, "{}", daemon.describe());
    }
    card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
}

fn a_port_for_notifications_that_another_program_has_is_told_and_everything_goes_on() {
    let cable = Cable::new();
    let _holder = within(&cable.slaves, || UdpSocket::bind("0.0.0.0:162").unwrap());
    let (card, daemon) = daemon(&cable);
    let told =
        |log: &[String]| log.iter().any(|line| line.starts_with("UDP port 162 is held by ci")).then_some(());
    daemon.wait_for_log("who has the port", told);
    card.unit().set(&[1, 4, 1, 1], int(3));
    card.unit().set(&[1, 3, 2, 1], gauge(0));
    daemon.wait_for_hook("powerout", TIMEOUT);
}
