//! Real children in folders of their own, on a clock that only the test moves, so that a slow machine changes nothing. Nothing here can shut a machine down: the
//! fall-back's folders are the test's own, and this crate's tests have no `reboot`.

mod hooks;
mod shutdown;

use std::path::Path;

use super::*;
use crate::sys::spawn::tests::write_script;

/// A folder with an `apccontrol`, and the `Act` that runs it.
struct Stage {
    folder: PathBuf,
    act: Act,
    begin: Instant,
    skipped: Duration,
    seen: Vec<Outcome>,
}

/// Text and mode of an `apccontrol`, if there is to be one.
type Script = Option<(&'static str, u32)>;

/// Logs its arguments, then does what the script of the event says.
const APCCONTROL: &str =
    "#!/bin/sh\ncd \"${0%/*}\" || exit 1\necho \"$*\" >> log\n[ ! -f \"$1\" ] || . \"./$1\"\n";

/// What a script does that hangs until this file is there, or the folder is gone that it would be in.
pub(super) fn waits_for(file: &Path) -> String {
    let folder = file.parent().unwrap().display();
    format!("while [ -d {folder} ] && [ ! -e {} ]; do sleep 0.02; done", file.display())
}

impl Stage {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mainsd-act-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        let settings = ActSettings {
            script_dir: folder.clone(),
            powerfail_dir: folder.clone(),
            nologin_dir: folder.clone(),
            fallback: Fallback {
                shutdown_cmd: Some(format!("echo SHUTDOWNCMD >> {}/log", folder.display())),
                built_in: BuiltIn::default(),
                last_resort: LastResort::LogOnly,
            },
            output: Output::Null,
            ..ActSettings::default()
        };
        write_script(&folder.join("apccontrol"), APCCONTROL, 0o755);
        let act = Act::new(settings);
        #[expect(clippy::disallowed_methods, reason = "tests run real processes by the real clock")]
        let begin = Instant::now();
        Self { folder, act, begin, skipped: Duration::ZERO, seen: Vec::new() }
    }

    /// What the hook does on this event, as shell text.
    fn on(&self, event: &str, text: &str) {
        write_script(&self.folder.join(event), text, 0o644);
    }

    /// A command in the folder of built-in commands that logs its name and arguments.
    fn command(&self, name: &str, status: i32) {
        let text = format!("#!/bin/sh\necho {name} \"$*\" >> {}/log\nexit {status}\n", self.folder.display());
        write_script(&self.folder.join("bin").join(name), &text, 0o755);
    }

    /// The commands that there are now, as at the start of a daemon.
    fn find_commands(&mut self) {
        let found = BuiltIn::find(&[self.folder.join("bin")], &self.folder.join("systemd"));
        self.act.settings.fallback.built_in = found;
    }

    fn without_shutdown_cmd(&mut self) {
        self.act.settings.fallback.shutdown_cmd = None;
    }

    fn now(&self) -> Instant {
        self.begin + self.skipped
    }

    fn hook(&mut self, event: Event) {
        let now = self.now();
        self.act.handle(Request::Hook(event, args()), now);
    }

    fn shut_down(&mut self) {
        let now = self.now();
        self.act.handle(Request::Shutdown(args(), "TIMEOUT 10 s reached.".to_owned()), now);
    }

    /// Moves the clock forward, and lets deadlines pass.
    fn skip(&mut self, seconds: u64) {
        self.skipped += Duration::from_secs(seconds);
        self.turn();
    }

    /// One turn of the loop.
    fn turn(&mut self) {
        let now = self.now();
        self.act.handle_child_signal(now);
        if self.act.poll_timeout().is_some_and(|at| at <= now) {
            self.act.handle_timeout(now);
        }
        while let Some(outcome) = self.act.poll_outcome() {
            self.seen.push(outcome);
        }
    }

    /// Turns the loop until this is so.
    #[expect(clippy::disallowed_methods, reason = "tests run real processes by the real clock")]
    fn until(&mut self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let begin = Instant::now();
        loop {
            self.turn();
            if condition(self) {
                return;
            }
            if begin.elapsed() > Duration::from_secs(60) {
                panic!(
                    "not so after a minute: {what}\nlog:\n{}\nseen: {:#?}",
                    self.log().join("\n"),
                    self.seen
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn until_log(&mut self, lines: &[&str]) {
        self.until(&format!("log is {lines:?}"), |stage| stage.log() == lines);
    }

    fn until_finished(&mut self, event: Event) -> HookEnd {
        let mut found = None;
        self.until(&format!("{event:?} finished"), |stage| {
            found = stage.seen.iter().find_map(|outcome| match outcome {
                Outcome::HookFinished { event: of, how, .. } if *of == event => Some(how.clone()),
                _ => None,
            });
            found.is_some()
        });
        found.unwrap()
    }

    fn until_seen(&mut self, outcome: &Outcome) {
        self.until(&format!("{outcome:?}"), |stage| stage.seen.contains(outcome));
    }

    /// What hooks and commands logged: the event only, and whatever else as it is.
    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        text.lines().map(|line| line.strip_suffix(" ups 1 1").unwrap_or(line).to_owned()).collect()
    }

    /// The log lines of this priority.
    fn said(&self, priority: Priority) -> Vec<&str> {
        let of = |outcome| match outcome {
            &Outcome::Log(of, ref text) if of == priority => Some(text.as_str()),
            _ => None,
        };
        self.seen.iter().filter_map(of).collect()
    }

    fn pid_in(&mut self, file: &str) -> i32 {
        let path = self.folder.join(file);
        self.until(&format!("{file} is there"), |_| path.exists());
        std::fs::read_to_string(&path).unwrap().trim().parse().unwrap()
    }

    fn apccontrol(&self) -> String {
        self.folder.join("apccontrol").display().to_string()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Hooks that hang on purpose tell their ids; their groups are the test's own.
        for entry in std::fs::read_dir(&self.folder).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("pid-") {
                let pid = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let _ = std::process::Command::new("kill").args(["-KILL", pid.trim()]).output();
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn args() -> HookArgs {
    HookArgs { ups_name: "ups".to_owned(), connected: true, powered: true }
}

/// Tells the id of its shell in `pid-NAME` and hangs; SIGTERM ends it, or does not.
fn hang(name: &str, ends_by_term: bool) -> String {
    let trap = if ends_by_term { "" } else { "trap '' TERM\n" };
    format!("{trap}echo $$ > new-{name}; mv new-{name} pid-{name}\nwhile :; do sleep 0.05; done\n")
}

fn is_gone(path: &Path) -> bool {
    !path.exists()
}
