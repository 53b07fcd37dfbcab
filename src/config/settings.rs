//! The typed configuration: the final form of a file, with every default in place.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::ups::NoLogon;

/// `UPSTYPE` (config §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriverKind {
    /// Simple signalling.
    Dumb,
    /// APC's serial protocol, UPS-Link.
    ApcSmart,
    /// USB HID power device.
    Usb,
    /// SNMP card.
    Snmp,
    /// Network slave of another apcupsd or mainsd.
    Net,
    /// Test driver.
    Test,
    /// PowerChute Network Shutdown card.
    Pcnet,
    /// Modbus.
    Modbus,
}

/// `UPSCABLE`: the directive's value; long texts in status-fields §5.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Cable {
    /// `simple`.
    Simple,
    /// `smart`.
    Smart,
    /// `ether`.
    Ether,
    /// `usb`.
    Usb,
    /// `MAM-04-02-2000`.
    Mam,
    /// A part number, `940-0119A` and so on, in its canonical spelling.
    Apc(&'static str),
}

/// `UPSCLASS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpsClass {
    /// Stand Alone.
    Standalone,
    /// ShareUPS Slave.
    ShareSlave,
    /// ShareUPS Master.
    ShareMaster,
}

/// `UPSMODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpsMode {
    /// Network and ShareUPS disabled.
    Disable,
    /// ShareUPS.
    Share,
}

/// `FACILITY`: syslog facility by its number (RFC 5424 table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facility(pub u8);

/// One source in `NISALLOW`: an address with a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NisAllow {
    /// Network address.
    pub address: IpAddr,
    /// Leading bits that must match, 0 to 32 or 128.
    pub prefix: u8,
}

/// Every setting, in its final type. Fields are named after their directives (config §3).
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// UPSNAME; empty: not configured.
    pub ups_name: String,
    /// UPSCABLE.
    pub ups_cable: Option<Cable>,
    /// UPSTYPE.
    pub ups_type: Option<DriverKind>,
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
    /// EEPROM settings, used by the test program only (config §3); -1: not configured.
    pub eeprom: Eeprom,
    /// HOOKTIMEOUT: how long a hook may run.
    pub hook_timeout: Duration,
    /// COMMLOSTDELAY: how long the UPS may be silent before `commfailure`.
    pub comm_lost_delay: Duration,
    /// CONFIRMPOLLS: how many agreeing readings make a change of state.
    pub confirm_polls: u32,
    /// SHUTDOWNCMD; `None`: the first that exists of systemctl poweroff, shutdown, poweroff, halt.
    pub shutdown_cmd: Option<String>,
    /// SHUTDOWNGRACE: still on battery this long after `doshutdown` succeeded, it runs again.
    pub shutdown_grace: Duration,
    /// STATEFILE: where the running outage and the counters are kept over a restart.
    pub state_file: Option<PathBuf>,
}

/// Directives that only the test program writes to the UPS (config §3, EEPROM-only).
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
