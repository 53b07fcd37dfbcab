//! What root may and others may not: what `mainsd check` says of a folder, and a port below 1024.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use crate::support::faults::guard::{as_nobody, is_root, program};
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Daemon, Nis, Scratch, Setup, TIMEOUT, free_port, poll_until, write_config};

pub const TESTS: Group = Group {
    needs: Needs::Ci("root"),
    tests: tests![
        a_folder_that_may_not_be_written_is_told_to_others_and_not_to_root,
        a_reload_opens_a_port_below_1024,
        a_status_file_of_another_user_is_written_and_stays_that_users,
    ],
    ..Group::new(module_path!())
};

fn a_folder_that_may_not_be_written_is_told_to_others_and_not_to_root() {
    assert!(is_root(), "this test is for root");
    let scratch = Scratch::new();
    let config = write_config(&Setup::new("test").with("NOLOGON", "disable"), &scratch, free_port());
    let flags = scratch.path().join("flags");
    std::fs::set_permissions(&flags, PermissionsExt::from_mode(0o555)).unwrap();
    let says = |mut check: Command| {
        let done = check.arg("check").arg("-f").arg(&config).output().unwrap();
        let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        (text.contains(&format!("PWRFAILDIR: cannot write in {}: Permission denied", flags.display())), text)
    };
    let (told, text) = says(Command::new(program()));
    assert!(!told, "root may write everywhere: {text}");
    let (told, text) = says(as_nobody(program()));
    assert!(told && text.contains("(asked as an ordinary user;"), "{text}");
}

/// The main process has no rights: the helper opens the port for it, TCP and UDP.
fn a_reload_opens_a_port_below_1024() {
    let daemon = Daemon::start(&Setup::new("test").with("NOLOGON", "disable"));
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    let is_free = |port: &u16| {
        std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
            && std::net::UdpSocket::bind(("127.0.0.1", *port)).is_ok()
    };
    let port = (700..1000).find(is_free).unwrap();
    let config = daemon.dir().join("mainsd.conf");
    let text = std::fs::read_to_string(&config).unwrap();
    let old = format!("NISPORT {}\n", daemon.port());
    assert!(text.contains(&old), "{text}");
    std::fs::write(&config, text.replace(&old, &format!("NISPORT {port}\n"))).unwrap();
    let main = daemon.main_pid();
    daemon.signal("HUP");
    let answered = || Nis::connect(("127.0.0.1", port), TIMEOUT).ok()?.status().ok();
    let status = poll_until(TIMEOUT, answered).unwrap_or_else(|| panic!("{}", daemon.describe()));
    assert!(status.is("STATUS", "ONLINE"));
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.send_to(b"\0\x06status", ("127.0.0.1", port)).unwrap();
    assert!(client.recv(&mut [0; 4096]).unwrap() > 0);
    assert_eq!(daemon.main_pid(), main, "the same process");
    assert!(!daemon.output().text().contains("cannot bind port"), "{}", daemon.describe());
}

/// Who writes may give no file away (`CAP_CHOWN`), but may write the one that is there.
fn a_status_file_of_another_user_is_written_and_stays_that_users() {
    const OTHER: u32 = 1;
    let folder = Scratch::new();
    let status = folder.file("status", "old\n");
    std::fs::set_permissions(&status, PermissionsExt::from_mode(0o640)).unwrap();
    chown(&status, Some(OTHER), Some(OTHER)).unwrap();
    let setup = Setup::new("test").with("NOLOGON", "disable").with("STATTIME", "1");
    let daemon = Daemon::start(&setup.with("STATFILE", &status.display().to_string()));
    let text = || std::fs::read_to_string(&status).unwrap();
    poll_until(TIMEOUT, || text().contains("ONLINE").then_some(()))
        .unwrap_or_else(|| panic!("{}", daemon.describe()));
    let first = text();
    let again = poll_until(TIMEOUT, || text().contains("END APC").then(&text).filter(|now| *now != first));
    assert!(again.is_some(), "{}", daemon.describe());
    let data = status.metadata().unwrap();
    assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (OTHER, OTHER, 0o640));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
