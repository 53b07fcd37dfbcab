//! The limits of an outage: when each is due, and which comes first.
//!
//! Every limit is a moment. The machine sleeps until the earliest and takes the first of the table that is due, so the
//! order of the reference (power-events §3) and the deadlines come from one place.

use std::time::{Duration, Instant};

use super::debounce::Debounce;
use super::low_battery::LowBattery;
use super::measurements::{Aged, Measurements};
use super::outage::Outage;
use super::{Cause, Settings};

/// How long low battery, charge and runtime must hold (power-events §3).
pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);
/// From this age on a value is projected by our clock.
pub(super) const STALE_AGE: Duration = Duration::from_secs(10);
/// So long a sample that the one before does not bear out waits for another.
const UNSUPPORTED_SAMPLE_WAIT: Duration = Duration::from_secs(60);
/// With MINUTES off and the UPS silent, this much projected runtime is the end. Minutes.
const RESERVE_MINUTES: f64 = 1.0;
/// With nothing to project from and the UPS silent, this long on battery is the end.
pub(super) const BLIND_TIMEOUT: Duration = Duration::from_secs(600);

/// What the limits are judged by.
pub(super) struct View<'a> {
    pub(super) settings: &'a Settings,
    pub(super) outage: &'a Outage,
    pub(super) known: &'a Measurements,
    pub(super) low: &'a LowBattery,
    /// The UPS has not answered since.
    pub(super) silent_since: Option<Instant>,
    /// `commfailure` has been issued.
    pub(super) lost: bool,
    /// When the loss of a slave's master is a reason of its own.
    pub(super) master_lost_at: Option<Instant>,
}

/// On what a decision rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// What the UPS says, or TIMEOUT by our clock.
    Reported,
    /// The last values minus the time since.
    Extrapolated,
    /// The UPS is silent and never said anything to project from.
    NoData,
}

/// One limit: when it is due, what it is, on what it rests.
pub(super) type Due = (Instant, Cause, Basis);

/// All limits in the order in which they are reported when several are due.
pub(super) fn all(view: &View) -> [Option<Due>; 10] {
    let View { settings, outage, known, .. } = view;
    let n = settings.confirm_polls;
    let held =
        |streak: Debounce, cause| Some((streak.since(n)?.checked_add(DEBOUNCE)?, cause, Basis::Reported));
    let timeout = settings.timeout.and_then(|t| outage.counted_from.checked_add(t));
    let said = [
        timeout.map(|at| (at, Cause::Timeout, Basis::Reported)),
        view.low.due(settings, outage.since).map(|at| (at, Cause::LowBattery, Basis::Reported)),
        held(outage.charge_low, Cause::Charge),
        held(outage.runtime_low, Cause::Runtime),
        view.low.emergency_at(settings, outage.since).map(|at| (at, Cause::Emergency, Basis::Reported)),
    ];
    let silent = known.read_at.filter(|_| view.lost).and_then(|at| at.checked_add(STALE_AGE));
    let latched = silent.and_then(|at| view.low.latched_at(settings, at, outage.since));
    let charge = projected_charge(view);
    let runtime = projected_runtime(view);
    let hopeless = timeout.is_none() && charge.is_none() && runtime.is_none();
    let blind = view.silent_since.filter(|_| hopeless).and_then(|silent| {
        known.read_at.unwrap_or(silent).max(outage.since).checked_add(BLIND_TIMEOUT).map(|at| at.max(silent))
    });
    let [a, b, c, d, e] = said;
    let table = [
        a,
        b,
        c,
        d,
        e,
        latched.map(|at| (at, Cause::LowBattery, Basis::Extrapolated)),
        charge.map(|at| (at, Cause::Charge, Basis::Extrapolated)),
        runtime,
        blind.map(|at| (at, Cause::LowBattery, Basis::NoData)),
        view.master_lost_at.map(|at| (at, Cause::MasterLost, Basis::Reported)),
    ];
    table.map(|due| due.map(|(at, cause, grounds)| (outage.not_before(at), cause, grounds)))
}

/// What is projected from: a charge and a runtime.
type Sampled = (Option<Aged>, Option<Aged>);

/// Projects from the last samples and, of this outage, from those before. An odd sample after which no other came is no reason
/// to shut down at once: the later of both moments counts, but a battery can also fail at once, and nobody says otherwise.
fn from_two_samples(view: &View, project: impl Fn(Sampled) -> Option<Instant>) -> Option<Instant> {
    let known = view.known;
    let last = project((known.charge, known.runtime))?;
    let [charge, runtime] = known.before.map(|before| before.filter(|aged| aged.at >= view.outage.since));
    let before = project((charge.or(known.charge), runtime.or(known.runtime)));
    let before = before.filter(|_| view.settings.confirm_polls > 1);
    Some(before.map_or(last, |before| {
        before.min(last.checked_add(UNSUPPORTED_SAMPLE_WAIT).unwrap_or(last)).max(last)
    }))
}

/// When the charge will have fallen to BATTERYLEVEL, if it falls as the runtime says or, without one, as it has fallen
/// since this outage began.
fn projected_charge(view: &View) -> Option<Instant> {
    let limit = view.settings.battery_level?.0;
    from_two_samples(view, |(charge, runtime)| {
        let last = charge?;
        let from = last.at.max(view.outage.since);
        if last.value <= limit {
            return due_after(from, 0.0);
        }
        let rate = match runtime {
            Some(runtime) if runtime.value > 0.0 => last.value / (runtime.value * 60.0),
            _ => {
                let (first, at) = view.outage.first_charge?;
                let fallen = first - last.value;
                let over = last.at.saturating_duration_since(at).as_secs_f64();
                if fallen <= 0.0 || over <= 0.0 {
                    return None;
                }
                fallen / over
            }
        };
        due_after(from, (last.value - limit) / rate)
    })
}

/// When the runtime will have fallen to MINUTES, or to the reserve if MINUTES is off.
fn projected_runtime(view: &View) -> Option<Due> {
    let (limit, cause) = match view.settings.minutes {
        Some(minutes) => (minutes.0, Cause::Runtime),
        // Without MINUTES the UPS itself would have said LOWBATT; while it answers it still can.
        None if view.silent_since.is_some() => (RESERVE_MINUTES, Cause::LowBattery),
        None => return None,
    };
    let at = from_two_samples(view, |(_, runtime)| {
        let last = runtime?;
        due_after(last.at.max(view.outage.since), (last.value - limit) * 60.0)
    })?;
    Some((at, cause, Basis::Extrapolated))
}

/// `seconds` after `from`, where the last value and the outage both are, but not while it is fresh: then the next sample
/// decides. One from before the outage gives the UPS as long to say another.
fn due_after(from: Instant, seconds: f64) -> Option<Instant> {
    let span = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
    from.checked_add(span.max(STALE_AGE))
}

/// The first limit of the table that is due.
pub(super) fn first_due(view: &View, now: Instant) -> Option<(Cause, Basis)> {
    all(view).into_iter().flatten().find(|(at, ..)| *at <= now).map(|(_, cause, grounds)| (cause, grounds))
}

/// When the next limit is due.
pub(super) fn earliest(view: &View) -> Option<Instant> {
    all(view).into_iter().flatten().map(|(at, ..)| at).min()
}
