//! Which driver UPSTYPE names.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Driver, Pump};
use crate::bus::Unconnected;
use crate::bus::serial::{Lines, Outputs};
use crate::config::{Config, DriverKind};
use crate::daemon::{settings, token};
use crate::link::apcsmart::{self, ApcSmartLink};
use crate::link::dumb::{self, DumbLink};
use crate::link::net::{NetLink, targets};
use crate::link::simulated::{Script, Simulated};
use crate::link::usb::{self, UsbLink, Wanted, verdict};
use crate::port::device_lock::DeviceLocks;
use crate::port::none::NoPort;
use crate::port::serial::SerialPort;
use crate::port::stream::StreamPort;
use crate::port::usb::{Roots, UsbPort};
use crate::sys::fs::O_NONBLOCK;
use crate::sys::reason;

/// Longest script of a simulated UPS that is read, in bytes.
const LONGEST_SCRIPT: u64 = 1 << 20;

/// Why there is no driver for a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The directive that it is about.
    pub keyword: &'static str,
    /// What is wrong; what is accepted.
    pub text: String,
    /// A file cannot be read now, and perhaps can later.
    pub may_pass: bool,
}

impl Refused {
    fn new(keyword: &'static str, text: String) -> Self {
        Self { keyword, text, may_pass: false }
    }
}

/// Whether this build has the driver, and its settings make sense. Asked by [`super::obstacles()`].
///
/// # Errors
/// What is wrong, for a person.
pub fn check(config: &Config) -> Result<(), Refused> {
    match config.ups_type {
        Some(DriverKind::Usb | DriverKind::ApcSmart | DriverKind::Net) => Ok(()),
        Some(DriverKind::Dumb) => cable(config).map(drop),
        Some(DriverKind::Test) => script(config).map(drop),
        Some(kind) => Err(Refused::new(
            "UPSTYPE",
            format!(
                "this version of mainsd has no driver for {} yet; it has usb, apcsmart, dumb, net and test",
                kind.word()
            ),
        )),
        None => Err(Refused::new(
            "UPSTYPE",
            "Apcupsd cannot continue without a valid driver; for a UPS on USB add the line 'UPSTYPE usb'"
                .to_owned(),
        )),
    }
}

/// The driver that UPSTYPE names. `locks`: what keeps other configurations away from its device while it is open.
///
/// # Errors
/// As [`check`], as one line.
pub fn open(config: &Config, locks: &DeviceLocks, now: Instant) -> Result<Box<dyn Driver>, String> {
    let line = |refused: Refused| format!("{}: {}", refused.keyword, refused.text);
    check(config).map_err(line)?;
    let poll_time = settings::poll_time(config);
    let (device, locks) = (config.device.as_str(), locks.clone());
    Ok(match config.ups_type {
        Some(DriverKind::Test) => Box::new(simulated(script(config).map_err(line)?, poll_time, now)),
        Some(DriverKind::ApcSmart) => {
            // RTS off is what cables for plug and play need; the others do not connect it (apcsmart §1).
            let rest = Outputs { raise: Lines::empty(), clear: Lines::RTS };
            let port = SerialPort::new(PathBuf::from(device), token::DRIVER, rest, now).with_locks(locks);
            let settings = apcsmart::Settings { poll_time, port: device.to_owned() };
            Box::new(Pump::new(port, ApcSmartLink::new(settings)))
        }
        Some(DriverKind::Dumb) => {
            let cable = cable(config).map_err(line)?;
            let port = SerialPort::new(PathBuf::from(device), token::DRIVER, cable.rest, now);
            let port = port.keep_settings().with_locks(locks);
            Box::new(Pump::new(port, DumbLink::new(cable, device, poll_time)))
        }
        Some(DriverKind::Net) => {
            let targets = targets(device, config.nis_port);
            let port = StreamPort::new(targets.clone(), token::DRIVER, now);
            Box::new(Pump::new(port, NetLink::new(targets, poll_time, now)))
        }
        _ => {
            let wanted = Wanted::from_device(device);
            let matcher = Box::new(move |info: &_| verdict(info, &wanted));
            let port = UsbPort::new(Roots::default(), token::DRIVER, matcher, locks, now);
            Box::new(Pump::new(port, UsbLink::new(usb::Settings { poll_time }, now)))
        }
    })
}

/// The driver of `UPSTYPE test` and of the demonstration: a UPS to which `script` happens from `now` on.
#[must_use]
pub fn simulated(script: Script, poll_time: Duration, now: Instant) -> Pump<Unconnected> {
    Pump::new(NoPort, Simulated::new(script, poll_time, now))
}

/// The cable that UPSCABLE names.
fn cable(config: &Config) -> Result<&'static dumb::Cable, Refused> {
    // The rules of the configuration have refused every other one.
    let cable = config.ups_cable.and_then(|cable| dumb::Cable::of_name(cable.word()));
    cable.ok_or_else(|| Refused::new("UPSCABLE", "Invalid cable specified for Dumb UPS".to_owned()))
}

/// The script that DEVICE names; without one, mains stays.
fn script(config: &Config) -> Result<Script, Refused> {
    if config.device.is_empty() {
        return Ok(Script::default());
    }
    let device = &config.device;
    let mut text = String::new();
    // A fifo in its place must not hold the start up.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(device);
    let read = file.and_then(|file| match file.metadata()?.is_file() {
        true => file.take(LONGEST_SCRIPT).read_to_string(&mut text),
        false => Err(std::io::Error::other("no ordinary file")),
    });
    if let Err(error) = read {
        let text =
            format!("{device}: {}; give a script as in mainsd-simulated(7), or nothing", reason(&error));
        return Err(Refused { keyword: "DEVICE", text, may_pass: true });
    }
    Script::parse(&text).map_err(|error| Refused::new("DEVICE", format!("{device}: {error}")))
}
