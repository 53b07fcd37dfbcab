//! New clients: whether there is a place for one, and who makes room.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Instant;

use mio::{Interest, Registry, Token};

use super::connection::Connection;
use super::listeners::LISTENERS;
use super::log::Kind;
use super::protocol::{Client, Protocol};
use super::stream::Stream;
use super::{Server, datagram};
use crate::sys::local::Peer;
use crate::sys::socket;

/// Connections accepted before others have their turn.
const ACCEPTS_A_TURN: u32 = 64;

impl<P: Protocol> Server<P> {
    pub(super) fn serve_listener(
        &mut self,
        index: usize,
        registry: &Registry,
        now: Instant,
        source: &mut P::Source,
    ) {
        let Some(listener) = self.listeners.get(index) else { return };
        listener.again = match listener.udp() {
            Some(socket) => datagram::answer(
                socket,
                &self.settings.allow,
                &mut self.limiter,
                now,
                &mut self.protocol,
                source,
            ),
            None => return self.accept(index, registry, now, source),
        };
    }

    fn accept(&mut self, index: usize, registry: &Registry, now: Instant, source: &mut P::Source) {
        let mut made_room = false;
        let mut accepted = 0;
        // So few that those who are there have their turn before they would give their places to newcomers.
        let most = ACCEPTS_A_TURN.min(u32::try_from(self.limit / 4).unwrap_or(u32::MAX)).max(1);
        for _ in 0..most {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.accept() {
                Ok((stream, peer)) => {
                    accepted += 1;
                    self.welcome(stream, peer, registry, now, source);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    listener.again = false;
                    return;
                }
                Err(e) if socket::is_out_of_files(&e) => {
                    self.log.say_rarely(Kind::NoFiles, now, || {
                        format!(
                            "{}: cannot accept a client: {e}; is the limit on open files too low?",
                            P::WORDS.server
                        )
                    });
                    if made_room || self.connections.count() == 0 {
                        listener.rest(now);
                        return;
                    }
                    made_room = true;
                    self.drop_one(now);
                }
                // The client went away before it was accepted, or the network did.
                Err(_) => {}
            }
        }
        if let Some(listener) = self.listeners.get(index) {
            // A listener that does nothing but fail must not keep the loop busy.
            if accepted > 0 {
                listener.again = true;
            } else {
                listener.rest(now);
            }
        }
    }

    fn welcome(
        &mut self,
        mut stream: Stream,
        (address, peer): (IpAddr, Option<Peer>),
        registry: &Registry,
        now: Instant,
        source: &mut P::Source,
    ) {
        if !(self.settings.allow)(address) {
            self.log.say_rarely(Kind::Refused, now, || {
                format!("Connection from {address} refused by {}.", P::WORDS.allow)
            });
            return;
        }
        if self.connections.count() >= self.limit {
            let limit = self.limit;
            self.log.say_rarely(Kind::Full, now, || {
                let whom = peer.map_or_else(|| address.to_string(), |peer| format!("user {}", peer.uid));
                format!(
                    "{}: {limit} clients, no more are allowed ({}); the idlest is dropped for {whom}",
                    P::WORDS.server,
                    P::WORDS.max_clients
                )
            });
            self.drop_one(now);
        }
        let slot = self.connections.next_slot();
        let token = Token(self.first_token + LISTENERS + slot as usize);
        if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            return;
        }
        let client = Client { address, peer, opened: now };
        let (session, greeting) = self.protocol.open(&client, source);
        self.connections.insert(Connection::new(stream, client, session, greeting));
        // The request is often there already.
        self.serve_client(slot, now, source);
    }

    /// Lets one client go to make room.
    pub(super) fn drop_one(&mut self, now: Instant) {
        if let Some(slot) = self.connections.most_dispensable(&P::TIMEOUTS, now) {
            self.drop_client(slot, now);
        }
    }
}
