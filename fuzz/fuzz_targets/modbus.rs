//! A UPS that says anything by Modbus: frames, answers, and the conversation on a serial line and over TCP. Bytes: a script of
//! a byte that says what happens, a length, and so many bytes.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::{serial, stream};
use mainsd::link::Link;
use mainsd::link::modbus::{SerialModbus, TcpModbus};
use mainsd::ups::{Command, PollRate};
use mainsd::wire::modbus::{Frame, Request, of_rtu, of_tcp, rtu, tcp};

/// An answer of the right form to what is asked, with these bytes as its registers: so the script gets beyond the first request.
fn answer(content: &[u8], data: &[u8]) -> Vec<u8> {
    match content {
        [3, _, _, _, count] => {
            let length = count.saturating_mul(2);
            let registers = (0..length).map(|at| data.get(usize::from(at) % data.len().max(1)).copied().unwrap_or(2));
            [3, length].into_iter().chain(registers).collect()
        }
        _ => content.get(..5).unwrap_or(content).to_vec(),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let _ = (of_rtu(bytes), of_tcp(bytes));
    let _ = Request::Write { address: 1540, value: 1 }.answer(bytes);
    let mut now = Instant::now();
    let mut line = SerialModbus::new("", Duration::from_secs(60));
    let mut card = TcpModbus::new(&stream::Target::parse("card", 502), Duration::from_secs(60), now);
    line.handle_event(now, serial::Event::Opened);
    let mut script = bytes;
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at(usize::from(length & 0x3f).min(rest.len()));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 3) * 50);
        line.handle_timeout(now);
        card.handle_timeout(now);
        for _ in 0..4 {
            match line.poll_transmit(now) {
                Some(serial::Transmit::Bytes(frame)) if length & 0x80 == 0 => {
                    let content = frame.get(1..frame.len() - 2).unwrap_or(&[]);
                    line.handle_event(now, serial::Event::Bytes(rtu(&answer(content, data))));
                }
                Some(serial::Transmit::Reopen) => line.handle_event(now, serial::Event::Opened),
                _ => {}
            }
            match card.poll_transmit(now) {
                Some(stream::Transmit::Connect { .. }) => card.handle_event(now, stream::Event::Connected),
                Some(stream::Transmit::Send(frame)) if length & 0x80 == 0 => {
                    if let Frame::Whole { content, transaction, .. } = of_tcp(&frame) {
                        card.handle_event(now, stream::Event::Bytes(tcp(transaction, &answer(content, data))));
                    }
                }
                _ => {}
            }
        }
        match what & 7 {
            0..=2 => line.handle_event(now, serial::Event::Bytes(data.to_vec())),
            3 => card.handle_event(now, stream::Event::Bytes(data.to_vec())),
            4 => {
                let rate = if length & 0x80 == 0 { PollRate::Normal } else { PollRate::Fast };
                line.set_poll_rate(rate, now);
                card.set_poll_rate(rate, now);
            }
            5 => {
                let command = [Command::KillPower, Command::PowerOff, Command::SelfTest, Command::Calibrate];
                line.command(command[usize::from(length & 3)], now);
                card.command(command[usize::from(length & 3)], now);
            }
            6 => line.command([Command::AbortTest, Command::Poll][usize::from(length & 1)], now),
            _ => {
                line.handle_event(now, serial::Event::Closed("closed".into()));
                line.handle_event(now, serial::Event::Opened);
                card.handle_event(now, stream::Event::Closed("closed".into()));
            }
        }
        while line.poll_event().is_some() {}
        while card.poll_event().is_some() {}
        let _ = (line.poll_timeout(), card.poll_timeout());
    }
});
