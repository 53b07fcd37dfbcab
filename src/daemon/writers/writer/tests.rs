//! A writer that ends, hangs, or cannot be started.

#![allow(clippy::disallowed_methods, reason = "any moment will do")]

use super::*;
use crate::journal::{Files, FilesSettings};
use std::rc::Rc;

use crate::sys::role::{Kind as RoleKind, Streams};

const ACKNOWLEDGES: RoleKind<'static> =
    RoleKind { name: c"acknowledges", kept: &[], streams: Streams::Null, has_loop: false };

#[test]
fn what_a_writer_has_told_before_its_end_counts() {
    let now = Instant::now();
    let fork = Fork(Rc::new(|_| {
        Role::start(
            &ACKNOWLEDGES,
            || (),
            |socket| {
                let _ = socket.receive(&mut [0; MAX_PACKET]);
                socket.send(&[b'a', 1, 0, 0, 0, 0, 0, 0, 0]);
            },
        )
    }));
    let sink = Sink::Files(Box::new(Files::new(FilesSettings::default(), None)));
    let mut writer = Writer::new(sink, Some(fork), now);
    let line = ToWriter::Line { priority: Priority::Notice, unix: 0, text: "a line" };
    let first = writer.tell(&line, now);
    while !writer.role.as_mut().unwrap().has_ended() {
        std::thread::yield_now();
    }
    let mut last = writer.tell(&line, now);
    // A child that another test has just forked has its end of the socket too, for a moment.
    let deadline = now + Duration::from_secs(60);
    while writer.role.is_some() && Instant::now() < deadline {
        std::thread::yield_now();
        last = writer.tell(&line, now);
    }
    assert!(writer.role.is_none() && writer.is_past(first, now), "it would be written twice");
    assert!(!writer.is_past(last, now));
}

#[test]
fn the_events_file_as_the_writer_before_told_it_is_no_answer_to_who_asks_the_next() {
    let now = Instant::now();
    let fork = Fork(Rc::new(|_| Err(std::io::Error::from_raw_os_error(11))));
    let mut writer =
        Writer::new(Sink::Files(Box::new(Files::new(FilesSettings::default(), None))), Some(fork), now);
    writer.told.clear();
    writer.told.push_back(Told::Events(b"old\n".to_vec(), [true; 3]));
    writer.told.push_back(Told::NotForFiles("trouble".to_owned()));
    writer.renew(now);
    assert_eq!(writer.poll_told(), Some(Told::NotForFiles("trouble".to_owned())));
    assert_eq!(writer.poll_told(), None);
}

#[test]
fn at_the_end_what_was_lost_is_told_before_nothing_more_comes() {
    let now = Instant::now();
    let fork = Fork(Rc::new(|_| {
        Role::start(
            &ACKNOWLEDGES,
            || (),
            |socket| {
                let mut buffer = [0; MAX_PACKET];
                while let Ok(1..) = socket.receive(&mut buffer) {
                    buffer[0] = b'a';
                    socket.send(&buffer[..9]);
                }
            },
        )
    }));
    let sink = Sink::Files(Box::new(Files::new(FilesSettings::default(), None)));
    let mut writer = Writer::new(sink, Some(fork), now);
    let text = "x".repeat(1000);
    for _ in 0..200 {
        writer.queue.push(&ToWriter::Line { priority: Priority::Notice, unix: 0, text: &text });
    }
    // So many that the socket has room for the rest, and the queue has none yet.
    for _ in 0..40 {
        writer.queue.note_sent(now);
    }
    writer.queue.acknowledge(40, now);
    while !writer.finish(now) {
        crate::sys::role::wait_for_any(writer.role().into_iter(), HANGS_AFTER);
    }
    assert!(writer.queue.is_empty() && !writer.queue.has_lost());
}

#[test]
fn where_no_process_can_be_had_the_loop_writes_and_says_so_once() {
    let now = Instant::now();
    let path = std::env::temp_dir().join(format!("mainsd-writer-in-loop-{}", std::process::id()));
    let settings = FilesSettings { events: Some(path.clone()), ..FilesSettings::default() };
    let fork = Fork(Rc::new(|_| Err(std::io::Error::from_raw_os_error(11))));
    let mut writer = Writer::new(Sink::Files(Box::new(Files::new(settings, None))), Some(fork), now);
    let words = "No process can be started for events, status and state file (Resource temporarily unavailable): \
                 a disk or terminal that hangs holds up the daemon";
    assert_eq!(writer.poll_told(), Some(Told::Line(Priority::Warning, words.to_owned())));
    let line = |text| ToWriter::Line { priority: Priority::Notice, unix: 0, text };
    let number = writer.tell(&line("one"), now);
    assert!(writer.is_past(number, now));
    assert_eq!(writer.poll_timeout(), Some(now + FORK_RETRY_INTERVAL));
    let poll = mio::Poll::new().unwrap();
    writer.handle_timeout(poll.registry(), Token(2), now + FORK_RETRY_INTERVAL);
    writer.tell(&line("two"), now + FORK_RETRY_INTERVAL);
    assert_eq!(writer.poll_told(), None);
    let is_open = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter_map(|entry| std::fs::read_link(entry.path()).ok()).any(|target| target == path)
    };
    assert!(is_open());
    writer.handle_timeout(poll.registry(), Token(2), now + 2 * FORK_RETRY_INTERVAL);
    assert!(!is_open(), "a process would have its number, and no file");
    assert!(writer.finish(now + FORK_RETRY_INTERVAL));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(text.contains("  one\n") && text.ends_with("  two\n"), "{text}");
}
