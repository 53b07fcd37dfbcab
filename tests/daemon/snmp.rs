//! The daemon at the network card of a UPS, by SNMP.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt;

use crate::support::snmp::{Account, Card, Unit, int, text};
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT};

/// Without traps: one test alone could have their port.
fn setup(card: &Card) -> Setup {
    Setup::new("snmp")
        .with("UPSCABLE", "ether")
        .with("DEVICE", &format!("127.0.0.1:{}:NOTRAP", card.address.port()))
}

/// A daemon that sees the UPS on line.
fn watching(card: &Card, change: impl FnOnce(Setup) -> Setup) -> Daemon {
    let daemon = Daemon::start(&change(setup(card)));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    daemon
}

#[test]
fn every_key_is_shown() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup);
    let status = daemon.wait_for_status(|status| status.get("FIRMWARE").is_some(), TIMEOUT);
    for (key, value) in [
        ("UPSNAME", "harness"),
        ("CABLE", "Ethernet Link"),
        ("DRIVER", "SNMP UPS Driver"),
        ("MODEL", "Smart-UPS 1500"),
        ("STATUS", "ONLINE"),
        ("LINEV", "231.0 Volts"),
        ("LOADPCT", "17.0 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "61.0 Minutes"),
        ("MAXLINEV", "234.0 Volts"),
        ("MINLINEV", "228.0 Volts"),
        ("OUTPUTV", "230.0 Volts"),
        ("SENSE", "High"),
        ("DWAKE", "60 Seconds"),
        ("DSHUTD", "180 Seconds"),
        ("DLOWBATT", "2 Minutes"),
        ("LOTRANS", "208.0 Volts"),
        ("HITRANS", "253.0 Volts"),
        ("RETPCT", "15.0 Percent"),
        ("ITEMP", "26.0 C"),
        ("ALARMDEL", "Low Battery"),
        ("BATTV", "27.0 Volts"),
        ("LINEFREQ", "50.0 Hz"),
        ("OUTCURNT", "1.00 Amps"),
        ("LASTXFER", "No transfers since turnon"),
        ("SELFTEST", "OK"),
        ("STESTI", "336"),
        ("STATFLAG", "0x05000008"),
        ("MANDATE", "08/16/19"),
        ("SERIALNO", "AS1933123456"),
        ("BATTDATE", "08/16/2019"),
        ("NOMOUTV", "230 Volts"),
        ("NOMBATTV", "24.0 Volts"),
        ("HUMIDITY", "40.0 Percent"),
        ("AMBTEMP", "21.0 C"),
        ("EXTBATTS", "0"),
        ("BADBATTS", "0"),
        ("FIRMWARE", "UPS 09.3"),
    ] {
        assert!(status.is(key, value), "{key}: {:?}", status.get(key));
    }
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn an_outage_ends_in_a_shutdown_and_the_power_is_killed_after_killdelay() {
    for (unit, kill) in [(Unit::powernet(), (&[1, 6, 1, 1][..], 2)), (Unit::rfc1628(), (&[8, 2], 60))] {
        let card = Card::local(unit);
        let daemon = watching(&card, |setup| {
            setup.with("ONBATTERYDELAY", "1").with("BATTERYLEVEL", "20").with("KILLDELAY", "1")
        });
        card.unit().mains(false);
        daemon.wait_for_hook("powerout", TIMEOUT);
        daemon.wait_for_hook("onbattery", TIMEOUT);
        daemon.wait_for_status(|status| status.is("STATUS", "ONBATT"), TIMEOUT);
        card.unit().battery(15, 300, false);
        daemon.wait_for_hook("loadlimit", TIMEOUT);
        daemon.wait_for_hook("doshutdown", TIMEOUT);
        let killed = support::poll_until(TIMEOUT, || card.written(kill.0).first().copied());
        assert_eq!(killed, Some(kill.1), "{}", daemon.describe());
    }
}

#[test]
fn the_ups_itself_says_that_its_battery_is_low() {
    let card = Card::local(Unit::mge());
    let daemon = watching(&card, |setup| setup);
    card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    card.unit().battery(60, 900, true);
    daemon.wait_for_hook("failing", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn mains_that_comes_back_ends_the_outage() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup.with("ONBATTERYDELAY", "1"));
    card.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    card.unit().mains(true);
    daemon.wait_for_hook("offbattery", TIMEOUT);
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert!(daemon.status().is("LASTXFER", "Low line voltage"));
    assert!(!daemon.events().iter().any(|event| event.starts_with("doshutdown")));
}

/// By the cause of the transfer (PowerNet), and by the result that is still to come while mains is there (RFC 1628).
#[test]
fn a_self_test_is_no_power_failure() {
    type Test = fn(&mut Unit, bool);
    let powernet: Test = |unit, running| {
        unit.set(&[1, 4, 1, 1], int(if running { 3 } else { 2 }));
        unit.set(&[1, 3, 2, 5], int(9));
        unit.set(&[1, 7, 2, 3], int(if running { 4 } else { 1 }));
    };
    let rfc1628: Test = |unit, running| {
        unit.set(&[4, 1], int(if running { 5 } else { 3 }));
        unit.set(&[7, 3], int(if running { 5 } else { 1 }));
    };
    let cards: [(Unit, Test); 2] = [(Unit::powernet(), powernet), (Unit::rfc1628(), rfc1628)];
    for (unit, test) in cards {
        let card = Card::local(unit);
        let daemon = watching(&card, |setup| setup.with("ONBATTERYDELAY", "1"));
        test(&mut card.unit(), true);
        daemon.wait_for_hook("startselftest", TIMEOUT);
        test(&mut card.unit(), false);
        daemon.wait_for_hook("endselftest", TIMEOUT);
        daemon.wait_for_logged("UPS Self Test completed: Battery OK");
        assert!(!daemon.events().iter().any(|event| event.starts_with("powerout")), "{}", daemon.describe());
    }
}

#[test]
fn a_card_that_falls_silent_is_lost_and_found_again() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup);
    card.set_silent(true);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    card.set_silent(false);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    daemon.wait_for_hook("commok", TIMEOUT);
}

#[test]
fn a_card_that_has_lost_its_ups_is_lost() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup);
    card.unit().set(&[1, 8, 1], int(2));
    card.unit().set(&[1, 11, 1, 1], text("UNKNOWN"));
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    let said = |log: &[String]| log.iter().any(|line| line.contains("has lost its UPS")).then_some(());
    daemon.wait_for_log("why", said);
}

#[test]
fn silence_on_battery_does_not_stop_the_limits() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup.with("TIMEOUT", "15"));
    card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    card.set_silent(true);
    daemon.wait_for_hook("timeout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn a_card_that_is_not_there_at_start_is_waited_for() {
    let card = Card::local(Unit::powernet());
    let port = card.address.port();
    let setup = setup(&card);
    drop(card);
    let daemon = Daemon::start(&setup);
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), TIMEOUT);
    let _card = Card::start(Unit::powernet(), Ipv4Addr::LOCALHOST, port);
    daemon
        .wait_for_status(|status| status.is("STATUS", "ONLINE") && status.get("SERIALNO").is_some(), TIMEOUT);
}

#[test]
fn a_name_and_an_ipv6_address_are_hosts_too() {
    let card = Card::local(Unit::powernet());
    let device = format!("localhost:{}:APC_NOTRAP:public", card.address.port());
    let daemon = Daemon::start(&Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        // This machine has no IPv6.
        return;
    }
    let card = Card::start(Unit::powernet(), Ipv6Addr::LOCALHOST, 0);
    let device = format!("[::1]:{}:NOTRAP", card.address.port());
    let daemon = Daemon::start(&Setup::new("snmp").with("UPSCABLE", "ether").with("DEVICE", &device));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn an_outage_counts_on_over_a_restart() {
    let card = Card::local(Unit::powernet());
    let daemon = watching(&card, |setup| setup.with("ONBATTERYDELAY", "1"));
    card.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    daemon.end_main("KILL");
    daemon.wait_for_status(|status| status.is("STATUS", "ONBATT") && status.get("MODEL").is_some(), TIMEOUT);
    let announced = daemon.events().iter().filter(|event| event.starts_with("onbattery")).count();
    assert_eq!(announced, 1, "{}", daemon.describe());
}

/// The status of `--killpower` or `--power-off`, and what it says.
fn order(card: &Card, option: &str) -> (bool, String) {
    let scratch = Scratch::new();
    let setup = setup(card);
    let config = support::write_config(&setup, &scratch, support::free_port());
    scratch.file("flags/powerfail", "");
    let done = support::run_program(&setup.program, ["-f", &config.display().to_string(), option]);
    (done.status.success(), done.stderr)
}

#[test]
fn the_power_is_killed_and_the_exit_status_says_whether_the_ups_does_it() {
    for (unit, tail, number) in [(Unit::powernet(), &[1, 6, 1, 1][..], 2), (Unit::rfc1628(), &[8, 2], 60)] {
        let card = Card::local(unit);
        card.unit().mains(false);
        let (well, said) = order(&card, "--killpower");
        assert!(well && said.contains("the UPS switches off"), "{said}");
        assert_eq!(card.written(tail), [number]);
    }
    let card = Card::local(Unit::powernet());
    card.unit().mains(false);
    card.unit().communities = ["secret", "public"];
    let (well, said) = order(&card, "--killpower");
    assert!(
        !well && said.contains("the card refuses it") && said.contains("may usually read only"),
        "{said}"
    );
    let card = Card::local(Unit::powernet());
    let (well, said) = order(&card, "--power-off");
    assert!(well && said.contains("the UPS has switched off and stays off"), "{said}");
    assert_eq!(card.written(&[1, 6, 2, 1]), [2]);
}

#[test]
fn what_cannot_work_is_said_by_check_without_the_community() {
    for (device, part) in [
        ("", "no host"),
        ("card:0", "'0' is no port"),
        ("card::HP:hidden", "'HP' is no vendor"),
        ("[card]::APC:hidden", "between '[' and ']'"),
    ] {
        let scratch = Scratch::new();
        let config = scratch.file("t.conf", format!("UPSTYPE snmp\nUPSCABLE ether\nDEVICE {device}\n"));
        let done = support::run(["check".to_owned(), "-f".to_owned(), config.display().to_string()]);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(!done.status.success() && said.contains(part), "{device}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
}

/// A card that knows an account, and a daemon's configuration for it with these pass phrases. What is in the second holds the file.
fn with_account(unit: Unit, secrets: &str) -> (Card, Scratch, Setup) {
    let card = Card::with_account(unit, Account::new("ups", "s3cr3t-one", "s3cr3t-two"));
    let scratch = Scratch::new();
    let path = scratch.file("secrets", secrets);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let setup = setup(&card).with("SNMPVERSION", "3").with("SNMPUSER", "ups").with("SNMPAUTH", "SHA256");
    let setup = setup.with("SNMPSECRETS", &path.display().to_string());
    (card, scratch, setup)
}

const SECRETS: &str = "auth s3cr3t-one\npriv s3cr3t-two\n";

#[test]
fn by_an_account_an_outage_ends_in_a_shutdown_and_the_power_is_killed() {
    let (card, scratch, setup) = with_account(Unit::powernet(), SECRETS);
    let daemon =
        Daemon::start(&setup.with("ONBATTERYDELAY", "1").with("BATTERYLEVEL", "20").with("KILLDELAY", "1"));
    daemon
        .wait_for_status(|status| status.is("STATUS", "ONLINE") && status.get("SERIALNO").is_some(), TIMEOUT);
    card.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    // The pass phrases are those of the start, also when the file is gone and the main process another one.
    std::fs::remove_file(scratch.path().join("secrets")).unwrap();
    daemon.end_main("KILL");
    daemon.wait_for_status(|status| status.is("STATUS", "ONBATT") && status.get("MODEL").is_some(), TIMEOUT);
    card.unit().battery(15, 300, false);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = support::poll_until(TIMEOUT, || card.written(&[1, 6, 1, 1]).first().copied());
    assert_eq!(killed, Some(2), "{}", daemon.describe());
    assert!(!daemon.log().concat().contains("s3cr3t"));
}

#[test]
fn by_an_account_the_power_is_killed_by_one_order_of_the_command_line() {
    let (card, scratch, setup) = with_account(Unit::rfc1628(), SECRETS);
    card.unit().mains(false);
    let config = support::write_config(&setup, &scratch, support::free_port());
    scratch.file("flags/powerfail", "");
    let done = support::run_program(&setup.program, ["-f", &config.display().to_string(), "--killpower"]);
    assert!(done.status.success() && done.stderr.contains("the UPS switches off in 60 s"), "{}", done.stderr);
    assert_eq!(card.written(&[8, 2]), [60]);
}

#[test]
fn a_wrong_pass_phrase_and_an_unknown_account_are_said() {
    let cases = [
        ("auth s3cr3t-xxx\npriv s3cr3t-two", "ups", "the card refuses the signature"),
        ("auth s3cr3t-one\npriv s3cr3t-xxx", "ups", "is SNMPPRIV as in the card, and the priv pass phrase"),
        (SECRETS, "nobody", "the card does not know the account that SNMPUSER names"),
    ];
    // Each is said after some seconds: side by side.
    let daemons = cases.map(|(secrets, user, said)| {
        let (card, scratch, setup) = with_account(Unit::powernet(), secrets);
        (Daemon::start(&setup.replaced("SNMPUSER", user)), card, scratch, said)
    });
    for (daemon, _card, _scratch, said) in &daemons {
        daemon.wait_for_log(said, |log| log.iter().any(|line| line.contains(*said)).then_some(()));
        assert!(!daemon.log().concat().contains("s3cr3t"));
    }
}

#[test]
fn what_cannot_work_with_an_account_is_said_by_check_without_a_word_of_the_secrets() {
    let whole = "SNMPVERSION 3\nSNMPUSER ups\n";
    for (lines, secrets, said) in [
        ("SNMPVERSION 3\n", SECRETS, "SNMPUSER: blank"),
        (whole, "", "SNMPSECRETS: blank, but SNMPLEVEL authPriv needs a file"),
        (whole, "auth s3cr3t-one\n", "there is no line 'priv'"),
        (whole, "auth s3cr3t\npriv s3cr3t-two\n", "the pass phrase of 'auth' is shorter than 8"),
        (whole, "s3cr3t-one s3cr3t-two\n", "line 1: accepted"),
    ] {
        let scratch = Scratch::new();
        let mut text = format!("UPSTYPE snmp\nUPSCABLE ether\nDEVICE card\n{lines}");
        if !secrets.is_empty() {
            text.push_str(&format!("SNMPSECRETS {}\n", scratch.file("secrets", secrets).display()));
        }
        let config = scratch.file("t.conf", text);
        let done = support::run(["check".to_owned(), "-f".to_owned(), config.display().to_string()]);
        let shown = format!("{}{}", done.stdout, done.stderr);
        assert!(!done.status.success() && shown.contains(said), "{said}: {shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}

#[test]
fn a_file_of_secrets_that_only_root_can_read_is_no_mistake_for_who_looks_at_a_configuration() {
    let scratch = Scratch::new();
    let secrets = scratch.file("secrets", SECRETS);
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o000)).unwrap();
    let text = format!(
        "UPSTYPE snmp\nUPSCABLE ether\nDEVICE card\nSNMPVERSION 3\nSNMPUSER ups\nSNMPSECRETS {}\n",
        secrets.display()
    );
    let config = scratch.file("t.conf", text);
    let done = support::run(["check".to_owned(), "-f".to_owned(), config.display().to_string()]);
    let shown = format!("{}{}", done.stdout, done.stderr);
    assert!(done.status.success() && !shown.contains("SNMPSECRETS: "), "{shown}");
}
