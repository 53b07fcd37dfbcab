//! Which commands a hook calls, as far as its text says so: one that does not exist is found out in an outage otherwise.
//!
//! What cannot be known is no finding: a name that is computed, one that the script looks for first (`command -v`, `[ -x`), and, where
//! it reads another script, each that has no path.

use std::path::Path;

use super::hooks::{is_there, start_of};

/// Interpreters whose language this is.
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "ksh"];
/// Words behind which another command stands.
const BEFORE: [&str; 14] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "time", "exec", "command", "nohup",
    "sudo",
];
/// What a shell has itself, and what ends a construct.
const OWN: &str = " [ [[ . : ]] } alias bg break builtin cd continue coproc declare done echo esac eval exit export false fc fg fi for \
                   function getopts hash in jobs kill let local logout mapfile popd printf pushd pwd read readonly return select set \
                   shift shopt source test times trap true type typeset ulimit umask unalias unset wait ";
/// Names of our own: what calls them is looked at elsewhere.
const OURS: [&str; 2] = ["mainsd", "apcupsd"];
/// Words behind which a name is only looked for.
const LOOKS: [&str; 9] = ["-v", "-V", "-x", "-f", "-e", "which", "type", "hash", "-s"];

/// The commands that the script calls and that do not exist, each once.
pub(super) fn missing(script: &Path) -> Vec<String> {
    let Some(bytes) = start_of(script) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let first = text.lines().next().and_then(|line| line.strip_prefix("#!")).unwrap_or_default();
    let mut interpreter = first.split([' ', '/']);
    if !interpreter.any(|word| SHELLS.contains(&word)) {
        return Vec::new();
    }
    let mut scan = Scan::default();
    scan.read(&mut text.chars().peekable(), None);
    let Scan { mut called, known, folders, reads_another, .. } = scan;
    called.retain(|name| {
        let has_path = name.starts_with('/');
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "/_.+-".contains(c));
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        is_name
            && begins
            && (has_path || !reads_another)
            && !known.contains(name)
            && !OURS.contains(&name.as_str())
            && !OWN.contains(&format!(" {name} "))
            && !is_there(Path::new(name))
            && !folders.iter().any(|folder| is_there(&Path::new(folder).join(name)))
    });
    called
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What has been read of a script.
#[derive(Default)]
struct Scan {
    /// Words in the place of a command.
    called: Vec<String>,
    /// Functions, and what is looked for.
    known: Vec<String>,
    /// Folders that it adds to its PATH.
    folders: Vec<String>,
    /// `.` or `source`: functions may be defined elsewhere.
    reads_another: bool,
    depth: u8,
    /// Delimiters of here documents whose text begins on the next line.
    here: Vec<String>,
}

/// Deepest nesting that is followed.
const DEPTH_MAX: u8 = 20;

/// A word that is being read.
#[derive(Default)]
struct Word {
    text: String,
    /// Part of it is computed.
    computed: bool,
    /// Part of it is quoted.
    quoted: bool,
    /// It stands where a command does.
    at_start: bool,
    /// It is the target of a redirection.
    redirects: bool,
    /// The word before it.
    before: String,
    /// How many `case` are open.
    cases: u8,
}

impl Scan {
    /// Reads commands up to `end`, or all.
    fn read(&mut self, chars: &mut Chars<'_>, end: Option<char>) {
        let Some(depth) = self.depth.checked_add(1).filter(|depth| *depth < DEPTH_MAX) else { return };
        self.depth = depth;
        let mut word = Word { at_start: true, ..Word::default() };
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('\n') | None => {}
                    Some(c) => word.text.push(c),
                },
                '\'' => {
                    word.quoted = true;
                    word.text.extend(chars.by_ref().take_while(|c| *c != '\''));
                }
                '"' => {
                    word.quoted = true;
                    self.quoted(chars, &mut word);
                }
                '$' => self.expansion(chars, &mut word),
                '`' => {
                    word.computed = true;
                    chars.by_ref().take_while(|c| *c != '`').for_each(drop);
                }
                '#' if word.text.is_empty() && !word.quoted && !word.computed => {
                    while chars.next_if(|c| *c != '\n').is_some() {}
                }
                '<' if chars.next_if_eq(&'<').is_some() => {
                    self.word(&mut word, chars);
                    if chars.next_if_eq(&'<').is_none() {
                        chars.next_if_eq(&'-');
                        "<<".clone_into(&mut word.before);
                    }
                }
                '<' | '>' => {
                    // The number of a descriptor is no word.
                    if word.text.chars().all(|c| c.is_ascii_digit()) {
                        word.text.clear();
                    }
                    self.word(&mut word, chars);
                    word.redirects = true;
                    while chars.next_if(|c| matches!(c, '>' | '&' | '|')).is_some() {}
                }
                ' ' | '\t' | '\r' => self.word(&mut word, chars),
                '(' if word.at_start && !word.text.is_empty() => {
                    // A function.
                    self.known.push(std::mem::take(&mut word.text));
                    chars.by_ref().take_while(|c| *c != ')').for_each(drop);
                }
                '(' => {
                    self.word(&mut word, chars);
                    self.read(chars, Some(')'));
                    word.at_start = false;
                }
                ')' => {
                    self.word(&mut word, chars);
                    if end == Some(')') {
                        break;
                    }
                }
                '\n' | ';' | '&' | '|' => {
                    self.word(&mut word, chars);
                    (word.at_start, word.redirects) = (true, false);
                    word.before.clear();
                    if c == '\n' {
                        self.here_documents(chars);
                    } else if c == ';' && chars.next_if_eq(&';').is_some() && word.cases > 0 {
                        pattern(chars, &mut word);
                    }
                }
                c => word.text.push(c),
            }
        }
        self.word(&mut word, chars);
        self.depth -= 1;
    }

    /// What stands between double quotes.
    fn quoted(&mut self, chars: &mut Chars<'_>, word: &mut Word) {
        while let Some(c) = chars.next() {
            match c {
                '"' => return,
                '\\' => word.text.extend(chars.next()),
                '`' => word.computed = true,
                '$' => self.expansion(chars, word),
                c => word.text.push(c),
            }
        }
    }

    /// What follows a dollar.
    fn expansion(&mut self, chars: &mut Chars<'_>, word: &mut Word) {
        word.computed = true;
        if chars.next_if_eq(&'(').is_some() {
            if chars.peek() != Some(&'(') {
                return self.read(chars, Some(')'));
            }
            skip(chars, '(', ')', 1);
        } else if chars.next_if_eq(&'{').is_some() {
            skip(chars, '{', '}', 1);
        }
    }

    /// A word has ended.
    fn word(&mut self, word: &mut Word, chars: &mut Chars<'_>) {
        let text = std::mem::take(&mut word.text);
        let (computed, quoted) = (std::mem::take(&mut word.computed), std::mem::take(&mut word.quoted));
        if text.is_empty() && !computed && !quoted {
            return;
        }
        let before = std::mem::replace(&mut word.before, text.clone());
        if before == "<<" {
            self.here.push(text);
        } else if std::mem::take(&mut word.redirects) {
            word.before = before;
        } else if LOOKS.contains(&before.as_str()) {
            word.at_start = false;
            self.known.push(text);
        } else if before == "function" {
            self.known.push(text);
            word.at_start = true;
        } else if text == "in" && word.cases > 0 && !word.at_start {
            pattern(chars, word);
        } else if word.at_start {
            let assigned = text.split_once('=').filter(|(name, _)| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            if let Some((name, value)) = assigned {
                if name == "PATH" {
                    self.folders.extend(value.split(':').map(str::to_owned));
                }
                return;
            }
            if BEFORE.contains(&text.as_str()) && !quoted {
                return;
            }
            word.at_start = false;
            match text.as_str() {
                "case" => word.cases = word.cases.saturating_add(1),
                "esac" => word.cases = word.cases.saturating_sub(1),
                "." | "source" => self.reads_another = true,
                _ if computed => {}
                _ if self.called.contains(&text) => {}
                _ => self.called.push(text),
            }
        }
    }

    fn here_documents(&mut self, chars: &mut Chars<'_>) {
        for delimiter in std::mem::take(&mut self.here) {
            while chars.peek().is_some() {
                let line: String = chars.by_ref().take_while(|c| *c != '\n').collect();
                if line.trim_start_matches('\t') == delimiter {
                    break;
                }
            }
        }
    }
}

/// The pattern of a `case`, up to its bracket; or `esac`, which is left.
fn pattern(chars: &mut Chars<'_>, word: &mut Word) {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            ')' => break,
            '#' if text.ends_with(['\n', ' ', '\t']) => while chars.next_if(|c| *c != '\n').is_some() {},
            c => text.push(c),
        }
        if text.trim_start() == "esac" && !chars.peek().is_some_and(|c| c.is_alphanumeric() || *c == ')') {
            word.cases = word.cases.saturating_sub(1);
            word.at_start = false;
            return;
        }
    }
    word.at_start = true;
}

/// Goes on behind the bracket that closes `depth` open ones.
fn skip(chars: &mut Chars<'_>, open: char, close: char, mut depth: usize) {
    for c in chars.by_ref() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
        }
        if depth == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mainsd-calls-{number}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let found = missing(&path);
        std::fs::remove_file(&path).unwrap();
        found
    }

    fn of_sh(text: &str) -> Vec<String> {
        of(&format!("#!/bin/sh\n{text}\n"))
    }

    #[test]
    fn a_command_that_does_not_exist_is_found_wherever_one_can_stand() {
        for text in [
            "no-such-mail",
            "/no-such-mail -s x root",
            "echo x | no-such-mail root",
            "A=1 no-such-mail",
            "if no-such-mail; then echo; fi",
            "while read x; do no-such-mail \"$x\"; done",
            "(cd /; no-such-mail)",
            "x=$(no-such-mail)",
            "echo \"it is $(no-such-mail a \"b; c\")\"",
            "case $1 in\n  powerout|x)\n no-such-mail;;\nesac",
            "case $1 in a) true;; esac\nno-such-mail",
            "f() { no-such-mail; }\nf",
            "cat <<END\nother-text here\nEND\nno-such-mail",
            "true && no-such-mail 2>/dev/null",
            "exec no-such-mail >/log 2>&1",
            "'no-such-mail' x",
            "# a comment\n! no-such-mail # no-comment",
        ] {
            let expected = if text.starts_with('/') { "/no-such-mail" } else { "no-such-mail" };
            assert_eq!(of_sh(text), [expected], "{text}");
        }
    }

    #[test]
    fn what_is_there_or_cannot_be_known_is_no_finding() {
        for text in [
            "cat /etc/passwd; [ -x / ] && sh -c true",
            "$MAIL root; ${MAIL:-no-such} x; `no-such`; \"$(cat x)\"",
            "if command -v no-such >/dev/null; then no-such; fi",
            "[ -x /no/such ] && /no/such",
            "no_such() {\n echo\n}\nno_such",
            ". /lib/functions\nno-such",
            "PATH=$PATH:/sbin\nmainsd --killpower",
            "cat <<'END'\nno-such one\nno-such two\nEND",
            "echo 'no-such\nno-such two'\necho \"x\nno-such\"",
            "case $1 in\n  no-such) echo;;\n  no-such2|no-such3)\n  echo ;;\nesac",
            "for x in no-such no-such2; do echo $x; done",
            "echo $((1 + 2)); echo >no-such; echo ${x%no-such}",
            "echo \\\n  no-such",
            "x=no-such\nreadonly y",
            "./no-such; a/b",
            "[ \"$1\" = no-such ] || [[ a == no-such ]]",
        ] {
            assert_eq!(of_sh(text), [""; 0], "{text}");
        }
        assert_eq!(of("#!/usr/bin/perl\nno-such();\n"), [""; 0]);
        assert_eq!(of("#!/usr/bin/env bash\nno-such\n"), ["no-such"]);
    }

    #[test]
    fn the_shipped_hooks_call_what_every_machine_has() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/hooks");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let found: Vec<String> = missing(&path)
                .into_iter()
                .filter(|name| !matches!(name.as_str(), "wall" | "logger"))
                .collect();
            assert_eq!(found, [""; 0], "{}", path.display());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_script_is_read_to_its_end(text in "(case|esac|in|[a\"'`$(){}<>;&|#=\\\\ \n]|<<|;;){0,60}") {
            let _ = of(&format!("#!/bin/sh\n{text}"));
        }
    }
}
