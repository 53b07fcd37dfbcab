//! Who may order what by the control socket: root, a member of the group, and others.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::faults::guard::{NOBODY, program};
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Daemon, Scratch, Setup, TIMEOUT, poll_until};

pub const TESTS: Group = Group {
    needs: Needs::Ci("root"),
    tests: tests![
        rights_are_those_of_root_of_the_group_and_of_others,
        without_a_group_the_socket_is_roots_alone,
        root_of_a_user_namespace_is_not_root
    ],
    ..Group::new(module_path!())
};

/// The number of a group that every system has; nobody is in it here.
const DAEMON: u32 = 1;

/// The user of a process.
fn user_of(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}")).unwrap().uid()
}

/// Who gives an order.
#[derive(Clone, Copy)]
struct Who {
    uid: u32,
    gid: u32,
    /// Beside its own group.
    other: Option<u32>,
}

const ROOT: Who = Who { uid: 0, gid: 0, other: None };
const MEMBER: Who = Who { uid: NOBODY, gid: NOBODY, other: Some(DAEMON) };
const MEMBER_BY_ITS_OWN_GROUP: Who = Who { uid: NOBODY, gid: DAEMON, other: None };
const OTHER: Who = Who { uid: NOBODY, gid: NOBODY, other: None };

/// The exit status, and what was printed.
fn ctl(who: Who, socket: &Path, folder: &Path, order: &str) -> (i32, String) {
    // The daemon's own file is root's to read.
    let config = folder.join("client.conf");
    std::fs::write(&config, format!("UPSTYPE test\nCONTROLSOCKET {}\n", socket.display())).unwrap();
    run(who, &[], &config, order)
}

/// The same with this configuration, through another program.
fn run(who: Who, through: &[&str], config: &Path, order: &str) -> (i32, String) {
    let groups = who.other.map_or("--clear-groups".to_owned(), |group| format!("--groups={group}"));
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", who.uid))
        .arg(format!("--regid={}", who.gid))
        .arg(groups)
        .args(through)
        .arg(program())
        .args(["ctl", "-f"])
        .arg(config)
        .args(order.split(' '))
        .process_group(0);
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    (done.status.code().unwrap(), text)
}

fn start(setup: Setup) -> (Daemon, Scratch, std::path::PathBuf) {
    let place = Scratch::new();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let socket = place.path().join("control");
    let setup = setup.with("NOLOGON", "disable").with("CONTROLSOCKET", &socket.display().to_string());
    let daemon = Daemon::start(&setup);
    daemon.wait_for_status(|status| status.is("STATUS", "ONLINE"), TIMEOUT);
    poll_until(TIMEOUT, || socket.exists().then_some(())).unwrap();
    (daemon, place, socket)
}

fn rights_are_those_of_root_of_the_group_and_of_others() {
    let (daemon, place, socket) = start(Setup::new("test").with("CONTROLGROUP", "daemon"));
    let data = socket.metadata().unwrap();
    assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (0, DAEMON, 0o660));
    let of = |who, order: &str| ctl(who, &socket, place.path(), order);
    for member in [MEMBER, MEMBER_BY_ITS_OWN_GROUP] {
        for (order, status) in [("settings", 0), ("beeper mute", 0), ("reload", 1), ("shutdown now --yes", 1)]
        {
            let came = of(member, order);
            assert_eq!(came.0, status, "{order}: {came:?}");
            assert!(status == 0 || came.1.contains("only root may order this"), "{order}: {came:?}");
        }
    }
    let came = of(OTHER, "settings");
    assert!(came.0 == 1 && came.1.contains("CONTROLGROUP"), "{came:?}");
    // Who runs the machine has opened it to everybody: to be looked at.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(of(OTHER, "settings").0, 0);
    let came = of(OTHER, "beeper mute");
    assert!(came.0 == 1 && came.1.contains("only root and the group daemon may order this"), "{came:?}");
    assert_eq!(of(ROOT, "reload").0, 0);
    let refused = format!("Control socket: user {NOBODY} (process ");
    let told = |log: &[String]| {
        log.iter()
            .any(|line| {
                line.starts_with(&refused)
                    && line.ends_with("orders: shutdown now: refused, only root may order this")
            })
            .then_some(())
    };
    daemon.wait_for_log("who was refused", told);
    assert!(!daemon.events().contains(&"remotedown".to_owned()));
    assert_eq!(of(ROOT, "shutdown now --yes").0, 0);
    daemon.wait_for_hook("doshutdown", TIMEOUT);
}

fn without_a_group_the_socket_is_roots_alone() {
    let (daemon, place, socket) = start(Setup::new("test"));
    let data = socket.metadata().unwrap();
    assert_eq!((data.uid(), data.gid(), data.mode() & 0o7777), (0, 0, 0o660));
    assert_eq!(ctl(ROOT, &socket, place.path(), "beeper mute").0, 0);
    assert_eq!(ctl(MEMBER, &socket, place.path(), "settings").0, 1);
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(ctl(MEMBER, &socket, place.path(), "settings").0, 0);
    assert_eq!(ctl(MEMBER, &socket, place.path(), "beeper mute").0, 1);
    // Whoever has started the daemon may what root may: that is not who its main process has become.
    let uid = user_of(daemon.main_pid());
    assert_ne!(uid, 0, "it has given up its rights");
    let main = Who { uid, gid: uid, other: None };
    assert_eq!(ctl(main, &socket, place.path(), "settings").0, 0);
    let came = ctl(main, &socket, place.path(), "reload");
    assert!(came.0 == 1 && came.1.contains("only root may order this"), "{came:?}");
}

fn root_of_a_user_namespace_is_not_root() {
    let (daemon, place, socket) = start(Setup::new("test").with("CONTROLGROUP", "daemon"));
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(ctl(OTHER, &socket, place.path(), "settings").0, 0);
    let config = place.path().join("client.conf");
    let inside = |who, order: &str| run(who, &["unshare", "-Ur", "--"], &config, order);
    let (status, text) = inside(OTHER, "settings");
    if text.contains("unshare") {
        eprintln!("no user namespaces here: {text}");
        return;
    }
    assert_eq!(status, 0, "{text}");
    // The kernel tells the user of the daemon's namespace, whoever the client believes to be.
    for order in ["beeper mute", "reload", "shutdown now --yes"] {
        let came = inside(OTHER, order);
        assert!(came.0 == 1 && came.1.contains("only root"), "{order}: {came:?}");
    }
    assert_eq!(inside(MEMBER, "beeper mute").0, 0);
    assert_eq!(inside(MEMBER, "reload").0, 1);
    let refused = format!("Control socket: user {NOBODY} (process ");
    let told = |log: &[String]| log.iter().any(|line| line.starts_with(&refused)).then_some(());
    daemon.wait_for_log("the user outside", told);
}
