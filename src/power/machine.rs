//! The machine: what comes in, and what it keeps.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::comm::Comm;
use super::known::Known;
use super::latch::Latch;
use super::low_battery::LowBattery;
use super::outage::{Line, Outage, Query};
use super::streak::{Fact, Streak};
use super::{AtStart, Order, PowerView, SavedOutage, Settings};
use crate::ups::{Command, CommandResult, Event, Pace, Priority, RateLimit, Reading, StatusFlags};

/// A call so long after the deadline it was asked for means that the daemon was held up: a paused virtual machine, a
/// frozen process, a machine out of memory.
pub(super) const HELD_UP: Duration = Duration::from_secs(2);

/// So many changes of the line are believed at once, and one more each 10 s; all others need CONFIRMPOLLS readings. A UPS, or
/// a master, that says something else each moment is none whose single word counts.
const AT_ONCE: u32 = 8;
const AT_ONCE_EACH: Duration = Duration::from_secs(10);

/// The power machine. Everything that happens is handed in with `now`; what is to be done comes out of
/// [`Machine::poll_order`], in order, and [`Machine::poll_timeout`] says when to call [`Machine::handle_timeout`] next.
/// Calls in excess do nothing. `now` never goes back; a `now` from the past counts as the latest seen.
#[derive(Debug)]
pub struct Machine {
    pub(super) settings: Settings,
    pub(super) comm: Comm,
    pub(super) line: Line,
    pub(super) samples: LineSamples,
    pub(super) known: Known,
    pub(super) low: LowBattery,
    pub(super) battery: Battery,
    /// The last reading's bits.
    pub(super) said: StatusFlags,
    pub(super) cause: CauseQuery,
    pub(super) latch: Latch,
    /// When an earlier run decided a shutdown.
    pub(super) decided_before: Option<Instant>,
    pub(super) remote: bool,
    pub(super) master: Master,
    /// `-t`: when to leave.
    pub(super) exit_at: Option<Instant>,
    /// `nologin` is in force, by us.
    pub(super) no_login: bool,
    /// What an earlier run left behind has been removed.
    pub(super) tidied: bool,
    /// Since when a `powerfail` flag may lie around.
    pub(super) powerfail: Option<Flag>,
    pub(super) counters: Counters,
    pub(super) now: Instant,
    pace: Pace,
    pub(super) saved: SavedOutage,
    out: VecDeque<Order>,
}

/// Samples of the line state, and what waits for more of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineSamples {
    /// Changes of the line that may be believed at once, by an alert and a read.
    pub(super) at_once: RateLimit,
    /// A change of the line that waits for agreement.
    pub(super) candidate: Option<Candidate>,
    /// The last sample: when it was read, and whether it said battery.
    pub(super) last: Option<(Instant, bool)>,
    /// When mains was read last.
    pub(super) mains_at: Option<Instant>,
    /// When the loop went on after it had been held up, or the machine after a suspend: what the UPS says now is not
    /// known before a reading of later.
    pub(super) held_up: Option<Instant>,
}

/// The battery itself, as believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Battery {
    pub(super) present: Fact,
    pub(super) replace: Fact,
    /// Last `changeme` and how many since the flag appeared.
    pub(super) change_me: Option<(Instant, u32)>,
}

/// What the UPS has been asked about its last transfer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CauseQuery {
    pub(super) query: Query,
    /// When it is asked again.
    pub(super) again_at: Option<Instant>,
}

/// A change of the line that has been sampled but not often enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) on_battery: bool,
    pub(super) streak: Streak,
}

/// What a slave knows of its master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Master {
    /// It has answered since the daemon started.
    seen: bool,
    /// It has been found unreachable; since when it has not answered.
    pub(super) unreachable: Option<Instant>,
    /// The last that was known when the silence began is an outage, and the last reading did not deny it.
    pub(super) on_battery: bool,
}

/// A `powerfail` flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// Found at start.
    Stale,
    /// Created for a shutdown ordered then.
    Created(Instant),
}

/// The counters of the status report (power-events §6).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) transfers: u32,
    pub(super) total: Duration,
    pub(super) on_battery_at: Option<Instant>,
    pub(super) off_battery_at: Option<Instant>,
    pub(super) last_self_test_at: Option<Instant>,
}

impl LineSamples {
    const fn new() -> Self {
        Self {
            at_once: RateLimit::new(AT_ONCE, AT_ONCE_EACH),
            candidate: None,
            last: None,
            mains_at: None,
            held_up: None,
        }
    }
}

impl Machine {
    /// A machine that knows nothing of the UPS yet, started at `now`.
    #[must_use]
    pub fn new(settings: Settings, now: Instant, at_start: AtStart) -> Self {
        let saved = at_start.saved.unwrap_or_default();
        let mut machine = Self {
            comm: Comm::Starting { since: now, reason: String::new() },
            line: Line::Unknown,
            samples: LineSamples::new(),
            known: Known::default(),
            low: LowBattery::default(),
            battery: Battery { present: Fact::new(true), replace: Fact::new(false), change_me: None },
            said: StatusFlags::BATTPRESENT,
            cause: CauseQuery::default(),
            latch: Latch::Armed,
            decided_before: saved.decided_at.map(|at| at.min(now)),
            remote: false,
            master: Master::default(),
            exit_at: None,
            no_login: false,
            tidied: false,
            // Within an outage the flag may belong to a shutdown that an earlier run ordered and that is under way.
            powerfail: at_start
                .powerfail
                .then_some(saved.on_battery_since.map_or(Flag::Stale, |_| Flag::Created(now))),
            counters: Counters {
                transfers: saved.transfers,
                total: saved.on_battery_total,
                on_battery_at: saved.on_battery_at,
                off_battery_at: saved.off_battery_at,
                last_self_test_at: saved.last_self_test_at,
            },
            now,
            pace: Pace::Normal,
            saved: saved.clone(),
            out: VecDeque::new(),
            settings,
        };
        if let Some(since) = saved.on_battery_since.map(|since| since.min(now)) {
            machine.take_over(since, saved.announced);
        }
        machine.settle();
        machine
    }

    /// The UPS answers: first contact, or after a loss.
    pub fn handle_attached(&mut self, now: Instant) {
        self.begin(now);
        self.contact();
        self.settle();
    }

    /// The UPS is another one than that of the state taken over at the start ([`AtStart`]): that outage, its counters, and a
    /// shutdown decided for it are dropped. What this UPS has said stays.
    pub fn handle_other_ups(&mut self, now: Instant) {
        self.begin(now);
        self.drop_taken_over();
        self.settle();
    }

    /// A reading. Each of its items counts as evidence once, by the time at which it was read; an item that has no time, or
    /// one that is no later than the one before, is a copy.
    pub fn handle_reading(&mut self, now: Instant, reading: &Reading) {
        self.begin(now);
        self.contact();
        let read = reading.read.moved(now, self.now);
        self.read(reading, &read);
        self.settle();
    }

    /// The UPS does not answer. `reason` is for the log. Repeats do nothing.
    pub fn handle_lost(&mut self, now: Instant, reason: &str) {
        self.begin(now);
        self.lose(reason);
        self.settle();
    }

    /// What became of a shutdown order.
    pub fn handle_report(&mut self, now: Instant, report: super::HookReport) {
        self.begin(now);
        self.report(report);
        self.settle();
    }

    /// How a command to the UPS ended. A link that is told to read the transfer cause or the self test result hands in
    /// a reading with the value, before or after the command's result.
    pub fn handle_command_result(&mut self, now: Instant, result: &CommandResult) {
        self.begin(now);
        self.command_result(result);
        self.settle();
    }

    /// A master or management card orders the shutdown, or takes the order back.
    pub fn handle_remote(&mut self, now: Instant, ordered: bool) {
        self.begin(now);
        self.remote_order(ordered);
        self.settle();
    }

    /// A slave's master has answered (`None`), or is unreachable since then. Lost while an outage was known, the machine
    /// is shut down after NETTIMEOUT (nis §9.4).
    pub fn handle_master(&mut self, now: Instant, unreachable_since: Option<Instant>) {
        self.begin(now);
        self.master.seen |= unreachable_since.is_none();
        self.master.unreachable = unreachable_since;
        self.settle();
    }

    /// The answer to [`Order::CountSlaves`]: the machines that depend on this one and have not gone, one address for each.
    /// While slaves have their time it may come unasked, whenever somebody has come or gone.
    pub fn handle_slaves(&mut self, now: Instant, present: &[IpAddr]) {
        self.begin(now);
        self.slaves(present);
        self.settle();
    }

    /// Whether a decided shutdown waits for slaves.
    #[must_use]
    pub fn awaits_slaves(&self) -> bool {
        self.latch.waiting().is_some()
    }

    /// The machine was suspended and runs again: what the UPS says now counts, and no reading from before.
    pub fn handle_resume(&mut self, now: Instant) {
        self.begin(now);
        self.samples.candidate = None;
        self.look_again();
        self.settle();
    }

    /// The daemon is told to stop (SIGTERM). Removes what is ours and says what that means; no order after it counts.
    pub fn handle_stop(&mut self, now: Instant) {
        self.begin(now);
        self.stop();
        self.save();
    }

    /// A deadline may have passed; early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.settle();
    }

    /// New settings (SIGHUP). Running states and their timers go on under them.
    pub fn reconfigure(&mut self, settings: Settings, now: Instant) {
        self.begin(now);
        self.settings = settings;
        self.settle();
    }

    /// When to call [`Machine::handle_timeout`]; `None`: only input wakes it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(at, _)| at)
    }

    /// The next order; call until `None`.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.out.pop_front()
    }

    /// What to show.
    #[must_use]
    pub fn view(&self) -> PowerView {
        PowerView {
            flags: self.flags(),
            transfers: self.counters.transfers,
            on_battery_at: self.counters.on_battery_at,
            off_battery_at: self.counters.off_battery_at,
            on_battery_since: self.on_battery_since(),
            on_battery_total: self.counters.total,
            last_self_test_at: self.counters.last_self_test_at,
        }
    }

    fn begin(&mut self, now: Instant) {
        let late = self.next_timer().is_some_and(|(at, _)| now.saturating_duration_since(at) >= HELD_UP);
        self.now = self.now.max(now);
        // Once until a reading has come: a machine that is held up again and again is shut down all the same.
        if late && self.samples.held_up.is_none() && self.on_battery_since().is_some() {
            self.look_again();
        }
    }

    fn look_again(&mut self) {
        self.samples.held_up = Some(self.now);
        self.order(Order::Command(Command::Poll));
    }

    /// Lets all timers fire that are due, then says what has changed.
    fn settle(&mut self) {
        self.run_timers();
        self.update_pace();
        self.save();
    }

    pub(super) fn order(&mut self, order: Order) {
        self.out.push_back(order);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.order(Order::Event(event));
    }

    pub(super) fn log(&mut self, priority: Priority, text: impl Into<String>) {
        self.order(Order::Log(priority, text.into()));
    }

    /// Since when the load runs from battery, test or not.
    pub(super) fn on_battery_since(&self) -> Option<Instant> {
        match &self.line {
            Line::Unknown | Line::Mains(_) => None,
            Line::Transferred { since, .. } => Some(*since),
            Line::Test(test) => Some(test.since),
            Line::Battery(outage) => Some(outage.since),
        }
    }

    pub(super) fn outage(&self) -> Option<&Outage> {
        match &self.line {
            Line::Battery(outage) => Some(outage),
            _ => None,
        }
    }

    fn update_pace(&mut self) {
        let fast = self.on_battery_since().is_some()
            || self.samples.candidate.is_some()
            || !self.battery.present.believed()
            || matches!(&self.line, Line::Mains(mains) if mains.ended_test.is_some())
            || (self.powerfail == Some(Flag::Stale) && self.line != Line::Unknown)
            || self.battery.present.in_doubt();
        let pace = if fast { Pace::Fast } else { Pace::Normal };
        if pace != self.pace {
            self.pace = pace;
            self.order(Order::SetPace(pace));
        }
    }

    pub(super) fn save(&mut self) {
        let outage = self.outage();
        let state = SavedOutage {
            on_battery_since: outage.map(|outage| outage.since),
            announced: self.line.announced() && outage.is_some(),
            transfers: self.counters.transfers,
            on_battery_total: self.counters.total,
            on_battery_at: self.counters.on_battery_at,
            off_battery_at: self.counters.off_battery_at,
            last_self_test_at: self.counters.last_self_test_at,
            decided_at: match self.latch.closed() {
                Some(closed) => Some(closed.announced),
                None => self.decided_before(),
            },
        };
        if state != self.saved {
            self.saved = state.clone();
            self.order(Order::Save(state));
        }
    }

    fn flags(&self) -> StatusFlags {
        let n = self.settings.confirm_polls;
        let on_battery = self.on_battery_since().is_some();
        let mut flags = StatusFlags::PLUGGED | self.said;
        // The line as believed; ONLINE beside ONBATT only if the UPS says both.
        let both = self.said.contains(StatusFlags::ONLINE) && self.said.contains(StatusFlags::ONBATT);
        flags.set(StatusFlags::ONBATT, on_battery);
        flags.set(StatusFlags::ONLINE, matches!(self.line, Line::Mains(_)) || (on_battery && both));
        flags.set(StatusFlags::BATTLOW, self.low.said_since(n).is_some());
        flags.set(StatusFlags::BATTPRESENT, self.battery.present.believed());
        flags.set(StatusFlags::REPLACEBATT, self.battery.replace.believed());
        let silent = self.comm.silent_since().is_some() || self.line == Line::Unknown;
        flags.set(StatusFlags::COMMLOST, silent);
        flags.set(StatusFlags::FASTPOLL, on_battery || (self.remote && self.latch.closed().is_some()));
        flags.set(
            StatusFlags::SLAVE,
            self.settings.slave && (self.master.seen || self.known.read_at.is_some()),
        );
        flags.set(StatusFlags::ONBATT_MSG, self.line.announced());
        if let Some(outage) = self.outage() {
            flags.set(StatusFlags::SHUT_LOAD, outage.charge_low.since(n).is_some());
            flags.set(StatusFlags::SHUT_LTIME, outage.runtime_low.since(n).is_some());
        }
        flags.set(StatusFlags::SHUT_REMOTE, self.remote);
        if let Some(closed) = self.latch.closed() {
            use super::Cause;
            flags.set(StatusFlags::SHUTDOWN, true);
            match closed.cause {
                Cause::LowBattery => {}
                Cause::Timeout => flags.set(StatusFlags::SHUT_BTIME, true),
                Cause::Charge => flags.set(StatusFlags::SHUT_LOAD, true),
                Cause::Runtime => flags.set(StatusFlags::SHUT_LTIME, true),
                Cause::Emergency => flags.set(StatusFlags::SHUT_EMERG, true),
                Cause::Remote | Cause::MasterLost => flags.set(StatusFlags::SHUT_REMOTE, true),
            }
        }
        flags
    }
}
