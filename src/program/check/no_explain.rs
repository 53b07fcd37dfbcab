//! `--explain` in a build without the texts.

use crate::config::directives::find;

/// Where the text is, for a directive that there is.
#[must_use]
pub fn explained(name: &str) -> Option<String> {
    let directive = find(&name.to_ascii_uppercase())?;
    let name = directive.name;
    Some(format!(
        "{name}: this build of mainsd has no explanations (feature 'check'); mainsd.conf(5) has them\n"
    ))
}
