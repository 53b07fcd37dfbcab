//! What the daemon says to the person who has just started it: what it waits for, what it has found, what is in its way;
//! and to its service manager.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::support::{self, Daemon, Lines, Scratch, Setup, TIMEOUT, play, play_in};

fn lines_with(daemon: &Daemon, part: &str) -> usize {
    daemon.output().since(0).iter().filter(|line| line.text.contains(part)).count()
}

#[test]
fn without_a_ups_it_says_at_once_what_it_waits_for() {
    let port = support::free_port();
    for (kind, device, words) in [
        ("apcsmart", "/dev/no-such-tty", "Waiting for the UPS at /dev/no-such-tty: ".to_owned()),
        ("net", &format!("127.0.0.1:{port}"), format!("Waiting for the master 127.0.0.1:{port}: ")),
    ] {
        let daemon = Daemon::start(&Setup::new(kind).with("DEVICE", device));
        daemon.wait_for_output(&words, TIMEOUT);
        assert!(!daemon.log().iter().any(|line| line.contains("Waiting for")), "not among the events");
    }
}

#[test]
fn what_it_has_found_is_one_line() {
    let daemon = play("0 charge 88\n3 silent\n6 answer", Setup::new("test"));
    let found = daemon.wait_for_output("UPS found: ", TIMEOUT);
    let words = "UPS found: Simulated UPS 900, serial number SIM000000001, charge 88 %, runtime ";
    assert!(found.text.contains(words) && found.text.ends_with(" minutes, on mains"), "{}", found.text);
    daemon.wait_for_hook("commok", TIMEOUT);
    assert_eq!(lines_with(&daemon, "UPS found: "), 1, "the same one is no news: {}", daemon.describe());
    assert!(!daemon.log().iter().any(|line| line.contains("UPS found")), "not among the events");
}

#[test]
fn who_holds_the_port_is_named_and_what_that_means_for_status() {
    let port = support::free_port();
    let holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let daemon = Daemon::start_in(&Setup::new("test"), Scratch::new(), port);
    let line = daemon.wait_for_output("is held by", TIMEOUT);
    // This test, or a child of it that is on its way to another program.
    let (_, words) = line.text.split_once(&format!("NIS server: port {port} is held by ")).unwrap();
    let (_, words) = words.split_once(" (process ").unwrap();
    let (pid, words) = words.split_once("): ").unwrap();
    assert!(
        pid.parse::<u32>().is_ok() && words.starts_with("until that ends, 'mainsd status'"),
        "{}",
        line.text
    );
    drop(holder);
    // A child on its way may take a connection and drop it.
    let answered = support::poll_until(TIMEOUT, || {
        let mut client = support::Nis::connect(("127.0.0.1", port), TIMEOUT).ok()?;
        client.status().ok().filter(|status| status.is("STATUS", "ONLINE"))
    });
    assert!(answered.is_some(), "{}", daemon.describe());
    assert_eq!(lines_with(&daemon, "is held by"), 1, "{}", daemon.describe());
}

/// Run by root, this test makes an ordinary user of the daemon; run by one, it is one.
#[test]
fn a_daemon_that_is_not_root_says_that_this_machine_cannot_be_shut_down() {
    let scratch = Scratch::new();
    let config = support::write_config(&Setup::new("test"), &scratch, support::free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
    if is_root() {
        // Where an ordinary user may go.
        let program = scratch.path().join("mainsd");
        std::fs::copy(env!("CARGO_BIN_EXE_mainsd"), &program).unwrap();
        assert!(
            Command::new("chown").args(["-R", "65534:65534"]).arg(scratch.path()).status().unwrap().success()
        );
        command = Command::new(program);
        command.uid(65_534).gid(65_534);
    }
    command.args(["-f"]).arg(&config).arg("-P").arg(scratch.path().join("pid"));
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = Lines::collect(child.stderr.take().unwrap());
    let found =
        lines.wait(0, TIMEOUT, |text| text.contains("Not run as root: this machine cannot be shut down"));
    let _ = child.kill();
    let _ = child.wait();
    assert!(found.is_some(), "{}", lines.text());
}

pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

#[test]
fn a_service_manager_hears_that_it_guards_and_that_it_is_alive() {
    let scratch = Scratch::new();
    let socket = UnixDatagram::bind(scratch.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let path = scratch.path().join("notify").display().to_string();
    let setup = Setup::new("test").environment("NOTIFY_SOCKET", &path).environment("WATCHDOG_USEC", "400000");
    let daemon = play("", setup);
    let mut heard = Vec::new();
    let mut buffer = [0; 200];
    // On a busy machine it is alive before it is ready.
    let is_ready = |heard: &[String]| heard.iter().any(|message| message == "READY=1");
    while !is_ready(&heard) || heard.iter().filter(|message| *message == "WATCHDOG=1").count() < 3 {
        let length = socket.recv(&mut buffer).expect("a message of the daemon");
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    daemon.signal("HUP");
    while !heard.iter().any(|message| message.starts_with("RELOADING=1")) {
        let length = socket.recv(&mut buffer).expect("a message of the daemon");
        heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    daemon.terminate();
}

/// The statuses that the unit tells apart: see `RestartPreventExitStatus=` there.
#[test]
fn a_mistake_that_stays_and_a_file_that_may_come_end_differently() {
    let scratch = Scratch::new();
    let table = [
        ("UPSTYPE usb\nTIMEOUT soon\n", 78, "TIMEOUT: 'soon' is not a whole number"),
        ("UPSTYPE modbus\nUPSCABLE ether\nDEVICE\n", 78, "DEVICE: blank, but this is where the card is"),
        ("UPSTYPE dumb\nDEVICE /dev/ttyS0\n", 78, "UPSCABLE: UPSTYPE dumb cannot work without"),
        ("UPSTYPE test\nDEVICE /nonexistent/script\n", 2, "DEVICE: /nonexistent/script: No such file"),
    ];
    for (text, status, words) in table {
        let config = scratch.file("mainsd.conf", text);
        for (args, expected) in [
            (vec!["-P", "/nonexistent/pid", "-f"], status),
            (vec!["--killpower", "-f"], status),
            (vec!["apcupsd", "-b", "-P", "/nonexistent/pid", "-f"], 1),
        ] {
            let done = support::run(args.iter().copied().chain([config.to_str().unwrap()]));
            assert_eq!(done.status.code(), Some(expected), "{args:?} {text} {done:?}");
            assert!(done.stderr.contains(words), "{done:?}");
        }
        let done = support::run(["check", "-f", config.to_str().unwrap()]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(
            done.stdout.contains(words) && done.stdout.ends_with("mainsd does NOT start with this file.\n")
        );
        let quiet = support::run(["check", "-q", "-f", config.to_str().unwrap()]);
        assert_eq!((quiet.status.code(), quiet.stdout.as_str()), (Some(1), ""));
        assert!(quiet.stderr.contains(words), "{quiet:?}");
    }
    assert_eq!(support::run(["-f", "/nonexistent/mainsd.conf"]).status.code(), Some(2));
    let good = scratch.file("mainsd.conf", "UPSTYPE usb\n");
    let quiet = support::run(["check", "--quiet", "-f", good.to_str().unwrap()]);
    assert_eq!((quiet.status.code(), quiet.stdout.as_str(), quiet.stderr.as_str()), (Some(0), "", ""));
}

#[test]
fn a_file_that_the_next_start_would_refuse_is_not_applied_by_a_running_daemon() {
    let scratch = Scratch::new();
    let daemon = play_in("", Setup::new("test").with("TIMEOUT", "300"), scratch);
    daemon.wait_for_status(|status| status.is("MAXTIME", "300 Seconds"), TIMEOUT);
    let path = daemon.dir().join("mainsd.conf");
    let file = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, file.replace("UPSTYPE test", "UPSTYPE pcnet").replace("TIMEOUT 300", "TIMEOUT 7"))
        .unwrap();
    daemon.signal("HUP");
    daemon.wait_for_output("accepted: blank, or host:user:passphrase", TIMEOUT);
    daemon.wait_for_output("the old configuration stays", TIMEOUT);
    assert!(daemon.status().is("MAXTIME", "300 Seconds"));
}
