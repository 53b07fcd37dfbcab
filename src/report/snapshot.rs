//! Everything a status answer is made of.

use std::time::Duration;

use super::Stamp;
use crate::ups::{Identity, StatusFlags, Values};

/// What does not change while the daemon runs, or only when it re-reads its configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// HOSTNAME.
    pub hostname: String,
    /// VERSION: `<version> (<date>) mainsd`.
    pub version: String,
    /// CABLE: the long text.
    pub cable: String,
    /// DRIVER: the long text.
    pub driver: String,
    /// UPSMODE: the text of UPSCLASS; empty if not configured.
    pub class: String,
    /// SHARE: `None` if UPSMODE is `disable`; empty text if UPSMODE is not configured (status-fields row 9).
    pub share: Option<String>,
    /// STARTTIME.
    pub start_time: Stamp,
    /// MBATTCHG: the directive's value.
    pub battery_level: i32,
    /// MINTIMEL: the directive's value.
    pub minutes: i32,
    /// MAXTIME: the directive's value.
    pub timeout: i32,
}

/// Everything a status answer is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Constant part.
    pub facts: Facts,
    /// UPSNAME; `None` until configured or read from the UPS.
    pub ups_name: Option<String>,
    /// DATE: end of the last poll; frozen while communication is lost. `None`: not polled yet; the time of the
    /// first answer is shown.
    pub polled_at: Option<Stamp>,
    /// MASTERUPD and MASTER, on a slave.
    pub master: Option<(Stamp, String)>,
    /// Static values of the UPS; kept while communication is lost.
    pub identity: Identity,
    /// Measured values; kept while communication is lost.
    pub values: Values,
    /// STATFLAG; STATUS words are made from it.
    pub flags: StatusFlags,
    /// NUMXFERS.
    pub transfers: u32,
    /// XONBATT.
    pub on_battery_at: Option<Stamp>,
    /// TONBATT.
    pub time_on_battery: Duration,
    /// CUMONBATT.
    pub total_on_battery: Duration,
    /// XOFFBATT.
    pub off_battery_at: Option<Stamp>,
    /// LASTSTEST.
    pub last_self_test_at: Option<Stamp>,
    /// END APC: when the answer is made.
    pub now: Stamp,
}
