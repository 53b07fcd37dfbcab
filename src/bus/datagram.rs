//! Datagrams (UDP): a socket to one peer, and a port at which datagrams are waited for.

use std::net::{IpAddr, SocketAddr};

use super::{Bus, Fault};

/// A socket to one peer, a socket that listens, or both.
#[derive(Debug)]
pub struct Datagram;

impl Bus for Datagram {
    type Event<'a> = Event;
    type Transmit = Transmit;

    fn spoil(event: Event, fault: Fault, _: &mut Vec<u8>) -> Event {
        match event {
            Event::Bytes { mut bytes, from, socket } => {
                fault.spoil(&mut bytes);
                Event::Bytes { bytes, from, socket }
            }
            Event::Opened(_) | Event::Closed(_) | Event::Listening(_) => event,
        }
    }
}

/// Which socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// The one that is connected to the peer: only datagrams from its address and port come here.
    Peer,
    /// The one that listens: anybody's datagrams come here.
    Listener,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a socket to the peer. These are all addresses of the peer; the first is the one that is used.
    Opened(Vec<IpAddr>),
    /// A datagram has come, whole.
    Bytes {
        /// The datagram.
        bytes: Vec<u8>,
        /// Who sent it.
        from: SocketAddr,
        /// Where it came.
        socket: Socket,
    },
    /// There is no socket to the peer, or it is of no use; why: its name cannot be looked up, or the system says that nobody
    /// listens there.
    Closed(String),
    /// Datagrams are listened for; or not, and why: then it is tried again. Told when it changes.
    Listening(Result<(), String>),
}

/// What the port must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Open a socket to the peer; one that is there is closed. Its name is looked up first if no address is known, and again beside it
    /// after a while. Where the peer has several addresses, each opening takes the next one. Ends with [`Event::Opened`] or
    /// [`Event::Closed`].
    Open,
    /// Send this to the peer.
    Send(Vec<u8>),
    /// Send this from the socket that listens.
    Answer(SocketAddr, Vec<u8>),
}
