//! What the README shows is what there is: the recorded devices by name, and the demonstration.
//!
//! `MAINSD_REGENERATE=1 cargo test --test pure readme::` writes the list of devices.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

const BEGIN: &str =
    "<!-- made from tests/devices by: MAINSD_REGENERATE=1 cargo test --test pure readme:: -->\n";
const END: &str = "<!-- end of devices -->\n";

/// These names; the words that all begin with are only in the first.
fn without_repeated_maker(names: &[String]) -> Vec<String> {
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split(' ').collect()).collect();
    let shared =
        |count: &usize| words.iter().all(|name| name.len() > *count && name[..*count] == words[0][..*count]);
    let count = (1..words[0].len()).take_while(shared).last().unwrap_or(0);
    let later = words.iter().skip(1).map(|name| name[count..].join(" "));
    std::iter::once(names[0].clone()).chain(later).collect()
}

/// What the device list says: the vendors, each with its devices.
fn devices() -> String {
    let mut vendors: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join("tests/devices")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    for path in paths {
        let device: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let tags = device["tags"].as_array().unwrap();
        let has = |wanted: &str| tags.iter().any(|tag| tag.as_str() == Some(wanted));
        if has("no-line-state") {
            continue;
        }
        let name = device["name"].as_str().unwrap();
        // What is behind it is for who reads the file.
        let end = [": ", " ("].into_iter().filter_map(|sign| name.find(sign)).min();
        let short = &name[..end.unwrap_or(name.len())];
        let id = |key: &str| device[key].as_integer().unwrap();
        let star = if has("descriptor-only") { "*" } else { "" };
        let maker = name.split(' ').next().unwrap().to_owned();
        let row = vendors.entry(format!("{:04x} {maker}", id("vid"))).or_default();
        row.0 = format!("{:04x}", id("vid"));
        row.1.push(format!("{short}{star}"));
    }
    let row = |(vid, names): (String, Vec<String>)| (without_repeated_maker(&names).join(", "), vid);
    let mut rows: Vec<(String, String)> = vendors.into_values().map(row).collect();
    rows.sort_by_key(|(names, _)| names.to_lowercase());
    let ids = |vid: &str| if vid == "0000" { "any".to_owned() } else { format!("`{vid}`") };
    let rows = rows.iter().map(|(names, vid)| format!("| {names} | {} |\n", ids(vid)));
    format!("\n| recorded | vendor id |\n| --- | --- |\n{}\n", rows.collect::<String>())
}

#[test]
fn the_readme_names_every_recorded_device() {
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).expect("the list of devices begins with a comment");
    let (listed, after) = rest.split_once(END).expect("the list of devices ends with a comment");
    let devices = devices();
    if std::env::var_os("MAINSD_REGENERATE").is_some() {
        fs::write(root().join("README.md"), [before, BEGIN, &devices, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(listed, devices, "MAINSD_REGENERATE=1 cargo test --test pure readme:: writes the list");
}

/// The text that a test of the demonstration compares with what is drawn, without the lines that are empty.
#[test]
fn the_demonstration_in_the_readme_is_what_is_drawn() {
    let drawn = fs::read_to_string(root().join("src/program/live/view/outage-80x24.txt")).unwrap();
    let text = readme();
    let (_, shown) = text.split_once("`mainsd demo`, a simulated UPS in an outage:\n\n```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(lines(shown), lines(&drawn));
}
