//! What an agent says of an object: its name and its value (snmp §8.2).

use super::ber::{self, Element, Error, Reader};

/// The name of an object: numbers, such as 1.3.6.1.2.1.1.1.0. It is a slice of them.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// This object, and a number behind it: the instance of a scalar is `child(0)`.
    #[must_use]
    pub fn child(mut self, number: u32) -> Self {
        self.0.push(number);
        self
    }
}

impl std::ops::Deref for Oid {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl From<&[u32]> for Oid {
    fn from(numbers: &[u32]) -> Self {
        Self(numbers.to_vec())
    }
}

impl PartialEq<[u32]> for Oid {
    fn eq(&self, other: &[u32]) -> bool {
        self.0 == other
    }
}

impl PartialEq<&[u32]> for Oid {
    fn eq(&self, other: &&[u32]) -> bool {
        self.0 == *other
    }
}

/// With dots between.
impl std::fmt::Display for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().enumerate().try_for_each(|(at, number)| {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{number}")
        })
    }
}

impl std::fmt::Debug for Oid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The value of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// INTEGER.
    Integer(i32),
    /// OCTET STRING: a text or any bytes.
    Octets(Vec<u8>),
    /// What a request has in the place of a value.
    Null,
    /// OBJECT IDENTIFIER.
    Oid(Oid),
    /// An address of IPv4.
    IpAddress([u8; 4]),
    /// A count that begins again at 0.
    Counter(u32),
    /// What can be measured; Unsigned32 has the same tag.
    Gauge(u32),
    /// Hundredths of a second.
    Ticks(u32),
    /// Bytes that something else says the meaning of.
    Opaque(Vec<u8>),
    /// A count of 64 bits; not in v1.
    Counter64(u64),
    /// The agent has no such object; not in v1.
    NoSuchObject,
    /// The agent has the object, and not this instance; not in v1.
    NoSuchInstance,
    /// There is no object behind the one that was asked for; not in v1.
    EndOfMibView,
    /// None of these, or one of them whose bytes are no value of its kind; the first byte of its tag.
    Other(u8),
}

const IP_ADDRESS: u8 = 0x40;
const COUNTER: u8 = 0x41;
const GAUGE: u8 = 0x42;
const TICKS: u8 = 0x43;
const OPAQUE: u8 = 0x44;
const COUNTER64: u8 = 0x46;
const NO_SUCH_OBJECT: u8 = 0x80;
const NO_SUCH_INSTANCE: u8 = 0x81;
const END_OF_MIB_VIEW: u8 = 0x82;

impl Value {
    fn read(element: Element<'_>) -> Self {
        let content = element.content;
        let unsigned = || ber::unsigned(content).and_then(|value| u32::try_from(value).ok());
        let value = match element.tag {
            ber::INTEGER => ber::integer(content).map(Self::Integer),
            ber::OCTETS => Some(Self::Octets(content.to_vec())),
            ber::NULL => Some(Self::Null),
            ber::OID => ber::oid(content).map(|numbers| Self::Oid(Oid(numbers))),
            IP_ADDRESS => content.try_into().ok().map(Self::IpAddress),
            COUNTER => unsigned().map(Self::Counter),
            GAUGE => unsigned().map(Self::Gauge),
            TICKS => unsigned().map(Self::Ticks),
            OPAQUE => Some(Self::Opaque(content.to_vec())),
            COUNTER64 => ber::unsigned(content).map(Self::Counter64),
            NO_SUCH_OBJECT => Some(Self::NoSuchObject),
            NO_SUCH_INSTANCE => Some(Self::NoSuchInstance),
            END_OF_MIB_VIEW => Some(Self::EndOfMibView),
            _ => None,
        };
        value.unwrap_or(Self::Other(element.tag))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => ber::put_integer(out, ber::INTEGER, i64::from(*value)),
            Self::Octets(bytes) => ber::put(out, ber::OCTETS, bytes),
            Self::Null => ber::put(out, ber::NULL, &[]),
            Self::Oid(oid) => ber::put_oid(out, oid),
            Self::IpAddress(address) => ber::put(out, IP_ADDRESS, address),
            Self::Counter(value) => ber::put_unsigned(out, COUNTER, u64::from(*value)),
            Self::Gauge(value) => ber::put_unsigned(out, GAUGE, u64::from(*value)),
            Self::Ticks(value) => ber::put_unsigned(out, TICKS, u64::from(*value)),
            Self::Opaque(bytes) => ber::put(out, OPAQUE, bytes),
            Self::Counter64(value) => ber::put_unsigned(out, COUNTER64, *value),
            Self::NoSuchObject => ber::put(out, NO_SUCH_OBJECT, &[]),
            Self::NoSuchInstance => ber::put(out, NO_SUCH_INSTANCE, &[]),
            Self::EndOfMibView => ber::put(out, END_OF_MIB_VIEW, &[]),
            Self::Other(tag) => ber::put(out, *tag, &[]),
        }
    }
}

/// An object and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The object.
    pub oid: Oid,
    /// Its value; [`Value::Null`] in a request to read it.
    pub value: Value,
}

impl Binding {
    /// That this object is asked for.
    #[must_use]
    pub fn asked(oid: &[u32]) -> Self {
        Self { oid: oid.into(), value: Value::Null }
    }

    /// All of a message. A value that is not understood is [`Value::Other`]; a name that is not is an error.
    pub(super) fn read_all(message: &mut Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut list = message.sequence()?;
        let mut bindings = Vec::new();
        while !list.is_empty() {
            let mut binding = list.sequence()?;
            let name = binding.tagged(ber::OID)?.content;
            let oid = Oid(ber::oid(name).ok_or(Error("the name of an object is none"))?);
            bindings.push(Self { oid, value: Value::read(binding.element()?) });
        }
        Ok(bindings)
    }

    pub(super) fn write_all(bindings: &[Self], out: &mut Vec<u8>) {
        let list = out.len();
        for Self { oid, value } in bindings {
            let start = out.len();
            ber::put_oid(out, oid);
            value.write(out);
            ber::wrap(out, start, ber::SEQUENCE);
        }
        ber::wrap(out, list, ber::SEQUENCE);
    }
}
