//! Commands on their way: orders are written, what is asked for is read.

use super::*;

/// The transfer cause and the test result are ready so long after the change (usb-hid §11).
const CAUSE_DELAY: Duration = Duration::from_millis(40);

/// An order in the queue.
#[derive(Debug)]
pub(super) enum Job {
    Write(Box<Order>),
    Read {
        command: Command,
        index: usize,
        not_before: Instant,
        /// From here on what is read counts, whatever it is.
        ready_at: Instant,
        /// The transfer cause that was known before; another one counts at once.
        known: Option<TransferCause>,
        /// The report that says whether mains is there, to be read in the time until then: `true`, now.
        beside: Option<(usize, bool)>,
    },
    /// The order has ended so; one read comes before its answer: of what was written, if that is shown.
    FlushRead {
        index: Option<usize>,
        command: Command,
        outcome: Result<String, String>,
    },
}

impl Job {
    pub(super) fn read(
        command: Command,
        key: Key,
        device: &OpenDevice,
        now: Instant,
    ) -> Result<Self, String> {
        let index = device.report_of(key).ok_or("the UPS does not report this")?;
        let ready_at = now + CAUSE_DELAY;
        // Most units know the cause by the time they tell of the transfer: a look at once saves the hook the delay.
        let not_before = if command == Command::ReadTransferCause { now } else { ready_at };
        let known = device.view().values().transfer_cause;
        let beside = device.mains_report().filter(|_| command == Command::ReadTransferCause);
        Ok(Self::Read {
            command,
            index,
            not_before,
            ready_at,
            known,
            beside: beside.map(|index| (index, false)),
        })
    }

    /// When it goes on; `None`: as soon as the spacing allows.
    pub(super) fn not_before(&self) -> Option<Instant> {
        match self {
            Self::Read { beside: Some((_, true)), .. } | Self::FlushRead { .. } => None,
            Self::Write(order) => order.not_before(),
            Self::Read { not_before, .. } => Some(*not_before),
        }
    }

    /// What it transfers next.
    pub(super) fn next(&mut self, device: &OpenDevice, now: Instant) -> Option<(Asked, Transmit)> {
        let interface = device.info.interface;
        match self {
            Self::Read { index, not_before, beside, .. } => match beside.take_if(|(_, now)| *now) {
                Some((beside, _)) => device.request_report(beside, false),
                None if now < *not_before => None,
                None => device.request_report(*index, false),
            },
            Self::FlushRead { index, .. } => {
                let (_, transmit) = device.request_report(index.unwrap_or(0), false)?;
                Some((Asked::FlushRead, transmit))
            }
            Self::Write(order) => {
                let transmit = match order.ask(now)? {
                    Ask::Read { id, len } => request::get_report(interface, ReportKind::Feature, id, len),
                    Ask::Write { id, data } => request::set_feature(interface, id, &data),
                };
                Some((Asked::Order, transmit))
            }
        }
    }

    /// Its result when the session ends.
    pub(super) fn end(self, reason: &str) -> LinkEvent {
        let (command, outcome) = match self {
            Self::Write(order) => (order.command, Err(order.interrupted(reason))),
            Self::Read { command, .. } => (command, Err(reason.to_owned())),
            Self::FlushRead { command, outcome, .. } => (command, outcome),
        };
        LinkEvent::Command(CommandResult::new(command, outcome))
    }
}

impl Watch {
    /// The report of a `Read` order came.
    pub(super) fn job_read(&mut self, now: Instant, index: usize, answered: bool) {
        let values = self.device.view().values();
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
            return self.device.answer(command, Err("the report could not be read".into()));
        }
        let text = match command {
            Command::ReadTransferCause => values.transfer_cause.map(|cause| cause.text().to_owned()),
            _ => values.self_test.map(|result| result.log_text().to_owned()),
        };
        let (read, mains) =
            (self.device.view().times(now), self.device.view().mains(now).map(|(there, _)| there));
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
            self.device.tell(LinkEvent::Reading(Box::new(last.clone())));
        }
        self.device.answer(command, text.ok_or_else(|| "the UPS does not say".into()));
    }

    /// An order that waits for what the UPS keeps lets the others go first.
    pub(super) fn give_way(&mut self) {
        if self.jobs.len() > 1
            && matches!(self.jobs.front(), Some(Job::Write(order)) if order.not_before().is_some())
        {
            self.jobs.rotate_left(1);
        }
    }

    pub(super) fn order_step(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some(Job::Write(order)) = self.jobs.front_mut() else { return };
        let Some(outcome) = order.ended(result, now) else { return };
        let command = order.command;
        self.jobs.pop_front();
        // RS 1000G repeats the last SET_REPORT at every re-enumeration until something was read (usb-hid §12). The read
        // comes before the answer, and before the caller may exit.
        let key = match command {
            // What was not taken may have become something else.
            Command::Set(setting, _) => settings::key_of(setting),
            _ => None,
        };
        let index = key.and_then(|key| self.device.report_of(key));
        self.jobs.push_front(Job::FlushRead { index, command, outcome });
        self.schedule.read_all_by(now);
        if self.device.store.reports.is_empty() {
            self.order_ended(now, Err(TransferError::Other));
        }
    }

    pub(super) fn order_ended(&mut self, now: Instant, read: Result<&[u8], TransferError>) {
        if let Some(Job::FlushRead { index, command, outcome }) = self.jobs.pop_front() {
            if let (Some(index), Ok(answer)) = (index, read) {
                self.device.store.answered(index, answer, now);
                self.tell_settings();
            }
            self.device.answer(command, outcome);
        }
    }

    /// The UPS is told of again, with its settings as they are now.
    fn tell_settings(&mut self) {
        let now = self.device.identity();
        let known = &mut self.identity;
        (known.low_transfer, known.high_transfer) = (now.low_transfer, now.high_transfer);
        (known.sensitivity, known.self_test_interval) = (now.sensitivity, now.self_test_interval);
        (known.battery_date, known.return_charge) = (now.battery_date, now.return_charge);
        (known.nominal_output_voltage, known.permitted) = (now.nominal_output_voltage, now.permitted);
        self.device.tell(LinkEvent::Attached(self.identity.clone()));
    }
}
