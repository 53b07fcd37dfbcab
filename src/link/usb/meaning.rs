//! What this device's numbers mean where its descriptor does not say it, or says it wrongly: learned from its readings, and
//! kept for as long as the device is the same one.

use std::time::Instant;

use super::runtime::{RuntimeUnit, Sample, Unit};
use super::scale::{Around, Factor, Quantity, Scale, can_be, judge};
use crate::ups::{Priority, plain};
use crate::wire::hid::Field;

/// A measured number of one reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub field: Field,
    pub raw: i64,
    /// When it was taken from the UPS.
    pub at: Option<Instant>,
}

/// What one poll has read that says something about the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub around: Around,
    /// In the order of [`Quantity::ALL`].
    pub measured: [Option<Number>; Quantity::ALL.len()],
    /// A runtime without a unit.
    pub runtime: Option<Sample>,
    /// Copies of a low battery flag contradict each other, and mains is there.
    pub low_contradicted_on_mains: bool,
    /// A charge in ampere-seconds is no percentage.
    pub charge_over_100: bool,
}

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Meaning {
    scales: [Scale; Quantity::ALL.len()],
    runtime: RuntimeUnit,
    /// That the unit of the runtime is not known has been told.
    told_unknown: bool,
    /// For each quantity: that it is left out has been told.
    left_out: [bool; Quantity::ALL.len()],
    /// A copy of a low battery flag has said so on mains while another denied it: it is stuck.
    stuck_low: bool,
    charge_over_100: bool,
}

impl Meaning {
    /// The value of a measured number; `None` if it cannot be.
    pub(super) fn value(&self, quantity: Quantity, number: &Number, around: &Around) -> Option<f64> {
        Some(self.scaled(quantity, number)).filter(|value| can_be(quantity, *value, around))
    }

    /// The value of a measured number, whether it can be or not.
    pub(super) fn scaled(&self, quantity: Quantity, number: &Number) -> f64 {
        let factor = self.scales.get(quantity as usize).map_or(Factor::Literal, Scale::factor);
        factor.scale(&number.field, number.raw)
    }

    /// What a runtime without a unit counts, once that is known.
    pub(super) const fn runtime_unit(&self) -> Option<Unit> {
        self.runtime.decided()
    }

    /// Whether a low battery flag that another copy denies has done so on mains already.
    pub(super) const fn low_is_stuck(&self) -> bool {
        self.stuck_low
    }

    /// Whether a charge in ampere-seconds has been more than 100.
    pub(super) const fn charge_is_no_percentage(&self) -> bool {
        self.charge_over_100
    }

    /// Whether the next reading should come soon.
    pub(super) const fn wants_samples(&self, facts: &Facts) -> bool {
        facts.runtime.is_some() && self.runtime.wants_samples()
    }

    /// Takes in what a poll has read; lines for the log come back.
    pub(super) fn note(&mut self, facts: &Facts) -> Vec<(Priority, String)> {
        let mut lines = Vec::new();
        for ((quantity, number), (scale, left_out)) in
            Quantity::ALL.into_iter().zip(facts.measured).zip(self.scales.iter_mut().zip(&mut self.left_out))
        {
            let Some(number) = number else { continue };
            let literal = Factor::Literal.scale(&number.field, number.raw);
            let decided = scale.vote(judge(quantity, literal, &facts.around), number.at);
            let value = scale.factor().scale(&number.field, number.raw);
            if decided.is_some_and(|factor| factor != Factor::Literal) {
                lines.push((
                    Priority::Info,
                    format!(
                        "{}: the UPS says {}, by all its readings {} is meant: shown so from now on",
                        quantity.key(),
                        plain(literal),
                        plain(value)
                    ),
                ));
            }
            if !can_be(quantity, value, &facts.around) && !std::mem::replace(left_out, true) {
                let text =
                    format!("{} is left out: the UPS says {}, which cannot be", quantity.key(), plain(value));
                lines.push((Priority::Info, text));
            }
        }
        if let Some(sample) = &facts.runtime {
            match self.runtime.note(sample) {
                Some(unit) => lines.push((Priority::Notice, known(sample, unit))),
                None if self.runtime.decided().is_some() || self.told_unknown => {}
                None => {
                    self.told_unknown = true;
                    lines.push((Priority::Warning, unknown(sample)));
                }
            }
        }
        self.stuck_low |= facts.low_contradicted_on_mains;
        self.charge_over_100 |= facts.charge_over_100;
        lines
    }
}

fn known(sample: &Sample, unit: Unit) -> String {
    format!(
        "the runtime {} of the UPS has no unit: by its readings it counts {}",
        plain(sample.runtime),
        unit.words()
    )
}

fn unknown(sample: &Sample) -> String {
    format!(
        "the UPS says a runtime of {} without a unit: until its readings show whether that is seconds or minutes, TIMELEFT is not \
         shown and MINUTES not judged; BATTERYLEVEL and the low battery flag are",
        plain(sample.runtime)
    )
}
