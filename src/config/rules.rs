//! What directives mean together: the rewrites and checks of config §4, in its order, and the forms of DEVICE.

use super::Config;
use super::device::{self, Wrong};
use super::diagnostic::Severity::{Advice, Error, Warning};
use super::directives::{self, Kind};
use super::enums::{Cable, CableClass};
use super::parse::{Origin, Reader};
use super::short_address::short_address;
use crate::drivers::{Cabling, DeviceForm, UpsType};
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
            account(reader, driver);
        }
    }
    limits(reader);
    records(reader);
    if !cfg!(feature = "control") && reader.out.config.self_test_schedule.is_some() {
        let text = "no effect: this build of mainsd orders no tests (feature 'control')".to_owned();
        reader.say_about(Warning, "SELFTESTSCHEDULE", text);
    }
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
fn cable(reader: &mut Reader, driver: &UpsType) {
    let class = reader.out.config.ups_cable.map(Cable::class);
    match (driver.cabling, class) {
        (Cabling::Implied(word), _) => implied_cable(reader, driver, Cable::from_word(word)),
        (Cabling::ModemLines, Some(CableClass::Simple))
        | (Cabling::Bytes, Some(CableClass::Smart | CableClass::Ether | CableClass::Usb))
        | (Cabling::Any, _) => {}
        (Cabling::ModemLines, _) => {
            let text = format!(
                "UPSTYPE {} cannot work without the name of a cable with modem lines; accepted: simple, MAM-04-02-2000 or the \
                 number of a simple cable",
                driver.word
            );
            reader.say_about(Error, "UPSCABLE", text);
        }
        (Cabling::Bytes, _) => {
            let text = format!(
                "UPSTYPE {} cannot use this cable; accepted: usb, smart, ether or the number of a smart cable",
                driver.word
            );
            reader.say_about(Error, "UPSCABLE", text);
        }
    }
}

fn implied_cable(reader: &mut Reader, driver: &UpsType, implied: Option<Cable>) {
    let Some(implied) = implied else { return };
    let said = reader.out.config.ups_cable;
    if said.is_some_and(|cable| cable.class() != implied.class()) {
        let text = format!(
            "no effect with UPSTYPE {}: it has the cable '{}', whatever stands here; is UPSTYPE right?",
            driver.word,
            implied.word()
        );
        reader.say_about(Advice, "UPSCABLE", text);
    }
    if said != Some(implied) {
        reader.set_origin("UPSCABLE", Origin::Because("UPSTYPE"));
    }
    reader.out.config.ups_cable = Some(implied);
}

/// A host in DEVICE that is not the address that it looks like.
fn host(reader: &mut Reader, driver: &UpsType) {
    let hosts = device::hosts(driver.device, &reader.out.config.device);
    let short = hosts.into_iter().find_map(|host| Some((host.to_owned(), short_address(host)?)));
    if let Some((host, address)) = short {
        let text = format!("'{host}' is short for {address}, as the system reads it; write all four numbers");
        reader.say_about(Warning, "DEVICE", text);
    }
}

/// Lines that do nothing with this UPSTYPE, which who wrote them may not know.
fn without_effect(reader: &mut Reader, driver: &UpsType) {
    for directive in directives::all().filter(|d| (d.idle.with)(driver)) {
        let config = &reader.out.config;
        let shown = directive.show(config);
        let is_off = shown.starts_with('-') || (shown == "0" && directive.zero == "off");
        // A file that was made from an example says where the lock is, whatever the UPS.
        let is_example = matches!(directive.kind, Kind::Folder { .. }) && shown == directive.default;
        if !matches!(reader.out.origin(directive.name), Origin::Line(_)) || is_off || is_example {
            continue;
        }
        let text = format!("no effect with UPSTYPE {}: {}", driver.word, directive.idle.because);
        reader.say_about(Advice, directive.name, text);
    }
}

/// An account that no message has.
fn account(reader: &mut Reader, driver: &UpsType) {
    let snmp = &reader.out.config.snmp;
    if driver.device == DeviceForm::Snmp && !snmp.user.is_empty() && !snmp.is_v3() {
        let text = "no effect: accounts are of version 3 alone; add the line 'SNMPVERSION 3'".to_owned();
        reader.say_about(Warning, "SNMPUSER", text);
    }
}

/// What DEVICE says, for this UPSTYPE.
fn device(reader: &mut Reader, driver: &UpsType) {
    match device::check(driver, &reader.out.config.device) {
        None if driver.device == DeviceForm::Pcnet && reader.out.config.device.is_empty() => {
            let text = "blank: whoever sends to UDP port 3052 first is believed, and can have this machine shut down, and no power can \
                        be killed; name the card, its user and its pass phrase: host:user:passphrase";
            reader.say_about(Warning, "DEVICE", text.to_owned());
        }
        None => {}
        Some(Wrong::Refused(text)) => reader.say_about(Error, "DEVICE", text),
        Some(Wrong::LeftOut(text)) => {
            reader.out.config.device.clear();
            reader.say_about(Warning, "DEVICE", text);
            reader.set_origin("DEVICE", Origin::Because("UPSTYPE"));
        }
    }
}

fn limits(reader: &mut Reader) {
    low_battery_flag(reader);
    let config = &reader.out.config;
    if config.low_battery_flag == LowBatteryFlag::Ignore && !measured_limit(config) {
        // Said in stronger words.
        return;
    }
    if !config.measures() {
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
    config.measures() && (config.battery_level >= 0 || config.minutes >= 0)
}

/// What is left to shut the machine down if the UPS's word does not count.
fn low_battery_flag(reader: &mut Reader) {
    let config = &reader.out.config;
    let dumb = !config.measures();
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
