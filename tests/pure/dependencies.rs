//! The crates that the program is made of: their licences, where they come from, that there is one version of each, and that the
//! README's table has them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A crate must be had under one of these.
const LICENCES: [&str; 2] = ["MIT", "Apache-2.0"];

/// Crates that bring code in another language, and the licence of that code, which README and SECURITY name.
const FOREIGN: [(&str, &str); 1] = [("libusb1-sys", "LGPL-2.1-or-later")];

/// What `serialport` brings against these rules, as the README says: a name, and the beginning of the fault.
const EXCEPTIONS: [(&str, &str); 4] = [
    ("serialport", "its licence is \"MPL-2.0\""),
    ("thiserror-impl", "it is a procedural macro"),
    ("unicode-ident", "its licence is \"(MIT OR Apache-2.0) AND Unicode-3.0\""),
    ("bitflags", "there are 2 versions of it, 1.3.2 and 2."),
];

/// Whether this fault is one of them.
fn is_excepted(fault: &str) -> bool {
    EXCEPTIONS.iter().any(|(name, what)| {
        let rest = fault.strip_prefix(name).and_then(|rest| rest.split_once(": "));
        rest.is_some_and(|(version, rest)| !version.contains('-') && rest.starts_with(what))
    })
}

const CRATES_IO: [&str; 2] =
    ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The output of a command of Cargo.
fn cargo(command: &str) -> String {
    let output = Command::new(env!("CARGO")).current_dir(root()).args(command.split(' ')).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {command}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The crates of the program, for this machine: those for other systems need not be there, offline.
struct Crates {
    /// What Cargo says of all crates, those for tests too.
    metadata: Value,
    /// Name and version of each that is in the program. Cargo tells these by `tree` only: `metadata` also names crates that a crate
    /// could use and does not.
    normal: BTreeSet<(String, String)>,
    /// With those that only build it.
    release: BTreeSet<(String, String)>,
}

impl Crates {
    fn of_this_program() -> Self {
        let about = cargo("-vV");
        let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let metadata =
            cargo(&format!("metadata --locked --offline --format-version 1 --filter-platform {host}"));
        let tree = |kinds| {
            cargo(&format!("tree --locked --offline --prefix none --format {{p}} --target {host} -e {kinds}"))
        };
        Self::new(serde_json::from_str(&metadata).unwrap(), &tree("normal"), &tree("normal,build"))
    }

    fn new(metadata: Value, normal: &str, release: &str) -> Self {
        // The first line is the program. `bitflags v2.13.2`, and what may follow.
        let crates = |tree: &str| {
            let crates = tree.lines().skip(1).filter_map(|line| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
            });
            crates.collect()
        };
        Self { metadata, normal: crates(normal), release: crates(release) }
    }

    /// What is said of those that are in the program or build it.
    fn packages(&self) -> impl Iterator<Item = &Value> {
        let is_needed = |package: &&Value| {
            self.release.contains(&(text(package, "name").to_owned(), text(package, "version").to_owned()))
        };
        list(&self.metadata, "packages").filter(is_needed)
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Whether one of the alternatives is allowed. An expression with brackets or another exception is not understood, so it is not.
fn is_allowed(licence: &str) -> bool {
    !licence.contains(['(', ')'])
        && licence
            .replace('/', " OR ")
            .split(" OR ")
            .any(|one| one.split(" AND ").all(|part| LICENCES.contains(&part.trim())))
}

/// What is wrong with the crates themselves.
fn faults(crates: &Crates) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in crates.packages() {
        let (name, version) = (text(package, "name"), text(package, "version"));
        versions.entry(name).or_default().push(version);
        let (licence, source) = (text(package, "license"), text(package, "source"));
        if !is_allowed(licence) {
            faults.push(format!("{name} {version}: its licence is \"{licence}\", allowed are {LICENCES:?}"));
        }
        if !CRATES_IO.contains(&source) {
            faults.push(format!("{name} {version}: it comes from \"{source}\", not from crates.io"));
        }
        if list(package, "targets").any(|target| list(target, "kind").any(|kind| kind == "proc-macro")) {
            faults.push(format!(
                "{name} {version}: it is a procedural macro, which no static glibc build without --target can have"
            ));
        }
        if package["links"].is_string() && !FOREIGN.iter().any(|(foreign, _)| *foreign == name) {
            faults.push(format!(
                "{name} {version}: it links other code; put it into FOREIGN, with its licence"
            ));
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        faults.push(format!(
            "{name}: there are {} versions of it, {} (`cargo tree -d` says what needs them)",
            versions.len(),
            versions.join(" and ")
        ));
    }
    faults
}

/// The names in backquotes that begin the rows of the README's table.
fn rows(readme: &str) -> BTreeSet<&str> {
    let section = readme.split("### Dependencies").nth(1).unwrap_or_default();
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = table.filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// What the README does not say, or says and is not so. `others`: what else may be in its table.
fn untold(crates: &Crates, readme: &str, others: &str) -> Vec<String> {
    let mut untold = Vec::new();
    let id = text(&crates.metadata["resolve"], "root");
    let program = list(&crates.metadata, "packages").find(|package| text(package, "id") == id).unwrap();
    let direct: BTreeSet<&str> = list(program, "dependencies").map(|needed| text(needed, "name")).collect();
    let rows = rows(readme);
    for name in direct.difference(&rows) {
        untold.push(format!("README.md, \"Dependencies\": the table has no row for `{name}`"));
    }
    for name in rows.difference(&direct).filter(|name| !others.contains(&format!("\n{name} = "))) {
        untold.push(format!("README.md, \"Dependencies\": `{name}` is no dependency"));
    }
    let (normal, building) = (crates.normal.len(), crates.release.len() - crates.normal.len());
    let counted =
        format!("{normal} crates in the daemon (`cargo tree -e normal`), {building} more that only build it");
    if !readme.contains(&counted) {
        untold.push(format!("README.md, \"Dependencies\": it should say \"{counted}\""));
    }
    untold
}

#[test]
fn each_crate_has_an_allowed_licence_comes_from_crates_io_and_is_there_once() {
    let crates = Crates::of_this_program();
    assert_eq!(crates.packages().count(), crates.release.len(), "metadata and tree name crates alike");
    let (excepted, faults): (Vec<String>, Vec<String>) =
        faults(&crates).into_iter().partition(|fault| is_excepted(fault));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(excepted.len(), EXCEPTIONS.len(), "an exception is no fault any more: {excepted:?}");
}

#[test]
fn the_readme_has_each_dependency_and_their_number() {
    let untold = untold(&Crates::of_this_program(), &read("README.md"), &read("fuzz/Cargo.toml"));
    assert!(untold.is_empty(), "\n{}", untold.join("\n"));
}

#[test]
fn the_licence_of_code_in_another_language_is_named() {
    let crates = Crates::of_this_program();
    for (name, licence) in FOREIGN {
        let there = crates.packages().any(|package| text(package, "name") == name);
        assert!(there, "{name} is no dependency any more: take it out of FOREIGN");
        for document in ["README.md", "SECURITY.md"] {
            let named = read(document).contains(licence);
            assert!(named, "{document} does not say that the code in {name} is {licence}");
        }
    }
}

/// Also those for other systems and for tests.
#[test]
fn each_source_in_the_lock_files_is_crates_io() {
    for file in ["Cargo.lock", "fuzz/Cargo.lock"] {
        for source in read(file).lines().filter_map(|line| line.strip_prefix("source = ")) {
            assert!(CRATES_IO.contains(&source.trim_matches('"')), "{file}: a crate comes from {source}");
        }
    }
}

#[test]
fn a_licence_is_allowed_if_one_alternative_is() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "Unlicense OR MIT",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "MIT AND Apache-2.0",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for other in
        ["", "MPL-2.0", "MIT AND MPL-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "GPL-2.0 OR MITNFA"]
    {
        assert!(!is_allowed(other), "{other}");
    }
}

/// A program that needs `a`, which needs `b` in an old version and is built by the macro `m`; and `b`, for tests `t`.
fn made_up() -> Crates {
    let package = |name: &str, version: &str, licence: &str, source: &str, kind: &str| {
        serde_json::json!({ "id": name, "name": name, "version": version, "license": licence, "source": source,
            "targets": [{ "kind": [kind] }], "links": if name == "a" { Some("a") } else { None } })
    };
    let [crates_io, _] = CRATES_IO;
    let mut metadata = serde_json::json!({ "resolve": { "root": "p" }, "packages": [
        package("p", "1", "MIT", "", "bin"),
        package("a", "1", "MPL-2.0", crates_io, "lib"),
        package("b", "1", "MIT", crates_io, "lib"),
        package("b", "2", "MIT", "git+https://example.org/b", "lib"),
        package("m", "1", "MIT", crates_io, "proc-macro"),
        package("t", "1", "GPL-2.0", "", "lib"),
    ] });
    metadata["packages"][0]["dependencies"] =
        serde_json::json!([{ "name": "a" }, { "name": "b" }, { "name": "t" }]);
    let normal = "p v1 (/home)\na v1\nb v1\nb v2\n";
    Crates::new(metadata, normal, &format!("{normal}m v1 (proc-macro)\na v1 (*)\n"))
}

#[test]
fn each_fault_of_a_crate_is_told() {
    let told = faults(&made_up());
    let expected = [
        "a 1: its licence is \"MPL-2.0\"",
        "a 1: it links other code",
        "b 2: it comes from \"git+",
        "m 1: it is a procedural macro",
        "b: there are 2 versions of it, 1 and 2",
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn a_row_or_a_number_that_is_wrong_in_the_readme_is_told() {
    let readme = |rows: &str, count: &str| {
        format!("### Dependencies\n\n{count}\n\n| crate | for |\n| --- | --- |\n{rows}\n\nOf `z`:\n| `y` |\n")
    };
    let count = "3 crates in the daemon (`cargo tree -e normal`), 1 more that only build it.";
    let told =
        |rows, count| untold(&made_up(), &readme(rows, count), "[dependencies]\nfuzzer = 1\n").join("; ");
    assert_eq!(told("| `a`, `b` | |\n| `t` | |\n| `fuzzer` | |", count), "");
    let name = "README.md, \"Dependencies\":";
    assert_eq!(told("| `a` | |\n| `t` | |", count), format!("{name} the table has no row for `b`"));
    assert_eq!(told("| `a`, `b`, `t`, `c` | |", count), format!("{name} `c` is no dependency"));
    assert!(told("| `a`, `b`, `t` | |", "Two crates.").contains("it should say \"3 crates"));
}
