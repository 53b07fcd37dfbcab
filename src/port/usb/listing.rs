//! The devices that there are, told by a process that can look at them to one that cannot.
//!
//! ```text
//! a HID interface:  i name driver (text) bus device vendor product bcd (2 each) configuration interface (1 each) report descriptor
//! another device:   d location (text) vendor product (2 each) classes
//! the end:          .
//! ```
//!
//! A text is its length (1) and its bytes; numbers are little-endian; what comes last goes to the end of the packet.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Instant;

use super::sysfs::{Candidate, Other, Roots};
use crate::bus::usb::DeviceInfo;
use crate::sys::passing;
use crate::sys::role::Socket;
use crate::ups::clean;

const INTERFACE: u8 = b'i';
const DEVICE: u8 = b'd';
const END: u8 = b'.';

/// Longest packet in bytes: a report descriptor of the kernel's greatest length, and what comes before it.
pub(super) const PACKET: usize = 4096 + 600;
/// Most interfaces, and most devices, that are taken.
const MOST: usize = 256;

/// What a packet tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Interface(Box<Candidate>),
    Device(Other),
    End,
}

/// The packet of an interface.
pub(super) fn encode_interface(candidate: &Candidate) -> Vec<u8> {
    let Candidate { name, info, configuration, driver, .. } = candidate;
    let (bus, device) = candidate.numbers().unwrap_or_default();
    let mut out = vec![INTERFACE];
    put_text(&mut out, name);
    put_text(&mut out, driver.as_deref().unwrap_or_default());
    for number in [bus, device, info.vendor, info.product, info.bcd_device] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&[*configuration, info.interface]);
    out.extend_from_slice(info.report_descriptor.get(..4096).unwrap_or(&info.report_descriptor));
    out
}

fn encode_device(other: &Other) -> Vec<u8> {
    let mut out = vec![DEVICE];
    put_text(&mut out, &other.location);
    out.extend_from_slice(&other.vendor.to_le_bytes());
    out.extend_from_slice(&other.product.to_le_bytes());
    out.extend_from_slice(other.classes.get(..MOST).unwrap_or(&other.classes));
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes().get(..255).unwrap_or(text.as_bytes());
    out.push(u8::try_from(bytes.len()).unwrap_or(0));
    out.extend_from_slice(bytes);
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((clean(std::str::from_utf8(text).ok()?), rest))
}

fn take_number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u16::from_le_bytes(*number), rest))
}

/// What a packet tells; `None`: it is none. Paths are those of these roots.
pub(super) fn decode(packet: &[u8], roots: &Roots) -> Option<Entry> {
    let (tag, rest) = packet.split_first()?;
    match *tag {
        INTERFACE => {
            let (name, rest) = take_text(rest)?;
            let (driver, mut rest) = take_text(rest)?;
            let mut numbers = [0; 5];
            for number in &mut numbers {
                (*number, rest) = take_number(rest)?;
            }
            let [bus, device, vendor, product, bcd_device] = numbers;
            let [configuration, interface, report_descriptor @ ..] = rest else { return None };
            let location = name.split_once(':')?.0.to_owned();
            let (folder, node) = roots.paths(&location, bus, device);
            let info = DeviceInfo {
                location,
                vendor,
                product,
                bcd_device,
                interface: *interface,
                report_descriptor: report_descriptor.to_vec(),
                ..DeviceInfo::default()
            };
            let driver = Some(driver).filter(|driver| !driver.is_empty());
            let configuration = *configuration;
            Some(Entry::Interface(Box::new(Candidate { name, info, configuration, node, folder, driver })))
        }
        DEVICE => {
            let (location, rest) = take_text(rest)?;
            let (vendor, rest) = take_number(rest)?;
            let (product, classes) = take_number(rest)?;
            Some(Entry::Device(Other { location, vendor, product, classes: classes.to_vec() }))
        }
        END => rest.is_empty().then_some(Entry::End),
        _ => None,
    }
}

/// Tells all devices to who has the other end of the socket.
pub fn tell(roots: &Roots, socket: &Socket) {
    for candidate in roots.scan().iter().take(MOST) {
        socket.send(&encode_interface(candidate));
    }
    for other in roots.others().iter().take(MOST) {
        socket.send(&encode_device(other));
    }
    socket.send(&[END]);
}

/// The list, as far as it was told.
#[derive(Debug)]
pub(super) struct Listing {
    socket: OwnedFd,
    pub candidates: Vec<Candidate>,
    pub others: Vec<Other>,
    pub until: Instant,
}

impl Listing {
    pub const fn new(socket: OwnedFd, until: Instant) -> Self {
        Self { socket, candidates: Vec::new(), others: Vec::new(), until }
    }

    /// Takes what was told; true: that is all there will be.
    pub fn receive(&mut self, roots: &Roots) -> bool {
        let mut packet = [0; PACKET];
        loop {
            let length = match passing::receive_now(self.socket.as_fd(), &mut packet) {
                Ok((length @ 1.., _)) => length,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Ok(_) | Err(_) => return true,
            };
            match packet.get(..length).and_then(|packet| decode(packet, roots)) {
                Some(Entry::Interface(candidate)) if self.candidates.len() < MOST => {
                    self.candidates.push(*candidate);
                }
                Some(Entry::Device(other)) if self.others.len() < MOST => self.others.push(other),
                Some(Entry::End) => return true,
                _ => {}
            }
        }
    }
}

impl AsRawFd for Listing {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_interface_arrives_as_it_was_seen(
            numbers in any::<[u16; 3]>(), bus in 1..1000_u16, device in 1..1000_u16, small in any::<[u8; 2]>(),
            driver in "[a-z]{0,20}", descriptor in proptest::collection::vec(any::<u8>(), 0..4096),
        ) {
            let roots = Roots::default();
            let (folder, node) = roots.paths("1-1.2", bus, device);
            let [vendor, product, bcd_device] = numbers;
            let [configuration, interface] = small;
            let info = DeviceInfo {
                location: "1-1.2".to_owned(), vendor, product, bcd_device, interface,
                report_descriptor: descriptor, ..DeviceInfo::default()
            };
            let driver = Some(driver).filter(|driver| !driver.is_empty());
            let candidate = Candidate { name: "1-1.2:1.0".to_owned(), info, configuration, node, folder, driver };
            let packet = encode_interface(&candidate);
            prop_assert!(packet.len() <= PACKET);
            prop_assert_eq!(decode(&packet, &roots), Some(Entry::Interface(Box::new(candidate))));
        }

        #[test]
        fn a_device_arrives_as_it_was_seen(vendor in any::<u16>(), product in any::<u16>(), classes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let other = Other { location: "2-3".to_owned(), vendor, product, classes };
            prop_assert_eq!(decode(&encode_device(&other), &Roots::default()), Some(Entry::Device(other)));
        }

        #[test]
        fn any_packet_is_an_entry_or_none(tag in proptest::sample::select(b"id.x".as_slice()), rest in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = decode(&[vec![tag], rest].concat(), &Roots::default());
        }
    }
}
