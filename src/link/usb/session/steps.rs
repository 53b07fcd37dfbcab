//! What each answer leads to.

use super::*;
use crate::link::usb::store::Report;

impl Session {
    pub(super) fn view(&self) -> View<'_> {
        View { layout: &self.layout, store: &self.store, quirks: self.quirks, meaning: &self.meaning }
    }

    pub(in super::super) fn name(&self) -> String {
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
        let known = self.view().values().transfer_cause;
        let beside = self.mains_report().filter(|_| command == Command::ReadTransferCause);
        Ok(Job::Read {
            command,
            index,
            not_before,
            ready_at,
            known,
            beside: beside.map(|index| (index, false)),
        })
    }

    /// The report that says whether mains is there, if it is not one of those that tell the line state.
    fn mains_report(&self) -> Option<usize> {
        let field = self.layout.slot(Key::AcPresent).feature?;
        let is_it = |report: &Report| (report.wire.kind, report.wire.id) == (field.kind, field.report_id);
        let index = self.store.reports.iter().position(is_it)?;
        self.store.reports.get(index).is_some_and(|report| report.wire.when != When::Line).then_some(index)
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
            // Whole, and of a keyboard or a serial bridge: never asked for a report.
            let ups = describe(&self.info).is_ok_and(|descriptor| is_power_device(&descriptor));
            if !ups && !self.info.report_descriptor.is_empty() && !looks_damaged(&self.info) {
                let reason = format!("{} is no UPS by its report descriptor: left alone", self.name());
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
        if describe(&self.info).is_ok_and(|descriptor| is_power_device(&descriptor)) {
            let text =
                format!("{}: the report descriptor is damaged, going on with what it has", self.name());
            self.log(Priority::Warning, text);
            self.learn();
        } else {
            // Only what is a UPS for certain is reset.
            self.give_up(format!("{} has no report descriptor of a UPS", self.name()), is_known(&self.info));
        }
    }

    pub(super) fn learn(&mut self) {
        self.descriptor = describe(&self.info).unwrap_or_default();
        self.quirks = Quirks::of(&self.info).with(&self.descriptor);
        // APC's first copy is the one that apcupsd has always believed.
        self.layout = Layout::new(&self.descriptor, self.quirks, !self.is_apc());
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
        if self.pass_over_unsuitable() {
            self.phase = Phase::Learning { cursor: cursor - 1, inputs_added: true };
            return;
        }
        self.store.settle(&self.layout);
        self.learn_meaning();
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

    /// Where the first place of a value does not answer, or says what cannot be, the next one is taken. `true`: there is something
    /// more to read.
    fn pass_over_unsuitable(&mut self) -> bool {
        loop {
            let unsuitable: Vec<Key> = self.view().unsuitable().collect();
            let before = self.store.reports.len();
            let mut passed_over = false;
            for key in unsuitable {
                let Some(wire) = self.layout.pass_over(&self.descriptor, key) else { continue };
                passed_over = true;
                let mut reports = self.store.reports.iter_mut();
                // One that was read for something else may have to be read more often.
                match reports.find(|report| (report.wire.kind, report.wire.id) == (wire.kind, wire.id)) {
                    Some(report) => report.wire.when = report.wire.when.min(wire.when),
                    None => self.store.add_inputs(&[wire]),
                }
            }
            if !passed_over {
                let layout = &self.layout;
                self.store.reports.retain(|report| layout.uses(report.wire));
                return false;
            }
            if self.store.reports.len() > before {
                return true;
            }
            // The next places lie in reports that have been read.
        }
    }

    /// Length of the longest interrupt report, once the descriptor is known.
    pub(in super::super) fn interrupt_len(&self) -> Option<u16> {
        self.descriptor.longest(ReportKind::Input)
    }

    /// What is known of the numbers, to begin the next session with if the device is the same.
    pub(in super::super) fn take_meaning(&mut self) -> Meaning {
        std::mem::take(&mut self.meaning)
    }

    /// Whether this report has copies of status bits one of which raises an alarm.
    pub(super) fn confirms_alarm(&self, index: usize) -> bool {
        self.store.reports.get(index).is_some_and(|report| report.wire.confirms)
            && self.view().alarms_with_copies()
    }

    /// What the numbers mean is learned from each poll. `true`: the next one should come soon.
    fn learn_meaning(&mut self) -> bool {
        let facts = self.view().facts();
        for (priority, text) in self.meaning.note(&facts) {
            self.log(priority, text);
        }
        self.meaning.wants_samples(&facts)
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
            Ok(answer) => self.store.answered(index, answer, now),
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
        let is_line = |report: &Report| report.wire.when == When::Line;
        let line = self.store.reports.get(index).is_some_and(is_line);
        if line {
            if !answered {
                return self.line_failed(now);
            }
            self.line_failures = 0;
            self.line_failed_at = None;
        }
        let glance = matches!(self.phase, Phase::Polling { deepest: When::Line, cursor, .. }
            if !look && cursor == index + 1);
        if look || glance {
            let mut others = index + 1..self.store.reports.len();
            if !others.any(|index| self.view().decides(index)) {
                self.line_read(now, look);
                if glance {
                    self.finish_poll(now);
                }
            }
        } else if line && !self.store.reports.iter().skip(index + 1).any(is_line) {
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
        self.glanced_at = now;
        self.plan_glance();
        let confirmed = self.look.is_some_and(|look| Some(look.claim) == on_battery);
        if looked {
            // Reports without end, each the opposite of the last, must leave room for the polls.
            self.look_not_before = now + super::hints::LOOK_PAUSES[0];
        }
        if confirmed {
            self.look = None;
            self.vain_looks = 0;
            self.told_line();
        } else if looked {
            self.look_again(now);
            if on_battery.is_none() {
                // It takes the other reports to tell.
                self.poll_no_sooner_than(now, SOON);
            }
        }
        if on_battery.is_some() && on_battery != self.believed_line() {
            // Without an alert the reading at the poll's end says it.
            if confirmed {
                let at = self.view().line_read_at(now);
                self.emit_alert(now, line, at);
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
        let view = self.view();
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
        let pause = if unclear { self.interval().min(SOON) } else { self.interval() };
        self.next_poll = self.polled_at.unwrap_or(now) + pause;
        if unclear {
            self.read_all_at = None;
        }
        if self.pushed_at.is_some_and(|at| now.saturating_duration_since(at) >= SLOW) {
            // It has stood, and counts.
            self.pushed_at = None;
        }
        if let Some(at) = self.pushed_at {
            // What one report said counts when it has stood for a while.
            self.next_poll = self.next_poll.min((at + SLOW).max(now + SOON));
        }
        self.plan_glance();
        if matches!(poll, Phase::Polling { deepest: When::Volatile, .. }) {
            self.test_hinted = false;
        }
        if std::mem::take(&mut self.poll_command) {
            self.answer(Command::Poll, Ok("read anew".into()));
        }
    }

    fn answer(&mut self, command: Command, outcome: Result<String, String>) {
        let result = CommandResult::new(command, outcome);
        self.told.push_back(Told::Event(LinkEvent::Command(result)));
    }

    /// The report of a `Read` order came.
    fn job_read(&mut self, now: Instant, index: usize, answered: bool) {
        let values = self.view().values();
        let Some(Job::Read { command, index: wanted, not_before, ready_at, known, beside }) =
            self.jobs.front_mut()
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
            *beside = beside.map(|(index, _)| (index, true));
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
        let (read, mains) = (self.view().times(now), self.view().mains(now).map(|(there, _)| there));
        if let Some(last) = &mut self.last {
            last.at = now;
            last.evidence = Evidence::Poll;
            last.values.transfer_cause = values.transfer_cause;
            last.values.self_test = values.self_test;
            // What agrees with the cause or not, as far as this poll has come.
            last.values.line_voltage = values.line_voltage;
            last.mains = mains;
            for item in [Item::TransferCause, Item::SelfTest, Item::LineVoltage, Item::Mains] {
                last.read.set(item, read.of(item));
            }
            self.told.push_back(Told::Event(LinkEvent::Reading(Box::new(last.clone()))));
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

pub(super) fn set_line(status: &mut StatusFlags, line: Line) {
    let on_battery = line.on_battery();
    status.set(StatusFlags::ONLINE, on_battery == Some(false));
    status.set(StatusFlags::ONBATT, on_battery == Some(true));
}
