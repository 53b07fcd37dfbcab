//! An account of v3 at a card: its keys, and what is known of the card's engine (snmp §9).
//!
//! The engine is asked for its name with the first message, and again whenever it says that it is another one. Its time is learned
//! from what is signed; before that, what it says of its time is a guess that costs a message at most.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::ups::RateLimit;
use crate::wire::snmp::v3::{self, Engine, Envelope, Fault, Security};
use crate::wire::snmp::{Auth, Key, Kind, Pdu, Privacy, Stretching};

/// So far behind the known time of an engine a message may be (snmp §9.6).
const WINDOW: Duration = Duration::from_secs(150);
/// Boots that are never in the window.
const BOOTS_MAX: u32 = 0x7fff_ffff;
/// An answer may come late: so many messages are remembered.
const SENT_MAX: usize = 16;
/// So many messages are sent again at once, and one more each so often: a card that refuses each cannot keep us busy.
const AGAIN: RateLimit = RateLimit::new(6, Duration::from_secs(2));

/// What the configuration says of an account.
#[derive(Clone)]
pub struct Login {
    /// SNMPUSER.
    pub user: String,
    /// How messages are signed, and the pass phrase; `None`: they are not.
    pub auth: Option<(Auth, String)>,
    /// How they are encrypted, and the pass phrase; `None`: they are not.
    pub privacy: Option<(Privacy, String)>,
    /// The number of the first salt: one that was never used.
    pub salt: u64,
}

impl Login {
    /// SNMPUSER, SNMPAUTH and SNMPPRIV; the pass phrases of what signs and of what encrypts, `None` where that is not done; `salt`:
    /// see [`Login::salt`].
    #[must_use]
    pub fn new((user, auth, privacy): (&str, &str, &str), secrets: [Option<&str>; 2], salt: u64) -> Self {
        let auth = match auth {
            "MD5" => Auth::Md5,
            "SHA224" => Auth::Sha224,
            "SHA256" => Auth::Sha256,
            "SHA384" => Auth::Sha384,
            "SHA512" => Auth::Sha512,
            _ => Auth::Sha1,
        };
        let privacy = if privacy == "DES" { Privacy::Des } else { Privacy::Aes };
        let [signing, encrypting] = secrets.map(|secret| secret.map(str::to_owned));
        Self {
            user: user.to_owned(),
            auth: signing.map(|secret| (auth, secret)),
            privacy: encrypting.map(|secret| (privacy, secret)),
            salt,
        }
    }
}

// Without the pass phrases.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A key, or what it is made of.
#[derive(Debug)]
enum Secret {
    Stretching(Stretching),
    Key(Key),
}

impl Secret {
    fn new(auth: Auth, passphrase: &str) -> Self {
        Self::Stretching(Stretching::new(auth, passphrase.as_bytes()))
    }

    const fn key(&self) -> Option<&Key> {
        match self {
            Self::Stretching(_) => None,
            Self::Key(key) => Some(key),
        }
    }
}

/// What is known of the card's engine.
#[derive(Debug)]
struct Known {
    /// As it was told then.
    engine: Engine,
    at: Instant,
    /// What is known of its time was signed.
    is_certain: bool,
    security: Security,
}

impl Known {
    /// The engine, as it is at this moment.
    fn engine(&self, now: Instant) -> Engine {
        let passed = u32::try_from(now.saturating_duration_since(self.at).as_secs()).unwrap_or(BOOTS_MAX);
        let time = self.engine.time.saturating_add(passed).min(BOOTS_MAX);
        Engine { time, ..self.engine.clone() }
    }

    /// Whether what was sent then, signed, is not too old; its time is learned.
    fn takes(&mut self, said: &Engine, now: Instant) -> bool {
        let known = self.engine(now);
        let window = u32::try_from(WINDOW.as_secs()).unwrap_or_default();
        let is_old = said.boots < known.boots
            || (said.boots == known.boots && said.time.saturating_add(window) < known.time);
        if said.boots >= BOOTS_MAX || (self.is_certain && is_old) {
            return false;
        }
        if !self.is_certain || (said.boots, said.time) > (self.engine.boots, self.engine.time) {
            self.learn(said, now);
        }
        true
    }

    fn learn(&mut self, said: &Engine, now: Instant) {
        (self.engine.boots, self.engine.time, self.at) = (said.boots, said.time, now);
        self.is_certain = true;
    }
}

/// What a datagram is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// An answer.
    Answer(Pdu),
    /// The message with this number was not taken, and would be now.
    Again(i32),
    /// Nothing.
    Nothing,
}

/// What somebody has sent by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The card has a notification.
    Notification,
    /// It wants to be answered by an engine of ours, which there is none of.
    Inform,
    /// Nothing that is to be believed.
    Nothing,
}

/// An account.
#[derive(Debug)]
pub(super) struct Account {
    user: Vec<u8>,
    auth: Option<(Auth, Secret)>,
    privacy: Option<(Privacy, Secret)>,
    known: Option<Known>,
    salt: u64,
    /// The numbers of messages that may be answered.
    sent: VecDeque<i32>,
    again: RateLimit,
    /// What the card last refused a message for.
    fault: Option<Fault>,
}

impl Account {
    pub(super) fn new(login: &Login) -> Self {
        let auth = login.auth.as_ref().map(|(auth, passphrase)| (*auth, Secret::new(*auth, passphrase)));
        let with = login.auth.as_ref().map(|(auth, _)| *auth);
        let privacy = login.privacy.as_ref().zip(with);
        Self {
            user: login.user.clone().into_bytes(),
            auth,
            privacy: privacy.map(|((privacy, passphrase), auth)| (*privacy, Secret::new(auth, passphrase))),
            known: None,
            salt: login.salt,
            sent: VecDeque::new(),
            again: AGAIN,
            fault: None,
        }
    }

    /// Whether all keys are made.
    pub(super) fn is_ready(&self) -> bool {
        let is_made = |secret: &Secret| secret.key().is_some();
        self.auth.as_ref().is_none_or(|(_, secret)| is_made(secret))
            && self.privacy.as_ref().is_none_or(|(_, secret)| is_made(secret))
    }

    /// A step towards the keys.
    pub(super) fn prepare(&mut self) {
        let secrets = self.auth.iter_mut().map(|(_, secret)| secret);
        for secret in secrets.chain(self.privacy.iter_mut().map(|(_, secret)| secret)) {
            if let Secret::Stretching(stretching) = secret {
                if let Some(key) = stretching.step() {
                    *secret = Secret::Key(key);
                }
                return;
            }
        }
    }

    /// The keys at this engine.
    fn security(&self, engine: &[u8]) -> Option<Security> {
        let Some((auth, secret)) = &self.auth else { return Some(Security::default()) };
        let localized = |secret: &Secret| secret.key().map(|key| key.localized(*auth, engine));
        let privacy = match &self.privacy {
            Some((privacy, secret)) => Some((*privacy, localized(secret)?)),
            None => None,
        };
        Some(Security { auth: Some((*auth, localized(secret)?)), privacy })
    }

    /// The message of this request; while the engine is not known, a question for it, whose answer is [`Said::Again`].
    pub(super) fn protect(&mut self, pdu: &Pdu, now: Instant) -> Vec<u8> {
        if self.sent.len() >= SENT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back(pdu.request_id);
        let id = pdu.request_id;
        match &self.known {
            Some(known) => {
                self.salt = self.salt.wrapping_add(1);
                let envelope =
                    Envelope { id, engine: known.engine(now), user: self.user.clone(), is_reportable: true };
                v3::encode(&envelope, &known.security, self.salt, pdu)
            }
            None => {
                let envelope =
                    Envelope { id, engine: Engine::default(), user: Vec::new(), is_reportable: true };
                v3::encode(&envelope, &Security::default(), 0, &Pdu::new(Kind::Get, id, Vec::new()))
            }
        }
    }

    /// What a datagram from the card is.
    pub(super) fn open(&mut self, datagram: &[u8], now: Instant) -> Said {
        self.opened(datagram, now).unwrap_or(Said::Nothing)
    }

    fn opened(&mut self, datagram: &[u8], now: Instant) -> Option<Said> {
        let message = v3::decode(datagram).ok()?;
        let Envelope { id, engine, user, .. } = &message.envelope;
        if !self.sent.contains(id) {
            return None;
        }
        if let Some(known) = self.known.as_mut().filter(|known| known.engine.id == engine.id) {
            if let (Ok(pdu), true) = (message.open(&known.security), *user == self.user) {
                if pdu.kind == Kind::Response {
                    if message.is_signed() && !known.takes(engine, now) {
                        return None;
                    }
                    known.is_certain |= !message.is_signed();
                    self.fault = None;
                    return Some(Said::Answer(pdu));
                }
            }
            // The report of the time: signed, not encrypted. It is not an old one: nobody could know the number of the message then.
            let signed = Security { auth: known.security.auth.clone(), privacy: None };
            if message.is_signed() {
                let report = message.open(&signed).ok().filter(|pdu| pdu.kind == Kind::Report)?;
                if Fault::of(&report)? != Fault::Time || engine.boots >= BOOTS_MAX {
                    return None;
                }
                known.learn(engine, now);
                return self.again(*id, now);
            }
        }
        let report = message.open(&Security::default()).ok().filter(|pdu| pdu.kind == Kind::Report)?;
        match Fault::of(&report)? {
            Fault::Engine if !engine.id.is_empty() => {
                if self.known.as_ref().is_some_and(|known| known.engine.id == engine.id) {
                    return None;
                }
                let security = self.security(&engine.id)?;
                self.known = Some(Known { engine: engine.clone(), at: now, is_certain: false, security });
                self.again(*id, now)
            }
            Fault::Engine | Fault::Time => None,
            fault => {
                self.fault = Some(fault);
                None
            }
        }
    }

    fn again(&mut self, id: i32, now: Instant) -> Option<Said> {
        self.again.take(now).then_some(Said::Again(id))
    }

    /// What somebody has sent to the port for traps.
    pub(super) fn notice(&mut self, datagram: &[u8], now: Instant) -> Notice {
        let Ok(message) = v3::decode(datagram) else { return Notice::Nothing };
        let Envelope { engine, user, is_reportable, .. } = &message.envelope;
        if *is_reportable {
            return Notice::Inform;
        }
        let Some(known) = self.known.as_mut().filter(|known| known.engine.id == engine.id) else {
            return Notice::Nothing;
        };
        let is_notification = message.open(&known.security).is_ok_and(|pdu| pdu.kind == Kind::TrapV2);
        if *user == self.user && is_notification && (!message.is_signed() || known.takes(engine, now)) {
            Notice::Notification
        } else {
            Notice::Nothing
        }
    }

    /// What is to be done about a card that does not answer.
    pub(super) fn advice(&self) -> &'static str {
        match (&self.fault, &self.known) {
            (Some(Fault::User), _) => "the card does not know the account that SNMPUSER names",
            (Some(Fault::Level), _) => {
                "the account has another security level in the card than SNMPLEVEL says"
            }
            (Some(Fault::Signature), _) => {
                "the card refuses the signature: is SNMPAUTH as in the card, and the auth pass phrase in SNMPSECRETS?"
            }
            (Some(Fault::Decryption), _) => {
                "the card cannot decrypt: is SNMPPRIV as in the card, and the priv pass phrase in SNMPSECRETS?"
            }
            (_, Some(known)) if !known.is_certain && self.privacy.is_some() => {
                "the card is there, but says nothing to the account: is SNMPPRIV as in the card, and the priv pass phrase in \
                 SNMPSECRETS, and may the account be used from this computer?"
            }
            (_, Some(known)) if !known.is_certain => {
                "the card is there, but says nothing to the account: may it be used from this computer?"
            }
            (_, Some(_)) => "no answer by SNMP any more",
            (_, None) => "no answer by SNMP v3; is it switched on in the card, for this computer?",
        }
    }
}
