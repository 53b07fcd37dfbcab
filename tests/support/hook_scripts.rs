//! The shipped hooks under a shell, with commands that only log. [`each_hook_case`] gives each of these cases to a macro that makes
//! tests of them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{Scratch, Setup, TIMEOUT, free_port, poll_until, write_config};

/// The words that start a shell.
pub type Shell<'a> = &'a [&'a str];

/// Calls the macro `$make` with these words and the names of all cases, which take a [`Shell`].
#[macro_export]
macro_rules! each_hook_case {
    ($make:ident $($words:tt)*) => {
        $make! {
            $($words)*
            events_are_told_to_terminals_where_there_are_some
            without_terminals_or_wall_nothing_is_told_and_nothing_fails
            every_event_of_the_daemon_is_known_and_others_fail
            doshutdown_uses_what_exists_and_says_whether_it_worked
            in_a_drill_nothing_is_shut_down_and_nobody_told
            an_event_script_runs_first_and_may_do_it_all
            an_event_script_that_is_not_executable_is_left_out
            the_config_file_is_sourced
            mains_back_during_a_shutdown_is_told
            the_configuration_of_the_hooks_is_that_of_the_daemon
            killpower_runs_the_daemon_and_passes_its_status_on
            the_last_hook_of_systemd_kills_power_only_after_a_power_failure
            the_last_hook_of_systemd_reads_the_file_that_the_daemon_reads
            the_last_hook_tells_each_ups_whose_daemon_has_made_its_flag
            the_last_hook_of_systemd_tells_the_ups_where_no_hook_can
            the_last_hook_of_systemd_finds_the_flag_however_its_folder_is_spelt
            the_examples_mail_the_administrator_and_let_apccontrol_go_on
        }
    };
}
pub use super::last_hook::*;
pub use crate::each_hook_case;

/// Everything that could really do something; a script that would find one outside the test's folder is not run.
const DANGEROUS: [&str; 8] =
    ["systemctl", "shutdown", "poweroff", "halt", "reboot", "wall", "mainsd", "apcupsd"];

/// What is to be logged but a busybox may have built in.
const BUSYBOX_HAS: [&str; 6] = ["sync", "shutdown", "poweroff", "halt", "reboot", "wall"];

/// What the scripts need besides.
const TOOLS: [&str; 5] = ["sed", "tail", "cat", "hostname", "sleep"];

/// A folder with the shipped hooks, and one with commands that only log.
pub(super) struct Stage {
    pub(super) scratch: Scratch,
    shell: Vec<String>,
}

impl Stage {
    pub(super) fn new(shell: Shell) -> Self {
        let stage =
            Self { scratch: Scratch::new(), shell: shell.iter().map(|word| (*word).to_owned()).collect() };
        for folder in ["bin", "hooks", "dev", "run", "flags"] {
            stage.scratch.dir(folder);
        }
        stage.scratch.script("hooks/apccontrol", &shipped("hooks/apccontrol"));
        for tool in TOOLS {
            let found = ["/bin", "/usr/bin"]
                .map(|dir| Path::new(dir).join(tool))
                .into_iter()
                .find(|path| path.exists());
            std::os::unix::fs::symlink(found.unwrap(), stage.path("bin").join(tool)).unwrap();
        }
        stage.command("sync", 0);
        stage
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Takes the place of the file that the last hook looks for, unless the test is about the looking.
    fn conf(&self) -> PathBuf {
        if self.path("etc").exists() { PathBuf::new() } else { self.path("apcupsd.conf") }
    }

    /// The two default files of the daemon, with a folder of flags each, and the shipped `apccontrol` beside both.
    pub(super) fn with_default_files(self) -> Self {
        for (folder, file) in [("mainsd", "mainsd.conf"), ("apcupsd", "apcupsd.conf")] {
            for made in [format!("etc/{folder}"), format!("flags/{folder}")] {
                std::fs::create_dir_all(self.path(&made)).unwrap();
            }
            self.scratch.script(&format!("etc/{folder}/apccontrol"), &shipped("hooks/apccontrol"));
            let (flags, hooks) = (self.path("flags").join(folder), self.path("etc").join(folder));
            let config = format!("PWRFAILDIR {}\nSCRIPTDIR {}\n", flags.display(), hooks.display());
            self.scratch.file(&format!("etc/{folder}/{file}"), config);
        }
        self
    }

    /// A command that logs its name and arguments; `wall` logs its input too.
    pub(super) fn command(&self, name: &str, status: i32) {
        let log = self.path("log");
        let input = if name == "wall" { " $(cat)" } else { "" };
        let text = format!("#!/bin/sh\necho \"{name} $*{input}\" >> {}\nexit {status}\n", log.display());
        self.scratch.script(&format!("bin/{name}"), &text);
    }

    fn with_terminals(self) -> Self {
        self.scratch.dir("dev/pts");
        self.scratch.file("dev/pts/3", "");
        self.command("wall", 0);
        self
    }

    fn with_systemd(self) -> Self {
        self.scratch.dir("run/systemd");
        self.scratch.dir("run/systemd/system");
        self
    }

    fn prepare(&self, script: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(&self.shell[0]);
        command.args(&self.shell[1..]);
        if self.is_busybox() {
            command.arg("-c").arg(self.busybox_guard() + ". \"$0\"");
        }
        command.arg(script).args(args);
        command
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("APCCONTROL_SBIN", self.path("bin"))
            .env("APCCONTROL_RUN", self.path("run"))
            .env("APCCONTROL_DEV", self.path("dev"))
            .env("APCCONTROL_ETC", self.path("etc"))
            .env("MAINSD_ETC", self.path("etc"))
            .env("MAINSD_CONF", self.conf())
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }

    fn is_busybox(&self) -> bool {
        self.shell[0].ends_with("busybox")
    }

    /// Many builds of busybox run their own `poweroff` before any in PATH. Functions come before both.
    fn busybox_guard(&self) -> String {
        let function = |name: &str| format!("{name}() {{ {}/{name} \"$@\"; }}\n", self.path("bin").display());
        BUSYBOX_HAS.map(function).concat()
    }

    /// Whether this shell takes dangerous commands from the test's folder only, or nowhere.
    fn is_safe(&self) -> bool {
        let look =
            self.scratch.file("look", format!("for c in {}; do type $c; done 2>&1", DANGEROUS.join(" ")));
        let found = self.prepare(&look, &[]).output().unwrap();
        let bin = self.path("bin").display().to_string();
        let said = String::from_utf8_lossy(&found.stdout).into_owned();
        let safe =
            |line: &str| line.contains(&bin) || line.contains("not found") || line.contains("is a function");
        // bash shows the body of a function as well, but has none here.
        said.lines().count() == DANGEROUS.len() && said.lines().all(safe)
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_script(&self.path("hooks/apccontrol"), args)
    }

    pub(super) fn run_script(&self, script: &Path, args: &[&str]) -> Output {
        assert!(self.is_safe());
        self.prepare(script, args).output().unwrap()
    }

    pub(super) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for the log: what is told to terminals is not waited for by the script.
    fn assert_log(&self, expected: &[&str]) {
        let same = || {
            let mut log = self.log();
            log.sort_unstable();
            let mut wanted: Vec<_> = expected.to_vec();
            wanted.sort_unstable();
            (log == wanted).then_some(())
        };
        assert!(
            poll_until(TIMEOUT, same).is_some(),
            "{:?}: {:?}, wanted {expected:?}",
            self.shell,
            self.log()
        );
    }
}

pub(super) fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)).unwrap()
}

pub fn events_are_told_to_terminals_where_there_are_some(shell: Shell) {
    let table = [
        ("onbattery", "Power failure on UPS my ups. Running on batteries."),
        ("offbattery", "Power has returned on UPS my ups."),
        ("timeout", "Battery time limit reached on UPS my ups. Shutting down."),
        ("loadlimit", "Battery charge limit reached on UPS my ups. Shutting down."),
        ("runlimit", "Battery runtime limit reached on UPS my ups. Shutting down."),
        ("failing", "Battery power exhausted on UPS my ups. Shutting down."),
        ("emergency", "Battery failure on UPS my ups. Shutting down."),
        ("remotedown", "Remote shutdown ordered by UPS my ups. Shutting down."),
        ("annoyme", "Power problems with UPS my ups. Please log off."),
        ("changeme", "The battery of UPS my ups must be replaced."),
        ("selftestfailed", "UPS my ups has not passed its self test."),
        ("commfailure", "Communications with UPS my ups lost."),
        ("commok", "Communications with UPS my ups restored."),
    ];
    for (event, text) in table {
        let stage = Stage::new(shell).with_terminals();
        let done = stage.run(&[event, "my ups", "1", "1"]);
        assert!(done.status.success(), "{shell:?} {event}: {done:?}");
        stage.assert_log(&[&format!("wall  {text}")]);
    }
}

pub fn without_terminals_or_wall_nothing_is_told_and_nothing_fails(shell: Shell) {
    let no_terminals = Stage::new(shell);
    no_terminals.command("wall", 0);
    for stage in [no_terminals, Stage::new(shell)] {
        let done = stage.run(&["onbattery", "ups", "1", "1"]);
        assert!(done.status.success() && done.stderr.is_empty(), "{shell:?}: {done:?}");
        assert!(stage.log().is_empty());
    }
}

pub fn every_event_of_the_daemon_is_known_and_others_fail(shell: Shell) {
    let stage = Stage::new(shell);
    for event in mainsd::ups::Event::ALL {
        if event != mainsd::ups::Event::DoShutdown {
            let done = stage.run(&[event.arg(), "ups", "1", "1"]);
            assert!(done.status.success() && done.stdout.is_empty(), "{shell:?} {event:?}: {done:?}");
        }
    }
    stage.scratch.script("hooks/other", "exit 0\n");
    for args in [&[][..], &["other", "ups"], &["../hooks/apccontrol"], &["apccontrol"], &[""]] {
        let done = stage.run(args);
        assert_eq!(done.status.code(), Some(1), "{shell:?} {args:?}");
        assert!(!done.stderr.is_empty(), "{shell:?} {args:?}");
    }
}

pub fn doshutdown_uses_what_exists_and_says_whether_it_worked(shell: Shell) {
    let message = "mainsd: UPS ups initiated shutdown";
    // Commands with their exit statuses; what is run; the script's exit status.
    type Case<'a> = (&'a [(&'a str, i32)], bool, Vec<String>, i32);
    let cases: [Case; 8] = [
        (&[("systemctl", 0), ("shutdown", 0)], true, vec!["systemctl -i poweroff".into()], 0),
        (&[("systemctl", 0), ("shutdown", 0)], false, vec![format!("shutdown -h now {message}")], 0),
        (
            &[("systemctl", 1), ("shutdown", 0)],
            true,
            vec!["systemctl -i poweroff".into(), format!("shutdown -h now {message}")],
            0,
        ),
        (&[("poweroff", 0), ("halt", 0)], false, vec!["poweroff ".into()], 0),
        (&[("poweroff", 1), ("halt", 0)], false, vec!["poweroff ".into(), "halt ".into()], 0),
        (&[("poweroff", 1), ("halt", 1)], false, vec!["poweroff ".into(), "halt ".into()], 1),
        (&[("systemctl", 0)], false, vec![], 1),
        (&[], true, vec![], 1),
    ];
    for (commands, systemd, log, status) in &cases {
        let mut stage = Stage::new(shell);
        for (name, status) in *commands {
            stage.command(name, *status);
        }
        if *systemd {
            stage = stage.with_systemd();
        }
        let done = stage.run(&["doshutdown", "ups", "1", "1"]);
        assert_eq!(done.status.code(), Some(*status), "{shell:?} {commands:?}: {done:?}");
        assert_eq!(stage.log(), *log, "{shell:?} {commands:?}");
    }
}

pub fn in_a_drill_nothing_is_shut_down_and_nobody_told(shell: Shell) {
    let stage = Stage::new(shell).with_systemd().with_terminals();
    for name in ["systemctl", "shutdown", "poweroff", "halt", "mainsd"] {
        stage.command(name, 0);
    }
    for name in ["doshutdown", "killpower"] {
        stage.scratch.script(
            &format!("hooks/{name}"),
            &format!("#!/bin/sh\necho own >> {}\n", stage.path("log").display()),
        );
    }
    assert!(stage.is_safe());
    // A status of 0 would mean that the machine goes down.
    for (event, status) in [("doshutdown", 1), ("killpower", 1), ("onbattery", 0), ("timeout", 0)] {
        let mut command = stage.prepare(&stage.path("hooks/apccontrol"), &[event, "ups", "1", "1"]);
        let done = command.env("MAINSD_DRILL", "1").output().unwrap();
        assert_eq!(done.status.code(), Some(status), "{shell:?} {event}: {done:?}");
        assert_eq!(stage.log(), [""; 0], "{shell:?} {event}");
    }
}

pub fn an_event_script_runs_first_and_may_do_it_all(shell: Shell) {
    for (status, default_runs) in [(0, true), (1, true), (98, true), (99, false)] {
        let stage = Stage::new(shell);
        stage.command("poweroff", 0);
        let log = stage.path("log");
        let text = format!(
            "#!/bin/sh\necho \"$# <$1> <$2> <$3> $SYSADMIN $APCUPSD_MAIL\" >> {}\nexit {status}\n",
            log.display()
        );
        stage.scratch.script("hooks/doshutdown", &text);
        let done = stage.run(&["doshutdown", "my ups", "1", "0"]);
        assert!(done.status.success(), "{done:?}");
        let mut expected = vec!["3 <my ups> <1> <0> root mail"];
        expected.extend(default_runs.then_some("poweroff "));
        assert_eq!(stage.log(), expected, "{shell:?} {status}");
    }
}

pub fn an_event_script_that_is_not_executable_is_left_out(shell: Shell) {
    let stage = Stage::new(shell);
    stage.command("poweroff", 0);
    stage.scratch.file("hooks/doshutdown", "#!/bin/sh\nexit 99\n");
    stage.run(&["doshutdown", "ups", "1", "1"]);
    assert_eq!(stage.log(), ["poweroff "]);
}

pub fn the_config_file_is_sourced(shell: Shell) {
    let stage = Stage::new(shell);
    stage.scratch.file("hooks/config", "SYSADMIN=me\nAPCUPSD_MAIL=sendmail\n");
    let log = stage.path("log");
    let text = format!("#!/bin/sh\necho \"$SYSADMIN $APCUPSD_MAIL\" >> {}\n", log.display());
    stage.scratch.script("hooks/powerout", &text);
    stage.run(&["powerout", "ups", "1", "1"]);
    assert_eq!(stage.log(), ["me sendmail"]);
}

pub fn mains_back_during_a_shutdown_is_told(shell: Shell) {
    let stage = Stage::new(shell).with_terminals();
    let flags = stage.path("flags");
    let config = format!(
        "## apcupsd.conf v1.1 ##\nPWRFAILDIR /nonexistent\n#PWRFAILDIR /x\n\tpwrfaildir\t\"{}\"  # here\n",
        flags.display()
    );
    stage.scratch.file("hooks/apcupsd.conf", config);
    assert!(stage.run(&["mainsback", "ups", "1", "1"]).status.success());
    stage.scratch.file("flags/powerfail", "");
    assert!(stage.run(&["mainsback", "ups", "1", "1"]).status.success());
    stage.assert_log(&["wall  Continuing with shutdown."]);
}

pub fn the_configuration_of_the_hooks_is_that_of_the_daemon(shell: Shell) {
    for (flag, own, told) in [
        ("flags/mainsd/powerfail", true, true),
        ("flags/apcupsd/powerfail", true, false),
        ("flags/apcupsd/powerfail", false, true),
        ("flags/mainsd/powerfail", false, false),
    ] {
        for folder in ["mainsd", "apcupsd"] {
            let stage = Stage::new(shell).with_terminals().with_default_files();
            if !own {
                std::fs::remove_file(stage.path("etc/mainsd/mainsd.conf")).unwrap();
            }
            stage.scratch.file(flag, "");
            let apccontrol = stage.path("etc").join(folder).join("apccontrol");
            assert!(stage.run_script(&apccontrol, &["mainsback", "ups", "1", "1"]).status.success());
            // Told after it, so that what should not be told has had its time.
            stage.run_script(&apccontrol, &["commok", "ups", "1", "1"]);
            let told = told.then_some("wall  Continuing with shutdown.");
            let restored = "wall  Communications with UPS ups restored.";
            stage.assert_log(&told.into_iter().chain([restored]).collect::<Vec<_>>());
        }
    }
}

pub fn killpower_runs_the_daemon_and_passes_its_status_on(shell: Shell) {
    for (name, status) in [("mainsd", 0), ("mainsd", 1), ("apcupsd", 0)] {
        let stage = Stage::new(shell);
        stage.command(name, status);
        let done = stage.run(&["killpower"]);
        assert_eq!(done.status.code(), Some(status));
        assert_eq!(stage.log(), ["sync ".to_owned(), format!("{name} --killpower")], "{shell:?}");
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(said.starts_with(&format!("Apccontrol doing: {name} --killpower on UPS")), "{said}");
    }
    // Of several UPSes, that with this configuration.
    let stage = Stage::new(shell);
    stage.command("mainsd", 0);
    let mut command = stage.prepare(&stage.path("hooks/apccontrol"), &["killpower"]);
    let done = command.env("MAINSD_CONFIG", "/etc/mainsd/my ups.conf").output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(stage.log(), ["sync ", "mainsd -f /etc/mainsd/my ups.conf --killpower"], "{shell:?}");
    let stage = Stage::new(shell);
    stage.command("mainsd", 0);
    stage.scratch.script("hooks/killpower", "#!/bin/sh\nexit 99\n");
    assert!(stage.run(&["killpower"]).status.success());
    assert!(stage.log().is_empty());
}

pub fn the_examples_mail_the_administrator_and_let_apccontrol_go_on(shell: Shell) {
    for event in ["onbattery", "offbattery", "changeme", "commfailure", "commok"] {
        let stage = Stage::new(shell).with_terminals();
        stage.scratch.script(&format!("hooks/{event}"), &shipped(&format!("hooks/{event}")));
        stage.scratch.file("hooks/config", "SYSADMIN=me@example.net\n");
        let done = stage.run(&[event, "my ups", "1", "1"]);
        assert!(done.status.success(), "without a mail program: {shell:?} {done:?}");
        let log = stage.path("log");
        let mail = format!("#!/bin/sh\necho \"$1 $3 $(cat)\" >> {}\n", log.display());
        stage.scratch.script("bin/mail", &mail);
        stage.scratch.script("bin/apcaccess", "#!/bin/sh\necho STATUS\n");
        stage.run(&[event, "my ups", "1", "1"]);
        let mailed =
            || stage.log().iter().any(|line| line.starts_with("-s me@example.net The ")).then_some(());
        assert!(poll_until(TIMEOUT, mailed).is_some(), "{shell:?} {event}: {:?}", stage.log());
        let walls =
            || (stage.log().iter().filter(|line| line.starts_with("wall")).count() == 2).then_some(());
        assert!(poll_until(TIMEOUT, walls).is_some(), "{shell:?} {event}: {:?}", stage.log());
    }
}
