//! What each answer leads to.

use super::*;

impl Session {
    pub(super) fn give_up(&mut self, reason: String, reset: bool) {
        self.told.push_back(Told::GiveUp { reason, reset });
    }

    fn log(&mut self, priority: Priority, text: String) {
        self.told.push_back(Told::Event(LinkEvent::Log(priority, text)));
    }

    /// Some devices send a damaged descriptor right after they are plugged in (usb-hid §2).
    pub(super) fn descriptor_read(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
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
                self.told.push_back(Told::NotAUps { reason });
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
            self.log(Priority::Warning, text);
            self.learn();
        } else {
            // Only what is a UPS for certain is reset.
            self.give_up(
                format!("{} has no report descriptor of a UPS", self.device.name()),
                is_known(&self.device.info),
            );
        }
    }

    pub(super) fn learn(&mut self) {
        self.device.describe();
        self.phase = Phase::Learning { cursor: 0, inputs_added: false };
    }

    /// Every report was asked once.
    pub(super) fn learned(&mut self, now: Instant) {
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
        self.learn_meaning();
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

    /// What the numbers mean is learned from each poll. `true`: the next one should come soon.
    fn learn_meaning(&mut self) -> bool {
        let facts = self.device.view().facts();
        for (priority, text) in self.device.meaning.note(&facts) {
            self.log(priority, text);
        }
        self.device.meaning.wants_samples(&facts)
    }

    /// Everything is known: says so, with the first reading.
    pub(super) fn attach(&mut self, now: Instant) {
        let Phase::Strings(strings) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let (model, firmware) = strings.model_and_firmware();
        let identity = Identity {
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
            ..self.device.view().identity()
        };
        self.told.push_back(Told::Event(LinkEvent::Attached(Box::new(identity))));
        self.schedule.learned(now);
        self.finish_poll(now);
    }

    pub(super) fn report_read(
        &mut self,
        now: Instant,
        index: usize,
        look: bool,
        result: Result<&[u8], TransferError>,
    ) {
        if result == Err(TransferError::Overflow) && self.device.store.widen(index) {
            self.again(index);
            return;
        }
        let answered = match result {
            Ok(answer) => self.device.store.answered(index, answer, now),
            Err(_) => {
                self.device.store.failed(index);
                false
            }
        };
        // A stall is an answer too: the device is there.
        let alive = answered || result == Err(TransferError::Stall);
        if let Phase::Polling { answers, failures, .. } = &mut self.phase {
            *if alive { answers } else { failures } += 1;
        }
        if !self.is_attached() {
            return;
        }
        self.job_read(now, index, answered);
        let line = self.device.tells_line(index);
        if line {
            if !answered {
                return self.line_failed(now);
            }
            self.unreadable = None;
        }
        let glance = matches!(self.phase, Phase::Polling { deepest: When::Line, cursor, .. }
            if !look && cursor == index + 1);
        if look || glance {
            if !self.device.any_decides(index + 1) {
                self.line_read(now, look);
                if glance {
                    self.finish_poll(now);
                }
            }
        } else if line && !self.device.more_tell_line(index) {
            self.line_read(now, look);
        }
    }

    /// The same report again, at once.
    fn again(&mut self, index: usize) {
        match &mut self.phase {
            Phase::Learning { cursor, .. } | Phase::Polling { cursor, .. } if *cursor == index + 1 => {
                *cursor = index;
            }
            _ => {}
        }
        self.looks.again(index);
    }

    /// All line-state reports are fresh; `looked`: they were read because of a hint.
    fn line_read(&mut self, now: Instant, looked: bool) {
        let line = self.device.view().line();
        let on_battery = line.on_battery();
        self.schedule.glanced_at = now;
        self.plan_glance();
        let confirmed = self.looks.claims(on_battery);
        if looked {
            // Reports without end, each the opposite of the last, must leave room for the polls.
            self.looks.pause(now);
        }
        if confirmed {
            self.looks.confirmed();
            self.told_line();
        } else if looked {
            self.looks.in_vain(now);
            if on_battery.is_none() {
                // It takes the other reports to tell.
                self.schedule.poll_no_sooner_than(now, SOON);
            }
        }
        if on_battery.is_some() && on_battery != self.believed_line() {
            // Without an alert the reading at the poll's end says it.
            if confirmed {
                let at = self.device.view().line_read_at(now);
                self.emit_alert(now, line, at);
            }
            self.schedule.read_all_by(now);
        }
    }

    /// The line state could not be read: soon again, and after a few times the UPS is lost.
    fn line_failed(&mut self, now: Instant) {
        self.looks.end();
        let since = self.unreadable.map_or(now, |before| before.since);
        let times = self.unreadable.map_or(1, |before| before.times.saturating_add(1));
        self.unreadable = Some(Unreadable { times, since });
        if times >= LOST_AFTER || now.saturating_duration_since(since) >= LOST_AFTER_TIME {
            self.give_up(format!("{} does not say its line state any more", self.device.name()), true);
            return;
        }
        self.phase = Phase::Idle;
        self.schedule.next_poll = now + SOON;
    }

    /// Sends a reading whose line state is new, alerted and confirmed, and was read at `line_at`; the rest is as last known.
    pub(super) fn emit_alert(&mut self, now: Instant, line: Line, line_at: Option<Instant>) {
        let Some(last) = &mut self.last else { return };
        last.at = now;
        last.evidence = Evidence::AlertAndRead;
        set_line(&mut last.status, line);
        last.read.set(Item::Line, line_at);
        self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(last.clone()))));
    }

    pub(super) fn finish_poll(&mut self, now: Instant) {
        let poll = std::mem::replace(&mut self.phase, Phase::Idle);
        if let Phase::Polling { answers: 0, failures: 1.., .. } = poll {
            return self.line_failed(now);
        }
        if matches!(poll, Phase::Polling { deepest: When::Line, .. }) {
            return self.finish_glance(now);
        }
        let unknown = self.learn_meaning();
        let view = self.device.view();
        let (mut line, flags, values) = (view.line(), view.flags(), view.values());
        let (mut read, mains) = (view.times(now), view.mains(now).map(|(there, _)| there));
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) < SLOW) {
            // One pushed report alone: the line state stays as believed for a while.
            line = match self.believed_line() {
                Some(true) => Line::Battery,
                Some(false) => Line::Mains,
                None => line,
            };
            read.set(Item::Line, self.last.as_ref().and_then(|last| last.read.of(Item::Line)));
        }
        if line == Line::Blank {
            self.belief.ignore("a status report without a single bit set".into());
        }
        // A blank report says nothing about alarms either.
        let flags = if line == Line::Blank {
            self.last.as_ref().map_or(StatusFlags::BATTPRESENT, |last| last.status)
        } else {
            self.belief.flags(flags, &mut read)
        };
        let values = self.belief.values(values, flags, &mut read);
        let mut status = flags;
        set_line(&mut status, line);
        let reading = Reading { at: now, status, evidence: Evidence::Poll, mains, values, read };
        self.last = Some(reading.clone());
        self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(reading))));
        if let Some(text) = self.belief.log_line(now) {
            self.log(Priority::Warning, text);
        }
        let unclear =
            unknown || self.belief.is_waiting() || matches!(line, Line::Blank | Line::Contradiction);
        let pause = if unclear { self.schedule.interval().min(SOON) } else { self.schedule.interval() };
        self.schedule.next_poll = self.schedule.polled_at.unwrap_or(now) + pause;
        if unclear {
            self.schedule.read_all();
        }
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) >= SLOW) {
            // It has stood, and counts.
            self.pushed_at = None;
        }
        if let Some(at) = self.pushed_at {
            // What one report said counts when it has stood for a while.
            self.schedule.next_poll = self.schedule.next_poll.min((at + SLOW).max(now + SOON));
        }
        self.plan_glance();
        if matches!(poll, Phase::Polling { deepest: When::Volatile, .. }) {
            self.schedule.test_hinted = false;
        }
        if std::mem::take(&mut self.schedule.commanded) {
            self.answer(Command::Poll, Ok("read anew".into()));
        }
    }
}

pub(super) fn set_line(status: &mut StatusFlags, line: Line) {
    let on_battery = line.on_battery();
    status.set(StatusFlags::ONLINE, on_battery == Some(false));
    status.set(StatusFlags::ONBATT, on_battery == Some(true));
}
