//! mainsd beside the real apcupsd, each at a simulated UPS of its own that goes through the same.

use std::path::PathBuf;

use crate::support::runner::{Group, Needs, prepared, tests};
use crate::support::smart::{Generation, Smart};
use crate::support::{self, Daemon, Scratch, Setup, Status, TIMEOUT, free_port};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    prepare: Some(fetch),
    tests: tests![
        keys_and_values_of_a_third_generation_equal_those_of_apcupsd,
        keys_and_values_of_an_early_unit_equal_those_of_apcupsd,
        keys_and_values_of_a_back_ups_pro_equal_those_of_apcupsd,
        keys_and_values_of_a_matrix_equal_those_of_apcupsd,
    ],
    ..Group::new(module_path!())
};

/// apcupsd from Debian's package, at a UPS of its own.
struct Apcupsd {
    child: std::process::Child,
    port: u16,
    _scratch: Scratch,
    ups: Smart,
}

impl Apcupsd {
    fn start(generation: Generation) -> Self {
        let scratch = Scratch::new();
        let dir = scratch.path();
        // It is asked to shut nothing down; if it did, it would find a script that does nothing.
        scratch.dir("scripts");
        scratch.script("scripts/apccontrol", "#!/bin/sh\nexit 0\n");
        let tty = dir.join("ttyS0");
        let ups = Smart::start(generation, &tty, false);
        let port = free_port();
        let config = format!(
            "## apcupsd.conf v1.1 ##\nUPSNAME harness\nUPSCABLE smart\nUPSTYPE apcsmart\nDEVICE {tty}\nPOLLTIME 1\n\
             ONBATTERYDELAY 1\nLOCKFILE {dir}\nSCRIPTDIR {dir}/scripts\nPWRFAILDIR {dir}\nNOLOGINDIR {dir}\n\
             EVENTSFILE {dir}/events\nSTATTIME 0\nNETSERVER on\nNISIP 127.0.0.1\nNISPORT {port}\n",
            tty = tty.display(),
            dir = dir.display(),
        );
        let config = scratch.file("apcupsd.conf", config);
        let child = std::process::Command::new(PathBuf::from(prepared()).join("sbin/apcupsd"))
            .args(["-b", "-f"])
            .arg(&config)
            .arg("-P")
            .arg(dir.join("pid"))
            .env("TZ", "UTC")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port, _scratch: scratch, ups }
    }

    fn status(&self) -> Option<Status> {
        support::Nis::connect(("127.0.0.1", self.port), TIMEOUT).ok()?.status().ok()
    }
}

impl Drop for Apcupsd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Fetches Debian's package and unpacks it; where.
fn fetch(_: &[&str]) -> String {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("apcupsd");
    if !dir.join("root/sbin/apcupsd").exists() {
        std::fs::create_dir_all(&dir).unwrap();
        let script = "apt-get download -qq apcupsd && dpkg -x apcupsd_*.deb root";
        let done = std::process::Command::new("sh").args(["-c", script]).current_dir(&dir).output().unwrap();
        assert!(done.status.success(), "cannot fetch Debian's apcupsd: {done:?}");
    }
    dir.join("root").display().to_string()
}

/// Keys and values, those that tell a moment or the program left out.
fn comparable(status: &Status) -> Vec<String> {
    const NOT: [&str; 12] = [
        "APC",
        "DATE",
        "VERSION",
        "STARTTIME",
        "XONBATT",
        "XOFFBATT",
        "TONBATT",
        "CUMONBATT",
        "LASTSTEST",
        "END APC",
        "MBATTCHG",
        "MINTIMEL",
    ];
    let key = |record: &str| record.split(':').next().unwrap_or_default().trim_end().to_owned();
    status.records.iter().filter(|record| !NOT.contains(&key(record).as_str())).cloned().collect()
}

/// Waits until both programs say what `wanted` accepts and, the moment's records left out, the same. Each sees a change at its own
/// polls, and some flags follow a poll later: a difference counts only if it stays.
fn settle(theirs: &Apcupsd, ours: &Daemon, what: &str, wanted: impl Fn(&Status) -> bool) {
    let mut last = (Status::default(), Status::default());
    let settled = support::poll_until(12 * TIMEOUT, || {
        if let Some(status) = theirs.status() {
            last.0 = status;
        }
        last.1 = ours.status();
        let alike = || comparable(&last.0) == comparable(&last.1);
        (wanted(&last.0) && wanted(&last.1) && alike()).then_some(())
    });
    if settled.is_none() {
        let (theirs, ours) = (last.0.text(), last.1.text());
        panic!("{what}: they do not come to say the same.\napcupsd:\n{theirs}\nmainsd:\n{ours}");
    }
}

/// On line, on battery, on line again.
fn beside(generation: Generation) {
    let theirs = Apcupsd::start(generation);
    let ports = Scratch::new();
    let port = ports.path().join("ttyS0");
    let ups = Smart::start(generation, &port, false);
    let ours = Daemon::start(&Setup::new("apcsmart").with("DEVICE", &port.display().to_string()));
    let online = |status: &Status| {
        status.get("MODEL").is_some() && status.is("STATUS", "ONLINE") && status.is("LINEV", "230.0 Volts")
    };
    settle(&theirs, &ours, &format!("{generation:?} on line"), online);
    theirs.ups.unit().fail_mains();
    ups.unit().fail_mains();
    // ONBATT, announced, polled fast; all values read since.
    settle(&theirs, &ours, &format!("{generation:?} on battery"), |status| {
        status.is("STATFLAG", "0x05060010") && status.is("LINEV", "0.0 Volts") && status.is("NUMXFERS", "1")
    });
    theirs.ups.unit().restore_mains();
    ups.unit().restore_mains();
    // apcupsd polls fast for one more round; the flag goes after it (power-events, table of states).
    settle(&theirs, &ours, &format!("{generation:?} on line again"), |status| {
        online(status) && status.is("STATFLAG", "0x05000008")
    });
}

fn keys_and_values_of_a_third_generation_equal_those_of_apcupsd() {
    beside(Generation::Third);
}

fn keys_and_values_of_an_early_unit_equal_those_of_apcupsd() {
    beside(Generation::First);
}

fn keys_and_values_of_a_back_ups_pro_equal_those_of_apcupsd() {
    beside(Generation::BackUpsPro);
}

fn keys_and_values_of_a_matrix_equal_those_of_apcupsd() {
    beside(Generation::Matrix);
}
