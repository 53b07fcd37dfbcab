//! Every timer of the machine, by name.

use std::time::{Duration, Instant};

use super::comm::{Comm, FIRST_CONTACT, SAY_AGAIN};
use super::latch::Latch;
use super::limits;
use super::machine::{Candidate, Machine};
use super::outage::{CAUSE_WAIT, Line, RESULT_WAIT};
use super::streak::Streak;
use super::text;
use super::{Cause, Order};
use crate::ups::{Event, NoLogon, Priority};

/// While a reading that says mains waits for agreement, a limit waits this long for it; and so long for a reading, after
/// the daemon was held up.
pub(super) const MAINS_DOUBT: Duration = Duration::from_secs(3);

/// A timer. None runs on mains but those of a shutdown that did not happen and of a UPS that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The UPS has been silent for COMMLOSTDELAY, or for 60 s since start: `commfailure`.
    CommFailure,
    /// Still silent 10 min after the last line about it: the line again.
    CommSayAgain,
    /// The UPS has not said within 1 s why it transferred, or only what it said before: it is announced as that.
    Cause,
    /// The UPS has answered why it transferred, and it may be the cause of the transfer before: it is asked again.
    AskCause,
    /// The UPS has not said within 5 s how its self test ended: `endselftest` with what is known.
    TestResult,
    /// A self test over 40 s, or a calibration over its bound, is an outage.
    TestLongest,
    /// ONBATTERYDELAY after `powerout`: `onbattery`.
    OnBattery,
    /// The earliest limit: the shutdown is decided.
    Limit,
    /// Slaves have been told of the decided shutdown: all of them have gone and SLAVELEAD is over, SLAVEWAIT or what the
    /// battery allows is over, or it is time to look again who is there (every second).
    Slaves,
    /// The shutdown was decided, ordered SHUTDOWNGRACE ago (30 s if every way failed), and the machine still runs.
    ShutdownAgain,
    /// `-p`, or KILLDELAY after `doshutdown`: UPS power off.
    Kill,
    /// NOLOGON by time: no more logins.
    NoLogin,
    /// ANNOY and ANNOYDELAY: `annoyme`.
    Annoy,
    /// Mains back for 60 s after a decided shutdown: the latch is armed again.
    Rearm,
    /// The same, and SHUTDOWNGRACE over: the `powerfail` flag is stale.
    FlagStale,
    /// `-t`: the daemon leaves once the shutdown is under way (and UPS power has been told off, with `-p`).
    Exit,
}

impl Timer {
    /// All, in the order in which they fire when due at the same moment.
    pub(super) const ALL: [Self; 16] = [
        Self::CommFailure,
        Self::CommSayAgain,
        Self::Cause,
        Self::AskCause,
        Self::TestResult,
        Self::TestLongest,
        Self::OnBattery,
        Self::Limit,
        Self::Slaves,
        Self::ShutdownAgain,
        Self::Kill,
        Self::NoLogin,
        Self::Annoy,
        Self::Rearm,
        Self::FlagStale,
        Self::Exit,
    ];
}

impl Machine {
    /// The earliest timer.
    pub(super) fn next_timer(&self) -> Option<(Instant, Timer)> {
        Timer::ALL
            .into_iter()
            .filter_map(|timer| Some((self.deadline(timer)?, timer)))
            .min_by_key(|(at, _)| *at)
    }

    /// Fires what is due, in order of deadlines.
    pub(super) fn run_timers(&mut self) {
        // Each firing moves its own deadline past now; the bound only keeps a mistake from hanging the loop.
        for _ in 0..64 {
            match self.next_timer() {
                Some((at, timer)) if at <= self.now => self.fire(timer, at),
                _ => return,
            }
        }
    }

    pub(super) fn deadline(&self, timer: Timer) -> Option<Instant> {
        let settings = &self.settings;
        match timer {
            Timer::CommFailure => match &self.comm {
                Comm::Starting { since, .. } => {
                    let wait = if settings.slave { settings.comm_lost_delay } else { FIRST_CONTACT };
                    since.checked_add(wait)
                }
                Comm::Silent { since, .. } => since.checked_add(settings.comm_lost_delay),
                Comm::Up | Comm::Lost { .. } => None,
            },
            Timer::CommSayAgain => match &self.comm {
                Comm::Lost { said_at, .. } => said_at.checked_add(SAY_AGAIN),
                _ => None,
            },
            Timer::Cause => match &self.line {
                Line::Transferred { confirmed, .. } => confirmed.checked_add(CAUSE_WAIT),
                _ => None,
            },
            Timer::AskCause => match &self.line {
                Line::Transferred { .. } => self.cause.again_at,
                _ => None,
            },
            Timer::TestResult => match &self.line {
                Line::Mains(mains) => mains.ended_test.and_then(|_| mains.since.checked_add(RESULT_WAIT)),
                _ => None,
            },
            Timer::TestLongest => match &self.line {
                Line::Test(test) => Some(test.until),
                _ => None,
            },
            Timer::OnBattery => {
                let outage = self.outage().filter(|outage| !outage.announced)?;
                outage.counted_from.checked_add(settings.on_battery_delay).map(|at| outage.not_before(at))
            }
            Timer::Limit => {
                let view = self.limits_view().filter(|_| self.latch == Latch::Armed)?;
                limits::earliest(&view).map(|at| self.not_in_doubt(at))
            }
            Timer::Slaves => self.slaves_due(),
            Timer::ShutdownAgain => {
                let closed = self.latch.closed().filter(|_| self.still_wanted())?;
                closed.again_at(settings.shutdown_grace).map(|at| self.not_in_doubt(at))
            }
            Timer::Kill => self.kill_due(),
            Timer::NoLogin => {
                self.no_login_at().map(|at| self.outage().map_or(at, |outage| outage.not_before(at)))
            }
            Timer::Annoy => self.annoy_at(),
            Timer::Rearm => self.rearm_at(),
            Timer::FlagStale => self.flag_stale_at(),
            Timer::Exit => self.exit_at,
        }
    }

    pub(super) fn not_in_doubt(&self, at: Instant) -> Instant {
        let mains = self.samples.candidate.filter(|Candidate { on_battery, .. }| !on_battery);
        let until = mains.and_then(|c| Streak::first(c.streak)?.checked_add(MAINS_DOUBT));
        let seen = self.samples.held_up.and_then(|since| since.checked_add(MAINS_DOUBT));
        until.into_iter().chain(seen).fold(at, Instant::max)
    }

    /// When logins are prohibited by the clock; by charge and runtime it is at once.
    fn no_login_at(&self) -> Option<Instant> {
        let outage = self.outage().filter(|_| !self.no_login && self.latch == Latch::Armed)?;
        let settings = &self.settings;
        match settings.no_logon {
            NoLogon::Disable => None,
            NoLogon::Always => outage.announced.then_some(outage.counted_from),
            NoLogon::Timeout => match settings.timeout {
                Some(timeout) => outage.counted_from.checked_add(timeout.mul_f64(0.9)),
                None => outage.announced.then_some(outage.counted_from),
            },
            NoLogon::Percent => {
                let limit = threshold(settings.battery_level?.0);
                let charge = self.known.charge.filter(|charge| charge.at >= outage.since)?;
                (charge.value <= limit).then_some(charge.at)
            }
            NoLogon::Minutes => {
                let limit = threshold(settings.minutes?.0);
                let runtime = self.known.runtime.filter(|runtime| runtime.at >= outage.since)?;
                (runtime.value <= limit).then_some(runtime.at)
            }
        }
    }

    fn annoy_at(&self) -> Option<Instant> {
        let outage = self.outage().filter(|_| self.no_login && self.latch == Latch::Armed)?;
        let settings = &self.settings;
        let again = settings.annoy.max(Duration::from_secs(1));
        let last = outage.annoyed.unwrap_or(outage.counted_from);
        Some(last.checked_add(again)?.max(outage.counted_from.checked_add(settings.annoy_delay)?))
    }

    fn fire(&mut self, timer: Timer, at: Instant) {
        match timer {
            Timer::CommFailure => {
                let since = self.comm.silent_since().unwrap_or(self.now);
                let reason = self.comm.reason().to_owned();
                self.order(if reason.is_empty() {
                    Order::Event(Event::CommFailure)
                } else {
                    Order::EventWithReason(Event::CommFailure, text::no_answer(&reason))
                });
                self.comm = Comm::Lost { since, said_at: self.now, reason };
                // Its end cannot be seen any more, so the limits must count by our clock.
                self.test_is_an_outage(at, "the UPS is silent");
            }
            Timer::CommSayAgain => {
                self.log(Event::CommFailure.priority(), Event::CommFailure.text());
                if let Comm::Lost { said_at, .. } = &mut self.comm {
                    *said_at = self.now;
                }
            }
            Timer::Cause => self.classify(),
            Timer::AskCause => self.ask_cause(),
            Timer::TestResult => self.finish_test(),
            Timer::TestLongest => self.test_is_an_outage(at, "it lasts too long"),
            Timer::OnBattery => {
                if let Line::Battery(outage) = &mut self.line {
                    outage.announced = true;
                    // As scheduled, not as late as the loop was: a stall must not stretch TIMEOUT.
                    let scheduled =
                        outage.counted_from.checked_add(self.settings.on_battery_delay).unwrap_or(at);
                    outage.counted_from = scheduled.min(at);
                    self.event(Event::OnBattery);
                }
            }
            Timer::Limit => {
                let due = self.limits_view().and_then(|view| limits::first_due(&view, self.now));
                if let Some((cause, grounds)) = due {
                    if cause == Cause::MasterLost {
                        if !self.comm.is_lost() {
                            self.fire(Timer::CommFailure, at);
                        }
                        let text = "Shutdown because loss of comm with NIS master while on batteries.";
                        self.log(Priority::Error, text);
                    }
                    self.decide(cause, grounds);
                }
            }
            Timer::Slaves => self.await_slaves(),
            Timer::ShutdownAgain => self.order_again(),
            Timer::Kill => self.kill_power(),
            Timer::NoLogin => self.prohibit_logins(),
            Timer::Annoy => {
                if let Line::Battery(outage) = &mut self.line {
                    let first = outage.annoyed.replace(self.now).is_none();
                    let event = Event::AnnoyMe;
                    self.order(if first { Order::Event(event) } else { Order::Hook(event) });
                }
            }
            Timer::Rearm => {
                self.latch = Latch::Armed;
                self.exit_at = None;
                // A shutdown ordered from outside prohibits logins on mains too.
                if self.outage().is_none() && self.no_login {
                    self.allow_logins();
                }
                self.log(
                    Priority::Notice,
                    "The system still runs and its shutdown is not called for any more: ready to shut it down again.",
                );
            }
            Timer::FlagStale => {
                self.powerfail = None;
                self.order(Order::RemovePowerfail);
            }
            Timer::Exit => {
                self.exit_at = None;
                self.order(Order::Exit);
            }
        }
    }
}

/// 110 % of a limit, as a whole number above it (config §4 item 5).
fn threshold(limit: f64) -> f64 {
    let more = (limit * 1.1).trunc();
    if more > limit { more } else { limit + 1.0 }
}
