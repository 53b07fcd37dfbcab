//! DEVICE: its forms (config §3, DEVICE forms), what must not be shown of it, and how a person is told of it.

use std::net::Ipv6Addr;

use super::Config;
use super::directives::{self, printable};
use crate::drivers::{DeviceForm, PcnetDevice, UpsType};

/// What is wrong with a DEVICE.
pub(super) enum Wrong {
    /// It cannot work; this.
    Refused(String),
    /// It is not needed and left out; this.
    LeftOut(String),
}

/// What is wrong with the value for this UPSTYPE, if anything. What apcupsd accepts and cannot work is wrong here, before an outage shows
/// it.
pub(super) fn check(driver: &UpsType, device: &str) -> Option<Wrong> {
    let told = |result: Result<(), String>, accepted: &str| {
        result.err().map(|what| Wrong::Refused(format!("{what}; accepted: {accepted}")))
    };
    match driver.device {
        DeviceForm::Usb => {
            let is_path = device.starts_with('/') || (device.contains('[') && device.contains(']'));
            is_path.then(|| {
                Wrong::LeftOut(format!(
                    "'{}' is a path, which UPSTYPE {} does not need: the UPS is found by itself; accepted: blank, a serial \
                     number, or a bus port path such as 1-1.4",
                    printable(device.as_bytes()),
                    driver.word
                ))
            })
        }
        DeviceForm::SerialPort => device.is_empty().then(|| {
            let word = driver.word;
            Wrong::Refused(format!(
                "blank, but UPSTYPE {word} needs a serial port; accepted: such as /dev/ttyS0"
            ))
        }),
        DeviceForm::Masters => {
            told(masters(device), "host or host:port of the master, several with blanks between")
        }
        DeviceForm::Pcnet => {
            let parsed = PcnetDevice::parse(device).map(drop).map_err(str::to_owned);
            told(parsed, PcnetDevice::ACCEPTED)
        }
        DeviceForm::Snmp => told(
            snmp(device),
            "host:port:vendor:community, all but the host optional; an IPv6 address stands in brackets",
        ),
        DeviceForm::Script | DeviceForm::Free => None,
    }
}

/// The hosts in the value.
pub(super) fn hosts(form: DeviceForm, device: &str) -> Vec<&str> {
    match form {
        DeviceForm::Masters => {
            device.split([' ', '\t', ',']).filter_map(|word| word.split(':').next()).collect()
        }
        DeviceForm::Pcnet => match device.strip_prefix('[').and_then(|it| it.split_once(']')) {
            Some((host, _)) => vec![host],
            None => vec![device.split(':').next().unwrap_or_default()],
        },
        DeviceForm::Snmp => vec![card(device).0],
        DeviceForm::Usb | DeviceForm::SerialPort | DeviceForm::Script | DeviceForm::Free => Vec::new(),
    }
}

/// The value without the passphrase or community in it, also where the form is that of another UPSTYPE.
pub(super) fn without_secret(form: DeviceForm, device: String) -> String {
    // From the colon with this number on; those of an IPv6 address in brackets do not count.
    let masked = |text: &str, colon: usize| {
        let host = text.find(']').filter(|_| text.starts_with('[')).unwrap_or_default();
        match text.match_indices(':').filter(|(at, _)| *at >= host).nth(colon - 1) {
            Some((at, _)) if at + 1 < text.len() => format!("{}:***", text.get(..at).unwrap_or_default()),
            _ => text.to_owned(),
        }
    };
    let is_ipv6 = |word: &str| word.starts_with('[') || word.parse::<Ipv6Addr>().is_ok();
    let of_master = |word: &str| if is_ipv6(word) { word.to_owned() } else { masked(word, 2) };
    match form {
        // Where a part is missing, the second may be the passphrase.
        DeviceForm::Pcnet => match masked(&device, 2) {
            shown if shown == device => masked(&device, 1),
            shown => shown,
        },
        DeviceForm::Snmp => {
            let (_, rest) = card(&device);
            let before = device.get(..device.len() - rest.len()).unwrap_or_default();
            format!("{before}{}", masked(rest, 3))
        }
        DeviceForm::Masters => device.split(' ').map(of_master).collect::<Vec<_>>().join(" "),
        DeviceForm::Usb | DeviceForm::SerialPort | DeviceForm::Script | DeviceForm::Free => device,
    }
}

/// The UPS that a configuration is about, for a line that tells what is waited for.
#[must_use]
pub fn describe(config: &Config) -> String {
    let device = directives::find("DEVICE").map(|d| d.present(config)).unwrap_or_default();
    match config.ups_type.map(|driver| driver.device) {
        Some(DeviceForm::Usb) if config.device.is_empty() => {
            "a UPS on USB, the first that is found".to_owned()
        }
        Some(DeviceForm::Usb) => {
            format!("the UPS {device} on USB (DEVICE: a serial number or a bus port path)")
        }
        Some(DeviceForm::Masters) => format!("the master {device}"),
        Some(DeviceForm::Script) => "the simulated UPS".to_owned(),
        Some(DeviceForm::Pcnet) if config.device.is_empty() => {
            "the UPS whose card sends to UDP port 3052".to_owned()
        }
        Some(DeviceForm::SerialPort | DeviceForm::Snmp | DeviceForm::Pcnet | DeviceForm::Free) | None => {
            format!("the UPS at {device}")
        }
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// One or more of [`host_and_port`], separated by blanks or commas.
fn masters(text: &str) -> Result<(), String> {
    let mut words = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return host_and_port("");
    }
    words.try_for_each(host_and_port)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address.
fn host_and_port(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("blank, but UPSTYPE net needs the name of its master".to_owned());
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some("3551"))),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("3551")),
        },
    };
    // Not quoted: what is behind may be a passphrase.
    if port.is_some_and(|port| port.contains(':')) {
        return Err(
            "after host and port comes nothing; host:user:passphrase is the form of UPSTYPE pcnet".to_owned()
        );
    }
    if host.is_empty() {
        return Err("there is no host before the port".to_owned());
    }
    match port {
        Some(port) if is_port(port) => Ok(()),
        Some(port) => Err(format!("'{}' is no port from 1 to 65535", printable(port.as_bytes()))),
        None => Err("after ']' comes nothing or a port".to_owned()),
    }
}

/// The host of a card, without brackets, and what comes behind it: nothing, or a colon and more. A bare IPv6 address is a host; what ends
/// in two colons is a host with two empty parts.
fn card(text: &str) -> (&str, &str) {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(parts) => parts,
        None if text.parse::<Ipv6Addr>().is_ok() && !text.ends_with("::") => (text, ""),
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    }
}

fn snmp(text: &str) -> Result<(), String> {
    let (host, rest) = card(text);
    if host.is_empty() {
        return Err("no host, but UPSTYPE snmp needs that of the management card".to_owned());
    }
    let is_host = !text.starts_with('[') || host.parse::<Ipv6Addr>().is_ok();
    if !is_host || !(rest.is_empty() || rest.starts_with(':')) {
        return Err("between '[' and ']' is an IPv6 address, and behind it nothing or a colon".to_owned());
    }
    let mut parts = rest.strip_prefix(':').unwrap_or_default().splitn(3, ':');
    if let Some(port) = parts.next().filter(|port| !port.is_empty() && !is_port(port)) {
        return Err(format!("'{}' is no port from 1 to 65535", printable(port.as_bytes())));
    }
    let vendor = parts.next().unwrap_or("").to_ascii_uppercase();
    let bare = vendor.strip_suffix("NOTRAP").unwrap_or(&vendor);
    match bare.strip_suffix('_').unwrap_or(bare) {
        "" | "APC" | "RFC" | "MGE" => Ok(()),
        _ => Err(format!("'{}' is no vendor (APC, RFC, MGE)", printable(vendor.as_bytes()))),
    }
}
