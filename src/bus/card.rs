//! A network card that sends datagrams (UDP) by itself, and takes orders over a connection (TCP).

use std::net::{IpAddr, SocketAddr};

use super::{Bus, Fault, stream};

/// A port at which datagrams are waited for, and one connection at a time to the card.
#[derive(Debug)]
pub struct Card;

impl Bus for Card {
    type Event<'a> = Event;
    type Transmit = Transmit;

    fn spoil(event: Event, fault: Fault, spoilt: &mut Vec<u8>) -> Event {
        match event {
            Event::Datagram { mut bytes, from } => {
                fault.spoil(&mut bytes);
                Event::Datagram { bytes, from }
            }
            Event::Stream(event) => Event::Stream(stream::Stream::spoil(event, fault, spoilt)),
            Event::Listening | Event::Deaf(_) | Event::Addresses(_) => event,
        }
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Datagrams can come from now on.
    Listening,
    /// No datagram can come; why. It is tried again.
    Deaf(String),
    /// A datagram has come, whole.
    Datagram {
        /// The datagram.
        bytes: Vec<u8>,
        /// Who sent it.
        from: SocketAddr,
    },
    /// The addresses of the card's name, or why they are not known.
    Addresses(Result<Vec<IpAddr>, String>),
    /// Something about the connection.
    Stream(stream::Event),
}

/// What the port must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Look up the card's name. Ends with [`Event::Addresses`].
    LookUp,
    /// Something with the connection; its only target is the card's web server.
    Stream(stream::Transmit),
}
