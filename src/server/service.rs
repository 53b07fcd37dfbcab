//! A client's turn: what it asked for is answered, and it is put where it belongs, or dropped.

use std::collections::VecDeque;
use std::time::Instant;

use super::connection::Outcome;
use super::{CROWD, Server, StatusSource, WATCH_AGAIN};

impl Server {
    pub(super) fn serve_client(&mut self, slot: u32, now: Instant, source: &mut dyn StatusSource) {
        let Some(client) = self.client(slot) else { return };
        let watched = client.watching;
        let asked = client.asked;
        let (mut outcome, touched) = client.advance(now, source);
        let (heard, peer) = (std::mem::take(&mut client.heard), client.peer);
        // On a connection that it keeps it is known by that.
        let anew = asked == 0 && client.asked > 0;
        if client.watching && !watched {
            self.watchers += 1;
            self.push_at.get_or_insert(now + WATCH_AGAIN);
            self.came_or_went = true;
        } else if heard && !client.watching {
            self.census.note(peer, anew, now);
        }
        if outcome == Outcome::List {
            let answer = self.list(slot, now, source.stamp());
            if let Some(client) = self.client(slot) {
                client.tell(answer);
            }
            outcome = Outcome::Again;
        }
        self.settle(slot, outcome, touched, now);
    }

    /// Puts a client where it belongs after its turn.
    pub(super) fn settle(&mut self, slot: u32, outcome: Outcome, touched: bool, now: Instant) {
        if outcome == Outcome::Close {
            return self.drop_client(slot);
        }
        let Some(client) = self.client(slot) else { return };
        let state = client.doing();
        let enqueue = outcome == Outcome::Again && !client.again;
        client.again |= enqueue;
        if touched || state != client.state {
            client.state = state;
            client.since = now;
            self.queues.enter(slot, state);
        }
        if enqueue {
            self.again.push_back(slot);
        }
    }

    pub(super) fn drop_client(&mut self, slot: u32) {
        self.queues.remove(slot);
        let taken = self.slots.get_mut(slot as usize).and_then(Option::take);
        let Some(client) = taken else { return };
        self.clients -= 1;
        if client.watching {
            self.watchers -= 1;
            if self.watchers == 0 {
                self.push_at = None;
            }
        }
        self.came_or_went |= client.watching || client.keeps_polling();
        if self.clients == 0 && self.slots.len() > CROWD {
            // What a crowd needed is given back when it has gone.
            self.slots = Vec::new();
            self.free = Vec::new();
            self.again = VecDeque::new();
            self.queues.shrink();
        } else {
            self.free.push(slot);
        }
    }
}
