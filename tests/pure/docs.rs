//! What comments and documents cite is in `docs/`: each `name §n` is a heading, each file, function and link that is named
//! is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Works that are not ours, by the words before the section sign.
const OUTSIDE: [&str; 5] = ["RFC 3164", "USB 2.0", "HID 1.11", "HID usage tables", "UAX #9"];
/// Words before a section of the document that was cited last, or of the text itself.
const JOINING: [&str; 8] = ["and", "by", "from", "in", "of", "or", "see", "to"];
/// A section sign without a name belongs to the document cited before it, no farther away than so many characters.
const NEAR: usize = 200;

/// What is searched for citations; folders with everything below them.
const SEARCHED: [&str; 13] = [
    ".ci",
    "benches",
    "build.rs",
    "Cargo.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs",
    "fuzz",
    "man",
    "packaging",
    "README.md",
    "SECURITY.md",
    "src",
];

/// Texts of the tree by their path from the root: those of [`SEARCHED`], and the tests but this one, which has wrong examples.
fn texts() -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in SEARCHED.iter().chain(&["tests"]) {
        files(&root().join(name), &mut paths);
    }
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name != "tests/pure/docs.rs").then(|| Some((name, fs::read_to_string(path).ok()?))).flatten()
    };
    paths.into_iter().filter_map(read).collect()
}

/// The file, or all files below the folder; what was built or recorded left out.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        return found.push(path.to_owned());
    }
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !["target", "captures", "devices", "corpus", "artifacts", "coverage"].contains(&name) {
            files(&path, found);
        }
    }
}

/// The documents in `docs/`, by their path from there.
fn documents() -> Vec<(String, String)> {
    let of_docs = |(path, text): (String, String)| Some((path.strip_prefix("docs/")?.to_owned(), text));
    texts().into_iter().filter_map(of_docs).filter(|(path, _)| path.ends_with(".md")).collect()
}

/// A section of a document that a text names.
#[derive(Clone, Debug, PartialEq)]
struct Citation {
    line: usize,
    /// As it is written, in lower case; `None`: nothing before the section sign says which.
    document: Option<String>,
    section: String,
    /// Headings within it, by their beginning.
    below: Vec<String>,
    /// A numbered item of it.
    item: Option<String>,
}

/// A text without line ends, indentation and the marks of comments, with the number of each character's line. An empty line,
/// and the beginning of a table's row or a list's item, is a newline.
fn joined(text: &str) -> Vec<(char, usize)> {
    let mut joined = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start().trim_start_matches(['/', '!', '#']).trim();
        if bare.is_empty() || bare.starts_with(['|', '*']) {
            joined.push(('\n', number + 1));
        }
        joined.extend(bare.chars().chain([' ']).map(|c| (c, number + 1)));
    }
    joined
}

/// `3`, `8.2`: the number that a text begins with.
fn section_number(text: &str) -> String {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}

/// All citations of a text. `own` is the document that a section sign without a name means: the text's own.
fn citations(text: &str, own: Option<&str>) -> Vec<Citation> {
    let joined = joined(text);
    let mut found = Vec::new();
    // The document last cited, and where.
    let mut last: Option<(String, usize)> = None;
    for (at, (sign, line)) in joined.iter().enumerate() {
        if *sign != '§' {
            continue;
        }
        let after: String = joined[at + 1..].iter().map(|(c, _)| *c).take(NEAR).collect();
        let before: String = joined[at.saturating_sub(NEAR)..at].iter().map(|(c, _)| *c).collect();
        let section = section_number(&after);
        let words = before.trim_end();
        if OUTSIDE.iter().any(|work| words.ends_with(work)) {
            continue;
        }
        let name = words.rsplit([' ', '(', '[', '\n', ',', ';', ':', '/', '"']).next().unwrap_or_default();
        let is_next = name.is_empty()
            || name.starts_with(['§', '|', '-', '*'])
            || JOINING.contains(&&*name.to_lowercase());
        let document = if is_next {
            let near = last.as_ref().filter(|(_, from)| {
                let between: String = joined[*from..at].iter().map(|(c, _)| *c).collect();
                at - from <= NEAR && !between.contains('\n') && !between.contains(". ")
            });
            near.map(|(name, _)| name.clone()).or_else(|| own.map(str::to_owned))
        } else {
            Some(name.trim_matches('`').trim_end_matches(".md").to_ascii_lowercase())
        };
        last = document.clone().map(|name| (name, at));
        let rest = after[section.len()..].trim_start();
        let item = rest.trim_start_matches([',', ' ']).strip_prefix("item ").map(section_number);
        found.push(Citation { line: *line, document, section, below: quoted(rest), item });
    }
    found
}

/// The texts in quotation marks that a text begins with, one after the other.
fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((inside, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        found.push(inside.to_owned());
        rest = after.trim_start_matches(", ").trim_start_matches(" and ").trim_start();
    }
    found
}

/// Where a section's number leads to, or why nowhere.
fn resolve(citation: &Citation, documents: &[(String, String)]) -> Result<(), String> {
    let Some(name) = &citation.document else { return Err("of which document?".to_owned()) };
    let places = [format!("reference/{name}.md"), format!("{name}.md")];
    let document = places.iter().find_map(|place| documents.iter().find(|(path, _)| path == place));
    let Some((path, text)) = document else { return Err(format!("there is no docs/reference/{name}.md")) };
    let Some(section) = section_of(text, &citation.section) else {
        return Err(format!("docs/{path} has no section {}", citation.section));
    };
    for heading in &citation.below {
        let is_there = section.lines().any(|line| {
            line.starts_with('#') && line.trim_start_matches(['#', ' ']).starts_with(heading.as_str())
        });
        if !is_there {
            return Err(format!("section {} of docs/{path} has no heading \"{heading}\"", citation.section));
        }
    }
    if let Some(item) = &citation.item {
        if !section.lines().any(|line| line.starts_with(&format!("{item}. "))) {
            return Err(format!("section {} of docs/{path} has no item {item}", citation.section));
        }
    }
    Ok(())
}

/// The section of this number, with those below it: up to the next heading of its depth or above.
fn section_of<'a>(text: &'a str, number: &str) -> Option<&'a str> {
    let mut start = None;
    let mut at = 0;
    for line in text.lines() {
        let depth = line.len() - line.trim_start_matches('#').len();
        if depth > 0 {
            match start {
                Some((from, top)) if depth <= top => return Some(&text[from..at]),
                None if !number.is_empty() && section_number(line[depth..].trim_start()) == number => {
                    start = Some((at, depth));
                }
                _ => {}
            }
        }
        at += line.len() + 1;
    }
    start.map(|(from, _)| &text[from..])
}

/// Each citation of a text that leads nowhere, with its place and the reason.
fn unresolved(path: &str, text: &str, documents: &[(String, String)]) -> Vec<String> {
    let own = path.strip_prefix("docs/").and_then(|path| path.strip_suffix(".md"));
    let own = own.map(|path| path.trim_start_matches("reference/"));
    let tell = |citation: Citation| {
        let reason = resolve(&citation, documents).err()?;
        Some(format!("{path}:{}: §{}: {reason}", citation.line, citation.section))
    };
    citations(text, own).into_iter().filter_map(tell).collect()
}

#[test]
fn a_citation_is_found_in_each_form_that_comments_have() {
    let text = "\
/// Lasts long (usb-hid §4, §4.2), and RFC 3164 §4.1.2 has it; (nis §2-§6) as well.
code(); // power-events §10
        // item 23
//! Source: config §3 \"Paths\", \"ShareUPS\" and dumb §2; `privsep.md` §1.
// After a sentence (config §8). A sign of its own (§9).
";
    let found: Vec<String> = citations(text, None)
        .iter()
        .map(|c| {
            let document = c.document.as_deref().unwrap_or("?");
            let item = c.item.as_ref().map(|item| format!(" item {item}")).unwrap_or_default();
            format!("{}: {document} {}{item}{}", c.line, c.section, c.below.join(","))
        })
        .collect();
    assert_eq!(
        found,
        [
            "1: usb-hid 4",
            "1: usb-hid 4.2",
            "1: nis 2",
            "1: nis 6",
            "2: power-events 10 item 23",
            "4: config 3Paths,ShareUPS",
            "4: dumb 2",
            "4: privsep 1",
            "5: config 8",
            "5: ? 9"
        ]
    );
    let own = citations("See §3 and §4.1.\n\n* §5: more", Some("nis"));
    let own: Vec<_> = own.iter().map(|c| (c.document.as_deref(), c.section.as_str())).collect();
    assert_eq!(own, [(Some("nis"), "3"), (Some("nis"), "4.1"), (Some("nis"), "5")]);
}

#[test]
fn a_citation_that_leads_nowhere_is_told_with_its_place() {
    let text = "# Nis\n\n## 1. One\n\n1. first\n\n### 1.1 Half\n\n### Words\n\n## 2. Two\n\n## 12. Twelve\n";
    let documents =
        [("reference/nis.md".to_owned(), text.to_owned()), ("tour.md".to_owned(), text.to_owned())];
    let right = "(nis §1, §1.1 and §2), tour §12, nis §1 \"Words\", nis §1 item 1";
    assert_eq!(unresolved("src/a.rs", right, &documents), Vec::<String>::new());
    for (wrong, reason) in [
        ("(nis §3)", "src/a.rs:2: §3: docs/reference/nis.md has no section 3"),
        ("(nis §1.2)", "src/a.rs:2: §1.2: docs/reference/nis.md has no section 1.2"),
        ("(nis §1, §13)", "src/a.rs:2: §13: docs/reference/nis.md has no section 13"),
        ("(snmp §1)", "src/a.rs:2: §1: there is no docs/reference/snmp.md"),
        ("(§1)", "src/a.rs:2: §1: of which document?"),
        ("(nis §)", "src/a.rs:2: §: docs/reference/nis.md has no section "),
        ("nis §2 \"Words\"", "src/a.rs:2: §2: section 2 of docs/reference/nis.md has no heading \"Words\""),
        ("nis §1 item 2", "src/a.rs:2: §1: section 1 of docs/reference/nis.md has no item 2"),
    ] {
        assert_eq!(unresolved("src/a.rs", &format!("\n/// {wrong}"), &documents), [reason]);
    }
}

#[test]
fn each_citation_leads_to_a_heading() {
    let documents = documents();
    let texts = texts();
    let wrong: Vec<String> =
        texts.iter().flat_map(|(path, text)| unresolved(path, text, &documents)).collect();
    assert!(wrong.is_empty(), "these lead nowhere:\n{}", wrong.join("\n"));
    let count = |folder: &str| -> usize {
        let in_it = texts.iter().filter(|(path, _)| path.starts_with(folder));
        in_it.map(|(_, text)| citations(text, None).len()).sum()
    };
    assert!(count("src/") > 200 && count("tests/") > 10, "is the search right?");
}

/// A reference that nothing cites is not this program's.
#[test]
fn each_reference_is_cited() {
    let mut cited = BTreeSet::new();
    for (path, text) in texts() {
        if !path.starts_with("docs/") {
            cited.extend(citations(&text, None).into_iter().filter_map(|c| c.document));
        }
    }
    for (path, _) in documents() {
        let Some(name) = path.strip_prefix("reference/").and_then(|path| path.strip_suffix(".md")) else {
            continue;
        };
        assert!(cited.contains(name) || name == "README", "nothing cites docs/{path}");
    }
}

/// What stands in backquotes in a text, with the number of its line.
fn in_backquotes(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        found.extend(line.split('`').skip(1).step_by(2).map(|name| (number + 1, name)));
    }
    found
}

/// The files below `src/` that a text names, and those that are not there.
fn sources_named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("src/") {
            let rest = &line[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/_.".contains(c));
            let name = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', '/']);
            found.push((number + 1, name.to_owned()));
        }
    }
    found
}

/// Names of the form `Type::function` (`src/file.rs`) whose file has none of that name.
fn missing_items(text: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let pieces: Vec<&str> = line.split('`').collect();
        for piece in pieces.windows(3).skip(1).step_by(2) {
            let [name, between, file] = piece else { continue };
            if *between != " (" || !file.starts_with("src/") || !file.ends_with(".rs") {
                continue;
            }
            let Some(source) = read(file) else { continue };
            for part in name.split("::") {
                let part = part.trim_end_matches("()");
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !source.split(|c| !is_word(c)).any(|word| word == part) {
                    missing.push(format!("{}: {file} has no {part}", number + 1));
                }
            }
        }
    }
    missing
}

#[test]
fn names_of_the_code_are_looked_for_in_their_files() {
    let read = |_: &str| Some("impl Supervisor { fn pump(&self) {} }".to_owned());
    assert_eq!(missing_items("a\n`Supervisor::pump` (`src/a.rs`)", read), Vec::<String>::new());
    assert_eq!(missing_items("a\n`Supervisor::pumps` (`src/a.rs`)", read), ["2: src/a.rs has no pumps"]);
    assert_eq!(missing_items("`Hous` (`src/a.rs`), `b` (`src/b.rs`)", read).len(), 2);
    assert_eq!(sources_named("(`src/a/b.rs`, src/c/)."), [(1, "src/a/b.rs".into()), (1, "src/c".into())]);
}

#[test]
fn each_source_and_name_that_the_documents_name_is_there() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (path, text) in texts() {
        if !path.ends_with(".md") {
            continue;
        }
        for (line, name) in sources_named(&text) {
            count += 1;
            if !root().join(&name).exists() {
                wrong.push(format!("{path}:{line}: {name}"));
            }
        }
        let missing = missing_items(&text, |file| fs::read_to_string(root().join(file)).ok());
        wrong.extend(missing.iter().map(|missing| format!("{path}:{missing}")));
    }
    assert!(wrong.is_empty(), "these are not there:\n{}", wrong.join("\n"));
    assert!(count > 50, "is the search right?");
}

/// Headings as they are linked to: lower case, blanks as hyphens, no other marks.
fn anchors(text: &str) -> BTreeSet<String> {
    let keep = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim();
        heading.chars().filter(keep).collect::<String>().to_lowercase().replace(' ', "-")
    };
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// The links of a document to files and headings of this tree that are not there.
fn broken_links(path: &str, text: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (at, start) in line.match_indices("](") {
            let Some((target, _)) = line[at + start.len()..].split_once(')') else { continue };
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = match file {
                "" => PathBuf::from(path),
                file => Path::new(path).parent().unwrap_or(Path::new("")).join(file),
            };
            let there = read(&place);
            if there.is_none_or(|text| !anchor.is_empty() && !anchors(&text).contains(anchor)) {
                broken.push(format!("{path}:{}: {target}", number + 1));
            }
        }
    }
    broken
}

#[test]
fn links_between_documents_lead_somewhere() {
    let read = |path: &Path| (path == Path::new("docs/a.md")).then(|| "# One, two\n".to_owned());
    let right = "[a](a.md), [b](a.md#one-two), [c](https://example.org/x)";
    assert_eq!(broken_links("docs/b.md", right, read), Vec::<String>::new());
    assert_eq!(broken_links("docs/b.md", "\n[a](c.md)", read), ["docs/b.md:2: c.md"]);
    assert_eq!(broken_links("docs/b.md", "[a](a.md#three)", read), ["docs/b.md:1: a.md#three"]);

    let read = |path: &Path| {
        let place = root().join(path);
        if place.is_dir() { Some(String::new()) } else { fs::read_to_string(place).ok() }
    };
    let texts = texts();
    let texts = texts.iter().filter(|(path, _)| path.ends_with(".md"));
    let broken: Vec<String> = texts.flat_map(|(path, text)| broken_links(path, text, read)).collect();
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
}

/// README, CONTRIBUTING and SECURITY are where a reader begins.
#[test]
fn each_document_is_linked_to_from_the_front_door() {
    let entry = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/reference/README.md"];
    let entry = entry.map(|name| fs::read_to_string(root().join(name)).unwrap()).concat();
    for (path, _) in documents() {
        let file = path.trim_start_matches("reference/");
        let named = entry.contains(&format!("/{file})")) || entry.contains(&format!("({file})"));
        assert!(named, "no way leads to docs/{path}");
    }
}

/// The rooms of the table in `docs/architecture.md` import what the test of the rooms lets them.
#[test]
fn the_architecture_says_of_the_rooms_what_their_test_holds() {
    let held = fs::read_to_string(root().join("tests/pure/architecture.rs")).unwrap();
    let document = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut count = 0;
    for line in held.lines() {
        let Some((room, rest)) = line.trim().strip_prefix("(\"").and_then(|rest| rest.split_once("\", &["))
        else {
            continue;
        };
        let Some((allowed, _)) = rest.split_once(']') else { continue };
        let allowed: BTreeSet<&str> = allowed
            .split(',')
            .map(|name| name.trim().trim_matches('"'))
            .filter(|name| !name.is_empty())
            .collect();
        let start = format!("| `{room}/` |");
        let row = document.lines().find(|line| line.starts_with(&start));
        let cells: Vec<&str> = row.map(|row| row.split('|').collect()).unwrap_or_default();
        let imports = cells.get(3).copied().unwrap_or_default();
        let said: BTreeSet<&str> = in_backquotes(imports).into_iter().map(|(_, name)| name).collect();
        assert_eq!(said, allowed, "docs/architecture.md: what {room} imports");
        count += 1;
    }
    assert!(count >= 12, "is the search right?");
}
