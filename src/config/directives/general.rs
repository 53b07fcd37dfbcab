//! The UPS and how it is reached, folders, ShareUPS. Source: config §3 "General", "Paths", "ShareUPS".

use super::{
    BASE, Below, DAY, Directive, Kind, ONLY_WITH_A_LOCK, Reload, duration, said, seconds, whole_seconds, word,
};
use crate::config::enums::{Cable, UpsClass, UpsMode};
use crate::drivers::UpsType;

pub(super) const UPS: &[Directive] = &[
    Directive {
        name: "UPSTYPE",
        kind: Kind::Word {
            words: UpsType::words,
            get: |c| c.ups_type.map_or("", |driver| driver.word),
            put: |c, word| {
                let driver = UpsType::find(word);
                c.ups_type = driver.or(c.ups_type);
                driver.is_some()
            },
            hint: old_type,
        },
        shipped: Some("usb"),
        reload: Reload::Restart,
        doc: said(
            "How the UPS is reached. The one directive that must be there.\n\n\
              `usb`: any UPS on USB that presents itself as a HID power device, of APC or another maker. \
              `apcsmart`: an APC Smart-UPS on a serial port. `dumb`: a UPS that only switches modem lines. \
              `net`: another machine that runs mainsd or apcupsd and serves port 3551. \
              `snmp`: a network card, by SNMP. `pcnet`: a management card with PowerChute Network Shutdown. \
              `modbus`: a newer APC Smart-UPS (SMT, SMX, SRT, SMC), on a serial line, by its network card or on USB; Modbus must be switched on at its front panel. `test`: a simulated UPS, for trials, see mainsd-simulated(7); the shutdown at its end is \
              real.",
        ),
        why: said("There is no default: guessing would watch the wrong thing."),
        compat: said(
            "Names of releases before 3.14 (`smartups`, `backups`, `linux-usb`, `netsnmp`, ...) are errors, as they \
                 are in apcupsd; the message says which name took their place.",
        ),
        example: "usb",
        ..BASE
    },
    Directive {
        name: "UPSCABLE",
        kind: word!(Cable, ups_cable, optional, old_cable),
        shipped: Some("usb"),
        reload: Reload::Restart,
        doc: said(
            "The cable between UPS and machine. Only `dumb` and `modbus` look at it: every other UPSTYPE implies its \
              cable, whatever is said here, and status shows the implied one.\n\n\
              For `dumb` it must be a cable of modem lines. For `modbus` it says the way: `smart` is a serial line, `ether` the network, `usb` USB, where \
              HID guards too: a UPS whose Modbus is off is watched all the same. \
              `simple`: the one to build oneself, on battery on CD and battery low on CTS. `940-0020B`, `940-0020C`, \
              `940-0119A`, `940-0127A`, `940-0128A`, `940-0095A`, `940-0095C`, `MAM-04-02-2000`: by the number on the cable. `940-0095B` \
              and `940-0023A` do not tell that the battery is low, so give TIMEOUT a value; `940-0023A` cannot cut \
              the power either.",
        ),
        why: said("Not set: most types imply it."),
        compat: said("`dumb` without a cable is an error; apcupsd would start and see no outage."),
        example: "usb",
        ..BASE
    },
    Directive {
        name: "DEVICE",
        kind: Kind::Text { what: "device", max: 4096, get: |c| &c.device, put: |c, v| c.device = v },
        shipped: Some(""),
        reload: Reload::Restart,
        blank: "(automatic)",
        doc: said(
            "Where the UPS is; the form depends on UPSTYPE.\n\n\
              `usb`: blank for the first UPS found, or its serial number, or its bus port path (`1-1.4`) where two are \
              attached. `apcsmart`, `dumb`: the serial port, `/dev/ttyS0`. `net`: `host` or `host:port`, the port being \
              NISPORT if not said, an IPv6 address with a port in brackets; of several, with blanks between, the first that answers is used; a name is looked up anew when it does not answer. `snmp`: `host:port:vendor:community`, all but the host optional, an IPv6 address in brackets; the port is 161 if not said, vendor is `APC`, `RFC` \
              or `MGE`, with `_NOTRAP` added if no traps are wanted (else UDP port 162 is listened at), and without a community `private` is tried, then `public`. `pcnet`: `host:user:passphrase:port:webport`, the \
              ports optional (3052 for packets, 80 for its web server), an IPv6 address in brackets; blank: whoever sends first is believed. `modbus`: the serial port, or with `UPSCABLE ether` `host` or `host:port`, the port being 502 if not said, or with `UPSCABLE usb` as for `usb`. `test`: blank, or the path of a script.",
        ),
        why: said("Blank finds a USB UPS by itself, also after it has come back under another number."),
        compat: said(
            "With UPSTYPE `usb` a path, such as the `/dev/ttyS0` of the file that Debian ships, means automatic \
                 detection and costs a warning; apcupsd would open it and fail. Not cut at 255 bytes.",
        ),
        example: "4B1234P56789",
        ..BASE
    },
    Directive {
        name: "UPSNAME",
        kind: Kind::Text { what: "name", max: 99, get: |c| &c.ups_name, put: |c, v| c.ups_name = v },
        blank: "(the name stored in the UPS, else that of this machine)",
        doc: said(
            "A name for the UPS in status, in messages and as second argument of the hooks. Blanks are fine. Blank: the \
              name that is stored in the UPS, else the name of this machine.",
        ),
        why: said("Not set: the UPS or the machine has a name already."),
        compat: said("Any length up to 99 bytes is shown; only the name stored in a UPS is limited to 8."),
        example: "Rack 3 left",
        ..BASE
    },
    Directive {
        name: "POLLTIME",
        aliases: &["NETTIME"],
        kind: seconds(
            1,
            DAY,
            Below::Smallest,
            |c| whole_seconds(c.poll_time),
            |c, n| c.poll_time = duration(n),
        ),
        default: "60",
        doc: said(
            "How often the UPS is asked while all is well. A UPS that reports by itself (USB, serial smart) is heard at \
              once whatever this says; a serial smart UPS is asked besides every 5 seconds whether mains is there, one with \
              simple signalling is looked at every second, and the one report of a USB UPS that tells it is read every 3.4 \
              seconds until it has reported that by itself, and every 10 seconds afterwards. A master (`net`) that runs mainsd tells its slaves at once, too; the outage of another is seen up to \
              this many seconds late. During an outage the UPS is asked every second, a master every 2 seconds.",
        ),
        why: said("60 costs nothing; take less for UPSes that only answer when asked."),
        compat: said("NETTIME is another name for it, as in apcupsd. 0 and negative numbers are taken as 1."),
        example: "10",
        ..BASE
    },
];

pub(super) const FOLDERS: &[Directive] = &[
    Directive {
        name: "SCRIPTDIR",
        kind: Kind::Folder { get: |c| &c.script_dir, put: |c, v| c.script_dir = v },
        default: "/etc/apcupsd",
        doc: said(
            "The folder of `apccontrol`, which is run at each event. If it is missing or cannot be run, events are still \
              logged and the shutdown is still carried out, by SHUTDOWNCMD or its default.",
        ),
        why: said("Where apcupsd has it, so that existing hooks go on working."),
        example: "/etc/mainsd",
        ..BASE
    },
    Directive {
        name: "PWRFAILDIR",
        kind: Kind::Folder { get: |c| &c.powerfail_dir, put: |c, v| c.powerfail_dir = v },
        default: "/etc/apcupsd",
        doc: said(
            "The folder of the flag file `powerfail`, which tells the last step of a system shutdown that the UPS is to cut \
              its power. It must be on a file system that is still mounted then, so `/run` will do and `/home` will not.",
        ),
        why: said("Where the shutdown scripts of apcupsd look for it."),
        compat: said(
            "apcupsd leaves a stale flag for ever, so that a later ordinary reboot cuts the power; mainsd removes it \
                 when it starts on mains.",
        ),
        example: "/run",
        ..BASE
    },
    Directive {
        name: "NOLOGINDIR",
        kind: Kind::Folder { get: |c| &c.nologin_dir, put: |c, v| c.nologin_dir = v },
        default: "/etc",
        doc: said(
            "The folder of the file `nologin`, which keeps users from logging in while NOLOGON says so.",
        ),
        why: said("Where login and PAM look for it."),
        compat: said("Only a file that mainsd has written itself is removed again."),
        example: "/run",
        ..BASE
    },
    Directive {
        name: "LOCKFILE",
        idle: ONLY_WITH_A_LOCK,
        kind: Kind::Folder { get: |c| &c.lock_dir, put: |c, v| c.lock_dir = v },
        default: "/var/lock",
        reload: Reload::Restart,
        doc: said(
            "The folder (not file, despite its name) of the lock on the UPS's port, which keeps two programs from using it at \
              once. Not used by `net`, `snmp`, `pcnet` and `test`.",
        ),
        why: said("Where other programs that use serial ports look for it."),
        example: "/run/lock",
        ..BASE
    },
];

pub(super) const SHARE: &[Directive] = &[
    Directive {
        name: "UPSCLASS",
        kind: word!(UpsClass, ups_class, optional),
        doc: said(
            "The part this machine plays on a UPS that several machines share through a ShareUPS card: `sharemaster` waits \
              30 seconds before it tells the UPS to cut the power, `shareslave` never tells it. `standalone` otherwise.",
        ),
        why: said("Not set: the line UPSMODE of status stays empty, as apcupsd has it."),
        compat: said(""),
        example: "standalone",
        ..BASE
    },
    Directive {
        name: "UPSMODE",
        kind: word!(UpsMode, ups_mode, optional),
        doc: said(
            "`share` for a UPS with a ShareUPS card, `disable` otherwise. It only decides whether status has the line SHARE.",
        ),
        why: said("Not set: status has an empty line SHARE, as apcupsd has it; `disable` removes it."),
        compat: said(""),
        example: "disable",
        ..BASE
    },
];

fn old_type(word: &str) -> Option<&'static str> {
    match word {
        "linux-usb" | "bsd-usb" | "generic-usb" => Some("this is 'usb' now"),
        "netsnmp" | "snmplite" | "net-snmp" => Some("this is 'snmp' now"),
        "smartups" | "smartvsups" | "newbackupspro" | "backupspropnp" | "matrixups" | "sharesmart" => {
            Some("this is 'apcsmart' now")
        }
        "backups" | "sharebasic" | "netups" | "backupspro" | "smartvsups-dumb" => {
            Some("a name of apcupsd before 3.14; with a cable of modem lines it is 'dumb' now")
        }
        "nut" | "usbhid-ups" | "auto" => Some("for a UPS on USB say 'usb'"),
        _ => None,
    }
}

fn old_cable(word: &str) -> Option<&'static str> {
    match word {
        "m-04-02-2000" => Some("this cable is spelt 'MAM-04-02-2000'"),
        "custom" => Some("a word of Unraid; say here what CUSTOMUPSCABLE says"),
        "network" | "net" | "ethernet" => Some("this is 'ether'"),
        _ => None,
    }
}
