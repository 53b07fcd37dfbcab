//! Which HID interfaces the kernel shows in sysfs, found without touching or waiting for a device.
//!
//! Only files are read here that the kernel answers without the device's lock: a device that the kernel is still
//! probing holds that lock for seconds. Strings and raw descriptors are for [`Opener`](crate::sys::usb::Opener).

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::bus::usb::DeviceInfo;
use crate::sys::job::Job;

/// Where the kernel shows its devices; other folders in tests.
#[derive(Clone, Debug)]
pub struct Roots {
    /// sysfs, `/sys`.
    pub sys: PathBuf,
    /// Device nodes, `/dev`.
    pub dev: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into() }
    }
}

/// A HID interface that might be a UPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the interface in sysfs, `1-1.2:1.0`.
    pub name: String,
    /// What is known so far; the strings and the announced length are not.
    pub info: DeviceInfo,
    /// `bConfigurationValue` of the active configuration.
    pub configuration: u8,
    /// The usbfs node, `/dev/bus/usb/001/004`.
    pub node: PathBuf,
    /// The device's folder in sysfs.
    pub folder: PathBuf,
    /// The driver bound to the interface: `usbhid`, `usbfs` (a program has claimed it), or none.
    pub driver: Option<String>,
}

impl Candidate {
    /// Whether a program, this one or another, has claimed the interface.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.driver.as_deref() == Some("usbfs")
    }

    /// What another process with the rights for it is to open; `None`: the node has no numbers.
    #[must_use]
    pub fn job(&self) -> Option<Job<'_>> {
        let (bus, device) = self.numbers()?;
        Some(Job::UsbDevice { interface: &self.name, bus, device })
    }

    /// Reads its strings, and how long its report descriptor is to be; waits while the kernel still talks to the device.
    #[cfg(feature = "tools")]
    pub fn read_strings(&mut self) {
        let line =
            |name| text(&self.folder.join(name)).map(|text| crate::ups::clean(text.trim_end_matches('\n')));
        self.info.manufacturer = line("manufacturer");
        self.info.product_name = line("product");
        self.info.serial = line("serial");
        let descriptors = fs::read(self.folder.join("descriptors")).unwrap_or_default();
        let facts = super::interface_facts(&descriptors, self.configuration, self.info.interface);
        self.info.announced_descriptor_len = facts.report_descriptor_len;
    }

    /// The nodes by which a program can have it: of usbfs, hiddev and hidraw.
    #[cfg(feature = "tools")]
    #[must_use]
    pub fn nodes(&self, roots: &Roots) -> Vec<PathBuf> {
        let names = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let at = roots.devices().join(&self.name);
        let hiddev = names(at.join("usbmisc")).map(|entry| roots.dev.join("usb").join(entry.file_name()));
        let below = names(at.clone()).flat_map(|entry| names(entry.path().join("hidraw")));
        let hidraw = below.map(|entry| roots.dev.join(entry.file_name()));
        [self.node.clone()].into_iter().chain(hiddev).chain(hidraw).collect()
    }

    /// Number of its bus, and of the device there.
    pub(super) fn numbers(&self) -> Option<(u16, u16)> {
        let mut numbers = self.node.iter().rev().map(|part| part.to_str()?.parse().ok());
        let (device, bus) = (numbers.next()??, numbers.next()??);
        Some((bus, device))
    }

    /// The device in words: `1-1.2 (051d:0002)`.
    #[must_use]
    pub fn words(&self) -> String {
        let info = &self.info;
        format!("{} ({:04x}:{:04x})", info.location, info.vendor, info.product)
    }
}

/// A device without a HID interface, a hub left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Bus port path, `1-1.2`.
    pub(super) location: String,
    /// `idVendor`.
    pub(super) vendor: u16,
    /// `idProduct`.
    pub(super) product: u16,
    /// `bInterfaceClass` of each interface.
    pub(super) classes: Vec<u8>,
}

/// Longest report descriptor taken; the longest seen has 2149 bytes (usb-hid §4), the kernel's limit is 4096.
const DESCRIPTOR_MAX: u64 = 4096;
/// Longest name of an interface that the kernel makes, in bytes, and then some.
const NAME_MAX: usize = 40;
/// USB class of human interface devices.
const CLASS_HID: u8 = 3;
/// USB class of hubs.
const CLASS_HUB: u8 = 9;

impl Roots {
    fn devices(&self) -> PathBuf {
        self.sys.join("bus/usb/devices")
    }

    /// The names of all devices and interfaces, in order of bus, ports and interface number: `1-1.10` comes after `1-1.9`.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.devices()).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let place = names.partition_point(|other| numbers(other) <= numbers(&name));
            names.insert(place, name);
        }
        names
    }

    /// All HID interfaces, in order.
    #[must_use]
    pub fn scan(&self) -> Vec<Candidate> {
        self.names().iter().filter_map(|name| self.look(name)).collect()
    }

    /// All devices without a HID interface but the hubs, in order.
    pub(super) fn others(&self) -> Vec<Other> {
        let mut found: Vec<Other> = Vec::new();
        for name in self.names() {
            let class = |path: &Path| hex(path).and_then(|class| u8::try_from(class).ok());
            let Some((device, _)) = name.split_once(':') else {
                let at = self.devices().join(&name);
                // The kernel's own hub, `usb1`.
                if name.starts_with("usb") {
                    continue;
                }
                if let (Some(vendor), Some(product)) = (hex(&at.join("idVendor")), hex(&at.join("idProduct")))
                {
                    found.push(Other { location: name, vendor, product, classes: Vec::new() });
                }
                continue;
            };
            let class = class(&self.devices().join(&name).join("bInterfaceClass"));
            let of_device = found.iter_mut().find(|other| other.location == device);
            if let (Some(other), Some(class)) = (of_device, class) {
                other.classes.push(class);
            }
        }
        // A device without a configuration has no interface, and no hub is more than a hub.
        found.retain(|other| !other.classes.contains(&CLASS_HID) && other.classes != [CLASS_HUB]);
        found
    }

    /// The HID interface of this name, if it is one and has these numbers.
    pub(super) fn hid_interface(&self, name: &str, numbers: (u16, u16)) -> Option<Candidate> {
        let is_of_name = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
        if name.len() > NAME_MAX || !name.chars().all(is_of_name) {
            return None;
        }
        self.look(name).filter(|candidate| candidate.numbers() == Some(numbers))
    }

    /// The folder and the node of a device.
    pub(super) fn paths(&self, location: &str, bus: u16, device: u16) -> (PathBuf, PathBuf) {
        (self.devices().join(location), self.dev.join(format!("bus/usb/{bus:03}/{device:03}")))
    }

    /// The HID interface of this name, if it is one and still there.
    #[must_use]
    pub fn look(&self, name: &str) -> Option<Candidate> {
        let (device, position) = name.split_once(':')?;
        let configuration = position.split_once('.')?.0.parse().ok()?;
        let at = self.devices().join(name);
        if hex(&at.join("bInterfaceClass"))? != u16::from(CLASS_HID) {
            return None;
        }
        let folder = self.devices().join(device);
        let (bus, address) = (decimal(&folder.join("busnum"))?, decimal(&folder.join("devnum"))?);
        let info = DeviceInfo {
            location: device.to_owned(),
            vendor: hex(&folder.join("idVendor"))?,
            product: hex(&folder.join("idProduct"))?,
            bcd_device: hex(&folder.join("bcdDevice")).unwrap_or(0),
            interface: u8::try_from(hex(&at.join("bInterfaceNumber"))?).ok()?,
            report_descriptor: report_descriptor(&at).unwrap_or_default(),
            ..DeviceInfo::default()
        };
        let driver = fs::read_link(at.join("driver")).ok();
        let driver = driver.and_then(|link| Some(link.file_name()?.to_str()?.to_owned()));
        let (folder, node) = self.paths(device, bus, address);
        Some(Candidate { name: name.to_owned(), info, configuration, node, folder, driver })
    }
}

/// The numbers in a name.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(256).read_to_string(&mut text).ok()?;
    Some(text)
}

fn hex(path: &Path) -> Option<u16> {
    u16::from_str_radix(text(path)?.trim(), 16).ok()
}

fn decimal(path: &Path) -> Option<u16> {
    text(path)?.trim().parse().ok()
}

/// The report descriptor of the HID device below an interface, `0003:051D:0002.0001/report_descriptor`.
fn report_descriptor(interface: &Path) -> Option<Vec<u8>> {
    let below = fs::read_dir(interface).ok()?.flatten();
    let hid = below.map(|e| e.path()).find(|path| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        name.len() >= 15 && name.get(4..5) == Some(":") && name.get(9..10) == Some(":")
    })?;
    let mut bytes = Vec::new();
    let file = fs::File::open(hid.join("report_descriptor")).ok()?;
    file.take(DESCRIPTOR_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
