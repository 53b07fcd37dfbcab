//! Names that a file may contain and that have no effect: of older apcupsd, and of other programs. All of them are
//! warnings: a machine is guarded whatever stands there.

/// A name that is known and has no effect.
#[derive(Clone, Copy, Debug)]
pub struct Retired {
    /// Upper case.
    pub name: &'static str,
    /// Whose it is, as the end of "... is a directive of".
    pub of: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

const fn of_apcupsd(name: &'static str, advice: &'static str) -> Retired {
    Retired { name, of: "apcupsd of long ago", advice }
}

const fn of_unraid(name: &'static str, advice: &'static str) -> Retired {
    Retired { name, of: "Unraid's settings page, not of apcupsd", advice }
}

const fn of_nut(name: &'static str) -> Retired {
    Retired {
        name,
        of: "NUT's upsmon.conf, not of apcupsd",
        advice: "see mainsd.conf(5) for what takes its place",
    }
}

/// Sources: config §3 "Obsolete"; the file that Unraid's UPS settings write; upsmon.conf(5); Debian's /etc/default/apcupsd.
pub const RETIRED: &[Retired] = &[
    of_apcupsd("CONTROL", "the line can go"),
    of_apcupsd("NETACCESS", "NISALLOW says who may ask"),
    of_apcupsd("MASTER", "a network slave says UPSTYPE net and DEVICE host:port"),
    of_apcupsd("USERMAGIC", "the line can go"),
    of_apcupsd("SLAVE", "slaves need no entry here; NISALLOW says who may ask"),
    of_apcupsd("NETPORT", "the port is NISPORT now"),
    of_apcupsd("NETSTATUS", "this is NETSERVER now"),
    of_apcupsd("SERVERPORT", "the port is NISPORT now"),
    of_apcupsd("ACCESS", "NISALLOW says who may ask"),
    of_apcupsd("NETTYPE", "a network slave says UPSTYPE net and DEVICE host:port"),
    of_apcupsd("UPSCAP", "the line can go"),
    of_apcupsd("PROCFS", "the line can go"),
    of_apcupsd("LOGFILE", "this is EVENTSFILE now"),
    of_unraid("SERVICE", "whether mainsd starts at boot is for the service manager to say"),
    of_unraid(
        "KILLUPS",
        "the last step of a shutdown tells the UPS to cut its power, see --killpower in mainsd(8)",
    ),
    of_unraid("OVERRIDE_UPS_CAPACITY", "it changes a display only"),
    of_unraid("CUSTOMUPSCABLE", "say the cable with UPSCABLE"),
    Retired {
        name: "ISCONFIGURED",
        of: "Debian's /etc/default/apcupsd, not of this file",
        advice: "the line can go",
    },
    of_nut("MONITOR"),
    of_nut("MINSUPPLIES"),
    of_nut("NOTIFYCMD"),
    of_nut("NOTIFYFLAG"),
    of_nut("NOTIFYMSG"),
    of_nut("POLLFREQ"),
    of_nut("POLLFREQALERT"),
    of_nut("HOSTSYNC"),
    of_nut("DEADTIME"),
    of_nut("POWERDOWNFLAG"),
    of_nut("RBWARNTIME"),
    of_nut("NOCOMMWARNTIME"),
    of_nut("FINALDELAY"),
];
