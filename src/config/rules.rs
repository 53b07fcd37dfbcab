//! What directives mean together: the rewrites and checks of config §4, in its order, and the forms of DEVICE.

use super::Config;
use super::diagnostic::Severity::{Advice, Error, Warning};
use super::directives::{self, Kind, printable};
use super::parse::{Origin, Reader};
use super::short_address::short_address;
use super::words::{Cable, CableClass, DriverKind};
use crate::ups::LowBatteryFlag;
use std::time::Duration;

/// Applies them to what was read.
pub(super) fn apply(reader: &mut Reader) {
    annoy(reader);
    let driver = reader.out.config.ups_type;
    match driver {
        None => no_type(reader),
        Some(driver) => {
            cable(reader, driver);
            host(reader, driver);
            device(reader, driver);
            without_effect(reader, driver);
        }
    }
    limits(reader);
    records(reader);
}

/// Item 1. Both default, so it is in force unless ANNOY is set below ANNOYDELAY.
fn annoy(reader: &mut Reader) {
    if reader.out.config.settle_annoy() {
        reader.set_origin("ANNOYDELAY", Origin::Because("ANNOY"));
    }
}

fn no_type(reader: &mut Reader) {
    // A value that was read and refused has been reported already.
    if !reader.out.diagnostics.iter().any(|d| d.keyword == "UPSTYPE" && d.severity == Error) {
        let text =
            "missing, so there is no UPS to watch; for a UPS on USB add the line 'UPSTYPE usb'".to_owned();
        reader.say(Error, None, "UPSTYPE", text);
    }
}

/// Items 2 and 3.
fn cable(reader: &mut Reader, driver: DriverKind) {
    if let Some(implied) = driver.implied_cable() {
        if let Some(cable) = reader.out.config.ups_cable.filter(|cable| *cable != implied) {
            if cable.class() != implied.class() {
                let text = format!(
                    "no effect with UPSTYPE {}: it has the cable '{}', whatever stands here; is UPSTYPE right?",
                    driver.word(),
                    implied.word()
                );
                reader.say_about(Advice, "UPSCABLE", text);
            }
            reader.set_origin("UPSCABLE", Origin::Because("UPSTYPE"));
        }
        if reader.out.config.ups_cable.is_none() {
            reader.set_origin("UPSCABLE", Origin::Because("UPSTYPE"));
        }
        reader.out.config.ups_cable = Some(implied);
        return;
    }
    let class = reader.out.config.ups_cable.map(|cable| cable.class());
    match (driver, class) {
        (DriverKind::Dumb, None | Some(CableClass::Smart | CableClass::Ether | CableClass::Usb)) => {
            let text = "UPSTYPE dumb cannot work without the name of a cable with modem lines; accepted: simple, MAM-04-02-2000 or the \
                        number of a simple cable";
            reader.say_about(Error, "UPSCABLE", text.to_owned());
        }
        (DriverKind::Modbus, None | Some(CableClass::Simple)) => {
            let text = "UPSTYPE modbus cannot use this cable; accepted: usb, smart, ether or the number of a smart cable";
            reader.say_about(Error, "UPSCABLE", text.to_owned());
        }
        _ => {}
    }
}

/// A host in DEVICE that is not the address that it looks like.
fn host(reader: &mut Reader, driver: DriverKind) {
    let device = &reader.out.config.device;
    let hosts = match driver {
        DriverKind::Net => device.split([' ', '\t', ',']).filter_map(|word| word.split(':').next()).collect(),
        DriverKind::Snmp | DriverKind::Pcnet => vec![device.split(':').next().unwrap_or_default()],
        _ => Vec::new(),
    };
    let short = hosts.into_iter().find_map(|host| Some((host.to_owned(), short_address(host)?)));
    if let Some((host, address)) = short {
        let text = format!("'{host}' is short for {address}, as the system reads it; write all four numbers");
        reader.say_about(Warning, "DEVICE", text);
    }
}

/// Lines that do nothing with this UPSTYPE, which who wrote them may not know.
fn without_effect(reader: &mut Reader, driver: DriverKind) {
    for directive in directives::all().filter(|d| d.idle.with.contains(&driver)) {
        let config = &reader.out.config;
        let shown = directive.show(config);
        let is_off = shown.starts_with('-') || (shown == "0" && directive.zero == "off");
        // A file that was made from an example says where the lock is, whatever the UPS.
        let is_example = matches!(directive.kind, Kind::Folder { .. }) && shown == directive.default;
        if !matches!(reader.out.origin(directive.name), Origin::Line(_)) || is_off || is_example {
            continue;
        }
        let text = format!("no effect with UPSTYPE {}: {}", driver.word(), directive.idle.because);
        reader.say_about(Advice, directive.name, text);
    }
}

/// The forms of config §3 "DEVICE forms". What apcupsd accepts and cannot work is an error here, before an outage shows it.
fn device(reader: &mut Reader, driver: DriverKind) {
    let device = reader.out.config.device.clone();
    let shown = printable(device.as_bytes());
    match driver {
        DriverKind::Usb if device.starts_with('/') || (device.contains('[') && device.contains(']')) => {
            reader.out.config.device.clear();
            let text = format!(
                "'{shown}' is a path, which UPSTYPE usb does not need: the UPS is found by itself; accepted: blank, a serial \
                 number, or a bus port path such as 1-1.4"
            );
            reader.say_about(Warning, "DEVICE", text);
            reader.set_origin("DEVICE", Origin::Because("UPSTYPE"));
        }
        DriverKind::ApcSmart | DriverKind::Dumb if device.is_empty() => {
            let text = format!(
                "blank, but UPSTYPE {} needs a serial port; accepted: such as /dev/ttyS0",
                driver.word()
            );
            reader.say_about(Error, "DEVICE", text);
        }
        DriverKind::Net => {
            if let Err(what) = masters(&device) {
                let text =
                    format!("{what}; accepted: host or host:port of the master, several with blanks between");
                reader.say_about(Error, "DEVICE", text);
            }
        }
        DriverKind::Snmp => {
            if let Err(what) = snmp(&device) {
                let text = format!("{what}; accepted: host:port:vendor:community, all but the host optional");
                reader.say_about(Error, "DEVICE", text);
            }
        }
        DriverKind::Pcnet if !device.is_empty() => {
            let parts: Vec<&str> = device.splitn(4, ':').collect();
            let complete = parts.len() >= 3 && parts.iter().take(3).all(|part| !part.is_empty());
            if !complete || parts.get(3).is_some_and(|port| !is_port(port)) {
                let text = "the value is not complete; accepted: blank, or ip:user:passphrase:port, the port optional";
                reader.say_about(Error, "DEVICE", text.to_owned());
            }
        }
        _ => {}
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
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
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

fn snmp(text: &str) -> Result<(), String> {
    let mut parts = text.splitn(4, ':');
    if parts.next().is_none_or(str::is_empty) {
        return Err("no host, but UPSTYPE snmp needs that of the management card".to_owned());
    }
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

fn limits(reader: &mut Reader) {
    low_battery_flag(reader);
    let config = &reader.out.config;
    if config.low_battery_flag == LowBatteryFlag::Ignore && !measured_limit(config) {
        // Said in stronger words.
        return;
    }
    if config.ups_type == Some(DriverKind::Dumb) {
        if config.timeout <= 0 {
            // Neither has a line for it (dumb §2).
            let what = match config.ups_cable {
                Some(Cable::Apc("940-0023A" | "940-0095B")) => {
                    "and this cable has no low-battery signal: NOTHING"
                }
                _ => "only the low-battery signal",
            };
            let text = format!(
                "off, BATTERYLEVEL and MINUTES do nothing with UPSTYPE dumb, {what} shuts this machine down; give TIMEOUT a \
                 value"
            );
            reader.say_about(Warning, "TIMEOUT", text);
        }
    } else if !config.has_a_limit() {
        let text = "BATTERYLEVEL, MINUTES and TIMEOUT are all off: only the low-battery signal of the UPS shuts this machine \
                    down, seconds or minutes before its power goes; give at least one of them a value"
            .to_owned();
        reader.say_about(Warning, "BATTERYLEVEL", text);
    }
}

/// A limit by charge or runtime, for a UPS that can have one.
fn measured_limit(config: &Config) -> bool {
    config.ups_type != Some(DriverKind::Dumb) && (config.battery_level >= 0 || config.minutes >= 0)
}

/// What is left to shut the machine down if the UPS's word does not count.
fn low_battery_flag(reader: &mut Reader) {
    let config = &reader.out.config;
    let dumb = config.ups_type == Some(DriverKind::Dumb);
    let text = match config.low_battery_flag {
        LowBatteryFlag::Confirm if dumb => {
            "'confirm' is as good as 'ups' here: with UPSTYPE dumb nobody knows charge and runtime, so the low-battery signal \
             always counts"
                .to_owned()
        }
        LowBatteryFlag::Ignore if !measured_limit(config) && config.timeout <= 0 => format!(
            "with 'ignore'{} and TIMEOUT off, NOTHING shuts this machine down in an outage: it runs until its power goes; give \
             TIMEOUT a value{}",
            if dumb { ", UPSTYPE dumb" } else { ", BATTERYLEVEL off, MINUTES off" },
            if dumb { "" } else { ", or better BATTERYLEVEL or MINUTES" },
        ),
        LowBatteryFlag::Ignore if !measured_limit(config) => format!(
            "with 'ignore'{} only TIMEOUT shuts this machine down, however empty the battery is by then{}",
            if dumb { " and UPSTYPE dumb" } else { ", BATTERYLEVEL off and MINUTES off" },
            if dumb { "" } else { "; give BATTERYLEVEL or MINUTES a value" },
        ),
        _ => return,
    };
    reader.say_about(Warning, "LOWBATTERYFLAG", text);
}

fn records(reader: &mut Reader) {
    let config = &reader.out.config;
    let written = config.stat_time > Duration::ZERO;
    let (log_stats, no_file) = (config.log_stats, config.stat_file.is_none());
    if log_stats && !written {
        let text =
            "nothing is logged while STATTIME is 0; give STATTIME the seconds between two records".to_owned();
        reader.say_about(Warning, "LOGSTATS", text);
    }
    if written && no_file && !log_stats {
        let text = "nothing is written while there is no STATFILE; set STATFILE, or STATTIME to 0".to_owned();
        reader.say_about(Warning, "STATTIME", text);
    }
}

#[cfg(test)]
mod tests;
