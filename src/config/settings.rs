//! The typed configuration: the final form of a file, with every default in place.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::directives;
use super::enums::{Cable, Facility, UpsClass, UpsMode};
use super::nis_allow::NisAllow;
use crate::drivers::{PortLock, SnmpAccount, Traits, UpsType};
use crate::ups::{LowBatteryFlag, NoLogon, TestSchedule};

/// Every setting, in its final type. Fields are named after their directives (config §3).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// UPSNAME; empty: not configured.
    pub ups_name: String,
    /// UPSCABLE.
    pub ups_cable: Option<Cable>,
    /// UPSTYPE.
    pub ups_type: Option<&'static UpsType>,
    /// DEVICE; empty: automatic.
    pub device: String,
    /// POLLTIME.
    pub poll_time: Duration,
    /// LOCKFILE: a directory.
    pub lock_dir: PathBuf,
    /// SCRIPTDIR.
    pub script_dir: PathBuf,
    /// PWRFAILDIR.
    pub powerfail_dir: PathBuf,
    /// NOLOGINDIR.
    pub nologin_dir: PathBuf,
    /// ONBATTERYDELAY.
    pub on_battery_delay: Duration,
    /// BATTERYLEVEL, per cent; negative: off.
    pub battery_level: i32,
    /// MINUTES; negative: off.
    pub minutes: i32,
    /// TIMEOUT, seconds; 0 or negative: off.
    pub timeout: i32,
    /// ANNOY.
    pub annoy: Duration,
    /// ANNOYDELAY.
    pub annoy_delay: Duration,
    /// NOLOGON.
    pub no_logon: NoLogon,
    /// KILLDELAY, seconds; 0: off.
    pub kill_delay: i32,
    /// NETSERVER.
    pub net_server: bool,
    /// NISIP: the addresses to listen on.
    pub nis_ip: Vec<IpAddr>,
    /// NISPORT.
    pub nis_port: u16,
    /// NISUDP: answer on UDP too.
    pub nis_udp: bool,
    /// NISALLOW.
    pub nis_allow: Vec<NisAllow>,
    /// NISMAXCLIENTS.
    pub nis_max_clients: usize,
    /// EVENTSFILE.
    pub events_file: Option<PathBuf>,
    /// EVENTSFILEMAX, KiB; 0: unlimited.
    pub events_file_max: u64,
    /// FACILITY.
    pub facility: Facility,
    /// STATTIME; zero: off.
    pub stat_time: Duration,
    /// STATFILE.
    pub stat_file: Option<PathBuf>,
    /// LOGSTATS.
    pub log_stats: bool,
    /// DATATIME; zero: off.
    pub data_time: Duration,
    /// UPSCLASS.
    pub ups_class: Option<UpsClass>,
    /// UPSMODE.
    pub ups_mode: Option<UpsMode>,
    /// EEPROM settings, used by `--configure` only (config §3); -1: not configured.
    pub eeprom: Eeprom,
    /// HOOKTIMEOUT: how long a hook may run.
    pub hook_timeout: Duration,
    /// COMMLOSTDELAY: how long the UPS may be silent before `commfailure`.
    pub comm_lost_delay: Duration,
    /// NETTIMEOUT: how long a slave bears the loss of its master during an outage.
    pub net_timeout: Duration,
    /// SLAVEWAIT: how long a decided shutdown waits for slaves at most; zero: off.
    pub slave_wait: Duration,
    /// SLAVELEAD: how long it waits at least if there are slaves, within SLAVEWAIT.
    pub slave_lead: Duration,
    /// SELFTESTSCHEDULE.
    pub self_test_schedule: Option<TestSchedule>,
    /// CONFIRMPOLLS: how many agreeing samples make a change of state.
    pub confirm_polls: u32,
    /// LOWBATTERYFLAG.
    pub low_battery_flag: LowBatteryFlag,
    /// SHUTDOWNCMD; `None`: the first that exists of systemctl poweroff, shutdown, poweroff, halt.
    pub shutdown_cmd: Option<String>,
    /// SHUTDOWNGRACE: still on battery this long after `doshutdown` succeeded, it runs again.
    pub shutdown_grace: Duration,
    /// PRIVSEP: the helper is a process of its own.
    pub privsep: bool,
    /// USBMODBUS auto: a USB UPS that can is asked by Modbus too.
    pub usb_modbus: bool,
    /// SNMPVERSION and the account that goes with it.
    pub snmp: SnmpAccount,
    /// CONTROLSOCKET; `None`: off.
    pub control_socket: Option<PathBuf>,
    /// CONTROLGROUP; empty: root only.
    pub control_group: String,
    /// STATEFILE: where the running outage and the counters are kept over a restart.
    pub state_file: Option<PathBuf>,
}

/// Directives that only `--configure` writes to the UPS (config §3, EEPROM-only). An empty text: not configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eeprom {
    /// SELFTEST.
    pub self_test: String,
    /// HITRANSFER.
    pub high_transfer: i32,
    /// LOTRANSFER.
    pub low_transfer: i32,
    /// LOWBATT.
    pub low_battery: i32,
    /// WAKEUP.
    pub wakeup: i32,
    /// SLEEP.
    pub sleep: i32,
    /// RETURNCHARGE.
    pub return_charge: i32,
    /// OUTPUTVOLTS.
    pub output_volts: i32,
    /// BEEPSTATE.
    pub beep_state: String,
    /// SENSITIVITY.
    pub sensitivity: String,
    /// BATTDATE.
    pub battery_date: String,
}

impl Config {
    /// Whether its UPS is all of these; without UPSTYPE it is nothing.
    #[must_use]
    pub fn ups_is(&self, traits: Traits) -> bool {
        self.ups_type.is_some_and(|driver| driver.is(traits))
    }

    /// Whether its UPS may tell charge and runtime.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.ups_type.is_none_or(|driver| driver.is(Traits::MEASURES))
    }

    /// The lock file of its port.
    #[must_use]
    pub fn port_lock(&self) -> PortLock {
        self.ups_type.map_or(PortLock::None, |driver| driver.lock)
    }

    /// What an empty file means: every directive at its default, and no UPSTYPE.
    pub fn new() -> Self {
        let mut config = Self::of_table();
        config.settle_annoy();
        config
    }

    /// The defaults as the table has them, before one directive is held against another.
    pub(super) fn of_table() -> Self {
        let mut config = Self::blank();
        for directive in directives::all() {
            directive.set_default(&mut config);
        }
        config
    }

    /// ANNOYDELAY counts only if ANNOY is smaller (config §4 item 1); whether that changed it.
    pub(super) fn settle_annoy(&mut self) -> bool {
        let overridden = self.annoy >= self.annoy_delay && self.annoy_delay > Duration::ZERO;
        if overridden {
            self.annoy_delay = Duration::ZERO;
        }
        overridden
    }

    /// The UPS itself tells low battery in every case; beyond that, whether BATTERYLEVEL, MINUTES or TIMEOUT is on.
    pub fn has_a_limit(&self) -> bool {
        self.battery_level >= 0 || self.minutes >= 0 || self.timeout > 0
    }

    /// What the table of directives writes its defaults over: nothing of it is left in [`Config::new`] except that what
    /// has no default stays absent.
    fn blank() -> Self {
        Self {
            ups_name: String::new(),
            ups_cable: None,
            ups_type: None,
            device: String::new(),
            poll_time: Duration::ZERO,
            lock_dir: PathBuf::new(),
            script_dir: PathBuf::new(),
            powerfail_dir: PathBuf::new(),
            nologin_dir: PathBuf::new(),
            on_battery_delay: Duration::ZERO,
            battery_level: -1,
            minutes: -1,
            timeout: 0,
            annoy: Duration::ZERO,
            annoy_delay: Duration::ZERO,
            no_logon: NoLogon::Disable,
            kill_delay: 0,
            net_server: false,
            nis_ip: Vec::new(),
            nis_port: 0,
            nis_udp: false,
            nis_allow: Vec::new(),
            nis_max_clients: 0,
            events_file: None,
            events_file_max: 0,
            facility: Facility::DAEMON,
            stat_time: Duration::ZERO,
            stat_file: None,
            log_stats: false,
            data_time: Duration::ZERO,
            ups_class: None,
            ups_mode: None,
            eeprom: Eeprom {
                self_test: String::new(),
                high_transfer: -1,
                low_transfer: -1,
                low_battery: -1,
                wakeup: -1,
                sleep: -1,
                return_charge: -1,
                output_volts: -1,
                beep_state: String::new(),
                sensitivity: String::new(),
                battery_date: String::new(),
            },
            hook_timeout: Duration::ZERO,
            comm_lost_delay: Duration::ZERO,
            net_timeout: Duration::ZERO,
            slave_wait: Duration::ZERO,
            slave_lead: Duration::ZERO,
            self_test_schedule: None,
            confirm_polls: 1,
            low_battery_flag: LowBatteryFlag::Ups,
            shutdown_cmd: None,
            privsep: true,
            usb_modbus: true,
            snmp: SnmpAccount {
                version: "",
                user: String::new(),
                level: "",
                auth: "",
                privacy: "",
                secrets: None,
            },
            shutdown_grace: Duration::ZERO,
            control_socket: None,
            control_group: String::new(),
            state_file: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
