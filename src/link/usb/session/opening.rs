//! Opening a session: what the device is and has. A UPS is found at the end, or nothing.

use super::*;

/// Pause before a damaged descriptor is read again.
const REREAD_PAUSE: Duration = Duration::from_millis(250);
/// Reads of the descriptor before the best one is taken.
const DESCRIPTOR_TRIES: u8 = 4;
/// A device that does not answer with its line state has so long to send it by itself.
const WAIT_FOR_INPUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Phase {
    Descriptor {
        tries: u8,
        not_before: Instant,
    },
    Learning {
        cursor: usize,
        inputs_added: bool,
    },
    /// No read tells the line state: does the device speak by itself?
    Listening {
        until: Instant,
        strings: Strings,
    },
    Strings(Strings),
}

/// A device whose UPS is not known yet.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) device: OpenDevice,
    /// What polls begin with.
    pub(super) schedule: Schedule,
    phase: Phase,
}

impl Opening {
    pub(super) fn new(device: OpenDevice, schedule: Schedule, now: Instant) -> Self {
        let mut opening = Self { device, schedule, phase: Phase::Descriptor { tries: 0, not_before: now } };
        if opening.device.descriptor_is_whole() {
            opening.learn();
        }
        opening
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Listening { until, .. } = self.phase {
            if now >= until {
                self.device.give_up("does not say its line state", true);
            }
        }
    }

    /// When there is something to do next; `None`: as soon as the spacing allows.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Descriptor { not_before, .. } => Some(not_before),
            Phase::Listening { until, .. } => Some(until),
            Phase::Learning { .. } | Phase::Strings(_) => None,
        }
    }

    /// `None`: nothing now, or nothing more.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        loop {
            match &mut self.phase {
                Phase::Descriptor { not_before, .. } if now >= *not_before => {
                    return Some((Asked::Descriptor, self.device.request_descriptor()));
                }
                Phase::Descriptor { .. } | Phase::Listening { .. } => return None,
                Phase::Strings(strings) => {
                    let (wish, index) = strings.next_wish()?;
                    return Some((Asked::String(wish), request::get_string(index)));
                }
                Phase::Learning { cursor, .. } => {
                    let index = *cursor;
                    *cursor += 1;
                    if index < self.device.store.reports.len() {
                        return self.device.request_report(index, false);
                    }
                    self.learned(now);
                }
            }
        }
    }

    pub(super) fn answered(&mut self, now: Instant, asked: Asked, result: Result<&[u8], TransferError>) {
        match asked {
            Asked::Descriptor => self.descriptor_read(now, result),
            Asked::String(wish) => {
                if let Phase::Strings(strings) = &mut self.phase {
                    strings.answered(wish, result.ok().and_then(request::string_of));
                }
            }
            Asked::Report { index, .. } => {
                if self.device.take_report(index, result, now).is_none() {
                    if let Phase::Learning { cursor, .. } = &mut self.phase {
                        if *cursor == index + 1 {
                            *cursor = index;
                        }
                    }
                }
            }
            Asked::Order | Asked::FlushRead => {}
        }
    }

    /// An interrupt report came.
    pub(super) fn heard(&mut self) {
        if let Phase::Listening { strings, .. } = &mut self.phase {
            if self.device.view().line().on_battery().is_some() {
                self.phase = Phase::Strings(std::mem::take(strings));
            }
        }
    }

    /// Some devices send a damaged descriptor right after they are plugged in (usb-hid §2).
    fn descriptor_read(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Phase::Descriptor { tries, .. } = self.phase else { return };
        if let Ok(bytes) = result {
            self.device.info.report_descriptor = bytes.to_vec();
            if self.device.descriptor_is_whole() {
                return self.learn();
            }
            // Whole, and of a keyboard or a serial bridge: never asked for a report.
            let ups = describe(&self.device.info).is_ok_and(|descriptor| is_power_device(&descriptor));
            if !ups && !self.device.info.report_descriptor.is_empty() && !looks_damaged(&self.device.info) {
                let reason = format!("{} is no UPS by its report descriptor: left alone", self.device.name());
                self.device.told.push_back(SessionEvent::NotAUps { reason });
                return;
            }
        }
        let tries = tries + 1;
        if tries < DESCRIPTOR_TRIES {
            self.phase = Phase::Descriptor { tries, not_before: now + REREAD_PAUSE };
            return;
        }
        // Always the same: then it is wrong in its own way, and what can be used of it is used.
        if describe(&self.device.info).is_ok_and(|descriptor| is_power_device(&descriptor)) {
            let text = format!(
                "{}: the report descriptor is damaged, going on with what it has",
                self.device.name()
            );
            self.device.log(Priority::Warning, text);
            self.learn();
        } else {
            // Only what is a UPS for certain is reset.
            let reset = is_known(&self.device.info);
            self.device.give_up("has no report descriptor of a UPS", reset);
        }
    }

    fn learn(&mut self) {
        self.device.describe();
        self.phase = Phase::Learning { cursor: 0, inputs_added: false };
    }

    /// Every report was asked once.
    fn learned(&mut self, now: Instant) {
        let Phase::Learning { cursor, inputs_added } = self.phase else { return };
        if !inputs_added {
            self.device.add_spare_inputs();
            self.phase = Phase::Learning { cursor: cursor - 1, inputs_added: true };
            return;
        }
        if self.device.pass_over_unsuitable() {
            self.phase = Phase::Learning { cursor: cursor - 1, inputs_added: true };
            return;
        }
        self.device.store.settle(&self.device.layout);
        self.device.learn_meaning();
        // The layout has copies of the few fields that are used.
        self.device.descriptor.drop_fields();
        let strings = self.device.strings();
        // A UPS that does not say where its power comes from guards nobody: it is as good as absent.
        self.phase = if self.device.view().line() == Line::Unknown {
            Phase::Listening { until: now + WAIT_FOR_INPUT, strings }
        } else {
            Phase::Strings(strings)
        };
    }

    /// Everything is known: says so, with the first reading.
    pub(super) fn attach(&mut self, now: Instant) -> Option<Watch> {
        let Phase::Strings(strings) = &self.phase else { return None };
        let (model, firmware) = strings.model_and_firmware();
        let identity = Box::new(Identity {
            name: strings.name.clone(),
            model,
            firmware,
            serial: strings.serial_number(),
            // VA are other vendors': apcupsd shows none for its own USB units (usb-hid §7).
            nominal_apparent_power: self
                .device
                .view()
                .identity()
                .nominal_apparent_power
                .filter(|_| !self.device.is_apc()),
            ..self.device.identity()
        });
        self.device.tell(LinkEvent::Attached(identity.clone()));
        Some(Watch::new(std::mem::take(&mut self.device), identity, self.schedule, now))
    }
}
