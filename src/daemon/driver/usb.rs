//! The USB driver: [`UsbLink`] and [`UsbPort`], and the values that go between them.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mio::{Registry, event::Event as IoEvent};

use super::{Driver, ROUNDS};
use crate::daemon::token;
use crate::link::LinkEvent;
use crate::link::usb::{
    DeviceInfo, MatchResult, Settings, TransferError, Transmit, UsbLink, Wanted, matches,
};
use crate::port::usb::{self as port, Roots, UsbPort, Verdict};
use crate::ups::{Command, Pace, Priority};
use crate::wire::hid::{ReportDescriptor, ReportKind};

/// Ids under which vendors sell UPSes of this class that only the report descriptor tells from other devices
/// (usb-hid §1). With one of them and no kernel driver (a program that held it died), the driver is attached again to
/// see the descriptor.
const MAYBE_UPS: [(u16, RangeInclusive<u16>); 22] = [
    (0x0463, 0..=0xffff),      // Eaton, MGE
    (0x06da, 0..=0xffff),      // Phoenixtec
    (0x0592, 4..=4),           // Powerware
    (0x03f0, 1..=1),           // HP
    (0x03f0, 0x1f06..=0x1f0a), // HP
    (0x03f0, 0x1fe0..=0x1fe8), // HP
    (0x04b3, 1..=1),           // IBM
    (0x0764, 0..=0xffff),      // CyberPower
    (0x0483, 0xa430..=0xa430), // ST Microelectronics
    (0x0665, 0x5161..=0x5161), // Cypress
    (0x09ae, 2..=0xffff),      // Tripp Lite
    (0x050d, 0..=0xffff),      // Belkin
    (0x0d9f, 0..=0xffff),      // Powercom
    (0x10af, 0..=0xffff),      // Liebert
    (0x05dd, 0xa011..=0xa0a0), // Delta, Minuteman
    (0x075d, 0x0300..=0x0300), // iDowell
    (0x2e66, 0..=0xffff),      // Salicru
    (0x1cb0, 0..=0xffff),      // Legrand
    (0x2341, 0x0036..=0x8040), // Arduino
    (0x2a03, 0x0036..=0x8040), // Arduino
    (0x04d8, 0xd004..=0xd005), // openUPS
    (0x051d, 0..=0xffff),      // APC
];

/// A UPS at USB.
#[derive(Debug)]
pub struct UsbDriver {
    port: UsbPort,
    link: UsbLink,
    /// What the port has for the log.
    log: VecDeque<LinkEvent>,
    /// The link was told something outside of the loop's calls that carry the registry.
    due: Option<Instant>,
}

impl UsbDriver {
    /// A driver for the UPS that `device` (the directive DEVICE) names; see [`Wanted::from_device`].
    #[must_use]
    pub fn new(device: &str, poll_time: Duration, now: Instant) -> Self {
        let wanted = Wanted::from_device(device);
        let matcher = Box::new(move |info: &port::DeviceInfo| verdict(&link_info(info), &wanted));
        Self {
            port: UsbPort::new(Roots::default(), token::DRIVER, matcher, now),
            link: UsbLink::new(Settings { poll_time }, now),
            log: VecDeque::new(),
            due: None,
        }
    }

    /// Moves values between port and link until both are still.
    fn pump(&mut self, registry: &Registry, now: Instant) {
        self.due = None;
        for _ in 0..ROUNDS {
            while let Some(event) = self.port.poll_event() {
                match event {
                    port::Event::Interrupt(report) => self.link.handle_interrupt(now, report),
                    port::Event::Control(result) => {
                        self.link.handle_control(now, result.map_err(link_error));
                    }
                    port::Event::Opened(info) => {
                        self.port.set_interrupt_len(longest_input(&info.report_descriptor));
                        self.link.handle_opened(now, link_info(&info));
                    }
                    port::Event::Closed(reason) => self.link.handle_closed(now, &reason),
                    port::Event::Rejected(reason) => {
                        self.log.push_back(LinkEvent::Log(Priority::Warning, reason));
                    }
                }
            }
            match self.link.poll_transmit(now) {
                Some(Transmit::ControlIn { setup, length: _, timeout }) => {
                    self.port.submit(setup, &[], timeout);
                }
                Some(Transmit::ControlOut { setup, data, timeout }) => {
                    self.port.submit(setup, &data, timeout)
                }
                Some(Transmit::Reopen) => self.port.reopen(registry, now),
                Some(Transmit::Reset) => self.port.reset(registry, now),
                None => return,
            }
        }
        self.due = Some(now);
    }
}

impl Driver for UsbDriver {
    fn start(&mut self, registry: &Registry, now: Instant) {
        self.port.start(registry, now);
        self.pump(registry, now);
    }

    fn ready(&mut self, registry: &Registry, event: &IoEvent, now: Instant) {
        self.port.ready(registry, event.token(), now);
        self.pump(registry, now);
    }

    fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        self.port.handle_timeout(registry, now);
        self.link.handle_timeout(now);
        self.pump(registry, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.due, self.port.poll_timeout(), self.link.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.log.pop_front().or_else(|| self.link.poll_event())
    }

    fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.link.set_pace(pace, now);
        self.due = Some(now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
        self.due = Some(now);
    }

    fn command(&mut self, command: Command, now: Instant) {
        self.link.command(command, now);
        self.due = Some(now);
    }

    fn close(&mut self, registry: &Registry) {
        self.port.close(registry);
    }
}

fn verdict(info: &DeviceInfo, wanted: &Wanted) -> Verdict {
    match matches(info, wanted) {
        MatchResult::Yes => Verdict::Wanted,
        MatchResult::OtherUps => Verdict::Other,
        MatchResult::NotAUps if info.report_descriptor.is_empty() && maybe_ups(info) => {
            Verdict::NeedsDescriptor
        }
        MatchResult::NotAUps => Verdict::Foreign,
    }
}

fn maybe_ups(info: &DeviceInfo) -> bool {
    MAYBE_UPS.iter().any(|(vendor, products)| *vendor == info.vendor && products.contains(&info.product))
}

/// Length of the longest input report; 0 without a usable descriptor.
fn longest_input(descriptor: &[u8]) -> u16 {
    let Ok(descriptor) = ReportDescriptor::parse(descriptor) else { return 0 };
    let inputs = descriptor.fields().iter().filter(|field| field.kind == ReportKind::Input);
    inputs.filter_map(|field| descriptor.report_len(field.kind, field.report_id)).max().unwrap_or(0)
}

fn link_info(info: &port::DeviceInfo) -> DeviceInfo {
    DeviceInfo {
        location: info.location.clone(),
        vendor: info.vendor,
        product: info.product,
        bcd_device: info.bcd_device,
        manufacturer: info.manufacturer.clone(),
        product_name: info.product_name.clone(),
        serial: info.serial.clone(),
        interface: info.interface,
        report_descriptor: info.report_descriptor.clone(),
        announced_descriptor_len: info.announced_descriptor_len,
    }
}

fn link_error(error: port::TransferError) -> TransferError {
    match error {
        port::TransferError::Stall => TransferError::Stall,
        port::TransferError::Timeout => TransferError::Timeout,
        port::TransferError::NoDevice => TransferError::NoDevice,
        port::TransferError::Overflow => TransferError::Overflow,
        port::TransferError::Other => TransferError::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(vendor: u16, product: u16, descriptor: &[u8]) -> DeviceInfo {
        DeviceInfo { vendor, product, report_descriptor: descriptor.to_vec(), ..DeviceInfo::default() }
    }

    #[test]
    fn a_known_vendor_without_a_descriptor_is_looked_at_again_and_a_keyboard_is_not() {
        let keyboard = [0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0xc0];
        assert_eq!(verdict(&info(0x0764, 0x0501, &[]), &Wanted::Any), Verdict::NeedsDescriptor);
        assert_eq!(verdict(&info(0x0764, 0x0501, &keyboard), &Wanted::Any), Verdict::Foreign);
        assert_eq!(verdict(&info(0x046d, 0xc31c, &[]), &Wanted::Any), Verdict::Foreign);
        assert_eq!(verdict(&info(0x051d, 0x0002, &[]), &Wanted::Any), Verdict::Wanted);
    }

    #[test]
    fn the_longest_input_report_counts_its_id() {
        // Report 1: 8 bytes of input, report 2: 20 bytes of feature.
        let descriptor = [
            0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x85, 0x01, 0x09, 0x30, 0x75, 0x08, 0x95, 0x08, 0x81, 0x02,
            0x85, 0x02, 0x09, 0x30, 0x95, 0x14, 0xb1, 0x02, 0xc0,
        ];
        assert_eq!(longest_input(&descriptor), 9);
        assert_eq!(longest_input(&[]), 0);
    }
}
