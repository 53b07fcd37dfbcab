#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

use std::io::{Read, Write};

use mio::{Events, Poll};

use super::*;
use crate::bus::serial::Lines;

fn port(path: PathBuf, now: Instant) -> SerialPort {
    let lines = Outputs { raise: Lines::empty(), clear: Lines::RTS };
    SerialPort::new(path, Token(1), AtRest { lines, ..AtRest::default() }, now)
}

#[test]
fn a_missing_port_is_told_once_and_opened_when_it_is_there() {
    let poll = Poll::new().unwrap();
    let start = Instant::now();
    let link = std::env::temp_dir().join(format!("mainsd-tty-{}", std::process::id()));
    let _ = std::fs::remove_file(&link);
    let mut port = port(link.clone(), start);
    let mut now = start;
    let mut tries = 0;
    while now < start + Duration::from_secs(60) {
        port.handle_timeout(poll.registry(), now);
        tries += 1;
        now = port.poll_timeout().unwrap();
    }
    assert!((10..20).contains(&tries), "{tries} tries a minute");
    let words = format!("{} does not exist; waiting for it", link.display());
    assert_eq!(port.poll_event(), Some(Event::Closed(words)));
    assert_eq!(port.poll_event(), None);
    let (_master, path) = tty::pty().unwrap();
    std::os::unix::fs::symlink(path, &link).unwrap();
    port.handle_timeout(poll.registry(), now);
    assert_eq!(port.poll_event(), Some(Event::Opened));
    std::fs::remove_file(&link).unwrap();
}

#[test]
fn bytes_pass_and_a_port_that_goes_away_is_closed_and_tried_again() {
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let (master, path) = tty::pty().unwrap();
    let mut master = std::fs::File::from(master);
    let mut port = port(path, now);
    port.start(poll.registry(), now);
    assert_eq!(port.poll_event(), Some(Event::Opened));
    port.handle_timeout(poll.registry(), now);
    port.send(poll.registry(), b"Y", now);
    let mut byte = [0];
    master.read_exact(&mut byte).unwrap();
    assert_eq!(byte, *b"Y");
    master.write_all(b"SM\r\n").unwrap();
    let mut events = Events::with_capacity(4);
    let mut wait = |poll: &mut Poll| {
        crate::sys::poll_through_signals(poll, &mut events, Duration::from_secs(30));
        assert!(events.iter().any(|event| event.token() == Token(1)));
    };
    wait(&mut poll);
    port.ready(poll.registry(), Token(1), now);
    assert_eq!(port.poll_event(), Some(Event::Bytes(b"SM\r\n".to_vec())));
    // Who else has it open is looked up between other work.
    while port.poll_timeout().is_some() {
        port.handle_timeout(poll.registry(), now);
    }
    assert_eq!(port.poll_event(), None);
    drop(master);
    wait(&mut poll);
    port.ready(poll.registry(), Token(1), now);
    assert!(matches!(port.poll_event(), Some(Event::Closed(_))));
    assert!(port.poll_timeout().is_some());
    // Nobody is there to hear it.
    port.send(poll.registry(), b"Y", now);
    port.close(poll.registry());
}

/// What a port tells: the link, or the log.
#[derive(Debug)]
enum Told {
    Link(Event),
    Log(String),
}

/// Runs the port's deadlines until it says something.
fn told(port: &mut SerialPort, registry: &mio::Registry, mut now: Instant) -> Told {
    for _ in 0..1_000_000 {
        if let Some((_, words)) = port.poll_log() {
            return Told::Log(words);
        }
        if let Some(event) = port.poll_event() {
            return Told::Link(event);
        }
        now = now.max(port.poll_timeout().unwrap());
        port.handle_timeout(registry, now);
    }
    panic!("nothing is told");
}

/// A process that has this port open, until it is killed.
fn user_of(path: &std::path::Path) -> std::process::Child {
    use std::os::unix::fs::OpenOptionsExt;
    let open = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY).open(path).unwrap();
    std::process::Command::new("sleep").arg("1000").stdin(open).spawn().unwrap()
}

/// A port that has just been started, and what it tells about the other process that has it open. A child that another test has
/// just forked has the port open too, for a moment: one that tells of it is started again.
fn tells_of(
    other: u32,
    path: &std::path::Path,
    registry: &mio::Registry,
    now: Instant,
) -> (SerialPort, Told) {
    let name = format!("(process {other})");
    for _ in 0..1000 {
        let mut port = port(path.to_owned(), now);
        port.start(registry, now);
        let event = loop {
            match told(&mut port, registry, now) {
                Told::Link(Event::Opened) => {}
                told => break told,
            }
        };
        if let Told::Link(Event::Closed(words)) | Told::Log(words) = &event {
            if words.contains(&name) {
                return (port, event);
            }
        }
        port.close(registry);
    }
    panic!("{name} is never told of");
}

#[test]
fn a_port_that_is_locked_says_by_whom_and_is_opened_when_it_is_free() {
    let poll = Poll::new().unwrap();
    let now = Instant::now();
    let (_master, path) = tty::pty().unwrap();
    let mut other = user_of(&path);
    let holder = Tty::open(&path).unwrap();
    let words = format!("{} is held by another program: ", path.display());
    // The lock is this process's own; another that has the port open is what can be seen of others.
    let (mut port, event) = tells_of(other.id(), &path, poll.registry(), now);
    let Told::Link(Event::Closed(reason)) = event else { panic!("{event:?}") };
    assert!(reason.starts_with(&words), "{reason}");
    let later = now + Duration::from_secs(10);
    port.handle_timeout(poll.registry(), later);
    assert_eq!(port.poll_event(), None, "told once");
    drop(holder);
    port.handle_timeout(poll.registry(), later + Duration::from_secs(10));
    assert_eq!(port.poll_event(), Some(Event::Opened));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn a_program_that_has_the_port_open_without_a_lock_is_named_and_the_port_is_used() {
    let poll = Poll::new().unwrap();
    let now = Instant::now();
    let (_master, path) = tty::pty().unwrap();
    let mut other = user_of(&path);
    let mut first = port(path.clone(), now);
    first.start(poll.registry(), now);
    assert_eq!(first.poll_event(), Some(Event::Opened));
    first.close(poll.registry());
    let (port, event) = tells_of(other.id(), &path, poll.registry(), now);
    let Told::Log(words) = event else { panic!("{event:?}") };
    assert!(words.contains("is open in another program too: "), "{words}");
    assert_eq!(port.poll_timeout(), None, "looked up once");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn two_configurations_never_have_one_port_under_whatever_names() {
    let folder = std::env::temp_dir().join(format!("mainsd-ports-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (_master, path) = tty::pty().unwrap();
    let link = folder.join("ups");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let poll = Poll::new().unwrap();
    let now = Instant::now();
    let locks = |config: &str| DeviceLocks::new(Some(folder.clone()), std::path::Path::new(config));
    // What the lock of the open port does not show: another node of the same device.
    let name = tty::device_name(&path).unwrap();
    let held = locks("/etc/left.conf").take(&name).unwrap();
    let mut right = port(link, now).with_locks(locks("/etc/right.conf"));
    right.start(poll.registry(), now);
    let Some(Event::Closed(reason)) = right.poll_event() else { panic!() };
    assert!(reason.contains("is held by another program: "), "{reason}");
    assert!(reason.ends_with("configuration /etc/left.conf; trying again"), "{reason}");
    drop(held);
    right.handle_timeout(poll.registry(), now + Duration::from_secs(10));
    assert_eq!(right.poll_event(), Some(Event::Opened));
    assert!(locks("/etc/left.conf").take(&name).is_err());
    right.close(poll.registry());
    assert!(locks("/etc/left.conf").take(&name).is_ok());
    std::fs::remove_dir_all(folder).unwrap();
}
