//! A card that says anything by SNMP: messages of each version, and the conversation by a community, by an account that is not signed
//! and by one that is. Bytes: a script of a byte that says what happens, a length, and so many bytes.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::datagram::{Event, Socket, Transmit};
use mainsd::link::Link;
use mainsd::link::snmp::{Device, Login, Settings, SnmpLink};
use mainsd::ups::{Command, PollRate};
use mainsd::wire::snmp::{Auth, Binding, Content, Key, Kind, Message, Oid, Pdu, Privacy, Stretching, Value, Version, decode, encode, v3};
use v3::{Engine, Envelope, Security};

const CARD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ENGINE: &[u8] = b"\x80\0\x1f\x88card";

/// An answer to this, with what the data says: values of the right name, an error, or a name and kind of its own.
fn pdu(asked: &Pdu, data: &[u8]) -> Pdu {
    let byte = |at: usize| data.get(at % data.len().max(1)).copied().unwrap_or(2);
    let value = |at: usize| match byte(at) & 7 {
        0 => Value::Octets(data.to_vec()),
        1 => Value::NoSuchObject,
        2 => Value::Oid(Oid::from(&[1, 3, 6, 1, 2, 1, 33, 1, 6, 3, u32::from(byte(at + 1))][..])),
        3 => Value::Gauge(u32::from(byte(at + 1))),
        4 => Value::Ticks(u32::from_be_bytes([byte(at), byte(at + 1), 0, byte(at + 2)])),
        _ => Value::Integer(i32::from(byte(at + 1) >> 3)),
    };
    let answered = |(at, binding): (usize, &Binding)| {
        let oid = if asked.kind == Kind::GetBulk { binding.oid.clone().child(u32::from(byte(at))) } else { binding.oid.clone() };
        Binding { oid, value: value(at) }
    };
    Pdu {
        error_status: if byte(0) == 255 { i32::from(byte(1)) } else { 0 },
        error_index: i32::from(byte(2) & 3),
        ..Pdu::new(Kind::Response, asked.request_id, asked.bindings.iter().enumerate().map(answered).collect())
    }
}

/// What a card answers to this request.
fn answer(request: &[u8], data: &[u8], security: &Security) -> Option<Vec<u8>> {
    match decode(request).ok()? {
        Message::Community { version, community, content: Content::Pdu(asked) } => {
            Some(encode(version, &community, &pdu(&asked, data)))
        }
        Message::Community { .. } => None,
        Message::V3 => {
            let message = v3::decode(request).ok()?;
            let seconds = data.first().copied().unwrap_or(0);
            let engine = Engine { id: ENGINE.to_vec(), boots: u32::from(seconds & 3), time: u32::from(seconds) * 8 };
            let envelope = Envelope { engine, is_reportable: false, ..message.envelope.clone() };
            let (security, pdu) = match message.open(security) {
                Ok(asked) if message.envelope.engine.id == ENGINE && seconds < 250 => (security.clone(), pdu(&asked, data)),
                _ => {
                    let counter = if message.envelope.engine.id.is_empty() { 4 } else { u32::from(seconds & 7) };
                    let oid = Oid::from(&[1, 3, 6, 1, 6, 3, 15, 1, 1, counter, 0][..]);
                    let report = Pdu::new(Kind::Report, 0, vec![Binding { oid, value: Value::Counter(1) }]);
                    let signed = Security { privacy: None, ..security.clone() };
                    (if counter == 2 { signed } else { Security::default() }, report)
                }
            };
            Some(v3::encode(&envelope, &security, 7, &pdu))
        }
    }
}

thread_local! {
    static SIGNED: Security = {
        let mut stretching = Stretching::new(Auth::Md5, b"s3cr3t-a");
        let key = loop {
            if let Some(key) = stretching.step() {
                break key;
            }
        };
        let key: Key = key.localized(Auth::Md5, ENGINE);
        Security { auth: Some((Auth::Md5, key.clone())), privacy: Some((Privacy::Des, key)) }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
    if let Ok(message) = v3::decode(bytes) {
        let _ = message.open(&Security::default());
        SIGNED.with(|security| {
            let _ = message.open(security);
            let _ = message.open(&Security { privacy: None, ..security.clone() });
        });
    }
    let mut now = Instant::now();
    let settings = |login: Option<Login>| Settings {
        device: Device::parse("card").unwrap(),
        version: bytes.first().and_then(|byte| [None, Some(Version::V1), Some(Version::V2c)].get(usize::from(byte & 3)).copied().flatten()),
        login,
        poll_time: Duration::from_secs(60),
        first_number: i32::MAX - 3,
    };
    let secrets = [None, Some(["s3cr3t-a"; 2])].map(|secret| secret.map(|it| it.map(Some)).unwrap_or_default());
    let [open, signed] = secrets.map(|secrets| Some(Login::new(("ups", "MD5", "DES"), secrets, u64::MAX)));
    let mut links = [None, open, signed].map(|login| SnmpLink::new(settings(login), now));
    let none = Security::default();
    let mut script = bytes;
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at(usize::from(length & 0x3f).min(rest.len()));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 3) * 50);
        for (number, link) in links.iter_mut().enumerate() {
            link.handle_timeout(now);
            for _ in 0..4 {
                match link.poll_transmit(now) {
                    Some(Transmit::Open) => link.handle_event(now, Event::Opened(vec![CARD])),
                    Some(Transmit::Send(request)) if length & 0x80 == 0 => {
                        let said = match number {
                            2 => SIGNED.with(|security| answer(&request, data, security)),
                            _ => answer(&request, data, &none),
                        };
                        if let Some(bytes) = said {
                            link.handle_event(now, Event::Bytes { bytes, from: (CARD, 161).into(), socket: Socket::Peer });
                        }
                    }
                    _ => {}
                }
            }
            match what & 7 {
                0 | 1 => {
                    let socket = if what & 1 == 0 { Socket::Peer } else { Socket::Listener };
                    link.handle_event(now, Event::Bytes { bytes: data.to_vec(), from: (CARD, 161).into(), socket });
                }
                2 => link.set_poll_rate(if length & 0x40 == 0 { PollRate::Normal } else { PollRate::Fast }, now),
                3 => {
                    let command = [Command::KillPower, Command::PowerOff, Command::SelfTest, Command::Calibrate];
                    link.command(command[usize::from(length & 3)], now);
                }
                4 => link.command([Command::AbortTest, Command::Poll][usize::from(length & 1)], now),
                5 => link.handle_event(now, Event::Closed("closed".into())),
                _ => {}
            }
            while link.poll_event().is_some() {}
            let _ = link.poll_timeout();
        }
    }
});
