//! One open device: learn what it has, then poll it, follow its hints, and carry out orders.

mod glance;
mod hints;
mod steps;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::hints::Look;
use super::belief::Belief;
use super::decode::{Line, View};
use super::device::{is_known, looks_damaged};
use super::layout::Layout;
use super::meaning::Meaning;
use super::orders::{Ask, Order};
use super::quirks::Quirks;
use super::request;
use super::scale;
use super::store::Store;
use super::strings::{self, Wish};
use super::table::{Key, When};
use crate::bus::usb::DeviceInfo;
use crate::bus::usb::{TransferError, Transmit};
use crate::link::LinkEvent;
use crate::ups::{
    Command, CommandResult, Evidence, Identity, Item, Pace, Priority, Reading, StatusFlags, TransferCause,
};
use crate::wire::hid::{DescriptorError, Field, ReportDescriptor, ReportKind, is_power_device};

/// Time between two polls at fast pace, and until something unclear is read again.
const SOON: Duration = Duration::from_secs(1);
/// At fast pace the values that move slowly are read as often as this; a hint about an alarm brings a poll no sooner.
const SLOW: Duration = Duration::from_secs(5);
/// The transfer cause and the test result are ready so long after the change (usb-hid §11).
const CAUSE_DELAY: Duration = Duration::from_millis(40);
/// Pause before a damaged descriptor is read again.
const REREAD_PAUSE: Duration = Duration::from_millis(250);
/// Reads of the descriptor before the best one is taken.
const DESCRIPTOR_TRIES: u8 = 4;
/// The line state unreadable so many times in a row, or for so long, is a lost UPS.
const LOST_AFTER: u32 = 3;
const LOST_AFTER_TIME: Duration = Duration::from_secs(5);
/// Transfers in a row that time out: the device hangs.
const HANGS_AFTER: u32 = 3;
/// Orders that wait at the same time.
const MAX_ORDERS: usize = 8;
/// A device that does not answer with its line state has so long to send it by itself.
const WAIT_FOR_INPUT: Duration = Duration::from_secs(15);

/// Parses a device's report descriptor and mends exponents that cannot be meant.
///
/// # Errors
///
/// If the descriptor cannot be parsed.
pub fn describe(info: &DeviceInfo) -> Result<ReportDescriptor, DescriptorError> {
    let mut descriptor = ReportDescriptor::parse(&info.report_descriptor)?;
    scale::mend(&mut descriptor);
    Ok(descriptor)
}

/// What a session tells the link.
#[derive(Debug)]
pub(super) enum Told {
    Event(LinkEvent),
    /// This handle leads nowhere any more.
    GiveUp {
        reason: String,
        reset: bool,
    },
    /// The descriptor that was read from the device is that of something else.
    NotAUps {
        reason: String,
    },
}

/// What is being transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Descriptor,
    /// `look`: because of a hint.
    Report {
        index: usize,
        look: bool,
    },
    String(Wish),
    Order,
    /// The read after the last write of an order: its answer does not matter.
    Harmless,
}

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
    },
    Strings,
    Idle,
    /// With `deepest` [`When::Line`]: a glance at what tells the line state, and at nothing else.
    Polling {
        cursor: usize,
        deepest: When,
        answers: u32,
        failures: u32,
    },
}

/// An order in the queue.
#[derive(Debug)]
enum Job {
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
    /// The order has ended so; one read comes before its answer.
    Harmless {
        command: Command,
        outcome: Result<String, String>,
    },
}

#[derive(Debug)]
pub(super) struct Session {
    info: DeviceInfo,
    quirks: Quirks,
    descriptor: ReportDescriptor,
    layout: Layout,
    store: Store,
    strings: strings::Strings,
    belief: Belief,
    /// What the numbers of this device mean; may be known from an earlier session.
    meaning: Meaning,
    told: VecDeque<Told>,
    phase: Phase,
    asked: Option<Asked>,
    attached: bool,
    pace: Pace,
    poll_time: Duration,
    /// The UPS has told its line state by itself, and reads said the same: it will tell of a change, too.
    tells_line: bool,
    next_poll: Instant,
    polled_at: Option<Instant>,
    /// The next glance at the line state; `None`: at this pace polls are enough, or nothing that can be read tells it.
    next_glance: Option<Instant>,
    /// The line state was last read, or a read of it begun.
    glanced_at: Instant,
    read_all_at: Option<Instant>,
    poll_command: bool,
    look: Option<Look>,
    look_not_before: Instant,
    /// Looks in a row that did not show what the hint said.
    vain_looks: u8,
    jobs: VecDeque<Job>,
    last: Option<Reading>,
    /// An interrupt report shows another state of the self test than was read.
    test_hinted: bool,
    /// A pushed report showed another line state and no second one has followed.
    pushed_at: Option<Instant>,
    line_failures: u32,
    line_failed_at: Option<Instant>,
    timeouts: u32,
}

impl Session {
    pub(super) fn new(
        info: DeviceInfo,
        meaning: Meaning,
        pace: Pace,
        poll_time: Duration,
        now: Instant,
    ) -> Self {
        let mut session = Self {
            quirks: Quirks::of(&info),
            info,
            descriptor: ReportDescriptor::default(),
            layout: Layout::default(),
            store: Store::default(),
            strings: strings::Strings::default(),
            belief: Belief::default(),
            meaning,
            told: VecDeque::new(),
            phase: Phase::Descriptor { tries: 0, not_before: now },
            asked: None,
            attached: false,
            pace,
            poll_time,
            tells_line: false,
            next_poll: now,
            polled_at: None,
            next_glance: None,
            glanced_at: now,
            read_all_at: None,
            poll_command: false,
            look: None,
            look_not_before: now,
            vain_looks: 0,
            jobs: VecDeque::new(),
            last: None,
            test_hinted: false,
            pushed_at: None,
            line_failures: 0,
            line_failed_at: None,
            timeouts: 0,
        };
        if session.descriptor_is_whole() {
            session.learn();
        }
        session
    }

    pub(super) const fn is_attached(&self) -> bool {
        self.attached
    }

    pub(super) fn poll_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Ends the session: what it still has to tell, and an answer to each order.
    pub(super) fn end(self: Box<Self>, reason: &str) -> Vec<LinkEvent> {
        let told = self.told.into_iter().filter_map(|told| match told {
            Told::Event(event) => Some(event),
            Told::GiveUp { .. } | Told::NotAUps { .. } => None,
        });
        let orders = self.jobs.into_iter().map(|job| {
            let (command, outcome) = match job {
                Job::Write(order) => (order.command, Err(order.interrupted(reason))),
                Job::Read { command, .. } => (command, Err(reason.to_owned())),
                Job::Harmless { command, outcome } => (command, outcome),
            };
            LinkEvent::Command(CommandResult::new(command, outcome))
        });
        let poll = self
            .poll_command
            .then(|| LinkEvent::Command(CommandResult::new(Command::Poll, Err(reason.to_owned()))));
        told.chain(orders).chain(poll).collect()
    }

    pub(super) fn set_pace(&mut self, pace: Pace, poll_time: Duration, now: Instant) {
        (self.pace, self.poll_time) = (pace, poll_time);
        let due = self.polled_at.map_or(now, |at| at + self.interval());
        // What waits for its second read does not wait longer.
        let sooner = pace == Pace::Fast || self.belief.is_waiting() || self.poll_command;
        self.next_poll = if sooner { self.next_poll.min(due) } else { due };
        self.plan_glance();
    }

    /// Time between two polls.
    pub(super) fn interval(&self) -> Duration {
        match self.pace {
            Pace::Fast => SOON,
            Pace::Normal => self.poll_time.max(SOON),
        }
    }

    pub(super) fn command(&mut self, command: Command, now: Instant) -> Result<(), String> {
        if !self.attached {
            return Err("the UPS has not said yet what it is".into());
        }
        if self.jobs.len() >= MAX_ORDERS {
            return Err("too many orders wait for the UPS".into());
        }
        let job = match command {
            Command::Poll => {
                self.poll_command = true;
                self.next_poll = now;
                self.read_all_at = None;
                return Ok(());
            }
            Command::ReadTransferCause => self.read_job(command, Key::LineFailCause, now)?,
            Command::ReadSelfTest => self.read_job(command, Key::Test, now)?,
            _ => {
                let len = |field: &Field| {
                    self.descriptor.report_len(field.kind, field.report_id).unwrap_or_default()
                };
                Job::Write(Box::new(Order::new(command, self.view(), len)?))
            }
        };
        self.jobs.push_back(job);
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Listening { until } = self.phase
            && now >= until
        {
            self.give_up(format!("{} does not say its line state", self.name()), true);
        }
    }

    /// When there is something to do next; `None`: as soon as the spacing allows.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Descriptor { not_before, .. } => not_before,
            Phase::Listening { until } => until,
            Phase::Learning { .. } | Phase::Strings | Phase::Polling { .. } => return None,
            Phase::Idle => self.next_glance.map_or(self.next_poll, |at| at.min(self.next_poll)),
        };
        let look = self.look.map(|_| self.look_not_before);
        let job = match self.jobs.front() {
            Some(Job::Read { beside: Some((_, true)), .. } | Job::Write(_) | Job::Harmless { .. }) => {
                return None;
            }
            Some(Job::Read { not_before, .. }) => Some(*not_before),
            None => None,
        };
        Some([look, job].into_iter().flatten().fold(own, Instant::min))
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let (asked, transmit) = self.next_request(now)?;
        self.asked = Some(asked);
        Some(transmit)
    }

    fn next_request(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        if let Phase::Descriptor { not_before, .. } = self.phase {
            // The length in the HID class descriptor; more than any descriptor if it is not known.
            let length = self.info.announced_descriptor_len.filter(|length| *length != 0).unwrap_or(4096);
            return (now >= not_before)
                .then(|| (Asked::Descriptor, request::get_report_descriptor(self.info.interface, length)));
        }
        if self.attached
            && let Some(request) = self.next_look(now).or_else(|| self.next_job(now))
        {
            return Some(request);
        }
        loop {
            match &mut self.phase {
                Phase::Descriptor { .. } | Phase::Listening { .. } => return None,
                Phase::Strings => {
                    if let Some((wish, index)) = self.strings.next_wish() {
                        return Some((Asked::String(wish), request::get_string(index)));
                    }
                    self.attach(now);
                }
                Phase::Learning { cursor, .. } => {
                    let index = *cursor;
                    *cursor += 1;
                    if index < self.store.reports.len() {
                        return self.request_report(index, false);
                    }
                    self.learned(now);
                }
                Phase::Idle if now < self.next_poll => {
                    if self.next_glance.is_none_or(|at| now < at) {
                        return None;
                    }
                    self.glanced_at = now;
                    self.phase = Phase::Polling { cursor: 0, deepest: When::Line, answers: 0, failures: 0 };
                }
                Phase::Idle => {
                    let rest = if self.pace == Pace::Fast { SLOW } else { self.poll_time.max(SLOW) };
                    let all = self.read_all_at.is_none_or(|at| now.saturating_duration_since(at) >= rest);
                    let deepest = if all { When::Volatile } else { When::Urgent };
                    self.phase = Phase::Polling { cursor: 0, deepest, answers: 0, failures: 0 };
                    self.polled_at = Some(now);
                    self.glanced_at = now;
                    if all {
                        self.read_all_at = Some(now);
                    }
                }
                Phase::Polling { cursor, deepest, .. } => {
                    let (index, deepest) = (*cursor, *deepest);
                    *cursor += 1;
                    if index >= self.store.reports.len() {
                        self.finish_poll(now);
                    } else if deepest == When::Line {
                        if self.view().decides(index) {
                            return self.request_report(index, false);
                        }
                    } else if self.store.is_due(index, deepest)
                        || self.reads_test(index, deepest)
                        || self.confirms_alarm(index)
                    {
                        let request = self.request_report(index, false);
                        return request.map(|(asked, transmit)| (asked, request::in_a_row(transmit)));
                    }
                }
            }
        }
    }

    /// How a self test stands is read when the UPS is found and on demand, and in each whole poll while it matters: on battery,
    /// while one is under way, and when an interrupt report hints at it.
    fn reads_test(&self, index: usize, deepest: When) -> bool {
        let wanted = self.pace == Pace::Fast || self.test_hinted || self.view().tests_itself();
        let slot = self.layout.slot(Key::Test);
        let field = slot.feature.or(slot.input).filter(|_| wanted && deepest == When::Volatile);
        let report = self.store.reports.get(index);
        report.zip(field).is_some_and(|(report, field)| {
            (report.wire.kind, report.wire.id) == (field.kind, field.report_id)
        })
    }

    fn next_job(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        let interface = self.info.interface;
        if let Some(Job::Read { beside, .. }) = self.jobs.front_mut()
            && let Some((index, _)) = beside.take_if(|(_, now)| *now)
        {
            return self.request_report(index, false);
        }
        match self.jobs.front()? {
            Job::Read { not_before, .. } if now < *not_before => None,
            Job::Read { index, .. } => self.request_report(*index, false),
            Job::Harmless { .. } => {
                let (_, transmit) = self.request_report(0, false)?;
                Some((Asked::Harmless, transmit))
            }
            Job::Write(order) => {
                let transmit = match order.ask()? {
                    Ask::Read { id, len } => request::get_report(interface, ReportKind::Feature, id, len),
                    Ask::Write { id, data } => request::set_feature(interface, id, &data),
                };
                Some((Asked::Order, transmit))
            }
        }
    }

    fn request_report(&self, index: usize, look: bool) -> Option<(Asked, Transmit)> {
        let report = self.store.reports.get(index)?;
        let transmit =
            request::get_report(self.info.interface, report.wire.kind, report.wire.id, report.request_len());
        Some((Asked::Report { index, look }, transmit))
    }

    pub(super) fn handle_control(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some(asked) = self.asked.take() else { return };
        match result {
            Err(TransferError::NoDevice) => {
                return self.give_up(format!("{} is gone", self.name()), false);
            }
            Err(TransferError::Timeout) => self.timeouts += 1,
            _ => self.timeouts = 0,
        }
        match asked {
            Asked::Descriptor => self.descriptor_read(now, result),
            Asked::String(wish) => self.strings.answered(wish, result.ok().and_then(request::string_of)),
            Asked::Report { index, look } => self.report_read(now, index, look, result),
            Asked::Order => self.order_step(now, result),
            Asked::Harmless => self.order_ended(),
        }
        if self.timeouts >= HANGS_AFTER {
            self.give_up(format!("{} does not answer", self.name()), true);
        }
    }

    pub(super) fn poll_no_sooner_than(&mut self, now: Instant, least: Duration) {
        let due = self.polled_at.map_or(now, |at| at + least).max(now);
        self.next_poll = self.next_poll.min(due);
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
