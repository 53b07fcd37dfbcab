//! The USB port alone, without a daemon: found, opened, lost, held, silent, given back; and no call of it waits.

use std::time::{Duration, Instant};

use mainsd::bus::usb::{DeviceInfo, Event, TransferError, Transmit, Verdict};
use mainsd::port::Port as _;
use mainsd::port::device_lock::DeviceLocks;
use mainsd::port::usb::{Roots, UsbPort};
use mainsd::ups::Priority;
use mio::{Events, Poll, Token};

use super::{Lab, Scenario, ensure_within};
use crate::support::usbip::{Seen, Unit};

/// One that keeps the kernel from looking at other devices for a while, and one that measures.
pub const ALONE: &[Scenario] = &[
    ("port_is_not_held_up_by_the_kernel_probing_a_silent_device", silent_at_plug),
    ("daemon_with_a_usb_ups_has_one_thread_and_wakes_seldom", one_thread),
];

/// The others.
pub const ALL: &[Scenario] = &[
    ("port_reads_hears_and_gives_the_device_back", life),
    ("port_finds_a_device_again_under_its_new_address", replug),
    ("port_leaves_a_unit_that_another_port_holds", held),
    ("port_closes_a_silent_device_at_once", silent),
    ("port_passes_over_a_device_that_does_not_answer", silent_at_open),
    ("port_clears_a_halted_interrupt_endpoint", halted),
    ("port_resets_a_device_and_finds_it_again", reset),
    ("port_sees_the_descriptor_of_a_device_that_a_killed_program_left", left_without_driver),
];

/// How long the emulated machine may take for anything that ends by itself.
const TIMEOUT: Duration = Duration::from_secs(40);
/// What no call of the port may take, however the device behaves: the kernel's waits for a device are of 5 seconds. In
/// fact a call takes some milliseconds, but on an emulated processor, with four scenarios at a time on a loaded machine.
const CALL_MAX: Duration = Duration::from_secs(3);

/// What the port told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Opened(DeviceInfo),
    Closed(String),
    Rejected(String),
    Control(Result<Vec<u8>, TransferError>),
    Interrupt(Vec<u8>),
}

/// A port in a loop of its own.
struct Loop {
    poll: Poll,
    port: UsbPort,
    longest_call: Duration,
}

impl Loop {
    /// A port that wants the UPS with this serial number.
    fn start(serial: &str) -> Self {
        let poll = Poll::new().unwrap();
        let serial = serial.to_owned();
        let matcher = move |info: &DeviceInfo| match info.serial.as_deref() {
            Some(found) if found.trim() != serial => Verdict::Other,
            _ if info.report_descriptor.is_empty() => Verdict::NeedsDescriptor,
            Some(_) => Verdict::Wanted,
            None => Verdict::Other,
        };
        let mut port = UsbPort::new(
            Roots::default(),
            Token(0x100),
            Box::new(matcher),
            DeviceLocks::default(),
            Instant::now(),
        );
        let started = Instant::now();
        port.start(poll.registry(), started);
        Self { poll, port, longest_call: started.elapsed() }
    }

    /// Runs until something wanted is told; everything told until then.
    #[track_caller]
    fn until(&mut self, what: &str, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        let deadline = Instant::now() + TIMEOUT;
        let mut events = Events::with_capacity(16);
        loop {
            let mut done = false;
            let called = Instant::now();
            // The warnings first: when one device was the last candidate, its warning and Closed come of one call.
            while let Some((priority, line)) = self.port.poll_log() {
                let told = Told::Rejected(line);
                if priority == Priority::Warning {
                    done |= wanted(&told);
                    all.push(told);
                }
            }
            while let Some(event) = self.port.poll_event() {
                let told = match event {
                    Event::Opened(info) => Told::Opened(info),
                    Event::Closed(reason) => Told::Closed(reason),
                    Event::Control(result) => Told::Control(result.map(<[u8]>::to_vec)),
                    Event::Interrupt(bytes) => Told::Interrupt(bytes.to_vec()),
                    Event::InterruptSent(_) => continue,
                };
                done |= wanted(&told);
                all.push(told);
            }
            self.longest_call = self.longest_call.max(called.elapsed());
            if done {
                return all;
            }
            let now = Instant::now();
            assert!(now < deadline, "waited for {what}; told: {all:?}; {:?}", self.port);
            let next = self.port.poll_timeout().map_or(deadline, |at| at.min(deadline));
            let wait = next.saturating_duration_since(now);
            if let Err(error) = self.poll.poll(&mut events, Some(wait)) {
                assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
            }
            let called = Instant::now();
            for event in &events {
                self.port.ready(self.poll.registry(), event.token(), called);
            }
            self.port.handle_timeout(self.poll.registry(), called);
            self.longest_call = self.longest_call.max(called.elapsed());
        }
    }

    #[track_caller]
    fn opened(&mut self) -> DeviceInfo {
        let told = self.until("Opened", |told| matches!(told, Told::Opened(_)));
        told.into_iter().find_map(|t| if let Told::Opened(info) = t { Some(info) } else { None }).unwrap()
    }

    #[track_caller]
    fn closed(&mut self) -> String {
        let told = self.until("Closed", |told| matches!(told, Told::Closed(_)));
        told.into_iter().find_map(|t| if let Told::Closed(why) = t { Some(why) } else { None }).unwrap()
    }

    /// Sends GET_REPORT(Feature) of a report.
    fn ask(&mut self, id: u8, timeout: Duration) {
        let setup = [0xa1, 0x01, id, 0x03, 0, 0, 64, 0];
        let transmit = Transmit::ControlIn { setup, length: 64, timeout, rest: Duration::ZERO };
        self.port.transmit(self.poll.registry(), transmit, Instant::now());
    }

    /// The answer to GET_REPORT(Feature) of a report.
    #[track_caller]
    fn read(&mut self, id: u8) -> Result<Vec<u8>, TransferError> {
        self.ask(id, Duration::from_secs(1));
        let told = self.until("Control", |told| matches!(told, Told::Control(_)));
        told.into_iter()
            .find_map(|t| if let Told::Control(result) = t { Some(result) } else { None })
            .unwrap()
    }

    /// Gives the device back; how long that took.
    fn close(mut self, lab: &Lab) -> Duration {
        let started = Instant::now();
        self.port.close(self.poll.registry());
        let took = started.elapsed();
        lab.measured("longest-call-us", self.longest_call.as_micros());
        lab.measured("close-us", took.as_micros());
        ensure_within(self.longest_call, CALL_MAX, "a call of the port");
        ensure_within(took, CALL_MAX, "closing");
        took
    }
}

const UPS: &str = "apc-back-ups-es-850g2";

fn bound(lab: &Lab) -> Unit {
    let unit = lab.plug(UPS);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "the kernel has no driver for it");
    unit
}

fn life(lab: &Lab) {
    let unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    let info = port.opened();
    assert_eq!((info.vendor, info.product, info.interface), (0x051d, 2, 0));
    assert_eq!(info.location, unit.place());
    assert_eq!(info.serial.as_deref().map(str::trim), Some(lab.serial.as_str()));
    assert_eq!(info.announced_descriptor_len.map(usize::from), Some(info.report_descriptor.len()));
    assert_eq!(unit.kernel_driver().as_deref(), Some("usbfs"));
    let report = port.read(0x0c).unwrap();
    assert_eq!(report.first(), Some(&0x0c), "{report:02x?}");
    // A refusal is an answer, and the next request works.
    assert_eq!(port.read(0xee), Err(TransferError::Stall));
    assert!(port.read(0x0c).is_ok());
    // Reports come one by one, and again after each other.
    for round in 0..3u8 {
        let sent = Instant::now();
        unit.send(&[0x16, round]);
        let told = port.until("Interrupt", |told| matches!(told, Told::Interrupt(_)));
        assert_eq!(told, [Told::Interrupt(vec![0x16, round])]);
        let heard = sent.elapsed();
        port.read(0x16).unwrap();
        lab.measured("interrupt-to-port-us", heard.as_micros());
        lab.measured("interrupt-to-answered-read-us", sent.elapsed().as_micros());
    }
    unit.send(&[0x16, 9]);
    unit.send(&[0x0c, 9, 9]);
    let told = port.until("both", |told| *told == Told::Interrupt(vec![0x0c, 9, 9]));
    assert_eq!(told.len(), 2, "{told:?}");
    port.close(lab);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "held by {:?}", unit.kernel_driver());
}

fn replug(lab: &Lab) {
    let mut unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    let mut place = port.opened().location;
    for _ in 0..3 {
        let pulled = Instant::now();
        unit.unplug();
        assert_eq!(port.closed(), format!("UPS {place} (051d:0002) is gone"));
        lab.measured("unplug-to-closed-ms", pulled.elapsed().as_millis());
        // Longer than the first pause: only the kernel's announcement can bring it back soon.
        std::thread::sleep(Duration::from_secs(2));
        let plugged = Instant::now();
        unit.plug();
        unit.place();
        place = port.opened().location;
        lab.measured("plug-to-opened-ms", plugged.elapsed().as_millis());
        assert!(port.read(0x0c).is_ok());
    }
    // Pulled with a transfer under way.
    unit.faults(|faults| faults.hang = true);
    port.ask(0x0c, Duration::from_secs(30));
    unit.unplug();
    port.closed();
    port.close(lab);
}

fn held(lab: &Lab) {
    let unit = bound(lab);
    let mut one = Loop::start(&lab.serial);
    one.opened();
    let mut two = Loop::start(&lab.serial);
    let reason = two.closed();
    let words = format!("UPS {} (051d:0002) is held by another program: left alone", unit.place());
    assert_eq!(reason, words);
    assert!(one.read(0x0c).is_ok(), "the first was disturbed");
    one.close(lab);
    two.opened();
    assert!(two.read(0x0c).is_ok());
    two.close(lab);
}

fn silent(lab: &Lab) {
    let unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    port.opened();
    unit.faults(|faults| faults.hang = true);
    assert_eq!(port.read(0x0c), Err(TransferError::Timeout));
    // One more under way, and the interrupt transfer.
    port.ask(0x0c, Duration::from_secs(30));
    port.close(lab);
}

fn silent_at_open(lab: &Lab) {
    let unit = bound(lab);
    unit.faults(|faults| faults.hang = true);
    let mut port = Loop::start(&lab.serial);
    let told = port.until("Closed", |told| matches!(told, Told::Closed(_)));
    let words = format!("UPS {} (051d:0002) does not answer", unit.place());
    assert_eq!(told, [Told::Rejected(words.clone()), Told::Closed(words)]);
    unit.faults(|faults| faults.hang = false);
    port.opened();
    assert!(port.read(0x0c).is_ok());
    port.close(lab);
}

fn silent_at_plug(lab: &Lab) {
    let mut unit = lab.boxed(UPS, &lab.serial);
    let mut port = Loop::start(&lab.serial);
    // The kernel's HID driver asks for its report descriptor in vain, for many seconds, and holds the device's lock
    // all the while.
    unit.faults(|faults| faults.hang_at_report_descriptor = true);
    unit.plug();
    let told = port.until("Rejected", |told| matches!(told, Told::Rejected(_)));
    let words = "keeps the kernel waiting: it does not answer";
    assert!(format!("{told:?}").contains(words), "{told:?}");
    unit.faults(|faults| faults.hang = false);
    // The kernel retries, and then the port has it.
    port.opened();
    assert!(port.read(0x0c).is_ok());
    port.close(lab);
}

fn halted(lab: &Lab) {
    let unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    port.opened();
    for round in 0..2u8 {
        let from = unit.seen_count();
        unit.halt();
        // A request of the user's comes in between and is answered.
        assert!(port.read(0x0c).is_ok());
        let cleared = |seen: &Seen| seen.setup == [0x02, 0x01, 0, 0, 0x81, 0, 0, 0];
        while !unit.seen_since(from).iter().any(cleared) {
            port.read(0x0c).unwrap();
        }
        unit.send(&[0x16, round]);
        port.until("Interrupt", |told| *told == Told::Interrupt(vec![0x16, round]));
    }
    port.close(lab);
}

/// How often a process has slept so far.
fn switches(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.unwrap().trim().parse().unwrap()
}

/// Most wake-ups of the helper in a minute on mains: it asks whether the main process goes on, and is answered.
const HELPER_WAKE_UPS: u64 = 2;

fn one_thread(lab: &Lab) {
    let unit = bound(lab);
    let daemon = lab.online(&lab.setup().with("POLLTIME", "60"));
    let (helper, main) = (daemon.pid(), daemon.main_pid());
    // One whole poll of ten reports falls into each minute, and seventeen glances, or five: each takes a deadline and an answer. A loaded
    // machine makes a process sleep more often, never less: the calmest of three minutes counts.
    let minute = |what: &str, most: (u64, usize)| {
        let mut told: Vec<(u64, usize, u64)> = Vec::new();
        let is_calm = |of: &(u64, usize, u64)| of.0 <= most.0 && of.1 <= most.1 && of.2 <= HELPER_WAKE_UPS;
        while told.len() < 3 && !told.last().is_some_and(is_calm) {
            let (reads, of_main, of_helper) = (unit.seen_count(), switches(main), switches(helper));
            std::thread::sleep(Duration::from_secs(60));
            told.push((switches(main) - of_main, unit.seen_count() - reads, switches(helper) - of_helper));
        }
        let (switched, reads, of_helper) = *told.last().unwrap();
        lab.measured(&format!("{what}-wake-ups-a-minute"), switched);
        lab.measured(&format!("{what}-helper-wake-ups-a-minute"), of_helper);
        lab.measured(&format!("{what}-reads-a-minute"), reads);
        assert!(told.last().is_some_and(is_calm), "{what}: wake-ups, reads, wake-ups of the helper {told:?}");
    };
    // By then both have given back what they need for nothing.
    std::thread::sleep(Duration::from_secs(12));
    minute("untold", (45, 40));
    // It tells by itself that it is on mains, as a real unit does now and then.
    unit.send(&[0x06, 0x00, 0x00, 0x08]);
    std::thread::sleep(Duration::from_secs(5));
    minute("told", (25, 20));
    for (role, pid) in [("main", main), ("helper", helper)] {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        lab.measured(&format!("{role}-descriptors"), open);
    }
    assert_eq!(daemon.threads(), 1);
    let end = daemon.terminate();
    lab.measured("sigterm-to-exit-ms", end.took.as_millis());
    assert!(end.status.success(), "{end:?}");
}

fn reset(lab: &Lab) {
    let _unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    port.opened();
    let started = Instant::now();
    port.port.transmit(port.poll.registry(), Transmit::Reset, started);
    port.longest_call = port.longest_call.max(started.elapsed());
    port.opened();
    lab.measured("reset-to-opened-ms", started.elapsed().as_millis());
    assert!(port.read(0x0c).is_ok());
    port.port.transmit(port.poll.registry(), Transmit::Reopen, Instant::now());
    port.opened();
    assert!(port.read(0x0c).is_ok());
    port.close(lab);
}

fn left_without_driver(lab: &Lab) {
    let unit = bound(lab);
    let mut port = Loop::start(&lab.serial);
    port.opened();
    // As after SIGKILL: the kernel closes everything, and nobody attaches the driver.
    drop(port);
    assert!(unit.wait_for_kernel_driver(None), "held by {:?}", unit.kernel_driver());
    let mut port = Loop::start(&lab.serial);
    let info = port.opened();
    assert!(!info.report_descriptor.is_empty());
    port.close(lab);
    assert!(unit.wait_for_kernel_driver(Some("usbhid")), "held by {:?}", unit.kernel_driver());
}
