//! What is broken around the daemon.

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    Nothing,
    HooksHang,
    HooksFail,
    NoApccontrol,
    NotExecutable,
    BadInterpreter,
    NoProcesses,
    DiskFull,
    ReadOnly,
    NoDescriptors,
    Device,
    Killed,
    Terminated,
    Reloaded,
    Stopped,
    LogStuck,
    ClockSteps,
    MainDies,
    MainHangs,
    WriterDies,
    WriterHangs,
    SeveralDie,
}

/// All of them.
pub const FAULTS: [Fault; 22] = [
    Fault::Nothing,
    Fault::HooksHang,
    Fault::HooksFail,
    Fault::NoApccontrol,
    Fault::NotExecutable,
    Fault::BadInterpreter,
    Fault::NoProcesses,
    Fault::DiskFull,
    Fault::ReadOnly,
    Fault::NoDescriptors,
    Fault::Device,
    Fault::Killed,
    Fault::Terminated,
    Fault::Reloaded,
    Fault::Stopped,
    Fault::LogStuck,
    Fault::ClockSteps,
    Fault::MainDies,
    Fault::MainHangs,
    Fault::WriterDies,
    Fault::WriterHangs,
    Fault::SeveralDie,
];

impl Fault {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::HooksHang => "hooks hang",
            Self::HooksFail => "hooks fail",
            Self::NoApccontrol => "apccontrol missing",
            Self::NotExecutable => "apccontrol not executable",
            Self::BadInterpreter => "apccontrol without interpreter",
            Self::NoProcesses => "no process can be made",
            Self::DiskFull => "disk full",
            Self::ReadOnly => "folders read-only",
            Self::NoDescriptors => "no descriptors left, clients",
            Self::Device => "device silent or garbling in a phase",
            Self::Killed => "SIGKILL to the helper, then restart",
            Self::Terminated => "SIGTERM, then restart",
            Self::Reloaded => "storm of SIGHUP",
            Self::Stopped => "daemon stopped for seconds",
            Self::LogStuck => "nobody reads the log",
            Self::ClockSteps => "clock steps by hours",
            Self::MainDies => "main process killed",
            Self::MainHangs => "main process stopped for good",
            Self::WriterDies => "writer killed",
            Self::WriterHangs => "writer stopped for seconds",
            Self::SeveralDie => "several roles killed or stopped",
        }
    }

    /// Whether the `doshutdown` hook does its work.
    pub const fn hook_works(self) -> bool {
        !matches!(
            self,
            Self::HooksHang
                | Self::HooksFail
                | Self::NoApccontrol
                | Self::NotExecutable
                | Self::BadInterpreter
        )
    }

    /// Whether the daemon may not have seen an outage that was over soon.
    pub const fn may_miss_a_short_outage(self) -> bool {
        matches!(
            self,
            Self::Device
                | Self::Killed
                | Self::Terminated
                | Self::Stopped
                | Self::MainDies
                | Self::MainHangs
                | Self::SeveralDie
        )
    }

    /// Whether it is the death of a role, and nothing else is broken.
    pub const fn is_death(self) -> bool {
        matches!(
            self,
            Self::MainDies | Self::MainHangs | Self::WriterDies | Self::WriterHangs | Self::SeveralDie
        )
    }
}
