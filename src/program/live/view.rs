//! The live view, as text: one frame for one moment. Pure.

#[cfg(feature = "test")]
use std::time::Duration;

use super::gauge::{bar, needle, sparkline};
use super::history::{Happening, History, RecentEvents};
use super::style::{Ink, Line, Style};
use crate::report::Snapshot;
use crate::ups::{Priority, StatusFlags, TransferCause};

/// What a frame shows.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What is known of the UPS.
    pub snapshot: &'a Snapshot,
    /// What has happened.
    pub events: &'a RecentEvents,
    /// The course of the values.
    pub history: &'a History,
    /// The last shutdown that was decided, and why.
    pub decision: Option<&'a (String, String)>,
    /// The time that is shown.
    pub clock: &'a str,
    /// What program shows it.
    pub about: About<'a>,
}

/// Words of the program that shows it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The title.
    pub title: &'a str,
    /// What follows it, and what does where there is no room for that.
    pub subtitles: [&'a str; 2],
    /// What the UPS feeds.
    pub machine: &'a str,
    /// Beside a shutdown.
    pub shutdown: &'a str,
    /// Beside the way of the power.
    pub note: &'a str,
    /// Before `hint`, where there is room for both.
    pub label: &'a str,
    /// The last line but one.
    pub hint: &'a str,
    /// The last line.
    pub outlook: &'a str,
}

/// Columns and rows.
pub type Size = (u16, u16);

/// Left margin.
const MARGIN_COLUMNS: usize = 2;
/// Columns of the labels before the gauges.
const LABEL_COLUMNS: usize = 11;
/// Columns of the values after the gauges.
const VALUE_COLUMNS: usize = 12;
/// Columns of the remarks after the values, in a window that is wide enough.
const REMARK_COLUMNS: usize = 20;
/// Lines longer than this are tiring to follow with the eye.
const COLUMNS_MAX: usize = 110;

/// The frame: lines to be shown from the top left corner, never more or wider than `size`.
#[must_use]
pub fn render(scene: &Scene<'_>, size: Size, style: Style) -> Vec<String> {
    let page = Page { scene, width: usize::from(size.0).min(COLUMNS_MAX), style };
    let rows = usize::from(size.1);
    let mut lines = page.head(rows);
    let foot = page.foot(rows);
    let room = rows.saturating_sub(lines.len() + foot.len());
    let mut decision = page.decision();
    decision.truncate(room);
    let events = page.events(room - decision.len());
    lines.extend(decision);
    let used = lines.len() + events.len() + foot.len();
    lines.extend(events);
    // The foot stays at the bottom, so that it does not move with each event.
    lines.extend((used..rows).map(|_| page.line()));
    lines.extend(foot);
    lines.truncate(rows);
    lines.into_iter().map(Line::into_text).collect()
}

struct Page<'a> {
    scene: &'a Scene<'a>,
    width: usize,
    style: Style,
}

impl Page<'_> {
    fn line(&self) -> Line {
        Line::new(self.width, self.style)
    }

    fn indented(&self) -> Line {
        self.line().to(MARGIN_COLUMNS)
    }

    fn pick<'t>(&self, unicode: &'t str, ascii: &'t str) -> &'t str {
        if self.style.unicode { unicode } else { ascii }
    }

    /// Title, state and gauges; what is only pleasant goes first when rows are few.
    fn head(&self, rows: usize) -> Vec<Line> {
        let spacious = rows >= 22;
        let mut lines = Vec::new();
        if rows >= 12 {
            lines.push(self.title());
            lines.push(self.line());
        }
        lines.push(self.state());
        if rows >= 18 {
            lines.push(self.flow());
        }
        if spacious {
            lines.push(self.line());
        }
        if rows >= 6 {
            lines.extend([self.charge(), self.runtime(), self.load(), self.line_voltage()]);
        }
        if rows >= 20 {
            lines.push(self.line());
            lines.extend([self.charge_course(), self.line_course()]);
        }
        if rows >= 10 {
            lines.push(self.line());
        }
        lines
    }

    fn title(&self) -> Line {
        let model = self.scene.snapshot.identity.model.as_deref().unwrap_or("").trim();
        let about = &self.scene.about;
        let line = self.indented().put(Ink::Bold, about.title).put(Ink::Dim, "  ");
        let subtitle = about
            .subtitles
            .into_iter()
            .find(|words| words.len() + MARGIN_COLUMNS <= line.room())
            .unwrap_or_default();
        line.put(Ink::Dim, subtitle).right(Ink::Dim, &format!("{model}  "))
    }

    fn state(&self) -> Line {
        let (ink, word, remark) = state_words(self.scene.snapshot);
        let remark = if word == SHUTTING_DOWN { self.scene.about.shutdown.to_owned() } else { remark };
        let dot = self.pick("●", "*");
        let line = self.indented().put(ink, dot).put(Ink::Plain, " ").strong(ink, word);
        let line = line.put(Ink::Plain, if remark.is_empty() { "" } else { "   " }).put(Ink::Plain, &remark);
        line.right(Ink::Dim, &format!("{}  ", self.scene.clock))
    }

    /// mains ━━━━▸ UPS ━━━━▸ load
    fn flow(&self) -> Line {
        let flags = self.scene.snapshot.flags;
        let flows = self.pick("━━━━━━▸", "======>");
        let broken = self.pick("╌╌╌╳╌╌╌", "- -X- -");
        let unknown = self.pick("╌╌╌?╌╌╌", "- -?- -");
        let mains_there = self.scene.snapshot.values.line_voltage.is_some_and(|line| line.0 > 60.0);
        let (from_mains, from_ups) = if flags.contains(StatusFlags::COMMLOST) {
            ((Ink::Dim, unknown), (Ink::Dim, unknown))
        } else if flags.contains(StatusFlags::ONBATT) && mains_there && is_test(self.scene.snapshot) {
            // The UPS has turned away from mains by itself.
            ((Ink::Good, flows), (Ink::Note, flows))
        } else if flags.contains(StatusFlags::ONBATT) {
            let mains = if mains_there { (Ink::Dim, broken) } else { (Ink::Bad, broken) };
            (mains, (Ink::Warn, flows))
        } else if flags.contains(StatusFlags::ONLINE) {
            ((Ink::Good, flows), (Ink::Good, flows))
        } else {
            ((Ink::Dim, unknown), (Ink::Dim, unknown))
        };
        let line = self.line().to(MARGIN_COLUMNS + 2).put(Ink::Dim, "mains ").put(from_mains.0, from_mains.1);
        let line = line.put(Ink::Dim, " UPS ").put(from_ups.0, from_ups.1).put(Ink::Dim, " ");
        line.put(Ink::Dim, self.scene.about.machine).right(Ink::Dim, self.scene.about.note)
    }

    fn gauge_width(&self) -> usize {
        let beside = MARGIN_COLUMNS
            + LABEL_COLUMNS
            + VALUE_COLUMNS
            + MARGIN_COLUMNS
            + if self.with_remarks() { REMARK_COLUMNS } else { 0 };
        self.width.saturating_sub(beside).min(60)
    }

    fn with_remarks(&self) -> bool {
        self.width >= 72
    }

    fn row(
        &self,
        label: &str,
        value: &str,
        ink: Ink,
        remark: &str,
        draw: impl FnOnce(Line, usize) -> Line,
    ) -> Line {
        let width = self.gauge_width();
        let line = self.indented().put(Ink::Dim, label).to(MARGIN_COLUMNS + LABEL_COLUMNS);
        let line = draw(line, width);
        let at = MARGIN_COLUMNS + LABEL_COLUMNS + width + VALUE_COLUMNS;
        // Numbers end in the same column, so that a changing digit does not move the others.
        let start = at.saturating_sub(value.chars().count());
        let line = line.to(start.min(self.width)).put(ink, value);
        if self.with_remarks() { line.put(Ink::Dim, "  ").put(Ink::Dim, remark) } else { line }
    }

    fn charge(&self) -> Line {
        let facts = &self.scene.snapshot.facts;
        let charge = self.scene.snapshot.values.battery_charge.map(|charge| charge.0);
        let ink = charge.map_or(Ink::Dim, |charge| limit_ink(charge, facts.battery_level, 50.0));
        let remark = limit("shutdown at", facts.battery_level, "%");
        self.row("Charge", &text(charge, "%  "), ink, &remark, |line, width| {
            bar(line, width, charge.unwrap_or(0.0) / 100.0, ink, self.style)
        })
    }

    fn runtime(&self) -> Line {
        let facts = &self.scene.snapshot.facts;
        let runtime = self.scene.snapshot.values.runtime_left.map(|runtime| runtime.0);
        let ink = runtime.map_or(Ink::Dim, |runtime| limit_ink(runtime, facts.minutes, 10.0));
        let remark = limit("shutdown at", facts.minutes, "min");
        self.row("Runtime", &text(runtime, "min"), ink, &remark, |line, width| {
            bar(line, width, runtime.unwrap_or(0.0) / 60.0, ink, self.style)
        })
    }

    fn load(&self) -> Line {
        let snapshot = self.scene.snapshot;
        let load = snapshot.values.load.map(|load| load.0);
        let ink = match load {
            None => Ink::Dim,
            Some(load) if load > 100.0 => Ink::Bad,
            Some(load) if load > 80.0 => Ink::Warn,
            Some(_) => Ink::Good,
        };
        let rating = snapshot.identity.nominal_power.map(|power| power.0);
        let watts =
            rating.zip(load).map(|(rating, load)| format!("{:.0} of {rating:.0} W", rating * load / 100.0));
        self.row("Load", &text(load, "%  "), ink, &watts.unwrap_or_default(), |line, width| {
            bar(line, width, load.unwrap_or(0.0) / 100.0, ink, self.style)
        })
    }

    fn line_voltage(&self) -> Line {
        let volts = self.scene.snapshot.values.line_voltage.map(|line| line.0);
        let (low, high) = self.accepted_line();
        let ink = volts.map_or(Ink::Dim, |volts| self.line_ink(volts));
        let remark = format!("{low:.0} to {high:.0} V");
        self.row("Line", &text(volts, "V  "), ink, &remark, |line, width| {
            needle(line, width, volts.unwrap_or(0.0), (low, high), high * 1.15, ink, self.style)
        })
    }

    fn accepted_line(&self) -> (f64, f64) {
        let identity = &self.scene.snapshot.identity;
        (f64::from(identity.low_transfer.unwrap_or(176)), f64::from(identity.high_transfer.unwrap_or(282)))
    }

    fn line_ink(&self, volts: f64) -> Ink {
        let (low, high) = self.accepted_line();
        let nominal = f64::from(self.scene.snapshot.identity.nominal_line_voltage.unwrap_or(230));
        match volts {
            _ if volts < low || volts > high => Ink::Bad,
            _ if (volts / nominal - 1.0).abs() > 0.1 => Ink::Warn,
            _ => Ink::Good,
        }
    }

    fn charge_course(&self) -> Line {
        let least = self.scene.snapshot.facts.battery_level;
        let line = self.indented().put(Ink::Dim, " charge").to(MARGIN_COLUMNS + LABEL_COLUMNS);
        let ink = |charge| limit_ink(charge, least, 50.0);
        sparkline(line, self.gauge_width(), self.scene.history.charge(), (0.0, 100.0), ink, self.style)
            .put(Ink::Dim, &format!("  last {} s", self.gauge_width()))
    }

    fn line_course(&self) -> Line {
        let line = self.indented().put(Ink::Dim, " line").to(MARGIN_COLUMNS + LABEL_COLUMNS);
        let most = self.accepted_line().1;
        sparkline(
            line,
            self.gauge_width(),
            self.scene.history.line(),
            (0.0, most),
            |v| self.line_ink(v),
            self.style,
        )
    }

    /// The decision stays where it is, whatever happens afterwards.
    fn decision(&self) -> Vec<Line> {
        let Some((at, text)) = self.scene.decision else { return Vec::new() };
        let happening = Happening::Event(Priority::Alert, text.clone());
        let mut lines = self.event(at, &happening);
        lines.push(self.line());
        lines
    }

    fn events(&self, room: usize) -> Vec<Line> {
        let mut lines: Vec<Line> =
            self.scene.events.last(room).flat_map(|(at, what)| self.event(at, what)).collect();
        if lines.is_empty() && self.scene.decision.is_none() {
            lines.push(self.indented().put(Ink::Dim, "Events appear here."));
        }
        lines.split_off(lines.len().saturating_sub(room))
    }

    /// One happening, as many lines as its text takes.
    fn event(&self, at: &str, happening: &Happening) -> Vec<Line> {
        let (ink, mark, text) = match happening {
            Happening::Event(priority, text) => (event_ink(*priority), at, text.clone()),
            Happening::Hook(arguments) => {
                (Ink::Dim, "", format!("{}{arguments}", self.pick("↳ apccontrol ", "> apccontrol ")))
            }
        };
        let from = MARGIN_COLUMNS + LABEL_COLUMNS;
        let rows = wrapped(&text, self.width.saturating_sub(from + MARGIN_COLUMNS));
        let line = |(index, row): (usize, &String)| {
            let mark = if index == 0 { mark } else { "" };
            self.indented().put(Ink::Dim, mark).to(from).put(ink, row)
        };
        rows.iter().enumerate().map(line).collect()
    }

    fn foot(&self, rows: usize) -> Vec<Line> {
        let about = &self.scene.about;
        let hint = self.indented().put(Ink::Dim, about.label);
        let hint = if hint.room() < about.hint.len() { self.indented() } else { hint };
        let mut lines = Vec::new();
        if rows >= 14 {
            lines.push(self.line());
        }
        if rows >= 8 {
            lines.push(hint.put(Ink::Note, about.hint).right(Ink::Dim, "q ends  "));
        }
        if rows >= 9 {
            lines.push(self.indented().put(Ink::Dim, about.outlook));
        }
        lines
    }
}

/// The state of a machine that goes down.
const SHUTTING_DOWN: &str = "SHUTTING DOWN";

/// Whether the UPS runs from its battery because it wants to.
fn is_test(snapshot: &Snapshot) -> bool {
    snapshot.flags.contains(StatusFlags::CALIBRATION)
        || snapshot.values.transfer_cause == Some(TransferCause::SelfTest)
}

/// The state in a word, with its colour and a remark.
#[must_use]
pub fn state_words(snapshot: &Snapshot) -> (Ink, &'static str, String) {
    let on = |flags| snapshot.flags.contains(flags);
    let seconds = snapshot.time_on_battery.as_secs();
    let since = format!("for {seconds} s");
    if on(StatusFlags::SHUTDOWN) {
        (Ink::Bad, SHUTTING_DOWN, String::new())
    } else if on(StatusFlags::COMMLOST)
        && snapshot.flags.intersects(StatusFlags::ONLINE | StatusFlags::ONBATT)
    {
        (Ink::Warn, "NO CONTACT", "the values are the last known".to_owned())
    } else if on(StatusFlags::ONBATT | StatusFlags::CALIBRATION) {
        (Ink::Note, "CALIBRATION", since)
    } else if on(StatusFlags::ONBATT | StatusFlags::BATTLOW) {
        (Ink::Bad, "BATTERY LOW", format!("on battery {since}"))
    } else if on(StatusFlags::ONBATT) && snapshot.values.transfer_cause == Some(TransferCause::SelfTest) {
        (Ink::Note, "SELF TEST", format!("on battery {since}"))
    } else if on(StatusFlags::ONBATT) {
        (Ink::Warn, "ON BATTERY", since)
    } else if on(StatusFlags::ONLINE | StatusFlags::REPLACEBATT) {
        (Ink::Warn, "ON MAINS", "the battery must be replaced".to_owned())
    } else if on(StatusFlags::ONLINE) {
        (Ink::Good, "ON MAINS", mains_remark(snapshot).to_owned())
    } else {
        (Ink::Dim, "STARTING", "waiting for the UPS".to_owned())
    }
}

fn mains_remark(snapshot: &Snapshot) -> &'static str {
    if snapshot.flags.contains(StatusFlags::BOOST) {
        "the line is low: the UPS raises it"
    } else if snapshot.flags.contains(StatusFlags::TRIM) {
        "the line is high: the UPS lowers it"
    } else if snapshot.values.battery_charge.is_some_and(|charge| charge.0 < 99.95) {
        "the battery is charging"
    } else {
        "all is well"
    }
}

/// Minutes and seconds since the start.
#[cfg(feature = "test")]
pub fn clock(span: Duration) -> String {
    let seconds = span.as_secs();
    format!("{:2}:{:02}", seconds / 60, seconds % 60)
}

/// The words of `text` in rows of at most `width` columns; a longer word has a row of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let Some(row) = rows.last_mut() else { break };
        if row.is_empty() {
            row.push_str(word);
        } else if row.chars().count() + 1 + word.chars().count() <= width {
            row.push(' ');
            row.push_str(word);
        } else {
            rows.push(word.to_owned());
        }
    }
    rows
}

fn text(value: Option<f64>, unit: &str) -> String {
    match value {
        Some(value) => format!("{value:.1} {unit}"),
        None => format!("-- {unit}"),
    }
}

fn limit(words: &str, value: i32, unit: &str) -> String {
    if value < 0 { "no limit".to_owned() } else { format!("{words} {value} {unit}") }
}

fn limit_ink(value: f64, limit: i32, comfortable: f64) -> Ink {
    match value {
        _ if value <= f64::from(limit) => Ink::Bad,
        _ if value < comfortable => Ink::Warn,
        _ => Ink::Good,
    }
}

const fn event_ink(priority: Priority) -> Ink {
    match priority {
        Priority::Alert | Priority::Critical => Ink::Bold,
        Priority::Error | Priority::Warning => Ink::Warn,
        Priority::Notice | Priority::Info => Ink::Plain,
    }
}

#[cfg(all(test, feature = "test"))]
mod tests;
