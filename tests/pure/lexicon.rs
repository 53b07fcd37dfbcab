//! Words that readers stumbled over do not come back. What stands for each is in `docs/lexicon.md`.

use std::fs;
use std::path::{Path, PathBuf};

/// Names that the code had, and what they are called.
const NAMES: [(&str, &str); 39] = [
    ("House", "Supervisor"),
    ("Journalist", "Recorder"),
    ("keep_lines", "subscribe_log"),
    ("hasten", "run_pending_now"),
    ("Lane", "HookQueue"),
    ("ways_down", "shutdown_commands"),
    ("PATIENCE", "TIMEOUT"),
    ("Latch", "ShutdownState"),
    ("FOR_GOOD", "MAINS_STABLE"),
    ("Streak", "Debounce"),
    ("Hearsay", "UnconfirmedOutage"),
    ("Grounds", "Basis"),
    ("keep_out", "reject"),
    ("HELD_UP", "STALL_THRESHOLD"),
    ("MAINS_DOUBT", "AMBIGUITY_GRACE"),
    ("not_in_doubt", "defer_while_ambiguous"),
    ("line_says", "note_line"),
    ("in_state", "apply_reading"),
    ("take_over", "resume_saved_outage"),
    ("tidy_up", "remove_stale_flags"),
    ("Pace", "PollRate"),
    ("set_pace", "set_poll_rate"),
    ("Knocking", "Probing"),
    ("KNOCKS", "PROBE_ATTEMPTS"),
    ("Talk", "Session"),
    ("Harmless", "FlushRead"),
    ("UNTOLD", "MAX_INTERVAL_WITHOUT_ALERTS"),
    ("Belief", "Measurements"),
    ("weigh_inputs", "update_input_preference"),
    ("Wish", "StringRequest"),
    ("Census", "PollerTable"),
    ("DAWDLING", "SLOW_REQUEST"),
    ("DriverKind", "UpsType"),
    ("become_program", "exec_child"),
    ("forget_startup_pages", "drop_clean_pages"),
    ("siege", "attack"),
    ("SAY_AT_MOST_EVERY", "LOG_INTERVAL"),
    ("Mood", "Behaviour"),
    ("World", "Simulation"),
];

/// What texts for users, comments and names of tests said, and what they say.
const PHRASES: [(&str, &str); 7] = [
    ("told off", "ordered to switch off"),
    ("did not heed", "ignored SIGTERM"),
    ("bears a master", "tolerates the loss of a master"),
    ("signals deadly", "default actions of signals"),
    ("a good one was", "stable"),
    ("let go of", "drop"),
    ("for good and all", "for ever"),
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_text = ["rs", "md", "1", "5", "7", "8", "py", "conf", "txt"]
            .iter()
            .any(|ending| path.extension().is_some_and(|extension| extension == *ending));
        if path.is_dir() {
            files(&path, found);
        } else if is_text && !path.ends_with("tests/pure/lexicon.rs") {
            found.push(path);
        }
    }
}

#[test]
fn old_words_do_not_come_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = vec![root.join("README.md"), root.join("CONTRIBUTING.md"), root.join("CHANGELOG.md")];
    for folder in ["src", "tests", "man", "docs", "benches", "fuzz/fuzz_targets", "packaging"] {
        files(&root.join(folder), &mut texts);
    }
    assert!(texts.len() > 300, "only {} files", texts.len());
    let mut wrong = Vec::new();
    for path in texts {
        // A recording may hold anything.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        // Most have none, which is soon seen.
        let has_any = NAMES.iter().chain(&PHRASES).any(|(old, _)| text.contains(old));
        for (number, line) in text.lines().enumerate().filter(|_| has_any) {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name = NAMES.iter().find(|(old, _)| line.split(|c| !is_word(c)).any(|word| word == *old));
            let phrase = PHRASES.iter().find(|(old, _)| line.contains(old));
            if let Some((old, new)) = name.or(phrase) {
                wrong.push(format!("{}:{}: {old}: say {new}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "old words:\n{}", wrong.join("\n"));
}
