//! The daemon at a network card that sends to PowerChute Network Shutdown.

use crate::support::pcnet::{PHRASE, PcnetCard};
use crate::support::{self, Daemon, Scratch, Setup, TIMEOUT, free_port};

/// A card that sends, and a configuration for it.
pub struct Stage {
    pub card: PcnetCard,
    pub setup: Setup,
}

impl Stage {
    pub fn new() -> Self {
        let card = PcnetCard::start("127.0.0.2", free_port());
        let setup = Setup::new("pcnet").with("DEVICE", &card.device());
        Self { card, setup }
    }

    /// A daemon that sees the UPS on line.
    pub fn daemon(&self, change: impl FnOnce(Setup) -> Setup) -> Daemon {
        let daemon = Daemon::start(&change(self.setup.clone()));
        daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
        daemon
    }
}

#[test]
fn every_key_is_shown_and_the_date_moves() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup);
    let status = daemon.status();
    for (key, value) in [
        ("UPSNAME", "harness"),
        ("CABLE", "Ethernet Link"),
        ("DRIVER", "PCNET UPS Driver"),
        ("MODEL", "Smart-UPS 1000"),
        ("LINEV", "230.4 Volts"),
        ("LOADPCT", "12.3 Percent"),
        ("BCHARGE", "100.0 Percent"),
        ("TIMELEFT", "31.0 Minutes"),
        ("MAXLINEV", "231.1 Volts"),
        ("MINLINEV", "229.0 Volts"),
        ("OUTPUTV", "230.4 Volts"),
        ("SENSE", "High"),
        ("LOTRANS", "208.0 Volts"),
        ("HITRANS", "253.0 Volts"),
        ("ITEMP", "29.2 C"),
        ("BATTV", "27.6 Volts"),
        ("LINEFREQ", "50.0 Hz"),
        ("SELFTEST", "OK"),
        ("STATFLAG", "0x05000008"),
        ("SERIALNO", "AS0336123456"),
        ("FIRMWARE", "652.13.I"),
        ("NOMOUTV", "230 Volts"),
    ] {
        assert!(status.is(key, value), "{key}: {:?}", status.get(key));
    }
    let date = status.get("DATE").map(str::to_owned);
    daemon.wait_for_status(|status| status.get("DATE").map(str::to_owned) != date, TIMEOUT);
    // What is sent later in life is shown as well.
    stage.card.unit().say("68", "045.0");
    daemon.wait_for_status(|status| status.is("HUMIDITY", "45.0 Percent"), TIMEOUT);
    assert_eq!(daemon.events(), Vec::<String>::new());
}

#[test]
fn an_outage_ends_in_a_shutdown_and_the_power_is_killed_after_killdelay() {
    let stage = Stage::new();
    let daemon = stage
        .daemon(|setup| setup.with("ONBATTERYDELAY", "1").with("BATTERYLEVEL", "20").with("KILLDELAY", "1"));
    stage.card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    let status = daemon.wait_for_status(|status| status.is("STATUS", "ONBATT"), TIMEOUT);
    assert!(status.is("LASTXFER", "Low line voltage"), "{status:?}");
    stage.card.unit().say("66", "015.0");
    daemon.wait_for_hook("loadlimit", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = support::poll_until(TIMEOUT, || (stage.card.orders() > 0).then_some(()));
    assert_eq!(killed, Some(()), "{}", daemon.describe());
}

#[test]
fn the_ups_itself_says_that_its_battery_is_low() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup.with("LOWBATTERYFLAG", "ups"));
    stage.card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    stage.card.unit().say("51", "50");
    daemon.wait_for_hook("failing", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn the_card_orders_a_shutdown_on_line() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup);
    stage.card.unit().say("SD", "1");
    daemon.wait_for_hook("remotedown", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn mains_that_comes_back_ends_the_outage() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup.with("ONBATTERYDELAY", "1"));
    stage.card.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    stage.card.unit().mains(true);
    daemon.wait_for_hook("offbattery", TIMEOUT);
    daemon.wait_for_hook("mainsback", TIMEOUT);
    assert!(!daemon.events().iter().any(|event| event.starts_with("doshutdown")));
}

#[test]
fn a_self_test_of_the_ups_is_no_outage() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup);
    {
        let mut unit = stage.card.unit();
        unit.say("47", "S");
        unit.say("51", "10");
    }
    daemon.wait_for_status(
        |status| status.is("STATUS", "SELFTEST") || status.is("LASTXFER", "Automatic or explicit self test"),
        TIMEOUT,
    );
    stage.card.unit().say("51", "08");
    daemon.wait_for_hook("endselftest", TIMEOUT);
    assert!(!daemon.events().iter().any(|event| event.starts_with("powerout")), "{}", daemon.describe());
}

#[test]
fn silence_on_battery_does_not_stop_the_limits() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup.with("TIMEOUT", "15"));
    stage.card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    stage.card.unit().silent = true;
    daemon.wait_for_hook("timeout", TIMEOUT);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn an_outage_counts_on_over_a_restart() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup.with("ONBATTERYDELAY", "1"));
    stage.card.unit().mains(false);
    daemon.wait_for_hook("onbattery", TIMEOUT);
    daemon.end_main("KILL");
    daemon.wait_for_status(|status| status.is("STATUS", "ONBATT") && status.get("MODEL").is_some(), TIMEOUT);
    let announced = daemon.events().iter().filter(|event| event.starts_with("onbattery")).count();
    assert_eq!(announced, 1, "{}", daemon.describe());
}

#[test]
fn a_packet_that_was_recorded_before_a_restart_is_refused_after_it() {
    let stage = Stage::new();
    let recorded = {
        let mut unit = stage.card.unit();
        unit.say("SD", "1");
        let packet = unit.packet();
        unit.say("SD", "0");
        packet
    };
    let scratch = Scratch::new();
    let state = scratch.path().join("state").display().to_string();
    let daemon = stage.daemon(|setup| setup.with("STATEFILE", &state));
    let saved = support::poll_until(TIMEOUT, || {
        std::fs::read_to_string(&state).ok().filter(|text| text.contains("\ncounters 9 "))
    });
    assert!(saved.is_some_and(|text| !text.contains(PHRASE)), "{}", daemon.describe());
    stage.card.unit().silent = true;
    daemon.terminate();
    let daemon = Daemon::start(&stage.setup.clone().with("STATEFILE", &state));
    let refused = |daemon: &Daemon| daemon.log().iter().any(|line| line.contains("is refused"));
    support::poll_until(TIMEOUT, || {
        stage.card.send(&recorded);
        refused(&daemon).then_some(())
    });
    daemon.wait_for_output("it is not newer than one that came before", TIMEOUT);
    assert!(daemon.status().get("MODEL").is_none(), "{}", daemon.describe());
    stage.card.unit().silent = false;
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(!daemon.events().iter().any(|event| event.starts_with("remotedown")), "{}", daemon.describe());
}

#[test]
fn packets_of_somebody_else_are_refused_and_told_without_the_pass_phrase() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup);
    let other = PcnetCard::start("127.0.0.3", free_port());
    let forged = {
        let mut unit = other.unit();
        unit.address = "127.0.0.2".to_owned();
        unit.phrase = "another phrase".to_owned();
        unit.starts = 99;
        unit.say("SD", "1");
        unit.mains(false);
        unit.packet()
    };
    stage.card.send(&forged);
    daemon.wait_for_output("signed with another user or pass phrase", TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert_eq!(daemon.events(), Vec::<String>::new());
    assert!(!daemon.describe().contains(&format!(":{PHRASE}")));
}

#[test]
fn without_a_pass_phrase_it_works_with_a_warning() {
    // The port cannot be chosen without naming the card: only where nobody has the usual one.
    let card = PcnetCard::start("127.0.0.2", 3052);
    if std::net::UdpSocket::bind(("0.0.0.0", 3052)).is_err() {
        eprintln!("UDP port 3052 is taken: not tried");
        return;
    }
    let daemon = Daemon::start(&Setup::new("pcnet").with("DEVICE", ""));
    daemon.wait_for_output("whoever sends to UDP port 3052 first is believed", TIMEOUT);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    card.unit().mains(false);
    daemon.wait_for_hook("powerout", TIMEOUT);
    card.unit().say("SD", "1");
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    daemon.wait_for_output("a second packet is waited for", TIMEOUT);
}

#[test]
fn daemons_share_the_port_if_each_names_its_card() {
    let port = free_port();
    let cards = ["127.0.0.2", "127.0.0.3"].map(|address| PcnetCard::start(address, port));
    for (card, model) in cards.iter().zip(["first", "second"]) {
        card.unit().say("01", model);
    }
    let daemons: Vec<Daemon> =
        cards.iter().map(|card| Daemon::start(&Setup::new("pcnet").with("DEVICE", &card.device()))).collect();
    for (daemon, model) in daemons.iter().zip(["first", "second"]) {
        daemon.wait_for_status(|status| status.is("MODEL", model) && status.is("STATUS", "ONLINE"), TIMEOUT);
    }
    cards[1].unit().mains(false);
    daemons[1].wait_for_hook("powerout", TIMEOUT);
    assert!(daemons[0].status().is("STATUS", "ONLINE"));
    // From now on what comes of each card comes to its own daemon alone.
    for daemon in &daemons {
        assert!(
            !daemon.describe().contains("not the one that DEVICE names")
                || daemon.status().get("MODEL").is_some()
        );
    }
}

#[test]
fn a_second_daemon_at_the_same_card_takes_no_packet_of_the_first() {
    let mut stage = Stage::new();
    let scratch = Scratch::new();
    stage.setup = stage.setup.environment("MAINSD_RUN_DIR", &scratch.path().display().to_string());
    let first = stage.daemon(|setup| setup);
    let second = Daemon::start(&stage.setup);
    second.wait_for_output("the card is watched by mainsd", TIMEOUT);
    stage.card.unit().mains(false);
    first.wait_for_hook("powerout", TIMEOUT);
    // When the first has gone, the second has the card.
    assert!(second.status().get("MODEL").is_none());
    first.terminate();
    second.wait_for_status(|status| status.is("STATUS", "ONBATT"), 2 * TIMEOUT);
    second.end_main("KILL");
    stage.card.unit().mains(true);
    second.wait_for_status(|status| status.is("STATUS", "ONLINE") && status.get("MODEL").is_some(), TIMEOUT);
}

#[test]
fn a_port_that_another_program_has_is_told_with_its_name_and_taken_when_it_is_free() {
    let port = free_port();
    let holder = std::net::UdpSocket::bind(("0.0.0.0", port)).unwrap();
    let card = PcnetCard::start("127.0.0.2", port);
    let daemon = Daemon::start(&Setup::new("pcnet").with("DEVICE", &card.device()));
    daemon.wait_for_output(&format!("UDP port {port}: it is held by "), TIMEOUT);
    drop(holder);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), 10 * TIMEOUT);
}

#[test]
fn the_daemon_answers_before_the_first_packet_and_waits_for_the_card() {
    let port = free_port();
    let device = format!("127.0.0.2:apc:{PHRASE}:{port}");
    let daemon = Daemon::start(&Setup::new("pcnet").with("DEVICE", &device));
    assert!(daemon.status().is("DRIVER", "PCNET UPS Driver"));
    let _card = PcnetCard::start("127.0.0.2", port);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn a_card_with_a_name_is_found_by_its_address() {
    let card = PcnetCard::start("127.0.0.1", free_port());
    let device = card.device().replacen("127.0.0.1", "localhost", 1);
    let daemon = Daemon::start(&Setup::new("pcnet").with("DEVICE", &device));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
}

#[test]
fn a_card_with_an_ipv6_address_is_watched_and_takes_the_order() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6: not tried");
        return;
    }
    let card = PcnetCard::start("::1", free_port());
    // The same address written otherwise.
    card.unit().address = "0:0:0:0:0:0:0:1".to_owned();
    let setup = Setup::new("pcnet").with("DEVICE", &card.device());
    let daemon =
        Daemon::start(&setup.with("TIMEOUT", "1").with("ONBATTERYDELAY", "1").with("KILLDELAY", "1"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    card.unit().mains(false);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    let killed = support::poll_until(TIMEOUT, || (card.orders() > 0).then_some(()));
    assert_eq!(killed, Some(()), "{}", daemon.describe());
}

/// The status of `--killpower` or `--power-off`, what it says, and how often the card was told.
fn order(option: &str, change: impl Fn(&PcnetCard)) -> (bool, String, usize) {
    let stage = Stage::new();
    stage.card.unit().mains(false);
    change(&stage.card);
    let scratch = Scratch::new();
    let config = support::write_config(&stage.setup, &scratch, free_port());
    scratch.file("flags/powerfail", "");
    let done = support::run_program(&stage.setup.program, ["-f", &config.display().to_string(), option]);
    assert!(!done.stderr.contains(PHRASE) && !done.stdout.contains(PHRASE), "{}", done.stderr);
    (done.status.success(), done.stderr, stage.card.orders())
}

#[test]
fn the_power_is_killed_and_the_exit_status_says_whether_the_card_has_taken_the_order() {
    for (filler, plain, closes) in [(0, false, false), (60_000, false, false), (5_000, true, true)] {
        let (well, said, orders) = order("--killpower", |card| {
            let mut unit = card.unit();
            (unit.web.filler, unit.web.plain, unit.web.closes) = (filler, plain, closes);
        });
        assert!(well && said.contains("the card has taken the order"), "{filler}: {said}");
        assert_eq!(orders, 1);
    }
    let (well, said, orders) = order("--killpower", |card| card.unit().web.refuses = true);
    assert!(!well && said.contains("the card refuses the order: status 403"), "{said}");
    assert_eq!(orders, 0);
    let (well, said, orders) = order("--power-off", |_| {});
    assert!(!well && said.contains("a card takes this order on its web page only"), "{said}");
    assert_eq!(orders, 0);
}

#[test]
fn what_cannot_work_is_said_by_check_and_no_pass_phrase_is_shown() {
    let check = |device: &str| {
        let scratch = Scratch::new();
        let config = scratch.file("t.conf", format!("UPSTYPE pcnet\nDEVICE {device}\n"));
        let done = support::run(["check".to_owned(), "-f".to_owned(), config.display().to_string()]);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(!said.contains("secret"), "{said}");
        (done.status.success(), said)
    };
    for device in
        ["10.0.0.1", "10.0.0.1:secret", "10.0.0.1:apc:", "[fd00::1:apc:secret", "10.0.0.1:apc:secret:x"]
    {
        let (well, said) = check(device);
        assert!(!well && said.contains("host:user:passphrase"), "{device}: {said}");
    }
    let (_, said) = check("");
    assert!(said.contains("whoever sends"), "{said}");
    for device in ["10.0.0.1:apc:secret", "[fd00::1]:apc:secret:3053", "card:apc:secret::8080"] {
        let (_, said) = check(device);
        assert!(said.contains(":apc:***") && !said.contains("whoever sends"), "{said}");
    }
}
