//! Messages of v3, with the user-based security model (snmp §9).

#[cfg(test)]
mod tests;

use super::ber::{self, Error, INTEGER, OCTETS, Reader, SEQUENCE};
use super::keys::{Auth, Key};
use super::pdu::Pdu;
use super::privacy::Privacy;

/// The number of this version, and of its security model, in a message.
const VERSION: i32 = 3;
const USER_BASED: i32 = 3;
/// What we take at most, in bytes.
const SIZE_MAX: i64 = 65507;
/// The longest engine id.
const ENGINE_MAX: usize = 32;
/// The message is signed; it is encrypted; a report may be sent for it.
const AUTH: u8 = 1;
const PRIVACY: u8 = 2;
const REPORTABLE: u8 = 4;

/// What begins the names of the counters that a report tells of; behind it comes one of [`Fault`] (snmp §9.5).
const COUNTERS: &[u32] = &[1, 3, 6, 1, 6, 3, 15, 1, 1];

/// The keys of an account at an engine. None: noAuthNoPriv; one: authNoPriv; two: authPriv.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// What signs.
    pub auth: Option<(Auth, Key)>,
    /// What encrypts.
    pub privacy: Option<(Privacy, Key)>,
}

/// An engine, as it tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Engine {
    /// Its name: 5 to 32 bytes. Empty: it is asked for.
    pub id: Vec<u8>,
    /// How often it has been started.
    pub boots: u32,
    /// For how many seconds it runs.
    pub time: u32,
}

/// What of a message is on its outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The number of the message; an answer has that of its request.
    pub id: i32,
    /// Whose time counts: of a request that of the card, of its trap as well.
    pub engine: Engine,
    /// Whose keys count.
    pub user: Vec<u8>,
    /// A report may be sent for it: it is a request, or an inform.
    pub is_reportable: bool,
}

/// A message that was read, and not yet believed.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Its outside.
    pub envelope: Envelope,
    flags: u8,
    whole: &'a [u8],
    signature: &'a [u8],
    /// Where in the whole that is.
    signature_at: usize,
    salt: &'a [u8],
    /// What is in it, as it came.
    data: &'a [u8],
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is signed or encrypted less than the account wants, or more.
    Level,
    /// It has another signature than the key makes.
    Signature,
    /// It cannot be decrypted.
    Decryption,
    /// What is in it is none.
    Content(Error),
}

/// What an engine says in a report of a message that it does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The account has not this level.
    Level,
    /// The time is not that of the engine.
    Time,
    /// There is no such user.
    User,
    /// It is another engine, or its name was asked for.
    Engine,
    /// The signature is wrong: the pass phrase, or the way of signing.
    Signature,
    /// It cannot be decrypted: the pass phrase, or the way of encrypting.
    Decryption,
}

impl Fault {
    /// What a report tells of; `None`: of nothing that is known.
    #[must_use]
    pub fn of(report: &Pdu) -> Option<Self> {
        let name = report.bindings.first()?.oid.strip_prefix(COUNTERS)?;
        Some(match name.first()? {
            1 => Self::Level,
            2 => Self::Time,
            3 => Self::User,
            4 => Self::Engine,
            5 => Self::Signature,
            6 => Self::Decryption,
            _ => return None,
        })
    }
}

/// The message of a request, signed and encrypted with these keys. `salt`: never the same again.
#[must_use]
pub fn encode(envelope: &Envelope, security: &Security, salt: u64, pdu: &Pdu) -> Vec<u8> {
    let Envelope { id, engine, user, is_reportable } = envelope;
    let mut data = Vec::new();
    ber::put(&mut data, OCTETS, &engine.id);
    // The context that is there always.
    ber::put(&mut data, OCTETS, &[]);
    pdu.write(&mut data);
    ber::wrap(&mut data, 0, SEQUENCE);

    let mut flags = if *is_reportable { REPORTABLE } else { 0 };
    let mut salt_told: &[u8] = &[];
    let made;
    if let Some((privacy, key)) = &security.privacy {
        flags |= PRIVACY;
        made = privacy.encrypt(key, [engine.boots, engine.time], salt, &mut data);
        salt_told = &made;
        ber::wrap(&mut data, 0, OCTETS);
    }
    let place = security.auth.as_ref().map_or(0, |(auth, _)| auth.kept());
    if place > 0 {
        flags |= AUTH;
    }

    let mut out = Vec::new();
    ber::put_integer(&mut out, INTEGER, i64::from(VERSION));
    let header = out.len();
    ber::put_integer(&mut out, INTEGER, i64::from(*id));
    ber::put_integer(&mut out, INTEGER, SIZE_MAX);
    ber::put(&mut out, OCTETS, &[flags]);
    ber::put_integer(&mut out, INTEGER, i64::from(USER_BASED));
    ber::wrap(&mut out, header, SEQUENCE);
    let parameters = out.len();
    ber::put(&mut out, OCTETS, &engine.id);
    ber::put_integer(&mut out, INTEGER, i64::from(engine.boots));
    ber::put_integer(&mut out, INTEGER, i64::from(engine.time));
    ber::put(&mut out, OCTETS, user);
    ber::put(&mut out, OCTETS, &vec![0; place]);
    // Elements around it move it, and nothing that is behind it changes any more but for its salt and data.
    let signed = out.len();
    ber::put(&mut out, OCTETS, salt_told);
    let behind = out.len() - signed + data.len();
    ber::wrap(&mut out, parameters, SEQUENCE);
    ber::wrap(&mut out, parameters, OCTETS);
    out.extend(data);
    ber::wrap(&mut out, 0, SEQUENCE);
    if let Some((auth, key)) = &security.auth {
        let at = out.len().saturating_sub(behind + place);
        auth.sign(key, &mut out, at);
    }
    out
}

/// The message in a datagram.
///
/// # Errors
/// What is wrong, if it is none of v3.
pub fn decode(datagram: &[u8]) -> Result<Message<'_>, Error> {
    let element = Reader::new(datagram).tagged(SEQUENCE)?;
    // The signature is over the message, without what may be behind it.
    let whole = datagram.get(..element.at + element.content.len()).unwrap_or(datagram);
    let mut message = Reader::inside(element);
    if message.integer()? != VERSION {
        return Err(Error("it is not of version 3"));
    }
    let mut header = message.sequence()?;
    let id = header.integer()?;
    header.integer()?;
    let flags = header.octets()?.first().copied().ok_or(Error("it has no flags"))?;
    if header.integer()? != USER_BASED {
        return Err(Error("its security is not that of users"));
    }
    let mut parameters = Reader::inside(message.tagged(OCTETS)?).sequence()?;
    let engine = parameters.octets()?;
    let count = |number: i32| u32::try_from(number).map_err(|_| Error("a time is negative"));
    let boots = count(parameters.integer()?)?;
    let time = count(parameters.integer()?)?;
    let user = parameters.octets()?;
    let signature = parameters.tagged(OCTETS)?;
    let salt = parameters.octets()?;
    if engine.len() > ENGINE_MAX || user.len() > ENGINE_MAX {
        return Err(Error("the name of an engine or a user is longer than 32 bytes"));
    }
    let data = if flags & PRIVACY == 0 { message.rest() } else { message.octets()? };
    Ok(Message {
        envelope: Envelope {
            id,
            engine: Engine { id: engine.to_vec(), boots, time },
            user: user.to_vec(),
            is_reportable: flags & REPORTABLE != 0,
        },
        flags,
        whole,
        signature: signature.content,
        signature_at: signature.at,
        salt,
        data,
    })
}

impl Message<'_> {
    /// Whether it is signed; by whom is another thing.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.flags & AUTH != 0
    }

    /// Whether it is encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.flags & PRIVACY != 0
    }

    /// What is in it, if it is signed and encrypted with these keys. The time is the caller's to look at.
    ///
    /// # Errors
    /// Why it is not to be believed.
    pub fn open(&self, security: &Security) -> Result<Pdu, Refused> {
        if self.is_signed() != security.auth.is_some() || self.is_encrypted() != security.privacy.is_some() {
            return Err(Refused::Level);
        }
        if let Some((auth, key)) = &security.auth {
            if !auth.is_signed(key, self.whole, self.signature_at, self.signature) {
                return Err(Refused::Signature);
            }
        }
        match &security.privacy {
            None => scoped(self.data).map_err(Refused::Content),
            Some((privacy, key)) => {
                let Engine { boots, time, .. } = self.envelope.engine;
                let data = privacy.decrypt(key, [boots, time], self.salt, self.data);
                // With another key something comes out that is nothing.
                scoped(&data.ok_or(Refused::Decryption)?).map_err(|_| Refused::Decryption)
            }
        }
    }
}

/// The PDU in what is kept from others.
fn scoped(data: &[u8]) -> Result<Pdu, Error> {
    let mut scoped = Reader::new(data).sequence()?;
    scoped.octets()?;
    scoped.octets()?;
    Pdu::read(scoped.element()?)
}
