//! A serial UPS that says anything: the parsers of answers, of `a` and of `^Z`, and the conversation. Bytes: a script of
//! a byte that says what happens, a length, and so many bytes.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::serial::Transmit;
use mainsd::link::Link;
use mainsd::link::apcsmart::{ApcSmartLink, Settings};
use mainsd::ups::{Command, PollRate, Setting, SettingValue};
use mainsd::wire::upslink::{Capabilities, Eeprom, decode, form};

fuzz_target!(|bytes: &[u8]| {
    if let Some((query, answer)) = bytes.split_first() {
        if let Some(form) = form(*query) {
            let _ = decode(form, answer);
        }
        let _ = Capabilities::parse(answer);
        let _ = Eeprom::parse(answer);
    }
    let mut now = Instant::now();
    let settings = Settings { poll_time: Duration::from_secs(60), port: String::new() };
    let mut link = ApcSmartLink::new(settings);
    link.handle_opened(now);
    let mut script = bytes;
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at(usize::from(length & 0x3f).min(rest.len()));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 3) * 50);
        link.handle_timeout(now);
        for _ in 0..4 {
            match link.poll_transmit(now) {
                Some(Transmit::Reopen) => link.handle_opened(now),
                // Mostly a UPS that is there, so that the script gets beyond the link check.
                Some(Transmit::Byte(b'Y')) if length & 0x80 == 0 => link.handle_bytes(now, b"SM\r\n"),
                Some(Transmit::Byte(b'Q')) if length & 0x40 == 0 => link.handle_bytes(now, b"08\r\n"),
                Some(_) | None => {}
            }
        }
        match what & 7 {
            0..=3 => link.handle_bytes(now, data),
            4 => link.set_poll_rate(if length & 0x80 == 0 { PollRate::Normal } else { PollRate::Fast }, now),
            5 => link.command(Command::KillPower, now),
            6 if length & 0x80 == 0 => link.command(Command::ReadTransferCause, now),
            6 => {
                let setting = [Setting::HighTransfer, Setting::Name][usize::from(length & 1)];
                let value = SettingValue::parse(setting, ["261", "cellar"][usize::from(length & 1)]);
                if let Some(value) = value {
                    link.command(Command::Set(setting, value), now);
                }
            }
            _ => link.handle_closed(now, "closed"),
        }
        if what & 7 == 7 {
            link.handle_opened(now);
        }
        while link.poll_event().is_some() {}
        let _ = link.poll_timeout();
    }
});
