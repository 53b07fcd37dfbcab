//! What the power machine takes of what a link has told.

use std::time::{Duration, Instant};

use mainsd::link::LinkEvent;
use mainsd::power::{AtStart, Machine, Order, Settings};
use mainsd::ups::{NoLogon, StatusFlags, Values};

use super::fake::Bench;

/// As a configuration without limits makes them: ONBATTERYDELAY 6, CONFIRMPOLLS 2.
pub fn no_limits() -> Settings {
    Settings {
        on_battery_delay: Duration::from_secs(6),
        battery_level: None,
        minutes: None,
        timeout: None,
        annoy: Duration::from_secs(300),
        annoy_delay: Duration::from_secs(60),
        no_logon: NoLogon::Disable,
        kill_delay: None,
        kill_on_powerfail: false,
        kill_wait: Duration::ZERO,
        term_on_powerfail: false,
        comm_lost_delay: Duration::from_secs(10),
        confirm_polls: 2,
        low_battery_flag: mainsd::ups::LowBatteryFlag::Ups,
        shutdown_grace: Duration::from_secs(300),
        slave: false,
        net_timeout: Duration::from_secs(60),
        slave_wait: Duration::from_secs(0),
        slave_lead: Duration::from_secs(0),
    }
}

/// After one reading.
#[derive(Clone, Debug)]
pub struct Believed {
    pub at: Instant,
    pub flags: StatusFlags,
    /// What is shown of the reading's values.
    pub values: Values,
}

impl Bench {
    /// After each reading that is left of what the link has told, and the machine's orders.
    pub fn believed(&self) -> (Vec<Believed>, Vec<Order>) {
        let start = self.events.first().map_or(self.start, |(at, _)| *at);
        let mut machine = Machine::new(no_limits(), start, AtStart::default());
        let mut orders = Vec::new();
        let mut believed = Vec::new();
        for (at, event) in &self.events {
            machine.handle_timeout(*at);
            if let LinkEvent::Reading(reading) = event {
                let values = machine.handle_reading(*at, reading);
                believed.push(Believed { at: *at, flags: machine.view().flags, values });
            }
            orders.extend(std::iter::from_fn(|| machine.poll_order()));
        }
        (believed, orders)
    }
}
