use crate::sys::scratch::Scratch;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::child::serve_with;
use super::*;
use crate::sys::named_lock::PassedLock;
use crate::sys::passing::socket_pair;
use crate::sys::usb::kernel::DeviceRequest;

/// Polls once; a signal that another test caused is no event.
fn wait(poll: &mut Poll, events: &mut Events) {
    while let Err(error) = poll.poll(events, Some(Duration::from_secs(30))) {
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}

/// Waits until something is so of a descriptor, through the same kind of poll as the loop's.
fn wait_until(fd: BorrowedFd<'_>, is: impl Fn(&Event) -> bool) {
    let mut poll = Poll::new().unwrap();
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), Token(0), interest).unwrap();
    let mut events = Events::with_capacity(4);
    while !events.iter().any(&is) {
        wait(&mut poll, &mut events);
        assert!(!events.is_empty(), "nothing for 30 seconds");
    }
}

/// Waits for the next report but [`Message::Fresh`] and [`Message::Lock`].
fn next(opener: &Opener) -> Message {
    let mut poll = Poll::new().unwrap();
    poll.registry().register(&mut SourceFd(&opener.as_raw_fd()), Token(0), Interest::READABLE).unwrap();
    let mut events = Events::with_capacity(4);
    loop {
        match opener.receive().unwrap() {
            Some(Message::Fresh(words)) => assert_eq!(words, b"now"),
            Some(Message::Lock(_)) => {}
            Some(message) => return message,
            None => {
                wait(&mut poll, &mut events);
                assert!(!events.is_empty(), "the opener said nothing for 30 seconds");
            }
        }
    }
}

/// A folder with a node, which is a file of what the kernel was asked, and a lock.
struct Place(Scratch);

impl Place {
    fn new(name: &str) -> Self {
        let path = Scratch::new(&format!("opener-{name}"));
        Self(path)
    }

    fn with_node(name: &str) -> Self {
        let place = Self::new(name);
        fs::write(place.node(), "").unwrap();
        place
    }

    fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    fn target(&self, files: Vec<PathBuf>) -> Target {
        Target { files, node: self.node(), interface: 2 }
    }

    fn lock(&self) -> Result<Lock, String> {
        let file = File::create(self.0.join("lock")).map_err(|error| error.to_string())?;
        Ok(Lock(self.0.join("lock"), file))
    }

    fn is_locked(&self) -> bool {
        self.0.join("lock").exists()
    }

    fn fifo(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        path
    }

    /// An opener for a device of which the kernel says this, and its end of the socket once more.
    fn opener_with(&self, answer: fn(DeviceRequest) -> i32) -> (Opener, OwnedFd) {
        let (ours, theirs) = socket_pair().unwrap();
        let ask = |device: BorrowedFd<'_>, request| {
            let mut asked = File::from(device.try_clone_to_owned()?);
            asked.seek(SeekFrom::End(0))?;
            asked.write_all(format!("{request:?}\n").as_bytes())?;
            match answer(request) {
                0 => Ok(()),
                code => Err(io::Error::from_raw_os_error(code)),
            }
        };
        let fresh = || Some(b"now".to_vec());
        serve_with(&self.target(Vec::new()), &theirs, || self.lock(), fresh, ask).unwrap();
        let opener = Opener::new(ours.try_clone().unwrap());
        assert!(matches!(next(&opener), Message::Files(files) if files.is_empty()));
        (opener, ours)
    }

    fn opener(&self, files: Vec<PathBuf>) -> Opener {
        let (ours, theirs) = socket_pair().unwrap();
        serve(&self.target(files), &theirs, || self.lock(), || Some(b"now".to_vec())).unwrap();
        Opener::new(ours)
    }

    /// What the kernel was asked, in order.
    fn asked(&self) -> Vec<String> {
        fs::read_to_string(self.node()).unwrap().lines().map(str::to_owned).collect()
    }
}

struct Lock(PathBuf, File);

impl PassedLock for Lock {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.1.as_fd())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const TAKEN: [&str; 3] = ["GetConfiguration", "TakeInterface(2)", "Strip(2)"];

#[test]
fn files_come_over_whole_and_a_missing_one_is_none() {
    let place = Place::new("files");
    let at = Path::new(&*place.0);
    fs::write(at.join("serial"), "3B1004X02003  \n").unwrap();
    fs::write(at.join("empty"), "").unwrap();
    fs::write(at.join("big"), vec![7; 5000]).unwrap();
    let opener = place.opener(["serial", "missing", "empty", "big"].map(|n| at.join(n)).to_vec());
    let Message::Files(files) = next(&opener) else { panic!("not the files") };
    assert_eq!(files[0].as_deref(), Some(&b"3B1004X02003  \n"[..]));
    assert_eq!(files[1], None);
    assert_eq!(files[2].as_deref(), Some(&b""[..]));
    assert_eq!(files[3].as_ref().map(Vec::len), Some(FILE_MAX));
}

#[test]
fn a_device_is_handed_over_claimed_and_stripped_and_its_lock_with_it() {
    let place = Place::with_node("open");
    let (opener, ours) = place.opener_with(|_| 0);
    opener.open().unwrap();
    let Message::Opened(fd) = next(&opener) else { panic!("not opened") };
    assert_eq!(place.asked(), TAKEN);
    let mut file = File::from(fd);
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(io::read_to_string(file).unwrap().lines().count(), 3, "it is another file");
    shutdown(&ours, Shutdown::Write).unwrap();
    assert!(matches!(next(&opener), Message::Gone));
    assert!(place.is_locked(), "who has the lock decides when it is given up");
}

#[test]
fn a_lock_that_was_passed_is_taken_until_both_have_let_go_of_it_and_cannot_be_written() {
    use crate::sys::named_lock::{NamedLock, Refused};
    let place = Place::with_node("passed");
    let path = place.0.join("name");
    let (ours, theirs) = socket_pair().unwrap();
    let take = || NamedLock::take(&path, "here").map(Some).map_err(|_| "held".to_owned());
    let ask = |_: BorrowedFd<'_>, _| Ok(());
    serve_with(&place.target(Vec::new()), &theirs, take, || Some(b"now".to_vec()), ask).unwrap();
    drop(theirs);
    let opener = Opener::new(ours);
    opener.open().unwrap();
    let mut lock = None;
    loop {
        match opener.receive().unwrap() {
            Some(Message::Lock(passed)) => lock = Some(passed),
            Some(Message::Opened(_)) => break,
            Some(_) => {}
            None => wait_until(opener.socket.as_fd(), Event::is_readable),
        }
    }
    let lock = lock.expect("the lock comes first");
    shutdown(&opener.socket, Shutdown::Write).unwrap();
    assert!(matches!(next(&opener), Message::Gone));
    assert!(matches!(NamedLock::take(&path, "there"), Err(Refused::Held(holder)) if holder.note == "here"));
    assert!(rustix::io::write(&lock, b"x").is_err());
    drop(lock);
    // The child, and those of other tests, have copies until they have ended.
    while NamedLock::take(&path, "there").is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn a_device_is_reset_and_given_back_by_another_child_also_when_nobody_waits_for_it() {
    for (name, asked) in [("reset", "Reset"), ("given-back", "AttachDriver(2)")] {
        let place = Place::with_node(name);
        let (opener, ours) = place.opener_with(|_| 0);
        if name == "reset" {
            opener.reset().unwrap();
            assert!(matches!(next(&opener), Message::Done));
        } else {
            opener.back().unwrap();
            shutdown(&ours, Shutdown::Read).unwrap();
        }
        wait_until(ours.as_fd(), Event::is_write_closed);
        assert_eq!(place.asked(), [asked]);
        assert!(!place.is_locked());
    }
}

#[test]
fn what_is_said_before_a_reset_is_over_is_no_news() {
    let place = Place::with_node("no-news");
    let (opener, _ours) = place.opener_with(|_| 0);
    opener.reset().unwrap();
    loop {
        match opener.receive().unwrap() {
            None => wait_until(opener.socket.as_fd(), Event::is_readable),
            Some(Message::Done) => break,
            Some(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_copy_of_an_open_device_stays_in_the_child() {
    let place = Place::new("copy");
    let node = place.fifo("node");
    let reader = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(node).unwrap();
    let (ours, theirs) = socket_pair().unwrap();
    let fresh = || Some(b"now".to_vec());
    serve_with(&place.target(Vec::new()), &theirs, || place.lock(), fresh, |_, _| Ok(())).unwrap();
    drop(theirs);
    let opener = Opener::new(ours);
    next(&opener);
    opener.open().unwrap();
    let Message::Opened(fd) = next(&opener) else { panic!("not opened") };
    drop(fd);
    // The end of the file: nobody has it open for writing.
    wait_until(reader.as_fd(), Event::is_read_closed);
    assert!(matches!(opener.receive(), Ok(None)), "the child has ended");
}

#[test]
fn a_kernel_that_cannot_take_an_interface_in_one_step_is_asked_in_two_and_one_that_cannot_strip_is_none_the_worse()
 {
    let place = Place::with_node("old");
    let (opener, _ours) = place.opener_with(|request| match request {
        DeviceRequest::TakeInterface(_) | DeviceRequest::Strip(_) => libc::ENOTTY,
        DeviceRequest::DetachDriver(_) => libc::ENODATA,
        _ => 0,
    });
    opener.open().unwrap();
    assert!(matches!(next(&opener), Message::Opened(_)));
    let steps = ["GetConfiguration", "TakeInterface(2)", "DetachDriver(2)", "ClaimInterface(2)", "Strip(2)"];
    assert_eq!(place.asked(), steps);
}

#[test]
fn an_interface_that_a_program_has_is_left_alone() {
    let place = Place::with_node("held");
    let (opener, _ours) = place.opener_with(|request| match request {
        DeviceRequest::TakeInterface(_) => libc::EBUSY,
        _ => 0,
    });
    opener.open().unwrap();
    assert!(matches!(next(&opener), Message::Held(holder) if holder.is_empty()));
    assert!(matches!(next(&opener), Message::Gone));
    assert_eq!(place.asked(), TAKEN[..2]);
    assert!(!place.is_locked());
    let place = Place::with_node("held-old");
    let (opener, _ours) = place.opener_with(|request| match request {
        DeviceRequest::TakeInterface(_) => libc::ENOTTY,
        DeviceRequest::DetachDriver(_) => libc::EBUSY,
        _ => 0,
    });
    opener.open().unwrap();
    assert!(matches!(next(&opener), Message::Held(holder) if holder.is_empty()));
    assert_eq!(place.asked().last().unwrap(), "DetachDriver(2)");
}

#[test]
fn what_cannot_be_claimed_says_why_and_a_silent_device_is_not_claimed() {
    let place = Place::with_node("unusable");
    let (opener, _ours) = place.opener_with(|request| match request {
        DeviceRequest::TakeInterface(_) => libc::EPERM,
        _ => 0,
    });
    opener.open().unwrap();
    let Message::Unusable(error) = next(&opener) else { panic!("claimed") };
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    let place = Place::with_node("silent");
    let (opener, ours) = place.opener_with(|_| libc::ETIMEDOUT);
    opener.open().unwrap();
    assert!(matches!(next(&opener), Message::Silent));
    opener.give_back();
    wait_until(ours.as_fd(), Event::is_write_closed);
    assert_eq!(place.asked(), ["GetConfiguration"], "a silent device was given back");
}

#[test]
fn a_lock_that_another_has_keeps_the_node_closed_and_says_who() {
    let place = Place::with_node("locked");
    for ask in [Opener::open, Opener::ask_holder] {
        let (ours, theirs) = socket_pair().unwrap();
        let held = || Err::<Lock, _>("upsd".to_owned());
        serve(&place.target(Vec::new()), &theirs, held, || Some(b"now".to_vec())).unwrap();
        let opener = Opener::new(ours);
        next(&opener);
        ask(&opener).unwrap();
        assert!(matches!(next(&opener), Message::Held(holder) if holder == "upsd"));
    }
    let (opener, _ours) = place.opener_with(|_| 0);
    opener.ask_holder().unwrap();
    assert!(matches!(next(&opener), Message::Held(holder) if holder.is_empty()));
    assert!(place.asked().is_empty() && !place.is_locked());
}

#[test]
fn a_device_is_given_back_also_when_it_was_opened_for_nobody() {
    for wait in [true, false] {
        let place = Place::with_node(if wait { "back" } else { "unheard" });
        let (opener, ours) = place.opener_with(|_| 0);
        opener.open().unwrap();
        if wait {
            assert!(matches!(next(&opener), Message::Opened(_)));
        }
        opener.give_back();
        wait_until(ours.as_fd(), Event::is_write_closed);
        // Where nobody listens any more, the device need not be opened.
        let asked = place.asked();
        assert!(
            asked == [&TAKEN[..], &["AttachDriver(2)"]].concat() || !wait && asked.is_empty(),
            "{asked:?}"
        );
        assert!(!place.is_locked());
    }
    // One that was not told to open it has nothing to give back.
    let place = Place::with_node("untouched");
    let (opener, ours) = place.opener_with(|_| 0);
    opener.give_back();
    drop(ours);
    assert!(place.asked().is_empty());
}

#[test]
fn orders_that_make_no_sense_are_not_carried_out() {
    for orders in
        [&b"x"[..], &[GO_OPEN, GO_OPEN], &[GO_OPEN, GO_ASK], &[GO_OPEN, GO_RESET], &[GO_OPEN, GO_BACK]]
    {
        let place = Place::with_node("sense");
        let (opener, _ours) = place.opener_with(|_| 0);
        for order in orders {
            let _ = opener.say(*order);
        }
        while !matches!(next(&opener), Message::Gone) {}
        assert!(place.asked().len() <= 3, "{:?}", place.asked());
    }
}

#[test]
fn a_node_that_is_missing_says_why() {
    let place = Place::new("missing");
    let opener = place.opener(Vec::new());
    next(&opener);
    opener.open().unwrap();
    let Message::Failed(error) = next(&opener) else { panic!("opened a node that does not exist") };
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_child_that_is_no_longer_wanted_ends_and_holds_no_other_descriptor() {
    let place = Place::new("holds");
    // The write end of a pipe is inherited by every child; end of file proves that none has kept it.
    let (reader, writer) = crate::sys::fs::pipe().unwrap();
    let fifo = place.fifo("fifo");
    // Opening a fifo for reading waits for a writer, as a device's lock does.
    let opener = place.opener(vec![fifo.clone()]);
    drop(writer);
    wait_until(reader.as_fd(), Event::is_read_closed);
    assert!(opener.receive().unwrap().is_none(), "the child did not wait");
    // Let the child go.
    drop(fs::OpenOptions::new().write(true).open(&fifo).unwrap());
    assert!(matches!(next(&opener), Message::Files(_)));
}
