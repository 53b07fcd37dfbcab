//! Who is connected, for the answer to `clients` and for a master that waits for its slaves.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use super::poller_table::PollerTable;
use super::{Connected, Server, Session};
use crate::report::Stamp;
use crate::wire::nis;

impl Server {
    /// The machines that depend on this one: a source for each client that watches, and each other machine that polls
    /// and has not gone: on a connection that it keeps, or on a new one each time.
    #[must_use]
    pub fn slaves(&self, now: Instant) -> Vec<IpAddr> {
        let watching = self.sessions().filter(|(_, session)| session.watches);
        let mut slaves: Vec<IpAddr> = watching.map(|(client, _)| client.address).collect();
        let keeps = self
            .sessions()
            .filter(|(client, session)| session.keeps_polling() && !client.address.is_loopback());
        for source in keeps.map(|(client, _)| client.address).chain(self.protocol.pollers.slaves(now)) {
            if !slaves.contains(&source) {
                slaves.push(source);
            }
        }
        slaves
    }

    /// Whether one who may be a slave has come or gone; once. Who stops asking shows in [`Server::slaves`] alone.
    pub const fn take_came_or_went(&mut self) -> bool {
        std::mem::replace(&mut self.protocol.came_or_went, false)
    }
}

/// The answer to `clients`, in which the one that asks is not listed itself.
pub(super) fn list<'a>(
    pollers: &PollerTable,
    connected: impl Iterator<Item = Connected<'a, Session>> + Clone,
    now: Instant,
    stamp: Stamp,
) -> Rc<[u8]> {
    let mut text = String::new();
    let mut line = |how: &str, since: Instant, address: IpAddr| {
        let age = i64::try_from(now.saturating_duration_since(since).as_secs()).unwrap_or(0);
        let since = Stamp::new(stamp.unix.saturating_sub(age), stamp.utc_offset);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{how:<8} {since}  {address}");
    };
    let seen: Vec<_> = pollers.seen(now).collect();
    for Connected { client, session, is_asking } in connected.clone() {
        if session.watches {
            line("watch", client.opened, client.address);
        } else if !is_asking && !seen.iter().any(|source| source.address == client.address) {
            line("other", client.opened, client.address);
        }
    }
    for source in seen {
        let keeps =
            connected.clone().any(|one| one.client.address == source.address && one.session.keeps_polling());
        let polling = keeps || source.is_polling(now);
        line(if polling { "polling" } else { "other" }, source.since, source.address);
    }
    let mut answer = Vec::new();
    nis::push_lines(&mut answer, &text);
    answer.into()
}
