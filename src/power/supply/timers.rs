//! Every timer of a supply, by name.

use std::time::{Duration, Instant};

use super::comm::{Comm, FIRST_CONTACT, SAY_AGAIN};
use super::debounce::Debounce;
use super::outage::{CAUSE_WAIT, Line, Outage, RESULT_WAIT};
use super::{Candidate, Cause, News, Order, Supply, limits, text};
use crate::ups::{Event, NoLogon, Priority};

/// While a reading that says mains waits for agreement, a limit waits this long for it; and so long for a reading, after
/// the daemon was held up.
pub(super) const AMBIGUITY_GRACE: Duration = Duration::from_secs(3);

/// A timer of a supply. None runs on mains but those of a UPS that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::power) enum Timer {
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
    /// The earliest limit: the shutdown is demanded. Not once it is decided.
    Limit,
}

impl Timer {
    /// All, in the order in which they fire when due at the same moment.
    pub(in crate::power) const ALL: [Self; 8] = [
        Self::CommFailure,
        Self::CommSayAgain,
        Self::Cause,
        Self::AskCause,
        Self::TestResult,
        Self::TestLongest,
        Self::OnBattery,
        Self::Limit,
    ];
}

impl Supply {
    /// The earliest timer; `decided`: the host shuts down.
    pub(in crate::power) fn next_timer(&self, decided: bool) -> Option<(Instant, Timer)> {
        Timer::ALL
            .into_iter()
            .filter_map(|timer| Some((self.deadline(timer, decided)?, timer)))
            .min_by_key(|(at, _)| *at)
    }

    fn deadline(&self, timer: Timer, decided: bool) -> Option<Instant> {
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
                let view = self.limits_view().filter(|_| !decided)?;
                limits::earliest(&view).map(|at| self.defer_while_ambiguous(at))
            }
        }
    }

    /// While mains may be back nothing that cannot be undone is done before this.
    pub(super) fn doubt_until(&self) -> Option<Instant> {
        let mains = self.samples.candidate.filter(|Candidate { on_battery, .. }| !on_battery);
        let until = mains.and_then(|c| Debounce::first(c.streak)?.checked_add(AMBIGUITY_GRACE));
        let seen = self.samples.held_up.and_then(|since| since.checked_add(AMBIGUITY_GRACE));
        until.into_iter().chain(seen).max()
    }

    fn defer_while_ambiguous(&self, at: Instant) -> Instant {
        self.doubt_until().map_or(at, |until| at.max(until))
    }

    /// When logins are prohibited by the clock; by charge and runtime it is at once.
    pub(super) fn no_login_at(&self, outage: &Outage) -> Option<Instant> {
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

    /// Does what is due by this timer, which was set for `at`.
    pub(in crate::power) fn fire(&mut self, timer: Timer, at: Instant) {
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
                    let demand = self.demand(cause, grounds);
                    self.news.push_back(News::Demand(demand));
                }
            }
        }
    }
}

/// 110 % of a limit, as a whole number above it (config §4 item 5).
fn threshold(limit: f64) -> f64 {
    let more = (limit * 1.1).trunc();
    if more > limit { more } else { limit + 1.0 }
}
