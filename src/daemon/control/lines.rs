//! How often the orders of each user are logged: nobody's orders keep those of another out of the log, nor a kind of order another kind,
//! nor any of them what else the daemon has to say.

use std::time::Instant;

use crate::daemon::line_limit::LineLimit;
use crate::ups::Priority;
use crate::wire::control::{Outcome, Row};

/// Users that are told apart; of more the one that has ordered nothing for the longest time is forgotten.
const USERS_MAX: usize = 8;

/// The lines of each user, who has ordered last behind.
#[derive(Debug, Default)]
pub struct OrderLines(Vec<(u32, LineLimit)>);

impl OrderLines {
    /// A line about an order of this user, that it was given or how it has ended: what to log of it now, if anything.
    pub fn offer(
        &mut self,
        uid: u32,
        (row, outcome): (&Row, Option<Outcome>),
        (priority, text): (Priority, &str),
        now: Instant,
    ) -> Option<String> {
        let lines = match self.0.iter().position(|(of, _)| *of == uid) {
            Some(at) => self.0.remove(at).1,
            None => LineLimit::default(),
        };
        if self.0.len() >= USERS_MAX {
            self.0.remove(0);
        }
        self.0.push((uid, lines));
        let (_, lines) = self.0.last_mut()?;
        // Whatever value it has, and whatever the UPS says to it.
        let kind = format!("{}:{}", row.words, outcome.map_or("", Outcome::word));
        lines.offer_kind(&kind, priority, text, now)
    }

    /// The next line that was left out and is due, with the number of those that it stands for.
    pub fn poll_line(&mut self, now: Instant) -> Option<(Priority, String)> {
        self.0.iter_mut().find_map(|(_, lines)| lines.poll_line(now))
    }

    /// When [`Self::poll_line`] has something; perhaps in the past.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(|(_, lines)| lines.poll_timeout()).min()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;
    use crate::wire::control::ORDERS;

    #[test]
    fn nobody_keeps_another_users_orders_or_other_kinds_of_his_own_out_of_the_log() {
        let (mut lines, now) = (OrderLines::default(), Instant::now());
        let row = |words: &str| ORDERS.iter().find(|row| row.words == words).unwrap();
        let mut offer = |uid, words: &str, value: usize| {
            let text = format!("user {uid} orders: {words} {}", "x".repeat(value));
            lines.offer(uid, (row(words), None), (Priority::Notice, &text), now).is_some()
        };
        assert_eq!((0..1000).filter(|value| offer(1000, "name", *value)).count(), 20);
        assert!(offer(1000, "calibrate", 0) && offer(1001, "name", 0) && offer(0, "name", 0));
        // More users than are told apart.
        assert!((2000..2100).all(|uid| offer(uid, "name", 0)));
        assert_eq!(lines.0.len(), USERS_MAX);
        let at = lines.poll_timeout();
        assert_eq!(at, None, "the one with lines left is forgotten");
    }
}
