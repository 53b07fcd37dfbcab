//! Orders by the control socket, and by `mainsd ctl` without a daemon: each of them at each simulator that can be told something.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mainsd::wire::control::ORDERS;

use super::start::is_root;
use crate::support::smart::{Generation, Smart};
use crate::support::{Daemon, Scratch, Serial, Setup, TIMEOUT, free_port, play, poll_until, write_config};

/// What an order came to: exit status, and what was printed.
#[derive(Debug)]
pub struct Came {
    pub status: i32,
    pub text: String,
}

/// `mainsd ctl` with the configuration in this folder.
pub fn begin(folder: &Path, order: &str) -> Child {
    Command::new(Setup::new("").program)
        .args(["ctl", "-f"])
        .arg(folder.join("mainsd.conf"))
        .args(order.split(' '))
        .env("MAINSD_RUN_DIR", folder.join("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn end(child: Child) -> Came {
    let done = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    Came { status: done.status.code().unwrap(), text }
}

pub fn ctl(folder: &Path, order: &str) -> Came {
    end(begin(folder, order))
}

/// Gives these orders, one after the other: exit status, and a part of what is printed.
pub fn walk(folder: &Path, orders: &[(&str, i32, &str)]) -> BTreeSet<&'static str> {
    let mut walked = BTreeSet::new();
    for (order, status, part) in orders {
        let came = ctl(folder, order);
        assert!(came.status == *status && came.text.contains(part), "{order}: {came:?}");
        let row = ORDERS.iter().filter(|row| order.starts_with(row.words)).max_by_key(|row| row.words.len());
        walked.extend(row.map(|row| row.words));
    }
    walked
}

fn all() -> BTreeSet<&'static str> {
    ORDERS.iter().map(|row| row.words).collect()
}

/// The socket of a daemon; waits until it is there.
pub fn connect(daemon: &Daemon) -> UnixStream {
    let find = || {
        let entries = std::fs::read_dir(daemon.dir().join("run")).ok()?;
        let mut names = entries.filter_map(|entry| Some(entry.ok()?.path()));
        names.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("control")))
    };
    let connect = || UnixStream::connect(find()?).ok();
    let stream = poll_until(TIMEOUT, connect).unwrap_or_else(|| panic!("{}", daemon.describe()));
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// What the simulated UPS does with each order; `lost`: nobody answers what only a daemon can do.
fn at_the_test_ups(daemon: bool) -> Vec<(&'static str, i32, &'static str)> {
    let (kept, reload) = if daemon { (0, 0) } else { (0, 3) };
    // The owner of a daemon is as good as root for it.
    let outlet = if daemon || is_root() { "no outlet groups" } else { "only root may order this" };
    vec![
        ("poll", 0, "line: on mains"),
        ("self-test result", 0, "self-test result: NO"),
        ("self-test --wait", 0, "Battery OK"),
        ("self-test interval", 0, "self-test interval: 14 days"),
        ("self-test interval 168", kept, "nothing is kept"),
        ("beeper on", 0, "nothing is heard"),
        ("beeper off", 0, "nothing is heard"),
        ("beeper mute", 0, "nothing is heard"),
        ("panel test", 0, "nothing is heard"),
        ("battery date", 0, "battery date: 2026-01-05"),
        ("battery date 12/01/26", kept, "nothing is kept"),
        ("name", 1, "does not tell"),
        ("sensitivity", 0, "sensitivity: Medium"),
        ("transfer low", 0, "transfer low: 176"),
        ("transfer high 261", kept, "nothing is kept"),
        ("delay wake", 0, "delay wake: 0"),
        ("delay shutdown", 0, "delay shutdown: 20"),
        ("delay alarm", 0, "delay alarm: 30 Seconds"),
        ("low battery", 0, "low battery: 2"),
        ("return charge", 0, "return charge: 0"),
        ("output voltage", 0, "output voltage: 230"),
        ("manufacture date", 0, "manufacture date: 2026-01-05"),
        ("outlets", 1, "no outlet groups"),
        ("outlet on 1 --yes", 1, outlet),
        ("outlet off 1 --yes", 1, outlet),
        ("outlet reboot 1 --yes", 1, outlet),
        ("settings", 0, "transfer high: 282"),
        (
            "--json transfer low",
            0,
            "{\"order\": \"transfer low\", \"result\": \"done\", \"text\": \"\", \"values\": {\"transfer low\": \"176\"}, \"permitted\": {}}",
        ),
        ("record", reload, if daemon { "failed: there is no UPS" } else { "no daemon runs" }),
        ("reload", reload, if daemon { "applied" } else { "no daemon runs" }),
        (
            "shutdown cancel",
            if daemon { 1 } else { 3 },
            if daemon { "no shutdown is decided" } else { "no daemon runs" },
        ),
        ("shutdown now", 2, "needs --yes"),
        ("dance", 2, "no such order"),
    ]
}

#[test]
fn each_order_is_answered_by_a_daemon() {
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    connect(&daemon);
    let first = [
        ("calibrate", 0, "calibration started"),
        ("self-test", 1, "not now: a self test or calibration runs"),
        ("transfer low 196", 1, "not now: a self test or calibration runs"),
        ("beeper mute", 0, ""),
        ("calibrate abort", 0, "test stopped"),
        ("calibrate result", 0, "calibrate result: stopped by an order"),
    ];
    let mut walked = walk(daemon.dir(), &first);
    walked.extend(walk(daemon.dir(), &at_the_test_ups(true)));
    let last = [
        ("kill-power --yes", 1, "not while mainsd guards"),
        ("power-off --yes", 1, "not while mainsd guards"),
        ("shutdown now --yes", 0, "the shutdown is decided"),
        ("shutdown cancel", 1, "doshutdown has started"),
        ("self-test", 1, "not now: a shutdown is decided"),
    ];
    walked.extend(walk(daemon.dir(), &last));
    assert_eq!(walked, all());
    daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert!(!daemon.dir().join("flags/powerfail").exists(), "mains is there");
    for part in ["orders: transfer low 196", "orders: shutdown now", "orders: reload"] {
        let is_told = |line: &String| line.starts_with("Control socket: user ") && line.ends_with(part);
        daemon.wait_for_log(part, |log| log.iter().any(is_told).then_some(()));
    }
}

#[test]
fn each_order_is_carried_out_without_a_daemon() {
    let scratch = Scratch::new();
    write_config(&Setup::new("test").with("NOLOGON", "disable"), &scratch, free_port());
    let mut walked = walk(scratch.path(), &at_the_test_ups(false));
    let last = [
        ("calibrate", 0, "calibration started"),
        ("calibrate abort", 0, "no test was running"),
        ("calibrate result", 1, "the UPS does not tell how a calibration ended"),
        ("shutdown now --yes", 3, "no daemon runs"),
    ];
    walked.extend(walk(scratch.path(), &last));
    let left: Vec<_> = all().difference(&walked).copied().collect();
    // `control_power.rs` has them.
    assert_eq!(left, ["kill-power", "power-off"]);
}

/// What is stepped to in a Smart-UPS: each takes seconds, so that these, what is typed and the others are three tests.
const STEPPED_IN_A_SMART_UPS: [(&str, i32, &str); 5] = [
    ("settings", 0, "transfer high: 253  (may be: 253 257 261 265)"),
    ("transfer high 280", 1, "this UPS allows only 253 257 261 265"),
    ("transfer high 261", 0, "261 instead of 253"),
    ("transfer high", 0, "transfer high: 261"),
    ("self-test interval ON", 0, "ON instead of 336"),
];

/// What is typed into a Smart-UPS, a character a second.
const TYPED_INTO_A_SMART_UPS: [(&str, i32, &str); 3] = [
    ("battery date 12/01/26", 0, "12/01/26 instead of"),
    ("name cellar", 0, "cellar instead of"),
    ("battery date 1/1/26", 2, "8 characters"),
];

const DONE_BY_A_SMART_UPS: [(&str, i32, &str); 9] = [
    ("poll", 0, "line: on mains"),
    ("self-test result", 0, "self-test result: "),
    ("panel test", 0, "lamps and beeper tested"),
    ("beeper mute", 1, "delay alarm 0, T, L or N"),
    ("manufacture date", 0, "manufacture date: 10/23/96"),
    ("outlets", 1, "no outlet groups"),
    ("calibrate", 0, "calibration started"),
    ("self-test", 1, "a self test or calibration runs"),
    ("calibrate abort", 0, "calibration stopped"),
];

#[test]
fn a_smart_ups_does_what_a_client_orders_while_it_is_watched() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable"));
    connect(&serial.daemon);
    let folder = serial.daemon.dir();
    walk(folder, &DONE_BY_A_SMART_UPS);
    walk(folder, &[("calibrate result", 0, "calibrate result: stopped by an order")]);
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let test = begin(folder, "self-test --wait");
    poll_until(TIMEOUT, || serial.unit().has_been_sent(b'W').then_some(())).expect("W");
    serial.daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    serial.unit().end_self_test();
    let came = end(test);
    assert!(came.status == 0 && came.text.contains("Battery OK"), "{came:?}");
    assert!(!serial.daemon.events().iter().any(|event| event == "powerout"), "{}", serial.daemon.describe());
}

/// These orders at a UPS that a daemon watches, which sees no outage.
fn while_it_is_watched(orders: &[(&str, i32, &str)]) -> Serial {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable"));
    connect(&serial.daemon);
    walk(serial.daemon.dir(), orders);
    serial.daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    assert!(!serial.daemon.events().iter().any(|event| event == "powerout"), "{}", serial.daemon.describe());
    serial
}

#[test]
fn a_smart_ups_is_stepped_to_what_a_client_orders_while_it_is_watched() {
    let serial = while_it_is_watched(&STEPPED_IN_A_SMART_UPS);
    assert_eq!(serial.unit().answers[&b'u'], b"261");
}

#[test]
fn what_a_client_orders_is_typed_into_a_smart_ups_while_it_is_watched() {
    while_it_is_watched(&TYPED_INTO_A_SMART_UPS);
}

/// These orders at a UPS that nobody watches.
fn without_a_daemon(orders: &[(&str, i32, &str)]) -> Smart {
    let scratch = Scratch::new();
    let port = scratch.path().join("ttyS0");
    let ups = Smart::start(Generation::Third, &port, false);
    write_config(&Serial::setup(&port).with("NOLOGON", "disable"), &scratch, free_port());
    walk(scratch.path(), orders);
    ups
}

#[test]
fn a_smart_ups_does_the_same_without_a_daemon() {
    without_a_daemon(&DONE_BY_A_SMART_UPS);
}

#[test]
fn a_smart_ups_is_stepped_to_the_same_without_a_daemon() {
    assert_eq!(without_a_daemon(&STEPPED_IN_A_SMART_UPS).unit().answers[&b'u'], b"261");
}

#[test]
fn the_same_is_typed_into_a_smart_ups_without_a_daemon() {
    without_a_daemon(&TYPED_INTO_A_SMART_UPS);
}

#[test]
fn on_battery_tests_and_settings_are_refused_and_the_shutdown_is_not() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable"));
    connect(&serial.daemon);
    serial.unit().fail_mains();
    serial.daemon.wait_for_status(|status| status.has("ONBATT"), TIMEOUT);
    let orders = [
        ("self-test", 1, "not now: the UPS is on battery"),
        ("calibrate", 1, "not now: the UPS is on battery"),
        ("transfer high 261", 1, "not now: the UPS is on battery"),
        ("record", 1, "not now: the UPS is on battery"),
        ("outlet off 1 --yes", 1, "not now: the UPS is on battery"),
        ("transfer high", 0, "transfer high: 253"),
        ("poll", 0, "line: on battery"),
        ("calibrate abort", 1, "no test is running"),
        ("shutdown now --yes", 0, "the shutdown is decided"),
    ];
    walk(serial.daemon.dir(), &orders);
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
    serial.daemon.wait_for_file("flags/powerfail");
    assert!(!serial.unit().has_been_sent(b'W') && !serial.unit().has_been_sent(b'-'));
}

#[test]
fn orders_with_ever_other_values_hide_no_other_order_in_the_log() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").with("TIMEOUT", "0"));
    let mut stream = connect(&serial.daemon);
    serial.unit().fail_mains();
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let letter = |number: u32| char::from_u32(u32::from(b'a') + number % 26).unwrap();
    for number in 0..600 {
        let name: String = [number, number / 26, number / 676].map(letter).iter().collect();
        writeln!(stream, "name {name}").unwrap();
        let mut answer = String::new();
        lines.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("refused not now"), "{answer}");
    }
    assert_eq!(ctl(serial.daemon.dir(), "beeper mute").status, 1, "a Smart-UPS has no such order");
    let told = |log: &[String]| log.iter().any(|line| line.ends_with("orders: beeper mute")).then_some(());
    serial.daemon.wait_for_log("the order", told);
    let count = serial.daemon.log().iter().filter(|line| line.contains("orders: name ")).count();
    assert!((20..40).contains(&count), "{count} lines");
}

#[test]
fn a_self_test_ordered_in_the_instant_of_an_outage_ends_as_an_outage() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").with("TIMEOUT", "3"));
    connect(&serial.daemon);
    let test = begin(serial.daemon.dir(), "self-test");
    poll_until(TIMEOUT, || serial.unit().has_been_sent(b'W').then_some(())).expect("W");
    serial.unit().fail_mains();
    assert_eq!(end(test).status, 0);
    serial.daemon.wait_for_hook("onbattery", TIMEOUT);
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
}

#[test]
fn an_outage_while_a_client_has_the_ups_calibrate_ends_as_an_outage() {
    let serial = Serial::on_line(|setup| setup.with("NOLOGON", "disable").with("TIMEOUT", "3"));
    connect(&serial.daemon);
    assert_eq!(ctl(serial.daemon.dir(), "calibrate").status, 0);
    serial.daemon.wait_for_hook("startselftest", TIMEOUT);
    serial.unit().fail_mains();
    serial.daemon.wait_for_hook("doshutdown", TIMEOUT);
    assert!(serial.daemon.events().contains(&"onbattery".to_owned()), "{}", serial.daemon.describe());
}

/// What is sent, if anything, by a client that is none.
const ABUSE: [&[u8]; 5] = [b"", b"sel", b"poll\npoll\npoll\n", b"\xff\xfe\x00\n", &[b'x'; 5000]];

#[test]
fn a_thousand_abusive_clients_delay_no_shutdown() {
    let daemon = play("8 mains off", Setup::new("test").with("NOLOGON", "disable").with("TIMEOUT", "3"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let path = connect(&daemon).peer_addr().unwrap().as_pathname().unwrap().to_owned();
    let until = Instant::now() + Duration::from_secs(60);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (elapsed, clients) = std::thread::scope(|scope| {
        let abuse = |thread: usize| {
            let (path, stop) = (&path, &stop);
            scope.spawn(move || {
                let mut kept: Vec<UnixStream> = Vec::new();
                let mut number = thread;
                while Instant::now() < until && !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let Ok(mut stream) = UnixStream::connect(path) else { continue };
                    let _ = stream.set_write_timeout(Some(Duration::from_millis(50)));
                    let _ = stream.write_all(ABUSE[number % ABUSE.len()]);
                    number += 1;
                    kept.push(stream);
                    // More than the daemon takes, and few of the files that all tests of this process share.
                    if kept.len() > 20 {
                        // The other tests need the processor too.
                        let mut oldest = kept.remove(0);
                        let _ = oldest.set_read_timeout(Some(Duration::from_millis(20)));
                        let _ = oldest.read(&mut [0; 64]);
                    }
                }
                number - thread
            })
        };
        let threads: Vec<_> = (0..10).map(abuse).collect();
        let (_, out) = daemon.wait_for_hook_from(0, "powerout", TIMEOUT);
        let (_, down) = daemon.wait_for_hook_from(0, "doshutdown", TIMEOUT);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let clients: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        (down.at - out.at, clients)
    });
    assert!(clients >= 1000, "{clients}");
    // ONBATTERYDELAY is 1 s, TIMEOUT 3 s.
    assert!(elapsed < Duration::from_secs(8), "{elapsed:?} {}", daemon.describe());
    assert_eq!(ctl(daemon.dir(), "settings").status, 0, "and it still answers");
}

#[test]
fn a_client_gets_its_answers_in_pieces_of_any_size_and_sends_one_order_at_a_time() {
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let mut stream = connect(&daemon);
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = || {
        let mut text = String::new();
        lines.read_line(&mut text).unwrap();
        text
    };
    for byte in b"transfer low\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!([line(), line()], ["value transfer low: 176\n", "done \n"]);
    stream.write_all(b"dance\n").unwrap();
    assert_eq!(line(), "usage no such order ('mainsd ctl help' lists them)\n");
    stream.write_all(b"poll\npoll\n").unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("usage one order at a time: wait for the answer\n"), "{rest}");
}

#[test]
fn the_socket_outlives_a_main_process_and_ends_with_the_daemon() {
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let path = connect(&daemon).peer_addr().unwrap().as_pathname().unwrap().to_owned();
    daemon.end_main("KILL");
    assert_eq!(ctl(daemon.dir(), "transfer low").status, 0);
    // Another daemon, of another configuration, leaves it alone.
    let other = Daemon::start(
        &Setup::new("test").with("NOLOGON", "disable").with("CONTROLSOCKET", &path.display().to_string()),
    );
    other.wait_for_output("another program listens there", TIMEOUT);
    assert_eq!(ctl(daemon.dir(), "transfer low").status, 0);
    drop(other);
    assert!(path.exists());
    let (_, scratch) = daemon.terminate_keeping();
    assert!(!path.exists());
    drop(scratch);
}

#[test]
fn a_daemon_without_a_socket_is_not_gone_behind() {
    let setup = Setup::new("test")
        .with("NOLOGON", "disable")
        .with("CONTROLSOCKET", "off")
        .with("CONTROLGROUP", "nosuch");
    let daemon = Daemon::start(&setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let came = ctl(daemon.dir(), "self-test");
    assert!(came.status == 3 && came.text.contains("has no control socket here"), "{came:?}");
}

#[test]
fn an_unknown_group_is_a_warning() {
    let daemon =
        Daemon::start(&Setup::new("test").with("NOLOGON", "disable").with("CONTROLGROUP", "no-such-group"));
    daemon.wait_for_output(
        "CONTROLGROUP: there is no group no-such-group in /etc/group: only root may use the control socket",
        TIMEOUT,
    );
    connect(&daemon);
    assert_eq!(ctl(daemon.dir(), "self-test result").status, 0);
}
