//! Bytes as choices: the settings of one life of the power machine.

use std::time::Duration;

use mainsd::power::Settings;
use mainsd::ups::{LowBatteryFlag, Minutes, NoLogon, Percent};

pub struct Input<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl Input<'_> {
    pub fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::from(self.next().unwrap_or(0)) % from.len()].clone()
    }
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn pick_settings(input: &mut Input) -> Settings {
    Settings {
        on_battery_delay: secs(input.pick(&[0, 6, 6, 30])),
        battery_level: input.pick(&[None, Some(Percent(5.0)), Some(Percent(50.0))]),
        minutes: input.pick(&[None, Some(Minutes(3.0)), Some(Minutes(10.0))]),
        timeout: input.pick(&[None, None, Some(secs(1)), Some(secs(20)), Some(secs(300))]),
        annoy: secs(input.pick(&[0, 5, 300])),
        annoy_delay: secs(input.pick(&[0, 60])),
        no_logon: input.pick(&[
            NoLogon::Disable,
            NoLogon::Always,
            NoLogon::Timeout,
            NoLogon::Percent,
            NoLogon::Minutes,
        ]),
        kill_delay: input.pick(&[None, Some(secs(0)), Some(secs(12))]),
        kill_on_powerfail: input.pick(&[false, true]),
        kill_wait: Duration::ZERO,
        term_on_powerfail: input.pick(&[false, false, false, true]),
        comm_lost_delay: secs(input.pick(&[0, 10, 20])),
        confirm_polls: input.pick(&[2, 2, 1, 3]),
        low_battery_flag: input.pick(&[
            LowBatteryFlag::Ups,
            LowBatteryFlag::Ups,
            LowBatteryFlag::Confirm,
            LowBatteryFlag::Ignore,
        ]),
        shutdown_grace: secs(input.pick(&[300, 20, 5])),
        slave: input.pick(&[false, false, true]),
        net_timeout: secs(10),
        slave_wait: secs(input.pick(&[30, 30, 0, 600])),
        slave_lead: secs(input.pick(&[0, 0, 10, 40])),
    }
}
