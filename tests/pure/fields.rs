//! A status key stands once in the sources, in its row of the table of fields.

use std::fs;
use std::path::{Path, PathBuf};

use mainsd::ups::FIELDS;

/// Directives of the configuration that have the name of a key. They may stand where directives are named.
const DIRECTIVES: [&str; 5] = ["BATTDATE", "MASTER", "SELFTEST", "UPSMODE", "UPSNAME"];
/// Where directives are named.
const OF_DIRECTIVES: [&str; 2] = ["src/config/", "src/program/daemon/configure.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program's sources, by their path from the root; tests left out.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "tests" {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let program = text.split("\nmod tests {").next().unwrap().to_owned();
            found.push((path.strip_prefix(root()).unwrap().display().to_string(), program));
        }
    }
}

/// What stands between quotation marks in a program, as it is written; comments left out.
fn literals(program: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = program;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let after = &rest[at..];
        rest = if after.starts_with("//") {
            after.split_once('\n').map_or("", |(_, next)| next)
        } else if let Some(next) = after.strip_prefix("'\"'") {
            next
        } else if let Some(text) = after.strip_prefix('"') {
            let mut escaped = false;
            let is_end = |c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            };
            let end = text.find(is_end).unwrap_or(text.len());
            found.push(text[..end].to_owned());
            text.get(end + 1..).unwrap_or_default()
        } else {
            &after[1..]
        };
    }
    found
}

#[test]
fn literals_are_found_and_comments_are_none() {
    let program = "let a = \"one\"; // \"two\"\nf('\"', b\"th\\\"ree\", 'x');\n/// \"four\"\n\"five\" / 2";
    assert_eq!(literals(program), ["one", "th\\\"ree", "five"]);
}

#[test]
fn each_status_key_stands_once() {
    let mut sources_found = Vec::new();
    sources(&root().join("src"), &mut sources_found);
    assert!(sources_found.len() > 150, "is the search right?");
    let mut places: Vec<(String, &str)> = Vec::new();
    for (path, program) in &sources_found {
        for literal in literals(program) {
            // A record, or the beginning of one, names its key too: `LINEV    : 230`.
            let key = literal.split(':').next().unwrap_or_default().trim_end();
            let of_directive =
                DIRECTIVES.contains(&key) && OF_DIRECTIVES.iter().any(|place| path.starts_with(place));
            if let Some(field) = FIELDS.iter().find(|field| field.key == key) {
                if !of_directive {
                    places.push((path.clone(), field.key));
                }
            }
        }
    }
    for field in &FIELDS {
        let of_it: Vec<&str> =
            places.iter().filter(|(_, key)| *key == field.key).map(|(path, _)| path.as_str()).collect();
        assert_eq!(of_it, ["src/ups/field/table.rs"], "{}", field.key);
    }
}
