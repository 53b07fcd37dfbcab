//! `--explain`: a directive as the manual has it.

use std::fmt::Write as _;

use crate::config::directives::{self, Directive, RETIRED, Reload};

/// What the manual says about the directive of this name, in any case; `None`: there is none.
#[must_use]
pub fn explained(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    if let Some(directive) = directives::find(&name) {
        return Some(explanation(directive));
    }
    let retired = RETIRED.iter().find(|retired| retired.name == name)?;
    let mut out = String::new();
    wrap(
        &mut out,
        &format!("{name} is a directive of {}. It is ignored: {}.", retired.of, retired.advice),
        0,
    );
    Some(out)
}

/// The whole entry of `mainsd.conf(5)`, in its order but for the first lines, which are what is looked for most.
pub(super) fn explanation(directive: &Directive) -> String {
    let mut out = format!("{}\n", directive.name);
    out.push_str("  accepted  ");
    wrap(&mut out, &directive.accepted(), 12);
    let default = if directive.default.is_empty() { directive.blank } else { directive.default };
    out.push_str("  default   ");
    wrap(&mut out, default, 12);
    let _ = writeln!(out, "  example   {} {}", directive.name, directive.example);
    let mut paragraph = |text: &str| {
        out.push('\n');
        wrap(&mut out, &text.replace('`', ""), 0);
    };
    directive.doc.split("\n\n").for_each(&mut paragraph);
    paragraph(&format!("Why this default: {}", directive.reason()));
    if !directive.compat.is_empty() {
        paragraph(&format!("Compared with apcupsd: {}", directive.compat));
    }
    if directive.reload == Reload::Restart {
        paragraph("A change waits for the next start of the daemon.");
    }
    out
}

/// Breaks a paragraph at blanks, for a terminal of 80 columns; all lines but the first, which has begun, are indented.
fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut column = indent;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > indent {
            if column + 1 + length > 79 {
                let _ = write!(out, "\n{:indent$}", "");
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}
