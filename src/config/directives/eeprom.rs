//! Settings that a Smart-UPS keeps itself; only `--configure` writes them. Source: config §3 "EEPROM-only".

use super::{BASE, Below, Directive, KEPT_IN_THE_UPS, Kind, Reload, Unit, narrow, said};

/// A number that is sent in a fixed count of digits.
macro_rules! stored {
    ($name:literal, $field:ident, $unit:ident, $max:literal, $example:literal, $doc:literal) => {
        Directive {
            name: $name,
            kind: Kind::Number {
                unit: Unit::$unit,
                min: 0,
                max: $max,
                below: Below::Unset,
                get: |c| c.eeprom.$field.into(),
                put: |c, n| c.eeprom.$field = narrow(n),
            },
            default: "-1",
            idle: KEPT_IN_THE_UPS,
            reload: Reload::Unused,
            doc: $doc,
            why: said("-1: left as it is in the UPS."),
            example: $example,
            ..BASE
        }
    };
}

/// A word that is sent as it is.
macro_rules! stored_word {
    ($name:literal, $field:ident, $max:literal, $example:literal, $doc:literal) => {
        Directive {
            name: $name,
            kind: Kind::Text {
                what: "value",
                max: $max,
                get: |c| &c.eeprom.$field,
                put: |c, v| c.eeprom.$field = v,
            },
            idle: KEPT_IN_THE_UPS,
            reload: Reload::Unused,
            doc: $doc,
            why: said("Not set: left as it is in the UPS."),
            example: $example,
            ..BASE
        }
    };
}

pub(super) const EEPROM: &[Directive] = &[
    stored_word!(
        "SELFTEST",
        self_test,
        8,
        "336",
        "How often the UPS tests itself: `336` every 14 days, `168` every 7 days, `ON` when it is turned on, `OFF` never."
    ),
    stored!(
        "HITRANSFER",
        high_transfer,
        Volts,
        999,
        "253",
        "The line voltage above which the UPS uses its battery."
    ),
    stored!(
        "LOTRANSFER",
        low_transfer,
        Volts,
        999,
        "208",
        "The line voltage below which the UPS uses its battery."
    ),
    stored!(
        "LOWBATT",
        low_battery,
        Minutes,
        99,
        "5",
        "How much runtime is left when the UPS says that its battery is low, most often 2, 5, 7 or 10. It shuts the machine \
         down, whatever the limits in this file are."
    ),
    stored!(
        "WAKEUP",
        wakeup,
        Seconds,
        999,
        "60",
        "How long the UPS waits before it gives power again after mains has come back, most often 0, 60, 180 or 300."
    ),
    stored!(
        "SLEEP",
        sleep,
        Seconds,
        999,
        "180",
        "How long the UPS waits before it cuts its power when told to, most often 20, 180, 300 or 600. The machine must have \
         halted by then."
    ),
    stored!(
        "RETURNCHARGE",
        return_charge,
        Percent,
        99,
        "15",
        "How full the battery must be before the UPS gives power again, most often 0, 15, 50 or 90."
    ),
    stored!("OUTPUTVOLTS", output_volts, Volts, 999, "230", "The output voltage on battery."),
    stored_word!(
        "BEEPSTATE",
        beep_state,
        7,
        "T",
        "When the UPS beeps: `0` at once, `T` after 30 seconds, `L` at low battery, `N` never."
    ),
    stored_word!(
        "SENSITIVITY",
        sensitivity,
        7,
        "M",
        "How soon a distorted line makes the UPS use its battery: `H` high, `M` medium, `L` low."
    ),
    stored_word!(
        "BATTDATE",
        battery_date,
        19,
        "11/21/26",
        "When the battery was last replaced, as `mm/dd/yy`."
    ),
];
