//! From one [`Config`] to the settings of each room. A default value stands in the directive table only.

use std::path::PathBuf;
use std::time::Duration;

use super::dry_run::DryRun;
use super::writers::Places;
use crate::act::{self, ActSettings, BuiltIn, Fallback};
use crate::config::{Config, Parsed, UpsClass, UpsMode};
use crate::drivers::Traits;
use crate::journal::{DebugTarget, FilesSettings, Output, StateFile, SystemLogSettings, stderr_wanted};
use crate::power::kill_power::{Role, Share};
use crate::report::{Facts, Stamp};
use crate::sys::job::Starter;
use crate::ups::{Minutes, Percent};
use crate::{power, server};

/// How the daemon was called: what a configuration cannot change.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// `mainsd` or `apcupsd`: the name in the system log, in messages and in the pid file's default.
    pub name: &'static str,
    /// VERSION's value.
    pub version: &'static str,
    /// The configuration file, read again at SIGHUP.
    pub config_file: PathBuf,
    /// The pid file.
    pub pid_file: Option<PathBuf>,
    /// Not in the background: hooks inherit standard output.
    pub foreground: bool,
    /// `-p`.
    pub kill_on_powerfail: bool,
    /// `-t`.
    pub term_on_powerfail: bool,
    /// How much of what is decided is done.
    pub dry_run: DryRun,
    /// Where the system log is; `None`: nowhere (demonstration).
    pub syslog: bool,
    /// The commands that shut this machine down, looked for before the start.
    pub shutdown_commands: BuiltIn,
    /// Looks at the world that a configuration names, and warns of what is missing there.
    pub surroundings: fn(&Parsed) -> Vec<String>,
    /// Log lines go to standard error too where that makes sense.
    pub stderr: bool,
}

/// What holds of a configuration that was read again: what cannot change in place stays as it is until a restart.
#[must_use]
pub fn in_place(old: &Config, new: Config) -> Config {
    Config {
        ups_type: old.ups_type,
        ups_cable: old.ups_cable,
        device: old.device.clone(),
        lock_dir: old.lock_dir.clone(),
        state_file: old.state_file.clone(),
        control_socket: old.control_socket.clone(),
        control_group: old.control_group.clone(),
        privsep: old.privsep,
        usb_modbus: old.usb_modbus,
        snmp: old.snmp.clone(),
        ..new
    }
}

/// Settings of the power machine.
#[must_use]
pub fn power(config: &Config, invocation: &Invocation) -> power::Settings {
    power_as_called(config, invocation.kill_on_powerfail, invocation.term_on_powerfail)
}

/// The same, called with `-p` and `-t` or without.
#[must_use]
pub fn power_as_called(config: &Config, kill: bool, term: bool) -> power::Settings {
    let role = role(config);
    power::Settings {
        on_battery_delay: config.on_battery_delay,
        battery_level: (config.battery_level >= 0).then(|| Percent(f64::from(config.battery_level))),
        minutes: (config.minutes >= 0).then(|| Minutes(f64::from(config.minutes))),
        timeout: seconds(config.timeout),
        annoy: config.annoy,
        annoy_delay: config.annoy_delay,
        no_logon: config.no_logon,
        kill_delay: role.delay(seconds(config.kill_delay)),
        kill_on_powerfail: kill && role.may_kill_at_powerfail(),
        kill_wait: role.wait().unwrap_or_default(),
        term_on_powerfail: term,
        comm_lost_delay: config.comm_lost_delay,
        confirm_polls: config.confirm_polls.max(1),
        low_battery_flag: config.low_battery_flag,
        shutdown_grace: config.shutdown_grace,
        slave: config.ups_is(Traits::SLAVE),
        net_timeout: config.net_timeout,
        slave_wait: config.slave_wait,
        slave_lead: config.slave_lead,
    }
}

/// What this machine is to its UPS, for the rules of kill power.
#[must_use]
pub fn role(config: &Config) -> Role {
    Role {
        is_slave: config.ups_is(Traits::SLAVE),
        share: match config.ups_class {
            Some(UpsClass::ShareSlave) => Share::Slave,
            Some(UpsClass::ShareMaster) => Share::Master,
            Some(UpsClass::Standalone) | None => Share::Alone,
        },
        delays_off: config.ups_is(Traits::DELAYS_OFF),
        is_real: config.ups_type.is_some() && !config.ups_is(Traits::SIMULATED),
    }
}

fn seconds(value: i32) -> Option<Duration> {
    u64::try_from(value).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Settings of hooks, flags and the shutdown.
#[must_use]
pub fn act(config: &Config, invocation: &Invocation) -> ActSettings {
    let fallback = match invocation.dry_run {
        DryRun::No => Fallback::system(config.shutdown_cmd.clone(), invocation.shutdown_commands.clone()),
        DryRun::HooksRun => Fallback { shutdown_cmd: config.shutdown_cmd.clone(), ..Fallback::default() },
        DryRun::LogOnly(_) => Fallback::default(),
    };
    ActSettings {
        script_dir: config.script_dir.clone(),
        powerfail_dir: config.powerfail_dir.clone(),
        nologin_dir: config.nologin_dir.clone(),
        hook_timeout: config.hook_timeout,
        fallback,
        output: if invocation.foreground { act::Output::Inherit } else { act::Output::Null },
    }
}

/// Settings of the system log.
#[must_use]
pub fn system_log(config: &Config, invocation: &Invocation) -> SystemLogSettings {
    let default = SystemLogSettings::default();
    SystemLogSettings {
        ident: invocation.name.to_owned(),
        facility: config.facility.0,
        socket: default.socket.filter(|_| invocation.syslog),
    }
}

/// Settings of the files that are written.
#[must_use]
pub fn files(config: &Config) -> FilesSettings {
    FilesSettings {
        events: config.events_file.clone(),
        events_max: config.events_file_max,
        status: config.stat_file.clone(),
        has_status: !config.stat_time.is_zero(),
    }
}

/// All that the daemon writes to. Debug output goes to the place that is given.
#[must_use]
pub fn places(
    config: &Config,
    invocation: &Invocation,
    debug: Option<DebugTarget>,
    state: Option<StateFile>,
) -> Places {
    Places {
        system_log: system_log(config, invocation),
        output: Output { stderr: invocation.stderr && stderr_wanted(invocation.foreground), debug },
        files: files(config),
        state,
        forks: true,
        starter: Starter::default(),
    }
}

/// Settings of port 3551; no address with NETSERVER off.
#[must_use]
pub fn server(config: &Config) -> server::Settings {
    let allow = config.nis_allow.clone();
    server::Settings {
        addresses: if config.net_server { config.nis_ip.clone() } else { Vec::new() },
        port: config.nis_port,
        udp: config.nis_udp,
        allow: Box::new(move |ip| allow.iter().any(|source| source.contains(ip))),
        max_clients: config.nis_max_clients,
    }
}

/// The constant part of the status.
#[must_use]
pub fn facts(config: &Config, invocation: &Invocation, hostname: &str, start_time: Stamp) -> Facts {
    let cable = config.ups_cable;
    Facts {
        hostname: hostname.to_owned(),
        version: invocation.version.to_owned(),
        cable: cable.map_or("", |cable| cable.text()).to_owned(),
        driver: config.ups_type.map_or("", |driver| driver.text).to_owned(),
        class: config.ups_class.map_or("", |class| class.text()).to_owned(),
        share: match config.ups_mode {
            Some(UpsMode::Disable) => None,
            Some(UpsMode::Share) => Some("ShareUPS".to_owned()),
            None => Some(String::new()),
        },
        start_time,
        battery_level: config.battery_level,
        minutes: config.minutes,
        timeout: config.timeout,
    }
}

/// How often the UPS is polled on mains: POLLTIME, more often if a report wants it (config §3 POLLTIME).
#[must_use]
pub fn poll_time(config: &Config) -> Duration {
    [config.data_time, config.stat_time]
        .into_iter()
        .filter(|period| !period.is_zero())
        .fold(config.poll_time, Duration::min)
        .max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::UpsType;

    #[test]
    fn a_share_slave_never_kills_the_power_and_a_share_master_waits() {
        let invocation = Invocation {
            name: "mainsd",
            version: "0",
            config_file: std::path::PathBuf::new(),
            pid_file: None,
            foreground: true,
            kill_on_powerfail: true,
            term_on_powerfail: false,
            dry_run: DryRun::HooksRun,
            syslog: false,
            stderr: false,
            shutdown_commands: BuiltIn::default(),
            surroundings: |_| Vec::new(),
        };
        let of = |class| {
            power(
                &Config { ups_type: UpsType::find("usb"), kill_delay: 5, ups_class: class, ..Config::new() },
                &invocation,
            )
        };
        let slave = of(Some(UpsClass::ShareSlave));
        assert_eq!((slave.kill_delay, slave.kill_on_powerfail), (None, false));
        let master = of(Some(UpsClass::ShareMaster));
        assert_eq!((master.kill_delay, master.kill_on_powerfail), (Some(Duration::from_secs(5)), true));
        assert_eq!(master.kill_wait, Duration::from_secs(30));
        assert_eq!(of(None).kill_wait, Duration::ZERO);
    }
}
