//! Who is connected, for the answer to `clients` and for a master that waits for its slaves.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use super::Server;
use crate::report::Stamp;
use crate::wire::nis;

impl Server {
    /// The machines that depend on this one: a source for each client that watches, and each other machine that polls
    /// and has not gone: on a connection that it keeps, or on a new one each time.
    #[must_use]
    pub fn slaves(&self, now: Instant) -> Vec<IpAddr> {
        let watching = self.slots.iter().flatten().filter(|client| client.watching);
        let mut slaves: Vec<IpAddr> = watching.map(|client| client.peer).collect();
        let keeps =
            self.slots.iter().flatten().filter(|client| client.keeps_polling() && !client.peer.is_loopback());
        for source in keeps.map(|client| client.peer).chain(self.census.slaves(now)) {
            if !slaves.contains(&source) {
                slaves.push(source);
            }
        }
        slaves
    }

    /// The answer to `clients` for the client in `slot`, which is not listed itself.
    pub(super) fn list(&self, slot: u32, now: Instant, stamp: Stamp) -> Rc<[u8]> {
        let mut text = String::new();
        let mut line = |how: &str, since: Instant, address: IpAddr| {
            let age = i64::try_from(now.saturating_duration_since(since).as_secs()).unwrap_or(0);
            let since = Stamp::new(stamp.unix.saturating_sub(age), stamp.utc_offset);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{how:<8} {since}  {address}");
        };
        let seen: Vec<_> = self.census.seen(now).collect();
        for (index, client) in self.slots.iter().enumerate() {
            let Some(client) = client else { continue };
            if client.watching {
                line("watch", client.opened, client.peer);
            } else if index != slot as usize && !seen.iter().any(|source| source.address == client.peer) {
                line("other", client.opened, client.peer);
            }
        }
        for source in seen {
            let mut clients = self.slots.iter().flatten();
            let keeps = clients.any(|client| client.peer == source.address && client.keeps_polling());
            let polling = keeps || source.is_polling(now);
            line(if polling { "polling" } else { "other" }, source.since, source.address);
        }
        let mut answer = Vec::new();
        nis::push_lines(&mut answer, &text);
        answer.into()
    }
}
