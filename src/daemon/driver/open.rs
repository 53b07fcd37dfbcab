//! The driver that UPSTYPE names: the link of its row, and the port that this wants.
#![cfg_attr(
    not(all(
        feature = "usb",
        feature = "serial-port",
        feature = "stream",
        feature = "datagram",
        feature = "unconnected"
    )),
    allow(unused, reason = "what a driver needs that this build leaves out")
)]

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Driver, Pump};
use crate::bus::{Bus, Unconnected};
use crate::config::Config;
use crate::daemon::{settings, token};
use crate::drivers::{self, Connection, DeviceForm, Refused, Request, SnmpSecrets};
use crate::link::Link;
#[cfg(feature = "test")]
use crate::link::simulated::{Script, Simulated};
use crate::port::Port;
#[cfg(feature = "card")]
use crate::port::card::{CardPort, Listening};
#[cfg(feature = "datagram")]
use crate::port::datagram::DatagramPort;
use crate::port::device_lock::DeviceLocks;
use crate::port::faulty::Faulty;
#[cfg(feature = "unconnected")]
use crate::port::none::NoPort;
#[cfg(feature = "serial-port")]
use crate::port::serial::{AtRest, SerialPort};
#[cfg(feature = "stream")]
use crate::port::stream::StreamPort;
#[cfg(feature = "usb")]
use crate::port::usb::{Matcher, Roots, UsbPort};
use crate::sys::access::is_root;
use crate::sys::fs::O_NONBLOCK;
use crate::sys::reason;

/// Longest file that a directive names and that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// What would keep [`open`] from making the driver that UPSTYPE names. Asked by [`super::obstacles()`].
///
/// # Errors
/// What is wrong, for a person.
pub fn check(config: &Config) -> Result<(), Refused> {
    connection(config)?;
    match secrets(config) {
        // A file of root's is not for who only looks at the configuration.
        Err(refused) if refused.may_pass && !is_root() => Ok(()),
        read => read.map(drop),
    }
}

/// The pass phrases that this configuration wants, from their file; `None`: none.
///
/// # Errors
/// What is wrong with them, without a word of the file.
pub fn secrets(config: &Config) -> Result<Option<SnmpSecrets>, Refused> {
    let snmp = &config.snmp;
    if !snmp.is_signed() || config.ups_type.is_none_or(|driver| driver.device != DeviceForm::Snmp) {
        return Ok(None);
    }
    const KEYWORD: &str = "SNMPSECRETS";
    let Some(path) = &snmp.secrets else {
        let text = format!("blank, but SNMPLEVEL {} needs a file of pass phrases", snmp.level);
        return Err(Refused::new(KEYWORD, text));
    };
    let text = read(path, KEYWORD, "a file with the lines 'auth PHRASE' and 'priv PHRASE'")?;
    let wrong = |what: String| Refused::new(KEYWORD, format!("{}: {what}", path.display()));
    SnmpSecrets::parse(&text, snmp.is_encrypted()).map(Some).map_err(wrong)
}

/// The link that UPSTYPE names and which port it wants, for a person who looks for the UPS.
///
/// # Errors
/// As [`check`].
#[allow(clippy::disallowed_methods, reason = "the link is thrown away; any moment will do")]
pub fn connection(config: &Config) -> Result<Connection, Refused> {
    connect(config, None, None, Instant::now())
}

/// How the serial port of this configuration is left by itself.
#[cfg(feature = "serial-port")]
#[must_use]
pub fn at_rest(config: &Config) -> AtRest {
    match connection(config) {
        Ok(Connection::Serial { rest, keeps_lines, speed, .. }) => {
            AtRest { lines: rest, keeps_settings: keeps_lines, speed }
        }
        _ => AtRest::default(),
    }
}

/// What DEVICE names, where that is reached over a network.
#[cfg(any(feature = "stream", feature = "datagram"))]
#[must_use]
pub fn targets(config: &Config) -> Vec<crate::bus::stream::Target> {
    match connection(config) {
        #[cfg(feature = "stream")]
        Ok(Connection::Stream { targets, .. }) => targets,
        #[cfg(feature = "card")]
        Ok(Connection::Card { target, .. }) => target.into_iter().collect(),
        #[cfg(feature = "datagram")]
        Ok(Connection::Datagram { peer, .. }) => peer.into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Where the datagrams of the card come that this configuration is about.
#[cfg(feature = "card")]
#[must_use]
pub fn card_listening(config: &Config) -> Option<Listening> {
    match connection(config) {
        Ok(Connection::Card { port, target, .. }) => Some(Listening { port, target }),
        _ => None,
    }
}

/// The port at which the driver of this configuration listens for datagrams.
#[cfg(feature = "datagram")]
#[must_use]
pub fn listened(config: &Config) -> Option<u16> {
    match connection(config) {
        Ok(Connection::Datagram { listen, .. }) => listen,
        _ => None,
    }
}

/// The driver that UPSTYPE names. `locks`: what keeps other configurations away from its device while it is open. `faults`: the
/// seed of the faults that its port is to have. `secrets`: see [`secrets`]. `counters`: of a card's packets, as an earlier run has noted them.
///
/// # Errors
/// As [`check`], as one line.
pub fn open(
    config: &Config,
    locks: &DeviceLocks,
    faults: Option<u64>,
    secrets: Option<&SnmpSecrets>,
    counters: Option<[u32; 2]>,
    now: Instant,
) -> Result<Box<dyn Driver>, String> {
    let connection = connect(config, secrets, counters, now)
        .map_err(|refused| format!("{}: {}", refused.keyword, refused.text))?;
    let locks = locks.clone();
    Ok(match connection {
        #[cfg(feature = "serial-port")]
        Connection::Serial { link, rest, keeps_lines, speed } => {
            let path = PathBuf::from(&config.device);
            let at_rest = AtRest { lines: rest, keeps_settings: keeps_lines, speed };
            let port = SerialPort::new(path, token::DRIVER, at_rest, now).with_locks(locks);
            join(Box::new(port), link, faults, now)
        }
        #[cfg(feature = "usb")]
        // A box of its own: Rust 1.85 casts no trait object to another trait.
        Connection::Usb { link, matcher } => open_usb(link, Box::new(matcher), locks, faults, now),
        #[cfg(feature = "stream")]
        Connection::Stream { link, targets } => join(
            Box::new(StreamPort::new(targets, token::DRIVER, now).with_starter(locks.starter().clone())),
            link,
            faults,
            now,
        ),
        #[cfg(feature = "card")]
        Connection::Card { link, port, target } => {
            let port = CardPort::new(Listening { port, target }, locks, token::DRIVER, now);
            join(Box::new(port), link, faults, now)
        }
        #[cfg(feature = "datagram")]
        Connection::Datagram { link, peer, listen } => join(
            Box::new(
                DatagramPort::new(peer, listen, token::DRIVER, now).with_starter(locks.starter().clone()),
            ),
            link,
            faults,
            now,
        ),
        #[cfg(feature = "unconnected")]
        Connection::Unconnected(link) => join(Box::new(NoPort), link, faults, now),
    })
}

/// A link at the USB device that `matcher` wants.
#[cfg(feature = "usb")]
#[must_use]
pub fn open_usb(
    link: Box<dyn Link<Bus = crate::bus::usb::Usb>>,
    matcher: Matcher,
    locks: DeviceLocks,
    faults: Option<u64>,
    now: Instant,
) -> Box<dyn Driver> {
    let port = UsbPort::new(Roots::default(), token::DRIVER, matcher, locks, now);
    join(Box::new(port), link, faults, now)
}

fn join<B: Bus + 'static>(
    port: Box<dyn Port<Bus = B>>,
    link: Box<dyn Link<Bus = B>>,
    faults: Option<u64>,
    now: Instant,
) -> Box<dyn Driver> {
    let port = match faults {
        Some(seed) => Box::new(Faulty::new(port, seed, now)),
        None => port,
    };
    Box::new(Pump::new(port, link))
}

/// The driver of the demonstration: a UPS to which `script` happens from `now` on.
#[cfg(feature = "test")]
#[must_use]
pub fn simulated(script: Script, poll_time: Duration, now: Instant) -> Pump<Unconnected> {
    Pump::new(Box::new(NoPort), Box::new(Simulated::new(script, poll_time, now)))
}

/// The link that UPSTYPE names.
fn connect(
    config: &Config,
    secrets: Option<&SnmpSecrets>,
    counters: Option<[u32; 2]>,
    now: Instant,
) -> Result<Connection, Refused> {
    let Some(driver) = config.ups_type else {
        return Err(Refused::new(
            "UPSTYPE",
            "Apcupsd cannot continue without a valid driver; for a UPS on USB add the line 'UPSTYPE usb'"
                .to_owned(),
        ));
    };
    let Some(connect) = driver.connect else {
        let built: Vec<&str> =
            drivers::ALL.iter().filter(|row| row.connect.is_some()).map(|row| row.word).collect();
        let text =
            format!("this build of mainsd has no driver for {}; it has {}", driver.word, in_words(&built));
        return Err(Refused::new("UPSTYPE", text));
    };
    connect(&Request {
        device: &config.device,
        cable: config.ups_cable.map(|cable| cable.word()),
        nis_port: config.nis_port,
        poll_time: settings::poll_time(config),
        usb_modbus: config.usb_modbus,
        snmp: &config.snmp,
        secrets,
        read: &|| read(config.device.as_ref(), "DEVICE", "a script as in mainsd-simulated(7), or nothing"),
        counters,
        now,
    })
}

/// A list as a sentence has it.
fn in_words(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// The text of the file that a directive names; `wanted`: what should be there.
fn read(path: &Path, keyword: &'static str, wanted: &str) -> Result<String, Refused> {
    let mut text = String::new();
    // A fifo in its place must not hold the start up.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
    let read = file.and_then(|file| match file.metadata()?.is_file() {
        true => file.take(LONGEST_FILE).read_to_string(&mut text),
        false => Err(std::io::Error::other("no ordinary file")),
    });
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Refused {
            keyword,
            text: format!("{}: {}; give {wanted}", path.display(), reason(&error)),
            may_pass: true,
        }),
    }
}
