//! The judge: knows the story, looks at what a run left behind, and says what is wrong with it.

use super::super::MAIN;
use super::fault::Fault;
use super::record::Record;
use super::story::{Kind, Story};

/// How long a shutdown may take from its limit on, in seconds, whatever is broken: many times what it takes on an idle
/// machine (hooks before it 10 s, two that hang 2 s each and 5 s to kill, forks that fail 10 s), for this one may be loaded.
pub const TIMEOUT: f64 = 90.0;

/// So soon after something is told, in seconds, a main process may end before its helper knows that it was.
pub const UNCERTAIN: f64 = 0.3;

/// What a judge says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// A shutdown was called for and was not carried out.
    pub missed: bool,
    /// One was begun that was not called for, or too early.
    pub false_one: bool,
    /// Everything that is wrong, in words.
    pub wrong: Vec<String>,
    /// From the earliest moment at which the limit could have passed to a shutdown that was carried out, in seconds.
    pub took: Option<f64>,
}

/// Judges a run.
pub fn judge(story: &Story, fault: Fault, record: &Record) -> Verdict {
    let mut verdict = Verdict { wrong: record.trouble.clone(), ..Verdict::default() };
    let carried_out = record.carried_out(fault.hook_works());
    match (story.limit, record.first_sign()) {
        (None, Some(at)) => {
            verdict.false_one = true;
            verdict.wrong.push(format!("FALSE: shutdown at {at:.3} s, and none was called for"));
        }
        // The script begins after the moment from which this test counts.
        (Some(limit), Some(at)) if at < limit => {
            verdict.false_one = true;
            verdict.wrong.push(format!("FALSE: shutdown at {at:.3} s, before the limit at {limit:.3} s"));
        }
        _ => {}
    }
    if let Some(limit) = story.limit {
        verdict.took = carried_out.map(|at| (at - record.started - limit).max(0.0));
        if verdict.took.is_none_or(|took| took > TIMEOUT) {
            verdict.missed = true;
            verdict
                .wrong
                .push(format!("MISSED: no shutdown within {TIMEOUT} s of the limit at {limit:.3} s"));
        }
        once(record, &mut verdict.wrong);
        if let Some(took) = verdict.took.filter(|took| *took > longest(story, record)) {
            verdict.wrong.push(format!("the limit was not counted on: shutdown {took:.1} s after it"));
        }
        if let Some(at) = record.first_sign() {
            explained(story, fault, record, at, &mut verdict.wrong);
        }
    }
    paired(story, fault, record, &mut verdict.wrong);
    guarded(record, &mut verdict.wrong);
    replaced(record, &mut verdict.wrong);
    if fault.is_death() {
        hooks_run(record, &mut verdict.wrong);
    }
    verdict
}

/// How long after its limit a shutdown may come, in seconds, where only main processes were ended: each is missed until the next is there.
fn longest(story: &Story, record: &Record) -> f64 {
    let ended = record.deaths.len();
    // What is known only by an earlier process of a UPS that is silent is believed after a minute.
    if ended == 0 || !record.ended.is_empty() || story.kind == Kind::SilentOnBattery {
        return f64::INFINITY;
    }
    let missed: f64 = record.returns.iter().filter(|back| back.role == MAIN).map(|back| back.took).sum();
    // What the UPS says must hold for 5 s, as the next one sees it.
    let held = if story.counts_time() { 0.0 } else { 6.0 };
    10.0 + missed + held * ended as f64
}

/// One shutdown is enough; only a daemon that was started after it cannot know of it. What stands in for a main process,
/// and the next one, each decide anew, and the helper does nothing.
fn once(record: &Record, wrong: &mut Vec<String>) {
    let signs = |wanted: &str| record.hooks.iter().filter(|seen| seen.text.starts_with(wanted)).count();
    let first = record.first_sign().unwrap_or(f64::INFINITY);
    let after = record.ended.iter().filter(|at| **at > first).count();
    let decided = record.count("Initiating system shutdown!");
    for (count, more, what) in [
        (decided, 2 * record.deaths.len(), "decisions"),
        (signs("doshutdown "), 0, "doshutdown hooks"),
        (signs("SHUTDOWNCMD"), 0, "SHUTDOWNCMDs"),
    ] {
        if count > 1 + after + more {
            wrong.push(format!("{count} {what} for one outage, within the grace time"));
        }
    }
}

/// The line that explains it is there, in the events file too, and the time before a restart counts.
fn explained(story: &Story, fault: Fault, record: &Record, at: f64, wrong: &mut Vec<String>) {
    let Some(why) = record.log.iter().find(|seen| seen.text.starts_with("Shutdown because ")) else {
        wrong.push("no line explains the shutdown".to_owned());
        return;
    };
    // A daemon writes it to a disk, a main process only tells its helper.
    let known_at = |end: f64, before: f64| {
        let known = |told: f64| told >= story.off && told + before < end;
        end < at && record.told("Power failure.").any(known)
    };
    let saved = fault != Fault::DiskFull && record.ended.iter().any(|end| known_at(*end, 1.0));
    if !saved && !record.deaths.iter().any(|end| known_at(*end, UNCERTAIN)) {
        return;
    }
    let seconds: Option<f64> = why
        .text
        .split("; on battery for ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|number| number.parse().ok());
    let expected = why.at - record.started - story.off;
    // Alerts off: seen one poll late. Whole seconds: cut. The rest is for a loaded machine.
    if seconds.is_none_or(|seconds| seconds < expected - 3.5) {
        wrong.push(format!(
            "on battery for {expected:.1} s, but not for what was started since: {}",
            why.text
        ));
    }
}

/// Each `powerout` has its `mainsback`, and there is none without.
fn paired(story: &Story, fault: Fault, record: &Record, wrong: &mut Vec<String>) {
    const OUT: &str = "Power failure.";
    const BACK: &str = "Power is back. UPS running on mains.";
    let mut out = false;
    let mut last = 0.0;
    for seen in record.log.iter().filter(|seen| seen.text == OUT || seen.text == BACK) {
        let restarted = record.ended.iter().any(|end| (last..=seen.at).contains(end));
        if out == (seen.text == OUT) && !restarted && !record.is_uncertain(last) {
            wrong.push(format!("{:?} at {:.3} s is not paired", seen.text, seen.at));
        }
        out = seen.text == OUT;
        last = seen.at;
    }
    let count = record.count(OUT);
    if out && story.limit.is_none() {
        wrong.push("the last powerout has no mainsback".to_owned());
    }
    if count > 0 && !story.announced {
        wrong.push("a false powerout".to_owned());
    }
    if record.count(BACK) > 0 && !story.announced {
        wrong.push("a false mainsback".to_owned());
    }
    if !story.announced
        && record.log.iter().any(|seen| seen.text.contains("already when this daemon started"))
    {
        wrong.push("an outage of nobody, or of another daemon, is taken over".to_owned());
    }
    if count == 0 && story.announced && !fault.may_miss_a_short_outage() {
        wrong.push("no powerout".to_owned());
    }
}

/// Each role that was ended is back soon; and no main process ends that nobody has ended.
fn replaced(record: &Record, wrong: &mut Vec<String>) {
    for back in record.returns.iter().filter(|back| back.is_late) {
        wrong.push(format!("{} was back after {:.1} s", back.role, back.took));
    }
    let ends: Vec<&str> = record
        .log
        .iter()
        .map(|seen| seen.text.as_str())
        .filter(|text| text.starts_with("The main process (") || text.starts_with("No main process can"))
        .collect();
    let by_signal = ends.iter().filter(|text| text.contains(") was ended by signal ")).count();
    let by_helper = ends.iter().filter(|text| text.ends_with(") was stopped for 1 s and was killed")).count();
    let killed = record.deaths.len() - record.hangs;
    if by_signal > killed || by_helper > record.hangs || by_signal + by_helper < ends.len() {
        wrong.push(format!("a main process has ended by itself: {ends:?}"));
    }
}

/// The hooks of an outage are run as often as it is announced, whoever dies.
fn hooks_run(record: &Record, wrong: &mut Vec<String>) {
    for (event, line) in [
        ("powerout", "Power failure."),
        ("onbattery", "Running on UPS batteries."),
        ("offbattery", "Mains returned. No longer on UPS batteries."),
        ("mainsback", "Power is back. UPS running on mains."),
    ] {
        let run = record.told(event).count();
        let told = record.told(line).count();
        let uncertain = record.told(line).filter(|at| record.is_uncertain(*at)).count();
        // One that was begun, and ended for its time limit before it could say so: the machine itself was held up.
        let given_up = format!("apccontrol {event} took too long");
        let uncertain = uncertain + record.log.iter().filter(|seen| seen.text.contains(&given_up)).count();
        if run.abs_diff(told) > uncertain {
            wrong.push(format!("{run} {event} hooks for {told} lines {line:?}"));
        }
    }
}

/// A daemon that is told to stop in an outage says what that means.
fn guarded(record: &Record, wrong: &mut Vec<String>) {
    for stop in record.done.iter().filter(|seen| seen.text == "SIGTERM") {
        let before = |text: &str| {
            record
                .log
                .iter()
                .filter(|seen| seen.text.ends_with(text) && seen.at < stop.at)
                .map(|seen| seen.at)
                .reduce(f64::max)
        };
        let out = before("Power failure.");
        let back = before("Power is back. UPS running on mains.");
        let over = back >= out || before("Initiating system shutdown!").is_some();
        let said = record
            .log
            .iter()
            .any(|seen| seen.at >= stop.at && seen.text.contains("this machine is now unguarded"));
        // It may have seen mains come back before it heard of the end.
        let after = |text: &str| {
            record.log.iter().find(|seen| seen.at >= stop.at && seen.text.ends_with(text)).map(|seen| seen.at)
        };
        let ended = after("shutdown succeeded").unwrap_or(f64::MAX);
        let over = over || after("Power is back. UPS running on mains.").is_some_and(|back| back <= ended);
        if !over && !said {
            wrong.push(format!("stopped on battery at {:.3} s without a word about it", stop.at));
        }
    }
}
