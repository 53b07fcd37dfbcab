//! The status byte, and what the UPS says by itself until the status byte confirms it.

use std::time::{Duration, Instant};

use super::{Talk, Turn};
use crate::link::LinkEvent;
use crate::ups::{Evidence, Priority, Reading, StatusFlags};
use crate::wire::upslink::{self, Alert};

/// Tries for a status byte that the UPS is not ready to say, and the pause before each (apcsmart §5).
const NOT_READY_TRIES: u8 = 6;
const NOT_READY_PAUSE: Duration = Duration::from_millis(200);
/// For how long the status byte may lag behind an alert, and how often it is looked at at most because of alerts: all else
/// must have its turn.
const ALERT_HOLDS: Duration = Duration::from_secs(2);
const ALERT_PAUSE: Duration = Duration::from_millis(100);
/// The EEPROM is read again so long after it changed.
const EEPROM_SETTLES: Duration = Duration::from_secs(6);
/// A status byte without either says nothing.
const LINE: StatusFlags =
    StatusFlags::from_bits_retain(StatusFlags::ONLINE.bits() | StatusFlags::ONBATT.bits());

/// What the UPS said by itself and the status byte has not confirmed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alerts {
    on_battery: Option<bool>,
    low: Option<bool>,
    until: Instant,
    pub(super) look_at: Instant,
}

impl Talk {
    pub(in crate::link::apcsmart) fn note_alert(&mut self, alert: Alert, now: Instant) {
        let (on_battery, low) = match alert {
            Alert::OnBattery => (Some(true), None),
            Alert::OnLine => (Some(false), None),
            Alert::BatteryLow => (None, Some(true)),
            Alert::BatteryNotLow => (None, Some(false)),
            Alert::EepromChanged => {
                self.read_again_at.get_or_insert(now + EEPROM_SETTLES);
                return;
            }
            Alert::Accessory => return,
            Alert::ReplaceBattery | Alert::Abnormal | Alert::Normal | Alert::SwitchingOff => {
                self.status_at = self.status_at.min(self.look_at(now));
                self.tell = true;
                if alert == Alert::SwitchingOff && self.order.is_none() {
                    let text = "The UPS says that it is about to switch the load off.".to_owned();
                    self.events.push(LinkEvent::Log(Priority::Alert, text));
                }
                return;
            }
        };
        let known = StatusFlags::from_bits_retain(u32::from(self.status.unwrap_or_default()))
            .contains(StatusFlags::ONBATT);
        if alert == Alert::OnBattery && !known && !self.cause_asked {
            self.cause_asked = true;
            self.cause_wanted = self.known.contains(upslink::TRANSFER_CAUSE);
            self.cause_said = false;
        }
        let before = self.alerts;
        self.alerts = Some(Alerts {
            on_battery: on_battery.or(before.and_then(|alerts| alerts.on_battery)),
            low: low.or(before.and_then(|alerts| alerts.low)),
            until: before.map_or(now + ALERT_HOLDS, |alerts| alerts.until),
            look_at: self.look_at(now),
        });
        self.status_doubted |= self.asked() == Some(upslink::STATUS);
    }

    /// When an alert has the status byte asked for.
    fn look_at(&self, now: Instant) -> Instant {
        self.status_read_at.map_or(now, |at| now.max(at + ALERT_PAUSE))
    }

    pub(super) fn not_ready(&mut self, now: Instant) -> Turn {
        self.asked = None;
        self.not_ready += 1;
        if self.not_ready < NOT_READY_TRIES {
            self.status_wanted = true;
            self.status_at = now + NOT_READY_PAUSE;
            return Turn::GoOn;
        }
        // The byte from before stands; a reading without a new one would be none.
        self.not_ready = 0;
        self.no_status = true;
        self.status_at = now + self.status_interval();
        self.status_read_at = Some(now);
        Turn::GoOn
    }

    /// A reading with these flags is told at `now`.
    fn told(&mut self, flags: StatusFlags, agreed: bool, now: Instant) {
        let interval = self.status_interval();
        self.told_at = Some(now);
        self.status_at = self.status_at.min(now + interval);
        let line = flags & LINE;
        if line != StatusFlags::default() {
            // A change that no alert announced is to be confirmed.
            let changed = self.told_line.replace(line).is_some_and(|before| before != line);
            self.silence.told(now, interval, changed && !agreed);
        }
    }

    /// Whether the UPS has not said its status for so long that it counts as lost.
    pub(in crate::link::apcsmart) fn is_lost(&self, now: Instant) -> bool {
        now >= self.silence.until()
    }

    pub(super) fn take_status(&mut self, status: u8, now: Instant) {
        self.not_ready = 0;
        self.no_status = false;
        self.status_read_at = Some(now);
        let due = self.told_at.is_none_or(|at| now >= at + self.status_interval());
        // No later for a byte that nothing is told of.
        self.status_at = self.told_at.filter(|_| !due).unwrap_or(now) + self.status_interval();
        if std::mem::take(&mut self.status_doubted) {
            self.status_at = self.status_at.min(now + ALERT_PAUSE);
        }
        let flags = self.store.flags(status);
        let agreed = self.alerts.is_some_and(|alerts| agrees(alerts, flags));
        if let Some(alerts) = &mut self.alerts {
            alerts.look_at = now + ALERT_PAUSE;
            if agreed || now >= alerts.until {
                self.alerts = None;
            }
        }
        if flags.intersects(LINE) {
            self.status = Some(status);
        } else if self.told_at.is_none() {
            // It does not end a loss.
            return;
        }
        let on_line = flags.contains(StatusFlags::ONLINE) && !flags.contains(StatusFlags::ONBATT);
        if on_line && self.alerts.is_none() {
            self.cause_asked = false;
        }
        if !self.attached && (now >= self.attach_by || self.rounds > 0) {
            self.attach();
        }
        // On line nothing is urgent: the first reading is a whole one.
        if !self.attached && on_line && self.told_status.is_none() {
            return;
        }
        if !(self.tell || due || agreed || self.told_status != Some(status)) {
            return;
        }
        self.tell = false;
        self.told(flags, agreed, now);
        if self.told_status.replace(status).is_some_and(|before| before != status) {
            // The values belong to the state before.
            self.round_at = self.round_at.min(now);
        }
        let evidence = match (agreed, self.cause_said) {
            (true, true) => Evidence::AlertCauseAndRead,
            (true, false) => Evidence::AlertAndRead,
            (false, _) => Evidence::Poll,
        };
        self.cause_said = false;
        let reading = Reading {
            at: now,
            status: flags,
            evidence,
            mains: self.store.mains(),
            values: self.store.values.clone(),
            read: self.store.times(now),
        };
        self.events.push(LinkEvent::Reading(Box::new(reading)));
        if self.command_read
            && let Some(command) = self.commands.pop_front()
        {
            self.result(command, Ok("read".to_owned()));
            self.begin_command(now);
        }
    }
}

/// Whether the status byte says what the UPS said by itself.
fn agrees(alerts: Alerts, flags: StatusFlags) -> bool {
    let on_battery = flags.contains(StatusFlags::ONBATT);
    let on_line = flags.contains(StatusFlags::ONLINE) && !on_battery;
    let line = alerts.on_battery.is_none_or(|battery| if battery { on_battery } else { on_line });
    let low = alerts.low.is_none_or(|low| flags.contains(StatusFlags::BATTLOW) == low);
    line && low
}
