//! Who gives its place to another, when there are no more places or no more files.

use std::net::IpAddr;
use std::time::Instant;

use super::queue::State;
use super::{DAWDLING, Server};

impl Server {
    /// Of all clients that watch: from the address that has most of them, the one that came last. Slaves that have been
    /// there do not give their places to one who opens hundreds.
    fn crowding_watcher(&self) -> Option<u32> {
        let slots = self.slots.iter().enumerate();
        let watching =
            slots.filter_map(|(slot, client)| Some((slot, client.as_ref().filter(|c| c.watching)?)));
        let mut found: Vec<(IpAddr, Instant, usize)> =
            watching.map(|(slot, client)| (client.peer, client.opened, slot)).collect();
        found.sort_unstable();
        let of_one = found.chunk_by(|(a, ..), (b, ..)| a == b);
        let (_, _, slot) =
            of_one.max_by_key(|group| (group.len(), group.last().map(|(_, at, _)| *at)))?.last()?;
        u32::try_from(*slot).ok()
    }

    /// Lets one client go to make room: one that dawdles over its request, else the one idle longest, else the
    /// slowest, and one that watches only if all do.
    pub(super) fn drop_one(&mut self, now: Instant) {
        let partial = self.queues.first(State::Partial);
        let dawdling = partial.filter(|&slot| self.client(slot).is_some_and(|c| c.dawdles(now, DAWDLING)));
        let victim = dawdling
            .or_else(|| self.queues.first(State::Waiting))
            .or(partial)
            .or_else(|| self.queues.first(State::Writing))
            .or_else(|| self.crowding_watcher());
        if let Some(slot) = victim {
            self.drop_client(slot);
        }
    }
}
