//! What the web interface for OpenWrt says of directives is what the daemon says; its parts know each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mainsd::config::directives::{self, Below, Kind};
use serde_json::Value;

fn app() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/openwrt/luci-app-mainsd")
}

fn read(name: &str) -> String {
    fs::read_to_string(app().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn settings() -> String {
    read("htdocs/luci-static/resources/view/mainsd/settings.js")
}

/// The text between the first pair of these after a mark, and what follows.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(before)?.1.split_once(after)
}

#[test]
fn ranges_and_defaults_of_the_settings_are_those_of_the_daemon() {
    let text = settings();
    let (table, _) = between(&text, "const NUMBERS = [", "\n];").unwrap();
    let mut seen = 0;
    for row in table.lines().filter(|row| row.contains('[')) {
        // [ 'tab', 'option', [ least, most ], default, ...
        let words: Vec<&str> =
            row.split([' ', ',', '[', ']', '\'', '\t']).filter(|word| !word.is_empty()).collect();
        let [_, name, least, most, usual, ..] = words[..] else { panic!("{row}") };
        let directive =
            directives::find(&name.to_uppercase()).unwrap_or_else(|| panic!("no directive: {row}"));
        let Kind::Number { min, max, below, .. } = directive.kind else { panic!("not a number: {row}") };
        let lowest = if matches!(below, Below::Off | Below::Unset) { -1 } else { min };
        assert_eq!((least.parse(), most.parse()), (Ok(lowest), Ok(max)), "{row}");
        assert_eq!(usual, directive.default, "{row}");
        seen += 1;
    }
    assert!(seen >= 9, "{table}");
}

#[test]
fn options_and_words_of_the_settings_are_directives_and_their_words() {
    let text = settings();
    let mut options = BTreeSet::new();
    for line in text.lines() {
        let Some((name, _)) = between(line, "form.ListValue, '", "'").or_else(|| {
            let (call, rest) = line.split_once("addText(section, '")?;
            (!call.contains("function")).then(|| between(rest, "', '", "'")).flatten()
        }) else {
            continue;
        };
        options.insert(name.to_owned());
        if name == "config" {
            continue;
        }
        let directive =
            directives::find(&name.to_uppercase()).unwrap_or_else(|| panic!("no directive: {line}"));
        // Of one with a list, the variable that gets its words.
        let Some((variable, _)) = between(line, "const ", " =").filter(|_| line.contains("form.ListValue"))
        else {
            continue;
        };
        let call = format!("\t{variable}.value('");
        let words = text.lines().filter_map(|line| line.split_once(&call)?.1.split('\'').next());
        let known = match directive.kind {
            Kind::Word { words, .. } => words(),
            Kind::Switch { .. } => vec!["on", "off"],
            _ => panic!("no list: {line}"),
        };
        let unknown: Vec<&str> = words.filter(|word| !word.is_empty() && !known.contains(word)).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?} of {known:?}");
    }
    for name in ["config", "upstype", "device", "upscable", "upsname", "lowbatteryflag", "netserver", "nisip"]
    {
        assert!(options.contains(name), "{name}: {options:?}");
    }
}

#[test]
fn menu_rights_views_and_methods_are_there() {
    let json = |name: &str| -> Value { serde_json::from_str(&read(name)).unwrap() };
    let menu = json("root/usr/share/luci/menu.d/luci-app-mainsd.json");
    let rights = json("root/usr/share/rpcd/acl.d/luci-app-mainsd.json");
    for (entry, of) in menu.as_object().unwrap() {
        let view = of["action"]["path"].as_str().unwrap();
        assert!(
            app().join(format!("htdocs/luci-static/resources/view/{view}.js")).is_file(),
            "{entry}: {view}"
        );
        let needed = of["depends"]["acl"][0].as_str().unwrap();
        assert!(rights.get(needed).is_some(), "{entry}: {needed}");
    }
    // Who may only look changes nothing, and does not see the configuration, in which a password can be.
    let looks = &rights["luci-app-mainsd-read"];
    assert!(looks.get("write").is_none() && looks["read"].get("uci").is_none(), "{looks}");
    assert_eq!(rights["luci-app-mainsd-admin"]["write"]["uci"][0], "mainsd");
    let script = read("root/usr/libexec/rpcd/mainsd");
    let (listed, _) = between(&script, "echo '", "'").unwrap();
    let methods: Value = serde_json::from_str(listed).unwrap();
    let granted: BTreeSet<&str> = rights
        .as_object()
        .unwrap()
        .values()
        .flat_map(|group| group["read"]["ubus"]["mainsd"].as_array().unwrap())
        .map(|method| method.as_str().unwrap())
        .collect();
    let offered: BTreeSet<&str> = methods.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(granted, offered);
    let status = read("htdocs/luci-static/resources/view/mainsd/status.js");
    let called: Vec<&str> =
        status.lines().filter_map(|line| Some(between(line, "method: '", "'")?.0)).collect();
    let of_looks = looks["read"]["ubus"]["mainsd"].as_array().unwrap();
    assert!(
        called.len() >= 3 && called.iter().all(|method| of_looks.iter().any(|of| of == method)),
        "{called:?}"
    );
}
