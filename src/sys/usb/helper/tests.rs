use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::*;

/// Polls once; a signal that another test caused is no event.
fn wait(poll: &mut Poll, events: &mut Events) {
    while let Err(error) = poll.poll(events, Some(Duration::from_secs(30))) {
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}

/// Waits for the next report through the same kind of poll as the loop's.
fn next(helper: &Helper) -> Message {
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut SourceFd(&helper.as_raw_fd()), Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(4);
    loop {
        if let Some(message) = helper.receive().unwrap() {
            return message;
        }
        wait(&mut poll, &mut events);
        assert!(!events.is_empty(), "the helper said nothing for 30 seconds");
    }
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mainsd-helper-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn files_come_over_whole_and_a_missing_one_is_none() {
    let at = folder("files");
    fs::write(at.join("serial"), "3B1004X02003  \n").unwrap();
    fs::write(at.join("empty"), "").unwrap();
    fs::write(at.join("big"), vec![7; 5000]).unwrap();
    let files = ["serial", "missing", "empty", "big"].map(|n| at.join(n)).to_vec();
    let helper = Helper::start(&Paths { files, node: at.join("node") }).unwrap();
    let Message::Files(files) = next(&helper) else { panic!("not the files") };
    assert_eq!(files[0].as_deref(), Some(&b"3B1004X02003  \n"[..]));
    assert_eq!(files[1], None);
    assert_eq!(files[2].as_deref(), Some(&b""[..]));
    assert_eq!(files[3].as_ref().map(Vec::len), Some(FILE_MAX));
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn an_opened_node_is_handed_over_and_usable() {
    let at = folder("open");
    fs::write(at.join("node"), "contents").unwrap();
    let helper = Helper::start(&Paths { files: Vec::new(), node: at.join("node") }).unwrap();
    assert!(matches!(next(&helper), Message::Files(files) if files.is_empty()));
    helper.open().unwrap();
    let Message::Opened(fd) = next(&helper) else { panic!("not opened") };
    let text = std::io::read_to_string(fs::File::from(fd)).unwrap();
    assert_eq!(text, "contents");
    assert!(matches!(next(&helper), Message::Gone));
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn a_node_that_is_missing_says_why() {
    let at = folder("missing");
    let helper = Helper::start(&Paths { files: Vec::new(), node: at.join("node") }).unwrap();
    next(&helper);
    helper.open().unwrap();
    let Message::Failed(error) = next(&helper) else { panic!("opened a node that does not exist") };
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn a_child_that_is_no_longer_wanted_ends_and_holds_no_other_descriptor() {
    let at = folder("holds");
    // The write end of a pipe is inherited by every child; end of file proves that none has kept it.
    let (reader, writer) = std::io::pipe().unwrap();
    let fifo = at.join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // Opening a fifo for reading waits for a writer, as a device's lock does.
    let helper = Helper::start(&Paths { files: vec![fifo.clone()], node: at.join("node") }).unwrap();
    drop(writer);
    let mut poll = Poll::new().unwrap();
    let mut source = SourceFd(&reader.as_fd().as_raw_fd());
    poll.registry().register(&mut source, Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(4);
    wait(&mut poll, &mut events);
    assert!(events.iter().any(mio::event::Event::is_read_closed), "the waiting child still holds our pipe");
    assert!(helper.receive().unwrap().is_none(), "the child did not wait");
    // Let the child go.
    drop(fs::OpenOptions::new().write(true).open(&fifo).unwrap());
    assert!(matches!(next(&helper), Message::Files(_)));
    fs::remove_dir_all(at).unwrap();
}
