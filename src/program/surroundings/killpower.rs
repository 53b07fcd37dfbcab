//! What the `killpower` of an `apccontrol` runs: one kept from apcupsd goes on calling apcupsd's own program, which left with
//! its package.

use std::path::Path;

use super::hooks::{is_there, start_of};

/// The options that order the UPS to cut its power.
const ORDERS: [&str; 3] = ["--killpower", "--hibernate", "-k"];
/// Commands that only speak of it.
const SPEAKING: [&str; 6] = ["echo", "printf", "logger", "wall", "tell", "test"];
/// How deep a variable may stand in the value of another.
const CALL_DEPTH_MAX: u8 = 4;
/// Most values of a variable, and most meanings of a word, that are followed.
const PROGRAMS_MAX: usize = 16;

/// The program that the script calls to cut the power, if it does not exist. `None` also where that cannot be said: the
/// script is no shell's, or computes the name.
pub(super) fn missing_program(apccontrol: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&start_of(apccontrol)?).into_owned();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let commands = lines.flat_map(|line| line.split([';', '|', '&']));
    for command in commands {
        let mut words = command.split_whitespace();
        let Some(program) = words.next() else { continue };
        let orders = words.any(|word| ORDERS.contains(&word.trim_matches(['"', '\''])));
        if !orders || SPEAKING.contains(&program) {
            continue;
        }
        let candidates = meanings(program, &text, CALL_DEPTH_MAX)?;
        if candidates.iter().any(|candidate| is_there(Path::new(candidate))) {
            continue;
        }
        return candidates.into_iter().next();
    }
    None
}

/// What a word of the script may stand for; `None`: that is not known.
fn meanings(word: &str, script: &str, depth: u8) -> Option<Vec<String>> {
    let word = word.trim_matches(['"', '\'']);
    let Some((before, rest)) = word.split_once('$') else {
        return Some(vec![word.to_owned()]).filter(|_| !word.is_empty() && !word.contains('`'));
    };
    let depth = depth.checked_sub(1)?;
    let (name, default, after) = match rest.strip_prefix('{') {
        Some(rest) => {
            let (inside, after) = rest.split_once('}')?;
            let end = inside.find(|c: char| !is_of_name(c)).unwrap_or(inside.len());
            let (name, default) = inside.split_at(end);
            (name, default.strip_prefix(":-").or_else(|| default.strip_prefix('-')), after)
        }
        None => {
            let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            (name, None, after)
        }
    };
    let values = assigned(name, script).chain(default).filter(|value| !value.is_empty());
    let mut found = Vec::new();
    for value in values.take(PROGRAMS_MAX) {
        for value in meanings(value, script, depth)? {
            found.extend(meanings(&format!("{before}{value}{after}"), script, depth)?);
        }
        if found.len() > PROGRAMS_MAX {
            return None;
        }
    }
    (!found.is_empty()).then_some(found)
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Every value that the script gives to a variable.
fn assigned<'a>(name: &'a str, script: &'a str) -> impl Iterator<Item = &'a str> {
    script
        .match_indices(name)
        .filter(move |(at, _)| {
            let before = script.get(..*at).and_then(|text| text.chars().next_back());
            !name.is_empty() && before.is_none_or(|c| c.is_whitespace() || matches!(c, ';' | '&' | '|'))
        })
        .filter_map(move |(at, _)| script.get(at + name.len()..)?.strip_prefix('='))
        .map(|value| value.split([' ', '\t', '\n', ';']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mainsd-killpower-{number}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let missing = missing_program(&path);
        std::fs::remove_file(&path).unwrap();
        missing
    }

    #[test]
    fn a_program_that_is_not_there_is_found_through_variables() {
        let table = [
            // As apcupsd's has it.
            (
                "prefix=/nonexistent\nAPCUPSD=${prefix}/apcupsd\ncase $1 in\n killpower)\n  echo \"doing: ${APCUPSD} --killpower\"\n  \
                 sleep 10\n  ${APCUPSD} --killpower\n;;\nesac\n",
                Some("/nonexistent/apcupsd"),
            ),
            ("/nonexistent/apcupsd --killpower\n", Some("/nonexistent/apcupsd")),
            ("sleep 10; /nonexistent/apcupsd -k\n", Some("/nonexistent/apcupsd")),
            ("A=nonexistent-program\n  \"$A\" --killpower\n", Some("nonexistent-program")),
            ("A=${B:-nonexistent-program}\n$A --killpower\n", Some("nonexistent-program")),
            // There.
            ("A=/bin/sh\n$A --killpower\n", None),
            ("A=/nonexistent\n[ -x $A ] || A=sh\n$A --killpower\n", None),
            // Not known.
            ("$A --killpower\n", None),
            ("A=`which apcupsd`\n$A --killpower\n", None),
            ("A=$(command -v apcupsd)\n$A --killpower\n", None),
            ("A=$A\n$A --killpower\n", None),
            // Not a call.
            ("# /nonexistent --killpower\necho /nonexistent --killpower\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_shipped_apccontrol_calls_a_program_by_its_name() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/hooks/apccontrol");
        let text = std::fs::read_to_string(shipped).unwrap();
        let installed = ["mainsd", "apcupsd"].iter().any(|name| is_there(Path::new(name)));
        assert_eq!(of(&text).as_deref(), (!installed).then_some("mainsd"));
    }

    proptest::proptest! {
        #[test]
        fn any_script_is_understood_or_not(text in "([A$={}:\"'-]|--killpower| |\n|A=){0,60}") {
            let _ = of(&text);
        }
    }
}
