//! The last hook of systemd, which other inits have as `killpower`, under a shell: cases of [`super::hook_scripts::each_hook_case`].

use super::hook_scripts::{Shell, Stage, shipped};
use super::{Scratch, Setup, free_port, write_config};

pub fn the_last_hook_tells_each_ups_whose_daemon_has_made_its_flag(shell: Shell) {
    // Flags that there are, and whether they are of the first UPS, the second, or of a configuration without a folder of its own.
    for (flags, first, second) in [
        (&["mainsd"][..], true, false),
        (&["right"], false, true),
        (&["mainsd", "right"], true, true),
        (&[], false, false),
    ] {
        let stage = Stage::new(shell).with_default_files();
        stage.command("mainsd", 0);
        let right = format!("UPSTYPE usb\nPWRFAILDIR {}/\n", stage.path("flags/right").display());
        stage.scratch.file("etc/mainsd/right.conf", right);
        let shared = format!("UPSTYPE usb\nPWRFAILDIR {}\n", stage.path("flags/mainsd").display());
        stage.scratch.file("etc/mainsd/shared.conf", shared);
        std::os::unix::fs::symlink("mainsd", stage.path("flags/link")).unwrap();
        let linked = format!("UPSTYPE usb\nPWRFAILDIR {}\n", stage.path("flags/link").display());
        stage.scratch.file("etc/mainsd/linked.conf", linked);
        stage.scratch.file("etc/mainsd/hosts.conf", "MONITOR 127.0.0.1\n");
        stage.scratch.dir("flags/right");
        for flag in flags {
            stage.scratch.file(&format!("flags/{flag}/powerfail"), "");
        }
        let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
        let pending = stage.run_script(&script, &["pending"]);
        assert_eq!(pending.status.success(), first || second, "{shell:?} {flags:?}: {pending:?}");
        assert_eq!(stage.log(), [""; 0], "asked only");
        let done = stage.run_script(&script, &["poweroff"]);
        assert!(done.status.success(), "{shell:?} {flags:?}: {done:?}");
        let told: Vec<_> = stage.log().into_iter().filter(|line| line.starts_with("mainsd ")).collect();
        let of_second = format!("mainsd --killpower -f {}", stage.path("etc/mainsd/right.conf").display());
        let expected = [(first, "mainsd --killpower"), (second, &*of_second)];
        let expected: Vec<_> = expected.into_iter().filter(|(is, _)| *is).map(|(_, line)| line).collect();
        assert_eq!(told, expected, "{shell:?} {flags:?}");
    }
}

pub fn the_last_hook_of_systemd_tells_the_ups_where_no_hook_can(shell: Shell) {
    // None, one that may not be run, one whose interpreter is gone, and one that decides by itself.
    for (hook, called) in [
        (None, true),
        (Some(("#!/bin/sh\n", false)), true),
        (Some(("#!/nonexistent/sh\n", true)), true),
        (Some(("#!/bin/sh\nexit 1\n", true)), false),
        (Some(("#!/bin/sh\nexit 0\n", true)), false),
    ] {
        let stage = Stage::new(shell);
        stage.command("mainsd", 0);
        let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
        std::fs::remove_file(stage.path("hooks/apccontrol")).unwrap();
        match hook {
            Some((text, true)) => drop(stage.scratch.script("hooks/apccontrol", text)),
            Some((text, false)) => drop(stage.scratch.file("hooks/apccontrol", text)),
            None => {}
        }
        let (flags, hooks) = (stage.path("flags"), stage.path("hooks"));
        let config = format!("PWRFAILDIR {}\nSCRIPTDIR {}\n", flags.display(), hooks.display());
        let config = stage.scratch.file("apcupsd.conf", config);
        stage.scratch.file("flags/powerfail", "");
        stage.run_script(&script, &["poweroff"]);
        let expected = format!("mainsd --killpower -f {}", config.display());
        assert_eq!(stage.log().contains(&expected), called, "{shell:?} {hook:?}: {:?}", stage.log());
    }
}

pub fn the_last_hook_of_systemd_finds_the_flag_however_its_folder_is_spelt(shell: Shell) {
    for line in [
        "PWRFAILDIR=DIR",
        "pwrfaildir = DIR",
        " PWRFAILDIR =\t\"DIR\" # here",
        "PWRFAILDIR DIR\r",
        "\u{feff}PWRFAILDIR DIR",
        "PWRFAILDIR\u{a0}DIR",
        "PWRFAILDIR DIR\nPWRFAILDIRX=/x\n#PWRFAILDIR=/x",
    ] {
        let stage = Stage::new(shell);
        stage.command("mainsd", 0);
        let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
        let flags = stage.scratch.dir("flags=\u{e9} a");
        let text = format!("{line}\nSCRIPTDIR={}\n", stage.path("hooks").display());
        let text = spelt(&text, &flags.display().to_string());
        let read = mainsd::config::parse(text.as_bytes(), "t.conf").config;
        assert_eq!((read.powerfail_dir, read.script_dir), (flags, stage.path("hooks")), "{line}");
        stage.scratch.file("apcupsd.conf", &text);
        stage.scratch.file("flags=\u{e9} a/powerfail", "");
        stage.run_script(&script, &["poweroff"]);
        assert!(
            stage.log().contains(&"mainsd --killpower".to_owned()),
            "{shell:?} {line:?}: {:?}",
            stage.log()
        );
    }
}

pub fn the_last_hook_of_systemd_kills_power_only_after_a_power_failure(shell: Shell) {
    for (action, flag, kills) in [
        ("poweroff", true, true),
        ("halt", true, true),
        ("reboot", true, true),
        ("kexec", true, false),
        ("poweroff", false, false),
    ] {
        let stage = Stage::new(shell);
        stage.command("mainsd", 0);
        let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
        let (flags, hooks) = (stage.path("flags"), stage.path("hooks"));
        let config = format!("PWRFAILDIR {}\nScriptDir {}/ # mine\n", flags.display(), hooks.display());
        stage.scratch.file("apcupsd.conf", config);
        if flag {
            stage.scratch.file("flags/powerfail", "");
        }
        let done = stage.run_script(&script, &[action]);
        assert!(done.status.success(), "{shell:?} {action}: {done:?}");
        assert_eq!(
            stage.log().contains(&"mainsd --killpower".to_owned()),
            kills,
            "{shell:?} {action} {flag}"
        );
    }
}

pub fn the_last_hook_of_systemd_reads_the_file_that_the_daemon_reads(shell: Shell) {
    for (flag, own, kills) in [
        ("flags/mainsd/powerfail", true, true),
        ("flags/apcupsd/powerfail", true, false),
        ("flags/apcupsd/powerfail", false, true),
        ("flags/mainsd/powerfail", false, false),
    ] {
        let stage = Stage::new(shell).with_default_files();
        stage.command("mainsd", 0);
        if !own {
            std::fs::remove_file(stage.path("etc/mainsd/mainsd.conf")).unwrap();
        }
        stage.scratch.file(flag, "");
        let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
        let done = stage.run_script(&script, &["poweroff"]);
        assert!(done.status.success(), "{shell:?} {flag}: {done:?}");
        let killed = stage.log().contains(&"mainsd --killpower".to_owned());
        assert_eq!(killed, kills, "{shell:?} {flag}, own file {own}");
    }
}

/// The text with the folder for the word `DIR`, which ends the names of directives too.
fn spelt(text: &str, folder: &str) -> String {
    let pieces: Vec<&str> = text.split("DIR").collect();
    let mut out = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            let is_name = out.ends_with("PWRFAIL") || out.ends_with("SCRIPT");
            out += if is_name { "DIR" } else { folder };
        }
        out += piece;
    }
    out
}

/// The last hook of systemd and `apccontrol` as shipped, the real program, a simulated UPS.
pub fn last_hook(action: &str, ups: &str, flag: &str) -> String {
    let stage = Stage::new(&["/bin/sh"]);
    let script = stage.scratch.script("shutdown", &shipped("systemd/mainsd.shutdown"));
    let setup = Setup::new("test").with("DEVICE", &stage.path("ups").display().to_string());
    stage.scratch.file("ups", ups);
    let real = Scratch::new();
    let config = write_config(&setup, &real, free_port());
    let text = std::fs::read_to_string(&config).unwrap();
    let scripts = format!("{}/scripts", real.path().display());
    let text = text.replace(&scripts, &stage.path("hooks").display().to_string());
    stage.scratch.file("apcupsd.conf", &text);
    let program = format!("#!/bin/sh\nexec '{}' \"$@\" -f '{}'\n", setup.program.display(), config.display());
    stage.scratch.script("bin/mainsd", &program);
    real.file("flags/powerfail", flag);
    let done = stage.run_script(&script, &[action]);
    let said = [done.stdout, done.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}
