//! Requests, answers and notifications, without the message around them (snmp §8.3).

use super::ber::{self, Element, Error, Reader};
use super::value::{Binding, Oid};

/// An error: the answer would be too big (snmp §8.4).
pub const TOO_BIG: i32 = 1;
/// An error of v1: there is no such object (snmp §8.4).
pub const NO_SUCH_NAME: i32 = 2;

/// What a PDU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// These objects are asked for.
    Get,
    /// The objects behind these are asked for.
    GetNext,
    /// An answer.
    Response,
    /// These objects are to be set.
    Set,
    /// Many objects behind these are asked for: the error status is how many are asked for once, the error index how often the
    /// others are. Not in v1.
    GetBulk,
    /// A notification that is to be answered. Not in v1.
    Inform,
    /// A notification. Not in v1, which has [`TrapV1`].
    TrapV2,
    /// What the engine of an agent says of a message that it does not take; v3 alone.
    Report,
}

/// The kinds, by their tags.
const KINDS: [(u8, Kind); 8] = [
    (0xa0, Kind::Get),
    (0xa1, Kind::GetNext),
    (0xa2, Kind::Response),
    (0xa3, Kind::Set),
    (0xa5, Kind::GetBulk),
    (0xa6, Kind::Inform),
    (0xa7, Kind::TrapV2),
    (0xa8, Kind::Report),
];
pub(super) const TRAP_V1: u8 = 0xa4;

/// A request, an answer or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// Which of them.
    pub kind: Kind,
    /// An answer has that of its request.
    pub request_id: i32,
    /// 0: no error; see [`TOO_BIG`] and [`NO_SUCH_NAME`] (snmp §8.4).
    pub error_status: i32,
    /// Which binding the error is about, counted from 1; 0: none.
    pub error_index: i32,
    /// The objects.
    pub bindings: Vec<Binding>,
}

impl Pdu {
    /// A request for, or about, these objects.
    #[must_use]
    pub fn new(kind: Kind, request_id: i32, bindings: Vec<Binding>) -> Self {
        Self { kind, request_id, error_status: 0, error_index: 0, bindings }
    }

    /// What acknowledges this inform.
    #[must_use]
    pub fn acknowledgement(&self) -> Self {
        Self::new(Kind::Response, self.request_id, self.bindings.clone())
    }

    pub(super) fn read(element: Element<'_>) -> Result<Self, Error> {
        let kind = KINDS.iter().find(|(tag, _)| *tag == element.tag).map(|(_, kind)| *kind);
        let kind = kind.ok_or(Error("it is no request, answer or notification"))?;
        let mut reader = Reader::inside(element);
        Ok(Self {
            kind,
            request_id: reader.integer()?,
            error_status: reader.integer()?,
            error_index: reader.integer()?,
            bindings: Binding::read_all(&mut reader)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for number in [self.request_id, self.error_status, self.error_index] {
            ber::put_integer(out, ber::INTEGER, i64::from(number));
        }
        Binding::write_all(&self.bindings, out);
        let tag = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or(0, |(tag, _)| *tag);
        ber::wrap(out, start, tag);
    }
}

/// A notification of v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrapV1 {
    /// Whose `specific` it is.
    pub enterprise: Oid,
    /// The address that the agent calls its own; of no use where its addresses are translated.
    pub agent: [u8; 4],
    /// 6: `specific` counts.
    pub generic: i32,
    /// Which of the enterprise's traps it is.
    pub specific: i32,
    /// Hundredths of a second since the agent's start.
    pub uptime: u32,
    /// Objects that it is about.
    pub bindings: Vec<Binding>,
}

impl TrapV1 {
    pub(super) fn read(element: Element<'_>) -> Result<Self, Error> {
        let mut reader = Reader::inside(element);
        let enterprise =
            ber::oid(reader.tagged(ber::OID)?.content).ok_or(Error("the enterprise is no name"))?;
        let agent =
            reader.element()?.content.try_into().map_err(|_| Error("the agent's address has not 4 bytes"))?;
        let generic = reader.integer()?;
        let specific = reader.integer()?;
        let uptime = ber::unsigned(reader.element()?.content).and_then(|ticks| u32::try_from(ticks).ok());
        Ok(Self {
            enterprise: enterprise.as_slice().into(),
            agent,
            generic,
            specific,
            uptime: uptime.ok_or(Error("the time of a trap is none"))?,
            bindings: Binding::read_all(&mut reader)?,
        })
    }
}
