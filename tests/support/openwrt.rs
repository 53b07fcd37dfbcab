//! The scripts of `packaging/openwrt` under a shell, in a folder that stands for a router's root, with `tests/openwrt` in place of
//! OpenWrt's own functions. [`each_openwrt_case`] gives each of these cases to a macro that makes tests of them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mainsd::config::directives;

use super::hook_scripts::Shell;
use super::{Daemon, Nis, Scratch, Setup, Status, TIMEOUT, free_port, is_there, poll_until, send_signal};

/// Calls the macro `$make` with these words and the names of all cases, which take a [`Shell`].
#[macro_export]
macro_rules! each_openwrt_case {
    ($make:ident $($words:tt)*) => {
        $make! {
            $($words)*
            every_directive_is_an_option_in_lower_case
            the_shipped_uci_file_starts_nothing_and_has_no_mistake_when_it_is_enabled
            a_list_is_one_line_and_options_of_other_sections_stay_out
            a_value_that_would_be_another_directive_or_lose_its_end_is_refused
            a_mistake_in_uci_keeps_the_last_good_file_and_is_told
            a_mistake_without_an_earlier_file_starts_that_ups_not_and_the_other_one_all_the_same
            what_procd_is_told_keeps_the_daemon_running_for_ever
            the_file_of_apcupsd_is_read_as_it_is
            an_image_that_is_being_built_is_left_alone
            a_daemon_is_started_reloaded_started_again_and_stopped
            power_is_cut_only_in_a_shutdown_after_a_power_failure
            an_earlier_configuration_of_apcupsd_is_named_once_and_nothing_enabled
            rpcd_is_told_what_the_daemon_says_as_json
        }
    };
}
pub use crate::each_openwrt_case;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped(name: &str) -> String {
    let path = root().join("packaging/openwrt/net/mainsd/files").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder that stands for the root of a router with the package installed.
struct Router {
    scratch: Scratch,
    shell: Vec<String>,
    /// Processes were started, and are to be ended.
    started: bool,
}

impl Router {
    /// One with these lines in `/etc/config/mainsd`.
    fn new(shell: Shell, uci: &str) -> Self {
        let router = Self {
            scratch: Scratch::new(),
            shell: shell.iter().map(|word| (*word).to_owned()).collect(),
            started: false,
        };
        for folder in ["bin", "etc/config", "etc/init.d", "etc/rc.d", "etc/mainsd", "usr/lib/mainsd", "run"] {
            fs::create_dir_all(router.path(folder)).unwrap();
        }
        for (name, file) in [
            ("etc/init.d/mainsd", "mainsd.init"),
            ("etc/init.d/mainsd-killpower", "mainsd-killpower.init"),
            ("usr/lib/mainsd/uci.sh", "uci.sh"),
        ] {
            router.scratch.script(name, &shipped(file));
        }
        let log = |what: &str, words: &str| {
            format!("#!/bin/sh\necho \"{words}\" >>'{}'\n", router.path(what).display())
        };
        router.scratch.script("bin/logger", &log("log", "$*"));
        router.scratch.script("bin/uci", &log("uci", "$*"));
        router.scratch.script("etc/mainsd/apccontrol", &log("hooks", "$* ${MAINSD_CONFIG##*/}"));
        router.uci(uci);
        router
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn uci(&self, text: &str) {
        self.scratch.file("etc/config/mainsd", text);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new(&self.shell[0]);
        command.args(&self.shell[1..]).args(program);
        command
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display()))
            .env("MAINSD_ROOT", self.scratch.path())
            .env("OPENWRT_LIB", root().join("tests/openwrt"))
            .env("MAINSD", option_env!("CARGO_BIN_EXE_mainsd").unwrap_or_default())
            .env("MAINSD_RUN_DIR", self.path("run"))
            // Nothing built in may shut this machine down.
            .env("MAINSD_DRY_RUN", "1")
            .env_remove("IPKG_INSTROOT")
            .stdin(Stdio::null());
        command
    }

    fn done(mut command: Command) -> Output {
        let done = command.output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        done
    }

    /// Runs a service's script; the calls of procd, for which nothing is started.
    fn calls(&self, script: &str, action: &str) -> Vec<String> {
        let log = self.path("calls");
        let _ = fs::remove_file(&log);
        let mut command = self.service(script, action);
        command.env("PROCD_LOG", &log);
        Self::done(command);
        let calls = self.read("calls").replace(&self.scratch.path().display().to_string(), "");
        calls.lines().map(str::to_owned).collect()
    }

    fn service(&self, script: &str, action: &str) -> Command {
        let common = root().join("tests/openwrt/rc.common").display().to_string();
        let script = self.path("etc/init.d").join(script).display().to_string();
        self.command(&[&common, &script, action])
    }

    /// The same with processes.
    fn act(&mut self, action: &str) {
        self.started = true;
        let mut command = self.service("mainsd", action);
        // What is started keeps the pipes of the script.
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{action}: {status}");
    }

    /// The lines that a section gives, without those of its places.
    fn options(&self, section: &str) -> Output {
        let lib = root().join("tests/openwrt/functions.sh");
        let text = format!(
            ". '{}'; . '{}'; mainsd_options {section}",
            lib.display(),
            self.path("usr/lib/mainsd/uci.sh").display()
        );
        self.command(&["-c", &text]).output().unwrap()
    }

    fn pid(&self) -> Option<u32> {
        self.read("var/run/procd/mainsd/main/pid").trim().parse().ok()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if self.started {
            let _ = self.service("mainsd", "stop").stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

const ENABLED: &str = "config ups 'main'\n\toption enabled '1'\n\toption upstype 'usb'\n";

pub fn every_directive_is_an_option_in_lower_case(shell: Shell) {
    let mut uci = "config ups 'main'\n".to_owned();
    let mut expected = Vec::new();
    for directive in directives::all() {
        let value = directive.example.replace('\'', "'\\''");
        uci.push_str(&format!("\toption {} '{value}'\n", directive.name.to_lowercase()));
        expected.push(format!("{} {}", directive.name, directive.example));
    }
    assert!(expected.len() > 40, "{expected:?}");
    let done = Router::new(shell, &uci).options("main");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    assert_eq!(lines(&done), expected);
}

pub fn the_shipped_uci_file_starts_nothing_and_has_no_mistake_when_it_is_enabled(shell: Shell) {
    let text = shipped("mainsd.config");
    let router = Router::new(shell, &text);
    assert!(!router.calls("mainsd", "start").iter().any(|call| call.starts_with("procd_open_instance")));
    assert!(!router.path("var/etc/mainsd.conf").exists());
    // Each of its comments too.
    let is_uci = |line: &&str| line.starts_with(['\t', 'c']);
    let all = text.lines().map(|line| line.strip_prefix('#').filter(is_uci).unwrap_or(line));
    let all: String = all.map(|line| format!("{line}\n")).collect();
    let all = all.replace("option enabled '0'", "option enabled '1'").replace("option config", "#");
    router.uci(&all);
    let calls = router.calls("mainsd", "start");
    let opened: Vec<&String> = calls.iter().filter(|call| call.starts_with("procd_open_instance")).collect();
    assert_eq!(opened, ["procd_open_instance main", "procd_open_instance right"], "{}", router.read("log"));
    assert_eq!(router.read("log"), "");
    let made = router.read("var/etc/mainsd.conf");
    for line in ["UPSNAME rack", "BATTERYLEVEL 10", "NISALLOW 192.0.2.0/24", "NISIP 0.0.0.0"] {
        assert!(made.lines().any(|made| made == line), "{line}: {made}");
    }
    // Of what is not said a router's own; and nothing is said twice.
    assert!(router.read("var/etc/mainsd-right.conf").contains("\nNISIP 127.0.0.1\n"));
    let keywords: Vec<&str> = made.lines().filter_map(|line| line.split(' ').next()).collect();
    let once: std::collections::BTreeSet<&&str> =
        keywords.iter().filter(|word| !word.starts_with('#')).collect();
    assert_eq!(once.len(), keywords.len() - 2, "{made}");
}

pub fn a_list_is_one_line_and_options_of_other_sections_stay_out(shell: Shell) {
    let uci = "config ups 'main'\n\
               \tlist nisallow '192.0.2.0/24'\n\tlist nisallow '2001:db8::/32'\n\
               \tlist device 'a'\n\tlist device '[::1]:3552'\n\toption upstype 'net'\n\
               config other 'main'\n\toption minutes '1'\n\
               config ups 'second'\n\toption minutes '7'\n\tlist device 'it'\\''s'\n";
    let router = Router::new(shell, uci);
    assert_eq!(
        lines(&router.options("main")),
        ["NISALLOW 192.0.2.0/24 2001:db8::/32", "DEVICE a [::1]:3552", "UPSTYPE net"]
    );
    assert_eq!(lines(&router.options("second")), ["MINUTES 7", "DEVICE it's"]);
}

pub fn a_value_that_would_be_another_directive_or_lose_its_end_is_refused(shell: Shell) {
    for (value, words) in [
        ("x\nSHUTDOWNCMD halt", "a value is one line"),
        ("rack #3", "'#' after a blank begins a comment"),
        ("#3", "'#' after a blank begins a comment"),
    ] {
        let router =
            Router::new(shell, &format!("{ENABLED}\toption upsname '{value}'\n\toption minutes '4'\n"));
        let done = router.options("main");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said == format!("option upsname: {words}\n"), "{done:?}");
        assert!(!lines(&done).iter().any(|line| line.contains("UPSNAME") || line.contains("SHUTDOWNCMD")));
        assert!(!router.calls("mainsd", "start").iter().any(|call| call.starts_with("procd_open_instance")));
        assert!(router.read("log").contains(words), "{}", router.read("log"));
    }
    // What only looks like it goes through.
    let done =
        Router::new(shell, "config ups 'main'\n\toption upsname 'rack#3 $(id) \"`\\'\n").options("main");
    assert_eq!(lines(&done), ["UPSNAME rack#3 $(id) \"`\\"]);
}

pub fn a_mistake_in_uci_keeps_the_last_good_file_and_is_told(shell: Shell) {
    let router = Router::new(shell, &format!("{ENABLED}\toption minutes '7'\n"));
    let before = router.calls("mainsd", "start");
    let good = router.read("var/etc/mainsd.conf");
    assert!(good.contains("\nMINUTES 7\n"), "{good}");
    let made = fs::metadata(router.path("var/etc/mainsd.conf")).unwrap();
    assert_eq!(made.permissions().mode() & 0o777, 0o600, "a DEVICE can have a password in it");
    router.uci(&format!("{ENABLED}\toption minutes 'soon'\n"));
    // procd is told of the same instance: it goes on.
    assert_eq!(router.calls("mainsd", "reload"), before);
    assert_eq!(router.read("var/etc/mainsd.conf"), good);
    let log = router.read("log");
    assert!(log.contains("-t mainsd -p daemon.err /etc/config/mainsd, section main:"), "{log}");
    assert!(log.contains("MINUTES") && log.contains("the configuration before it stays"), "{log}");
    assert!(!router.path("var/etc/mainsd.conf.new").exists());
    // The same again leaves the file alone, so that procd sees no change.
    router.uci(&format!("{ENABLED}\toption minutes '7'\n"));
    router.calls("mainsd", "reload");
    assert_eq!(fs::metadata(router.path("var/etc/mainsd.conf")).unwrap().ino(), made.ino());
}

pub fn a_mistake_without_an_earlier_file_starts_that_ups_not_and_the_other_one_all_the_same(shell: Shell) {
    let uci = "config ups 'main'\n\toption enabled '1'\n\toption upstype 'usb'\n\toption timeout 'soon'\n\
               config ups 'right'\n\toption enabled '1'\n\toption upstype 'usb'\n\toption nisport '3552'\n";
    let router = Router::new(shell, uci);
    let calls = router.calls("mainsd", "start");
    let opened: Vec<&String> = calls.iter().filter(|call| call.starts_with("procd_open_instance")).collect();
    assert_eq!(opened, ["procd_open_instance right"]);
    assert!(router.read("log").contains("section main is not started"), "{}", router.read("log"));
    let made = router.read("var/etc/mainsd-right.conf");
    let folder = router.path("var/run/mainsd-right");
    assert!(made.contains(&format!("PWRFAILDIR {}\n", folder.display())) && folder.is_dir(), "{made}");
}

pub fn what_procd_is_told_keeps_the_daemon_running_for_ever(shell: Shell) {
    let router = Router::new(shell, ENABLED);
    let program = option_env!("CARGO_BIN_EXE_mainsd").unwrap_or_default();
    assert_eq!(
        router.calls("mainsd", "start"),
        [
            "procd_open_service mainsd",
            "procd_open_instance main",
            &format!("procd_set_param command {program} -f /var/etc/mainsd.conf -P /var/run/mainsd-main/pid"),
            "procd_set_param file /var/etc/mainsd.conf",
            "procd_set_param reload_signal HUP",
            // With another number than 0 at the end procd gives up after so many failures.
            "procd_set_param respawn 3600 2 0",
            "procd_set_param term_timeout 15",
            "procd_close_instance",
            "procd_add_reload_trigger mainsd",
            "procd_close_service ",
        ]
    );
    let link = router.path("etc/mainsd/mainsd.conf");
    assert_eq!(fs::read_link(link).unwrap(), router.path("var/etc/mainsd.conf"));
    router.calls("mainsd", "enable");
    router.calls("mainsd-killpower", "enable");
    let mut links: Vec<String> = fs::read_dir(router.path("etc/rc.d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    links.sort();
    // umount is K90.
    assert_eq!(links, ["K88mainsd", "K95mainsd-killpower", "S60mainsd"]);
}

pub fn the_file_of_apcupsd_is_read_as_it_is(shell: Shell) {
    let router = Router::new(shell, "");
    fs::create_dir(router.path("etc/apcupsd")).unwrap();
    let theirs = router.scratch.file("etc/apcupsd/apcupsd.conf", "UPSTYPE usb\n# mine\nMINUTES 9\n");
    let uci = |file: &Path| format!("{ENABLED}\toption minutes '7'\n\toption config '{}'\n", file.display());
    router.uci(&uci(&theirs));
    router.calls("mainsd", "start");
    assert_eq!(router.read("var/etc/mainsd.conf"), "UPSTYPE usb\n# mine\nMINUTES 9\n");
    assert_eq!(router.read("log"), "");
    // One that is not there is a mistake like others.
    router.uci(&uci(Path::new("/nonexistent/apcupsd.conf")));
    router.calls("mainsd", "reload");
    assert!(router.read("log").contains("/nonexistent/apcupsd.conf"), "{}", router.read("log"));
    assert!(router.read("var/etc/mainsd.conf").contains("MINUTES 9"));
}

pub fn an_image_that_is_being_built_is_left_alone(shell: Shell) {
    let router = Router::new(shell, ENABLED);
    let mut command = router.service("mainsd", "start");
    command.env("IPKG_INSTROOT", "/image").env("PROCD_LOG", router.path("calls"));
    Router::done(command);
    assert!(!router.read("calls").contains("procd_open_instance"), "{}", router.read("calls"));
    assert!(!router.path("var/etc").exists() && !router.path("etc/mainsd/mainsd.conf").exists());
}

pub fn a_daemon_is_started_reloaded_started_again_and_stopped(shell: Shell) {
    let port = free_port();
    let uci = |minutes: u32| {
        format!(
            "config ups 'main'\n\toption enabled '1'\n\toption upstype 'test'\n\toption nisip '127.0.0.1'\n\
             \toption nisport '{port}'\n\toption minutes '{minutes}'\n\toption shutdowncmd 'exit 0'\n"
        )
    };
    let mut router = Router::new(shell, &uci(7));
    let status = |minutes: &str| {
        let ask = || Nis::connect(("127.0.0.1", port), TIMEOUT).ok()?.status().ok();
        let wanted = |status: &Status| status.has("ONLINE") && status.is("MINTIMEL", minutes);
        poll_until(TIMEOUT, || ask().filter(wanted))
    };
    router.act("start");
    assert!(status("7 Minutes").is_some(), "{}", router.read("var/run/procd/mainsd/main/output"));
    let first = router.pid().unwrap();
    router.uci(&uci(9));
    router.act("reload");
    assert!(status("9 Minutes").is_some(), "{}", router.read("var/run/procd/mainsd/main/output"));
    assert_eq!(router.pid(), Some(first), "it was restarted, not told by SIGHUP");
    send_signal(first, "KILL");
    let again = poll_until(TIMEOUT, || router.pid().filter(|pid| *pid != first && is_there(*pid)));
    assert!(again.is_some() && status("9 Minutes").is_some(), "it was not started again");
    router.uci(&uci(9).replace("enabled '1'", "enabled '0'"));
    router.act("reload");
    let gone = poll_until(TIMEOUT, || (!is_there(again.unwrap())).then_some(()));
    assert!(gone.is_some() && router.pid().is_none(), "it is disabled, and runs");
}

pub fn power_is_cut_only_in_a_shutdown_after_a_power_failure(shell: Shell) {
    let uci = "config ups 'main'\n\toption enabled '1'\n\toption upstype 'usb'\n\
               config ups 'right'\n\toption enabled '1'\n\toption upstype 'usb'\n\toption nisport '3552'\n";
    let router = Router::new(shell, uci);
    router.calls("mainsd", "start");
    for action in ["start", "stop", "shutdown"] {
        Router::done(router.service("mainsd-killpower", action));
    }
    assert_eq!(router.read("hooks"), "", "without a power failure");
    router.scratch.file("var/run/mainsd-right/powerfail", "");
    for action in ["start", "stop"] {
        Router::done(router.service("mainsd-killpower", action));
    }
    assert_eq!(router.read("hooks"), "", "without a shutdown");
    Router::done(router.service("mainsd-killpower", "shutdown"));
    assert_eq!(router.read("hooks"), "killpower mainsd-right.conf\n");
    // Wherever the flag is: a file of apcupsd can name another place.
    fs::remove_file(router.path("var/run/mainsd-right/powerfail")).unwrap();
    fs::create_dir(router.path("elsewhere")).unwrap();
    router.uci(&format!("{uci}\toption pwrfaildir '{}'\n", router.path("elsewhere").display()));
    router.calls("mainsd", "reload");
    router.scratch.file("elsewhere/powerfail", "");
    Router::done(router.service("mainsd-killpower", "shutdown"));
    assert_eq!(router.read("hooks"), "killpower mainsd-right.conf\n".repeat(2));
    // However that spells it.
    let (flags, hooks) = (router.path("elsewhere"), router.path("etc/mainsd"));
    let text = format!("UPSTYPE usb\nPWRFAILDIR = {}\nSCRIPTDIR={}\n", flags.display(), hooks.display());
    router.uci(&format!("{uci}\toption config '{}'\n", router.scratch.file("own", text).display()));
    router.calls("mainsd", "reload");
    Router::done(router.service("mainsd-killpower", "shutdown"));
    assert_eq!(router.read("hooks"), "killpower mainsd-right.conf\n".repeat(3));
    // Without a hook that does it the program is called.
    fs::remove_file(router.path("etc/mainsd/apccontrol")).unwrap();
    let mut command = router.service("mainsd-killpower", "shutdown");
    let program = format!("#!/bin/sh\necho \"$*\" >>'{}'\n", router.path("program").display());
    command.env("MAINSD", router.scratch.script("bin/program", &program));
    Router::done(command);
    let file = router.path("var/etc/mainsd-right.conf");
    assert_eq!(router.read("program"), format!("-f {} --killpower\n", file.display()));
}

pub fn an_earlier_configuration_of_apcupsd_is_named_once_and_nothing_enabled(shell: Shell) {
    let router = Router::new(shell, ENABLED);
    let script = router.scratch.script("defaults", &shipped("mainsd.defaults")).display().to_string();
    let told = |image: bool| {
        let _ = fs::remove_file(router.path("uci"));
        // A busybox has a logger of its own.
        let mut command = router.command(&["-c", &format!("logger() {{ :; }}; . '{script}'")]);
        if image {
            command.env("IPKG_INSTROOT", "/image");
        }
        Router::done(command);
        router
            .read("uci")
            .lines()
            .filter(|line| !line.contains(" get "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // The stand-in for uci answers nothing: no option is set.
    router
        .scratch
        .script("bin/uci", &format!("#!/bin/sh\necho \"$*\" >>'{}'\n", router.path("uci").display()));
    assert!(told(false).is_empty(), "apcupsd was never configured");
    fs::create_dir(router.path("etc/apcupsd")).unwrap();
    router.scratch.file("etc/apcupsd/apcupsd.conf", "UPSTYPE usb\n");
    assert!(told(true).is_empty(), "an image is being built");
    assert_eq!(told(false), ["-q set mainsd.main.config=/etc/apcupsd/apcupsd.conf", "-q commit mainsd"]);
    // One that has been set up since is left alone.
    router.scratch.script("bin/uci", "#!/bin/sh\necho 1\n");
    assert!(told(false).is_empty());
}

/// The configuration that this UCI file gives the UPS `main`, and what the log has about it.
pub fn configuration_of(shell: Shell, uci: &str) -> (String, String) {
    let router = Router::new(shell, uci);
    router.calls("mainsd", "start");
    (router.read("var/etc/mainsd.conf"), router.read("log"))
}

pub fn rpcd_is_told_what_the_daemon_says_as_json(shell: Shell) {
    let daemon = Daemon::start(&Setup::new("test").with("UPSNAME", "it's a \\ \"rack\""));
    daemon.wait_for_status(|status| status.has("ONLINE"), TIMEOUT);
    let router = Router::new(shell, "");
    let script =
        root().join("packaging/openwrt/luci-app-mainsd/root/usr/libexec/rpcd/mainsd").display().to_string();
    let call = |words: &[&str], arguments: &str| -> serde_json::Value {
        let mut command = router.command(&[&[script.as_str()], words].concat());
        command.stdin(fs::File::open(router.scratch.file("arguments", arguments)).unwrap());
        let done = command.output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {done:?}"))
    };
    assert_eq!(call(&["list"], "")["status"]["ups"], "main");
    assert_eq!(call(&["call", "list"], "{}")["list"], serde_json::json!([]));
    let said = call(&["call", "status"], "{}");
    assert!(said["error"].as_str().unwrap().starts_with("not started: section 'main'"), "{said}");
    fs::create_dir_all(router.path("var/etc")).unwrap();
    fs::copy(daemon.dir().join("mainsd.conf"), router.path("var/etc/mainsd.conf")).unwrap();
    let nobody = format!("UPSTYPE usb\nNISIP 127.0.0.1\nNISPORT {}\n", free_port());
    router.scratch.file("var/etc/mainsd-right.conf", nobody);
    assert_eq!(call(&["call", "list"], "{}")["list"], serde_json::json!(["main", "right"]));
    for arguments in ["", "{}", "{\"ups\":\"main\"}", "{ \"ups\" : \"main\" }"] {
        let said = call(&["call", "status"], arguments);
        let status = &said["status"];
        assert_eq!(status["STATUS"], "ONLINE", "{arguments}: {said}");
        assert!(status["BCHARGE"].is_number() && status["UPSNAME"] == "it's a \\ \"rack\"", "{said}");
    }
    let said = call(&["call", "events"], "{}");
    let events = said["events"].as_array().unwrap();
    let started =
        |event: &serde_json::Value| event["message"].as_str().unwrap().contains("startup succeeded");
    assert!(events.iter().any(started), "{said}");
    let said = call(&["call", "status"], "{\"ups\":\"right\"}");
    assert!(said["error"].as_str().unwrap().starts_with("nothing listens at 127.0.0.1:"), "{said}");
    let said = call(&["call", "check"], "{}");
    let lines = said["lines"].as_array().unwrap();
    assert_eq!(said["good"], true, "{said}");
    assert!(lines.iter().any(|line| line.as_str().unwrap().contains("\"rack\"")), "{said}");
    router.scratch.file("var/etc/mainsd.conf", "UPSTYPE usb\nTIMEOUT soon\n");
    let said = call(&["call", "check"], "{}");
    assert!(said["good"] == false && said["lines"].as_array().unwrap().len() > 2, "{said}");
    // A name that can be none is nobody's.
    for name in ["../../etc/passwd", "x;reboot", "nobody"] {
        let said = call(&["call", "status"], &format!("{{\"ups\":\"{name}\"}}"));
        assert!(said.get("error").is_some() || said["status"]["STATUS"].is_string(), "{name}: {said}");
    }
    assert!(call(&["call", "reboot"], "{}")["error"].is_string());
}
