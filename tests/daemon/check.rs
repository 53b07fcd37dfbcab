//! Files as people have them, through `mainsd check`: what is said and the exit status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mainsd::config::{self, NoLogon, Severity};
use mainsd::drivers::UpsType;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs").join(name)
}

fn check(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mainsd")).arg("check").args(args).stdin(Stdio::null()).output().unwrap()
}

fn check_file(path: &Path) -> (i32, String) {
    let output = check(&["-f", path.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Line, directive and beginning of the text of each error and warning.
fn problems(path: &Path) -> Vec<String> {
    let parsed = config::load(path).unwrap();
    let serious = parsed.diagnostics.iter().filter(|d| d.severity > Severity::Debug);
    serious.map(|d| d.to_string().rsplit('/').next().unwrap().to_owned()).collect()
}

#[test]
fn the_file_that_debian_ships_starts_with_one_warning_about_device() {
    let parsed = config::load(&sample("debian.conf")).unwrap();
    let serious: Vec<_> = parsed.diagnostics.iter().map(|d| (d.severity, d.keyword.as_str())).collect();
    assert_eq!(serious, [(Severity::Warning, "DEVICE")]);
    let c = parsed.config;
    assert_eq!((c.ups_type, c.device.as_str()), (UpsType::find("usb"), ""));
    assert_eq!((c.battery_level, c.minutes, c.timeout, c.no_logon), (5, 3, 0, NoLogon::Disable));
    assert_eq!((c.annoy.as_secs(), c.annoy_delay.as_secs()), (300, 0));
    let (code, text) = check_file(&sample("debian.conf"));
    assert_eq!(code, 0);
    assert!(text.contains("no errors, ") && text.ends_with(": mainsd starts with this file.\n"), "{text}");
    assert!(text.contains("- the charge is 5 percent or less (BATTERYLEVEL)"), "{text}");
}

#[test]
fn a_file_that_unraid_wrote_is_guarded_and_its_own_names_are_called_its_own() {
    let found = problems(&sample("unraid.conf"));
    for name in ["SERVICE", "OVERRIDE_UPS_CAPACITY", "KILLUPS"] {
        let text = format!(" {name}: a directive of Unraid's settings page, not of apcupsd; ignored, ");
        assert!(found.iter().any(|p| p.contains(&text)), "{name}: {found:#?}");
    }
    assert_eq!(found.iter().filter(|p| p.contains("double quotes")).count(), 7, "{found:#?}");
    assert_eq!(found.len(), 10, "{found:#?}");
    let (code, text) = check_file(&sample("unraid.conf"));
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("    BATTERYLEVEL    unraid.conf:6           10 percent\n"), "{text}");
}

#[test]
fn the_settings_that_unraid_keeps_beside_it_are_understood_too() {
    let parsed = config::load(&sample("unraid-settings.conf")).unwrap();
    assert!(!parsed.has_errors(), "{:#?}", parsed.diagnostics);
    assert_eq!((parsed.config.battery_level, parsed.config.minutes), (10, 10));
    assert_eq!(parsed.config.ups_type, UpsType::find("usb"));
    let about_service = parsed.diagnostics.iter().filter(|d| d.keyword == "SERVICE").count();
    assert_eq!(about_service, 1, "a name that is ignored is told once");
}

#[test]
fn five_mistakes_are_found_in_one_run_each_with_its_line() {
    let found = problems(&sample("five-mistakes.conf"));
    let starts: Vec<String> =
        found.iter().map(|p| p.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        starts,
        [
            "five-mistakes.conf:5: BATTERYLEVEL",
            "five-mistakes.conf:6: MINUTES",
            "five-mistakes.conf:7: TIMOUT",
            "five-mistakes.conf:8: NISIP",
            "five-mistakes.conf:9: NETSERVER",
        ]
    );
    let (code, text) = check_file(&sample("five-mistakes.conf"));
    assert_eq!(code, 1);
    for problem in found {
        assert!(text.contains(&problem), "{problem}\nis not in\n{text}");
    }
    assert!(text.ends_with(": mainsd does NOT start with this file.\n"), "{text}");
}

#[test]
fn an_unreadable_file_is_exit_status_2_and_one_line() {
    for path in ["/nonexistent/mainsd.conf", "/"] {
        let output = check(&["-f", path]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
        assert!(
            text.starts_with(&format!("mainsd check: Error opening configuration file ({path}): ")),
            "{text}"
        );
    }
}

#[test]
fn help_and_explain_work_and_nonsense_is_refused() {
    let help = check(&["--help"]);
    assert_eq!((help.status.code(), help.stderr.len()), (Some(0), 0));
    assert!(String::from_utf8(help.stdout).unwrap().starts_with("usage: mainsd check"));
    let explain = check(&["--explain", "nettime"]);
    assert_eq!(explain.status.code(), Some(0));
    assert!(String::from_utf8(explain.stdout).unwrap().starts_with("POLLTIME\n"));
    for args in [&["--explain", "NONSENSE"][..], &["--nonsense"], &["-f"], &["one", "two"]] {
        let refused = check(args);
        assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0), "{args:?}");
        assert_eq!(String::from_utf8(refused.stderr).unwrap().lines().count(), 1, "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (reader, writer) = mainsd::sys::fs::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_mainsd"))
        .args(["check", "-f"])
        .arg(sample("debian.conf"))
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn the_shipped_configuration_starts_without_errors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/mainsd.conf");
    assert!(fs::read(&path).unwrap().starts_with(b"## apcupsd.conf v1.1 ##"));
    assert_eq!(check_file(&path).0, 0);
    assert_eq!(problems(&path), [""; 0]);
}
