//! Every finding there is: its area, how grave it is, its words and its remedy, one row each.

use crate::report::json_answer;

/// How grave a finding is; the greatest makes the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// As it should be.
    Fine,
    /// Good to know, or not known.
    Note,
    /// Something does not work as it is meant to.
    Warning,
    /// This machine is not guarded, or will not be.
    Fault,
}

impl Severity {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Fault => "FAULT",
        }
    }
}

/// The parts of the chain from the UPS to a machine that is off, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Device,
    Configuration,
    Hooks,
    Shutdown,
    KillPower,
    Port,
    Battery,
    Machine,
}

impl Area {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Device, "device"),
        (Self::Configuration, "configuration"),
        (Self::Hooks, "hooks"),
        (Self::Shutdown, "shutdown"),
        (Self::KillPower, "kill power"),
        (Self::Port, "port"),
        (Self::Battery, "battery"),
        (Self::Machine, "machine"),
    ];
}

/// A row is a finding, its severity, its words and its remedy, which is empty where it is fine. `{0}` is the first of the texts that it
/// comes with.
macro_rules! table {
    ($($area:ident { $($what:ident $severity:ident $words:literal $remedy:literal;)* })*) => {
        /// What can be found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        // Each driver that is built in has findings of its own.
        #[allow(dead_code)]
        pub(super) enum What { $($($what,)*)* }

        /// Words and remedies, a line each: as one text they need no address each, which the binary would hold twice.
        const TEXTS: &str = concat!($($($words, "\t", $remedy, "\n",)*)*);

        impl What {
            /// All of them.
            #[cfg(test)]
            pub(super) const ALL: &[Self] = &[$($(Self::$what,)*)*];

            pub(super) const fn area(self) -> Area {
                match self { $($(Self::$what => Area::$area,)*)* }
            }

            pub(super) const fn severity(self) -> Severity {
                match self { $($(Self::$what => Severity::$severity,)*)* }
            }
        }
    };
}

impl What {
    /// Its words and its remedy.
    pub(super) fn texts(self) -> (&'static str, &'static str) {
        TEXTS.lines().nth(self as usize).and_then(|line| line.split_once('\t')).unwrap_or_default()
    }
}

table! {
    Device {
        UpsFound Fine "UPS {0} is on USB (kernel driver: {1})" "";
        NoUps Fault "no UPS is on USB" "plug in its USB cable ('lsusb' lists what is there); a container needs /dev/bus/usb";
        OtherUps Fault "UPS {0} is on USB, but is not the one that DEVICE names" "leave DEVICE blank, or set it to {1}";
        NoDriver Warning "USB device {0} may be the UPS, but no kernel driver shows what it is" "modprobe usbhid";
        NoNode Fault "UPS {0}: {1} does not exist" "pass /dev/bus/usb into this container";
        Asleep Warning "the kernel may put UPS {0} to sleep, which then tells no outage" "install the udev rule, or: echo on >{1}";
        NoRule Note "there is no udev rule 60-mainsd.rules: only root can open a UPS" "copy packaging/udev/60-mainsd.rules to /etc/udev/rules.d";
        PortFound Fine "the serial port {0} is there" "";
        NoPort Fault "{0} does not exist" "plug in the cable or adapter, or set DEVICE; 'ls /dev/tty*' lists the ports";
        NotAPort Fault "{0} is no serial port" "set DEVICE to one, such as /dev/ttyS0";
        NotAllowed Note "this user may not open {0}" "run mainsd as root, or give its user the right (udev rule, group dialout)";
        Free Fine "no program has {0} open" "";
        HeldByUs Fine "{0} is held by {1}" "";
        Held Fault "{0} is held by {1}" "{2}";
        HolderUnknown Note "not known to this user: which program has {0} open" "run 'mainsd doctor' as root";
        Network Note "not known without a daemon: whether the UPS answers at {0}" "start mainsd, then 'mainsd status'";
        Simulated Warning "UPSTYPE is a simulated UPS: none is watched" "set UPSTYPE usb, or what fits the UPS";
        Heard Fine "the daemon hears the UPS: {0}, {1}" "";
        Lost Fault "the daemon does not hear the UPS" "look at its lines in the log, and at its cable";
        ModbusOff Note "the UPS can speak Modbus and does not: voltages, load and temperature are missing"
            "at its panel: Advanced Menu, Configuration, Modbus; then plug the USB cable in again";
    }
    Configuration {
        Starts Fine "mainsd starts with {0}" "";
        Mistake Fault "{0}" "{1}";
        Doubt Warning "{0}" "{1}";
        Advice Note "{0}" "{1}";
        AskedAsUser Note "not known to this user: {0}" "run 'mainsd doctor' as root";
    }
    Hooks {
        HooksFine Fine "{0} can be run" "";
        BadHook Warning "{0}" "{1}";
        NoCommand Warning "{0} calls {1}, which does not exist" "install it, or take the call out";
    }
    Shutdown {
        DaemonRuns Fine "mainsd runs: {0}" "";
        NoDaemon Fault "no mainsd runs: nobody shuts this machine down" "{0}";
        DaemonUnknown Note "not known to this user: whether mainsd runs" "run 'mainsd doctor' as root";
        AtBoot Fine "it is started at boot: {0}" "";
        NotAtBoot Warning "mainsd is not started at boot" "{0}";
        Ways Fine "{0} brings this machine down; if the hook doshutdown fails, that is asked by: {1}" "";
        NoWay Fault "{0}" "{1}";
        NoSystemctl Warning "systemd runs here, but there is no systemctl" "install systemd's programs, or set SHUTDOWNCMD";
        Container Warning "{0}" "{1}";
    }
    KillPower {
        Told Fine "{0} tells the UPS at the end of a shutdown to cut its power" "";
        Needless Fine "the end of a shutdown has nothing to tell the UPS" "";
        Untold Warning "{0}" "{1}";
        TooEarly Warning "{0} cuts the power while file systems are still mounted" "{1}";
        NoFlag Warning "{0}" "{1}";
    }
    Port {
        Closed Note "NETSERVER is off: nobody is answered, and 'mainsd doctor' sees little of the UPS" "set NETSERVER on, and NISIP 127.0.0.1";
        ThisMachine Fine "port {0} is open to this machine only" "";
        ToNetwork Note "port {0} is open to the network: who is answered is {1}" "set NISIP 127.0.0.1 if nobody else is to read the status";
        ToEverybody Warning "port {0} is open to everybody who can reach this machine (NISALLOW {1})" "name your networks in NISALLOW";
        Answers Fine "mainsd answers at {0}" "";
        Silent Warning "no answer: {0}" "look at the log of mainsd; after a change of NETSERVER or NISPORT start it again";
        Foreign Fault "{0} answers there, not mainsd" "end {1}, or set another NISPORT";
        PortDoubt Warning "{0}" "{1}";
    }
    Battery {
        NotAsked Note "not known without an answer of mainsd: self test and age of the battery" "start mainsd, or look at the port above";
        TestPassed Fine "the battery passed its last self test{0}" "";
        TestOld Warning "the last self test of the battery is {0} days ago" "mainsd ctl self-test";
        TestFailed Fault "the battery failed its last self test ({0})" "replace it, then: mainsd ctl self-test";
        TestUnknown Note "not known: when the battery last passed a self test" "mainsd ctl self-test";
        Young Fine "the battery dates from {0}" "";
        Old Warning "the battery dates from {0}: more than 4 years old" "replace it, then: mainsd ctl battery date TODAY";
        AgeUnknown Note "not known: how old the battery is" "mainsd ctl battery date, where the UPS keeps it";
        Replace Fault "the UPS says that its battery must be replaced" "replace it";
    }
    Machine {
        Alone Fine "no other UPS program is started at boot" "";
        Other Warning "{0} is started at boot, and wants the UPS or the shutdown too ({1})" "{2}";
        ReadOnly Note "the root file system is read-only" "keep PWRFAILDIR, NOLOGINDIR and EVENTSFILE on another one, such as /run";
        RunStays Warning "/run is no tmpfs ({0}): what is in it outlives a restart" "mount a tmpfs on /run at boot";
        Clock Warning "the clock says {0}, which is before this mainsd was made: dates of events are wrong" "set it; without a battery-backed clock, by NTP";
        Rights Warning "{0}" "{1}";
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub what: What,
    pub words: String,
    pub remedy: String,
}

impl Finding {
    /// As JSON. `area`: the name of its area.
    pub(super) fn json(&self, area: &str) -> String {
        let severity = self.what.severity().word().to_ascii_lowercase();
        let members =
            [("area", area), ("severity", &severity), ("words", &self.words), ("remedy", &self.remedy)];
        json_answer(&members, &[])
    }
}

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Adds a finding with the texts that its row wants.
    pub(super) fn say(&mut self, what: What, texts: &[&str]) {
        let (words, remedy) = what.texts();
        let (words, remedy) = (filled(words, texts), filled(remedy, texts));
        let finding = Finding { what, words, remedy };
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// Adds a finding in somebody else's words, whose remedy stands behind the last semicolon; else it is `otherwise`.
    pub(super) fn repeat(&mut self, what: What, text: &str, otherwise: &str) {
        let (words, remedy) = text.rsplit_once("; ").unwrap_or((text, otherwise));
        self.say(what, &[words, remedy]);
    }

    /// Whether there is something in this area that is not fine.
    pub(super) fn has(&self, area: Area) -> bool {
        self.0.iter().any(|it| it.what.area() == area && it.what.severity() > Severity::Fine)
    }
}

/// The text with each number in braces replaced.
fn filled(text: &str, texts: &[&str]) -> String {
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once('}').unwrap_or_default();
        out.push_str(number.parse().ok().and_then(|at: usize| texts.get(at)).unwrap_or(&""));
        out.push_str(rest);
    }
    out
}
