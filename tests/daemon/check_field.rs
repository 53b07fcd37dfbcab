//! Configuration files as people have them (`tests/configs/field`, from public reports): what `mainsd check` says of each,
//! whether the daemon starts with it, and what it then watches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mainsd::config::{self, Parsed};
use mainsd::daemon::obstacles;
use mainsd::drivers::UpsType;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/field")
}

fn read(name: &str) -> Parsed {
    config::load(&folder().join(name)).unwrap()
}

/// Each warning of the file and each obstacle, without the folder.
fn said(name: &str) -> Vec<String> {
    let parsed = read(name);
    let warnings = parsed.of(config::Severity::Warning).map(ToString::to_string);
    let obstacles = obstacles(&parsed).into_iter().map(|it| format!("ERROR {}", it.diagnostic));
    let folder = format!("{}/", folder().display());
    warnings.chain(obstacles).map(|line| line.replace(&folder, "")).collect()
}

/// Exit status and text of `mainsd check`.
fn check(name: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
    let done = command.args(["check", "-f"]).arg(folder().join(name)).stdin(Stdio::null()).output().unwrap();
    assert!(done.stderr.is_empty(), "{done:?}");
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
}

/// Beginning of what is said, in its order; an entry with `ERROR` is an obstacle.
const EXPECTED: [(&str, &[&str]); 11] = [
    (
        "arch-wiki-new.conf",
        &[
            "arch-wiki-new.conf:3: DEVICE: '/dev/usb/hiddev[[0-15]]' is a path, which UPSTYPE usb does not need",
        ],
    ),
    (
        "arch-wiki-old.conf",
        &["ERROR arch-wiki-old.conf:2: UPSTYPE: 'smartups' is no value of UPSTYPE: this is 'apcsmart' now"],
    ),
    (
        "docker-printf.conf",
        &[
            "ERROR docker-printf.conf:7: NISPORT: '${APCUPSD_PORT}' is not a whole number: a variable that was not replaced by its value",
        ],
    ),
    (
        "hass-device-snmp-in-net.conf",
        &[
            "hass-device-snmp-in-net.conf:4: DEVICE: '192.168.252' is short for 192.168.0.252",
            "ERROR hass-device-snmp-in-net.conf:4: DEVICE: after host and port comes nothing; host:user:passphrase is the form of UPSTYPE pcnet",
        ],
    ),
    (
        "hass-three-octets.conf",
        &["hass-three-octets.conf:5: DEVICE: '192.168.252' is short for 192.168.0.252"],
    ),
    ("nisip-not-here.conf", &[]),
    ("nixos-hiddev-glob.conf", &["nixos-hiddev-glob.conf:3: DEVICE: '/dev/usb/hid/hiddev[0-9]' is a path"]),
    ("no-device-line.conf", &[]),
    ("no-upstype.conf", &["ERROR no-upstype.conf: UPSTYPE: missing, so there is no UPS to watch"]),
    (
        "opnsense-quoted.conf",
        &[
            "opnsense-quoted.conf:2: UPSNAME: double quotes",
            "opnsense-quoted.conf:3: UPSCABLE: double quotes",
            "opnsense-quoted.conf:4: UPSTYPE: double quotes",
            "opnsense-quoted.conf:5: DEVICE: double quotes",
            "opnsense-quoted.conf:6: NISIP: double quotes",
            "opnsense-quoted.conf:7: BATTERYLEVEL: double quotes",
        ],
    ),
    (
        "pasted-from-web.conf",
        &[
            "pasted-from-web.conf:2: UPSNAME: typographic quotes around a value",
            "pasted-from-web.conf:3: UPSCABLE: a no-break space (U+00A0) is taken as a blank",
            "pasted-from-web.conf:6: TIMEOUT: an en dash (U+2013) is taken as '-'",
            "pasted-from-web.conf:7: BATTERYLEVEL: a no-break space (U+00A0) is taken as a blank",
            "pasted-from-web.conf:8: MINUTES: an em dash (U+2014) is taken as '-'",
            "ERROR pasted-from-web.conf:8: MINUTES: '5 - five' is not a whole number",
        ],
    ),
];

#[test]
fn each_file_gets_its_words_and_its_exit_status() {
    let mut files: Vec<String> =
        fs::read_dir(folder()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, EXPECTED.map(|(name, _)| name), "each file has its row");
    for (name, expected) in EXPECTED {
        let said = said(name);
        let fits = said.len() == expected.len()
            && said.iter().zip(expected).all(|(line, start)| line.starts_with(start));
        assert!(fits, "{name}: {said:#?}");
        let starts = !expected.iter().any(|line| line.starts_with("ERROR"));
        let (status, text) = check(name);
        assert_eq!(status, i32::from(!starts), "{name}: {text}");
        let verdict = if starts {
            ": mainsd starts with this file.\n"
        } else {
            ": mainsd does NOT start with this file.\n"
        };
        assert!(text.ends_with(verdict), "{name}: {text}");
    }
}

#[test]
fn the_daemon_refuses_what_check_says_it_refuses_and_nothing_else() {
    for (name, expected) in EXPECTED {
        if !expected.iter().any(|line| line.starts_with("ERROR")) {
            continue;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainsd"));
        command.args(["-P", "/nonexistent/pid", "-f"]).arg(folder().join(name)).env("MAINSD_DRY_RUN", "1");
        let done = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(done.status.code(), Some(78), "{name}: {done:?}");
    }
}

#[test]
fn what_is_read_is_what_was_meant() {
    for name in ["arch-wiki-new.conf", "nixos-hiddev-glob.conf", "no-device-line.conf", "nisip-not-here.conf"]
    {
        let config = read(name).config;
        assert_eq!((config.ups_type, config.device.as_str()), (UpsType::find("usb"), ""), "{name}");
    }
    let nixos = read("nixos-hiddev-glob.conf").config;
    assert_eq!((nixos.battery_level, nixos.minutes, nixos.timeout), (5, 3, 10));
    let quoted = read("opnsense-quoted.conf").config;
    assert_eq!((quoted.ups_name.as_str(), quoted.device.as_str()), ("Rack UPS 1", ""));
    assert_eq!((quoted.ups_type, quoted.battery_level), (UpsType::find("usb"), 5));
    assert_eq!(quoted.nis_ip, ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]);
    let pasted = read("pasted-from-web.conf").config;
    assert_eq!((pasted.ups_name.as_str(), pasted.ups_type), ("B\u{fc}ro", UpsType::find("usb")));
    assert_eq!((pasted.timeout, pasted.battery_level), (0, 10));
    let short = read("hass-three-octets.conf").config;
    assert_eq!((short.ups_name.as_str(), short.device.as_str()), ("APC UPS", "192.168.252"));
}

#[test]
fn an_address_of_another_machine_and_a_passphrase_in_the_wrong_place_are_handled() {
    let (_, text) = check("nisip-not-here.conf");
    assert!(
        text.contains("nisip-not-here.conf:5: NISIP: 10.4.13.1 is no address of this machine now"),
        "{text}"
    );
    let (_, text) = check("hass-device-snmp-in-net.conf");
    assert!(!text.contains("password"), "a passphrase is never shown:\n{text}");
}
