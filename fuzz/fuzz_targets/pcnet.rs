//! A network card, and whoever sends to its port: packets, signed and not, and its web page. Bytes: a script of a byte that says what
//! happens, a length, and so many bytes.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::card::{Event, Transmit};
use mainsd::bus::stream;
use mainsd::link::Link;
use mainsd::link::pcnet::{Card, PORT, PcnetLink, Settings};
use mainsd::ups::{Command, PollRate};
use mainsd::wire::pcnet::{Packet, Response, Secret, signed_part};

const USER: &str = "apc";
const PHRASE: &str = "admin user phrase";

/// The data as a packet that the card has signed: so the script gets beyond the signature.
fn signed(data: &[u8], uptime: u32) -> Vec<u8> {
    let head = [format!("PC=10.0.0.1\nSR=1\nSU={uptime:X}\n").as_bytes(), data, b"\n"].concat();
    let digest = Secret::new(USER, PHRASE).sign(&[&head]);
    [&head[..], b"MD=", &digest, b"\n"].concat()
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = Packet::parse(bytes) {
        let _ = (packet.counters(), packet.answers().count(), packet.value("CS"));
    }
    let _ = (signed_part(bytes), Response::parse(bytes, false), Response::parse(bytes, true));
    let mut now = Instant::now();
    let card = Card::new("10.0.0.1", (USER, PHRASE), 80);
    let mut links = [Some(card), None].map(|card| PcnetLink::new(Settings { card, port: PORT, counters: None }, now));
    let mut script = bytes;
    let mut uptime = 0_u32;
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at(usize::from(length & 0x7f).min(rest.len()));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 3) * 500);
        uptime = uptime.wrapping_add(u32::from(length));
        let from = SocketAddr::from(([10, 0, 0, what & 3], 9));
        for link in &mut links {
            link.handle_timeout(now);
            let event = match what & 7 {
                0 => Event::Datagram { bytes: data.to_vec(), from },
                1 | 2 => Event::Datagram { bytes: signed(data, uptime), from },
                3 => Event::Stream(stream::Event::Connected),
                4 => Event::Stream(stream::Event::Bytes(data.to_vec())),
                5 => {
                    let page = [b"<html>\nCS=1\n", &signed(data, uptime)[..]].concat();
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
                    Event::Stream(stream::Event::Bytes([head.as_bytes(), &page].concat()))
                }
                6 => Event::Stream(stream::Event::Closed("closed".into())),
                _ => Event::Deaf("held".into()),
            };
            link.handle_event(now, event);
            if length & 0x80 != 0 {
                link.command([Command::KillPower, Command::Poll][usize::from(what >> 7)], now);
                link.set_poll_rate(PollRate::Fast, now);
            }
            for _ in 0..4 {
                if let Some(Transmit::LookUp) = link.poll_transmit(now) {
                    link.handle_event(now, Event::Addresses(Ok(vec![from.ip()])));
                }
            }
            while link.poll_event().is_some() {}
            let _ = link.poll_timeout();
        }
    }
});
