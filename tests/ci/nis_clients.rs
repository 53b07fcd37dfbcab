//! Existing clients of port 3551 from their packages, and a real apcupsd as a slave: `tests/clients/run.sh`, in CI.

use std::process::Command;

use crate::support::runner::{Group, Needs, tests};

pub const TESTS: Group = Group {
    needs: Needs::Ci("packages from Debian, PyPI and npm"),
    tests: tests![existing_clients_and_an_apcupsd_slave_are_served],
    ..Group::new(module_path!())
};

fn existing_clients_and_an_apcupsd_slave_are_served() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/run.sh");
    let kept = concat!(env!("CARGO_TARGET_TMPDIR"), "/clients");
    let ran = Command::new(script).args([env!("CARGO_BIN_EXE_mainsd"), kept]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    println!("{out}");
    assert!(ran.status.success(), "{}\n{out}{err}", ran.status);
}
