//! What the UPS says by itself until the status byte confirms it.

use std::time::{Duration, Instant};

use super::Session;
use super::query::UnderWay;
use crate::link::LinkEvent;
use crate::ups::{Evidence, Priority, StatusFlags};
use crate::wire::upslink::{self, Alert};

/// For how long the status byte may lag behind an alert, and how often it is looked at at most because of alerts: all else
/// must have its turn.
const ALERT_HOLDS: Duration = Duration::from_secs(2);
pub(super) const ALERT_PAUSE: Duration = Duration::from_millis(100);
/// The EEPROM is read again so long after it changed.
const EEPROM_SETTLES: Duration = Duration::from_secs(6);

/// What the UPS said by itself and the status byte has not confirmed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alerts {
    on_battery: Option<bool>,
    low: Option<bool>,
    until: Instant,
    pub(super) look_at: Instant,
}

impl Alerts {
    /// Whether the status byte says the same.
    fn agree(self, flags: StatusFlags) -> bool {
        let on_battery = flags.contains(StatusFlags::ONBATT);
        let on_line = flags.contains(StatusFlags::ONLINE) && !on_battery;
        let line = self.on_battery.is_none_or(|battery| if battery { on_battery } else { on_line });
        let low = self.low.is_none_or(|low| flags.contains(StatusFlags::BATTLOW) == low);
        line && low
    }
}

/// Where the question stands why the UPS went on battery. It says by itself that it did; why is asked before the status byte
/// that confirms it, once a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// No transfer, as far as is known.
    None,
    Wanted,
    /// Asked for this transfer, or of no use.
    Settled,
}

/// Why the UPS went on battery.
#[derive(Clone, Copy, Debug)]
pub(super) struct CauseQuery {
    question: Question,
    /// The UPS has said why since the last reading was told.
    said: bool,
}

impl CauseQuery {
    pub(super) const fn new() -> Self {
        Self { question: Question::None, said: false }
    }

    /// The UPS says that it went on battery; `known`: it knows the query.
    fn transfer(&mut self, known: bool) {
        if self.question == Question::None {
            self.question = if known { Question::Wanted } else { Question::Settled };
            self.said = false;
        }
    }

    /// `true`, once: it is to be asked now.
    pub(super) fn take_wanted(&mut self) -> bool {
        let wanted = self.question == Question::Wanted;
        if wanted {
            self.question = Question::Settled;
        }
        wanted
    }

    /// The UPS has answered a query with something.
    pub(super) fn note(&mut self, query: u8) {
        self.said |= query == upslink::TRANSFER_CAUSE;
    }

    /// The transfer is over.
    fn end(&mut self) {
        if self.question == Question::Settled {
            self.question = Question::None;
        }
    }

    /// What a reading rests on; `agreed`: it says what the UPS said by itself before.
    pub(super) fn take_evidence(&mut self, agreed: bool) -> Evidence {
        match (agreed, std::mem::take(&mut self.said)) {
            (true, true) => Evidence::AlertCauseAndRead,
            (true, false) => Evidence::AlertAndRead,
            (false, _) => Evidence::Poll,
        }
    }
}

impl Session {
    pub(in crate::link::apcsmart) fn note_alert(&mut self, alert: Alert, now: Instant) {
        let (on_battery, low) = match alert {
            Alert::OnBattery => (Some(true), None),
            Alert::OnLine => (Some(false), None),
            Alert::BatteryLow => (None, Some(true)),
            Alert::BatteryNotLow => (None, Some(false)),
            Alert::EepromChanged => {
                self.static_queries.read_again_once_settled(now + EEPROM_SETTLES);
                return;
            }
            Alert::Accessory => return,
            Alert::ReplaceBattery | Alert::Abnormal | Alert::Normal | Alert::SwitchingOff => {
                self.status.no_later_than(self.status.look_at(now));
                self.readings.wanted = true;
                if alert == Alert::SwitchingOff && !matches!(self.under_way, UnderWay::Order(_)) {
                    let text = "The UPS says that it is about to switch the load off.".to_owned();
                    self.events.push(LinkEvent::Log(Priority::Alert, text));
                }
                return;
            }
        };
        if alert == Alert::OnBattery && !self.status.is_on_battery() {
            self.cause.transfer(self.queries.answered.contains(upslink::TRANSFER_CAUSE));
        }
        let before = self.alerts;
        self.alerts = Some(Alerts {
            on_battery: on_battery.or(before.and_then(|alerts| alerts.on_battery)),
            low: low.or(before.and_then(|alerts| alerts.low)),
            until: before.map_or(now + ALERT_HOLDS, |alerts| alerts.until),
            look_at: self.status.look_at(now),
        });
        self.status.doubted |= self.under_way.asked() == Some(upslink::STATUS);
    }

    /// Compares a status byte with what the UPS said by itself. `true`: it says the same.
    pub(super) fn confirm_alerts(&mut self, flags: StatusFlags, now: Instant) -> bool {
        let Some(alerts) = &mut self.alerts else { return false };
        let agreed = alerts.agree(flags);
        alerts.look_at = now + ALERT_PAUSE;
        if agreed || now >= alerts.until {
            self.alerts = None;
        }
        agreed
    }

    /// A status byte with a line state came.
    pub(super) fn end_transfer(&mut self, on_line: bool) {
        if on_line && self.alerts.is_none() {
            self.cause.end();
        }
    }
}
