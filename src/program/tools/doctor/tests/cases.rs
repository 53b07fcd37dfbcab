//! How each finding is made.

use super::*;

/// A finding, and the machine that has it.
pub(super) struct Case {
    pub what: What,
    /// Part of its words.
    pub words: &'static str,
    pub make: fn(&mut Machine),
    /// Root would see something else.
    pub needs_user: bool,
}

const fn case(what: What, words: &'static str, make: fn(&mut Machine)) -> Case {
    Case { what, words, make, needs_user: false }
}

const fn of_user(case: Case) -> Case {
    Case { needs_user: true, ..case }
}

/// Nothing is asked, and no daemon runs.
fn without_daemon(machine: &mut Machine) {
    (machine.daemon, machine.runs) = (Daemon::of(&[]), Some(false));
}

fn enabled(machine: &mut Machine, service: &str) {
    machine.file(&format!("etc/systemd/system/multi-user.target.wants/{service}"), "", 0o644);
}

pub(super) const CASES: &[Case] = &[
    // The device.
    case(What::UpsFound, "UPS 1-2 (051d:0002) is on USB (kernel driver: usbhid)", |_| {}),
    case(What::NoUps, "no UPS", |machine| {
        without_daemon(machine);
        machine.remove("sys/bus/usb/devices/1-2:1.0");
    }),
    case(What::OtherUps, "UPS 1-2 (051d:0002) is on USB, but", |machine| {
        machine.more = "DEVICE AS2".to_owned()
    }),
    case(What::NoDriver, "1-2 (0764:0002)", |machine| {
        machine.remove("sys/bus/usb/devices/1-2:1.0");
        machine.usb("1-2", 4, b"", "");
        machine.file("sys/bus/usb/devices/1-2/idVendor", "0764", 0o644);
    }),
    case(What::NoNode, "/dev/bus/usb/001/004 does not exist", |machine| {
        machine.remove("dev/bus/usb/001/004")
    }),
    case(What::Asleep, "1-2", |machine| {
        machine.file("sys/bus/usb/devices/1-2/power/control", "auto\n", 0o644)
    }),
    case(What::NoRule, "60-mainsd.rules", |machine| {
        machine.remove("usr/lib/udev/rules.d/60-mainsd.rules");
    }),
    case(What::PortFound, "/dev/pts/", Machine::serial),
    case(What::NoPort, "/dev/nonexistent", |machine| {
        machine.more = "UPSTYPE apcsmart\nUPSCABLE smart\nDEVICE /dev/nonexistent".to_owned();
    }),
    case(What::NotAPort, "/flags is no serial port", |machine| {
        machine.more = "UPSTYPE apcsmart\nUPSCABLE smart\nDEVICE ROOT/flags".to_owned();
    }),
    of_user(case(What::NotAllowed, "/dev/bus/usb/001/004", |machine| {
        machine.file("dev/bus/usb/001/004", "", 0o444);
    })),
    case(What::Free, "/dev/bus/usb/001/004", without_daemon),
    case(What::HeldByUs, "held by mainsd: main (process 77)", |machine| {
        machine.process(77, "mainsd: main", "dev/bus/usb/001/004");
    }),
    case(What::Held, "held by usbhid-ups (process 78)", |machine| {
        machine.process(78, "usbhid-ups", "dev/bus/usb/001/004");
    }),
    case(What::HolderUnknown, "/dev/bus/usb/001/004", |machine| {
        without_daemon(machine);
        machine.remove("sys/bus/usb/devices/1-2:1.0");
        machine.usb("1-2", 4, b"", "usbfs");
    }),
    case(What::Network, "answers at the master host", |machine| {
        without_daemon(machine);
        machine.more = "UPSTYPE net\nDEVICE host".to_owned();
    }),
    case(What::Simulated, "", |machine| machine.more = "UPSTYPE test\nDEVICE".to_owned()),
    case(What::Heard, "Smart-UPS 1500, on mains", |_| {}),
    case(What::Lost, "", |machine| machine.status("STATFLAG", "0x05000100")),
    case(What::ModbusOff, "", |machine| {
        machine.file("sys/bus/usb/devices/1-2/idProduct", "0003", 0o644);
        machine.status("OUTPUTV", "");
    }),
    // The configuration.
    case(What::Starts, "t.conf", |_| {}),
    case(What::Mistake, "t.conf:10: UPSTYPE: ", |machine| machine.more = "UPSTYPE ubs".to_owned()),
    case(What::Doubt, "t.conf:10: TIMOUT: ", |machine| machine.more = "TIMOUT 5".to_owned()),
    case(What::Advice, "NOLOGON: always", |machine| machine.more = "NOLOGON always".to_owned()),
    of_user(case(What::AskedAsUser, "t.conf:10: PWRFAILDIR: cannot write in /etc", |machine| {
        machine.more = "PWRFAILDIR /etc".to_owned();
    })),
    // Hooks. What else can be wrong with one is tried in surroundings/hooks.rs.
    case(What::HooksFine, "/scripts/apccontrol can be run", |_| {}),
    case(What::BadHook, "line ends of Windows", |machine| {
        machine.file("scripts/apccontrol", "#!/bin/sh\r\ntrue\r\n", 0o755);
    }),
    case(What::BadHook, "byte order mark", |machine| {
        machine.file("scripts/onbattery", "\u{feff}#!/bin/sh\n", 0o755);
    }),
    case(What::BadHook, "does not begin with #!", |machine| {
        machine.file("scripts/onbattery", "true\n", 0o755)
    }),
    case(What::BadHook, "cannot be run", |machine| machine.file("scripts/apccontrol", "#!/bin/sh\n", 0o644)),
    case(What::BadHook, "wants the interpreter /no/perl", |machine| {
        machine.file("scripts/offbattery", "#!/no/perl\n", 0o755);
    }),
    case(What::BadHook, "does not exist", |machine| machine.remove("scripts/apccontrol")),
    case(What::NoCommand, "/scripts/onbattery calls no-such-mail", |machine| {
        machine.file("scripts/onbattery", "#!/bin/sh\necho | no-such-mail root\n", 0o755);
    }),
    // The shutdown.
    case(What::DaemonRuns, "0.1.0", |_| {}),
    case(What::DaemonRuns, "by its control socket", |machine| machine.daemon = Daemon::of(&[])),
    case(What::NoDaemon, "", without_daemon),
    case(What::DaemonUnknown, "", |machine| (machine.daemon, machine.runs) = (Daemon::of(&[]), None)),
    case(What::AtBoot, "/multi-user.target.wants/mainsd.service", |_| {}),
    case(What::AtBoot, "/etc/inittab", |machine| {
        machine.remove("etc/systemd");
        machine.file("etc/inittab", "::respawn:/usr/sbin/mainsd\n", 0o644);
    }),
    case(What::NotAtBoot, "", |machine| machine.remove("etc/systemd")),
    case(What::Ways, "systemd brings", |_| {}),
    case(What::NoWay, "no systemctl, shutdown, poweroff or halt", |machine| {
        machine.remove("usr/bin/systemctl")
    }),
    case(What::NoSystemctl, "", |machine| {
        machine.remove("usr/bin/systemctl");
        machine.file("sbin/poweroff", "", 0o755);
    }),
    case(What::Container, "this is a container (docker)", |machine| machine.file(".dockerenv", "", 0o644)),
    // Kill power.
    case(What::Told, "/system-shutdown/mainsd", |_| {}),
    case(What::Needless, "", |machine| machine.more = "KILLDELAY 120".to_owned()),
    case(What::Untold, "nothing was found", |machine| machine.remove("usr/lib/systemd/system-shutdown")),
    case(What::TooEarly, "/ups.service", |machine| {
        machine.remove("usr/lib/systemd/system-shutdown");
        machine.file("etc/systemd/system/ups.service", "ExecStart=mainsd --killpower\n", 0o644);
    }),
    case(What::TooEarly, "/mainsd.killpower", |machine| {
        machine.remove("run/systemd");
        machine.file("run/openrc/x", "", 0o644);
        machine.file("etc/runlevels/shutdown/mainsd.killpower", "#!/sbin/openrc-run\n# killpower\n", 0o755);
    }),
    case(What::TooEarly, "/K10mainsd", |machine| {
        machine.remove("run/systemd");
        machine.file("etc/rc0.d/K10mainsd", "#!/bin/sh\nmainsd --killpower\n", 0o755);
        machine.file("etc/rc0.d/K60umountfs", "#!/bin/sh\n", 0o755);
    }),
    case(What::NoFlag, "PWRFAILDIR: the folder /nonexistent", |machine| {
        machine.more = "PWRFAILDIR /nonexistent".to_owned()
    }),
    // The port.
    case(What::Closed, "", |machine| machine.more = "NETSERVER off".to_owned()),
    case(What::ThisMachine, "port 1", |_| {}),
    case(What::ToNetwork, "192.168.7.0/24", |machine| {
        machine.more = "NISIP 0.0.0.0\nNISALLOW 127.0.0.1 192.168.7.0/24".to_owned();
    }),
    case(What::ToEverybody, "0.0.0.0/0", |machine| {
        machine.more = "NISIP 0.0.0.0\nNISALLOW 0.0.0.0/0".to_owned();
    }),
    case(What::Answers, "localhost:1", |_| {}),
    case(What::Silent, "gives no answer", |machine| machine.daemon = Daemon::of(&[])),
    case(What::Foreign, "version 3.14.14 (31 May 2016) debian", |machine| {
        machine.status("VERSION", "3.14.14 (31 May 2016) debian");
    }),
    case(What::PortDoubt, "NISALLOW: not set", |machine| {
        machine.file("etc/hosts.allow", "apcupsd: 192.168.1.\n", 0o644);
    }),
    // The battery.
    case(What::NotAsked, "", without_daemon),
    case(What::TestPassed, " 6 days ago", |_| {}),
    case(What::TestOld, "244 days ago", |machine| machine.status("LASTSTEST", "2026-04-01 10:00:00 +0200")),
    case(What::TestFailed, "insufficient battery capacity", |machine| machine.status("SELFTEST", "BT")),
    case(What::TestUnknown, "", |machine| machine.status("SELFTEST", "NO")),
    case(What::Young, "2025-03-01", |_| {}),
    case(What::Old, "08/16/19", |machine| machine.status("BATTDATE", "08/16/19")),
    case(What::AgeUnknown, "", |machine| machine.status("BATTDATE", "")),
    case(What::Replace, "", |machine| machine.status("STATFLAG", "0x05000088")),
    // The machine.
    case(What::Alone, "", |_| {}),
    case(What::Alone, "", |machine| {
        // Installed, and told to do nothing.
        enabled(machine, "nut-server.service");
        machine.file("etc/nut/nut.conf", "# a comment\nMODE=none\n", 0o644);
    }),
    case(What::Alone, "", |machine| {
        // It is we, by the name of apcupsd.
        enabled(machine, "apcupsd.service");
        fs::create_dir_all(machine.root.join("sbin")).unwrap();
        symlink("mainsd", machine.root.join("sbin/apcupsd")).unwrap();
    }),
    case(What::Other, "apcupsd is started at boot", |machine| enabled(machine, "apcupsd.service")),
    case(What::Other, "nut-driver is started at boot", |machine| enabled(machine, "nut-driver@rack.service")),
    case(What::Other, "pwrstatd is started at boot", |machine| {
        machine.file("etc/rc3.d/S20pwrstatd", "", 0o755)
    }),
    case(What::Other, "upsd is started at boot", |machine| {
        machine.file("etc/runlevels/default/upsd", "", 0o755)
    }),
    case(What::ReadOnly, "", |machine| {
        machine.file("proc/mounts", "/dev/sda1 / ext4 ro,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n", 0o644)
    }),
    case(What::RunStays, "(ext4)", |machine| machine.file("proc/mounts", "/dev/sda1 / ext4 rw 0 0\n", 0o644)),
    case(What::Clock, "1970-", |machine| machine.now = UNIX_EPOCH + Duration::from_secs(100_000)),
    case(What::Rights, "no user mainsd", |machine| {
        machine.file("etc/passwd", "root:x:0:0::/:/bin/sh\n", 0o644)
    }),
];
