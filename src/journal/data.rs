//! The DATA record (DATATIME, config §3).

use crate::ups::{Fixed, StatusFlags, Values};

/// `%05.1f,%05.1f,%05.1f,%05.2f,%05.2f,%04.1f,%04.1f,%05.1f,%05.1f,%05.1f,%05.1f,%d` of LINEMIN, LINEMAX, OUTPUTV, BATTV,
/// LINEFREQ, LOAD, ITEMP, AMBTEMP, HUMIDITY, LINEV, BCHARGE and 1 and 0 by turns (config §3). A value that the UPS does not
/// report is 0.
#[must_use]
pub fn data_record(values: &Values, toggle: bool) -> String {
    let minimum = Fixed(values.line_voltage_min.map_or(0.0, |value| value.0));
    let maximum = Fixed(values.line_voltage_max.map_or(0.0, |value| value.0));
    let output = Fixed(values.output_voltage.map_or(0.0, |value| value.0));
    let battery = Fixed(values.battery_voltage.map_or(0.0, |value| value.0));
    let frequency = Fixed(values.frequency.map_or(0.0, |value| value.0));
    let load = Fixed(values.load.map_or(0.0, |value| value.0));
    let internal = Fixed(values.temperature.map_or(0.0, |value| value.0));
    let ambient = Fixed(values.ambient_temperature.map_or(0.0, |value| value.0));
    let humidity = Fixed(values.humidity.map_or(0.0, |value| value.0));
    let line = Fixed(values.line_voltage.map_or(0.0, |value| value.0));
    let charge = Fixed(values.battery_charge.map_or(0.0, |value| value.0));
    format!(
        "{minimum:05.1},{maximum:05.1},{output:05.1},{battery:05.2},{frequency:05.2},{load:04.1},{internal:04.1},\
         {ambient:05.1},{humidity:05.1},{line:05.1},{charge:05.1},{}",
        u8::from(toggle)
    )
}

/// The same for a UPS with simple signalling (config §3).
#[must_use]
pub fn dumb_data_record(status: StatusFlags) -> &'static str {
    let on_battery = status.contains(StatusFlags::ONBATT);
    if on_battery && status.contains(StatusFlags::BATTLOW) {
        "LINEFAIL:DOWN BATTSTAT:FAILING"
    } else if on_battery {
        "LINEFAIL:DOWN BATTSTAT:RUNNING"
    } else if status.contains(StatusFlags::REPLACEBATT) {
        "LINEFAIL:OK BATTSTAT:REPLACE"
    } else {
        "LINEFAIL:OK BATTSTAT:OK"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ups::{Celsius, Hertz, Percent, Volts};

    /// The observed record: tests/captures/events-datatime-stattime-logstats.txt.
    #[test]
    fn a_record_reads_as_apcupsd_writes_it() {
        let values = Values {
            line_voltage_min: Some(Volts(228.2)),
            line_voltage_max: Some(Volts(232.0)),
            output_voltage: Some(Volts(230.4)),
            battery_voltage: Some(Volts(27.6)),
            frequency: Some(Hertz(50.0)),
            load: Some(Percent(23.4)),
            temperature: Some(Celsius(31.2)),
            line_voltage: Some(Volts(230.4)),
            battery_charge: Some(Percent(100.0)),
            ..Values::default()
        };
        let text = "228.2,232.0,230.4,27.60,50.00,23.4,31.2,000.0,000.0,230.4,100.0,";
        assert_eq!(data_record(&values, true), format!("{text}1"));
        assert_eq!(data_record(&values, false), format!("{text}0"));
    }

    #[test]
    fn a_simple_ups_has_four_records() {
        use StatusFlags as S;
        let table = [
            (S::ONLINE, "LINEFAIL:OK BATTSTAT:OK"),
            (S::ONLINE | S::REPLACEBATT, "LINEFAIL:OK BATTSTAT:REPLACE"),
            (S::ONBATT, "LINEFAIL:DOWN BATTSTAT:RUNNING"),
            (S::ONBATT | S::BATTLOW, "LINEFAIL:DOWN BATTSTAT:FAILING"),
        ];
        for (status, text) in table {
            assert_eq!(dumb_data_record(status), text);
        }
    }
}
