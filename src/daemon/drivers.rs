//! Which driver UPSTYPE names.

use std::time::Instant;

use super::driver::{Driver, NetDriver};
use super::{SerialDriver, SimulatedDriver, UsbDriver, settings};
use crate::config::{Config, DriverKind};
use crate::link::dumb;
use crate::link::simulated::Script;

/// Whether this build has the driver, and its settings make sense; to be asked before going to the background.
///
/// # Errors
/// One line for a person.
pub fn check(config: &Config) -> Result<(), String> {
    match config.ups_type {
        Some(DriverKind::Usb | DriverKind::ApcSmart | DriverKind::Net) => Ok(()),
        Some(DriverKind::Dumb) => cable(config).map(drop),
        Some(DriverKind::Test) => script(config).map(drop),
        Some(kind) => Err(format!(
            "UPSTYPE {}: this version of mainsd has no such driver yet; it has usb, apcsmart, dumb, net and test",
            kind.word()
        )),
        None => Err("Apcupsd cannot continue without a valid driver.\n\
                     The configuration has no UPSTYPE; for a UPS on a USB port write: UPSTYPE usb"
            .to_owned()),
    }
}

/// The driver that UPSTYPE names.
///
/// # Errors
/// As [`check`].
pub fn open(config: &Config, now: Instant) -> Result<Box<dyn Driver>, String> {
    check(config)?;
    let poll_time = settings::poll_time(config);
    match config.ups_type {
        Some(DriverKind::Test) => Ok(Box::new(SimulatedDriver::new(script(config)?, poll_time, now))),
        Some(DriverKind::ApcSmart) => Ok(Box::new(SerialDriver::smart(&config.device, poll_time, now))),
        Some(DriverKind::Dumb) => {
            Ok(Box::new(SerialDriver::dumb(&config.device, cable(config)?, poll_time, now)))
        }
        Some(DriverKind::Net) => {
            Ok(Box::new(NetDriver::new(&config.device, config.nis_port, poll_time, now)))
        }
        _ => Ok(Box::new(UsbDriver::new(&config.device, poll_time, now))),
    }
}

/// The cable that UPSCABLE names.
fn cable(config: &Config) -> Result<&'static dumb::Cable, String> {
    // The rules of the configuration have refused every other one.
    let cable = config.ups_cable.and_then(|cable| dumb::Cable::of_name(cable.word()));
    cable.ok_or_else(|| "Invalid cable specified for Dumb UPS".to_owned())
}

/// The script that DEVICE names; without one, mains stays.
fn script(config: &Config) -> Result<Script, String> {
    if config.device.is_empty() {
        return Ok(Script::default());
    }
    let text = std::fs::read_to_string(&config.device)
        .map_err(|error| format!("DEVICE {}: {error}; a script as in mainsd-simulated(7)", config.device))?;
    Script::parse(&text).map_err(|error| format!("DEVICE {}: {error}", config.device))
}
