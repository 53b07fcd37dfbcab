//! Orders at the UPSes that are reached by Modbus, SNMP and PCNET: while a daemon guards, and without one.

use std::io::Write;
use std::path::Path;

use super::control::{begin, connect, ctl, end, walk};
use super::start::is_root;
use crate::support::modbus::Modbus;
use crate::support::pcnet::PcnetCard;
use crate::support::snmp::{Card, Unit, int};
use crate::support::{Daemon, Scratch, Setup, TIMEOUT, free_port, poll_until, write_config};

type Came = (&'static str, i32, &'static str);

const AT_MODBUS: [Came; 30] = [
    ("poll", 0, "line: on mains\ncharge: 100.0\nruntime: 60.0"),
    ("self-test result", 0, "self-test result: NO"),
    ("self-test interval 168", 1, "changed at its front panel"),
    ("beeper off", 1, "cannot have a UPS change its beeper"),
    ("beeper mute", 0, "the alarm is muted"),
    ("panel test", 1, "cannot have a UPS test its lamps and beeper"),
    ("battery date", 0, "battery date: 2024-08-22"),
    ("battery date 12/01/26", 0, "reads back the same"),
    ("name cellar", 0, "reads back the same"),
    ("manufacture date", 0, "manufacture date: 2024-01-01"),
    ("sensitivity", 1, "the UPS does not tell this"),
    ("sensitivity L", 1, "changed at its front panel"),
    ("transfer high 261", 0, "reads back the same"),
    ("transfer high", 0, "transfer high: 261"),
    ("transfer low 300", 1, "must be below the high one, 261 V"),
    ("delay wake", 0, "delay wake: 5"),
    ("delay wake 8", 0, "reads back the same"),
    ("outlets", 0, "outlet 1: on, disks\noutlet 2: on"),
    ("outlet off 2", 2, "needs the number of an outlet group, and --yes"),
    ("outlet off 2 --yes", 0, "the outlet group is off"),
    ("outlets", 0, "outlet 2: off"),
    ("outlet reboot 1 --yes", 0, "goes off, and on again"),
    ("outlet on 3 --yes", 1, "the UPS has no outlet group 3"),
    ("settings", 0, "name: cellar\n"),
    ("calibrate result", 0, "calibrate result: none has been"),
    ("calibrate", 1, "the UPS refuses it: the load is too low"),
    ("calibrate result", 0, "calibrate result: refused: the load is too low"),
    ("calibrate abort", 0, "no test is running any more"),
    ("self-test --wait", 0, "Battery OK"),
    ("calibrate result", 0, "calibrate result: refused: the load is too low"),
];

const AT_A_CARD_BY_SNMP: [Came; 22] = [
    ("poll", 0, "line: on mains\ncharge: 100.0\nruntime: 61.0"),
    ("self-test result", 0, "Battery OK"),
    ("self-test interval", 0, "self-test interval: 336"),
    ("self-test interval 168", 1, "in the card's own pages"),
    ("beeper mute", 1, "in the card's own pages"),
    ("panel test", 1, "in the card's own pages"),
    ("battery date 12/01/26", 0, "it is 12/01/26 now"),
    ("name cellar", 0, "it is cellar now"),
    ("name", 0, "name: cellar"),
    ("manufacture date", 0, "manufacture date: 08/16/19"),
    ("sensitivity", 0, "sensitivity: High"),
    ("transfer high 261", 1, "in the card's own pages"),
    ("outlets", 0, "outlet 2: on, disks\noutlet 3: on\n"),
    ("outlet off 3 --yes", 0, "the outlet group is off"),
    ("outlets", 0, "outlet 2: on, disks\noutlet 3: off\n"),
    ("outlet reboot 2 --yes", 0, "goes off, and on again"),
    ("outlet off 1 --yes", 1, "no outlet group 1 that can be switched"),
    ("settings", 0, "delay alarm: Low Battery\n"),
    ("calibrate", 0, "calibration started"),
    ("calibrate result", 0, "calibrate result: in progress"),
    ("calibrate abort", 0, "no test is running any more"),
    ("calibrate result", 0, "calibrate result: stopped: it does not say why"),
];

const AT_A_CARD_OF_PCNET: [Came; 11] = [
    ("poll", 0, "line: on mains\ncharge: 100.0\nruntime: 31.0"),
    ("self-test result", 0, "Battery OK"),
    ("self-test", 1, "on its web page only"),
    ("calibrate", 1, "on its web page only"),
    ("calibrate result", 1, "the UPS does not tell how a calibration ended"),
    ("beeper mute", 1, "on its web page only"),
    ("battery date", 0, "battery date: 09/05/03"),
    ("name cellar", 1, "on its web page only"),
    ("manufacture date", 0, "manufacture date: 09/05/03"),
    ("outlets", 1, "on its web page only"),
    ("settings", 0, "transfer high: 253\n"),
];

/// A daemon that guards and can be told something.
fn guarding(setup: &Setup) -> Daemon {
    let daemon = Daemon::start(setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    connect(&daemon);
    daemon
}

/// The same orders of these words, without a daemon.
fn alone(setup: &Setup, orders: &[Came], words: &[&str]) {
    let scratch = Scratch::new();
    write_config(setup, &scratch, free_port());
    let some: Vec<Came> = orders.iter().copied().filter(|(order, ..)| words.contains(order)).collect();
    assert_eq!(some.len(), words.len());
    walk(scratch.path(), &some);
}

fn at_a_line(port: &Path) -> Setup {
    Setup::new("modbus").with("UPSCABLE", "smart").with("DEVICE", &port.display().to_string())
}

#[test]
fn a_ups_does_by_modbus_what_a_client_orders_while_it_is_watched() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Modbus::serial(&port);
    let daemon = guarding(&at_a_line(&port));
    walk(daemon.dir(), &AT_MODBUS);
    // Nothing calibrates, so that it is a self test that is stopped.
    assert_eq!((ups.written(1541), ups.written(1542), ups.written(1543)), (vec![2, 1], vec![1], vec![4]));
    assert!(ups.written(1540).is_empty() && !daemon.events().iter().any(|event| event == "powerout"));
}

#[test]
fn a_ups_does_the_same_by_modbus_without_a_daemon() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Modbus::serial(&port);
    let words = [
        "poll",
        "beeper mute",
        "transfer high 261",
        "name cellar",
        "manufacture date",
        "settings",
        "calibrate",
    ];
    alone(&at_a_line(&port), &AT_MODBUS, &words);
    assert_eq!((ups.written(1542), ups.written(1543)), (vec![1], vec![4]));
    // Only root switches what others live on.
    let scratch = Scratch::new();
    write_config(&at_a_line(&port), &scratch, free_port());
    let came = ctl(scratch.path(), "outlets");
    assert!(came.status == 0 && came.text.contains("outlet 1: on, disks\noutlet 2: on"), "{came:?}");
    let came = ctl(scratch.path(), "outlet off 2 --yes");
    if is_root() {
        assert!(came.status == 0 && came.text.contains("the outlet group is off"), "{came:?}");
        assert_eq!(ups.written(1538), [1 << 2 | 1 << 10 | 1 << 14]);
    } else {
        assert!(came.status == 1 && came.text.contains("only root may order this"), "{came:?}");
        assert!(ups.written(1538).is_empty());
    }
}

#[test]
fn the_end_of_a_calibration_is_logged_with_the_reason_that_the_ups_gives() {
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Modbus::serial(&port);
    let daemon = guarding(&at_a_line(&port));
    ups.unit().registers.insert(24, 1 << 1 | 1 << 6);
    daemon.wait_for_status(|status| status.is("STATUS", "CAL ONLINE"), TIMEOUT);
    walk(daemon.dir(), &[("calibrate result", 0, "calibrate result: in progress")]);
    ups.unit().registers.insert(24, 1 << 3 | 1 << 6 | 1 << 12);
    walk(daemon.dir(), &[("calibrate result", 0, "calibrate result: failed: the load has changed")]);
    daemon.wait_for_logged("Calibration ended: failed: the load has changed");
    drop(daemon);
    // The card has no reasons.
    let card = Card::local(Unit::powernet());
    let daemon = guarding(&at_a_card(&card));
    card.unit().set(&[1, 7, 2, 6], int(3));
    walk(daemon.dir(), &[("calibrate result", 0, "calibrate result: in progress")]);
    card.unit().set(&[1, 7, 2, 6], int(1));
    walk(daemon.dir(), &[("calibrate result", 0, "calibrate result: passed")]);
    daemon.wait_for_logged("Calibration ended: passed");
}

fn at_a_card(card: &Card) -> Setup {
    let device = format!("127.0.0.1:{}:NOTRAP", card.address.port());
    Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device)
}

#[test]
fn a_card_does_by_snmp_what_a_client_orders_while_it_is_watched() {
    let card = Card::local(Unit::powernet().with_outlets());
    let daemon = guarding(&at_a_card(&card));
    walk(daemon.dir(), &AT_A_CARD_BY_SNMP);
    assert_eq!(card.rows_written(&[1, 12, 3, 2, 1, 3]), [(3, 2), (2, 3)]);
    let test = begin(daemon.dir(), "self-test --wait");
    poll_until(TIMEOUT, || (card.written(&[1, 7, 2, 2]) == [2]).then_some(())).expect("a self test");
    // That it runs has been asked for by then.
    let asked = card.unit().asked.len();
    poll_until(TIMEOUT, || (card.unit().asked.len() > asked + 5).then_some(())).expect("questions");
    card.unit().set(&[1, 7, 2, 3], int(1));
    let came = end(test);
    assert!(came.status == 0 && came.text.contains("Battery OK"), "{came:?}");
    assert_eq!(card.written(&[1, 7, 2, 5]), [2, 3]);
    assert!(!daemon.events().iter().any(|event| event == "powerout"), "{}", daemon.describe());
}

#[test]
fn a_card_does_the_same_by_snmp_without_a_daemon() {
    let card = Card::local(Unit::powernet());
    let words =
        ["poll", "battery date 12/01/26", "transfer high 261", "settings", "calibrate", "calibrate abort"];
    alone(&at_a_card(&card), &AT_A_CARD_BY_SNMP, &words);
    assert_eq!(card.written(&[1, 7, 2, 5]), [2, 3]);
    // Version 1 says in another way that there is nothing, and gives one object at a time.
    let scratch = Scratch::new();
    write_config(&at_a_card(&card), &scratch, free_port());
    for version in [vec![0], vec![0, 1]] {
        *card.unit() = Unit { versions: version.clone(), ..Unit::powernet() };
        let none = [("outlets", 1, "the card shows no outlet groups that can be switched")];
        walk(scratch.path(), &none);
        *card.unit() = Unit { versions: version, ..Unit::powernet().with_outlets() };
        walk(scratch.path(), &[("outlets", 0, "outlet 2: on, disks\noutlet 3: on\n")]);
    }
}

#[test]
fn a_card_of_pcnet_tells_what_it_knows_and_says_where_it_takes_orders() {
    let card = PcnetCard::start("127.0.0.77", free_port());
    let setup = Setup::new("pcnet").with("DEVICE", &card.device());
    let daemon = guarding(&setup);
    walk(daemon.dir(), &AT_A_CARD_OF_PCNET);
    assert!(daemon.terminate().status.success());
    alone(&setup, &AT_A_CARD_OF_PCNET, &["poll", "self-test", "name cellar", "settings"]);
    assert_eq!(card.orders(), 0);
}

#[test]
fn a_client_that_goes_away_while_it_waits_for_a_self_test_keeps_nobody_from_the_next() {
    let card = Card::local(Unit::powernet());
    // The order stays under way: the card takes it, and no test begins.
    card.unit().idle = true;
    let daemon = guarding(&at_a_card(&card));
    let mut gone = connect(&daemon);
    gone.write_all(b"self-test --wait\n").unwrap();
    poll_until(TIMEOUT, || (card.written(&[1, 7, 2, 2]) == [2]).then_some(())).expect("a self test");
    drop(gone);
    // By its answer the daemon has seen that.
    assert_eq!(ctl(daemon.dir(), "settings").status, 0);
    card.unit().idle = false;
    let next = begin(daemon.dir(), "self-test --wait");
    poll_until(TIMEOUT, || (card.written(&[1, 7, 2, 2]) == [2, 2]).then_some(())).expect("another one");
    let asked = card.unit().asked.len();
    poll_until(TIMEOUT, || (card.unit().asked.len() > asked + 5).then_some(())).expect("questions");
    card.unit().set(&[1, 7, 2, 3], int(1));
    let came = end(next);
    assert!(came.status == 0 && came.text.contains("Battery OK"), "{came:?}");
}
