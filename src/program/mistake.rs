//! What is said about a mistake on a command line: one line, with the nearest word there is.

use crate::config::nearest_of;

/// The words for `error`. `options` are the long options of the program, without dashes.
#[must_use]
pub fn words(error: &lexopt::Error, options: &[&str]) -> String {
    match error {
        lexopt::Error::UnexpectedOption(option) => {
            let near = option.strip_prefix("--").and_then(|name| nearest_of(name, options.iter().copied()));
            let near = near.map(|near| format!("; the nearest is '--{near}'")).unwrap_or_default();
            format!("no such option '{option}'{near}")
        }
        lexopt::Error::UnexpectedArgument(word) => format!("one word too many: '{}'", word.to_string_lossy()),
        lexopt::Error::MissingValue { option: Some(option) } => format!("{option} needs a value"),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        other => other.to_string(),
    }
}

/// The words for a word that is none of `known`: `what` it should have been.
#[must_use]
pub fn no_such<'a>(what: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Whoever types STATUS or Status means it.
    let near = nearest_of(&word.to_ascii_lowercase(), known);
    match near {
        Some(near) => format!("no such {what} '{word}'; the nearest is '{near}'"),
        None => format!("no such {what} '{word}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &[&str]) -> String {
        let mut parser = lexopt::Parser::from_args(args);
        let error = match parser.next() {
            Ok(Some(lexopt::Arg::Long("value"))) => parser.value().unwrap_err(),
            Ok(Some(lexopt::Arg::Long("flag"))) => parser.next().unwrap_err(),
            Ok(Some(arg)) => arg.unexpected(),
            other => panic!("{other:?}"),
        };
        words(&error, &["explain", "config-file"])
    }

    #[test]
    fn each_mistake_has_its_words() {
        let table: [(&[&str], &str); 7] = [
            (&["--explian"], "no such option '--explian'; the nearest is '--explain'"),
            (&["--nonsense"], "no such option '--nonsense'"),
            (&["-x"], "no such option '-x'"),
            (&["word"], "one word too many: 'word'"),
            (&["--value"], "--value needs a value"),
            (&["--flag=1"], "--flag takes no value"),
            (&["--config-flie=1"], "no such option '--config-flie'; the nearest is '--config-file'"),
        ];
        for (args, expected) in table {
            assert_eq!(of(args), expected, "{args:?}");
        }
        assert_eq!(
            no_such("story", "OUTTAGE", ["outage"]),
            "no such story 'OUTTAGE'; the nearest is 'outage'"
        );
    }
}
