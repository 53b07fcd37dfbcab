//! The web interface for OpenWrt: its views run in a browser, with `tests/openwrt/luci` in place of LuCI's own modules, and are read by eslint.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::Scratch;
use crate::support::openwrt::configuration_of;
use crate::support::runner::{Group, Needs, prepared, tests};

pub const VIEWS: Group = Group {
    needs: Needs::Ci("Debian's package chromium"),
    prepare: Some(prepare),
    tests: tests![
        on_line_the_state_is_shown_with_its_values_and_the_latest_events,
        an_outage_is_shown_at_the_next_look,
        what_needs_a_person_is_said_in_words,
        a_ups_that_nobody_watches_is_told_and_others_are_shown,
        settings_that_nobody_touched_are_saved_as_they_were,
        settings_are_saved_as_the_uci_that_the_daemon_takes,
        a_mistake_in_the_settings_is_told_and_nothing_saved,
    ],
    ..Group::new(module_path!())
};

pub const ESLINT: Group = Group {
    needs: Needs::Ci("npm and its registry"),
    tests: tests![eslint_finds_nothing],
    ..Group::new(module_path!())
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn app() -> PathBuf {
    root().join("packaging/openwrt/luci-app-mainsd")
}

/// Runs all cases in one page; where their results are.
fn prepare(_: &[&str]) -> String {
    let scratch = Scratch::new();
    let text = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let view = |name: &str| {
        let source = text(app().join("htdocs/luci-static/resources/view/mainsd").join(name));
        // In a page the end of a script is the end of a script.
        Value::from(source).to_string().replace("</", "<\\/")
    };
    let cases = root().join("tests/openwrt/luci");
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><div id=\"place\"></div><pre id=\"result\"></pre>\n\
         <script>{}</script>\n\
         <script>const STATUS = {}, SETTINGS = {}, UCI = {};</script>\n\
         <script>{}</script>\n",
        text(cases.join("stand-ins.js")),
        view("status.js"),
        view("settings.js"),
        uci(),
        text(cases.join("cases.js")),
    );
    let page = scratch.file("page.html", page);
    let done = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", scratch.path().join("browser").display()))
        .arg(format!("file://{}", page.display()))
        .env("HOME", scratch.path())
        .output()
        .unwrap_or_else(|error| panic!("chromium: {error}"));
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    let result = shown.split_once("<pre id=\"result\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let result = result.map(|(result, _)| result).filter(|result| !result.is_empty());
    let result = result.unwrap_or_else(|| panic!("no result: {done:?}"));
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openwrt-views");
    fs::write(&kept, decoded(result)).unwrap();
    kept.display().to_string()
}

/// What `encodeURIComponent` has encoded.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
        out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
    }
    out
}

/// UCI before anything is saved.
fn uci() -> Value {
    json!({ "main": { ".type": "ups", "enabled": "0", "upstype": "usb" } })
}

fn result(case: &str) -> Value {
    let all: Value = serde_json::from_slice(&fs::read(prepared()).unwrap()).unwrap();
    all.get(case).unwrap_or_else(|| panic!("no {case}: {all}")).clone()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

fn on_line_the_state_is_shown_with_its_values_and_the_latest_events() {
    let shown = result("online");
    assert_eq!(shown["seconds"], 5, "it looks again");
    let first = &shown["first"];
    assert_eq!(strings(&first["messages"]), ["success: On line: mains is there"]);
    assert_eq!(strings(&first["titles"]), ["rack (main)"]);
    let rows = strings(&first["rows"]);
    let values =
        ["Charge=100 %", "Runtime=48.8 minutes", "Load=24.1 %", "Mains=230.3 V", "Transfers to battery=0"];
    assert_eq!(rows[..5], values);
    // What a UPS says is text, whatever it looks like; what it does not say is left out.
    assert_eq!(rows[5], "Model=Back-UPS <b>");
    assert_eq!((rows[6], rows.len()), ("time 29=event 29", 6 + 20));
}

fn an_outage_is_shown_at_the_next_look() {
    let later = &result("battery")["later"];
    assert_eq!(strings(&later["messages"]), ["warning: On battery: mains is gone"]);
    let rows = strings(&later["rows"]);
    assert!(rows.starts_with(&["Charge=63 %", "Runtime=20.5 minutes"]), "{rows:?}");
    assert!(
        rows.contains(&"On battery for=90 seconds") && !rows.iter().any(|row| row.starts_with("Mains=")),
        "{rows:?}"
    );
    let gone = &result("gone")["later"];
    assert_eq!(strings(&gone["messages"]), ["danger: The state of the UPS cannot be read: Connection lost"]);
    assert!(strings(&gone["rows"]).is_empty(), "old values are shown as new ones: {gone}");
}

fn what_needs_a_person_is_said_in_words() {
    for (case, words) in [
        ("low", "danger: The battery is low"),
        ("lost", "danger: The UPS does not answer"),
        ("shutdown", "danger: Shutting down"),
        ("odd", "warning: State: CAL"),
    ] {
        assert_eq!(strings(&result(case)["first"]["messages"]), [words], "{case}");
    }
}

fn a_ups_that_nobody_watches_is_told_and_others_are_shown() {
    let nobody = "danger: Nobody watches this UPS, or its status cannot be read:";
    let silent = result("silent");
    assert_eq!(
        strings(&silent["first"]["messages"]),
        [format!("{nobody} nothing listens at 127.0.0.1:3551")]
    );
    let two = &result("two")["first"];
    assert_eq!(
        strings(&two["messages"]),
        [format!("{nobody} XHR request timed out"), "success: On line: mains is there".to_owned()]
    );
    assert_eq!(strings(&two["titles"]), ["main", "right (right)"]);
    let none = result("none");
    assert_eq!(
        strings(&none["first"]["messages"]),
        ["warning: No UPS is watched. Enable one in Services, UPS."]
    );
    let denied = result("denied");
    assert_eq!(
        strings(&denied["first"]["messages"]),
        ["danger: The state of the UPS cannot be read: Access denied"]
    );
}

fn settings_that_nobody_touched_are_saved_as_they_were() {
    assert_eq!(result("untouched"), uci());
    // One that is emptied is not set.
    assert_eq!(result("emptied"), uci());
}

fn settings_are_saved_as_the_uci_that_the_daemon_takes() {
    let saved = result("filled");
    let expected = json!({
        ".type": "ups", "enabled": "1", "upstype": "net", "device": "192.0.2.10:3551", "upsname": "it's a rack",
        "batterylevel": "-1", "minutes": "7", "nisallow": ["192.0.2.0/24", "::1"], "lowbatteryflag": "confirm"
    });
    assert_eq!(saved["main"], expected);
    let mut uci = "config ups 'main'\n".to_owned();
    let quoted = |value: &Value| value.as_str().unwrap().replace('\'', "'\\''");
    for (name, value) in saved["main"].as_object().unwrap() {
        match value {
            Value::Array(items) => {
                items.iter().for_each(|item| uci.push_str(&format!("\tlist {name} '{}'\n", quoted(item))));
            }
            _ if name == ".type" => {}
            _ => uci.push_str(&format!("\toption {name} '{}'\n", quoted(value))),
        }
    }
    let (made, log) = configuration_of(&["/bin/sh"], &uci);
    assert_eq!(log, "");
    for line in [
        "UPSTYPE net",
        "DEVICE 192.0.2.10:3551",
        "UPSNAME it's a rack",
        "NISALLOW 192.0.2.0/24 ::1",
        "BATTERYLEVEL -1",
    ] {
        assert!(made.lines().any(|made| made == line), "{line}: {made}");
    }
    assert_eq!(result("cable")["main"]["upscable"], "simple");
}

fn a_mistake_in_the_settings_is_told_and_nothing_saved() {
    let mistakes = result("mistakes");
    let mistakes = mistakes.as_object().unwrap();
    assert!(mistakes.len() >= 10, "{mistakes:?}");
    for (name, said) in mistakes {
        assert!(said.as_str().unwrap().starts_with(&format!("{name}: ")), "{name}: {said}");
    }
    assert_eq!(mistakes["upsname"], "upsname: A '#' after a blank begins a comment.");
    assert_eq!(mistakes["device"], "device: Needed for this kind.");
}

fn eslint_finds_nothing() {
    let scratch = Scratch::new();
    // The source stays as it is.
    let copy = scratch.path().join("app");
    fs::create_dir(&copy).unwrap();
    for name in ["htdocs", "package.json", "package-lock.json", "eslint.config.mjs"] {
        assert!(
            Command::new("cp").arg("-r").arg(app().join(name)).arg(&copy).status().unwrap().success(),
            "{name}"
        );
    }
    let run = |program: &str, args: &[&str]| {
        let done =
            Command::new(program).args(args).current_dir(&copy).env("HOME", scratch.path()).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
    };
    let (installed, said) = run("npm", &["ci", "--no-audit", "--no-fund"]);
    assert!(installed, "npm ci: {said}");
    let (clean, said) = run("npx", &["eslint", "."]);
    assert!(clean && said.is_empty(), "{said}");
    // It would find something.
    fs::write(copy.join("htdocs/bad.js"), "'use strict';\nvar x = y;\n").unwrap();
    let (clean, said) = run("npx", &["eslint", "."]);
    assert!(!clean && said.contains("no-undef"), "{said}");
}
