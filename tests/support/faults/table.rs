//! The summary, as a table for docs/measurements.md.

use std::fmt::Write as _;

use super::fault::FAULTS;
use super::run::Outcome;
use super::story::KINDS;

/// Markdown: a line a story, then a line a fault.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    section(&mut text, "story", &KINDS.map(|kind| kind.name()), outcomes, |outcome| {
        outcome.plan.story.kind.name()
    });
    text.push('\n');
    section(&mut text, "fault", &FAULTS.map(|fault| fault.name()), outcomes, |outcome| {
        outcome.plan.fault.name()
    });
    text
}

fn section(
    text: &mut String,
    title: &str,
    names: &[&'static str],
    outcomes: &[Outcome],
    name_of: impl Fn(&Outcome) -> &'static str,
) {
    let _ = writeln!(
        text,
        "| {title} | runs | shutdown due | carried out | missed | none due | false | limit to shutdown, median and most |"
    );
    let _ = writeln!(text, "| --- | --: | --: | --: | --: | --: | --: | --: |");
    let rows =
        names.iter().map(|name| (*name, outcomes.iter().filter(|o| name_of(o) == *name).collect::<Vec<_>>()));
    let total = std::iter::once(("all", outcomes.iter().collect::<Vec<_>>()));
    for (name, runs) in rows.chain(total) {
        let count = |wanted: &dyn Fn(&Outcome) -> bool| runs.iter().filter(|outcome| wanted(outcome)).count();
        let due = count(&|outcome| outcome.plan.story.limit.is_some());
        let missed = count(&|outcome| outcome.verdict.missed);
        let mut took: Vec<f64> = runs.iter().filter_map(|outcome| outcome.verdict.took).collect();
        took.sort_by(f64::total_cmp);
        let times = match (took.get(took.len() / 2), took.last()) {
            (Some(median), Some(most)) => format!("{median:.1} s, {most:.1} s"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "| {name} | {all} | {due} | {done} | {missed} | {none} | {wrong} | {times} |",
            all = runs.len(),
            done = due - missed,
            none = runs.len() - due,
            wrong = count(&|outcome| outcome.verdict.false_one),
        );
    }
}
