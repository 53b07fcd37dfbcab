//! `mainsd ctl kill-power` and `power-off` at each simulated UPS: beside a daemon that guards it, and without one.

use std::fmt::Debug;

use super::control::{Came, connect, ctl};
use crate::support::faults::guard::is_root;
use crate::support::modbus::Modbus;
use crate::support::pcnet::PcnetCard;
use crate::support::smart::{Generation, Smart, pty};
use crate::support::snmp::{Card, Unit};
use crate::support::{Daemon, Scratch, Setup, TIMEOUT, attempt, free_port, write_config};

const KILL: &str = "kill-power";
const OFF: &str = "power-off";

/// A daemon refuses both and says how it is done; `told`: what the UPS was told.
fn beside_a_daemon<T: Debug + Default + PartialEq>(setup: &Setup, told: impl Fn() -> T) {
    let daemon = Daemon::start(setup);
    if setup.ups_type != "dumb" {
        daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    }
    connect(&daemon);
    for order in [KILL, OFF] {
        let came = ctl(daemon.dir(), &format!("{order} --yes"));
        let words =
            format!("not while mainsd guards: stop it first, then 'mainsd ctl {order} --yes' does it");
        assert!(came.status == 1 && came.text.contains(&words), "{order}: {came:?}");
    }
    assert_eq!(told(), T::default());
    assert!(daemon.terminate().status.success());
}

/// Gives this order without a daemon, with a flag or without.
fn alone(setup: &Setup, flag: bool, order: &str) -> Came {
    let scratch = Scratch::new();
    write_config(setup, &scratch, free_port());
    if flag {
        scratch.file("flags/powerfail", "");
    }
    ctl(scratch.path(), order)
}

/// Neither is done without being confirmed, nor is power killed without the flag of an outage, and the words say what is missing.
fn unconfirmed<T: Debug + Default + PartialEq>(setup: &Setup, told: impl Fn() -> T) {
    for order in [KILL, OFF] {
        let came = alone(setup, true, order);
        assert!(came.status == 2 && came.text.contains(&format!("'{order}' needs --yes")), "{came:?}");
    }
    let came = alone(setup, false, "kill-power --yes");
    let words = if is_root() { "'mainsd ctl power-off --yes'" } else { "only root" };
    assert!(came.status == 1 && came.text.contains(words), "{came:?}");
    assert_eq!(told(), T::default());
}

/// An order that is confirmed, on battery: exit status and a part of the words. An ordinary user is refused.
fn confirmed(setup: &Setup, order: &str, status: i32, part: &str) {
    let came = alone(setup, true, &format!("{order} --yes"));
    is_right(&came, status, part);
}

fn is_right(came: &Came, status: i32, part: &str) {
    let (status, part) = if is_root() { (status, part) } else { (1, "only root may order this") };
    assert!(came.status == status && came.text.contains(part), "{came:?}");
    // Progress and answer are printed, and the answer is no progress.
    assert_eq!(came.text.matches(part).count(), 1, "{came:?}");
}

/// What a UPS was told, if somebody may tell it.
fn if_root<T: Default>(told: T) -> T {
    if is_root() { told } else { T::default() }
}

#[test]
fn a_smart_ups_cuts_the_power_without_a_daemon_only() {
    let fresh = || {
        let ports = Scratch::new();
        let port = ports.path().join("ttyS0");
        let ups = Smart::start(Generation::Third, &port, false);
        let setup = Setup::new("apcsmart").with("DEVICE", &port.display().to_string());
        (ports, ups, setup)
    };
    let (_ports, ups, setup) = fresh();
    beside_a_daemon(&setup, || ups.unit().killed);
    unconfirmed(&setup, || ups.unit().killed);
    for (order, mains, told, part) in [
        (KILL, "50", "S", "UPS will power off after 20 seconds"),
        (KILL, "08", "@000", "Mains is back"),
        (OFF, "08", "KK", "stays off"),
    ] {
        let once = || {
            let (_ports, ups, setup) = fresh();
            ups.unit().set(b'Q', mains);
            let came = alone(&setup, true, &format!("{order} --yes"));
            let killed = ups.unit().killed;
            (came, killed)
        };
        let (came, killed) = attempt(once, |(came, _)| !came.text.contains(": no answer"));
        is_right(&came, 0, part);
        assert_eq!(killed, if_root(Some(told)), "{came:?}");
    }
}

#[test]
fn a_ups_cuts_the_power_by_modbus_without_a_daemon_only() {
    for by_network in [false, true] {
        let ports = Scratch::new();
        let port = ports.path().join("ttyS0");
        let fresh = || if by_network { Modbus::card(0) } else { Modbus::serial(&port) };
        let setup = |ups: &Modbus| {
            let (cable, device) = if by_network {
                ("ether", format!("127.0.0.1:{}", ups.port))
            } else {
                ("smart", port.display().to_string())
            };
            Setup::new("modbus").with("UPSCABLE", cable).with("DEVICE", &device)
        };
        let ups = fresh();
        beside_a_daemon(&setup(&ups), || ups.written(1540));
        unconfirmed(&setup(&ups), || ups.written(1540));
        ups.unit().mains(false);
        confirmed(&setup(&ups), KILL, 0, "the UPS switches off");
        assert_eq!(ups.written(1540), if_root(vec![1]));
        let ups = fresh();
        confirmed(&setup(&ups), OFF, 0, "the UPS has switched off and stays off");
        assert_eq!(ups.written(1540), if_root(vec![2]));
        let ups = fresh();
        ups.unit().mains(false);
        ups.unit().idle = true;
        confirmed(&setup(&ups), KILL, 1, "the UPS has acknowledged it, but does not do it");
        assert_eq!(ups.written(1540).is_empty(), !is_root());
    }
}

#[test]
fn a_ups_behind_a_card_cuts_the_power_by_snmp_without_a_daemon_only() {
    let setup = |card: &Card| {
        let device = format!("127.0.0.1:{}:NOTRAP", card.address.port());
        Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device)
    };
    for (unit, kill, off) in [
        (Unit::powernet as fn() -> Unit, (&[1, 6, 1, 1][..], 2), Some((&[1, 6, 2, 1][..], 2))),
        (Unit::rfc1628, (&[8, 2], 60), None),
    ] {
        let card = Card::local(unit());
        let told =
            || [card.written(&[1, 6, 1, 1]), card.written(&[1, 6, 2, 1]), card.written(&[8, 2])].concat();
        beside_a_daemon(&setup(&card), told);
        unconfirmed(&setup(&card), told);
        card.unit().mains(false);
        confirmed(&setup(&card), KILL, 0, "the UPS switches off");
        assert_eq!((told(), card.written(kill.0)), (if_root(vec![kill.1]), if_root(vec![kill.1])));
        let Some(off) = off else { continue };
        let card = Card::local(unit());
        confirmed(&setup(&card), OFF, 0, "the UPS has switched off and stays off");
        assert_eq!(card.written(off.0), if_root(vec![off.1]));
    }
}

#[test]
fn a_card_of_pcnet_takes_one_of_the_two_orders_without_a_daemon_only() {
    let card = PcnetCard::start("127.0.0.78", free_port());
    let setup = Setup::new("pcnet").with("DEVICE", &card.device());
    beside_a_daemon(&setup, || card.orders());
    unconfirmed(&setup, || card.orders());
    card.unit().mains(false);
    confirmed(&setup, OFF, 1, "a card takes this order on its web page only");
    assert_eq!(card.orders(), 0);
    confirmed(&setup, KILL, 0, "the card has taken the order");
    assert_eq!(card.orders(), if_root(1));
    card.unit().web.refuses = true;
    confirmed(&setup, KILL, 1, "the card refuses the order: status 403");
}

#[test]
fn a_simulated_ups_says_what_it_would_do_without_a_daemon_only() {
    let scratch = Scratch::new();
    let setup = |script: &str| {
        let path = scratch.file("script", script);
        Setup::new("test").with("DEVICE", &path.display().to_string())
    };
    beside_a_daemon(&setup(""), || ());
    unconfirmed(&setup(""), || ());
    let out = setup("0 mains off");
    confirmed(&out, KILL, 0, "the load is switched off in 20 seconds, and on again when mains returns");
    confirmed(&out, OFF, 0, "stays off");
    if is_root() {
        let came = alone(&out, true, "--json power-off --yes");
        assert!(
            came.text.contains("\"text\": \"the load is switched off in 20 seconds and stays off\""),
            "{came:?}"
        );
    }
    confirmed(&setup("0 mains off\n0 refuse on"), KILL, 1, "refuses");
}

/// A pseudo-terminal has no modem lines, and nothing more can be tried there; in the virtual machine there are some.
#[test]
fn nothing_is_done_at_a_simple_cable_beside_a_daemon_or_unconfirmed() {
    let (_master, path) = pty::open();
    let setup = Setup::new("dumb").with("DEVICE", &path.display().to_string()).with("UPSCABLE", "simple");
    beside_a_daemon(&setup, || ());
    unconfirmed(&setup, || ());
}

#[test]
fn a_slave_refuses_both_without_asking_its_master() {
    let master = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    master.set_nonblocking(true).unwrap();
    let setup = Setup::new("net").with("DEVICE", &master.local_addr().unwrap().to_string());
    for order in [KILL, OFF] {
        confirmed(&setup, order, 1, "a slave never switches off its master's UPS");
    }
    assert!(master.accept().is_err(), "the master was asked");
}
