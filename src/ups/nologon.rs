//! When users are kept from logging in.

/// `NOLOGON`: when users are kept from logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoLogon {
    /// Never.
    Disable,
    /// After 90 % of TIMEOUT.
    Timeout,
    /// At 110 % of BATTERYLEVEL.
    Percent,
    /// At 110 % of MINUTES.
    Minutes,
    /// Always on battery.
    Always,
}
