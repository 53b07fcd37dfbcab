//! When the machine is shut down, and how. Source: config §3 "Power failure" and power-events §3, §10; from HOOKTIMEOUT on
//! they are directives of mainsd alone.

use super::{
    BASE, Below, DAY, Directive, Idle, Kind, NOT_ON_A_CABLE, Reload, Unit, YEAR, duration, narrow, said,
    seconds, whole_seconds,
};
use crate::config::enums::{low_battery_flag, no_logon, no_logon_word, no_logon_words};
use crate::drivers::Traits;
use crate::ups::LowBatteryFlag;

pub(super) const POWER: &[Directive] = &[
    Directive {
        name: "ONBATTERYDELAY",
        kind: seconds(
            0,
            YEAR,
            Below::Smallest,
            |c| whole_seconds(c.on_battery_delay),
            |c, n| c.on_battery_delay = duration(n),
        ),
        default: "6",
        doc: said(
            "How long mains must be away before users are told (event `onbattery`). It delays no shutdown limit except \
              that TIMEOUT counts from here. The event `powerout` comes at once.",
        ),
        why: said("Most failures are over within 6 seconds and are nobody's business."),
        compat: said("Negative numbers are taken as 0."),
        example: "10",
        ..BASE
    },
    Directive {
        name: "BATTERYLEVEL",
        kind: Kind::Number {
            unit: Unit::Percent,
            min: 0,
            max: 100,
            below: Below::Off,
            get: |c| c.battery_level.into(),
            put: |c, n| c.battery_level = narrow(n),
        },
        idle: NOT_ON_A_CABLE,
        default: "10",
        doc: said(
            "On battery, the machine is shut down once the charge has been this low, or lower, for 5 seconds. BATTERYLEVEL, \
              MINUTES and TIMEOUT stand side by side: the first that is reached shuts down. Independent of them, the \
              machine is always shut down when the UPS itself says that its battery is exhausted.",
        ),
        why: said("10 leaves a tired battery something in reserve."),
        compat: said(
            "The file that apcupsd ships sets 5, its manual page calls 5 the default; a file without the line gets 10 \
                 from both programs. Above 100, which would shut down at every outage, is an error.",
        ),
        example: "20",
        ..BASE
    },
    Directive {
        name: "MINUTES",
        kind: Kind::Number {
            unit: Unit::Minutes,
            min: 0,
            max: 1_000_000,
            below: Below::Off,
            get: |c| c.minutes.into(),
            put: |c, n| c.minutes = narrow(n),
        },
        idle: NOT_ON_A_CABLE,
        default: "5",
        doc: said(
            "On battery, the machine is shut down once the runtime that the UPS expects has been this short, or shorter, for \
              5 seconds. Choose more than your machine takes to shut down.",
        ),
        why: said("A machine with databases or virtual machines wants minutes to stop."),
        compat: said(
            "The file that apcupsd ships sets 3, its manual page calls 3 the default; a file without the line gets 5 \
                 from both programs.",
        ),
        example: "8",
        ..BASE
    },
    Directive {
        name: "TIMEOUT",
        kind: Kind::Number {
            unit: Unit::Seconds,
            min: 0,
            max: YEAR,
            below: Below::Off,
            get: |c| c.timeout.into(),
            put: |c, n| c.timeout = narrow(n),
        },
        default: "0",
        zero: "off",
        doc: said(
            "On battery, the machine is shut down this many seconds after the event `onbattery`, so ONBATTERYDELAY comes on \
              top. 0: no limit in time. The only limit that works with a UPS that knows neither charge nor runtime.",
        ),
        why: said("0: a UPS that knows its battery should be asked, not timed."),
        compat: said("Timed with a clock that no change of the date can move."),
        example: "600",
        ..BASE
    },
    Directive {
        name: "KILLDELAY",
        kind: seconds(0, YEAR, Below::Smallest, |c| c.kill_delay.into(), |c, n| c.kill_delay = narrow(n)),
        idle: Idle {
            with: |driver| driver.is(Traits::SLAVE),
            because: "a slave never cuts the power of its master's UPS; the line can go",
        },
        default: "0",
        zero: "off",
        doc: said(
            "How long after the start of the shutdown the running daemon tells the UPS to cut its power, if mains is \
              still away. 0: not at all, the last step of the system shutdown does it (see `mainsd --killpower`). For systems \
              whose shutdown cannot run a command at its end. Choose far more than a shutdown takes. With UPSTYPE `dumb` the power \
              goes within seconds of it, without the grace that other UPSes give.",
        ),
        why: said("0: cutting the power of a machine that is still writing is the worst of all ends."),
        compat: said("A negative number is taken as 0; apcupsd would cut the power at once."),
        example: "300",
        ..BASE
    },
    Directive {
        name: "NOLOGON",
        kind: Kind::Word {
            words: no_logon_words,
            get: |c| no_logon_word(c.no_logon),
            put: |c, w| match no_logon(w) {
                Some(value) => {
                    c.no_logon = value;
                    true
                }
                None => false,
            },
            hint: |_| None,
        },
        default: "always",
        shipped: Some("disable"),
        doc: said(
            "When users are kept from logging in during an outage: `disable` never; `timeout` after nine tenths of TIMEOUT; \
              `percent` and `minutes` one tenth before BATTERYLEVEL and MINUTES are reached; `always` as soon as the outage \
              begins. Administrators can still log in as root, where the system allows it.",
        ),
        why: said(
            "As in apcupsd; but `disable` is better, because the person who comes to help must get in.",
        ),
        compat: said(""),
        example: "disable",
        ..BASE
    },
    Directive {
        name: "ANNOY",
        kind: seconds(0, YEAR, Below::Smallest, |c| whole_seconds(c.annoy), |c, n| c.annoy = duration(n)),
        default: "300",
        doc: said(
            "How often users are asked to log off (event `annoyme`) while logins are prohibited by NOLOGON.",
        ),
        why: said("Often enough to be noticed, rare enough to be tolerated."),
        compat: said(
            "0 means at every reading of the UPS, not never: to have no such messages, set NOLOGON to `disable`. \
                 Negative numbers are taken as 0.",
        ),
        example: "120",
        ..BASE
    },
    Directive {
        name: "ANNOYDELAY",
        kind: seconds(
            0,
            YEAR,
            Below::Smallest,
            |c| whole_seconds(c.annoy_delay),
            |c, n| c.annoy_delay = duration(n),
        ),
        default: "60",
        doc: said(
            "How long after the event `onbattery` users are first asked to log off. If ANNOY is not smaller, this is taken \
              as 0 and ANNOY alone counts; with both at their default that is so.",
        ),
        why: said("As apcupsd has it."),
        compat: said(""),
        example: "60",
        ..BASE
    },
    Directive {
        name: "CONFIRMPOLLS",
        kind: Kind::Number {
            unit: Unit::Readings,
            min: 1,
            max: 10,
            below: Below::Refused,
            get: |c| c.confirm_polls.into(),
            put: |c, n| c.confirm_polls = u32::try_from(n).unwrap_or(1),
        },
        default: "2",
        doc: said(
            "How many readings in a row must agree before mainsd believes that mains has failed or come back, that the \
              battery is low, or that a limit is reached. Each must have been read from the UPS anew: what is only told again \
              agrees with nothing. They are taken a second apart or faster.",
        ),
        why: said(
            "2: one wrong sample never shuts a machine down, and a real outage is still announced within 3 seconds.",
        ),
        compat: said("New. apcupsd believes each single reading."),
        example: "3",
        ..BASE
    },
    Directive {
        name: "LOWBATTERYFLAG",
        kind: Kind::Word {
            words: || LowBatteryFlag::ALL.map(LowBatteryFlag::word).to_vec(),
            get: |c| c.low_battery_flag.word(),
            put: |c, w| match low_battery_flag(w) {
                Some(value) => {
                    c.low_battery_flag = value;
                    true
                }
                None => false,
            },
            hint: |_| None,
        },
        default: "ups",
        doc: said(
            "What it counts for when the UPS says, on battery, that its battery is low. `ups`: the machine is shut down after 5 \
              seconds of it. `confirm`: only if charge or runtime agree: the charge is 50 percent or less, the runtime is 5 \
              minutes or less, or one of them has reached its limit (BATTERYLEVEL, MINUTES); and if they are no witnesses: one of them is \
              unknown or implausible, or has not changed for 60 seconds on battery. `ignore`: never, and then BATTERYLEVEL, \
              MINUTES and TIMEOUT are all there is. A battery that fails (low battery while on line and on battery at once) \
              counts likewise. With UPSTYPE `net` this is about what the master says, and each machine has its own.",
        ),
        why: said(
            "`ups`: nobody knows the battery better, and after its last word there are minutes, or seconds.",
        ),
        compat: said(
            "New. apcupsd always believes the UPS. There are UPSes (some of Eaton, old Back-UPS) that say low battery as soon as \
                 mains fails, with 95 percent of charge: for these `confirm`. If their charge or runtime stands still for a minute, \
                 `ignore` with a BATTERYLEVEL and MINUTES that leave time.",
        ),
        example: "confirm",
        ..BASE
    },
    Directive {
        name: "COMMLOSTDELAY",
        kind: seconds(
            1,
            DAY,
            Below::Refused,
            |c| whole_seconds(c.comm_lost_delay),
            |c, n| c.comm_lost_delay = duration(n),
        ),
        default: "10",
        doc: said(
            "How long the UPS may be silent before the event `commfailure`. On battery, the limits go on counting while it is \
              silent, and shut the machine down.",
        ),
        why: said("10 rides out a re-plugged cable or a device that resets its USB port."),
        compat: said(
            "New. In apcupsd each driver has a time of its own, from none to 55 seconds, and no limit counts meanwhile.",
        ),
        example: "30",
        ..BASE
    },
    Directive {
        name: "NETTIMEOUT",
        kind: seconds(
            1,
            DAY,
            Below::Refused,
            |c| whole_seconds(c.net_timeout),
            |c, n| c.net_timeout = duration(n),
        ),
        idle: Idle {
            with: |driver| !driver.is(Traits::SLAVE),
            because: "only a slave has a master to lose; the line can go",
        },
        default: "10",
        doc: said(
            "Only UPSTYPE `net`: on battery, how long the master may be unreachable before this machine is shut down (event \
              `remotedown`), counted from the first of at least five checks in a row that have failed. BATTERYLEVEL, MINUTES and TIMEOUT go on counting \
              from the last values and may be due before. A master that is lost while on mains never shuts this machine \
              down.",
        ),
        why: said("10: five checks, 2 seconds apart, as in apcupsd."),
        compat: said("New. apcupsd counts five failed checks and has no time."),
        example: "60",
        ..BASE
    },
    Directive {
        name: "SLAVEWAIT",
        kind: seconds(
            0,
            600,
            Below::Refused,
            |c| whole_seconds(c.slave_wait),
            |c, n| c.slave_wait = duration(n),
        ),
        default: "30",
        doc: said(
            "How long a shutdown that has been decided waits, at most, until the slaves of this machine have gone. They are \
              told at once. Slaves are the clients that watch, and other machines that ask for the status again and again; \
              `apcaccess clients` lists them. Without any, nothing waits. The battery shortens the time: 90 seconds of its \
              runtime are kept for this machine, and a battery that is low or fails while they are waited for, or a UPS \
              that falls silent, ends it. 0: off.",
        ),
        why: said(
            "30 is time for most slaves to stop what needs this machine, and short beside the 90 seconds.",
        ),
        compat: said("New. apcupsd does not wait, and a slave that polls may never see the shutdown."),
        example: "120",
        ..BASE
    },
    Directive {
        name: "SLAVELEAD",
        kind: seconds(
            0,
            600,
            Below::Refused,
            |c| whole_seconds(c.slave_lead),
            |c, n| c.slave_lead = duration(n),
        ),
        default: "0",
        doc: said(
            "A head start: if there are slaves, the shutdown waits this long even if all of them have gone before. Counts \
              within SLAVEWAIT, never beyond it, and the battery shortens it likewise.",
        ),
        why: said("0: who has closed its connection is down far enough for most."),
        compat: said("New."),
        example: "15",
        ..BASE
    },
    Directive {
        name: "SELFTESTSCHEDULE",
        kind: Kind::Schedule { get: |c| c.self_test_schedule, put: |c, v| c.self_test_schedule = v },
        default: "off",
        doc: said(
            "When the daemon has the UPS test itself: `weekly` or `monthly`, on a day (`sun` if none is given; `monthly`: the \
              first of this name in the month) at a time (03:00), in local time. `off`: never.\n\nA test runs the load from the \
              battery. So it is ordered only if the UPS answers on mains, has been on mains for 24 hours without a break, has a \
              charge of more than 90 %, does not say that its battery must be replaced, runs no test, and has run none for six \
              days, and if no shutdown is decided. The 24 hours count from the start of the daemon at the earliest, and anew \
              after a loss of communication or sleep. What speaks against it is logged, and the test waits for the next date, as it \
              does if the daemon did not run. A test that is not passed is the event `selftestfailed`. With UPSTYPE net it is the \
              master's daemon that orders it.",
        ),
        why: said("Off: many UPSes test themselves by their own schedule (`mainsd ctl self-test interval`)."),
        compat: said("New."),
        example: "monthly sun 03:00",
        ..BASE
    },
];

pub(super) const SHUTDOWN: &[Directive] = &[
    Directive {
        name: "SHUTDOWNCMD",
        kind: Kind::Command { get: |c| &c.shutdown_cmd, put: |c, v| c.shutdown_cmd = v },
        blank: "(the first that exists of systemctl, shutdown, poweroff, halt)",
        doc: said(
            "What shuts the machine down if `apccontrol` cannot: because it is missing, cannot be run, fails or takes too \
              long. Blank: the first that exists of `systemctl poweroff`, `shutdown -h now`, `poweroff` and `halt`.",
        ),
        why: said("Not set: every system has one of these."),
        compat: said(
            "New. apcupsd only logs that `apccontrol` could not be run, and the machine stays up until its power goes.",
        ),
        example: "/sbin/shutdown -h +0",
        ..BASE
    },
    Directive {
        name: "SHUTDOWNGRACE",
        kind: seconds(
            1,
            DAY,
            Below::Refused,
            |c| whole_seconds(c.shutdown_grace),
            |c, n| c.shutdown_grace = duration(n),
        ),
        default: "300",
        doc: said(
            "If the machine is still up and on battery this long after a shutdown that seemed to succeed, it is shut down \
              again. Choose more than your machine takes to shut down.",
        ),
        why: said("300 is longer than most shutdowns, shorter than most batteries last at their limit."),
        compat: said("New. apcupsd tries once."),
        example: "600",
        ..BASE
    },
    Directive {
        name: "HOOKTIMEOUT",
        kind: seconds(
            1,
            DAY,
            Below::Refused,
            |c| whole_seconds(c.hook_timeout),
            |c, n| c.hook_timeout = duration(n),
        ),
        default: "60",
        doc: said(
            "How long a hook may run. Then it and all it has started are ended, and the log says so. Hooks run one after \
              the other; none of them delays a shutdown by more than 10 seconds.",
        ),
        why: said("60 is enough for a mail over a slow line."),
        compat: said("New. apcupsd lets hooks run for ever, and several at once."),
        example: "120",
        ..BASE
    },
    Directive {
        name: "STATEFILE",
        kind: Kind::File { get: |c| &c.state_file, put: |c, v| c.state_file = v },
        default: "/run/mainsd/state/",
        blank: "(none)",
        reload: Reload::Restart,
        doc: said(
            "Where the running outage and the counters are kept, so that TIMEOUT goes on counting when the daemon is \
              restarted. A path that ends in `/` is a folder; the file in it is named after the configuration file, with links \
              followed, so that no two configurations share one. Blank: not kept.\n\n\
              The file belongs to one UPS: it names UPSTYPE, DEVICE and, once the UPS has told it, the serial number. It is \
              locked while in use, written only when something changes, and ignored, with one line in the log, when it is \
              of another UPSTYPE or DEVICE, another user's, writable by others, no plain file, in use by another process, or \
              from before the last boot. If the UPS then tells another serial number than the file has, it is an exchanged \
              one and starts anew.",
        ),
        why: said(
            "/run is empty after a boot, which is just right. Where the configuration is a link whose target changes with each \
              new version (NixOS), a path of your own lets an outage count on over the change.",
        ),
        compat: said("New. apcupsd begins to count anew."),
        example: "/run/mainsd/rack3.state",
        ..BASE
    },
    #[cfg(feature = "usb-out")]
    Directive {
        name: "USBMODBUS",
        kind: Kind::Word {
            words: || vec!["auto", "off"],
            get: |c| if c.usb_modbus { "auto" } else { "off" },
            put: |c, word| {
                c.usb_modbus = word.eq_ignore_ascii_case("auto");
                true
            },
            hint: |_| None,
        },
        default: "auto",
        reload: Reload::Restart,
        doc: said(
            "Whether a UPS with UPSTYPE `usb` is asked by Modbus too. `auto`: if its descriptor says that it speaks Modbus over USB, as \
              that of a newer Smart-UPS (SMT, SMX, SRT, SMC) does. Line state, low battery and every value that it tells by HID stay by \
              HID; Modbus adds the others, such as voltages, temperature and the cause of the last transfer, and a way for orders that \
              HID has no report for. Modbus is off when such a UPS is delivered: a line in the log says where it is switched on. It is \
              asked twice then, and again when it is plugged in anew, at SIGHUP or when an order wants all of it read. `off`: HID only.\n\n\
              With UPSTYPE `modbus` and `UPSCABLE usb` this is not looked at: values and orders go by Modbus first there.",
        ),
        why: said("A newer Smart-UPS tells little by HID, and what does not answer costs nothing."),
        compat: said(
            "New. apcupsd speaks either HID or Modbus, and hears nothing of a UPS whose Modbus is off.",
        ),
        example: "off",
        ..BASE
    },
    Directive {
        name: "PRIVSEP",
        kind: Kind::Switch { get: |c| c.privsep, put: |c, v| c.privsep = v },
        default: "on",
        reload: Reload::Restart,
        doc: said(
            "Whether two processes guard: one that reads what the UPS and clients say, and one, the helper, that runs hooks and \
              shuts the machine down and hears neither of them. If the first ends or hangs, the helper starts another one, \
              which goes on counting. Off: one process does both.",
        ),
        why: said("A fault in what reads the UPS must not end the guard."),
        compat: said("New. apcupsd is one process."),
        example: "off",
        ..BASE
    },
];
