//! The configuration file of Debian's package, as it is installed.

use std::path::Path;

use mainsd::config::{self, Severity};

use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    needs: Needs::Ci("Debian's package apcupsd"),
    tests: tests![the_very_file_of_the_debian_package_starts_with_one_warning_about_device],
    ..Group::new(module_path!())
};

fn the_very_file_of_the_debian_package_starts_with_one_warning_about_device() {
    let path = Path::new("/etc/apcupsd/apcupsd.conf");
    assert!(path.exists(), "{} is missing: apt-get install apcupsd", path.display());
    let parsed = config::load(path).unwrap();
    let keywords: Vec<_> = parsed.diagnostics.iter().map(|d| (d.severity, d.keyword.as_str())).collect();
    assert_eq!(keywords, [(Severity::Warning, "DEVICE")], "is the file as shipped?");
}
