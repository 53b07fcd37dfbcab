//! A build that does not look at the machine.

use crate::config::{Diagnostic, Parsed};

/// Nothing: nobody looks at them.
#[must_use]
pub fn shutdown_commands(_: &Parsed) -> Vec<String> {
    Vec::new()
}

/// Nothing.
#[must_use]
pub fn examine(_: &Parsed, _: &[String]) -> Vec<Diagnostic> {
    Vec::new()
}

/// Nothing.
#[must_use]
pub fn remarks(_: &Parsed) -> Vec<Diagnostic> {
    Vec::new()
}

/// Nothing.
#[must_use]
pub fn warnings(_: &Parsed) -> Vec<String> {
    Vec::new()
}
