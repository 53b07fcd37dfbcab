//! `mainsd probe` at simulated UPSes in the kernel: what it lists, and what it records.

use std::path::Path;
use std::process::{Command, Stdio};

use toml::{Table, Value};

use super::{Lab, Scenario, ensure};
use crate::support::usbip::descriptor::Kind;
use crate::support::usbip::model::hex;
use crate::support::{self, Scratch, run_program};

/// The first lists every device, so it has the bus for itself; the other plugs one after the other without a pause, which would slow down
/// what has seconds to keep.
pub const ALONE: &[Scenario] = &[
    ("probe_lists_each_ups_with_its_configuration_and_has_a_daemon_record_its_own", list),
    ("probe_records_each_device_as_the_file_that_it_was_made_from", record_all),
];

fn list(lab: &Lab) {
    let held = lab.plug("apc-back-ups-es-850g2");
    let mut other = lab.boxed("cyberpower-vp1600elcd", "SECOND000001");
    // The kernel has a descriptor that says nothing: it is read from the device.
    other.faults(|faults| faults.garbled_descriptors = 1);
    other.plug();
    let place = other.place();
    let daemon = lab.online(&lab.setup());
    let from = held.seen_count();
    let done = run_program(&lab.program, ["probe"]);
    assert!(done.status.success(), "{done:?}");
    for part in [
        "a UPS by its numbers; its report descriptor is not shown: ".to_owned(),
        format!("(serial number {}); held by mainsd (process {})", lab.serial, daemon.main_pid()),
        format!("USB device {place} (0764:0501): a UPS by the report descriptor that was read from it"),
        format!("UPSCABLE usb\nUPSTYPE usb\nDEVICE {}\n", lab.serial),
        "UPSCABLE usb\nUPSTYPE usb\nDEVICE SECOND000001\n".to_owned(),
    ] {
        assert!(done.stdout.contains(&part), "no {part:?} in {done:?}");
    }
    assert!(other.wait_for_kernel_driver(Some("usbhid")), "{:?}", other.kernel_driver());
    let scratch = Scratch::new();
    let file = scratch.path().join("ups.toml");
    let refused = record(lab, &file, &lab.serial, None);
    assert!(refused.stderr.contains("is held by mainsd (process "), "{refused:?}");
    assert!(!file.exists());
    // The daemon records its own, and guards meanwhile.
    let done = record(lab, &file, &lab.serial, Some(daemon.dir()));
    assert!(done.status.success(), "{done:?}");
    let name = "apc-back-ups-es-850g2.toml";
    let parse = |path: &Path| std::fs::read_to_string(path).unwrap().parse::<Table>().unwrap();
    compare(name, &parse(&lab.devices.join(name)), &parse(&file));
    let asked = held.seen_since(from);
    ensure(&daemon, asked.iter().all(|seen| seen.set_report().is_none()), &format!("{asked:?}"));
    ensure(&daemon, daemon.hooks().count() == 0, "the daemon was disturbed");
}

/// `daemon`: the folder of the one that has it.
fn record(lab: &Lab, file: &Path, serial: &str, daemon: Option<&Path>) -> support::Finished {
    let mut command = Command::new(&lab.program);
    command.args(["probe", "--seconds", "2", "--device", serial, "--record"]).arg(file);
    if let Some(folder) = daemon {
        command.arg("-f").arg(folder.join("mainsd.conf")).env("MAINSD_RUN_DIR", folder.join("run"));
    }
    let done = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    support::Finished { status: done.status, stdout: text(&done.stdout), stderr: text(&done.stderr) }
}

fn record_all(lab: &Lab) {
    let files = std::fs::read_dir(&lab.devices).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    assert!(files.len() > 25, "{files:?}");
    let scratch = Scratch::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy();
        println!("@: {name}");
        let source: Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        let unit = lab.plug(&name);
        // A log has input reports too where there is no feature report; the simulator makes those up.
        unit.change_silently(|model| {
            for (_, bytes) in source["feature_reports"].as_table().unwrap() {
                let bytes = hex(bytes.as_str().unwrap());
                let fields = &model.fields;
                if !fields.iter().any(|field| field.kind == Kind::Feature && field.id == bytes[0]) {
                    model.reports.insert((Kind::Input, bytes[0]), bytes);
                }
            }
        });
        let written = scratch.path().join(&*name);
        let from = unit.seen_count();
        let pushed = data(&source);
        let done = std::thread::scope(|scope| {
            let sender = unit.handle();
            let pushed = &pushed;
            scope.spawn(move || {
                // When it is asked for its reports it is open.
                sender.wait_for(from, support::TIMEOUT, |seen| seen.setup[..2] == [0xa1, 1]);
                pushed.iter().for_each(|bytes| sender.send(bytes));
            });
            record(lab, &written, &lab.serial, None)
        });
        assert!(done.status.success(), "{name}: {done:?}");
        let text = std::fs::read_to_string(&written).unwrap();
        assert!(!text.contains(&lab.serial), "{name}: the serial number");
        let recorded: Table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        compare(&name, &source, &recorded);
        assert_eq!(unit.written_since(from), [], "{name}: it was written to");
        // Of a composite device another interface is looked at.
        let is_back = source.contains_key("composite") || unit.wait_for_kernel_driver(Some("usbhid"));
        assert!(is_back, "{name}: {:?}", unit.kernel_driver());
    }
}

/// The reports that it sends by itself.
fn data(table: &Table) -> Vec<Vec<u8>> {
    let reports = table.get("input_reports").and_then(Value::as_array).into_iter().flatten();
    reports.map(|report| hex(report["data"].as_str().unwrap())).collect()
}

/// What the file says is in the recording. What it leaves out the simulator has made up.
fn compare(name: &str, source: &Table, recorded: &Table) {
    let bytes = |table: &Table| hex(table["report_descriptor"]["hex"].as_str().unwrap());
    assert_eq!(bytes(recorded), bytes(source), "{name}");
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|number| number as f64));
    for key in ["vid", "pid", "bcd_device", "manufacturer", "product", "composite"] {
        // 0: the file does not say.
        let wanted = source.get(key).filter(|value| value.as_integer() != Some(0));
        assert!(wanted.is_none() || recorded.get(key) == wanted, "{name}: {key} {:?}", recorded.get(key));
    }
    for key in ["length", "announced_length"] {
        assert_eq!(recorded["report_descriptor"][key], source["report_descriptor"][key], "{name}: {key}");
    }
    for key in ["feature_reports", "input_state"] {
        for (id, wanted) in source.get(key).and_then(Value::as_table).into_iter().flatten() {
            let found = recorded.get(key).and_then(|reports| reports.get(id)).and_then(Value::as_str);
            assert_eq!(found.map(hex), wanted.as_str().map(hex), "{name}: {key} {id}");
        }
    }
    assert_eq!(data(recorded), data(source), "{name}");
    let none = Vec::new();
    let lines = |table: &'_ Table| table.get("expected").and_then(Value::as_array).unwrap_or(&none).clone();
    let found = lines(recorded);
    let exact = source["source"]["value_style"].as_str() == Some("exact");
    for line in lines(source) {
        let same = |other: &&Value| {
            ["type", "report_id", "offset", "size"].iter().all(|key| other[*key] == line[*key])
        };
        let other = found.iter().find(same).unwrap_or_else(|| panic!("{name}: no {line:?}"));
        let (value, wanted) = (number(&other["value"]).unwrap(), number(&line["value"]).unwrap());
        let close = (value - wanted).abs() <= wanted.abs() * 1e-5;
        let right = close || (!exact && (value.trunc() == wanted || value.round() == wanted));
        assert!(right, "{name}: {value} for {line:?}");
    }
    assert!(!found.is_empty(), "{name}: no values");
}
