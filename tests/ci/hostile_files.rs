//! Links of other users in folders that all can write to: no file of the daemon goes where they lead.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};

use crate::support::runner::{Group, Needs, tests};
use crate::support::{FakeTime, Scratch, Setup, TIMEOUT, play, play_in};

pub const TESTS: Group = Group {
    needs: Needs::Ci("root, to make files of another user"),
    tests: tests![
        no_file_of_the_daemon_follows_another_users_link_in_a_shared_folder,
        trimming_follows_no_link_that_took_the_events_files_place,
        a_trace_is_written_through_no_link_of_another_user,
    ],
    ..Group::new(module_path!())
};

/// Some other user.
const OTHER: u32 = 65534;

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable")
}

/// A folder like `/tmp`.
fn shared() -> Scratch {
    let scratch = Scratch::new();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    scratch
}

fn no_file_of_the_daemon_follows_another_users_link_in_a_shared_folder() {
    let (shared, secrets) = (shared(), Scratch::new());
    let mut setup = setup().with("STATTIME", "1").with("EVENTSFILEMAX", "1");
    let mut victims = Vec::new();
    for keyword in ["EVENTSFILE", "STATFILE", "STATEFILE"] {
        let victim = secrets.file(keyword, "secret\n".repeat(1000));
        let link = shared.path().join(keyword);
        symlink(&victim, &link).unwrap();
        lchown(&link, Some(OTHER), Some(OTHER)).unwrap();
        setup = setup.with(keyword, &link.display().to_string());
        victims.push(victim);
    }
    let daemon = play("1 mains off\n3 mains on", setup);
    daemon.wait_for_hook("offbattery", TIMEOUT);
    // A status is written and the events file is looked at for trimming more than once.
    let events = daemon.nis().events().unwrap_or_default().concat();
    assert!(!events.contains("secret"), "clients read it: {events}");
    for (keyword, words) in [
        ("EVENTSFILE", "Could not open events file "),
        ("STATFILE", "Cannot write status file "),
        ("STATEFILE", "State file "),
    ] {
        let line = daemon.wait_for_output(words, TIMEOUT);
        let link = shared.path().join(keyword).display().to_string();
        let why = "it is a link that belongs to another user (uid 65534), and is not followed";
        assert!(line.text.contains(&link) && line.text.contains(why), "{}", line.text);
    }
    let told = daemon.output().since(0).iter().filter(|line| line.text.contains("is not followed")).count();
    assert_eq!(told, 3, "one line each: {}", daemon.describe());
    assert!(daemon.terminate().status.success());
    for victim in victims {
        assert_eq!(fs::read_to_string(&victim).unwrap(), "secret\n".repeat(1000), "{}", victim.display());
    }
}

fn trimming_follows_no_link_that_took_the_events_files_place() {
    let (shared, secrets) = (shared(), Scratch::new());
    let victim = secrets.file("victim", "secret\n".repeat(1000));
    let events = shared.path().join("events");
    let setup = setup().with("EVENTSFILE", &events.display().to_string()).with("EVENTSFILEMAX", "1");
    let mut daemon = FakeTime::start(&setup, "20 mains off\n21 mains on", 0.0, |_| ());
    daemon.run_to(10.0);
    assert!(events.exists());
    fs::remove_file(&events).unwrap();
    symlink(&victim, &events).unwrap();
    lchown(&events, Some(OTHER), Some(OTHER)).unwrap();
    daemon.run_to(100.0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "secret\n".repeat(1000));
    assert!(fs::symlink_metadata(&events).unwrap().is_symlink());
}

fn a_trace_is_written_through_no_link_of_another_user() {
    let (shared, secrets) = (shared(), Scratch::new());
    let victim = secrets.file("victim", "secret");
    let trace = shared.path().join("apcupsd.trace");
    symlink(&victim, &trace).unwrap();
    lchown(&trace, Some(OTHER), Some(OTHER)).unwrap();
    let scratch = Scratch::new();
    let mut setup = setup().arg("-T");
    setup.by = ["env", "-C", &shared.path().display().to_string()].map(str::to_owned).to_vec();
    let end = play_in("", setup, scratch).wait_for_exit();
    assert_eq!(end.status.code(), Some(1));
    assert!(
        end.output.contains("cannot write apcupsd.trace: it is a link that belongs to another user"),
        "{}",
        end.output
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "secret");
}
