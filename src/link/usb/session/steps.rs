//! What each answer leads to.

use super::*;

impl Session {
    pub(super) fn view(&self) -> View<'_> {
        View { layout: &self.layout, store: &self.store, quirks: self.quirks }
    }

    pub(super) fn name(&self) -> String {
        let product = self.info.product_name.as_deref().map_or("UPS", str::trim);
        format!("{product} at USB port {}", self.info.location)
    }

    pub(super) fn is_apc(&self) -> bool {
        matches!(self.info.vendor, 0x051d | 0x16de)
    }

    pub(super) fn give_up(&mut self, reason: String, reset: bool) {
        self.told.push_back(Told::GiveUp { reason, reset });
    }

    fn log(&mut self, priority: Priority, text: String) {
        self.told.push_back(Told::Event(LinkEvent::Log(priority, text)));
    }

    pub(super) fn read_job(&self, command: Command, key: Key, now: Instant) -> Result<Job, String> {
        let slot = self.layout.slot(key);
        let field = slot.feature.or(slot.input).ok_or("the UPS does not report this")?;
        let index = self
            .store
            .reports
            .iter()
            .position(|report| (report.wire.kind, report.wire.id) == (field.kind, field.report_id))
            .ok_or("the UPS does not report this")?;
        let ready_at = now + CAUSE_DELAY;
        // Most units know the cause by the time they tell of the transfer: a look at once saves the hook the delay.
        let not_before = if command == Command::ReadTransferCause { now } else { ready_at };
        Ok(Job::Read { command, index, not_before, ready_at, known: self.view().values().transfer_cause })
    }

    /// Whether the descriptor at hand is that of a UPS, whole and as long as announced.
    pub(super) fn descriptor_is_whole(&self) -> bool {
        let length_fits = self
            .info
            .announced_descriptor_len
            .is_none_or(|length| usize::from(length) == self.info.report_descriptor.len());
        length_fits
            && describe(&self.info)
                .is_ok_and(|descriptor| descriptor.is_complete() && is_power_device(&descriptor))
    }

    /// Some devices send a damaged descriptor right after they are plugged in (usb-hid §2).
    pub(super) fn descriptor_read(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Phase::Descriptor { tries, .. } = self.phase else { return };
        if let Ok(bytes) = result {
            self.info.report_descriptor = bytes.to_vec();
            if self.descriptor_is_whole() {
                return self.learn();
            }
        }
        let tries = tries + 1;
        if tries < DESCRIPTOR_TRIES {
            self.phase = Phase::Descriptor { tries, not_before: now + REREAD_PAUSE };
            return;
        }
        // Always the same: then it is wrong in its own way, and what can be used of it is used.
        if describe(&self.info).is_ok_and(|descriptor| is_power_device(&descriptor)) {
            let text =
                format!("{}: the report descriptor is damaged, going on with what it has", self.name());
            self.log(Priority::Warning, text);
            self.learn();
        } else {
            self.give_up(format!("{} has no report descriptor of a UPS", self.name()), true);
        }
    }

    pub(super) fn learn(&mut self) {
        self.quirks = Quirks::of(&self.info);
        self.descriptor = describe(&self.info).unwrap_or_default();
        self.layout = Layout::new(&self.descriptor, self.quirks);
        self.store = Store::new(&self.layout);
        self.phase = Phase::Learning { cursor: 0, inputs_added: false };
    }

    /// Every report was asked once.
    pub(super) fn learned(&mut self, now: Instant) {
        let Phase::Learning { cursor, inputs_added } = self.phase else { return };
        if !inputs_added {
            let store = &self.store;
            let silent = |field: &Field| !store.ever_answered(field.kind, field.report_id);
            let wires = self.layout.spare_inputs(&self.descriptor, silent);
            self.store.add_inputs(&wires);
            self.phase = Phase::Learning { cursor: cursor - 1, inputs_added: true };
            return;
        }
        self.store.settle(&self.layout);
        // The layout has copies of the few fields that are used.
        self.descriptor.drop_fields();
        let view = self.view();
        let index = |key| view.string_index(key);
        self.strings = strings::Strings::new(
            &self.info,
            index(Key::ProductString),
            index(Key::SerialString),
            index(Key::NameString),
        );
        // A UPS that does not say where its power comes from guards nobody: it is as good as absent.
        self.phase = if self.view().line() == Line::Unknown {
            Phase::Listening { until: now + WAIT_FOR_INPUT }
        } else {
            Phase::Strings
        };
    }

    /// Everything is known: says so, with the first reading.
    pub(super) fn attach(&mut self, now: Instant) {
        let (model, firmware) = self.strings.model_and_firmware();
        let identity = Identity {
            name: self.strings.name.clone(),
            model,
            firmware,
            serial: self.strings.serial_number(),
            // VA are other vendors': apcupsd shows none for its own USB units (usb-hid §7).
            nominal_apparent_power: self.view().identity().nominal_apparent_power.filter(|_| !self.is_apc()),
            ..self.view().identity()
        };
        self.told.push_back(Told::Event(LinkEvent::Attached(Box::new(identity))));
        self.attached = true;
        self.read_all_at = Some(now);
        self.polled_at = Some(now);
        self.finish_poll(now);
    }

    pub(super) fn report_read(
        &mut self,
        now: Instant,
        index: usize,
        look: bool,
        result: Result<&[u8], TransferError>,
    ) {
        if result == Err(TransferError::Overflow) && self.store.widen(index) {
            self.again(index);
            return;
        }
        let answered = match result {
            Ok(answer) => self.store.answered(index, answer),
            Err(_) => {
                self.store.failed(index);
                false
            }
        };
        // A stall is an answer too: the device is there.
        let alive = answered || result == Err(TransferError::Stall);
        if let Phase::Polling { answers, failures, .. } = &mut self.phase {
            *if alive { answers } else { failures } += 1;
        }
        if !self.attached {
            return;
        }
        self.job_read(now, index, answered);
        let wire = self.store.reports.get(index).map(|report| report.wire);
        if wire.is_none_or(|wire| wire.when != When::Line) {
            return;
        }
        if !answered {
            return self.line_failed(now);
        }
        self.line_failures = 0;
        self.line_failed_at = None;
        let last = !self.store.reports.iter().skip(index + 1).any(|report| report.wire.when == When::Line);
        if last {
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
        if let Some(look) = &mut self.look
            && look.cursor == index + 1
        {
            look.cursor = index;
        }
    }

    /// All line-state reports are fresh; `looked`: they were read because of a hint.
    fn line_read(&mut self, now: Instant, looked: bool) {
        let line = self.view().line();
        let on_battery = line.on_battery();
        let confirmed = self.look.is_some_and(|look| Some(look.claim) == on_battery);
        if confirmed {
            self.look = None;
        } else if looked {
            self.look = self.look.and_then(|look| {
                let pause = LOOK_PAUSES.get(look.tries)?;
                self.look_not_before = now + *pause;
                Some(Look { cursor: 0, tries: look.tries + 1, ..look })
            });
            if on_battery.is_none() {
                // It takes the other reports to tell.
                self.poll_no_sooner_than(now, SOON);
            }
        }
        if on_battery.is_some() && on_battery != self.believed_line() {
            // Without an alert the reading at the poll's end says it, once: two readings are two reads.
            if confirmed {
                self.emit_alert(now, line);
            }
            self.read_all_at = None;
            self.next_poll = now;
        }
    }

    /// The line state could not be read: soon again, and after a few times the UPS is lost.
    fn line_failed(&mut self, now: Instant) {
        self.look = None;
        self.line_failures += 1;
        let since = *self.line_failed_at.get_or_insert(now);
        if self.line_failures >= LOST_AFTER || now.saturating_duration_since(since) >= LOST_AFTER_TIME {
            self.give_up(format!("{} does not say its line state any more", self.name()), true);
            return;
        }
        self.phase = Phase::Idle;
        self.next_poll = now + SOON;
    }

    /// Sends a reading whose line state is new, alerted and confirmed; the rest is as last known.
    pub(super) fn emit_alert(&mut self, now: Instant, line: Line) {
        let Some(last) = &mut self.last else { return };
        last.at = now;
        last.evidence = Evidence::AlertAndRead;
        set_line(&mut last.status, line);
        self.line_agreed = SETTLED;
        self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(last.clone()))));
    }

    pub(super) fn finish_poll(&mut self, now: Instant) {
        let poll = std::mem::replace(&mut self.phase, Phase::Idle);
        if let Phase::Polling { answers: 0, failures: 1.., .. } = poll {
            return self.line_failed(now);
        }
        let view = self.view();
        let (mut line, flags, values) = (view.line(), view.flags(), view.values());
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) < SLOW) {
            // One pushed report alone: the line state stays as believed for a while.
            line = match self.believed_line() {
                Some(true) => Line::Battery,
                Some(false) => Line::Mains,
                None => line,
            };
        }
        let same = line.on_battery().is_some() && line.on_battery() == self.believed_line();
        self.line_agreed = if same { self.line_agreed.saturating_add(1) } else { 1 };
        if line == Line::Blank {
            self.belief.ignore("a status report without a single bit set".into());
        }
        // A blank report says nothing about alarms either.
        let flags = if line == Line::Blank {
            self.last.as_ref().map_or(StatusFlags::BATTPRESENT, |last| last.status)
        } else {
            self.belief.flags(flags)
        };
        let values = self.belief.values(values, flags);
        let mut status = flags;
        set_line(&mut status, line);
        let reading = Reading { at: now, status, evidence: Evidence::Poll, values };
        self.last = Some(reading.clone());
        self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(reading))));
        if let Some(text) = self.belief.log_line(now) {
            self.log(Priority::Warning, text);
        }
        let unclear = self.belief.is_waiting() || matches!(line, Line::Blank | Line::Contradiction);
        let pause = if unclear { self.interval().min(SOON) } else { self.interval() };
        self.next_poll = self.polled_at.unwrap_or(now) + pause;
        if unclear {
            self.read_all_at = None;
        }
        if std::mem::take(&mut self.poll_command) {
            self.answer(Command::Poll, Ok("read anew".into()));
        }
    }

    fn answer(&mut self, command: Command, outcome: Result<String, String>) {
        let result = CommandResult { command, outcome };
        self.told.push_back(Told::Event(LinkEvent::Command(result)));
    }

    /// The report of a `Read` order came.
    fn job_read(&mut self, now: Instant, index: usize, answered: bool) {
        let values = self.view().values();
        let Some(Job::Read { command, index: wanted, not_before, ready_at, known }) = self.jobs.front_mut()
        else {
            return;
        };
        if *wanted != index || now < *not_before {
            return;
        }
        // A self test may be a left-over that the cause of an outage replaces in a moment, and the other way round.
        let is_news = values.transfer_cause != *known
            && !matches!(values.transfer_cause, None | Some(TransferCause::None | TransferCause::SelfTest));
        if now < *ready_at && !(answered && is_news) {
            *not_before = *ready_at;
            return;
        }
        let command = *command;
        self.jobs.pop_front();
        if !answered {
            return self.answer(command, Err("the report could not be read".into()));
        }
        let text = match command {
            Command::ReadTransferCause => values.transfer_cause.map(|cause| cause.text().to_owned()),
            _ => values.self_test.map(|result| result.log_text().to_owned()),
        };
        if let Some(last) = self.last.as_mut().filter(|_| self.line_agreed >= SETTLED) {
            last.at = now;
            last.evidence = Evidence::Poll;
            last.values.transfer_cause = values.transfer_cause;
            last.values.self_test = values.self_test;
            self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(last.clone()))));
        } else {
            // A reading without a new read of the line state would count as its confirmation.
            self.next_poll = now;
        }
        self.answer(command, text.ok_or_else(|| "the UPS does not say".into()));
    }

    pub(super) fn order_step(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some(Job::Write(order)) = self.jobs.front_mut() else { return };
        let Some(outcome) = order.ended(result) else { return };
        let command = order.command;
        self.jobs.pop_front();
        // RS 1000G repeats the last SET_REPORT at every re-enumeration until something was read (usb-hid §12). The read
        // comes before the answer, and before the caller may exit.
        self.jobs.push_front(Job::Harmless { command, outcome });
        self.next_poll = now;
        self.read_all_at = None;
        if self.store.reports.is_empty() {
            self.order_ended();
        }
    }

    pub(super) fn order_ended(&mut self) {
        if let Some(Job::Harmless { command, outcome }) = self.jobs.pop_front() {
            self.answer(command, outcome);
        }
    }
}

fn set_line(status: &mut StatusFlags, line: Line) {
    let on_battery = line.on_battery();
    status.set(StatusFlags::ONLINE, on_battery == Some(false));
    status.set(StatusFlags::ONBATT, on_battery == Some(true));
}
