//! Simple signalling: a UPS that says what it has to say by modem lines (`dumb`). Sans-I/O.
//!
//! The lines are looked at once a second, and four times a second while one of them says something new: only what holds
//! for [`HOLD`] is told. A change that is told is told again at the next looks, so that the power machine has the readings
//! that it wants to agree.

mod cable;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::loss::Loss;
use super::silence::Silence;
use super::{Link, LinkEvent};
use crate::bus::serial::{Event, Lines, Outputs, Serial, Transmit};
use crate::ups::{Command, CommandResult, Identity, Item, PollRate, Reading, StatusFlags};
pub use cable::{CABLES, Cable};

/// Between two looks while a line says something new, and while power is being cut.
const QUICK: Duration = Duration::from_millis(250);
/// Between two looks otherwise.
const CALM: Duration = Duration::from_secs(1);
/// How long a line must say the same before it is believed.
pub const HOLD: Duration = Duration::from_millis(500);
/// How long the looks stay quick after a change.
const QUICK_FOR: Duration = Duration::from_secs(2);
/// Without a reading for three intervals and for so long the UPS counts as lost: the line that matters does not hold still.
const SILENT_LEAST: Duration = Duration::from_secs(10);
/// How long the kill signal lasts (dumb §4): a UPS wants it for 1 to 5 s (dumb §2.1).
pub const KILL: Duration = Duration::from_secs(10);
/// At most so long between two readings, however long POLLTIME is (config §3).
const POLL_MAX: Duration = Duration::from_secs(5);
/// Most events kept for a caller that does not fetch them.
const MAX_EVENTS: usize = 64;

/// The conversation with one UPS by modem lines.
///
/// When the port says that it is open, our lines are as [`Cable::rest`] wants them.
#[derive(Debug)]
pub struct DumbLink {
    cable: &'static Cable,
    /// The port's name, for messages.
    port: String,
    poll_time: Duration,
    poll_rate: PollRate,
    open: Option<Open>,
    orders: VecDeque<Transmit>,
    events: VecDeque<LinkEvent>,
    /// The UPS counts as reached.
    attached: bool,
    loss: Loss,
}

#[derive(Debug)]
struct Open {
    /// The next look.
    at: Instant,
    on_battery: Line,
    low: Line,
    quick_until: Instant,
    told: Option<Instant>,
    silence: Silence,
    /// Since when power is being cut.
    kill: Option<Instant>,
}

/// One line.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    believed: Option<bool>,
    /// What it says, and since when.
    says: Option<(bool, Instant)>,
    /// It says so for long enough to be believed.
    still: bool,
    /// The last look that saw what is believed.
    agreed_at: Option<Instant>,
}

impl Line {
    /// Takes in what a look saw; true if the belief changed.
    fn note(&mut self, says: bool, now: Instant) -> bool {
        let (_, since) =
            *self.says.insert(self.says.filter(|(said, _)| *said == says).unwrap_or((says, now)));
        self.still = now.saturating_duration_since(since) >= HOLD;
        let changed = self.still && self.believed.replace(says) != Some(says);
        if self.believed == Some(says) {
            self.agreed_at = Some(now);
        }
        changed
    }
}

impl DumbLink {
    /// A link that waits for its port.
    #[must_use]
    pub fn new(cable: &'static Cable, port: &str, poll_time: Duration) -> Self {
        Self {
            cable,
            port: port.to_owned(),
            poll_time,
            poll_rate: PollRate::Normal,
            open: None,
            orders: VecDeque::new(),
            events: VecDeque::new(),
            attached: false,
            loss: Loss::default(),
        }
    }

    /// The port is open.
    pub fn handle_opened(&mut self, now: Instant) {
        let (on_battery, low) = (Line::default(), Line::default());
        let at = now + QUICK;
        let silence = Silence::new(now, 3 * POLL_MAX, SILENT_LEAST);
        self.open = Some(Open { at, on_battery, low, quick_until: now, told: None, silence, kill: None });
    }

    /// The port is gone, or cannot be opened.
    pub fn handle_closed(&mut self, reason: &str) {
        if self.open.take().is_some_and(|open| open.kill.is_some()) {
            self.kill_ended(Err(reason.to_owned()));
        }
        self.orders.clear();
        self.tell_lost(reason.to_owned());
    }

    /// How the lines are; `None`: the port has none.
    pub fn handle_lines(&mut self, now: Instant, lines: Option<Lines>) {
        let Some(open) = &mut self.open else { return };
        let Some(lines) = lines else {
            open.at = now + POLL_MAX;
            open.silence.pause(now);
            let reason =
                format!("{} has no modem lines: a UPS with a simple cable cannot be there", self.port);
            if open.kill.take().is_some() {
                self.kill_ended(Err(reason.clone()));
            }
            return self.tell_lost(reason);
        };
        let (on_battery, low) = self.cable.read(lines);
        let turned = open.on_battery.note(on_battery, now);
        let changed = open.low.note(low, now) || turned;
        let still = open.on_battery.still;
        if changed {
            open.quick_until = now + QUICK_FOR;
        }
        let recent = now < open.quick_until;
        let quick = recent || !still || !open.low.still || open.kill.is_some();
        open.at = now + if quick { QUICK } else { CALM.min(self.poll_time) };
        let period = self.poll_time.min(POLL_MAX);
        let due = recent
            || self.poll_rate == PollRate::Fast
            || open.told.is_none_or(|at| now.saturating_duration_since(at) >= period);
        let mut reading = None;
        if let Some(on_battery) = open.on_battery.believed.filter(|_| still && due) {
            open.told = Some(now);
            open.silence.told(now, if self.poll_rate == PollRate::Fast { CALM } else { period }, turned);
            let line = if on_battery { StatusFlags::ONBATT } else { StatusFlags::ONLINE };
            let low = open.low.believed == Some(true);
            let mut told = Reading::new(now);
            told.status = (told.status | line).with(StatusFlags::BATTLOW, low);
            told.read.set(Item::Line, open.on_battery.agreed_at);
            told.read.set(Item::LowBattery, open.low.agreed_at);
            reading = Some(told);
        }
        let silent = open.silence.is_over(now);
        self.see_to_outputs(now, lines);
        if silent {
            let text = "does not hold still: is the cable plugged in, and is it the one that UPSCABLE names?";
            return self.tell_lost(format!("{}: the line that tells of power failures {text}", self.port));
        }
        // A port that can be looked at is one that orders can be sent through.
        if !self.attached {
            self.attached = true;
            self.loss.end();
            self.push(LinkEvent::Attached(Box::<Identity>::default()));
        }
        if let Some(reading) = reading {
            self.push(LinkEvent::Reading(Box::new(reading)));
        }
    }

    /// Keeps our lines as they must be, and ends the kill signal.
    fn see_to_outputs(&mut self, now: Instant, lines: Lines) {
        let Some(open) = &mut self.open else { return };
        let cut = open.kill.zip(self.cable.kill);
        let Some((since, kill)) = cut else {
            let rest = self.cable.rest;
            if lines.intersects(rest.clear) || !lines.contains(rest.raise) {
                self.switch(rest);
            }
            return;
        };
        let lasted = now.saturating_duration_since(since);
        if lasted < KILL {
            // At each look anew: a port that is slow or forgets must not save the battery of a machine that is down.
            return self.cut(kill);
        }
        let after = self.cable.after;
        if lasted < KILL + QUICK && after != Lines::empty() {
            return self.orders.push_back(Transmit::Switch(after, true));
        }
        open.kill = None;
        let outcome = if open.on_battery.believed == Some(false) {
            Err("the UPS runs on mains and takes no notice: this machine has to be started by hand")
        } else {
            Ok("the kill signal was on for 10 s; a UPS on battery is off by now")
        };
        let rest = self.cable.rest;
        self.switch(Outputs { clear: rest.clear.union(kill.raise).union(after), ..rest });
        if self.cable.txd {
            self.orders.push_back(Transmit::Break(false));
        }
        self.kill_ended(outcome.map(str::to_owned).map_err(str::to_owned));
    }

    fn cut(&mut self, kill: Outputs) {
        self.switch(kill);
        if self.cable.txd {
            self.orders.push_back(Transmit::Break(true));
        }
    }

    fn switch(&mut self, outputs: Outputs) {
        for (lines, on) in [(outputs.clear, false), (outputs.raise, true)] {
            if lines != Lines::empty() {
                self.orders.push_back(Transmit::Switch(lines, on));
            }
        }
    }

    fn kill_ended(&mut self, outcome: Result<String, String>) {
        self.push(LinkEvent::Command(CommandResult::new(Command::KillPower, outcome)));
    }

    fn tell_lost(&mut self, reason: String) {
        self.attached = false;
        for event in self.loss.begin(reason) {
            self.push(event);
        }
    }

    fn push(&mut self, event: LinkEvent) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        }
    }
}

impl Link for DumbLink {
    type Bus = Serial;

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened => self.handle_opened(now),
            Event::Closed(reason) => self.handle_closed(&reason),
            Event::Lines(lines) => self.handle_lines(now, lines),
            Event::Bytes(_) => {}
        }
    }

    /// Looks at the lines are the only deadlines.
    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let open = self.open.as_mut()?;
        self.orders.pop_front().or_else(|| {
            let due = open.at <= now;
            if due {
                // The answer says when the next one is due.
                open.at = now + CALM;
            }
            due.then_some(Transmit::Look)
        })
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.at)
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, _: Instant) {
        self.poll_rate = poll_rate;
    }

    fn set_poll_time(&mut self, poll_time: Duration, _: Instant) {
        self.poll_time = poll_time;
    }

    fn command(&mut self, command: Command, now: Instant) {
        let cable = self.cable;
        let outcome = match (command, &mut self.open, cable.kill) {
            (_, None, _) => Err("no communication with the UPS".to_owned()),
            (Command::Poll, Some(open), _) => {
                open.at = now;
                open.told = None;
                Ok("looked at".to_owned())
            }
            (Command::KillPower, Some(open), Some(kill)) => {
                if open.kill.is_none() {
                    open.kill = Some(now);
                    open.at = now + QUICK;
                    self.cut(kill);
                }
                return;
            }
            (Command::KillPower, ..) => {
                Err(format!("cable {} has no line that switches the UPS off", cable.name))
            }
            (Command::PowerOff, ..) => {
                let words = "a UPS with simple signalling has no such order; --killpower switches it off while it is on battery, \
                             its button at any time";
                Err(words.to_owned())
            }
            _ => Err("a UPS with simple signalling has no such order".to_owned()),
        };
        self.push(LinkEvent::Command(CommandResult::new(command, outcome)));
    }
}
