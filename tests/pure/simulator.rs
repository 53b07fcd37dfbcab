//! The simulated UPS of the VM tests, checked without a virtual machine: its own reading of descriptors against every
//! logged line, and its answers over a socket that plays the kernel.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::support::usbip::descriptor::{Kind, fields};
use crate::support::usbip::model::{hex, usage};
use crate::support::usbip::{Model, Unit};

fn device(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/devices").join(name).with_extension("toml")
}

#[test]
fn every_logged_line_is_where_the_simulator_thinks_it_is() {
    let mut lines = 0;
    for entry in std::fs::read_dir(device("").with_extension("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let table: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let found = fields(&hex(table["report_descriptor"]["hex"].as_str().unwrap()));
        let reports = table["feature_reports"].as_table().unwrap();
        for line in table.get("expected").and_then(toml::Value::as_array).into_iter().flatten() {
            let number = |key: &str| usize::try_from(line[key].as_integer().unwrap()).unwrap();
            let kind = if line["type"].as_str() == Some("input") { Kind::Input } else { Kind::Feature };
            let place = (kind, number("report_id"), number("offset"), number("size"));
            let field = found
                .iter()
                .find(|field| (field.kind, usize::from(field.id), field.offset, field.size) == place)
                .unwrap_or_else(|| panic!("{}: nothing at {place:?}: {line}", path.display()));
            let report = hex(reports[&format!("0x{:02x}", field.id)].as_str().unwrap());
            let value = field.physical(field.get(&report));
            let wanted = line["value"].as_float().or(line["value"].as_integer().map(|v| v as f64)).unwrap();
            assert!((value - wanted).abs() < 1.0, "{}: {value}, logged {line}", path.display());
            lines += 1;
        }
    }
    assert!(lines > 300, "only {lines} lines");
}

#[test]
fn mains_failure_shows_in_every_bit_that_can_say_it() {
    let mut model = Model::load(&device("apc-back-ups-es-850g2"), "S1");
    let interrupts = model.set_mains(false);
    assert!(interrupts.contains(&0x06) && interrupts.contains(&0x16), "{interrupts:x?}");
    // Bits 1 discharging, 2 mains, 3 battery; APC's status byte last in 06; line voltage.
    assert_eq!(model.reports[&(Kind::Feature, 0x16)], [0x16, 0x0a, 0, 0, 0]);
    assert_eq!(model.reports[&(Kind::Input, 0x16)], [0x16, 0x0a, 0, 0, 0]);
    assert_eq!(model.reports[&(Kind::Feature, 0x06)], [0x06, 0x00, 0x01, 0x10]);
    assert_eq!(model.reports[&(Kind::Feature, 0x31)], [0x31, 0, 0]);
    model.set_mains(true);
    assert_eq!(model.reports[&(Kind::Feature, 0x16)], [0x16, 0x0c, 0, 0, 0]);
    assert_eq!(model.reports[&(Kind::Feature, 0x06)], [0x06, 0x00, 0x00, 0x08]);
}

#[test]
fn every_device_can_say_that_mains_failed() {
    for name in [
        "apc-back-ups-500-usb-c1",
        "apc-back-ups-bx1600mi",
        "apc-smart-ups-1000",
        "apc-smart-ups-3000-pid3",
        "cyberpower-cp900epfclcd",
        "eaton-3s-700",
        "tripplite-3016",
    ] {
        let mut model = Model::load(&device(name), "S1");
        assert_eq!(model.serial(), "S1");
        let before = model.reports.clone();
        model.set_mains(false);
        assert_ne!(model.reports, before, "{name}");
        let says = model.value(usage::AC_PRESENT) == Some(0) || model.value(usage::DISCHARGING) == Some(1);
        assert!(says, "{name}");
    }
}

/// The kernel's end of the cable.
struct Host {
    socket: UnixStream,
    seq: u32,
}

impl Host {
    fn submit(&mut self, endpoint: u32, setup: [u8; 8], inward: bool, length: u32, data: &[u8]) -> u32 {
        self.seq += 1;
        let mut head = Vec::new();
        let words = [1, self.seq, 0x0001_0002, u32::from(inward), endpoint, 0, length, 0, 0, 10];
        words.iter().for_each(|word: &u32| head.extend(word.to_be_bytes()));
        head.extend(setup);
        head.extend(data);
        self.socket.write_all(&head).unwrap();
        self.seq
    }

    fn unlink(&mut self, victim: u32) -> u32 {
        self.seq += 1;
        let mut head = Vec::new();
        [2, self.seq, 0x0001_0002, 0, 0, victim]
            .iter()
            .for_each(|word: &u32| head.extend(word.to_be_bytes()));
        head.resize(48, 0);
        self.socket.write_all(&head).unwrap();
        self.seq
    }

    /// Command, number, status and data of the next answer to an inward transfer or an unlink.
    fn answer(&mut self, inward: bool) -> (u32, u32, i32, Vec<u8>) {
        let mut head = [0; 48];
        self.socket.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap());
        let mut data = vec![0; if inward && word(0) == 3 { word(24) as usize } else { 0 }];
        self.socket.read_exact(&mut data).unwrap();
        (word(0), word(4), word(20) as i32, data)
    }

    fn get(&mut self, setup: [u8; 8]) -> (i32, Vec<u8>) {
        let length = u32::from(u16::from_le_bytes([setup[6], setup[7]]));
        let seq = self.submit(0, setup, true, length, &[]);
        let (command, answered, status, data) = self.answer(true);
        assert_eq!((command, answered), (3, seq));
        (status, data)
    }
}

fn plugged() -> (Unit, Host) {
    let unit = Unit::new(Model::load(&device("apc-back-ups-es-850g2"), "S1"));
    let socket = unit.connect();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    (unit, Host { socket, seq: 0 })
}

const GET_16: [u8; 8] = [0xa1, 1, 0x16, 3, 0, 0, 64, 0];

#[test]
fn descriptors_strings_and_reports_are_answered() {
    let (unit, mut host) = plugged();
    let (status, bytes) = host.get([0x80, 6, 0, 1, 0, 0, 18, 0]);
    assert_eq!((status, bytes.len()), (0, 18));
    assert_eq!(bytes[8..12], [0x1d, 0x05, 0x02, 0x00]);
    assert_eq!(host.get([0x80, 6, 0, 2, 0, 0, 9, 0]).1[2], 34);
    assert_eq!(host.get([0x81, 6, 0, 0x22, 0, 0, 0, 0x10]).1.len(), 1049);
    assert_eq!(host.get([0x80, 6, bytes[16], 3, 9, 4, 255, 0]).1, [6, 3, b'S', 0, b'1', 0]);
    assert_eq!(host.get(GET_16), (0, vec![0x16, 0x0c, 0, 0, 0]));
    assert_eq!(host.get([0xa1, 1, 0xee, 3, 0, 0, 64, 0]).0, -32, "an unknown report stalls");
    assert!(unit.seen_since(0).iter().any(|seen| seen.get_report() == Some(0x16)));
}

#[test]
fn a_write_is_logged_and_read_back() {
    let (unit, mut host) = plugged();
    host.submit(0, [0x21, 9, 0x41, 3, 0, 0, 3, 0], false, 3, &[0x41, 0x3c, 0]);
    assert_eq!(host.answer(false).2, 0);
    assert_eq!(unit.written_since(0), [(0x41, vec![0x3c, 0])]);
    assert_eq!(host.get([0xa1, 1, 0x41, 3, 0, 0, 64, 0]).1, [0x41, 0x3c, 0]);
}

#[test]
fn interrupt_data_goes_to_the_transfer_that_waits_for_it_or_waits_itself() {
    let (unit, mut host) = plugged();
    let first = host.submit(1, [0; 8], true, 8, &[]);
    // The control transfer makes sure that the interrupt transfer has been taken.
    host.get(GET_16);
    unit.send(&[0x13, 0]);
    assert_eq!(host.answer(true), (3, first, 0, vec![0x13, 0]));
    unit.send(&[0x14, 1]);
    let second = host.submit(1, [0; 8], true, 8, &[]);
    assert_eq!(host.answer(true), (3, second, 0, vec![0x14, 1]));
}

#[test]
fn a_hanging_device_answers_an_unlink_only() {
    let (unit, mut host) = plugged();
    let waiting = host.submit(1, [0; 8], true, 8, &[]);
    host.get(GET_16);
    unit.faults(|faults| faults.hang = true);
    let silent = host.submit(0, GET_16, true, 64, &[]);
    for victim in [silent, waiting] {
        let unlink = host.unlink(victim);
        assert_eq!(host.answer(true), (4, unlink, -104, Vec::new()));
    }
    unit.faults(|faults| faults.hang = false);
    assert_eq!(host.get(GET_16).0, 0);
    let unlink = host.unlink(silent);
    assert_eq!(host.answer(true), (4, unlink, 0, Vec::new()), "nothing waits any more");
}

#[test]
fn stalls_and_wrong_lengths_come_as_ordered() {
    let (unit, mut host) = plugged();
    unit.faults(|faults| faults.short = Some(2));
    assert_eq!(host.get(GET_16).1, [0x16, 0x0c]);
    unit.faults(|faults| (faults.short, faults.long) = (None, 2));
    assert_eq!(host.get(GET_16).1.len(), 7);
    unit.faults(|faults| faults.stall_all = true);
    assert_eq!(host.get(GET_16).0, -32);
    unit.faults(|faults| (faults.stall_all, faults.corrupt_descriptors) = (false, 1));
    let descriptor = [0x81, 6, 0, 0x22, 0, 0, 0, 0x10];
    assert_ne!(host.get(descriptor).1, host.get(descriptor).1, "the second read is sound");
}
