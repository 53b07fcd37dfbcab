//! What `mainsd check` says of the hooks in SCRIPTDIR.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Scratch, run};

/// The warnings of `mainsd check` about SCRIPTDIR with these files in it, the folder left out.
pub fn warnings(files: &[(&str, &str, u32)]) -> Vec<String> {
    let scratch = Scratch::new();
    for (name, text, mode) in files {
        let path = scratch.file(name, text);
        fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
    }
    let folder = scratch.path().display().to_string();
    let config = scratch.file("mainsd.conf", format!("UPSTYPE usb\nSCRIPTDIR {folder}\n"));
    let done = run(["check", "-f", config.to_str().unwrap()]);
    assert!(done.status.success(), "{done:?}");
    let lines = done.stdout.lines().filter(|line| line.contains(" SCRIPTDIR: "));
    lines.map(|line| line.split_once(" SCRIPTDIR: ").unwrap().1.replace(&folder, "DIR")).collect()
}

/// An `apccontrol` without a fault.
pub const GOOD: (&str, &str, u32) = ("apccontrol", "#!/bin/sh\nexit 0\n", 0o755);
