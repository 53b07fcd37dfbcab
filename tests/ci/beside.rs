//! The real apcupsd and mainsd, of which both are asked for their status.

use std::path::PathBuf;

use crate::support::runner::prepared;
use crate::support::{self, Daemon, Scratch, Status, TIMEOUT, free_port};

/// apcupsd from Debian's package. Dropped, it is ended.
pub struct Apcupsd {
    child: std::process::Child,
    port: u16,
    _scratch: Scratch,
}

impl Apcupsd {
    /// With these lines in its configuration, which say where its UPS is.
    pub fn start(lines: &str) -> Self {
        let scratch = Scratch::new();
        let dir = scratch.path();
        // It is asked to shut nothing down; if it did, it would find a script that does nothing.
        scratch.dir("scripts");
        scratch.script("scripts/apccontrol", "#!/bin/sh\nexit 0\n");
        let port = free_port();
        let config = format!(
            "## apcupsd.conf v1.1 ##\nUPSNAME harness\n{lines}POLLTIME 1\n\
             ONBATTERYDELAY 1\nLOCKFILE {dir}\nSCRIPTDIR {dir}/scripts\nPWRFAILDIR {dir}\nNOLOGINDIR {dir}\n\
             EVENTSFILE {dir}/events\nSTATTIME 0\nNETSERVER on\nNISIP 127.0.0.1\nNISPORT {port}\n",
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
        Self { child, port, _scratch: scratch }
    }

    /// The same, started until its status is one of these: what it asks once, at its start, may be answered too late on a busy machine.
    pub fn start_until(lines: &str, is_complete: impl Fn(&Status) -> bool) -> Self {
        let complete = |it: &Self| it.status().filter(&is_complete).map(drop);
        let start = || {
            let it = Self::start(lines);
            support::poll_until(TIMEOUT / 3, || complete(&it));
            it
        };
        support::attempt(start, |it| complete(it).is_some())
    }

    pub fn status(&self) -> Option<Status> {
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
pub fn fetch(_: &[&str]) -> String {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("apcupsd");
    if !dir.join("root/sbin/apcupsd").exists() {
        std::fs::create_dir_all(&dir).unwrap();
        let script = "apt-get download -qq apcupsd && dpkg -x apcupsd_*.deb root";
        let done = std::process::Command::new("sh").args(["-c", script]).current_dir(&dir).output().unwrap();
        assert!(done.status.success(), "cannot fetch Debian's apcupsd: {done:?}");
    }
    dir.join("root").display().to_string()
}

/// Keys and values, those that tell a moment or the program left out, and those of `but`.
fn comparable(status: &Status, but: &[&str]) -> Vec<String> {
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
    status
        .records
        .iter()
        .filter(|record| !NOT.contains(&&*key(record)) && !but.contains(&&*key(record)))
        .cloned()
        .collect()
}

/// Waits until both programs say what `wanted` accepts and, the moment's records and those of `but` left out, the same. Each sees a change at its own
/// polls, and some flags follow a poll later: a difference counts only if it stays.
pub fn settle(theirs: &Apcupsd, ours: &Daemon, but: &[&str], what: &str, wanted: impl Fn(&Status) -> bool) {
    let mut last = (Status::default(), Status::default());
    let settled = support::poll_until(12 * TIMEOUT, || {
        if let Some(status) = theirs.status() {
            last.0 = status;
        }
        last.1 = ours.status();
        let alike = || comparable(&last.0, but) == comparable(&last.1, but);
        (wanted(&last.0) && wanted(&last.1) && alike()).then_some(())
    });
    if settled.is_none() {
        let (theirs, ours) = (last.0.text(), last.1.text());
        panic!("{what}: they do not come to say the same.\napcupsd:\n{theirs}\nmainsd:\n{ours}");
    }
}
