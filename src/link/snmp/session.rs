//! How requests and answers are put into messages.

use std::time::Instant;

use crate::wire::snmp::{Content, Message, Pdu, Version, decode, encode};

/// What stands around each request and its answer.
#[derive(Clone)]
pub(super) enum Session {
    /// SNMP v1 or v2c.
    Community {
        version: Version,
        /// A secret.
        community: Vec<u8>,
    },
}

// Without the secret.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Community { version, .. } => {
                f.debug_struct("Community").field("version", version).finish_non_exhaustive()
            }
        }
    }
}

impl Session {
    /// The first is what most cards of today have.
    pub(super) const VERSIONS: [Version; 2] = [Version::V2c, Version::V1];

    /// The message of this request.
    pub(super) fn encode(&mut self, pdu: &Pdu, _now: Instant) -> Vec<u8> {
        match self {
            Self::Community { version, community } => encode(*version, community, pdu),
        }
    }

    /// The answer in this datagram; `None`: it is none for this session.
    pub(super) fn decode(&mut self, datagram: &[u8], _now: Instant) -> Option<Pdu> {
        match (self, decode(datagram).ok()?) {
            (
                Self::Community { version, community },
                Message::Community { version: said, community: told, content: Content::Pdu(pdu) },
            ) => (*version == said && *community == told).then_some(pdu),
            _ => None,
        }
    }

    /// Whether an object that is missing has a value that says so, and many objects can be asked for at once.
    pub(super) fn is_v1(&self) -> bool {
        matches!(self, Self::Community { version: Version::V1, .. })
    }
}
