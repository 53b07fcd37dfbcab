//! The hooks that a rehearsal runs, one at a time and waited for (`mainsd drill`).
//!
//! What shuts the machine down or cuts its power is not among them: no [`RehearsedHook`] can be made of it, and nothing else is
//! started here. `apccontrol` itself is not run either, because nobody knows what an administrator has it do; the script of an
//! event is run as `apccontrol` would.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::task::{HookEnd, Step, Task};
use super::{HookArgs, arguments};
use crate::sys::spawn::{self, Output, Spec};
use crate::ups::Event;

/// What is never run, whatever an event's script is called: in SCRIPTDIR, or by its path.
const NEVER: [&str; 8] = [
    "doshutdown",
    "killpower",
    "apccontrol",
    "/usr/bin/systemctl",
    "/sbin/shutdown",
    "/sbin/poweroff",
    "/sbin/halt",
    "/sbin/reboot",
];

/// What the shipped `apccontrol` does before it runs the script of an event; `config` can change all but MAINSD_DRILL.
const AS_APCCONTROL: &str = "\
SCRIPTDIR=$0 SYSADMIN=root APCUPSD_MAIL=mail PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin MAINSD_DRILL=1
export PATH SYSADMIN APCUPSD_MAIL MAINSD_DRILL
[ ! -f \"$0/config\" ] || . \"$0/config\"
MAINSD_DRILL=1
exec \"$0/$1\" \"$2\" \"$3\" \"$4\"";

/// Between two looks at a hook that runs.
const NAP: Duration = Duration::from_millis(5);

/// A script of an event that a rehearsal may run.
#[derive(Debug)]
pub struct RehearsedHook {
    script_dir: PathBuf,
    event: Event,
}

impl RehearsedHook {
    /// The script of this event that `apccontrol` would run; `None`: there is none.
    ///
    /// # Errors
    /// Why a rehearsal never runs it.
    pub fn find(script_dir: &Path, event: Event) -> Result<Option<Self>, String> {
        let program = |name| {
            let data = fs::metadata(script_dir.join(name)).ok();
            data.filter(|data| data.is_file() && data.mode() & 0o111 != 0)
        };
        let Some(data) = program(event.arg()) else { return Ok(None) };
        let is_it = |name: &&&str| {
            let other = fs::metadata(script_dir.join(name));
            other.is_ok_and(|other| (other.dev(), other.ino()) == (data.dev(), data.ino()))
        };
        match NEVER.iter().find(is_it) {
            _ if event == Event::DoShutdown => Err("never run".to_owned()),
            Some(name) => Err(format!("never run: it is the same file as {name}")),
            None if program("apccontrol").is_none() => {
                Err("never run: there is no apccontrol to run it".to_owned())
            }
            None => Ok(Some(Self { script_dir: script_dir.to_owned(), event })),
        }
    }

    /// Runs it, and waits for its end, as the daemon does: after `limit` it is terminated, and killed. Gives its end and how long
    /// it took. `now` reads the clock.
    pub fn run(&self, args: &HookArgs, limit: Duration, now: impl Fn() -> Instant) -> (HookEnd, Duration) {
        let start = now();
        let [name, connected, powered] = arguments(args);
        let folder = self.script_dir.as_os_str();
        let words = ["-c".as_ref(), AS_APCCONTROL.as_ref(), folder, self.event.arg().as_ref()];
        let words = words.into_iter().chain([name.as_ref(), connected.as_ref(), powered.as_ref()]);
        let child = match spawn::spawn(&Spec::new(Path::new("/bin/sh"), words, Output::Inherit)) {
            Ok(child) => child,
            Err(error) => return (HookEnd::NotForked(crate::sys::reason(&error)), Duration::ZERO),
        };
        let mut task = Task::new(child, Some(self.event), String::new(), limit, start);
        let end = loop {
            match task.advance(now()) {
                Step::Ended(how) => break how,
                Step::GivenUp => break HookEnd::TimedOut,
                Step::Running | Step::Terminated | Step::Killed => nap(),
            }
        };
        (end, now().saturating_duration_since(start))
    }
}

#[expect(clippy::disallowed_methods, reason = "a rehearsal has no loop, and waitpid(2) no time limit")]
fn nap() {
    thread::sleep(NAP);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A folder of scripts, removed at the end.
    struct Scripts(Scratch);

    impl Scripts {
        fn new(name: &str) -> Self {
            let path = Scratch::new(&format!("rehearsal-{name}"));
            Self(path)
        }

        fn add(&self, name: &str, mode: u32) {
            let path = self.0.join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    #[test]
    fn no_hook_is_made_of_what_shuts_down_or_cuts_the_power_under_any_name() {
        let scripts = Scripts::new("never");
        let folder = &scripts.0;
        for name in ["apccontrol", "doshutdown", "killpower", "onbattery"] {
            scripts.add(name, 0o755);
        }
        scripts.add("offbattery", 0o644);
        symlink("doshutdown", folder.join("failing")).unwrap();
        fs::hard_link(folder.join("killpower"), folder.join("timeout")).unwrap();
        symlink(folder.join("apccontrol"), folder.join("loadlimit")).unwrap();
        let of = |event| RehearsedHook::find(folder, event).map(|hook| hook.is_some());
        assert_eq!(of(Event::OnBattery), Ok(true));
        assert_eq!((of(Event::OffBattery), of(Event::PowerOut)), (Ok(false), Ok(false)));
        assert_eq!(of(Event::DoShutdown), Err("never run".to_owned()));
        for (event, other) in
            [(Event::Failing, "doshutdown"), (Event::Timeout, "killpower"), (Event::LoadLimit, "apccontrol")]
        {
            assert_eq!(of(event), Err(format!("never run: it is the same file as {other}")));
        }
        for path in NEVER.iter().filter(|path| path.starts_with('/') && Path::new(path).exists()) {
            let _ = fs::remove_file(folder.join("emergency"));
            symlink(path, folder.join("emergency")).unwrap();
            assert!(of(Event::Emergency).is_err(), "{path}");
        }
    }
}
