//! What the UPS may be told by somebody else than the power machine, and when (mainsd-control(7)).

use crate::ups::{Command, Values};

/// A UPS and its computer at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// A shutdown is decided.
    pub decided: bool,
    /// The load runs from battery, or may do so.
    pub on_battery: bool,
    /// A self test or calibration runs.
    pub tests: bool,
}

/// Whether a command may be given now; `values`: the last that the UPS has told.
///
/// # Errors
/// Why not.
pub fn permits(command: Command, situation: Situation, values: &Values) -> Result<(), String> {
    let calm = match command {
        Command::SelfTest
        | Command::Calibrate
        | Command::Set(..)
        | Command::PanelTest
        | Command::Record
        | Command::Outlet(..) => true,
        Command::Poll
        | Command::ReadTransferCause
        | Command::ReadSelfTest
        | Command::AbortTest
        | Command::Beeper(_)
        | Command::Outlets
        | Command::KillPower
        | Command::PowerOff => false,
    };
    if !calm {
        return Ok(());
    }
    let against = [
        (situation.decided, "a shutdown is decided"),
        (situation.tests, "a self test or calibration runs"),
        (situation.on_battery, "the UPS is on battery"),
    ];
    if let Some((_, why)) = against.into_iter().find(|(is, _)| *is) {
        return Err(format!("not now: {why}"));
    }
    if command == Command::Calibrate { values.permit_calibration() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Beeper, Percent, Setting, SettingValue, Switch};

    const CALM: Situation = Situation { decided: false, on_battery: false, tests: false };

    #[test]
    fn tests_and_settings_wait_for_calm_and_the_rest_does_not() {
        let calm = [
            Command::SelfTest,
            Command::Calibrate,
            Command::PanelTest,
            Command::Outlet(Switch::Off, 1),
            Command::Set(Setting::HighTransfer, SettingValue::Number(250)),
        ];
        let always = [
            Command::Poll,
            Command::Outlets,
            Command::ReadSelfTest,
            Command::AbortTest,
            Command::Beeper(Beeper::Mute),
        ];
        for situation in [
            Situation { decided: true, ..CALM },
            Situation { on_battery: true, ..CALM },
            Situation { tests: true, ..CALM },
        ] {
            assert!(calm.iter().all(|command| permits(*command, situation, &Values::default()).is_err()));
            assert!(always.iter().all(|command| permits(*command, situation, &Values::default()).is_ok()));
        }
        assert!(
            calm.iter().chain(&always).all(|command| permits(*command, CALM, &Values::default()).is_ok())
        );
    }

    #[test]
    fn a_calibration_needs_a_full_battery_and_a_load() {
        let with = |charge, load| {
            let values = Values {
                battery_charge: Some(Percent(charge)),
                load: Some(Percent(load)),
                ..Values::default()
            };
            permits(Command::Calibrate, CALM, &values)
        };
        assert_eq!(with(100.0, 10.0), Ok(()));
        assert_eq!(
            with(99.0, 50.0),
            Err("the battery is charged to 99.0 %; a calibration needs 100 %".to_owned())
        );
        assert_eq!(with(100.0, 9.4), Err("the load is 9.4 %; a calibration needs at least 10 %".to_owned()));
    }
}
