//! What is wrong in a file, and where.

use std::fmt;
use std::sync::Arc;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For those who look closely.
    Debug,
    /// Nothing is wrong, but perhaps something else was meant: said by `mainsd check`, not at each start.
    Advice,
    /// Guarding goes on.
    Warning,
    /// The daemon does not start, or keeps its old configuration.
    Error,
}

/// One thing to say about one line, shown as `file:line: KEYWORD: what is wrong; what is accepted`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as its reader named it.
    pub file: Arc<str>,
    /// Counted from 1; `None`: about the whole file.
    pub line: Option<u32>,
    /// The directive, in upper case; empty: about the whole line or file.
    pub keyword: String,
    /// What is wrong; what is accepted.
    pub text: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.keyword.is_empty() {
            write!(f, " {}:", self.keyword)?;
        }
        write!(f, " {}", self.text)
    }
}
