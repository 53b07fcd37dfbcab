//! One UPS: what is believed of it, and when it wants its host shut down.
//!
//! Nothing here knows whether the host has decided, waits for slaves or prohibits logins. What a supply says comes out of
//! [`Supply::poll_news`], in order; what it is like now is a [`Condition`].

mod comm;
mod debounce;
#[cfg(test)]
mod for_tests;
mod limits;
mod low_battery;
mod measurements;
mod other_ups;
mod outage;
mod selftest;
mod text;
mod timers;
mod transitions;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(super) use measurements::Aged;
pub(super) use timers::Timer;

use super::condition::{Condition, Demand, News, OutageView};
use super::{Cause, Order, PowerView, SavedOutage, Settings};
use crate::ups::{Command, Event, PollRate, Priority, RateLimit, StatusFlags};
use comm::Comm;
use debounce::{Debounce, DebouncedFlag};
use limits::Basis;
use low_battery::LowBattery;
use measurements::Measurements;
use outage::{Line, Outage, Query};

/// So many changes of the line are believed at once, and one more each 10 s; all others need CONFIRMPOLLS readings. A UPS, or
/// a master, that says something else each moment is none whose single word counts.
const AT_ONCE: u32 = 8;
const AT_ONCE_EACH: Duration = Duration::from_secs(10);

/// One UPS, as believed.
#[derive(Debug)]
pub(super) struct Supply {
    pub(super) settings: Settings,
    pub(super) now: Instant,
    comm: Comm,
    master: Master,
    line: Line,
    samples: LineSamples,
    known: Measurements,
    low: LowBattery,
    battery: Battery,
    /// The last reading's bits.
    last_status: StatusFlags,
    cause: CauseQuery,
    counters: Counters,
    poll_rate: PollRate,
    news: VecDeque<News>,
}

/// Samples of the line state, and what waits for more of them.
#[derive(Clone, Copy, Debug)]
struct LineSamples {
    /// Changes of the line that may be believed at once, by an alert and a read.
    at_once: RateLimit,
    /// A change of the line that waits for agreement.
    candidate: Option<Candidate>,
    /// The last sample: when it was read, and whether it said battery.
    last: Option<(Instant, bool)>,
    /// When mains was read last.
    mains_at: Option<Instant>,
    /// When the loop went on after it had been held up, or the machine after a suspend: what the UPS says now is not
    /// known before a reading of later.
    held_up: Option<Instant>,
}

/// The battery itself, as believed.
#[derive(Clone, Copy, Debug)]
struct Battery {
    present: DebouncedFlag,
    replace: DebouncedFlag,
    /// Last `changeme` and how many since the flag appeared.
    change_me: Option<(Instant, u32)>,
}

/// What the UPS has been asked about its last transfer.
#[derive(Clone, Copy, Debug, Default)]
struct CauseQuery {
    query: Query,
    /// When it is asked again.
    again_at: Option<Instant>,
}

/// A change of the line that has been sampled but not often enough.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candidate {
    on_battery: bool,
    streak: Debounce,
}

/// What a slave knows of its master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Master {
    /// It has answered since the daemon started.
    seen: bool,
    /// It has been found unreachable; since when it has not answered.
    unreachable: Option<Instant>,
    /// The last that was known when the silence began is an outage, and the last reading did not deny it.
    on_battery: bool,
}

/// The counters of the status report (power-events §6).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counters {
    transfers: u32,
    total: Duration,
    on_battery_at: Option<Instant>,
    off_battery_at: Option<Instant>,
    last_self_test_at: Option<Instant>,
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

impl Supply {
    /// A UPS of which nothing is known yet but what an earlier run has left.
    pub(super) fn new(settings: Settings, now: Instant, saved: &SavedOutage) -> Self {
        let mut supply = Self {
            settings,
            now,
            comm: Comm::Starting { since: now, reason: String::new() },
            master: Master::default(),
            line: Line::Unknown,
            samples: LineSamples::new(),
            known: Measurements::default(),
            low: LowBattery::default(),
            battery: Battery {
                present: DebouncedFlag::new(true),
                replace: DebouncedFlag::new(false),
                change_me: None,
            },
            last_status: StatusFlags::BATTPRESENT,
            cause: CauseQuery::default(),
            counters: Counters {
                transfers: saved.transfers,
                total: saved.on_battery_total,
                on_battery_at: saved.on_battery_at,
                off_battery_at: saved.off_battery_at,
                last_self_test_at: saved.last_self_test_at,
            },
            poll_rate: PollRate::Normal,
            news: VecDeque::new(),
        };
        if let Some(since) = saved.on_battery_since.map(|since| since.min(now)) {
            supply.resume_saved_outage(since, saved.announced);
        }
        supply
    }

    /// Time has come to `now`, never an earlier one than before; `held_up`: later than the loop was to be woken.
    pub(super) fn begin(&mut self, now: Instant, held_up: bool) {
        self.now = now;
        // Once until a reading has come: a machine that is held up again and again is shut down all the same.
        if held_up && self.samples.held_up.is_none() && self.on_battery_since().is_some() {
            self.look_again();
        }
    }

    /// The computer was suspended and runs again.
    pub(super) fn resume(&mut self) {
        self.samples.candidate = None;
        self.look_again();
    }

    fn look_again(&mut self) {
        self.samples.held_up = Some(self.now);
        self.order(Order::Command(Command::Poll));
    }

    /// A slave's master has answered (`None`), or is unreachable since then.
    pub(super) fn master(&mut self, unreachable_since: Option<Instant>) {
        self.master.seen |= unreachable_since.is_none();
        self.master.unreachable = unreachable_since;
    }

    /// The next that it has to tell; call until `None`.
    pub(super) fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn order(&mut self, order: Order) {
        self.news.push_back(News::Order(order));
    }

    fn event(&mut self, event: Event) {
        self.order(Order::Event(event));
    }

    fn log(&mut self, priority: Priority, text: impl Into<String>) {
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

    fn outage(&self) -> Option<&Outage> {
        match &self.line {
            Line::Battery(outage) => Some(outage),
            _ => None,
        }
    }

    /// Has the UPS asked more or less often, as it must be; `stale_flag`: its host waits for mains to be confirmed.
    pub(super) fn update_pace(&mut self, stale_flag: bool) {
        let fast = self.on_battery_since().is_some()
            || self.samples.candidate.is_some()
            || !self.battery.present.believed()
            || matches!(&self.line, Line::Mains(mains) if mains.ended_test.is_some())
            || (stale_flag && self.line != Line::Unknown)
            || self.battery.present.in_doubt();
        let poll_rate = if fast { PollRate::Fast } else { PollRate::Normal };
        if poll_rate != self.poll_rate {
            self.poll_rate = poll_rate;
            self.order(Order::SetPace(poll_rate));
        }
    }

    /// When a master that was lost during an outage has been away for too long.
    fn master_lost_at(&self) -> Option<Instant> {
        let since = self.master.unreachable.filter(|_| self.master.on_battery && self.settings.slave)?;
        self.outage()?;
        self.comm.silent_since()?;
        since.checked_add(self.settings.net_timeout)
    }

    fn limits_view(&self) -> Option<limits::View<'_>> {
        Some(limits::View {
            settings: &self.settings,
            outage: self.outage()?,
            known: &self.known,
            low: &self.low,
            silent_since: self.comm.silent_since(),
            lost: self.comm.is_lost(),
            master_lost_at: self.master_lost_at(),
        })
    }

    /// The demand for this cause, with its reasons as of now.
    fn demand(&self, cause: Cause, grounds: Basis) -> Demand {
        Demand { cause, explanation: text::explanation(self, cause, grounds) }
    }

    /// A shutdown that is ordered from outside, with what is known of the supply.
    pub(super) fn remote_demand(&self) -> Demand {
        self.demand(Cause::Remote, Basis::Reported)
    }

    /// The same of one that root orders.
    pub(super) fn operator_demand(&self) -> Demand {
        self.demand(Cause::Operator, Basis::Reported)
    }

    /// Whether it tests itself, by its own word too.
    pub(super) fn tests(&self) -> bool {
        matches!(self.line, Line::Test(_)) || self.last_status.contains(StatusFlags::CALIBRATION)
    }

    /// As it is now.
    pub(super) fn condition(&self) -> Condition {
        let on_battery_since = self.on_battery_since();
        Condition {
            mains_since: match &self.line {
                Line::Mains(mains) => Some(mains.since),
                _ => None,
            },
            on_battery_since,
            tests: matches!(self.line, Line::Test(_)),
            outage: self.outage().map(|outage| OutageView {
                counted_from: outage.counted_from,
                annoyed: outage.annoyed,
                no_login_at: self.no_login_at(outage).map(|at| outage.not_before(at)),
            }),
            changing: self.samples.candidate.is_some(),
            doubt_until: self.doubt_until(),
            silent: self.comm.silent_since().is_some(),
            low: self.low.is_said(&self.settings, on_battery_since, self.now),
            emergency: self.low.is_emergency(&self.settings, on_battery_since, self.now),
            runtime: self.known.runtime,
            master_lost: self.master_lost_at().is_some(),
        }
    }

    /// The users have been told of the outage; `annoyme` counts from now.
    pub(super) const fn users_told(&mut self) {
        if let Line::Battery(outage) = &mut self.line {
            outage.annoyed = Some(self.now);
        }
    }

    /// What outlives a restart; the host's part is left out.
    pub(super) fn to_save(&self) -> SavedOutage {
        let outage = self.outage();
        SavedOutage {
            on_battery_since: outage.map(|outage| outage.since),
            announced: self.line.announced() && outage.is_some(),
            transfers: self.counters.transfers,
            on_battery_total: self.counters.total,
            on_battery_at: self.counters.on_battery_at,
            off_battery_at: self.counters.off_battery_at,
            last_self_test_at: self.counters.last_self_test_at,
            decided_at: None,
            counters: None,
        }
    }

    /// What to show of it; the host adds its own bits.
    pub(super) fn view(&self) -> PowerView {
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

    fn flags(&self) -> StatusFlags {
        let n = self.settings.confirm_polls;
        let on_battery = self.on_battery_since().is_some();
        let mut flags = StatusFlags::PLUGGED | self.last_status;
        // The line as believed; ONLINE beside ONBATT only if the UPS says both.
        let both =
            self.last_status.contains(StatusFlags::ONLINE) && self.last_status.contains(StatusFlags::ONBATT);
        flags.set(StatusFlags::ONBATT, on_battery);
        flags.set(StatusFlags::ONLINE, matches!(self.line, Line::Mains(_)) || (on_battery && both));
        flags.set(StatusFlags::BATTLOW, self.low.said_since(n).is_some());
        flags.set(StatusFlags::BATTPRESENT, self.battery.present.believed());
        flags.set(StatusFlags::REPLACEBATT, self.battery.replace.believed());
        let silent = self.comm.silent_since().is_some() || self.line == Line::Unknown;
        flags.set(StatusFlags::COMMLOST, silent);
        flags.set(StatusFlags::FASTPOLL, on_battery);
        flags.set(
            StatusFlags::SLAVE,
            self.settings.slave && (self.master.seen || self.known.read_at.is_some()),
        );
        flags.set(StatusFlags::ONBATT_MSG, self.line.announced());
        if let Some(outage) = self.outage() {
            flags.set(StatusFlags::SHUT_LOAD, outage.charge_low.since(n).is_some());
            flags.set(StatusFlags::SHUT_LTIME, outage.runtime_low.since(n).is_some());
        }
        flags
    }
}
