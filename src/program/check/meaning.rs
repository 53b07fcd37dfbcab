//! What `mainsd check` says of a file without mistakes: the values in effect, and what will happen.

use std::fmt::Write as _;
use std::path::Path;

use super::story::story;
use crate::config::directives::{Directive, Reload, SECTIONS};
use crate::config::{Origin, Parsed};

/// The first part of the report; `why_it_is_read` is said of the file.
pub(super) fn meaning(parsed: &Parsed, why_it_is_read: Option<&str>, shutdown_commands: &[String]) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Effective values of {}", parsed.name);
    if let Some(why) = why_it_is_read {
        let _ = writeln!(out, "{why}");
    }
    out.push('\n');
    values(&mut out, parsed);
    if parsed.config.ups_type.is_some() {
        let _ = writeln!(out, "What will happen\n");
        story(&mut out, parsed, shutdown_commands);
    }
    out
}

fn values(out: &mut String, parsed: &Parsed) {
    let file = Path::new(&*parsed.name)
        .file_name()
        .map_or_else(|| parsed.name.as_ref().into(), |n| n.to_string_lossy());
    for section in SECTIONS {
        let shown: Vec<&Directive> = section
            .directives
            .iter()
            .filter(|d| d.reload != Reload::Unused || parsed.origin(d.name) != Origin::Default)
            .collect();
        if shown.is_empty() {
            continue;
        }
        let _ = writeln!(out, "  {}", section.title);
        for directive in shown {
            let value = directive.present(&parsed.config);
            let origin = match parsed.origin(directive.name) {
                Origin::Default => "default".to_owned(),
                Origin::Line(line) => format!("{file}:{line}"),
                Origin::Because(other) => format!("because of {other}"),
            };
            let _ = writeln!(out, "    {:<14}  {:<22}  {value}", directive.name, origin);
        }
        out.push('\n');
    }
}
