//! Watching a UPS that is known: polls, glances, looks and commands.

use super::*;

/// Orders that wait at the same time.
const MAX_ORDERS: usize = 8;

/// A poll under way. With `deepest` [`When::Line`]: a glance at what tells the line state, and at nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Poll {
    pub(super) cursor: usize,
    pub(super) deepest: When,
    pub(super) answers: u32,
    pub(super) failures: u32,
}

/// Reads of the line state that failed in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unreadable {
    pub(super) times: u32,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) device: OpenDevice,
    /// As it has been told.
    pub(super) identity: Box<Identity>,
    pub(super) schedule: Schedule,
    pub(super) poll: Option<Poll>,
    pub(super) looks: Looks,
    pub(super) jobs: VecDeque<Job>,
    pub(super) last: Option<Reading>,
    /// A pushed report showed another line state and no second one has followed.
    pub(super) pushed_at: Option<Instant>,
    pub(super) unreadable: Option<Unreadable>,
}

impl Watch {
    /// Of a device all of which has just been read; tells the first reading.
    pub(super) fn new(
        device: OpenDevice,
        identity: Box<Identity>,
        mut schedule: Schedule,
        now: Instant,
    ) -> Self {
        schedule.learned(now);
        let mut watch = Self {
            device,
            identity,
            schedule,
            poll: None,
            looks: Looks::new(now),
            jobs: VecDeque::new(),
            last: None,
            pushed_at: None,
            unreadable: None,
        };
        watch.finish_poll(now);
        watch
    }

    /// An answer to each command, when the session ends.
    pub(super) fn end(self, reason: &str, told: &mut Vec<LinkEvent>) {
        for job in self.jobs {
            told.push(job.end(reason));
        }
        for _ in 0..self.schedule.commanded {
            told.push(LinkEvent::Command(CommandResult::new(Command::Poll, Err(reason.to_owned()))));
        }
    }

    pub(super) fn set_poll_rate(&mut self, poll_rate: PollRate, poll_time: Duration, now: Instant) {
        self.schedule.set_poll_rate(poll_rate, poll_time, now);
        self.plan_glance();
    }

    pub(super) fn command(&mut self, command: Command, now: Instant) -> Result<(), String> {
        if self.jobs.len().max(self.schedule.commanded) >= MAX_ORDERS {
            return Err("too many orders wait for the UPS".into());
        }
        let job = match command {
            Command::Poll => {
                self.schedule.commanded += 1;
                self.schedule.read_all_by(now);
                return Ok(());
            }
            Command::ReadTransferCause => Job::read(command, Key::LineFailCause, &self.device, now)?,
            Command::ReadSelfTest => Job::read(command, Key::Test, &self.device, now)?,
            _ => {
                let descriptor = &self.device.descriptor;
                let len =
                    |field: &Field| descriptor.report_len(field.kind, field.report_id).unwrap_or_default();
                Job::Write(Box::new(Order::new(command, self.device.view(), len)?))
            }
        };
        self.jobs.push_back(job);
        self.give_way();
        Ok(())
    }

    /// When there is something to do next; `None`: as soon as the spacing allows.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.poll.is_some() {
            return None;
        }
        let job = match self.jobs.front() {
            Some(job) => Some(job.not_before()?),
            None => None,
        };
        Some([self.looks.at(), job].into_iter().flatten().fold(self.schedule.at(), Instant::min))
    }

    pub(super) fn next_request(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        if let Some(request) = self.looks.next(&self.device, now) {
            return Some(request);
        }
        if let Some(request) = self.jobs.front_mut().and_then(|job| job.next(&self.device, now)) {
            return Some(request);
        }
        loop {
            let Some(poll) = &mut self.poll else {
                let deepest = self.schedule.begin(now)?;
                self.poll = Some(Poll { cursor: 0, deepest, answers: 0, failures: 0 });
                continue;
            };
            let (index, deepest) = (poll.cursor, poll.deepest);
            poll.cursor += 1;
            if index >= self.device.store.reports.len() {
                self.finish_poll(now);
            } else if deepest == When::Line {
                if self.device.view().decides(index) {
                    return self.device.request_report(index, false);
                }
            } else if self.device.store.is_due(index, deepest)
                || self.reads_test(index, deepest)
                || self.device.confirms_alarm(index)
            {
                let (asked, transmit) = self.device.request_report(index, false)?;
                return Some((asked, request::in_a_row(transmit)));
            }
        }
    }

    pub(super) fn answered(&mut self, now: Instant, asked: Asked, result: Result<&[u8], TransferError>) {
        match asked {
            Asked::Report { index, look } => self.report_read(now, index, look, result),
            Asked::Order => self.order_step(now, result),
            Asked::FlushRead => self.order_ended(now, result),
            Asked::Descriptor | Asked::String(_) => {}
        }
        self.give_way();
    }

    /// How a self test stands is read when the UPS is found and on demand, and in each whole poll while it matters: on battery,
    /// while one is under way, and when an interrupt report hints at it.
    fn reads_test(&self, index: usize, deepest: When) -> bool {
        let schedule = &self.schedule;
        deepest == When::Volatile
            && (schedule.poll_rate == PollRate::Fast
                || schedule.test_hinted
                || self.device.view().tests_itself())
            && self.device.report_of(Key::Test) == Some(index)
    }

    pub(super) fn believed_line(&self) -> Option<bool> {
        let status = self.last.as_ref()?.status;
        match (status.contains(StatusFlags::ONLINE), status.contains(StatusFlags::ONBATT)) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }
}
