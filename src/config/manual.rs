//! The texts that are made from the table: the list in `man/mainsd.conf.5`, and `packaging/mainsd.conf`. Both are
//! committed; the tests here compare them, and write them anew with `MAINSD_REGENERATE=1 cargo test --lib config::manual`.

use std::fmt::Write as _;

use super::directives::{self, Below, Directive, Kind, RETIRED, Reload, SECTIONS};

/// Around the generated part of the page.
const BEGIN: &str = ".\\\" BEGIN GENERATED: from src/config/directives; MAINSD_REGENERATE=1 cargo test --lib config::manual\n";
const END: &str = ".\\\" END GENERATED\n";

/// Width of the example configuration.
const EXAMPLE_COLUMNS: usize = 98;

/// The directives as mdoc.
fn mdoc() -> String {
    let mut out = BEGIN.to_owned();
    for section in SECTIONS {
        let _ = writeln!(out, ".Ss {}", section.title);
        if section.title == "Settings kept in the UPS" {
            out.push_str(
                "A Smart-UPS keeps these itself.\nThe running daemon reads past them; with a serial UPS,\n.Ql mainsd --configure\n\
                 writes them into it, see\n.Xr mainsd 8 .\n",
            );
        }
        out.push_str(".Bl -tag -width Ds\n");
        for directive in section.directives {
            entry(&mut out, directive);
        }
        out.push_str(".El\n");
    }
    out.push_str(".Ss Names without effect\nThese are warned about and read past.\n.Bl -tag -width Ds\n");
    let mut owners: Vec<&str> = RETIRED.iter().map(|r| r.of).collect();
    owners.dedup();
    for owner in owners {
        let _ = writeln!(out, ".It of {owner}");
        let names: Vec<String> =
            RETIRED.iter().filter(|r| r.of == owner).map(|r| format!("\\fB{}\\fP", r.name)).collect();
        let _ = writeln!(out, "{}.", names.join(", "));
    }
    out.push_str(".El\n");
    out + END
}

fn entry(out: &mut String, directive: &Directive) {
    let argument = match directive.kind {
        Kind::Number { .. } => directive.unit_text().trim(),
        Kind::Switch { .. } => "on | off",
        Kind::Word { .. } => "word",
        Kind::Text { what, .. } => what,
        Kind::Command { .. } => "command",
        Kind::Folder { .. } => "folder",
        Kind::File { .. } => "file",
        Kind::Schedule { .. } => "weekly | monthly [day] [time] | off",
        Kind::Addresses { .. } => "address ...",
        Kind::Networks { .. } => "address | network ...",
    };
    let argument = if argument.is_empty() { "number" } else { argument };
    let _ = writeln!(out, ".It Sy {} Ar {argument}", directive.name);
    for alias in directive.aliases {
        let _ = writeln!(out, ".It Sy {alias} Ar {argument}");
    }
    let mut first = true;
    let mut paragraphs = |out: &mut String, text: &str| {
        for paragraph in text.split("\n\n").filter(|p| !p.is_empty()) {
            if !std::mem::take(&mut first) {
                out.push_str(".Pp\n");
            }
            sentences(out, paragraph);
        }
    };
    paragraphs(out, directive.doc);
    paragraphs(out, &format!("Accepted: {}.", directive.accepted()));
    out.push_str(".br\n");
    sentences(out, &format!("Default: {}.", default(directive)));
    sentences(out, &directive.reason());
    if let Some(shipped) = directive.shipped {
        let value = if shipped.is_empty() { "blank".to_owned() } else { format!("`{shipped}`") };
        let _ = writeln!(out, ".br\nThe example configuration sets it: {}.", mark(&value));
    }
    if !directive.compat.is_empty() {
        paragraphs(out, &format!("Compared with apcupsd: {}", directive.compat));
    }
    if directive.reload == Reload::Restart {
        paragraphs(out, "A change waits for the next start of the daemon.");
    }
    let _ = writeln!(out, ".Pp\n.Dl {} {}", directive.name, directive.example.replace('-', "\\-"));
}

fn default(directive: &Directive) -> String {
    match (directive.default, directive.kind) {
        ("", _) => directive.blank.trim_matches(['(', ')']).to_owned(),
        ("-1", _) => "-1".to_owned(),
        ("0", _) if !directive.zero.is_empty() => format!("0 ({})", directive.zero),
        (default, _) => format!("{default}{}", directive.unit_text()),
    }
}

/// One line a sentence, as mdoc wants it.
fn sentences(out: &mut String, text: &str) {
    for sentence in mark(text).replace(". ", ".\n").lines() {
        fill(out, sentence, 78, "");
    }
}

/// Literals and the names of directives in bold, and a minus sign that can be copied.
fn mark(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.replace('\\', "\\e").split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(out, "\\fB{}\\fP", part.replace('-', "\\-"));
            continue;
        }
        for piece in part.split_inclusive(|c: char| !c.is_ascii_uppercase()) {
            let name = piece.trim_end_matches(|c: char| !c.is_ascii_uppercase());
            if directives::find(name).is_some() {
                let _ = write!(out, "\\fB{name}\\fP{}", &piece[name.len()..]);
            } else {
                out.push_str(piece);
            }
        }
    }
    out.replace(" -1", " \\-1")
}

/// The example configuration: every default, commented out, with its reason; and what a first start needs.
fn example() -> String {
    let mut out = String::from(
        "## apcupsd.conf v1.1 ##\n\
         #\n\
         # Configuration of mainsd. What is commented out shows the default; what is not is set for a UPS on USB.\n\
         # 'mainsd check' tells what a file means and what is wrong with it; mainsd.conf(5) tells more.\n",
    );
    for section in SECTIONS {
        let _ = writeln!(out, "\n\n# ==== {} ====", section.title);
        for directive in section.directives {
            let doc = directive.doc.replace('`', "");
            out.push('\n');
            for paragraph in doc.split("\n\n") {
                comment(&mut out, paragraph);
            }
            comment(&mut out, &format!("Accepted: {}.", directive.accepted()));
            comment(&mut out, &directive.why.replace('`', ""));
            out.push_str(&setting(directive));
        }
    }
    out
}

fn setting(directive: &Directive) -> String {
    let line =
        |mark: &str, value: &str| format!("{mark}{} {value}", directive.name).trim_end().to_owned() + "\n";
    match (directive.shipped, directive.default, directive.kind) {
        (Some(value), _, _) => line("", value),
        // A word cannot be blank, so there is no way to write "not set".
        (None, "", Kind::Word { .. }) => line("#", directive.example),
        (None, default, _) => line("#", default),
    }
}

fn comment(out: &mut String, text: &str) {
    fill(out, text, EXAMPLE_COLUMNS, "# ");
}

/// Lines of at most `width` characters, each after `lead`, broken at blanks. A line of mdoc must not begin with a dot or a
/// quote.
fn fill(out: &mut String, text: &str, width: usize, lead: &str) {
    let mut line = lead.to_owned();
    for word in text.split(' ') {
        if line.len() > lead.len() && line.len() + 1 + word.len() > width {
            let _ = writeln!(out, "{line}");
            line = lead.to_owned();
        }
        match line.len() == lead.len() {
            true if lead.is_empty() && word.starts_with(['.', '\'']) => line.push_str("\\&"),
            true => {}
            false => line.push(' '),
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{line}");
}

mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Config, Severity, parse};

    const HOW: &str = "write it anew with: MAINSD_REGENERATE=1 cargo test --lib config::manual";

    fn committed(path: &str) -> (PathBuf, String) {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = fs::read_to_string(&path).unwrap_or_default();
        (path, text)
    }

    fn compare(path: &str, is: &str, should: &str) {
        if is == should {
            return;
        }
        let line = is.lines().zip(should.lines()).take_while(|(a, b)| a == b).count() + 1;
        let at = |text: &str| text.lines().nth(line - 1).unwrap_or("(the end)").to_owned();
        panic!(
            "{path} differs from the table at line {line}:\n  is:     {}\n  should: {}\n{HOW}",
            at(is),
            at(should)
        );
    }

    #[test]
    fn the_man_page_has_each_directive_as_the_table_has_it_and_no_other() {
        let (path, page) = committed("man/mainsd.conf.5");
        let (before, rest) = page.split_once(BEGIN).expect("the page has the line BEGIN GENERATED");
        let (list, after) = rest.split_once(END).expect("the page has the line END GENERATED");
        if std::env::var_os("MAINSD_REGENERATE").is_some() {
            fs::write(path, format!("{before}{}{after}", mdoc())).unwrap();
            return;
        }
        compare("man/mainsd.conf.5, generated part,", &format!("{BEGIN}{list}{END}"), &mdoc());
        for line in before.lines().chain(after.lines()).filter_map(|line| line.strip_prefix(".Sy ")) {
            let name = line.split(' ').next().unwrap_or("");
            assert!(directives::find(name).is_some(), "the page speaks of {name}, which is no directive");
        }
    }

    #[test]
    fn the_example_configuration_is_that_of_the_table() {
        let (path, text) = committed("packaging/mainsd.conf");
        if std::env::var_os("MAINSD_REGENERATE").is_some() {
            fs::write(path, example()).unwrap();
            return;
        }
        compare("packaging/mainsd.conf", &text, &example());
    }

    #[test]
    fn the_example_configuration_is_accepted_without_a_word() {
        let parsed = parse(example().as_bytes(), "mainsd.conf");
        assert_eq!(parsed.diagnostics, []);
        for directive in directives::all() {
            let expected = directive.shipped.unwrap_or(directive.default);
            let expected = if directive.name == "ANNOYDELAY" { "0" } else { expected };
            assert_eq!(directive.show(&parsed.config), expected, "{}", directive.name);
        }
    }

    #[test]
    fn what_is_commented_out_in_the_example_is_the_default() {
        let uncommented: String = example()
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .filter(|line| !matches!(line.split(' ').next(), Some("UPSCLASS" | "UPSMODE")))
            .map(|line| format!("{line}\n"))
            .collect();
        let parsed = parse(uncommented.as_bytes(), "mainsd.conf");
        assert_eq!(parsed.of(Severity::Warning).count(), 0, "{:?}", parsed.diagnostics);
        assert_eq!(
            parsed.of(Severity::Error).count(),
            1,
            "only UPSTYPE is missing: {:?}",
            parsed.diagnostics
        );
        let mut expected = Config::new();
        // The example sets it otherwise, so it has no line that shows the default.
        expected.no_logon = parsed.config.no_logon;
        assert_eq!(parsed.config, expected);
        let shown = uncommented.lines().count();
        let set = directives::all().filter(|d| d.shipped.is_some()).count();
        assert_eq!(shown + set + 2, directives::all().count());
    }

    #[test]
    fn every_directive_is_documented_in_full() {
        for d in directives::all() {
            assert!(d.doc.ends_with('.') && d.why.ends_with('.') && !d.example.is_empty(), "{}", d.name);
            assert!(d.compat.is_empty() || d.compat.ends_with('.'), "{}", d.name);
            for text in [d.doc, d.why, d.compat] {
                assert!(
                    text.is_ascii() && !text.contains("  ") && text.matches('`').count() % 2 == 0,
                    "{}: {text}",
                    d.name
                );
            }
            if let Kind::Number { min, max, below, .. } = d.kind {
                assert!(
                    min <= max && (!matches!(below, Below::Off | Below::Unset) || min == 0),
                    "{}",
                    d.name
                );
            }
        }
    }
}
