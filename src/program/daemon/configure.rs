//! `--configure`: what the configuration says about settings that the UPS keeps, written into a UPS with Smart signalling
//! (apcsmart §10.4).

use std::process::ExitCode;
use std::time::Duration;

use super::conversation::{GO_ON, converse};
use super::options::Options;
use super::run_files;
use super::start::{self, Refusal};
use crate::config::Config;
use crate::drivers::Traits;
use crate::program::out::{Out, complain};
use crate::ups::{Command, Identity, Priority, Setting, SettingValue};

/// Directives in the order in which they are written.
const NAMES: [(Setting, &str); 12] = [
    (Setting::Sensitivity, "SENSITIVITY"),
    (Setting::WakeDelay, "WAKEUP"),
    (Setting::ShutdownDelay, "SLEEP"),
    (Setting::LowTransfer, "LOTRANSFER"),
    (Setting::HighTransfer, "HITRANSFER"),
    (Setting::ReturnCharge, "RETURNCHARGE"),
    (Setting::AlarmDelay, "BEEPSTATE"),
    (Setting::LowBattery, "LOWBATT"),
    (Setting::SelfTestInterval, "SELFTEST"),
    (Setting::OutputVoltage, "OUTPUTVOLTS"),
    (Setting::BatteryDate, "BATTDATE"),
    (Setting::Name, "UPSNAME"),
];

/// Writes the settings, one line about each to standard output.
///
/// # Errors
/// A [`Refusal`] if the configuration is bad or for another driver, or the UPS is not found.
pub fn run(options: &Options) -> Result<ExitCode, Refusal> {
    super::debug::start(options).map_err(Refusal::new)?;
    let start::Loaded { config, path, .. } = start::load(options)?;
    if !config.ups_is(Traits::KEEPS_SETTINGS) {
        return Err(Refusal::new("--configure writes to a UPS with UPSTYPE apcsmart only"));
    }
    let mut failed = false;
    let mut out = Out::new(options.called_as.name());
    // The first is answered when everything about the UPS has been read.
    let mut commands = vec![Command::Poll];
    for (setting, name) in NAMES {
        let Some(text) = wanted(&config, setting) else { continue };
        match SettingValue::parse(setting, &text) {
            Some(value) if setting != Setting::BatteryDate || text.len() == 8 => {
                commands.push(Command::Set(setting, value));
            }
            _ => {
                out.line(&format!("{name}: not written: the UPS keeps 8 plain characters, not {text}"));
                // A long name is in the file for the log.
                failed |= setting != Setting::Name;
            }
        }
    }
    let nothing = commands.len() == 1;
    let mut say = |_: Priority, text: &str| complain(text);
    let locks = run_files::locks_for_order(&path);
    converse(&config, &locks, &commands, Duration::ZERO, &mut say, &mut |result, heard| {
        let Command::Set(setting, _) = result.command else {
            failed |= result.outcome.is_err();
            describe(&mut out, heard.ups.as_deref().unwrap_or(&Identity::default()), nothing);
            return GO_ON;
        };
        let name = name_of(setting);
        match &result.outcome {
            Ok(words) => out.line(&format!("{name}: {words}")),
            Err(why) => {
                failed = true;
                out.line(&format!("{name}: not written: {why}"));
            }
        }
        GO_ON
    })?;
    Ok(out.end(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }))
}

fn describe(out: &mut Out<'_>, ups: &Identity, nothing: bool) {
    out.line(ups.model.as_deref().unwrap_or("UPS"));
    if nothing {
        out.line("The configuration has no setting for the UPS. It may have:");
        for (setting, values) in &ups.permitted {
            out.line(&format!("{}: {values}", name_of(*setting)));
        }
    }
}

/// What the configuration says of settings, in the order in which they are written.
#[cfg(feature = "tools")]
pub(in crate::program) fn settings(config: &Config) -> impl Iterator<Item = (Setting, String)> + '_ {
    NAMES.iter().filter_map(|(setting, _)| Some((*setting, wanted(config, *setting)?)))
}

fn name_of(setting: Setting) -> &'static str {
    NAMES.iter().find(|(of, _)| *of == setting).map_or("", |(_, name)| name)
}

/// What the configuration says; `None`: nothing.
fn wanted(config: &Config, setting: Setting) -> Option<String> {
    let eeprom = &config.eeprom;
    let number = |value: i32| (value >= 0).then(|| value.to_string());
    let text = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let letter = |value: &str| value.get(..1).map(str::to_owned);
    match setting {
        Setting::Sensitivity => letter(&eeprom.sensitivity),
        Setting::AlarmDelay => letter(&eeprom.beep_state),
        Setting::WakeDelay => number(eeprom.wakeup),
        Setting::ShutdownDelay => number(eeprom.sleep),
        Setting::LowTransfer => number(eeprom.low_transfer),
        Setting::HighTransfer => number(eeprom.high_transfer),
        Setting::ReturnCharge => number(eeprom.return_charge),
        Setting::LowBattery => number(eeprom.low_battery),
        Setting::OutputVoltage => number(eeprom.output_volts),
        Setting::SelfTestInterval => text(&eeprom.self_test),
        Setting::BatteryDate => text(&eeprom.battery_date),
        Setting::Name => text(&config.ups_name),
    }
}
