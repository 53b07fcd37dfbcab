//! How often the same kind of event is announced: log line and hook.
//!
//! A UPS, a cable or a master can change its state at each moment for days. The first changes are announced at once, each of
//! them. Later ones are limited: what comes and goes again within seconds is counted, and what lasts is announced. The
//! status, NUMXFERS, limits and the shutdown know nothing of this: only announcements are left out.
//!
//! An *episode* is what begins with an event and ends with its opposite: a transfer to battery and back, say. It is announced
//! whole or not at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::power::Order;
use crate::ups::{Event, Priority, RateLimit};

/// So many episodes of a kind are announced at once, and one more each half minute.
const AT_ONCE: u32 = 20;
const EACH: Duration = Duration::from_secs(30);
/// An episode that was not announced and is as it was for so long is announced after all.
const LASTS: Duration = Duration::from_secs(10);
/// So long after the last episode that was not announced the log says how many there were.
const COUNTED_AFTER: Duration = Duration::from_secs(60);

/// What an event means for the episodes of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Begins,
    /// Part of the episode that runs, or the beginning of one if none does.
    Goes,
    Ends,
}

/// What is counted together.
const KINDS: usize = 3;
const NAMES: [&str; KINDS] = ["transfers to battery", "losses of the UPS", "losses of the battery"];

/// Kind and role; `None`: always announced.
const fn place(event: Event) -> Option<(usize, Role)> {
    Some(match event {
        Event::PowerOut | Event::StartSelfTest => (0, Role::Begins),
        Event::OnBattery | Event::OffBattery => (0, Role::Goes),
        Event::MainsBack | Event::EndSelfTest => (0, Role::Ends),
        Event::CommFailure => (1, Role::Begins),
        Event::CommOk => (1, Role::Ends),
        Event::BattDetach => (2, Role::Begins),
        Event::BattAttach => (2, Role::Ends),
        // Part of a decided shutdown.
        Event::Failing
        | Event::Timeout
        | Event::LoadLimit
        | Event::RunLimit
        | Event::DoShutdown
        | Event::Emergency
        | Event::RemoteDown
        // As often as the configuration wants it; every nine hours; once a week.
        | Event::AnnoyMe
        | Event::ChangeMe
        | Event::SelfTestFailed => return None,
    })
}

/// The episodes of one kind.
#[derive(Clone, Debug)]
struct Kind {
    rate_limit: RateLimit,
    /// One that has been announced runs.
    announced: bool,
    /// The orders of the one that runs and has not been announced.
    held: Vec<Order>,
    /// When the last of them came.
    held_at: Option<Instant>,
    /// Episodes that began and ended unannounced since the last word about them, and the first and the last of them.
    left_out: u64,
    since: Option<Instant>,
    last: Option<Instant>,
    /// The log has said that not each is announced any more, and the limit has been in use since.
    said: bool,
}

impl Kind {
    const fn new() -> Self {
        Self {
            rate_limit: RateLimit::new(AT_ONCE, EACH),
            announced: false,
            held: Vec::new(),
            held_at: None,
            left_out: 0,
            since: None,
            last: None,
            said: false,
        }
    }

    /// When the episode that is held is announced.
    fn announced_at(&self) -> Option<Instant> {
        let lasts = self.held_at?.checked_add(LASTS)?;
        Some(self.rate_limit.next_at().map_or(lasts, |at| at.max(lasts)))
    }

    /// When it is said how many were left out.
    fn counted_at(&self) -> Option<Instant> {
        self.last?.checked_add(COUNTED_AFTER).filter(|_| self.left_out > 0)
    }
}

/// Lets orders through, or holds events back. Put in by [`EventLimit::offer`], taken out by [`EventLimit::poll_order`], in
/// their order.
#[derive(Clone, Debug)]
pub struct EventLimit {
    kinds: [Kind; KINDS],
    out: VecDeque<Order>,
}

impl Default for EventLimit {
    fn default() -> Self {
        Self { kinds: [const { Kind::new() }; KINDS], out: VecDeque::new() }
    }
}

impl EventLimit {
    /// An order of the power machine.
    pub fn offer(&mut self, order: Order, now: Instant) {
        self.handle_timeout(now);
        let event = match &order {
            Order::Event(event) | Order::EventWithReason(event, _) | Order::Hook(event) => *event,
            // Whoever reads why the machine goes down must have read what came before.
            Order::Shutdown { .. } => return self.pass(order, now),
            Order::Log(..)
            | Order::SetPace(_)
            | Order::Command(_)
            | Order::CreatePowerfail
            | Order::RemovePowerfail
            | Order::CreateNologin
            | Order::RemoveNologin
            | Order::CountSlaves
            | Order::Save(_)
            | Order::Exit => return self.out.push_back(order),
        };
        match place(event) {
            None if matches!(event, Event::AnnoyMe | Event::ChangeMe) => self.out.push_back(order),
            None => self.pass(order, now),
            Some((kind, role)) => self.episode(kind, role, order, now),
        }
    }

    /// The next order to carry out.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.out.pop_front()
    }

    /// Announces what lasts, and says how many were left out, when it is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..KINDS {
            let Some(kind) = self.kinds.get_mut(index) else { continue };
            if kind.announced_at().is_some_and(|at| at <= now) && kind.rate_limit.take(now) {
                self.announce_held(index, now);
            } else if kind.counted_at().is_some_and(|at| at <= now) {
                self.count(index, now);
            }
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.kinds.iter().filter_map(|kind| kind.announced_at().or_else(|| kind.counted_at())).min()
    }

    /// The daemon ends: what was left out is said, and nothing is announced any more.
    pub fn close(&mut self, now: Instant) {
        for index in 0..KINDS {
            let Some(kind) = self.kinds.get_mut(index) else { continue };
            kind.left_out += u64::from(!kind.held.is_empty());
            kind.held.clear();
            self.count(index, now);
        }
    }

    /// Everything that is held back, then this.
    fn pass(&mut self, order: Order, now: Instant) {
        for index in 0..KINDS {
            self.announce_held(index, now);
        }
        self.out.push_back(order);
    }

    fn episode(&mut self, index: usize, role: Role, order: Order, now: Instant) {
        let Some(kind) = self.kinds.get_mut(index) else { return };
        let holds = !kind.held.is_empty();
        kind.said &= !kind.rate_limit.is_full(now);
        match role {
            Role::Ends if holds => {
                kind.held.clear();
                kind.held_at = None;
                kind.left_out += 1;
                kind.last = Some(now);
            }
            // An end without a beginning is of an episode that an earlier run announced.
            Role::Ends => {
                kind.announced = false;
                self.out.push_back(order);
            }
            _ if holds => {
                kind.held.push(order);
                kind.held_at = Some(now);
            }
            Role::Goes if kind.announced => self.out.push_back(order),
            Role::Begins | Role::Goes if kind.rate_limit.take(now) => {
                kind.announced = true;
                self.count(index, now);
                self.out.push_back(order);
            }
            Role::Begins | Role::Goes => {
                kind.since.get_or_insert(now);
                kind.held.push(order);
                kind.held_at = Some(now);
                if !std::mem::replace(&mut kind.said, true) {
                    let text = format!(
                        "So many {} that not each is announced any more: one in {} s, and what lasts for {} s",
                        name(index),
                        EACH.as_secs(),
                        LASTS.as_secs()
                    );
                    self.out.push_back(Order::Log(Priority::Warning, text));
                }
            }
        }
    }

    fn announce_held(&mut self, index: usize, now: Instant) {
        self.count(index, now);
        let Some(kind) = self.kinds.get_mut(index) else { return };
        if !kind.held.is_empty() {
            kind.announced = true;
            kind.held_at = None;
            self.out.extend(kind.held.drain(..));
        }
    }

    /// Says how many episodes were left out, if any were.
    fn count(&mut self, index: usize, now: Instant) {
        let Some(kind) = self.kinds.get_mut(index) else { return };
        let (count, since) = (std::mem::take(&mut kind.left_out), kind.since.take());
        kind.last = None;
        if count > 0 {
            let span = since.map_or(0, |since| now.saturating_duration_since(since).as_secs());
            let text = format!("Not announced within {span} s: {}, {count} of them.", name(index));
            self.out.push_back(Order::Log(Priority::Warning, text));
        }
    }
}

fn name(index: usize) -> &'static str {
    NAMES.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
