//! The orders of the control socket stand in its manual page, in the completions and in the help, as the table has them.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::support::control_session;
use mainsd::wire::control::{Argument, ORDERS, Right, Row, When};

const PAGE: &str = "man/mainsd-control.7";
const BEGIN: &str = ".\\\" orders begin\n";
const END: &str = ".\\\" orders end\n";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn item(row: &Row) -> String {
    let argument = match row.argument {
        Argument::None => "",
        Argument::Wait => " Op Fl -wait",
        Argument::Yes => " Fl -yes",
        Argument::Value => " Op Ar value",
        Argument::Group => " Ar number Fl -yes",
    };
    let who = match row.right {
        Right::Read => "read",
        Right::Group => "group",
        Right::Root => "root",
    };
    let when = match row.when {
        When::Always => "always",
        When::Calm => "calm",
        When::NoDaemon => "without a daemon",
    };
    let help = row.help[..1].to_uppercase() + &row.help[1..];
    format!(".It Cm {}{argument}\n{help}.\n.Pq Sy {who} ; No {when}\n", row.words)
}

#[test]
fn the_manual_has_each_order_with_who_may_give_it_and_when() {
    let items: String = ORDERS.iter().map(item).collect();
    let list = format!(".Bl -tag -width Ds\n{items}.El\n");
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("MAINSD_REGENERATE").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        return fs::write(path, format!("{before}{BEGIN}{list}{END}{after}")).unwrap();
    }
    assert_eq!(found, list, "MAINSD_REGENERATE=1 writes it");
}

/// Whether a file of completions offers `word` after these words: by a line `PATTERN | PATTERN) … WORD … ;;`.
fn offers(text: &str, before: &str, word: &str) -> bool {
    let last = before.rsplit(' ').next();
    text.lines().filter_map(|line| line.split_once(')')).any(|(patterns, words)| {
        let mut patterns = patterns.split('|').map(|pattern| pattern.trim().trim_matches(['*', '"']));
        patterns.any(|pattern| pattern == before || Some(pattern) == last)
            && words.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|it| it == word)
    })
}

#[test]
fn completions_and_help_have_each_word_of_each_order_where_it_may_stand() {
    let help = mainsd::program::tools::ctl::usage();
    for file in ["packaging/completion/mainsd.bash", "packaging/completion/mainsd.zsh"] {
        let text = read(file);
        for row in ORDERS {
            let first = row.words.split(' ').next().unwrap();
            assert!(
                text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|it| it == first),
                "{file}: {first}"
            );
            if let Some((before, word)) = row.words.rsplit_once(' ') {
                assert!(offers(&text, before, word), "{file}: {word} after {before}");
            }
        }
    }
    for row in ORDERS {
        assert!(help.contains(&format!("  {}", row.words)) && help.contains(row.help), "{}", row.words);
    }
}

proptest! {
    /// The short run of `fuzz/fuzz_targets/control_session.rs`.
    #[test]
    fn any_bytes_are_a_session(
        how: u8,
        parts in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(ORDERS).prop_map(|row| row.words.as_bytes().to_vec()),
                proptest::sample::select(&[" ", "\n", " --yes\n", " --wait\n", "\r\n", " 196\n"][..]).prop_map(|it| it.as_bytes().to_vec()),
                proptest::collection::vec(any::<u8>(), 0..200),
            ],
            0..30,
        ),
    ) {
        let mut bytes = vec![how];
        bytes.extend(parts.concat());
        control_session::run(&bytes);
    }
}
