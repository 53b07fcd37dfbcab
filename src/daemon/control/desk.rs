//! The orders of clients of the control socket between the server and the supervisor, and what waits for the link: one of them at a
//! time is in it, so that the power machine's commands find it free.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answers::{TEST_INTERVAL, TestWait, done};
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
/// The number of the daemon's own order, a self test by SELFTESTSCHEDULE. Clients have smaller ones.
pub const OWN: u32 = u32::MAX;

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
#[derive(Clone, Debug, PartialEq, Eq)]
struct InLink {
    asked: Asked,
    /// The link has ended it, and what came of it is told at this moment; else it has failed by then.
    ended: bool,
    at: Instant,
    /// Why the link has not done it.
    failed: Option<String>,
    /// Nobody waits for more than its end.
    is_left: bool,
}

/// A self test that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Test {
    asked: Asked,
    begun: Instant,
    wait: TestWait,
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
    /// The answer to the daemon's own order.
    own: Option<Answer>,
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
}

impl Desk {
    /// Nobody waits for the answer to this order any more.
    pub fn forget(&mut self, number: u32) {
        self.waiting.retain(|(asked, _)| asked.number != number);
        self.asked.retain(|asked| asked.number != number);
        self.test.take_if(|test| test.asked.number == number);
        if let Some(in_link) = self.in_link.as_mut().filter(|it| it.asked.number == number) {
            in_link.is_left = true;
        }
    }

    /// The next order that has come; call until `None`.
    pub fn poll_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Answers an order.
    pub fn answer(&mut self, number: u32, answer: &Answer) {
        if number == OWN {
            self.own = Some(answer.clone());
            return;
        }
        self.answers.push((number, answer.encode()));
    }

    /// The answer to the daemon's own order, once.
    pub const fn take_own(&mut self) -> Option<Answer> {
        self.own.take()
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
        if let Some(InLink { asked, ended, at, .. }) = self.in_link {
            return (now >= at).then_some(if ended { Due::Tell(asked) } else { Due::TooLate(asked) });
        }
        if self.free_at.is_some_and(|at| now < at) {
            return None;
        }
        let (asked, command) = self.waiting.pop_front()?;
        self.in_link =
            Some(InLink { asked, ended: false, at: now + LINK_TIMEOUT, failed: None, is_left: false });
        Some(Due::Give(asked, command))
    }

    /// When [`Desk::poll_due`] has something next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let test = self.test.and_then(|test| test.ask_at);
        let link = match &self.in_link {
            Some(in_link) => Some(in_link.at),
            None if self.waiting.is_empty() => None,
            None => self.free_at,
        };
        crate::ups::earliest(&[test, link, self.reload_at])
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
        let in_link = self.in_link.as_mut().filter(|it| it.asked.number == number && !it.ended)?;
        let asked = in_link.asked;
        if in_link.is_left {
            return Some((asked, Answer::of(outcome)));
        }
        let asks_result = self.test.is_some_and(|test| test.asked == asked);
        let reads = matches!(
            asked.request.row.action,
            Action::SelfTestResult | Action::Poll | Action::CalibrateResult
        );
        match outcome {
            // A link that has lost its UPS says so after that.
            Err(why) => {
                in_link.failed = Some(why);
                (in_link.ended, in_link.at) = (true, now + READING_AFTER);
                return None;
            }
            Ok(words) if !(asked.request.waits || reads) => {
                return Some((asked, done(&asked.request, words)));
            }
            Ok(_) => {}
        }
        if asks_result || reads {
            (in_link.ended, in_link.at) = (true, now + READING_AFTER);
        } else {
            self.test = Some(Test {
                asked,
                begun: now,
                wait: TestWait::default(),
                ask_at: Some(now + TEST_INTERVAL),
            });
            self.leave_link(now);
        }
        None
    }

    /// Why the link has not done the order that is to be told; once.
    pub fn take_failure(&mut self) -> Option<String> {
        self.in_link.as_mut()?.failed.take()
    }

    /// The result of a self test that is waited for; `runs`: the UPS does one now. The answer when it is over.
    pub fn look_at_test(&mut self, asked: Asked, answer: Option<Answer>, runs: bool, now: Instant) {
        let Some(test) = self.test.as_mut().filter(|test| test.asked == asked) else {
            // Who has waited for it has gone.
            return self.leave_link(now);
        };
        let age = now.saturating_duration_since(test.begun);
        match test.wait.look(answer, runs, age) {
            Some(answer) => self.end(asked, &answer, now),
            None => {
                test.ask_at = Some(now + TEST_INTERVAL);
                self.leave_link(now);
            }
        }
    }

    /// Whether a client waits for a self test, or will when the link has its order.
    #[must_use]
    pub fn awaits_test(&self) -> bool {
        let in_link = self.in_link.iter().filter(|it| !it.is_left).map(|it| &it.asked);
        self.test.is_some() || self.waiting.iter().map(|it| &it.0).chain(in_link).any(|it| it.request.waits)
    }

    fn leave_link(&mut self, now: Instant) {
        self.in_link = None;
        self.free_at = Some(now + BETWEEN);
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]
mod tests {
    use super::*;

    fn asked(number: u32, line: &str) -> Asked {
        let from = Peer { pid: 7, uid: 0, is_member: false };
        Asked { number, from, request: Request::parse(line.as_bytes()).unwrap() }
    }

    fn answers(desk: &mut Desk) -> Vec<(u32, String)> {
        std::mem::take(&mut desk.answers)
    }

    #[test]
    fn one_order_at_a_time_is_in_the_link_and_eight_wait() {
        let (mut desk, now) = (Desk::default(), Instant::now());
        for number in 0..10 {
            desk.queue(asked(number, "beeper mute"), Command::AbortTest);
        }
        let refused = "refused too many orders wait for the UPS\n".to_owned();
        assert_eq!(answers(&mut desk), [(8, refused.clone()), (9, refused)]);
        let (first, command) = (asked(0, "beeper mute"), Command::AbortTest);
        assert_eq!(desk.poll_due(now), Some(Due::Give(first, command)));
        assert_eq!(desk.poll_due(now), None, "the link is taken");
        desk.queue(asked(20, "beeper mute"), command);
        assert!(answers(&mut desk).is_empty(), "there is room again");
        let (of, answer) = desk.handle_result(0, Ok("done so".to_owned()), now).unwrap();
        assert_eq!(desk.handle_result(1, Ok(String::new()), now), None, "it has not been given");
        desk.end(of, &answer, now);
        assert_eq!(answers(&mut desk), [(0, "done done so\n".to_owned())]);
        assert_eq!(desk.poll_due(now), None, "the power machine has its turn");
        assert_eq!(desk.poll_timeout(), Some(now + BETWEEN));
        assert_eq!(desk.poll_due(now + BETWEEN), Some(Due::Give(asked(1, "beeper mute"), command)));
    }

    #[test]
    fn an_order_that_the_link_never_ends_is_given_up() {
        let (mut desk, now) = (Desk::default(), Instant::now());
        desk.queue(asked(1, "poll"), Command::Poll);
        assert!(matches!(desk.poll_due(now), Some(Due::Give(..))));
        assert_eq!(desk.poll_timeout(), Some(now + LINK_TIMEOUT));
        assert_eq!(desk.poll_due(now + LINK_TIMEOUT), Some(Due::TooLate(asked(1, "poll"))));
    }

    #[test]
    fn what_a_link_says_last_is_heard_before_a_failure_is_told() {
        let (mut desk, now) = (Desk::default(), Instant::now());
        desk.queue(asked(1, "panel test"), Command::PanelTest);
        desk.poll_due(now);
        assert_eq!(desk.handle_result(1, Err("gone".to_owned()), now), None);
        assert_eq!(desk.poll_due(now), None);
        assert_eq!(desk.poll_due(now + READING_AFTER), Some(Due::Tell(asked(1, "panel test"))));
        assert_eq!((desk.take_failure(), desk.take_failure()), (Some("gone".to_owned()), None));
    }

    #[test]
    fn a_self_test_is_waited_for_and_holds_up_nobody() {
        let (mut desk, mut now) = (Desk::default(), Instant::now());
        let test = asked(1, "self-test --wait");
        desk.queue(test, Command::SelfTest);
        desk.poll_due(now);
        assert_eq!(desk.handle_result(1, Ok("started".to_owned()), now), None);
        desk.queue(asked(2, "beeper mute"), Command::AbortTest);
        now += BETWEEN;
        assert!(matches!(desk.poll_due(now), Some(Due::Give(Asked { number: 2, .. }, _))));
        desk.end(asked(2, "beeper mute"), &Answer::new(Outcome::Done, ""), now);
        answers(&mut desk);
        let passed = Some(Answer::new(Outcome::Done, "passed"));
        // The result of the test before, one in progress, then its own.
        for (answer, runs) in [(passed.clone(), false), (None, true), (passed, false)] {
            now += TEST_INTERVAL;
            assert_eq!(desk.poll_due(now), Some(Due::Give(test, Command::ReadSelfTest)));
            assert_eq!(desk.handle_result(1, Ok("read".to_owned()), now), None);
            now += READING_AFTER;
            assert_eq!(desk.poll_due(now), Some(Due::Tell(test)));
            assert!(answers(&mut desk).is_empty());
            desk.look_at_test(test, answer, runs, now);
        }
        assert_eq!(answers(&mut desk), [(1, "done passed\n".to_owned())]);
        assert_eq!((desk.awaits_test(), desk.poll_timeout()), (false, None));
    }

    #[test]
    fn one_who_has_gone_leaves_no_test_behind_wherever_it_is() {
        let order = asked(1, "self-test --wait");
        let other = asked(2, "beeper mute");
        // Gone while it is in the link, between two looks, while the result is read, and before that is told.
        for gone in 0..4 {
            let (mut desk, mut now) = (Desk::default(), Instant::now());
            desk.queue(order, Command::SelfTest);
            desk.poll_due(now);
            if gone == 0 {
                desk.forget(1);
            }
            let ended = desk.handle_result(1, Ok("started".to_owned()), now);
            assert_eq!(ended.is_some(), gone == 0, "it is logged, and nothing more is read");
            if let Some((of, answer)) = ended {
                desk.end(of, &answer, now);
            }
            if gone == 1 {
                desk.forget(1);
            }
            if gone >= 2 {
                now += TEST_INTERVAL;
                desk.poll_due(now);
            }
            if gone == 2 {
                desk.forget(1);
            }
            if let Some((of, answer)) = desk.handle_result(1, Ok("read".to_owned()), now) {
                desk.end(of, &answer, now);
            }
            if gone == 3 {
                desk.forget(1);
                assert_eq!(desk.poll_due(now + READING_AFTER), Some(Due::Tell(order)));
                desk.look_at_test(order, None, true, now + READING_AFTER);
            }
            desk.pushed();
            now += READING_AFTER + BETWEEN;
            assert_eq!((desk.awaits_test(), desk.poll_due(now)), (false, None), "{gone}");
            desk.queue(other, Command::AbortTest);
            assert_eq!(desk.poll_due(now), Some(Due::Give(other, Command::AbortTest)), "{gone}");
        }
    }

    #[test]
    fn a_test_is_waited_for_from_the_order_on() {
        let (mut desk, now) = (Desk::default(), Instant::now());
        desk.queue(asked(1, "self-test"), Command::SelfTest);
        assert!(!desk.awaits_test());
        desk.queue(asked(2, "self-test --wait"), Command::SelfTest);
        assert!(desk.awaits_test(), "one that waits for the link");
        desk.poll_due(now);
        desk.end(asked(1, "self-test"), &Answer::new(Outcome::Done, ""), now);
        desk.poll_due(now + BETWEEN);
        assert!(desk.awaits_test(), "one that is in the link");
    }

    #[test]
    fn one_who_has_gone_leaves_no_order_behind() {
        let (mut desk, now) = (Desk::default(), Instant::now());
        desk.queue(asked(1, "panel test"), Command::PanelTest);
        desk.order(2, Peer { pid: 7, uid: 0, is_member: false }, asked(2, "poll").request);
        desk.forget(1);
        desk.forget(2);
        assert_eq!((desk.poll_due(now), desk.poll_asked(), desk.poll_timeout()), (None, None, None));
    }
}
