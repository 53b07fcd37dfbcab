//! The orders of the control socket and of `mainsd ctl`: one table, which the parser, the rights, the help and mainsd-control(7)
//! go by. What the orders are for is in docs/reference/apctest.md.

use crate::ups::{Beeper, Setting, Switch};

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the self test.
    SelfTest,
    /// The result of the last self test.
    SelfTestResult,
    /// Start a calibration.
    Calibrate,
    /// Stop a calibration or self test.
    CalibrateAbort,
    /// How the last calibration ended.
    CalibrateResult,
    /// The beeper.
    Beeper(Beeper),
    /// Lamps and beeper are switched on for a moment.
    PanelTest,
    /// What the UPS keeps: shown, or changed where a value follows.
    Setting(Setting),
    /// When the UPS was made.
    ManufactureDate,
    /// Which outlet groups there are, and how they are.
    Outlets,
    /// An outlet group is switched.
    Outlet(Switch),
    /// All settings, with what is permitted.
    Settings,
    /// The UPS is read now.
    Poll,
    /// Everything that the UPS has to say is told.
    Record,
    /// The configuration is read again.
    Reload,
    /// This machine is shut down.
    ShutdownNow,
    /// What [`Self::ShutdownNow`] has ordered is taken back.
    ShutdownCancel,
    /// The UPS cuts the power until mains is back.
    KillPower,
    /// The UPS switches off and stays off.
    PowerOff,
}

/// What may follow the words of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    None,
    /// `--wait`, or nothing.
    Wait,
    /// `--yes`, without which nothing is done.
    Yes,
    /// A value, or nothing.
    Value,
    /// The number of an outlet group, and `--yes`.
    Group,
}

/// Who may give an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Everybody who may connect.
    Read,
    /// Root and the group CONTROLGROUP.
    Group,
    /// Root.
    Root,
}

/// When an order is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Not on battery, while the UPS tests, or with a shutdown decided.
    Calm,
    /// Never by a daemon that runs.
    NoDaemon,
}

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its words, separated by one blank.
    pub words: &'static str,
    /// What may follow.
    pub argument: Argument,
    /// Who may give it. A setting is shown to everybody.
    pub right: Right,
    /// When it is taken. A setting is shown at any time.
    pub when: When,
    /// What it does, in one line without a full stop.
    pub help: &'static str,
    /// What it is.
    pub action: Action,
}

const fn row(words: &'static str, action: Action, right: Right, when: When, help: &'static str) -> Row {
    Row { words, argument: Argument::None, right, when, help, action }
}

const fn with(argument: Argument, row: Row) -> Row {
    Row { argument, ..row }
}

const fn setting(words: &'static str, setting: Setting, help: &'static str) -> Row {
    with(Argument::Value, row(words, Action::Setting(setting), Right::Group, When::Calm, help))
}

const fn outlet(words: &'static str, switch: Switch, help: &'static str) -> Row {
    with(Argument::Group, row(words, Action::Outlet(switch), Right::Root, When::Calm, help))
}

/// All orders. Of two that begin alike the longer one is meant.
pub const ORDERS: &[Row] = &[
    with(
        Argument::Wait,
        row("self-test", Action::SelfTest, Right::Group, When::Calm, "the UPS tests itself and its battery"),
    ),
    row(
        "self-test result",
        Action::SelfTestResult,
        Right::Read,
        When::Always,
        "the result of the last self test, read now",
    ),
    setting(
        "self-test interval",
        Setting::SelfTestInterval,
        "how often the UPS tests itself: hours, or ON for each start, OFF for never",
    ),
    row(
        "calibrate",
        Action::Calibrate,
        Right::Group,
        When::Calm,
        "the UPS measures its runtime by emptying the battery: charge 100 %, load 10 % or more",
    ),
    row(
        "calibrate abort",
        Action::CalibrateAbort,
        Right::Group,
        When::Always,
        "a calibration or self test that runs is stopped",
    ),
    row(
        "calibrate result",
        Action::CalibrateResult,
        Right::Read,
        When::Always,
        "how the last calibration ended, and why, read now",
    ),
    row("beeper on", Action::Beeper(Beeper::On), Right::Group, When::Always, "the UPS may beep"),
    row("beeper off", Action::Beeper(Beeper::Off), Right::Group, When::Always, "the UPS never beeps"),
    row(
        "beeper mute",
        Action::Beeper(Beeper::Mute),
        Right::Group,
        When::Always,
        "the UPS is silent until the next alarm",
    ),
    row(
        "panel test",
        Action::PanelTest,
        Right::Group,
        When::Calm,
        "lamps and beeper are switched on for a moment",
    ),
    setting("battery date", Setting::BatteryDate, "when the battery was replaced: 8 characters"),
    setting("name", Setting::Name, "the name that the UPS keeps: 8 characters at most"),
    setting("sensitivity", Setting::Sensitivity, "how easily the UPS goes to battery: H, M or L"),
    setting(
        "transfer low",
        Setting::LowTransfer,
        "the line voltage below which it goes to battery, in volts",
    ),
    setting(
        "transfer high",
        Setting::HighTransfer,
        "the line voltage above which it goes to battery, in volts",
    ),
    setting("delay wake", Setting::WakeDelay, "seconds from mains back to power on"),
    setting("delay shutdown", Setting::ShutdownDelay, "seconds from the order to power off"),
    setting("delay alarm", Setting::AlarmDelay, "when the UPS beeps on battery: 0, T, L or N"),
    setting("low battery", Setting::LowBattery, "minutes of runtime left at which the battery counts as low"),
    setting("return charge", Setting::ReturnCharge, "per cent of charge needed for power on"),
    setting("output voltage", Setting::OutputVoltage, "the voltage on battery, in volts"),
    row(
        "manufacture date",
        Action::ManufactureDate,
        Right::Read,
        When::Always,
        "when the UPS was made, as it says itself; nothing changes it",
    ),
    row("outlets", Action::Outlets, Right::Read, When::Always, "the outlet groups that the UPS can switch"),
    outlet("outlet on", Switch::On, "an outlet group is switched on; 'outlets' has the numbers"),
    outlet("outlet off", Switch::Off, "an outlet group is switched off, with all that it supplies"),
    outlet("outlet reboot", Switch::Reboot, "an outlet group is switched off, and on again"),
    row("settings", Action::Settings, Right::Read, When::Always, "all settings, each with what is permitted"),
    row("poll", Action::Poll, Right::Read, When::Always, "the UPS is read now"),
    row(
        "record",
        Action::Record,
        Right::Root,
        When::Calm,
        "what a USB UPS says within a minute, for 'mainsd probe --record'",
    ),
    row("reload", Action::Reload, Right::Root, When::Always, "the daemon reads its configuration again"),
    with(
        Argument::Yes,
        row(
            "shutdown now",
            Action::ShutdownNow,
            Right::Root,
            When::Always,
            "this machine and its slaves are shut down in the orderly way",
        ),
    ),
    row(
        "shutdown cancel",
        Action::ShutdownCancel,
        Right::Root,
        When::Always,
        "what 'shutdown now' ordered is taken back, until doshutdown has started",
    ),
    with(
        Argument::Yes,
        row(
            "kill-power",
            Action::KillPower,
            Right::Root,
            When::NoDaemon,
            "the UPS cuts the power until mains is back, after a power failure only",
        ),
    ),
    with(
        Argument::Yes,
        row("power-off", Action::PowerOff, Right::Root, When::NoDaemon, "the UPS switches off and stays off"),
    ),
];
