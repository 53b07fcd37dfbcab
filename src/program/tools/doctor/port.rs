//! Who can ask for the status, and who answers; what the daemon says of its UPS.

use std::net::IpAddr;
use std::time::Duration;

use super::{Look, What};
use crate::config::Parsed;
use crate::program::access::{Failure, Limits, Target, ask};
use crate::sys::port_holder::holder_of_port;
use crate::ups::{SelfTestResult, StatusFlags, day_of};
use crate::wire::nis;
use crate::wire::nis_status::MasterStatus;

/// This machine answers at once or not at all.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(10),
    total: Duration::from_secs(20),
};

/// What is known of the daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Daemon {
    /// What answers at its port, if that is a status.
    status: Option<MasterStatus>,
    /// Where it was asked.
    at: String,
    /// Why there is no status.
    failure: Option<String>,
}

impl Daemon {
    /// Asks the daemon of this configuration.
    pub(super) fn ask(parsed: &Parsed) -> Self {
        let config = &parsed.config;
        let mut daemon = Self::default();
        if !config.net_server {
            return daemon;
        }
        let target = Target::of_file(parsed);
        daemon.at = target.at();
        let mut records = Vec::new();
        let asked = ask((&target.host, target.port), "status", nis::MAX_CLIENT, LIMITS, &mut |record| {
            records.push(record.to_owned());
        });
        daemon.status =
            MasterStatus::of_records(records.iter().filter_map(|record| nis::split_record(record)));
        daemon.failure = asked.err().map(|failure: Failure| failure.in_words(&target.host, &daemon.at));
        daemon
    }

    /// One with this status; empty: it is silent, with a reason.
    #[cfg(test)]
    pub(super) fn of(status: &[(&str, &str)]) -> Self {
        let records = status.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        let failure =
            status.is_empty().then(|| "localhost:1 takes the connection and gives no answer".to_owned());
        Self { status: MasterStatus::of_records(records), at: "localhost:1".to_owned(), failure }
    }

    /// What answers says that it is.
    pub(super) fn version(&self) -> Option<&str> {
        self.status.as_ref()?.version.as_deref()
    }

    /// What a mainsd has told.
    pub(super) fn status(&self) -> Option<&MasterStatus> {
        self.status.as_ref().filter(|_| self.version().is_some_and(|it| it.contains("mainsd")))
    }

    /// Whether it hears its UPS; `None`: no mainsd has told a status.
    pub(super) fn is_heard(&self) -> Option<bool> {
        Some(!self.status()?.flags.contains(StatusFlags::COMMLOST))
    }
}

impl Look<'_> {
    /// Everything about the port.
    pub(super) fn port(&mut self) {
        let config = &self.parsed.config;
        if !config.net_server {
            return self.say(What::Closed, &[]);
        }
        let port = config.nis_port.to_string();
        let networks: Vec<String> = config.nis_allow.iter().map(ToString::to_string).collect();
        let networks = networks.join(" ");
        let what = if config.nis_ip.iter().all(IpAddr::is_loopback) {
            What::ThisMachine
        } else if config.nis_allow.iter().any(|it| it.prefix == 0) {
            What::ToEverybody
        } else {
            What::ToNetwork
        };
        self.say(what, &[&port, &networks]);
        let at = self.daemon.at.clone();
        match (self.daemon.is_heard(), self.daemon.version(), &self.daemon.failure) {
            (Some(_), ..) => self.say(What::Answers, &[&at]),
            (None, None, Some(words)) if self.runs != Some(false) => {
                let words = words.clone();
                self.say(What::Silent, &[&words]);
            }
            (None, None, Some(_)) if holder_of_port(config.nis_port).is_none() => {}
            (None, version, _) => {
                let holder = holder_of_port(config.nis_port).and_then(|holder| holder.words());
                let holder = holder.unwrap_or_else(|| "the program".to_owned());
                let version = version.map(|it| format!("{holder}, version {it},"));
                let words = format!("port {port}: {}", version.as_ref().unwrap_or(&holder));
                self.say(What::Foreign, &[&words, &holder]);
            }
        }
    }

    /// Everything about the battery.
    pub(super) fn battery(&mut self) {
        /// The longest that a self test may be ago, in days: a UPS that does them by itself does one in 14.
        const TEST_DAYS: i64 = 90;
        /// The oldest battery that is not told of, in days: they are made for 3 to 5 years.
        const BATTERY_DAYS: i64 = 4 * 365;

        let Some(status) = self.daemon.status().cloned() else { return self.say(What::NotAsked, &[]) };
        if status.flags.contains(StatusFlags::REPLACEBATT) {
            self.say(What::Replace, &[]);
        }
        let age = |date: &Option<String>| date.as_deref().and_then(day).map(|day| self.today() - day);
        let date = status.identity.battery_date;
        let (tested, made) = (age(&status.tested), age(&date));
        match (status.values.self_test, tested) {
            (Some(result), _) if result.has_failed() => {
                self.say(What::TestFailed, &[result.log_text()]);
            }
            (_, Some(days)) if days > TEST_DAYS => self.say(What::TestOld, &[&days.to_string()]),
            (Some(SelfTestResult::Passed), days) => {
                let days = days.map(|days| format!(" {days} days ago")).unwrap_or_default();
                self.say(What::TestPassed, &[&days]);
            }
            _ => self.say(What::TestUnknown, &[]),
        }
        let date = date.unwrap_or_default();
        match made {
            Some(days) if days > BATTERY_DAYS => self.say(What::Old, &[&date]),
            Some(_) => self.say(What::Young, &[&date]),
            None => self.say(What::AgeUnknown, &[]),
        }
    }
}

/// The day since 1970-01-01 in a date at the beginning of a text: `2024-08-22`, or as UPSes keep it `08/22/24` and `08/22/2024`
/// (status-fields §1).
fn day(text: &str) -> Option<i64> {
    let mut numbers = text.split([' ', '-', '/']).map(|part| part.parse::<i64>().ok());
    let (a, b, c) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let (year, month, day) = if text.get(4..5) == Some("-") { (a, b, c) } else { (c, a, b) };
    let year = match year {
        0..70 => year + 2000,
        70..100 => year + 1900,
        _ => year,
    };
    let fits = (1970..3000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then(|| day_of(year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_each_form_is_its_day() {
        for text in ["2024-08-22 10:00:00 +0100", "2024-08-22", "08/22/2024"] {
            assert_eq!(day(text), Some(19_957), "{text}");
        }
        assert_eq!(day("08/22/24"), day("2024-08-22"));
        assert_eq!(day("08/22/99"), day("1999-08-22"));
        for text in ["", "N/A", "00/00/00", "2024-13-01", "2024-08", "a-b-c", "9999999999999999999-1-1"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
