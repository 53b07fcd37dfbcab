//! `mainsd probe --record` at the devices of the corpus: the file that it writes is the one that the device was made from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::support::corpus::device::{Device, device, devices, parse};
use crate::support::corpus::fake::{Behaviour, Bench, FakeUps};
use crate::support::corpus::names::is_path;
use mainsd::bus::usb::{Event, Transmit};
use mainsd::link::usb::{Recording, RecordingLink};
use mainsd::link::{Link, LinkEvent};
use mainsd::program::tools::probe::toml;
use mainsd::ups::{Command, StatusFlags};
use mainsd::wire::hid::{Field, ReportDescriptor, ReportKind};

const LISTEN: Duration = Duration::from_secs(60);

/// Lets the link record this device, which sends these reports by itself, one a second; what came of the order.
fn record(ups: &mut FakeUps, pushed: &[Vec<u8>]) -> (Recording, Result<String, String>) {
    let recording = Rc::new(RefCell::new(Recording::default()));
    let mut now = Instant::now();
    let mut pushed = pushed.iter();
    let mut link = RecordingLink::new(Rc::clone(&recording), Some(LISTEN), now);
    link.handle_event(now, Event::Opened(ups.info.clone()));
    assert!(matches!(link.poll_event(), Some(LinkEvent::Attached(_))));
    link.command(Command::Poll, now);
    let end = now + 10 * LISTEN;
    while now < end {
        while let Some(transmit) = link.poll_transmit(now) {
            if !matches!(transmit, Transmit::InterruptLen(_)) {
                let result = ups.control(now, &transmit);
                now += Duration::from_millis(2);
                link.handle_event(now, Event::Control(result.as_deref().map_err(|error| *error)));
            }
        }
        if let Some(event) = link.poll_event() {
            let LinkEvent::Command(result) = event else { panic!("{event:?}") };
            return (recording.take(), result.outcome);
        }
        let at = link.poll_timeout().expect("a deadline");
        let second = now + Duration::from_secs(1);
        match pushed.len() {
            1.. if at > second => {
                now = second;
                link.handle_event(now, Event::Interrupt(pushed.next().unwrap()));
            }
            _ => now = at.max(now),
        }
        link.handle_timeout(now);
    }
    panic!("the recording does not end");
}

fn written(recording: &Recording) -> String {
    toml::text(recording, "1.0")
}

/// What a daemon's link tells a program, as that takes it.
fn told(bench: &Bench, outcome: &str) -> Recording {
    let mut info = bench.ups.info.clone();
    info.report_descriptor.clear();
    info.location.clear();
    let mut recording = Recording { info, ..Recording::default() };
    for line in outcome.lines() {
        let (word, text) = line.split_once(' ').unwrap();
        recording.decode(word, text).unwrap_or_else(|| panic!("{line}"));
    }
    assert_eq!(recording.info.location, bench.ups.info.location);
    recording
}

/// How the recording of a daemon's link has ended.
fn ended(bench: &Bench) -> Option<Result<String, String>> {
    bench.events.iter().find_map(|(_, event)| match event {
        LinkEvent::Command(result) if result.command == Command::Record => Some(result.outcome.clone()),
        _ => None,
    })
}

/// Devices of each maker that say everything by reports that can be read.
const GUARDED: [&str; 5] = [
    "apc-back-ups-es-850g2",
    "apc-back-ups-bx1600mi",
    "apc-back-ups-xs-1500m",
    "cyberpower-vp1600elcd",
    "eaton-3s-700",
];

#[test]
fn a_daemon_records_the_same_and_goes_on_guarding() {
    for name in GUARDED {
        let mut bench = Bench::attached(device(name));
        let alone = written(&record(&mut copy(&bench.ups), &[]).0);
        bench.events.clear();
        bench.ups.requests.clear();
        bench.link.command(Command::Record, bench.now);
        bench.link.command(Command::Record, bench.now);
        bench.run(Duration::from_secs(1));
        assert!(matches!(ended(&bench), Some(Err(_))), "{name}: one at a time");
        bench.events.clear();
        bench.interrupt(&[0xfe, 1, 2]);
        bench.run(Duration::from_secs(130));
        let outcome = ended(&bench).unwrap_or_else(|| panic!("{name}: {:?}", bench.events)).unwrap();
        let mut recording = told(&bench, &outcome);
        let pushed = recording.pushed.pop().expect("what came by itself");
        assert_eq!((pushed.bytes.as_slice(), pushed.times), (&[0xfe, 1, 2][..], 1), "{name}");
        assert_eq!(written(&recording), alone, "{name}");
        assert!(bench.readings().len() >= 2, "{name}: it is polled meanwhile");
        assert!(bench.losses().is_empty() && bench.ups.written.is_empty(), "{name}");
    }
}

/// The same device for another bench.
fn copy(ups: &FakeUps) -> FakeUps {
    FakeUps {
        info: ups.info.clone(),
        descriptor: ups.descriptor.clone(),
        reports: ups.reports.clone(),
        strings: ups.strings.clone(),
        behaviour: ups.behaviour,
        refuses: Vec::new(),
        forgets: Vec::new(),
        written: Vec::new(),
        requests: Vec::new(),
    }
}

#[test]
fn a_mains_failure_while_a_daemon_records_is_told_as_fast_as_ever() {
    let mut bench = Bench::on_mains("apc-back-ups-es-850g2");
    bench.link.command(Command::Record, bench.now);
    bench.run(Duration::from_millis(100));
    bench.events.clear();
    let battery = [0x06, 0x00, 0x01, 0x10];
    bench.ups.feature(&battery);
    let before = bench.now;
    bench.interrupt(&battery);
    bench.run(Duration::from_millis(60));
    let reading = bench.last_reading();
    assert!(reading.status.contains(StatusFlags::ONBATT), "{reading:?}");
    // A transfer of the recording may be under way, and they are 20 ms apart.
    assert!(reading.at - before <= Duration::from_millis(45), "{:?}", reading.at - before);
    bench.run(Duration::from_secs(90));
    assert!(matches!(ended(&bench), Some(Ok(_))));
}

#[test]
fn a_ups_that_is_lost_ends_the_recording_of_a_daemon() {
    let mut bench = Bench::on_mains("apc-back-ups-es-850g2");
    bench.link.command(Command::Record, bench.now);
    bench.run(Duration::from_millis(100));
    bench.ups.behaviour = Behaviour::Hangs;
    bench.run(Duration::from_secs(90));
    assert!(matches!(ended(&bench), Some(Err(_))), "{:?}", bench.events);
}

/// What a file says of the device itself: what is not its owner's knowledge.
type Facts = (
    [u16; 4],
    [Option<String>; 3],
    Vec<u8>,
    BTreeMap<u8, String>,
    BTreeMap<u8, Vec<u8>>,
    BTreeMap<u8, Vec<u8>>,
    Vec<Vec<u8>>,
    u8,
);

fn facts(device: &Device) -> Facts {
    let serial = device.serial.as_ref().map(|serial| "x".repeat(serial.len()));
    (
        [device.vendor, device.product, device.bcd_device, device.announced_length],
        [device.manufacturer.clone(), device.product_name.clone(), serial],
        device.descriptor.clone(),
        device.strings.clone(),
        device.feature_reports.clone(),
        device.input_state.clone(),
        device.input_reports.clone(),
        device.interface,
    )
}

fn field<'a>(descriptor: &'a ReportDescriptor, line: &crate::support::corpus::device::Expected) -> &'a Field {
    let kind = if line.input { ReportKind::Input } else { ReportKind::Feature };
    let place = (kind, line.report_id, line.offset, line.size);
    let mut fields = descriptor.fields().iter();
    let is_it = |field: &&Field| {
        (field.kind, field.report_id, field.bit_offset, field.bit_size) == place
            && is_path(descriptor, field, &line.path)
    };
    fields.find(is_it).unwrap_or_else(|| panic!("no such field: {line:?}"))
}

#[test]
fn the_recording_of_each_device_is_the_file_that_it_was_made_from() {
    for source in devices() {
        let mut ups = FakeUps::new(source);
        let (mut recording, outcome) = record(&mut ups, &source.input_reports);
        assert_eq!(outcome, Ok(String::new()), "{}", source.file);
        recording.blank_serials();
        let text = written(&recording);
        let recorded = parse(&source.file, &text);
        assert_eq!(facts(&recorded), facts(source), "{}:\n{text}", source.file);
        assert!(ups.written.is_empty(), "{}: it was written to", source.file);
        // Each line of the owner's log is a line of the recording.
        let descriptor = ReportDescriptor::parse(&source.descriptor).unwrap();
        for line in &source.expected {
            let wanted = field(&descriptor, line);
            let mut lines = recorded.expected.iter().filter(|line| field(&descriptor, line) == wanted);
            let value = lines.next().unwrap_or_else(|| panic!("{}: no {line:?}", source.file)).value;
            let right = match source.integer_values {
                true => value.trunc() == line.value || value.round() == line.value,
                false => (value - line.value).abs() <= line.value.abs() * 1e-5,
            };
            assert!(right, "{}: {value} for {line:?}", source.file);
        }
        assert_eq!(text, written(&recording), "{}: nothing of it depends on chance", source.file);
    }
}

#[test]
fn the_recording_of_a_recording_is_the_same() {
    for source in devices() {
        let once = written(&record(&mut FakeUps::new(source), &source.input_reports).0);
        let again = parse("again", &once);
        let twice = written(&record(&mut FakeUps::new(&again), &again.input_reports).0);
        assert_eq!(twice, once, "{}", source.file);
    }
}

const SERIAL: &str = "4B1234P56789";

#[test]
fn serial_numbers_are_blanked_wherever_they_are() {
    let mut ups = FakeUps::new(device("apc-back-ups-es-850g2"));
    ups.info.serial = Some(format!("{SERIAL}  "));
    ups.info.product_name = Some(format!("Back-UPS {SERIAL} FW:931"));
    let descriptor = ReportDescriptor::parse(&ups.descriptor).unwrap();
    let index = descriptor.fields().iter().find(|field| field.usage.0 == 0x0084_00ff).expect("iSerialNumber");
    let key = (ReportKind::Feature as u8, index.report_id);
    ups.reports.insert(key, vec![index.report_id, 3]);
    ups.strings.insert(3, "ANOTHER-SERIAL".to_owned());
    let pushed = [[&[0x55], SERIAL.as_bytes()].concat()];
    let (mut recording, _) = record(&mut ups, &pushed);
    let before = written(&recording);
    let hex: Vec<String> = SERIAL.bytes().map(|byte| format!("{byte:02x}")).collect();
    let secrets = [SERIAL, "ANOTHER-SERIAL", &hex.join(" ")];
    for secret in secrets {
        assert!(before.contains(secret), "{secret} was not there:\n{before}");
    }
    recording.blank_serials();
    let text = written(&recording);
    for secret in secrets {
        assert!(!text.contains(secret), "{secret}:\n{text}");
    }
    assert!(text.contains("serial = \"xxxxxxxxxxxx  \""), "{text}");
    assert!(text.contains("Back-UPS xxxxxxxxxxxx FW:931"), "{text}");
}

#[test]
fn a_report_that_is_not_answered_is_noted_and_a_device_that_hangs_ends_the_questions() {
    let source = device("apc-back-ups-es-850g2");
    let mut ups = FakeUps::new(source);
    ups.reports.remove(&(3, 0x0c));
    let (recording, outcome) = record(&mut ups, &[]);
    assert!(outcome.is_ok());
    assert!(recording.failed.iter().any(|failed| failed == "report 0x0c (Feature): Stall"), "{recording:?}");
    let mut ups = FakeUps::new(source);
    ups.behaviour = Behaviour::Hangs;
    let (recording, outcome) = record(&mut ups, &source.input_reports);
    assert!(outcome.is_ok(), "what there is is kept");
    assert_eq!(ups.requests.len(), 3, "{:?}", ups.requests);
    assert!(recording.failed.last().is_some_and(|failed| failed.contains("does not answer any more")));
    parse("hangs", &written(&recording));
}

#[test]
fn a_report_that_comes_again_is_kept_once_with_its_number() {
    let mut ups = FakeUps::new(device("apc-back-ups-es-850g2"));
    let pushed = vec![vec![0x06, 0, 0, 8]; 5];
    let (recording, _) = record(&mut ups, &pushed);
    let [only] = recording.pushed.as_slice() else { panic!("{:?}", recording.pushed) };
    assert_eq!((only.times, only.bytes.as_slice()), (5, &[0x06, 0, 0, 8][..]));
    assert!(written(&recording).contains("came 5 times"));
}

#[test]
fn a_device_that_is_none_by_the_descriptor_that_it_sends_is_asked_for_nothing_else() {
    let mut ups = FakeUps::new(device("apc-back-ups-es-850g2"));
    ups.info.report_descriptor.clear();
    ups.info.announced_descriptor_len = None;
    ups.descriptor = vec![0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0xc0];
    let (_, outcome) = record(&mut ups, &[]);
    assert_eq!(outcome, Err("it is no UPS by its report descriptor".to_owned()));
    assert_eq!(ups.requests.len(), 1, "{:?}", ups.requests);
}

#[test]
fn a_damaged_descriptor_is_read_from_the_device() {
    let source = device("apc-back-ups-es-850g2");
    let mut ups = FakeUps::new(source);
    ups.info.report_descriptor.truncate(500);
    let (recording, outcome) = record(&mut ups, &[]);
    assert_eq!((outcome, &recording.info.report_descriptor), (Ok(String::new()), &source.descriptor));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn whatever_a_device_says_the_file_can_be_read_and_the_lines_of_a_daemon_too(
        text in "\\PC*|[\\x00-\\x7f]{0,20}",
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 1..40),
        descriptor in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        id in proptest::num::u8::ANY,
    ) {
        let mut ups = FakeUps::new(device("apc-back-ups-es-850g2"));
        ups.info.product_name = Some(text.clone());
        ups.info.serial = Some(text.clone());
        let (mut recording, _) = record(&mut ups, std::slice::from_ref(&bytes));
        recording.strings.push((id, text.clone()));
        recording.failed.push(text);
        recording.reports.push((ReportKind::Feature, 0xfe, bytes.clone()));
        let mut again = Recording { info: recording.info.clone(), ..Recording::default() };
        again.info.report_descriptor.clear();
        for (word, text) in recording.encode() {
            again.decode(word, &text).expect("a line of its own");
        }
        proptest::prop_assert_eq!(written(&again), written(&recording));
        let _ = again.decode(&String::from_utf8_lossy(&bytes), &String::from_utf8_lossy(&descriptor));
        recording.blank_serials();
        parse("any", &written(&recording));
        recording.info.report_descriptor = descriptor;
        recording.info.announced_descriptor_len = None;
        parse("damaged", &written(&recording));
    }
}
