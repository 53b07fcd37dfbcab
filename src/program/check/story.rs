//! The configuration as a story.

use std::fmt::Write as _;

use crate::config::directives;
use crate::config::{Config, NoLogon, Parsed};
use crate::drivers::{DeviceForm, Traits};
use crate::ups::{LowBatteryFlag, NEAR_END_MINUTES, NEAR_END_PERCENT};

/// What is watched, when the machine goes down, and how.
pub(super) fn story(out: &mut String, parsed: &Parsed, shutdown_commands: &[String]) {
    let config = &parsed.config;
    let mut tell = |what: &str, text: String| {
        let _ = writeln!(out, "  {what:<11} {text}");
    };
    tell("Watched", watched(config));
    tell("Mains fails", format!("at once: event powerout, believed after {}", readings(config)));
    tell(
        "",
        format!("after {}: event onbattery, users are told", seconds(config.on_battery_delay.as_secs())),
    );
    tell("", logins(config));
    tell("Shutdown", "at the first of these, on battery:".to_owned());
    if let Some(line) = low_battery(config) {
        tell("", line);
    }
    if config.ups_is(Traits::SLAVE) {
        let timeout = seconds(config.net_timeout.as_secs());
        tell("", format!("- the master shuts down, or is lost while on battery for {timeout} (NETTIMEOUT)"));
    }
    if config.ups_is(Traits::CARD) {
        tell("", "- the management card orders it".to_owned());
    }
    let limits = [("BATTERYLEVEL", charge(config)), ("MINUTES", runtime(config)), ("TIMEOUT", time(config))];
    for (name, limit) in &limits {
        if let Some(limit) = limit {
            tell("", format!("- {limit} ({name})"));
        }
    }
    let off: Vec<&str> = limits.iter().filter(|(_, limit)| limit.is_none()).map(|(name, _)| *name).collect();
    if !off.is_empty() {
        tell("", format!("off: {}", off.join(", ")));
    }
    if config.low_battery_flag == LowBatteryFlag::Ignore {
        tell("", "not when the UPS says that its battery is exhausted (LOWBATTERYFLAG ignore)".to_owned());
    }
    if config.net_server && !config.slave_wait.is_zero() && !local_only(config) {
        let wait = seconds(config.slave_wait.as_secs());
        tell("Slaves", format!("are told at once and waited for, {wait} at most (SLAVEWAIT)"));
    }
    tell("How", format!("{} doshutdown", config.script_dir.join("apccontrol").display()));
    tell(
        "",
        format!(
            "if that fails: {}",
            shutdown_commands.first().map_or("the kernel switches off", String::as_str)
        ),
    );
    for way in shutdown_commands.iter().skip(1) {
        tell("", format!("if that fails: {way}"));
    }
    tell("", format!("if still up and on battery {} later: again", seconds(config.shutdown_grace.as_secs())));
    if config.kill_delay > 0 {
        let delay = u64::from(config.kill_delay.unsigned_abs());
        tell(
            "",
            format!(
                "{} after its start the UPS is told to cut its power, whether the machine is down or not",
                seconds(delay)
            ),
        );
    }
    tell("Clients", clients(config));
    if let Some(file) = &config.events_file {
        tell("Events", format!("{} and syslog", file.display()));
    } else {
        tell("Events", "syslog only: no EVENTSFILE".to_owned());
    }
    out.push('\n');
}

fn watched(config: &Config) -> String {
    let device = directives::find("DEVICE").map(|d| d.present(config)).unwrap_or_default();
    let Some(driver) = config.ups_type else { return "nothing".to_owned() };
    match driver.device {
        DeviceForm::Usb if config.device.is_empty() => "the first UPS found on USB".to_owned(),
        DeviceForm::Usb => format!("the UPS {device} on USB"),
        DeviceForm::Pcnet if config.device.is_empty() => {
            "the UPS of the card that sends to UDP port 3052 first".to_owned()
        }
        DeviceForm::Script => "a simulated UPS (UPSTYPE test); the shutdown is real".to_owned(),
        DeviceForm::SerialPort
        | DeviceForm::Masters
        | DeviceForm::Snmp
        | DeviceForm::Pcnet
        | DeviceForm::Free => format!("the UPS at {device}, by {}", driver.word),
    }
}

/// When the UPS's own word shuts the machine down.
fn low_battery(config: &Config) -> Option<String> {
    let says = "- the UPS says that its battery is exhausted";
    let percent = config.battery_level.max(NEAR_END_PERCENT);
    let minutes = config.minutes.max(NEAR_END_MINUTES);
    match config.low_battery_flag {
        LowBatteryFlag::Confirm if config.measures() => Some(format!(
            "{says}, and the charge is {percent} percent or less, the runtime {minutes} minutes or less, or \
             one of the two unknown, implausible or unchanged for a minute (LOWBATTERYFLAG confirm)"
        )),
        LowBatteryFlag::Ups | LowBatteryFlag::Confirm => Some(says.to_owned()),
        LowBatteryFlag::Ignore => None,
    }
}

fn readings(config: &Config) -> String {
    match config.confirm_polls {
        1 => "one reading".to_owned(),
        n => format!("{n} readings that agree"),
    }
}

fn seconds(n: u64) -> String {
    match n {
        1 => "1 second".to_owned(),
        n if n >= 120 => format!("{n} seconds ({}:{:02} minutes)", n / 60, n % 60),
        n => format!("{n} seconds"),
    }
}

fn logins(config: &Config) -> String {
    match config.no_logon {
        NoLogon::Disable => "users can log in all the time",
        NoLogon::Timeout => "users cannot log in after nine tenths of TIMEOUT",
        NoLogon::Percent => "users cannot log in from one tenth above BATTERYLEVEL",
        NoLogon::Minutes => "users cannot log in from one tenth above MINUTES",
        NoLogon::Always => "users cannot log in from the beginning (NOLOGON always)",
    }
    .to_owned()
}

fn charge(config: &Config) -> Option<String> {
    (config.battery_level >= 0 && config.measures())
        .then(|| format!("the charge is {} percent or less", config.battery_level))
}

fn runtime(config: &Config) -> Option<String> {
    let unit = if config.minutes == 1 { "minute" } else { "minutes" };
    (config.minutes >= 0 && config.measures())
        .then(|| format!("the runtime left is {} {unit} or less", config.minutes))
}

/// TIMEOUT counts from the event onbattery, unless it is over before (power-events §3).
fn time(config: &Config) -> Option<String> {
    let timeout = u64::try_from(config.timeout).ok().filter(|t| *t > 0)?;
    let delay = config.on_battery_delay.as_secs();
    Some(if timeout < delay || delay == 0 {
        format!("mains has been away for {}", seconds(timeout))
    } else {
        format!("mains has been away for {}: TIMEOUT after ONBATTERYDELAY", seconds(delay + timeout))
    })
}

fn clients(config: &Config) -> String {
    if !config.net_server {
        return "none: NETSERVER is off, so 'mainsd status' does not work either".to_owned();
    }
    let list: Vec<String> = config.nis_ip.iter().map(ToString::to_string).collect();
    let protocol = if config.nis_udp { "TCP and UDP" } else { "TCP" };
    let only = if local_only(config) { ", from this machine only" } else { ", from NISALLOW" };
    format!("{protocol} port {} at {}{only}", config.nis_port, list.join(" "))
}

/// Nobody on another machine can ask.
fn local_only(config: &Config) -> bool {
    config.nis_ip.iter().all(|ip| ip.to_canonical().is_loopback())
}
