#![allow(clippy::disallowed_methods)]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mio::{Events, Poll};

use super::*;

/// A sysfs and a /dev in a temporary folder.
struct Simulation {
    root: PathBuf,
}

impl Simulation {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("mainsd-usb-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("sys/bus/usb/devices")).unwrap();
        Self { root }
    }

    fn roots(&self) -> Roots {
        Roots { sys: self.root.join("sys"), dev: self.root.join("dev") }
    }

    fn devices(&self) -> PathBuf {
        self.root.join("sys/bus/usb/devices")
    }

    /// A device with one interface of this class, bound to a driver.
    fn plug(&self, name: &str, address: u8, ids: &str, class: &str, driver: Option<&str>) -> PathBuf {
        let at = self.devices().join(name);
        let interface = self.devices().join(format!("{name}:1.0"));
        fs::create_dir_all(&at).unwrap();
        fs::create_dir_all(&interface).unwrap();
        let (vendor, product) = ids.split_once(':').unwrap();
        let address = address.to_string();
        for (file, text) in [
            ("busnum", "1"),
            ("devnum", &address),
            ("idVendor", vendor),
            ("idProduct", product),
            ("bcdDevice", "0106"),
        ] {
            fs::write(at.join(file), format!("{text}\n")).unwrap();
        }
        fs::write(interface.join("bInterfaceClass"), format!("{class}\n")).unwrap();
        fs::write(interface.join("bInterfaceNumber"), "00\n").unwrap();
        if let Some(driver) = driver {
            symlink(Path::new("../../drivers").join(driver), interface.join("driver")).unwrap();
        }
        let node = self.root.join(format!("dev/bus/usb/001/{address:0>3}"));
        fs::create_dir_all(node.parent().unwrap()).unwrap();
        fs::write(node, "").unwrap();
        at
    }

    fn ups(&self, name: &str, address: u8, serial: &str, driver: Option<&str>) -> PathBuf {
        let at = self.plug(name, address, "051d:0002", "03", driver);
        fs::write(at.join("serial"), format!("{serial}\n")).unwrap();
        if driver == Some("usbhid") {
            let hid = self.devices().join(format!("{name}:1.0/0003:051D:0002.0001"));
            fs::create_dir_all(&hid).unwrap();
            fs::write(hid.join("report_descriptor"), [0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0xc0]).unwrap();
        }
        at
    }

    fn fifo(&self, path: &Path) {
        let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// For what ends by itself.
const TIMEOUT: Duration = Duration::from_secs(30);

fn serial_is(wanted: &'static str) -> Matcher {
    Box::new(move |info| match (info.vendor, info.serial.as_deref()) {
        (0x051d, Some(serial)) if serial.trim() == wanted => Verdict::Wanted,
        (0x051d, _) => Verdict::Other,
        _ => Verdict::Foreign,
    })
}

/// Polls once; a signal that another test caused is no event.
fn wait(poll: &mut Poll, events: &mut Events, limit: Duration) {
    while let Err(error) = poll.poll(events, Some(limit)) {
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    }
}

/// Runs the port until the search has ended; what it told. When nothing has moved for `stuck`, the search's own deadline
/// passes.
fn search(port: &mut UsbPort, poll: &mut Poll, mut now: Instant, stuck: Duration) -> Vec<String> {
    let mut events = Events::with_capacity(8);
    port.start(poll.registry(), now);
    while matches!(port.state, State::Looking(_)) {
        wait(poll, &mut events, stuck);
        if events.is_empty() {
            now = port.poll_timeout().unwrap();
            port.handle_timeout(poll.registry(), now);
        }
        for event in &events {
            port.ready(poll.registry(), event.token(), now);
        }
    }
    let mut told: Vec<String> = port.log.drain(..).map(|(_, reason)| format!("rejected: {reason}")).collect();
    while let Some(event) = port.poll_event() {
        told.push(match event {
            Event::Closed(reason) => format!("closed: {reason}"),
            other => format!("{other:?}"),
        });
    }
    told
}

fn told_by(world: &Simulation, matcher: Matcher) -> Vec<String> {
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), matcher, DeviceLocks::default(), now);
    let told = search(&mut port, &mut poll, now, TIMEOUT);
    port.close(poll.registry());
    told
}

#[test]
fn hid_interfaces_are_listed_with_what_sysfs_shows_in_order_of_their_ports() {
    let world = Simulation::new("scan");
    world.ups("1-1.10", 7, "LATER", Some("usbhid"));
    world.ups("1-1.9", 4, "FIRST", None);
    world.plug("1-2", 5, "0781:5567", "08", Some("usb-storage"));
    let found = world.roots().scan();
    let places: Vec<&str> = found.iter().map(|c| c.info.location.as_str()).collect();
    assert_eq!(places, ["1-1.9", "1-1.10"], "storage is no HID");
    assert!(found[0].info.report_descriptor.is_empty(), "no driver, no report descriptor");
    assert_eq!(found[1].info.report_descriptor.len(), 7);
    assert_eq!(found[1].driver.as_deref(), Some("usbhid"));
    assert_eq!((found[1].info.vendor, found[1].info.product), (0x051d, 2));
    assert_eq!((found[1].info.bcd_device, found[1].configuration), (0x0106, 1));
    assert_eq!(found[1].node, world.root.join("dev/bus/usb/001/007"));
}

#[test]
fn an_empty_machine_has_no_ups_and_says_so_once() {
    let world = Simulation::new("none");
    assert_eq!(told_by(&world, serial_is("X")), ["closed: no USB UPS found"]);
    let absent = Simulation { root: world.root.join("absent") };
    assert_eq!(told_by(&absent, serial_is("X")), ["closed: no USB UPS found"]);
}

#[test]
fn a_foreign_device_is_never_touched() {
    let world = Simulation::new("foreign");
    let at = world.plug("1-1", 2, "046d:c31c", "03", Some("usbhid"));
    world.fifo(&at.join("serial"));
    assert_eq!(told_by(&world, serial_is("X")), ["closed: no USB UPS found"]);
    let write = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(at.join("serial"));
    assert_eq!(write.unwrap_err().raw_os_error(), Some(libc::ENXIO), "somebody reads its serial number");
}

#[test]
fn the_matcher_sees_the_strings_before_anything_is_opened() {
    let world = Simulation::new("strings");
    let at = world.ups("1-1", 2, "3B1004X02003  ", Some("usbhid"));
    fs::write(at.join("product"), "Back-UPS ES 850G2 FW:938.a2 .I USB FW:a2\n").unwrap();
    fs::write(at.join("descriptors"), [9, 2, 0, 0, 1, 1, 0, 0, 0, 9, 4, 0, 0, 1, 3, 0, 0, 0]).unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let list = Rc::clone(&seen);
    let told = told_by(
        &world,
        Box::new(move |info| {
            list.borrow_mut().push((info.product_name.clone(), info.serial.clone()));
            Verdict::Other
        }),
    );
    assert_eq!(told, ["closed: UPS 1-1 (051d:0002) is not the one that DEVICE names"]);
    let product = Some("Back-UPS ES 850G2 FW:938.a2 .I USB FW:a2".to_owned());
    assert_eq!(*seen.borrow(), [(None, None), (product, Some("3B1004X02003  ".to_owned()))]);
}

/// A device without a serial number whose descriptor the kernel has read badly.
fn doubtful(info: &DeviceInfo) -> Verdict {
    match info.vendor {
        0x051d => Verdict::Wanted,
        _ => Verdict::Doubtful,
    }
}

#[test]
fn a_doubtful_device_is_tried_after_those_that_are_wanted_and_not_again_once_it_is_left_alone() {
    let world = Simulation::new("doubtful");
    world.plug("1-1", 2, "0764:0501", "03", Some("usbhid"));
    world.ups("1-2", 3, "MINE", Some("usbhid"));
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), Box::new(doubtful), DeviceLocks::default(), now);
    // Neither node is a USB device: each that is opened is told.
    let told = search(&mut port, &mut poll, now, TIMEOUT);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("1-2") && told[1].contains("1-1"), "{told:?}");
    port.left_alone.push_back(world.root.join("dev/bus/usb/001/002"));
    fs::remove_dir_all(world.devices().join("1-2:1.0")).unwrap();
    port.told_closed = false;
    let told = search(&mut port, &mut poll, now + RETRY_MAX, TIMEOUT);
    assert_eq!(told, ["closed: no USB UPS found"]);
    // Plugged in anew it has another node.
    fs::write(world.devices().join("1-1/devnum"), "9\n").unwrap();
    fs::write(world.root.join("dev/bus/usb/001/009"), "").unwrap();
    port.told_closed = false;
    port.told.clear();
    let told = search(&mut port, &mut poll, now + RETRY_MAX * 2, TIMEOUT);
    assert!(told[0].contains("1-1"), "{told:?}");
    port.close(poll.registry());
}

#[test]
fn a_unit_that_another_program_holds_is_left_alone() {
    let world = Simulation::new("held");
    let at = world.ups("1-1", 2, "HELD", Some("usbfs"));
    let node = world.root.join("dev/bus/usb/001/002");
    fs::remove_file(&node).unwrap();
    world.fifo(&node);
    let held = "UPS 1-1 (051d:0002) is held by another program: left alone";
    let told = told_by(&world, serial_is("HELD"));
    assert_eq!(told, [format!("rejected: {held}"), format!("closed: {held}")]);
    let write = fs::OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&node);
    assert_eq!(write.unwrap_err().raw_os_error(), Some(libc::ENXIO), "somebody has opened its node");
    // Another instance's unit is no reason for a word to one who wants a different one.
    fs::write(at.join("serial"), "OTHER\n").unwrap();
    let told = told_by(&world, serial_is("HELD"));
    assert_eq!(told, ["closed: UPS 1-1 (051d:0002) is not the one that DEVICE names"]);
}

#[test]
fn a_missing_node_says_what_to_do() {
    let world = Simulation::new("node");
    world.ups("1-1", 2, "MINE", Some("usbhid"));
    fs::remove_file(world.root.join("dev/bus/usb/001/002")).unwrap();
    let told = told_by(&world, serial_is("MINE"));
    assert_eq!(told.len(), 2);
    assert!(told[0].contains("does not exist: is /dev/bus/usb passed into this container?"), "{told:?}");
}

#[test]
fn a_node_that_is_no_usb_device_is_an_error_in_words() {
    let world = Simulation::new("file");
    world.ups("1-1", 2, "MINE", Some("usbhid"));
    let told = told_by(&world, serial_is("MINE"));
    assert!(
        told[0].starts_with("rejected: UPS 1-1 (051d:0002): cannot use it: Inappropriate ioctl"),
        "{told:?}"
    );
}

#[test]
fn a_device_that_keeps_the_kernel_waiting_does_not_keep_the_port_waiting() {
    let world = Simulation::new("stuck");
    let at = world.ups("1-1", 2, "", Some("usbhid"));
    fs::remove_file(at.join("serial")).unwrap();
    world.fifo(&at.join("serial"));
    world.ups("1-2", 3, "SECOND", Some("usbfs"));
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut port =
        UsbPort::new(world.roots(), Token(0x100), serial_is("SECOND"), DeviceLocks::default(), now);
    let told = search(&mut port, &mut poll, now, Duration::from_secs(2));
    assert_eq!(told[0], "rejected: UPS 1-1 (051d:0002) keeps the kernel waiting: it does not answer");
    assert!(told[1].contains("1-2"), "the search did not go on: {told:?}");
    // While it waits, no second child is sent after it.
    let later = port.poll_timeout().unwrap();
    port.handle_timeout(poll.registry(), later);
    assert!(matches!(&port.state, State::Looking(_)));
    let again = search(&mut port, &mut poll, later, TIMEOUT);
    assert!(again.is_empty(), "{again:?}");
    // Once the kernel lets it go, the port looks again at once.
    fs::OpenOptions::new().write(true).open(at.join("serial")).unwrap();
    let mut events = Events::with_capacity(8);
    while port.sources.is_stuck(&world.root.join("dev/bus/usb/001/002")) {
        wait(&mut poll, &mut events, TIMEOUT);
        assert!(!events.is_empty());
        for event in &events {
            port.ready(poll.registry(), event.token(), later);
        }
    }
    assert!(port.poll_timeout().unwrap() <= later);
    port.close(poll.registry());
}

#[test]
fn a_device_that_answers_again_during_a_search_is_looked_at_soon_after_it() {
    let world = Simulation::new("soon");
    let serials = [("1-1", 2), ("1-2", 3)].map(|(name, address)| {
        let serial = world.ups(name, address, "", Some("usbhid")).join("serial");
        fs::remove_file(&serial).unwrap();
        world.fifo(&serial);
        serial
    });
    let mut poll = Poll::new().unwrap();
    let mut now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), serial_is("X"), DeviceLocks::default(), now);
    port.start(poll.registry(), now);
    // The first is left alone, and answers while the second is tried.
    now = port.poll_timeout().unwrap();
    port.handle_timeout(poll.registry(), now);
    let first = world.root.join("dev/bus/usb/001/002");
    assert!(port.sources.is_stuck(&first) && matches!(port.state, State::Looking(_)));
    fs::OpenOptions::new().write(true).open(&serials[0]).unwrap();
    let mut events = Events::with_capacity(8);
    while port.sources.is_stuck(&first) {
        wait(&mut poll, &mut events, TIMEOUT);
        assert!(!events.is_empty());
        for event in &events {
            port.ready(poll.registry(), event.token(), now);
        }
    }
    now = port.poll_timeout().unwrap();
    port.handle_timeout(poll.registry(), now);
    assert!(matches!(port.state, State::Idle(at) if at <= now + SETTLE), "{port:?}");
    fs::OpenOptions::new().write(true).open(&serials[1]).unwrap();
    port.close(poll.registry());
}

#[test]
fn a_device_that_is_plugged_in_anew_is_not_taken_for_the_one_before_it_that_keeps_the_kernel_waiting() {
    let world = Simulation::new("anew");
    let serial = world.ups("1-1", 2, "", Some("usbhid")).join("serial");
    fs::remove_file(&serial).unwrap();
    world.fifo(&serial);
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), serial_is("MINE"), DeviceLocks::default(), now);
    let told = search(&mut port, &mut poll, now, Duration::from_secs(2));
    assert_eq!(told[0], "rejected: UPS 1-1 (051d:0002) keeps the kernel waiting: it does not answer");
    // Unplugged, and plugged in at the same place: the child that was sent after the first one waits on.
    fs::rename(&serial, world.root.join("fifo")).unwrap();
    world.ups("1-1", 3, "MINE", None);
    port.told_closed = false;
    let told = search(&mut port, &mut poll, now + RETRY_MAX, TIMEOUT);
    assert!(told[0].contains("cannot use it"), "{told:?}");
    fs::OpenOptions::new().write(true).open(world.root.join("fifo")).unwrap();
    port.close(poll.registry());
}

#[test]
fn without_a_device_the_port_looks_every_few_seconds_and_an_error_is_told_once() {
    let world = Simulation::new("pace");
    world.ups("1-1", 2, "HELD", Some("usbfs"));
    let mut poll = Poll::new().unwrap();
    let mut now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), serial_is("HELD"), DeviceLocks::default(), now);
    assert_eq!(search(&mut port, &mut poll, now, TIMEOUT).len(), 2);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let next = port.poll_timeout().unwrap();
        pauses.push(next.duration_since(now).as_secs());
        now = next;
        assert_eq!(search(&mut port, &mut poll, now, TIMEOUT), Vec::<String>::new());
    }
    assert_eq!(pauses, [1, 2, 4, 5, 5]);
    port.close(poll.registry());
}

#[test]
fn devices_that_are_not_opened_are_told_once_with_the_reason_and_no_more_when_a_ups_was_found() {
    let world = Simulation::new("seen");
    world.plug("1-1", 2, "0424:2514", "09", Some("hub"));
    world.plug("1-1.1", 3, "046d:c31c", "03", None);
    world.plug("1-1.2", 4, "0781:5567", "08", Some("usb-storage"));
    world.ups("1-1.3", 5, "AS1  ", Some("usbhid"));
    let keyboard = world.devices().join("1-1.1:1.0/0003:046D:C31C.0002");
    fs::create_dir_all(&keyboard).unwrap();
    fs::write(keyboard.join("report_descriptor"), [0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0xc0]).unwrap();
    let mut poll = Poll::new().unwrap();
    let now = Instant::now();
    let mut port = UsbPort::new(world.roots(), Token(0x100), serial_is("AS2"), DeviceLocks::default(), now);
    assert_eq!(
        search(&mut port, &mut poll, now, TIMEOUT),
        ["closed: UPS 1-1.3 (051d:0002) is not the one that DEVICE names"]
    );
    let ups = "USB device 1-1.3 (051d:0002): a UPS, but not the one that DEVICE names: its serial number is 'AS1', its bus port 1-1.3";
    let told = port.take_seen();
    assert_eq!(
        told,
        [
            "USB device 1-1.1 (046d:c31c): a keyboard",
            "USB device 1-1.2 (0781:5567): no HID device (storage)",
            ups
        ]
    );
    // Looked at again, nothing is said again; a device that has come is.
    world.plug("1-1.4", 6, "067b:2303", "ff", None);
    search(&mut port, &mut poll, now + RETRY_MAX, TIMEOUT);
    let new =
        "USB device 1-1.4 (067b:2303): no HID device (a kind of its maker's own, such as a serial adapter)";
    assert_eq!(port.take_seen(), [new]);
    port.seen.end();
    world.plug("1-2", 7, "067b:2303", "ff", None);
    search(&mut port, &mut poll, now + RETRY_MAX * 2, TIMEOUT);
    assert_eq!(port.take_seen(), [""; 0]);
    port.close(poll.registry());
}
