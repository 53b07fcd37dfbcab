//! A client's turn: what it asked for is answered, and it is put where it belongs, or dropped.

use std::time::Instant;

use super::Server;
use super::connection::Outcome;
use super::protocol::{Connected, Protocol};

impl<P: Protocol> Server<P> {
    pub(super) fn serve_client(&mut self, slot: u32, now: Instant, source: &mut P::Source) {
        let Some(connection) = self.connections.get(slot) else { return };
        let watched = connection.watching;
        let (mut outcome, touched) = connection.advance(now, &mut self.protocol, source);
        self.protocol.handle_turn_end(&mut connection.session, &connection.client, now);
        self.pushes.count(watched, connection.watching, now);
        if outcome == Outcome::List {
            let connected = self.connections.iter().map(|(number, connection)| Connected {
                client: &connection.client,
                session: &connection.session,
                is_asking: number == slot,
            });
            let answer = self.protocol.list(connected, now, source);
            if let Some(connection) = self.connections.get(slot) {
                connection.tell(answer);
            }
            outcome = Outcome::Again;
        }
        self.settle(slot, outcome, touched, now);
    }

    /// What there is to push is pushed to one client, if it watches.
    pub(super) fn push_to(&mut self, slot: u32, now: Instant, source: &mut P::Source) {
        let Some(connection) = self.connections.get(slot).filter(|c| c.watching) else { return };
        let outcome = connection.push(&mut self.protocol, source);
        self.pushes.count(true, connection.watching, now);
        self.settle(slot, outcome, false, now);
    }

    pub(super) fn drop_client(&mut self, slot: u32, now: Instant) {
        let Some(connection) = self.connections.remove(slot) else { return };
        self.pushes.count(connection.watching, false, now);
        self.protocol.handle_closed(&connection.session, &connection.client);
    }

    fn settle(&mut self, slot: u32, outcome: Outcome, touched: bool, now: Instant) {
        if outcome == Outcome::Close {
            self.drop_client(slot, now);
        } else {
            self.connections.settle::<P>(slot, outcome, touched, now);
        }
    }
}
