//! The engine of v3 around a card, which knows one account. Its messages are made by the program's own parts; that those are right is
//! tried with net-snmp (`tests/ci/snmpd.rs`).

use std::time::Instant;

use mainsd::wire::snmp::v3::{self, Engine, Envelope, Refused, Security};
use mainsd::wire::snmp::{
    Auth, Binding, Content, Kind, Message, Oid, Pdu, Privacy, Stretching, Value, Version, decode, encode,
};

use super::Unit;

/// An account with SHA-256 and AES.
#[derive(Debug)]
pub struct Account {
    user: &'static str,
    security: Security,
    started: Instant,
}

const ENGINE: &[u8] = b"\x80\0\x1f\x88card";

impl Account {
    pub fn new(user: &'static str, auth: &str, privacy: &str) -> Self {
        let key = |passphrase: &str| {
            let mut stretching = Stretching::new(Auth::Sha256, passphrase.as_bytes());
            let key = std::iter::repeat_with(|| stretching.step()).flatten().next().unwrap();
            key.localized(Auth::Sha256, ENGINE)
        };
        let security =
            Security { auth: Some((Auth::Sha256, key(auth))), privacy: Some((Privacy::Aes, key(privacy))) };
        Self { user, security, started: Instant::now() }
    }

    fn message(&self, id: i32, security: &Security, pdu: &Pdu) -> Vec<u8> {
        let time = u32::try_from(self.started.elapsed().as_secs()).unwrap() + 1;
        let engine = Engine { id: ENGINE.to_vec(), boots: 1, time };
        let user = self.user.as_bytes().to_vec();
        v3::encode(&Envelope { id, engine, user, is_reportable: false }, security, 4711, pdu)
    }

    /// What the card answers; `None`: nothing.
    pub fn answer(&self, unit: &mut Unit, datagram: &[u8]) -> Option<Vec<u8>> {
        let message = v3::decode(datagram).ok()?;
        let Envelope { id, engine, user, .. } = message.envelope.clone();
        let refusal = match message.open(&self.security) {
            _ if engine.id != ENGINE => 4,
            _ if user != self.user.as_bytes() => 3,
            Ok(asked) => {
                let answer = unit.answer(&encode(Version::V2c, b"private", &asked))?;
                let Ok(Message::Community { content: Content::Pdu(pdu), .. }) = decode(&answer) else {
                    return None;
                };
                return Some(self.message(id, &self.security, &pdu));
            }
            Err(Refused::Level) => 1,
            Err(Refused::Signature) => 5,
            // As net-snmp.
            Err(Refused::Decryption | Refused::Content(_)) => return None,
        };
        let oid = Oid::from(&[1, 3, 6, 1, 6, 3, 15, 1, 1, refusal, 0][..]);
        let report = Pdu::new(Kind::Report, 0, vec![Binding { oid, value: Value::Counter(1) }]);
        Some(self.message(id, &Security::default(), &report))
    }
}
