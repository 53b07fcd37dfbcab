//! Who may tell a UPS to cut its power, and when: the one place of these rules. They are asked for the settings of the machine, by
//! `--killpower` and `--power-off`, and by `mainsd check`.

use std::time::Duration;

/// How long a share master waits for its slaves before it kills the power (config §3, UPSCLASS).
const SHARE_WAIT: Duration = Duration::from_secs(30);

/// Who shares the UPS by a card (config §3, UPSCLASS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Nobody.
    #[default]
    Alone,
    /// This machine is one of the slaves: its UPS is the master's to switch off.
    Slave,
    /// This machine is the master.
    Master,
}

/// What this machine is to its UPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Another machine watches the UPS, over the network.
    pub is_slave: bool,
    /// By a card.
    pub share: Share,
    /// The UPS leaves time between the order and the end of its power. One with simple signalling does not.
    pub delays_off: bool,
    /// There is a UPS that has power to cut.
    pub is_real: bool,
}

/// Whose the UPS is to switch off, if not this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOurs {
    /// The network master's: a slave never switches it off.
    Master,
    /// The share master's.
    ShareMaster,
}

/// What becomes of an order to kill the power when mains is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainsBack {
    /// This machine restarts by itself, and needs no interruption to come back.
    LeaveAlone,
    /// The UPS interrupts the power all the same: a machine that has halted would stay off.
    Interrupt,
    /// The UPS is told, in case that mains fails again at once; it does nothing while mains is there.
    TellAnyway,
}

/// What keeps `--killpower` from being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagDoubt {
    /// No power failure has ended in a shutdown.
    Missing,
    /// That was before this boot.
    Old,
}

impl Role {
    /// Whether this machine may kill the power at all; the wait before it does.
    ///
    /// # Errors
    /// Whose the UPS is instead.
    pub const fn wait(&self) -> Result<Duration, NotOurs> {
        match (self.is_slave, self.share) {
            (true, _) => Err(NotOurs::Master),
            (false, Share::Slave) => Err(NotOurs::ShareMaster),
            (false, Share::Master) => Ok(SHARE_WAIT),
            (false, Share::Alone) => Ok(Duration::ZERO),
        }
    }

    /// Whether the last stage of a system shutdown has a UPS to tell.
    #[must_use]
    pub const fn tells_at_the_end(&self) -> bool {
        self.is_real && self.wait().is_ok()
    }

    /// Whether the power may be killed as the shutdown begins (`-p`): one that is cut at once would cut the shutdown short (config §4
    /// item 6).
    #[must_use]
    pub const fn may_kill_at_powerfail(&self) -> bool {
        self.delays_off && self.wait().is_ok()
    }

    /// KILLDELAY, where it counts.
    #[must_use]
    pub fn delay(&self, wanted: Option<Duration>) -> Option<Duration> {
        wanted.filter(|_| self.wait().is_ok())
    }

    /// What is done when mains is back. `restarts`: this machine comes up again by itself.
    #[must_use]
    pub const fn with_mains(&self, restarts: bool) -> MainsBack {
        match (restarts, self.delays_off) {
            (true, _) => MainsBack::LeaveAlone,
            (false, true) => MainsBack::Interrupt,
            (false, false) => MainsBack::TellAnyway,
        }
    }
}

/// Whether the flag `powerfail` is of a power failure of this boot (power-events §8). `flag`: what it says, which is the id of the
/// boot that it was made in; one of apcupsd is empty, one made by hand may hold anything. `None`: there is none. `boot`: the id of
/// this boot, if the kernel tells it.
///
/// # Errors
/// Why the power is not killed.
pub fn flag_allows(flag: Option<&str>, boot: Option<&str>) -> Result<(), FlagDoubt> {
    match (flag.map(str::trim), boot) {
        (None, _) => Err(FlagDoubt::Missing),
        (Some(of), Some(now)) if of.len() == now.len() && of != now => Err(FlagDoubt::Old),
        (Some(_), _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Role = Role { is_slave: false, share: Share::Alone, delays_off: true, is_real: true };

    #[test]
    fn a_slave_of_either_kind_never_kills_and_a_share_master_waits() {
        assert_eq!(PLAIN.wait(), Ok(Duration::ZERO));
        assert_eq!(Role { share: Share::Master, ..PLAIN }.wait(), Ok(Duration::from_secs(30)));
        let share_slave = Role { share: Share::Slave, ..PLAIN };
        let slave = Role { is_slave: true, ..PLAIN };
        assert_eq!((share_slave.wait(), slave.wait()), (Err(NotOurs::ShareMaster), Err(NotOurs::Master)));
        for role in [share_slave, slave] {
            assert_eq!(role.delay(Some(Duration::from_secs(5))), None);
            assert!(!role.may_kill_at_powerfail() && !role.tells_at_the_end());
        }
    }

    #[test]
    fn a_ups_that_cuts_at_once_is_not_told_before_the_end() {
        let dumb = Role { delays_off: false, ..PLAIN };
        assert!(PLAIN.may_kill_at_powerfail() && !dumb.may_kill_at_powerfail() && dumb.tells_at_the_end());
        assert_eq!(dumb.delay(Some(Duration::from_secs(5))), Some(Duration::from_secs(5)));
        assert!(!Role { is_real: false, ..PLAIN }.tells_at_the_end());
    }

    #[test]
    fn mains_that_is_back_interrupts_a_machine_that_needs_it() {
        let dumb = Role { delays_off: false, ..PLAIN };
        assert_eq!(PLAIN.with_mains(false), MainsBack::Interrupt);
        assert_eq!(dumb.with_mains(false), MainsBack::TellAnyway);
        assert_eq!(
            (PLAIN.with_mains(true), dumb.with_mains(true)),
            (MainsBack::LeaveAlone, MainsBack::LeaveAlone)
        );
    }

    #[test]
    fn the_flag_is_of_this_boot_or_of_no_certain_one() {
        assert_eq!(flag_allows(None, Some("b007")), Err(FlagDoubt::Missing));
        assert_eq!(flag_allows(Some("b006\n"), Some("b007")), Err(FlagDoubt::Old));
        for (flag, boot) in
            [("b007\n", Some("b007")), ("", Some("b007")), ("touched", Some("b007")), ("b006", None)]
        {
            assert_eq!(flag_allows(Some(flag), boot), Ok(()), "{flag:?} {boot:?}");
        }
    }
}
