//! What only an ordinary user's daemon does.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::support::faults::guard::is_root;
use crate::support::runner::{Group, Needs, tests};
use crate::support::{Scratch, Setup, TIMEOUT, play_in, poll_until, state_files};

pub const TESTS: Group = Group {
    needs: Needs::Machine("to be run as an ordinary user", || !is_root()),
    tests: tests![an_ordinary_users_daemon_has_its_state_and_locks_in_folders_of_its_own],
    ..Group::new(module_path!())
};

fn an_ordinary_users_daemon_has_its_state_and_locks_in_folders_of_its_own() {
    let scratch = Scratch::new();
    let (session, temporary) = (scratch.dir("session"), scratch.dir("temporary"));
    let setup = |session: &Path| {
        let setup = Setup::new("test").with("NOLOGON", "disable").without("STATEFILE");
        let setup =
            setup.environment("MAINSD_RUN_DIR", "").environment("TMPDIR", &temporary.display().to_string());
        setup.environment("XDG_RUNTIME_DIR", &session.display().to_string())
    };
    let first = play_in("1 mains off", setup(&session), Scratch::new());
    first.wait_for_hook("onbattery", TIMEOUT);
    let one =
        |folder: &Path| poll_until(TIMEOUT, || (state_files(folder).len() == 1).then_some(())).is_some();
    assert!(one(&session.join("mainsd")));
    // Without a session there is the folder for temporary files.
    let second = play_in("1 mains off", setup(Path::new("/nonexistent")), Scratch::new());
    second.wait_for_hook("onbattery", TIMEOUT);
    let user = std::fs::metadata(scratch.path()).unwrap().uid();
    assert!(one(&temporary.join(format!("mainsd-{user}"))));
    assert!(!second.output().text().contains("without this folder"), "{}", second.describe());
}
