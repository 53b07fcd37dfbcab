//! All connections of one server, in constant time however many there are: by number, by deadline, and those with more to do.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::connection::{Connection, Outcome};
use super::protocol::{Protocol, Timeouts};
use super::queue::{Queues, State};

/// From this many clients on, the memory they needed is given back when all have gone.
const CROWDED_FROM: usize = 64;
/// Deadlines this close together cost one wake-up.
const DEADLINE_SLACK: Duration = Duration::from_millis(100);

/// The connections.
#[derive(Debug)]
pub(super) struct Connections<S> {
    /// By number; `None`: free.
    slots: Vec<Option<Connection<S>>>,
    free: Vec<u32>,
    count: usize,
    pub queues: Queues,
    /// Those with more to do that no event will announce.
    again: VecDeque<u32>,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            count: 0,
            queues: Queues::default(),
            again: VecDeque::new(),
        }
    }
}

/// How long a client may stay in each state.
fn limits(timeouts: &Timeouts) -> [(State, Duration); 3] {
    [(State::Waiting, timeouts.idle), (State::Partial, timeouts.idle), (State::Writing, timeouts.write)]
}

impl<S> Connections<S> {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The number after the highest that one has ever had.
    pub fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Memory that is kept, in connections.
    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    pub fn get(&mut self, slot: u32) -> Option<&mut Connection<S>> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// All with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Connection<S>)> + Clone {
        (0..).zip(&self.slots).filter_map(|(slot, connection)| Some((slot, connection.as_ref()?)))
    }

    /// The number that the next one gets.
    pub fn next_slot(&self) -> u32 {
        self.free.last().copied().unwrap_or_else(|| self.end())
    }

    /// Takes one in, by [`Connections::next_slot`].
    pub fn insert(&mut self, connection: Connection<S>) -> u32 {
        let slot = self.next_slot();
        self.free.pop();
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = Some(connection),
            None => self.slots.push(Some(connection)),
        }
        self.count += 1;
        self.queues.enter(slot, State::Waiting);
        slot
    }

    /// Takes one out.
    pub fn remove(&mut self, slot: u32) -> Option<Connection<S>> {
        self.queues.remove(slot);
        let taken = self.slots.get_mut(slot as usize).and_then(Option::take)?;
        self.count -= 1;
        if self.count == 0 && self.slots.len() > CROWDED_FROM {
            // What a crowd needed is given back when it has gone.
            self.clear();
        } else {
            self.free.push(slot);
        }
        Some(taken)
    }

    /// Closes all, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts one where it belongs after its turn.
    pub fn settle<P: Protocol<Session = S>>(
        &mut self,
        slot: u32,
        outcome: Outcome,
        touched: bool,
        now: Instant,
    ) {
        let Some(connection) = self.get(slot) else { return };
        let state = connection.doing::<P>();
        let enqueue = outcome == Outcome::Again && !connection.again;
        connection.again |= enqueue;
        if touched || state != connection.state {
            connection.state = state;
            connection.since = now;
            self.queues.enter(slot, state);
        }
        if enqueue {
            self.again.push_back(slot);
        }
    }

    /// How many have more to do.
    pub fn unfinished(&self) -> usize {
        self.again.len()
    }

    /// The next with more to do.
    pub fn poll_again(&mut self) -> Option<u32> {
        let slot = self.again.pop_front()?;
        if let Some(connection) = self.get(slot) {
            connection.again = false;
        }
        Some(slot)
    }

    /// One that has used up its time.
    pub fn overdue(&self, timeouts: &Timeouts, now: Instant) -> Option<u32> {
        limits(timeouts).into_iter().find_map(|(state, limit)| {
            let slot = self.queues.first(state)?;
            let since = self.slots.get(slot as usize)?.as_ref()?.since;
            (now.saturating_duration_since(since) >= limit).then_some(slot)
        })
    }

    /// When the next will have used up its time.
    pub fn poll_timeout(&self, timeouts: &Timeouts) -> Option<Instant> {
        let deadline = |(state, limit): (State, Duration)| {
            let connection = self.slots.get(self.queues.first(state)? as usize)?.as_ref()?;
            Some(connection.since + limit + DEADLINE_SLACK)
        };
        limits(timeouts).into_iter().filter_map(deadline).min()
    }

    /// Which one gives its place to another: one that is slow with its request, else the one idle longest, else the
    /// slowest to read, and one that watches only if all do.
    pub fn most_dispensable(&self, timeouts: &Timeouts, now: Instant) -> Option<u32> {
        let partial = self.queues.first(State::Partial);
        let is_slow = |slot: &u32| {
            let connection = self.slots.get(*slot as usize).and_then(Option::as_ref);
            connection.is_some_and(|c| c.is_slow(now, timeouts.slow_request))
        };
        partial
            .filter(is_slow)
            .or_else(|| self.queues.first(State::Waiting))
            .or(partial)
            .or_else(|| self.queues.first(State::Writing))
            .or_else(|| self.crowding_watcher())
    }

    /// Of all that watch: from the address that has most of them, the one that came last. Slaves that have been
    /// there do not give their places to one who opens hundreds.
    fn crowding_watcher(&self) -> Option<u32> {
        let watching = self.iter().filter(|(_, c)| c.watching);
        let mut found: Vec<(IpAddr, Instant, u32)> =
            watching.map(|(slot, c)| (c.client.address, c.client.opened, slot)).collect();
        found.sort_unstable();
        let of_one = found.chunk_by(|(a, ..), (b, ..)| a == b);
        let (_, _, slot) =
            of_one.max_by_key(|group| (group.len(), group.last().map(|(_, at, _)| *at)))?.last()?;
        Some(*slot)
    }
}
