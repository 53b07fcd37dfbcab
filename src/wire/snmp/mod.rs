//! SNMP, as network cards of UPSes speak it: messages of v1, v2c and v3 (snmp §7, §8).
//!
//! [`decode`] reads what is in a datagram, [`encode`] makes what is sent. Nothing that is read is longer than the datagram, and nothing in
//! it is read by a function that calls itself.

mod ber;
mod keys;
mod pdu;
mod privacy;
#[cfg(test)]
mod tests;
pub mod v3;
mod value;

pub use ber::Error;
pub use keys::{Auth, Key, Stretching};
pub use pdu::{Kind, NO_SUCH_NAME, Pdu, TOO_BIG, TrapV1};
pub use privacy::Privacy;
pub use value::{Binding, Oid, Value};

use ber::{INTEGER, OCTETS, Reader, SEQUENCE};

/// A version whose messages have a community.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SNMP v1.
    V1,
    /// SNMP v2c.
    V2c,
}

/// What is in a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A message of v1 or v2c.
    Community {
        /// Which of them.
        version: Version,
        /// What stands for a pass phrase: a secret.
        community: Vec<u8>,
        /// What it says.
        content: Content,
    },
    /// A message of v3, of which nothing has been read.
    V3,
}

/// What a message of v1 or v2c says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A request, an answer, or a notification of v2c.
    Pdu(Pdu),
    /// A notification of v1.
    TrapV1(TrapV1),
}

/// The message of a request or answer, with its community.
#[must_use]
pub fn encode(version: Version, community: &[u8], pdu: &Pdu) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put_integer(&mut out, INTEGER, i64::from(version == Version::V2c));
    ber::put(&mut out, OCTETS, community);
    pdu.write(&mut out);
    ber::wrap(&mut out, 0, SEQUENCE);
    out
}

/// What is in a datagram; bytes behind the message are left.
///
/// # Errors
///
/// What is wrong, if it is no message of a known version. A value that is not understood is no error: it is [`Value::Other`].
pub fn decode(datagram: &[u8]) -> Result<Message, Error> {
    let mut message = Reader::new(datagram).sequence()?;
    let version = match message.integer()? {
        0 => Version::V1,
        1 => Version::V2c,
        3 => return Ok(Message::V3),
        _ => return Err(Error("it is of no known version")),
    };
    let community = message.octets()?.to_vec();
    let element = message.element()?;
    let content = match element.tag {
        pdu::TRAP_V1 => Content::TrapV1(TrapV1::read(element)?),
        _ => Content::Pdu(Pdu::read(element)?),
    };
    Ok(Message::Community { version, community, content })
}
