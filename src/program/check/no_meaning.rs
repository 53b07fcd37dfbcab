//! `mainsd check` in a build that tells mistakes only.

use crate::config::Parsed;

/// Nothing but which file it is.
pub(super) fn meaning(parsed: &Parsed, why_it_is_read: Option<&str>, _: &[String]) -> String {
    let why = why_it_is_read.map(|why| format!("{why}\n")).unwrap_or_default();
    format!("Mistakes of {} (this build of mainsd tells no more: feature 'check')\n{why}\n", parsed.name)
}
