//! One open device: learn what it has, then poll it, follow its hints, and carry out orders.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::belief::Belief;
use super::decode::{Line, View};
use super::device::DeviceInfo;
use super::layout::Layout;
use super::orders::{Ask, Order};
use super::quirks::Quirks;
use super::request;
use super::store::Store;
use super::strings::{self, Wish};
use super::table::{Key, When};
use super::transfer::{TransferError, Transmit};
use crate::link::LinkEvent;
use crate::ups::{
    Command, CommandResult, Evidence, Identity, Pace, Priority, Reading, StatusFlags, TransferCause,
};
use crate::wire::hid::{DescriptorError, Field, ReportDescriptor, ReportKind, is_power_device};

/// Time between two polls at fast pace, and until something unclear is read again.
const SOON: Duration = Duration::from_secs(1);
/// At fast pace the values that move slowly are read as often as this; a hint about an alarm brings a poll no sooner.
const SLOW: Duration = Duration::from_secs(5);
/// Longest time between two looks at the line state of a UPS that has not told it by itself so far: with the look that
/// confirms it, an outage is announced within 3 s.
const UNTOLD: Duration = Duration::from_millis(1500);
/// A hint about a value brings a poll no sooner.
const VALUE_HINT: Duration = Duration::from_secs(20);
/// Pauses between looks while the reads do not confirm the hint: the feature report may lag behind, but noise must not
/// flood the device.
const LOOK_PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(250), Duration::from_millis(600)];
/// The transfer cause and the test result are ready so long after the change (usb-hid §11).
const CAUSE_DELAY: Duration = Duration::from_millis(40);
/// Pause before a damaged descriptor is read again.
const REREAD_PAUSE: Duration = Duration::from_millis(250);
/// Reads of the descriptor before the best one is taken.
const DESCRIPTOR_TRIES: u8 = 4;
/// The line state unreadable so many times in a row, or for so long, is a lost UPS.
const LOST_AFTER: u32 = 3;
const LOST_AFTER_TIME: Duration = Duration::from_secs(5);
/// Reads that agree: the line state is not in question.
const SETTLED: u32 = 2;
/// Transfers in a row that time out: the device hangs.
const HANGS_AFTER: u32 = 3;
/// Orders that wait at the same time.
const MAX_ORDERS: usize = 8;
/// A device that does not answer with its line state has so long to send it by itself.
const WAIT_FOR_INPUT: Duration = Duration::from_secs(15);

/// Parses a device's report descriptor and mends what its model gets wrong.
///
/// # Errors
///
/// If the descriptor cannot be parsed.
pub fn describe(info: &DeviceInfo) -> Result<ReportDescriptor, DescriptorError> {
    let mut descriptor = ReportDescriptor::parse(&info.report_descriptor)?;
    Quirks::of(info).mend(&mut descriptor);
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
    Polling {
        cursor: usize,
        deepest: When,
        answers: u32,
        failures: u32,
    },
}

/// A look at the line state that a hint asked for.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// What the hint said: on battery?
    claim: bool,
    cursor: usize,
    tries: usize,
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
    told: VecDeque<Told>,
    phase: Phase,
    asked: Option<Asked>,
    attached: bool,
    pace: Pace,
    poll_time: Duration,
    /// The UPS has told its line state by itself: it will tell of a change, too.
    tells_line: bool,
    next_poll: Instant,
    polled_at: Option<Instant>,
    read_all_at: Option<Instant>,
    poll_command: bool,
    look: Option<Look>,
    look_not_before: Instant,
    jobs: VecDeque<Job>,
    last: Option<Reading>,
    /// Reads in a row that told the same line state; an alert that was confirmed counts as [`SETTLED`].
    line_agreed: u32,
    /// A pushed report showed another line state and no second one has followed.
    pushed_at: Option<Instant>,
    line_failures: u32,
    line_failed_at: Option<Instant>,
    timeouts: u32,
}

impl Session {
    pub(super) fn new(info: DeviceInfo, pace: Pace, poll_time: Duration, now: Instant) -> Self {
        let mut session = Self {
            quirks: Quirks::of(&info),
            info,
            descriptor: ReportDescriptor::default(),
            layout: Layout::default(),
            store: Store::default(),
            strings: strings::Strings::default(),
            belief: Belief::default(),
            told: VecDeque::new(),
            phase: Phase::Descriptor { tries: 0, not_before: now },
            asked: None,
            attached: false,
            pace,
            poll_time,
            tells_line: false,
            next_poll: now,
            polled_at: None,
            read_all_at: None,
            poll_command: false,
            look: None,
            look_not_before: now,
            jobs: VecDeque::new(),
            last: None,
            line_agreed: 0,
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
            Told::GiveUp { .. } => None,
        });
        let orders = self.jobs.into_iter().map(|job| {
            let (command, outcome) = match job {
                Job::Write(order) => (order.command, Err(order.interrupted(reason))),
                Job::Read { command, .. } => (command, Err(reason.to_owned())),
                Job::Harmless { command, outcome } => (command, outcome),
            };
            LinkEvent::Command(CommandResult { command, outcome })
        });
        let poll = self.poll_command.then(|| {
            LinkEvent::Command(CommandResult { command: Command::Poll, outcome: Err(reason.to_owned()) })
        });
        told.chain(orders).chain(poll).collect()
    }

    pub(super) fn set_pace(&mut self, pace: Pace, poll_time: Duration, now: Instant) {
        (self.pace, self.poll_time) = (pace, poll_time);
        let due = self.polled_at.map_or(now, |at| at + self.interval());
        // What waits for its second read does not wait longer.
        let sooner = pace == Pace::Fast || self.belief.is_waiting() || self.poll_command;
        self.next_poll = if sooner { self.next_poll.min(due) } else { due };
    }

    /// Time between two polls.
    fn interval(&self) -> Duration {
        match self.pace {
            Pace::Fast => SOON,
            Pace::Normal if self.tells_line => self.poll_time.max(SOON),
            Pace::Normal => self.poll_time.clamp(SOON, UNTOLD),
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
            Phase::Idle => self.next_poll,
        };
        let look = self.look.map(|_| self.look_not_before);
        let job = match self.jobs.front() {
            Some(Job::Read { not_before, .. }) => Some(*not_before),
            Some(Job::Write(_) | Job::Harmless { .. }) => return None,
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
                Phase::Idle if now < self.next_poll => return None,
                Phase::Idle => {
                    let rest = if self.pace == Pace::Fast { SLOW } else { self.poll_time.max(SLOW) };
                    let all = self.read_all_at.is_none_or(|at| now.saturating_duration_since(at) >= rest);
                    let deepest = if all { When::Volatile } else { When::Urgent };
                    self.phase = Phase::Polling { cursor: 0, deepest, answers: 0, failures: 0 };
                    self.polled_at = Some(now);
                    if all {
                        self.read_all_at = Some(now);
                    }
                }
                Phase::Polling { cursor, deepest, .. } => {
                    let (index, deepest) = (*cursor, *deepest);
                    *cursor += 1;
                    if index >= self.store.reports.len() {
                        self.finish_poll(now);
                    } else if self.store.is_due(index, deepest) {
                        return self.request_report(index, false);
                    }
                }
            }
        }
    }

    fn next_look(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        let mut look = self.look.filter(|_| now >= self.look_not_before)?;
        let is_line =
            |index: usize| self.store.reports.get(index).is_some_and(|report| report.wire.when == When::Line);
        while look.cursor < self.store.reports.len() && !is_line(look.cursor) {
            look.cursor += 1;
        }
        if look.cursor >= self.store.reports.len() {
            self.look = None;
            return None;
        }
        let index = look.cursor;
        look.cursor += 1;
        self.look = Some(look);
        self.request_report(index, true)
    }

    fn next_job(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        let interface = self.info.interface;
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

    /// An interrupt report: a hint. Unknown ids and cut reports are ignored (usb-hid §10).
    pub(super) fn handle_interrupt(&mut self, now: Instant, report: &[u8]) {
        let id = if self.layout.numbered { report.first().copied().unwrap_or_default() } else { 0 };
        let Some(wire) = self.layout.input_wire(&self.descriptor, id) else { return };
        if report.len() < usize::from(wire.len) {
            return;
        }
        let same = self.store.push(wire, report);
        if let Phase::Listening { .. } = self.phase
            && self.view().line().on_battery().is_some()
        {
            self.phase = Phase::Strings;
        }
        if !self.attached {
            return;
        }
        // APC units answer feature reads; only elsewhere may pushed reports stand in for them.
        if !self.is_apc() {
            self.store.weigh_inputs(&self.layout);
        }
        let hint = self.view().hint(report, id);
        if hint.on_battery.is_some() && !std::mem::replace(&mut self.tells_line, true) {
            self.set_pace(self.pace, self.poll_time, now);
        }
        if self.store.counts_pushed(&self.layout, id) {
            return self.pushed_counts(now, same);
        }
        match hint.on_battery {
            Some(claim) if Some(claim) != self.believed_line() => match &mut self.look {
                Some(look) if look.claim == claim => {}
                look => *look = Some(Look { claim, cursor: 0, tries: 0 }),
            },
            // It says what is believed: an older hint is over.
            Some(_) => self.look = None,
            None => {}
        }
        if hint.alarm {
            self.poll_no_sooner_than(now, SLOW);
        } else if hint.changed {
            self.poll_no_sooner_than(now, VALUE_HINT);
        }
    }

    /// There is no feature report to ask: a second report that says the same is the confirmation.
    fn pushed_counts(&mut self, now: Instant, same: bool) {
        let line = self.view().line();
        if line.on_battery().is_some() && line.on_battery() != self.believed_line() {
            if same {
                self.emit_alert(now, line);
            } else {
                self.pushed_at.get_or_insert(now);
            }
            self.poll_no_sooner_than(now, if same { Duration::ZERO } else { SOON });
        }
        if line.on_battery() == self.believed_line() {
            self.pushed_at = None;
        }
    }

    fn poll_no_sooner_than(&mut self, now: Instant, least: Duration) {
        let due = self.polled_at.map_or(now, |at| at + least).max(now);
        self.next_poll = self.next_poll.min(due);
    }

    fn believed_line(&self) -> Option<bool> {
        let status = self.last.as_ref()?.status;
        match (status.contains(StatusFlags::ONLINE), status.contains(StatusFlags::ONBATT)) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            _ => None,
        }
    }
}

mod steps;
