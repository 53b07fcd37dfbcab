//! A USB UPS that answers anything. Bytes: length of the descriptor (2), the descriptor, then a script of answers:
//! a byte that says what happens, a length, and so many bytes.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use mainsd::link::usb::{DeviceInfo, Settings, TransferError, Transmit, UsbLink};
use mainsd::ups::{Command, Pace};

fn split(bytes: &[u8], length: usize) -> (&[u8], &[u8]) {
    bytes.split_at(length.min(bytes.len()))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (descriptor, mut script) = split(rest, usize::from(u16::from_le_bytes(*length)));
    let mut now = Instant::now();
    let mut link = UsbLink::new(Settings { poll_time: Duration::from_secs(60) }, now);
    let info = DeviceInfo { vendor: 0x051d, report_descriptor: descriptor.to_vec(), ..DeviceInfo::default() };
    link.handle_opened(now, info.clone());
    while let Some((&[what, length], rest)) = script.split_first_chunk::<2>() {
        let (data, rest) = split(rest, usize::from(length & 0x3f));
        script = rest;
        now += Duration::from_millis(u64::from(what >> 4) * 50);
        link.handle_timeout(now);
        let transmit = link.poll_transmit(now);
        if matches!(transmit, Some(Transmit::Reset | Transmit::Reopen)) {
            link.handle_opened(now, info.clone());
        }
        match what & 0x0f {
            0..=7 => link.handle_control(now, Ok(data)),
            8 => link.handle_control(now, Err(TransferError::Stall)),
            9 => link.handle_control(now, Err(TransferError::Timeout)),
            10 => link.handle_control(now, Err(TransferError::Overflow)),
            11 => link.handle_interrupt(now, data),
            12 => link.handle_closed(now, "closed"),
            13 => link.set_pace(if length & 0x80 == 0 { Pace::Normal } else { Pace::Fast }, now),
            14 => link.command(Command::KillPower, now),
            _ => link.command(Command::ReadTransferCause, now),
        }
        while link.poll_event().is_some() {}
        let _ = link.poll_timeout();
    }
});
