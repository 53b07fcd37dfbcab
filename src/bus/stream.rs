//! A connection for bytes to one of several targets (TCP).

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{Bus, Fault};

/// One connection at a time.
#[derive(Debug)]
pub struct Stream;

impl Bus for Stream {
    type Event<'a> = Event;
    type Transmit = Transmit;

    fn spoil(event: Event, fault: Fault, _: &mut Vec<u8>) -> Event {
        match event {
            Event::Bytes(mut bytes) => {
                fault.spoil(&mut bytes);
                Event::Bytes(bytes)
            }
            Event::Connected | Event::Closed(_) => event,
        }
    }
}

/// One end to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// `host`, `host:port`, `[v6]:port` or a bare IPv6 address; without a port it is `default_port`.
    #[must_use]
    pub fn parse(text: &str, default_port: u16) -> Self {
        let whole = |host: &str| Self { host: host.to_owned(), port: default_port };
        if text.parse::<Ipv6Addr>().is_ok() {
            return whole(text);
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        match port.and_then(|port| port.parse().ok()) {
            Some(port) => Self { host: host.to_owned(), port },
            None => whole(host),
        }
    }

    /// The socket address, if the host is an address and no name.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.host.parse::<IpAddr>().ok()?, self.port))
    }
}

impl fmt::Display for Target {
    /// As MASTER shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What has happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there.
    Connected,
    /// These bytes have come.
    Bytes(Vec<u8>),
    /// None of the target's addresses can be reached, or the connection has ended; why.
    Closed(String),
}

/// What the port must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Connect to a target.
    Connect {
        /// Its number in the list that the port has.
        target: usize,
        /// Longest wait for each of its addresses.
        timeout: Duration,
    },
    /// Send this.
    Send(Cow<'static, [u8]>),
    /// Close the connection.
    Close,
}
