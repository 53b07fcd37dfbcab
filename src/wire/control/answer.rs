//! Answers of the control socket.

use crate::ups::one_line;

/// Longest line of an answer that a client takes, in bytes.
const MAX_LINE: usize = 4096;
/// Most lines of an answer that a client takes.
const MAX_LINES: usize = 1024;

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The UPS, the daemon or the rights of the client are against it.
    Refused,
    /// It is no order.
    Usage,
    /// The UPS does not answer.
    Lost,
}

impl Outcome {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Done, "done"), (Self::Refused, "refused"), (Self::Usage, "usage"), (Self::Lost, "lost")];

    /// Its word in an answer.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(of, _)| *of == self).map_or("", |(_, word)| word)
    }

    /// The exit status of `mainsd ctl`.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Lost => 3,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Names and texts.
    pub values: Vec<(String, String)>,
    /// Names of settings and what they may be.
    pub permitted: Vec<(String, String)>,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done, or why it was not.
    pub text: String,
}

impl Answer {
    /// An answer without values.
    #[must_use]
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { values: Vec::new(), permitted: Vec::new(), outcome, text: text.into() }
    }

    /// What has come of a command of the UPS.
    #[must_use]
    pub fn of(result: Result<String, String>) -> Self {
        match result {
            Ok(words) => Self::new(Outcome::Done, words),
            Err(words) => Self::new(Outcome::Refused, words),
        }
    }

    /// The same with a value before it.
    #[must_use]
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.values.push((name.to_owned(), text.into()));
        self
    }

    /// The lines.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for (kind, pairs) in [("value", &self.values), ("permitted", &self.permitted)] {
            for (name, text) in pairs {
                out.push_str(&format!("{kind} {}: {}\n", one_line(name), one_line(text)));
            }
        }
        out.push_str(&format!("{} {}\n", self.outcome.word(), one_line(&self.text)));
        out
    }
}

/// A line that no daemon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

/// Reads an answer line by line.
#[derive(Clone, Debug)]
pub struct AnswerReader {
    answer: Answer,
    lines: usize,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self { answer: Answer::new(Outcome::Done, ""), lines: 0 }
    }
}

impl AnswerReader {
    /// Takes a line without its newline; the answer when it is complete.
    ///
    /// # Errors
    /// [`Foreign`]: the reader is of no further use.
    pub fn take(&mut self, line: &str) -> Result<Option<Answer>, Foreign> {
        self.lines += 1;
        if line.len() > MAX_LINE || self.lines > MAX_LINES {
            return Err(Foreign);
        }
        let (word, text) = line.split_once(' ').unwrap_or((line, ""));
        let pairs = match word {
            "value" => &mut self.answer.values,
            "permitted" => &mut self.answer.permitted,
            _ => {
                let outcome = Outcome::ALL.iter().find(|(_, of)| *of == word).ok_or(Foreign)?.0;
                let mut answer = std::mem::take(self).answer;
                (answer.outcome, answer.text) = (outcome, one_line(text).into_owned());
                return Ok(Some(answer));
            }
        };
        let (name, text) =
            text.split_once(": ").or_else(|| Some((text.strip_suffix(':')?, ""))).ok_or(Foreign)?;
        pairs.push((one_line(name).into_owned(), one_line(text).into_owned()));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was_sent() {
        let mut sent =
            Answer::new(Outcome::Refused, "on battery").with("transfer low", "196").with("name", "");
        sent.permitted.push(("transfer low".to_owned(), "196 188".to_owned()));
        let text = sent.encode();
        assert_eq!(
            text,
            "value transfer low: 196\nvalue name: \npermitted transfer low: 196 188\nrefused on battery\n"
        );
        let mut reader = AnswerReader::default();
        let answers: Vec<Answer> = text.lines().filter_map(|line| reader.take(line).unwrap()).collect();
        assert_eq!(answers, [sent]);
    }

    #[test]
    fn what_a_ups_says_cannot_add_lines() {
        let text = Answer::new(Outcome::Done, "a\ndone b").with("x\ny", "1\n2").encode();
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for line in ["", "value", "value x", "ok", "donee x", "value a:b"] {
            assert!(AnswerReader::default().take(line).is_err(), "{line}");
        }
        let mut reader = AnswerReader::default();
        assert!((0..=MAX_LINES).map(|_| reader.take("value a: b")).any(|taken| taken.is_err()));
    }
}
