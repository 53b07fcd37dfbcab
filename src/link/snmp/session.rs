//! How requests and answers are put into messages.

use std::time::Instant;

use super::account::{Account, Said};
use crate::wire::snmp::{Content, Message, Pdu, Version, decode, encode};

/// What stands around each request and its answer.
pub(super) enum Session {
    /// SNMP v1 or v2c.
    Community {
        version: Version,
        /// A secret.
        community: Vec<u8>,
    },
    /// SNMP v3.
    Account(Box<Account>),
}

// Without the secret.
impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Community { version, .. } => {
                f.debug_struct("Community").field("version", version).finish_non_exhaustive()
            }
            Self::Account(_) => f.write_str("Account"),
        }
    }
}

impl Session {
    /// The first is what most cards of today have.
    pub(super) const VERSIONS: [Version; 2] = [Version::V2c, Version::V1];

    /// Whether messages can be made.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Community { .. } => true,
            Self::Account(account) => account.is_ready(),
        }
    }

    /// The account, if it is one.
    pub(super) fn account(&self) -> Option<&Account> {
        match self {
            Self::Community { .. } => None,
            Self::Account(account) => Some(account),
        }
    }

    /// The same, to be changed.
    pub(super) fn account_mut(&mut self) -> Option<&mut Account> {
        match self {
            Self::Community { .. } => None,
            Self::Account(account) => Some(account),
        }
    }

    /// The message of this request.
    pub(super) fn encode(&mut self, pdu: &Pdu, now: Instant) -> Vec<u8> {
        match self {
            Self::Account(account) => account.protect(pdu, now),
            Self::Community { version, community } => encode(*version, community, pdu),
        }
    }

    /// What a datagram from the card is.
    pub(super) fn decode(&mut self, datagram: &[u8], now: Instant) -> Said {
        match self {
            Self::Account(account) => account.open(datagram, now),
            Self::Community { version, community } => match decode(datagram) {
                Ok(Message::Community { version: said, community: told, content: Content::Pdu(pdu) })
                    if *version == said && *community == told =>
                {
                    Said::Answer(pdu)
                }
                _ => Said::Nothing,
            },
        }
    }

    /// Whether an object that is missing has a value that says so, and many objects can be asked for at once.
    pub(super) fn is_v1(&self) -> bool {
        matches!(self, Self::Community { version: Version::V1, .. })
    }
}
