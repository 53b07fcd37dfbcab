//! A UPS that says anything by Modbus: frames, answers, and the conversation on a serial line, over TCP, and over USB beside HID. Bytes: a
//! script of a byte that says what happens, a length, and so many bytes.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::usb::{DeviceInfo, TransferError, Transmit};
use mainsd::bus::{serial, stream, usb};
use mainsd::link::Link;
use mainsd::link::modbus::{SerialModbus, TcpModbus};
use mainsd::link::usb::Settings;
use mainsd::link::usb_modbus::UsbModbusLink;
use mainsd::ups::{Beeper, Command, PollRate, Setting, SettingValue, Switch};
use mainsd::wire::modbus::{Frame, Request, of_rtu, of_tcp, of_usb, rtu, tcp, usb as reports};

/// A UPS with a line state in report 7, and the two usages of Modbus in reports 0x90 and 0x89.
const DESCRIPTOR: [u8; 56] = [
    0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x09, 0x24, 0xa1, 0x02, 0x85, 0x07, 0x05, 0x85, 0x09, 0xd0, 0x75, 0x01, 0x95, 0x01,
    0xb1, 0xa2, 0x09, 0x45, 0xb1, 0xa2, 0x95, 0x06, 0xb1, 0x01, 0xc0, 0x06, 0x86, 0xff, 0x75, 0x08, 0x95, 0x3f, 0x85, 0x89,
    0x09, 0xfd, 0x81, 0x02, 0x85, 0x90, 0x09, 0xfc, 0x91, 0x02, 0xc0, 0, 0, 0, 0, 0,
];

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
    let _ = (of_rtu(bytes), of_tcp(bytes), of_usb(bytes));
    let _ = Request::Write { address: 1540, value: 1 }.answer(bytes);
    let mut now = Instant::now();
    let mut line = SerialModbus::new("", Duration::from_secs(60));
    let mut card = TcpModbus::new(&stream::Target::parse("card", 502), Duration::from_secs(60), now);
    line.handle_event(now, serial::Event::Opened);
    let settings = Settings { poll_time: Duration::from_secs(60) };
    let mut both = UsbModbusLink::new(settings, bytes.first().is_some_and(|byte| byte & 1 == 0), now);
    let info = DeviceInfo {
        vendor: 0x051d,
        report_descriptor: DESCRIPTOR[..51].to_vec(),
        announced_descriptor_len: Some(51),
        ..DeviceInfo::default()
    };
    both.handle_event(now, usb::Event::Opened(info.clone()));
    let mut script = bytes;
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = rest.split_at(usize::from(length & 0x3f).min(rest.len()));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 3) * 50);
        line.handle_timeout(now);
        card.handle_timeout(now);
        both.handle_timeout(now);
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
            match both.poll_transmit(now) {
                Some(Transmit::ControlIn { .. } | Transmit::ControlOut { .. }) => {
                    both.handle_event(now, usb::Event::Control(Ok(&[7, what & 1])));
                }
                Some(Transmit::InterruptOut { data: sent, .. }) => {
                    let result = if length & 0x40 == 0 { Ok(()) } else { Err(TransferError::Timeout) };
                    both.handle_event(now, usb::Event::InterruptSent(result));
                    if let (true, [_, 1, content @ ..]) = (length & 0x80 == 0, &sent[..]) {
                        let whole = if content.first() == Some(&16) { 8 } else { 5 };
                        for report in reports(0x89, 64, &answer(&content[..whole], data)) {
                            both.handle_event(now, usb::Event::Interrupt(&report));
                        }
                    }
                }
                Some(Transmit::Reopen | Transmit::Reset) => both.handle_event(now, usb::Event::Opened(info.clone())),
                _ => {}
            }
        }
        match what & 7 {
            0..=2 => line.handle_event(now, serial::Event::Bytes(data.to_vec())),
            3 if length & 0x40 != 0 => {
                both.handle_event(now, usb::Event::Interrupt(&[&[0x89], data].concat()));
            }
            3 => card.handle_event(now, stream::Event::Bytes(data.to_vec())),
            4 => {
                let rate = if length & 0x80 == 0 { PollRate::Normal } else { PollRate::Fast };
                line.set_poll_rate(rate, now);
                card.set_poll_rate(rate, now);
                both.set_poll_rate(rate, now);
            }
            5 => {
                let command = [
                    Command::KillPower,
                    Command::Beeper(Beeper::Mute),
                    Command::SelfTest,
                    Command::Calibrate,
                    Command::Outlets,
                    Command::Outlet(Switch::Reboot, u32::from(length)),
                    Command::Set(Setting::HighTransfer, SettingValue::Number(u32::from(length))),
                    Command::Set(Setting::WakeDelay, SettingValue::Number(u32::from(length))),
                ][usize::from(length & 7)];
                both.command(command, now);
                line.command(command, now);
                card.command(command, now);
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
        while both.poll_event().is_some() {}
        let _ = (line.poll_timeout(), card.poll_timeout(), both.poll_timeout());
    }
});
