//! A USB UPS that answers anything. Bytes: length of the descriptor (2), the descriptor, then a script of answers:
//! a byte that says what happens, a length, and so many bytes. The first byte of the descriptor also chooses the vendor, and with
//! it what is known of the firmware.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::bus::usb::{DeviceInfo, TransferError, Transmit};
use mainsd::link::{Link, LinkEvent};
use mainsd::link::usb::{Settings, UsbLink};
use mainsd::ups::{Command, PollRate, Setting, SettingValue};

fn split(bytes: &[u8], length: usize) -> (&[u8], &[u8]) {
    bytes.split_at(length.min(bytes.len()))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (descriptor, mut script) = split(rest, usize::from(u16::from_le_bytes(*length)));
    let mut now = Instant::now();
    let mut link = UsbLink::new(Settings { poll_time: Duration::from_secs(60) }, now);
    const VENDORS: [u16; 6] = [0x051d, 0x0764, 0x0d9f, 0x10af, 0x0463, 0x1234];
    let vendor = VENDORS[usize::from(descriptor.first().copied().unwrap_or_default()) % VENDORS.len()];
    let info = DeviceInfo { vendor, report_descriptor: descriptor.to_vec(), ..DeviceInfo::default() };
    link.handle_opened(now, info.clone());
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = split(rest, usize::from(length & 0x3f));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 4) * 50);
        link.handle_timeout(now);
        let mut transmit = link.poll_transmit(now);
        if let Some(Transmit::InterruptLen(_)) = transmit {
            transmit = link.poll_transmit(now);
        }
        if matches!(transmit, Some(Transmit::Reset | Transmit::Reopen | Transmit::LeaveAlone)) {
            link.handle_opened(now, info.clone());
        }
        match what & 0x0f {
            0..=7 => link.handle_control(now, Ok(data)),
            8 => link.handle_control(now, Err(TransferError::Stall)),
            9 => link.handle_control(now, Err(TransferError::Timeout)),
            10 => link.handle_control(now, Err(TransferError::Overflow)),
            11 => link.handle_interrupt(now, data),
            12 => link.handle_closed(now, "closed"),
            13 => link.set_poll_rate(if length & 0x80 == 0 { PollRate::Normal } else { PollRate::Fast }, now),
            14 if length & 0x80 == 0 => link.command(Command::KillPower, now),
            14 => link.command(Command::Set(Setting::LowTransfer, SettingValue::Number(u32::from(length))), now),
            _ => link.command(Command::ReadTransferCause, now),
        }
        while let Some(event) = link.poll_event() {
            if let LinkEvent::Reading(reading) = event {
                let values = &reading.values;
                let volts = [values.line_voltage, values.output_voltage];
                assert!(volts.iter().flatten().all(|volts| (0.0..=520.0).contains(&volts.0)));
                assert!(values.temperature.is_none_or(|celsius| (-40.0..=120.0).contains(&celsius.0)));
                assert!(values.battery_charge.is_none_or(|charge| (0.0..=100.0).contains(&charge.0)));
                assert!(values.runtime_left.is_none_or(|runtime| runtime.0 >= 0.0));
            }
        }
        let _ = link.poll_timeout();
    }
});
