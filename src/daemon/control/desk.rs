//! The orders of clients of the control socket between the server and the supervisor, and what waits for the link: one of them at a
//! time is in it, so that the power machine's commands find it free.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::server::control::Orders;
use crate::sys::local::Peer;
use crate::ups::Command;
use crate::wire::control::{Action, Answer, Outcome, Request};

/// Most orders that wait for the link.
const MAX_WAITING: usize = 8;
/// Between two orders of clients in the link.
const BETWEEN: Duration = Duration::from_millis(100);
/// An order that the link has not ended by then has failed; writing a setting takes a step through each of its values.
const LINK_TIMEOUT: Duration = Duration::from_secs(200);
/// A reading that a command has asked for may come after the command's end.
const READING_AFTER: Duration = Duration::from_millis(250);
/// The result of a self test that is waited for is asked for so often, and for so long (apctest §2: 40 s).
const TEST_INTERVAL: Duration = Duration::from_secs(2);
const TEST_TIMEOUT: Duration = Duration::from_secs(90);
/// One that has not been seen to run by then was too short to be seen; before, the result may be that of the test before (usb-hid §11: it
/// can begin 10 s after the order).
const TEST_BEGUN: Duration = Duration::from_secs(15);

/// An order of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number.
    pub number: u32,
    /// Who gives it.
    pub from: Peer,
    /// The order.
    pub request: Request,
}

/// The order that has the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InLink {
    asked: Asked,
    /// The link has ended it, and what was read is told at this moment; else it has failed by then.
    told: bool,
    at: Instant,
}

/// A self test that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    asked: Asked,
    begun: Instant,
    /// It has been seen to run.
    seen: bool,
    /// Its result is asked for.
    ask_at: Option<Instant>,
}

/// What is to be done for an order in the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Give this command, as this order's.
    Give(Asked, Command),
    /// Tell what was read.
    Tell(Asked),
    /// The link has not ended it in time.
    TooLate(Asked),
}

/// Orders, and answers.
#[derive(Debug, Default)]
pub struct Desk {
    asked: VecDeque<Asked>,
    waiting: VecDeque<(Asked, Command)>,
    in_link: Option<InLink>,
    test: Option<Test>,
    /// The link is free for the next from then on.
    free_at: Option<Instant>,
    answers: Vec<(u32, String)>,
    /// Those who wait for the configuration to be read again.
    reloads: Vec<u32>,
    /// It is to be read again, since then.
    reload_at: Option<Instant>,
}

impl Orders for Desk {
    fn order(&mut self, number: u32, from: Peer, request: Request) {
        self.asked.push_back(Asked { number, from, request });
    }

    fn poll_answer(&mut self, number: u32) -> Option<String> {
        let at = self.answers.iter().position(|(of, _)| *of == number)?;
        Some(self.answers.swap_remove(at).1)
    }

    fn forget(&mut self, number: u32) {
        self.waiting.retain(|(asked, _)| asked.number != number);
        self.asked.retain(|asked| asked.number != number);
    }
}

impl Desk {
    /// The next order that has come; call until `None`.
    pub fn poll_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Answers an order.
    pub fn answer(&mut self, number: u32, answer: &Answer) {
        self.answers.push((number, answer.encode()));
    }

    /// Whether there are answers to be pushed; what is left after a push nobody waits for.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }

    /// All answers have been pushed.
    pub fn pushed(&mut self) {
        self.answers.clear();
    }

    /// An order waits for the configuration.
    pub fn await_reload(&mut self, number: u32, now: Instant) {
        self.reloads.push(number);
        self.reload_at = Some(now);
    }

    /// Whether the configuration is to be read again; once.
    pub const fn take_reload(&mut self) -> bool {
        self.reload_at.take().is_some()
    }

    /// The configuration has been read, and was applied or not.
    pub fn reloaded(&mut self, outcome: &Result<String, String>) {
        for number in std::mem::take(&mut self.reloads) {
            self.answer(number, &Answer::of(outcome.clone()));
        }
    }

    /// An order is to go into the link when that is free.
    pub fn queue(&mut self, asked: Asked, command: Command) {
        if self.waiting.len() >= MAX_WAITING {
            return self
                .answer(asked.number, &Answer::new(Outcome::Refused, "too many orders wait for the UPS"));
        }
        self.waiting.push_back((asked, command));
    }

    /// What is due now.
    pub fn poll_due(&mut self, now: Instant) -> Option<Due> {
        if let Some(test) = self.test.as_mut().filter(|test| test.ask_at.is_some_and(|at| at <= now)) {
            test.ask_at = None;
            self.waiting.push_front((test.asked, Command::ReadSelfTest));
        }
        if let Some(InLink { asked, told, at }) = self.in_link {
            return (now >= at).then_some(if told { Due::Tell(asked) } else { Due::TooLate(asked) });
        }
        if self.free_at.is_some_and(|at| now < at) {
            return None;
        }
        let (asked, command) = self.waiting.pop_front()?;
        self.in_link = Some(InLink { asked, told: false, at: now + LINK_TIMEOUT });
        Some(Due::Give(asked, command))
    }

    /// When [`Desk::poll_due`] has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let test = self.test.and_then(|test| test.ask_at);
        let link = match self.in_link {
            Some(in_link) => Some(in_link.at),
            None if self.waiting.is_empty() => None,
            None => self.free_at,
        };
        [test, link, self.reload_at].into_iter().flatten().min()
    }

    /// The order in the link ends with this answer.
    pub fn end(&mut self, asked: Asked, answer: &Answer, now: Instant) {
        self.leave_link(now);
        if self.test.is_some_and(|test| test.asked == asked) {
            self.test = None;
        }
        self.answer(asked.number, answer);
    }

    /// The link has ended a command of this order. What is to be answered; `None`: there is more to come.
    pub fn handle_result(
        &mut self,
        number: u32,
        outcome: Result<String, String>,
        now: Instant,
    ) -> Option<(Asked, Answer)> {
        let in_link = self.in_link.as_mut().filter(|it| it.asked.number == number)?;
        let asked = in_link.asked;
        let asks_result = self.test.is_some_and(|test| test.asked == asked);
        let reads = matches!(asked.request.row.action, Action::SelfTestResult | Action::Poll);
        if outcome.is_err() || !(asked.request.waits || reads) {
            return Some((asked, Answer::of(outcome)));
        }
        if asks_result || reads {
            (in_link.told, in_link.at) = (true, now + READING_AFTER);
        } else {
            self.test = Some(Test { asked, begun: now, seen: false, ask_at: Some(now + TEST_INTERVAL) });
            self.leave_link(now);
        }
        None
    }

    /// The result of a self test that is waited for; `runs`: the UPS does one now. The answer when it is over.
    pub fn look_at_test(&mut self, asked: Asked, answer: Option<Answer>, runs: bool, now: Instant) {
        let Some(test) = self.test.as_mut().filter(|test| test.asked == asked) else { return };
        test.seen |= runs || answer.is_none();
        let age = now.saturating_duration_since(test.begun);
        match answer.filter(|_| !runs && (test.seen || age >= TEST_BEGUN)) {
            Some(answer) => self.end(asked, &answer, now),
            None if age >= TEST_TIMEOUT => {
                let words = "the self test was started and has not ended in time";
                self.end(asked, &Answer::new(Outcome::Refused, words), now);
            }
            None => {
                test.ask_at = Some(now + TEST_INTERVAL);
                self.leave_link(now);
            }
        }
    }

    /// Whether a client waits for a self test.
    #[must_use]
    pub const fn awaits_test(&self) -> bool {
        self.test.is_some()
    }

    fn leave_link(&mut self, now: Instant) {
        self.in_link = None;
        self.free_at = Some(now + BETWEEN);
    }
}
