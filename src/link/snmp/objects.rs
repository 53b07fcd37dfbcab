//! Which objects this card has, and which are asked for together.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::mib::{Item, Mib, Row, Shape, When};
use crate::wire::snmp::{Oid, Value};

/// Most objects in one request at first: an answer of so many fits into one packet of a network.
const TOGETHER: usize = 20;
/// Most rows of a column that are asked for at once, and in all.
const ROWS_AT_ONCE: i32 = 8;
pub(super) const ROWS_MAX: usize = 64;
/// A card that restarts lacks what it has: what is missing is asked for again after this.
const ABSENCE_BELIEVED: Duration = Duration::from_secs(10 * 60);
/// After so many polls without an answer a value is no longer what the UPS says.
const MISSED_MAX: u8 = 3;

/// What is asked for next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Job {
    /// Scalars, by their rows.
    Get(Vec<usize>),
    /// A column, by its row: what comes behind `from`, and what has come of it so far.
    Walk { row: usize, from: Oid, found: Vec<Value> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Present,
    Absent,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    number: Option<f64>,
    missed: u8,
}

/// What is known of them. Begins anew with each return of the card.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) mib: &'static Mib,
    known: Vec<Known>,
    since: Instant,
    /// Most objects in one request.
    together: usize,
    /// Most rows of a column in one answer.
    pub(super) rows_at_once: i32,
}

impl Objects {
    pub(super) fn new(mib: &'static Mib, now: Instant) -> Self {
        let known = Known { state: State::Unknown, number: None, missed: 0 };
        Self {
            mib,
            known: vec![known; mib.rows.len()],
            since: now,
            together: TOGETHER,
            rows_at_once: ROWS_AT_ONCE,
        }
    }

    pub(super) fn row(&self, row: usize) -> Option<&'static Row> {
        self.mib.rows.get(row)
    }

    /// The name by which a row is asked for, or begins to be.
    pub(super) fn name(&self, row: usize) -> Oid {
        match self.row(row) {
            Some(it) if it.shape == Shape::Scalar => self.mib.scalar(it.tail),
            Some(it) => self.mib.object(it.tail),
            None => Oid::default(),
        }
    }

    fn is(&self, row: usize, state: State) -> bool {
        self.known.get(row).is_some_and(|known| known.state == state)
    }

    /// The rows with the status of the output: it is always asked for.
    pub(super) fn status(&self) -> Vec<usize> {
        self.rows(&[When::Status])
    }

    /// What is asked for that is read at these times.
    fn rows(&self, when: &[When]) -> Vec<usize> {
        let is_asked = |row: &usize| {
            let Some(it) = self.row(*row) else { return false };
            let is_said_finer = self.mib.finer(*row).is_some_and(|finer| self.is(finer, State::Present));
            let is_empty = it.item == Item::Alarms && self.number(Item::AlarmCount) == Some(0.0);
            when.contains(&it.when)
                && (*row == 0 || !self.is(*row, State::Absent))
                && !is_said_finer
                && !is_empty
        };
        (0..self.mib.rows.len()).filter(is_asked).collect()
    }

    /// The last number of an object.
    pub(super) fn number(&self, item: Item) -> Option<f64> {
        let row = self.mib.rows.iter().position(|row| row.item == item)?;
        self.known.get(row)?.number
    }

    /// What to ask for to read what is read at these times.
    pub(super) fn jobs(&mut self, when: &[When], now: Instant) -> VecDeque<Job> {
        if now >= self.since + ABSENCE_BELIEVED {
            self.since = now;
            self.together = TOGETHER;
            for known in self.known.iter_mut().filter(|known| known.state == State::Absent) {
                known.state = State::Unknown;
            }
        }
        let is_scalar = |row: &usize| self.row(*row).is_some_and(|it| it.shape == Shape::Scalar);
        let (scalars, columns): (Vec<usize>, Vec<usize>) = self.rows(when).into_iter().partition(is_scalar);
        let gets = scalars.chunks(self.together.max(1)).map(|rows| Job::Get(rows.to_vec()));
        gets.chain(columns.into_iter().map(|row| self.walk(row))).collect()
    }

    /// To read a column from its beginning.
    pub(super) fn walk(&self, row: usize) -> Job {
        Job::Walk { row, from: self.name(row), found: Vec::new() }
    }

    /// The object is there, and says this number. False: it is not what it says: its fellow has more to say.
    pub(super) fn present(&mut self, row: usize, number: Option<f64>) -> bool {
        let Some(item) = self.row(row).map(|it| it.item) else { return false };
        let fellow = self.mib.rows.iter().position(|it| it.item == item).filter(|fellow| *fellow < row);
        // Some cards have the finer object and always say there 0, or that it is not known: the other one is asked for then. While the
        // other says 0 too, as in an outage, it cannot be told which of the two is right.
        let is_new = self.is(row, State::Unknown);
        let others = fellow.and_then(|fellow| self.known.get(fellow)?.number);
        let state = match number {
            None if fellow.is_some() => State::Absent,
            Some(0.0) if fellow.is_some() && is_new && others.is_some_and(|more| more >= 1.0) => {
                State::Absent
            }
            Some(0.0) if fellow.is_some() && is_new => State::Unknown,
            _ => State::Present,
        };
        let Some(known) = self.known.get_mut(row) else { return false };
        (known.number, known.state) = (number, state);
        let is_said_finer = self.mib.finer(row).is_some_and(|finer| self.is(finer, State::Present));
        state == State::Present && !is_said_finer
    }

    /// The object says something that can be.
    pub(super) fn heard(&mut self, row: usize) {
        if let Some(known) = self.known.get_mut(row) {
            known.missed = 0;
        }
    }

    /// The card does not have this object.
    pub(super) fn absent(&mut self, row: usize) {
        if let Some(known) = self.known.get_mut(row) {
            (known.state, known.number) = (State::Absent, None);
        }
    }

    /// Whether another row says the same, and is there.
    pub(super) fn is_said_by_another(&self, row: usize) -> bool {
        let item = self.row(row).map(|it| it.item);
        let others =
            self.mib.rows.iter().enumerate().filter(|(other, it)| *other != row && Some(it.item) == item);
        others.into_iter().any(|(other, _)| self.is(other, State::Present))
    }

    /// The card has not said this now. True: nor the times before, so what it has said is no longer so.
    pub(super) fn missed(&mut self, row: usize) -> bool {
        let Some(known) = self.known.get_mut(row) else { return false };
        known.missed = known.missed.saturating_add(1);
        known.missed >= MISSED_MAX
    }

    /// The card does not answer so many objects together: what is asked for instead; nothing if it was one.
    pub(super) fn too_many(&mut self, rows: &[usize]) -> Vec<Job> {
        if rows.len() > 1 {
            self.together = self.together.min(rows.len() / 2).max(1);
        }
        halves(rows)
    }

    /// How many are asked for together.
    pub(super) const fn together(&self) -> usize {
        self.together
    }
}

/// Two requests in the place of one; none if it cannot be split.
fn halves(rows: &[usize]) -> Vec<Job> {
    if rows.len() < 2 {
        return Vec::new();
    }
    let (first, second) = rows.split_at(rows.len() / 2);
    vec![Job::Get(first.to_vec()), Job::Get(second.to_vec())]
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::super::mib::ALL;
    use super::*;

    /// PowerNet: the charge, and the same in tenths.
    fn charge() -> (Objects, usize, usize) {
        let objects = Objects::new(ALL[0], Instant::now());
        let row = objects.mib.rows.iter().position(|row| row.item == Item::Charge).unwrap();
        let finer = objects.mib.finer(row).unwrap();
        (objects, row, finer)
    }

    fn asked(objects: &Objects, row: usize) -> bool {
        objects.rows(&[When::Polled]).contains(&row)
    }

    #[test]
    fn of_two_objects_that_say_the_same_the_finer_one_counts_and_is_asked_for_alone() {
        let (mut objects, row, finer) = charge();
        assert!(objects.present(row, Some(98.0)));
        assert!(objects.present(finer, Some(987.0)));
        assert!(!asked(&objects, row) && asked(&objects, finer));
        // In the same answer as the finer one, or behind it.
        assert!(!objects.present(row, Some(98.0)));
        // Once it has said more, 0 is what it says.
        assert!(objects.present(finer, Some(0.0)) && !asked(&objects, row));
    }

    #[test]
    fn a_finer_object_that_says_0_beside_more_or_nothing_is_none() {
        for number in [Some(0.0), None] {
            let (mut objects, row, finer) = charge();
            assert!(objects.present(row, Some(98.0)));
            assert!(!objects.present(finer, number));
            assert!(asked(&objects, row) && !asked(&objects, finer), "{number:?}");
            assert!(objects.present(row, Some(97.0)));
        }
    }

    #[test]
    fn beside_0_a_finer_0_says_nothing_and_both_are_asked_for_until_one_of_them_says_more() {
        let (mut objects, row, finer) = charge();
        assert!(objects.present(row, Some(0.0)));
        assert!(!objects.present(finer, Some(0.0)));
        assert!(asked(&objects, row) && asked(&objects, finer));
        assert!(objects.present(row, Some(5.0)));
        assert!(!objects.present(finer, Some(0.0)));
        assert!(asked(&objects, row) && !asked(&objects, finer));
        let (mut objects, row, finer) = charge();
        objects.present(row, Some(0.0));
        objects.present(finer, Some(0.0));
        assert!(objects.present(finer, Some(3.0)));
        assert!(!asked(&objects, row) && asked(&objects, finer));
    }

    #[test]
    fn an_object_that_says_nothing_three_times_in_a_row_no_longer_says_what_it_did() {
        let (mut objects, row, _) = charge();
        assert!(!objects.missed(row) && !objects.missed(row));
        objects.heard(row);
        assert!(!objects.missed(row) && !objects.missed(row) && objects.missed(row));
    }

    #[test]
    fn a_number_that_the_card_no_longer_has_is_none() {
        let (mut objects, row, _) = charge();
        objects.present(row, Some(98.0));
        objects.absent(row);
        assert_eq!(objects.number(Item::Charge), None);
    }
}
