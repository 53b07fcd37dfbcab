//! The hooks of Debian's package, as they are installed.

use std::fs;

use crate::support::runner::{Group, Needs, tests};
use crate::support::script_dir::warnings;

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    tests: tests![the_apccontrol_of_the_debian_package_is_understood],
    ..Group::new(module_path!())
};

fn the_apccontrol_of_the_debian_package_is_understood() {
    let text = fs::read_to_string("/etc/apcupsd/apccontrol").expect("Debian's package apcupsd is missing");
    assert_eq!(warnings(&[("apccontrol", &text, 0o755)]), [""; 0], "its program is there");
    let gone = text.replace("APCUPSD=/sbin/apcupsd", "APCUPSD=/sbin/no-such-apcupsd");
    let found = warnings(&[("apccontrol", &gone, 0o755)]);
    assert!(
        found.len() == 1 && found[0].contains("calls /sbin/no-such-apcupsd, which does not exist"),
        "{found:?}"
    );
}
