//! What goes into the machine besides readings, and what comes out.

use std::time::{Duration, Instant};

use crate::ups::{Command, Event, Minutes, Percent, PollRate, Priority, StatusFlags};

/// Settings of the machine, in their final types. Directive names in brackets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// [ONBATTERYDELAY]
    pub on_battery_delay: Duration,
    /// [BATTERYLEVEL] `None`: off.
    pub battery_level: Option<Percent>,
    /// [MINUTES] `None`: off.
    pub minutes: Option<Minutes>,
    /// [TIMEOUT] `None`: off.
    pub timeout: Option<Duration>,
    /// [ANNOY]
    pub annoy: Duration,
    /// [ANNOYDELAY]
    pub annoy_delay: Duration,
    /// [NOLOGON]
    pub no_logon: crate::ups::NoLogon,
    /// [KILLDELAY] `None`: off.
    pub kill_delay: Option<Duration>,
    /// `-p`: kill UPS power at `doshutdown`.
    pub kill_on_powerfail: bool,
    /// [UPSCLASS] how long a share master leaves its slaves before it kills the power.
    pub kill_wait: Duration,
    /// `-t`: exit after `doshutdown` has been started.
    pub term_on_powerfail: bool,
    /// [COMMLOSTDELAY] silence before `commfailure` once the UPS had been seen.
    pub comm_lost_delay: Duration,
    /// [CONFIRMPOLLS] agreeing samples that make a change of state; at least 1.
    pub confirm_polls: u32,
    /// [LOWBATTERYFLAG] what the UPS's word that its battery is low counts for.
    pub low_battery_flag: crate::ups::LowBatteryFlag,
    /// [SHUTDOWNGRACE]
    pub shutdown_grace: Duration,
    /// A network slave never sends kill power.
    pub slave: bool,
    /// [NETTIMEOUT] how long a slave that knows of an outage tolerates a master that is unreachable.
    pub net_timeout: Duration,
    /// [SLAVEWAIT] how long a decided shutdown waits for slaves at most; zero: not at all.
    pub slave_wait: Duration,
    /// [SLAVELEAD] how long it waits at least if there are slaves, within [`Settings::slave_wait`].
    pub slave_lead: Duration,
}

/// Why the machine decided to shut the system down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The UPS says that its battery is exhausted.
    LowBattery,
    /// TIMEOUT.
    Timeout,
    /// BATTERYLEVEL.
    Charge,
    /// MINUTES.
    Runtime,
    /// Battery failure.
    Emergency,
    /// A master or management card ordered it.
    Remote,
    /// A slave's master was lost during an outage.
    MasterLost,
    /// Root ordered it by the control socket.
    Operator,
}

/// What the machine wants done. Orders are carried out in the order they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Log the event's text with its priority, then queue its hook.
    Event(Event),
    /// Log the event's text, then the reason, both with the event's priority; then queue its hook, which finds both.
    EventWithReason(Event, String),
    /// Queue the event's hook without a log line (`annoyme` repeats, `endselftest`).
    Hook(Event),
    /// A log line that is no event.
    Log(Priority, String),
    /// How often to poll the UPS from now on.
    SetPace(PollRate),
    /// Something to tell the UPS.
    Command(Command),
    /// Create the `powerfail` flag.
    CreatePowerfail,
    /// Remove a stale `powerfail` flag.
    RemovePowerfail,
    /// Create the `nologin` flag.
    CreateNologin,
    /// Remove the `nologin` flag if it is ours.
    RemoveNologin,
    /// A shutdown is decided: say who depends on this machine, with [`Machine::handle_slaves`](super::Machine::handle_slaves).
    CountSlaves,
    /// Shut the system down: run the `doshutdown` hook with its fall-backs. The `explanation` (cause, values, since when,
    /// thresholds; one line) has been logged with the event of the decision, and the line `Initiating system shutdown!` by the
    /// preceding `Log` order; there is no `Event(DoShutdown)`. May come again for the same outage if the system still runs.
    Shutdown {
        /// Why.
        cause: Cause,
        /// For the fall-back's own log lines.
        explanation: String,
    },
    /// Write this to the state file (only sent when it changed).
    Save(SavedOutage),
    /// Leave the daemon (`-t`).
    Exit,
}

/// What `act/` reports back about the hook or command that an order started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookReport {
    /// The shutdown was carried out as far as this process can tell: the command exited with success.
    ShutdownStarted,
    /// Every way to shut down failed; words for the log were written by `act/`.
    ShutdownFailed,
    /// The shutdown hook was run but refused (exit status, time-out), and a fall-back has been started.
    ShutdownFellBack,
}

/// What outlives a restart during an outage (power-events §10 item 22). All moments are on the machine's clock: the
/// daemon turns them into seconds since boot when it writes the state file, and back when it reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedOutage {
    /// When the outage that runs now began; `None`: on mains.
    pub on_battery_since: Option<Instant>,
    /// `onbattery` has been announced for it.
    pub announced: bool,
    /// NUMXFERS.
    pub transfers: u32,
    /// Finished part of CUMONBATT.
    pub on_battery_total: Duration,
    /// XONBATT.
    pub on_battery_at: Option<Instant>,
    /// XOFFBATT.
    pub off_battery_at: Option<Instant>,
    /// LASTSTEST.
    pub last_self_test_at: Option<Instant>,
    /// When the shutdown that is not over was decided: slaves' time counts from here.
    pub decided_at: Option<Instant>,
    /// How far the counters of a card's packets have come, for the link.
    pub counters: Option<[u32; 2]>,
}

/// What is true when the daemon starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AtStart {
    /// The state file of an earlier run since the machine was booted.
    pub saved: Option<SavedOutage>,
    /// A `powerfail` flag was found: left by an earlier outage.
    pub powerfail: bool,
    /// `nologin` is in force, by an earlier main process of this daemon, which has told so.
    pub no_login: bool,
}

/// What the machine shows to the rest: its own status bits and counters.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerView {
    /// The status to show: UPS bits as last believed, and the daemon's own.
    pub flags: StatusFlags,
    /// NUMXFERS.
    pub transfers: u32,
    /// Last transfer to battery, XONBATT.
    pub on_battery_at: Option<Instant>,
    /// Last return to mains, XOFFBATT.
    pub off_battery_at: Option<Instant>,
    /// The outage that runs now began here: TONBATT counts from it.
    pub on_battery_since: Option<Instant>,
    /// Finished part of CUMONBATT.
    pub on_battery_total: Duration,
    /// Start of the last self test that ended, LASTSTEST.
    pub last_self_test_at: Option<Instant>,
}
