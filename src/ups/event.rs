//! The events: hook argument, log text and syslog priority in one table (power-events §5).

/// Syslog priority, by RFC 5424 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Action must be taken at once.
    Alert = 1,
    /// Critical condition.
    Critical = 2,
    /// Error.
    Error = 3,
    /// Warning.
    Warning = 4,
    /// Normal but worth a line.
    Notice = 5,
    /// Information; goes to syslog only, never to the events file (config §8).
    Info = 6,
}

/// Something that happened to the power, as users' hooks and log searches know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Mains failed.
    PowerOut,
    /// Still on battery after ONBATTERYDELAY.
    OnBattery,
    /// The UPS says its battery is exhausted.
    Failing,
    /// TIMEOUT on battery reached.
    Timeout,
    /// Charge at or below BATTERYLEVEL.
    LoadLimit,
    /// Runtime at or below MINUTES.
    RunLimit,
    /// The system shutdown begins.
    DoShutdown,
    /// Mains is back.
    MainsBack,
    /// Users are asked to log off.
    AnnoyMe,
    /// Battery failure.
    Emergency,
    /// The battery must be replaced.
    ChangeMe,
    /// A master or a management card ordered the shutdown.
    RemoteDown,
    /// Communication with the UPS lost.
    CommFailure,
    /// Communication with the UPS restored.
    CommOk,
    /// Self test began.
    StartSelfTest,
    /// Self test ended.
    EndSelfTest,
    /// No longer on battery, after `onbattery` had been announced.
    OffBattery,
    /// Battery disconnected.
    BattDetach,
    /// Battery reattached.
    BattAttach,
    /// A self test that was ordered by SELFTESTSCHEDULE was not passed.
    SelfTestFailed,
}

impl Event {
    /// All events, in the order of the reference's table.
    pub const ALL: [Self; 20] = [
        Self::PowerOut,
        Self::OnBattery,
        Self::Failing,
        Self::Timeout,
        Self::LoadLimit,
        Self::RunLimit,
        Self::DoShutdown,
        Self::MainsBack,
        Self::AnnoyMe,
        Self::Emergency,
        Self::ChangeMe,
        Self::RemoteDown,
        Self::CommFailure,
        Self::CommOk,
        Self::StartSelfTest,
        Self::EndSelfTest,
        Self::OffBattery,
        Self::BattDetach,
        Self::BattAttach,
        Self::SelfTestFailed,
    ];

    const fn row(self) -> (&'static str, Priority, &'static str) {
        use Priority::{Alert, Critical, Warning};
        // Priorities of the Debian build, which differ from upstream in four rows (power-events §5).
        match self {
            Self::PowerOut => ("powerout", Alert, "Power failure."),
            Self::OnBattery => ("onbattery", Critical, "Running on UPS batteries."),
            Self::Failing => ("failing", Alert, "Battery power exhausted."),
            Self::Timeout => ("timeout", Alert, "Reached run time limit on batteries."),
            Self::LoadLimit => ("loadlimit", Alert, "Battery charge below low limit."),
            Self::RunLimit => ("runlimit", Alert, "Reached remaining time percentage limit on batteries."),
            Self::DoShutdown => ("doshutdown", Alert, "Initiating system shutdown!"),
            Self::MainsBack => ("mainsback", Critical, "Power is back. UPS running on mains."),
            Self::AnnoyMe => ("annoyme", Critical, "Users requested to logoff."),
            Self::Emergency => ("emergency", Alert, "Battery failure. Emergency."),
            Self::ChangeMe => ("changeme", Alert, "UPS battery must be replaced."),
            Self::RemoteDown => ("remotedown", Critical, "Remote shutdown requested."),
            Self::CommFailure => ("commfailure", Warning, "Communications with UPS lost."),
            Self::CommOk => ("commok", Warning, "Communications with UPS restored."),
            Self::StartSelfTest => ("startselftest", Warning, "UPS Self Test switch to battery."),
            Self::EndSelfTest => ("endselftest", Alert, "UPS Self Test completed."),
            Self::OffBattery => ("offbattery", Critical, "Mains returned. No longer on UPS batteries."),
            Self::BattDetach => ("battdetach", Critical, "Battery disconnected."),
            Self::BattAttach => ("battattach", Critical, "Battery reattached."),
            Self::SelfTestFailed => ("selftestfailed", Alert, "UPS Self Test failed."),
        }
    }

    /// First argument of `apccontrol`, and the name of the event's own script.
    #[must_use]
    pub const fn arg(self) -> &'static str {
        self.row().0
    }

    /// Syslog priority.
    #[must_use]
    pub const fn priority(self) -> Priority {
        self.row().1
    }

    /// The log line that users' scripts search for. `endselftest` is logged with its result appended
    /// (`UPS Self Test completed: Battery OK`), never with this text alone (power-events §5).
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.row().2
    }
}
