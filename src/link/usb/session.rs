//! One open device: learn what it has, then poll it, follow its hints, and carry out orders.

mod glance;
mod hints;
mod jobs;
mod open_device;
mod schedule;
mod steps;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::hints::Looks;
use self::jobs::Job;
use self::open_device::OpenDevice;
use self::schedule::Schedule;
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
use super::strings::{Strings, Wish};
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
        strings: Strings,
    },
    Strings(Strings),
    /// The UPS is known, from here on.
    Idle,
    /// With `deepest` [`When::Line`]: a glance at what tells the line state, and at nothing else.
    Polling {
        cursor: usize,
        deepest: When,
        answers: u32,
        failures: u32,
    },
}

/// Reads of the line state that failed in a row.
#[derive(Clone, Copy, Debug)]
struct Unreadable {
    times: u32,
    since: Instant,
}

#[derive(Debug)]
pub(super) struct Session {
    device: OpenDevice,
    told: VecDeque<Told>,
    phase: Phase,
    asked: Option<Asked>,
    /// Transfers in a row that timed out.
    timeouts: u32,
    schedule: Schedule,
    looks: Looks,
    jobs: VecDeque<Job>,
    belief: Belief,
    last: Option<Reading>,
    /// A pushed report showed another line state and no second one has followed.
    pushed_at: Option<Instant>,
    unreadable: Option<Unreadable>,
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
            device: OpenDevice::new(info, meaning),
            told: VecDeque::new(),
            phase: Phase::Descriptor { tries: 0, not_before: now },
            asked: None,
            timeouts: 0,
            schedule: Schedule::new(pace, poll_time, now),
            looks: Looks::new(now),
            jobs: VecDeque::new(),
            belief: Belief::default(),
            last: None,
            pushed_at: None,
            unreadable: None,
        };
        if session.device.descriptor_is_whole() {
            session.learn();
        }
        session
    }

    pub(super) const fn is_attached(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Polling { .. })
    }

    pub(super) fn name(&self) -> String {
        self.device.name()
    }

    /// Length of the longest interrupt report, once the descriptor is known.
    pub(super) fn interrupt_len(&self) -> Option<u16> {
        self.device.descriptor.longest(ReportKind::Input)
    }

    /// What is known of the numbers, to begin the next session with if the device is the same.
    pub(super) fn take_meaning(&mut self) -> Meaning {
        std::mem::take(&mut self.device.meaning)
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
        let orders = self.jobs.into_iter().map(|job| job.end(reason));
        let poll = self
            .schedule
            .commanded
            .then(|| LinkEvent::Command(CommandResult::new(Command::Poll, Err(reason.to_owned()))));
        told.chain(orders).chain(poll).collect()
    }

    pub(super) fn set_pace(&mut self, pace: Pace, poll_time: Duration, now: Instant) {
        self.schedule.set_pace(pace, poll_time, self.belief.is_waiting(), now);
        self.plan_glance();
    }

    /// Time between two polls.
    pub(super) fn interval(&self) -> Duration {
        self.schedule.interval()
    }

    pub(super) fn command(&mut self, command: Command, now: Instant) -> Result<(), String> {
        if !self.is_attached() {
            return Err("the UPS has not said yet what it is".into());
        }
        if self.jobs.len() >= MAX_ORDERS {
            return Err("too many orders wait for the UPS".into());
        }
        let job = match command {
            Command::Poll => {
                self.schedule.commanded = true;
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
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Listening { until, .. } = self.phase
            && now >= until
        {
            self.give_up(format!("{} does not say its line state", self.device.name()), true);
        }
    }

    /// When there is something to do next; `None`: as soon as the spacing allows.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Descriptor { not_before, .. } => not_before,
            Phase::Listening { until, .. } => until,
            Phase::Learning { .. } | Phase::Strings(_) | Phase::Polling { .. } => return None,
            Phase::Idle => self.schedule.at(),
        };
        let job = match self.jobs.front() {
            Some(job) => Some(job.not_before()?),
            None => None,
        };
        Some([self.looks.at(), job].into_iter().flatten().fold(own, Instant::min))
    }

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        let (asked, transmit) = self.next_request(now)?;
        self.asked = Some(asked);
        Some(transmit)
    }

    fn next_request(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        if let Phase::Descriptor { not_before, .. } = self.phase {
            return (now >= not_before).then(|| (Asked::Descriptor, self.device.request_descriptor()));
        }
        if self.is_attached()
            && let Some(request) = self.looks.next(&self.device, now).or_else(|| self.next_job(now))
        {
            return Some(request);
        }
        loop {
            match &mut self.phase {
                Phase::Descriptor { .. } | Phase::Listening { .. } => return None,
                Phase::Strings(strings) => {
                    if let Some((wish, index)) = strings.next_wish() {
                        return Some((Asked::String(wish), request::get_string(index)));
                    }
                    self.attach(now);
                }
                Phase::Learning { cursor, .. } => {
                    let index = *cursor;
                    *cursor += 1;
                    if index < self.device.store.reports.len() {
                        return self.device.request_report(index, false);
                    }
                    self.learned(now);
                }
                Phase::Idle => {
                    let deepest = self.schedule.begin(now)?;
                    self.phase = Phase::Polling { cursor: 0, deepest, answers: 0, failures: 0 };
                }
                Phase::Polling { cursor, deepest, .. } => {
                    let (index, deepest) = (*cursor, *deepest);
                    *cursor += 1;
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
                        let request = self.device.request_report(index, false);
                        return request.map(|(asked, transmit)| (asked, request::in_a_row(transmit)));
                    }
                }
            }
        }
    }

    /// How a self test stands is read when the UPS is found and on demand, and in each whole poll while it matters: on battery,
    /// while one is under way, and when an interrupt report hints at it.
    fn reads_test(&self, index: usize, deepest: When) -> bool {
        let schedule = &self.schedule;
        deepest == When::Volatile
            && (schedule.pace == Pace::Fast || schedule.test_hinted || self.device.view().tests_itself())
            && self.device.report_of(Key::Test) == Some(index)
    }

    fn next_job(&mut self, now: Instant) -> Option<(Asked, Transmit)> {
        self.jobs.front_mut()?.next(&self.device, now)
    }

    pub(super) fn handle_control(&mut self, now: Instant, result: Result<&[u8], TransferError>) {
        let Some(asked) = self.asked.take() else { return };
        match result {
            Err(TransferError::NoDevice) => {
                return self.give_up(format!("{} is gone", self.device.name()), false);
            }
            Err(TransferError::Timeout) => self.timeouts += 1,
            _ => self.timeouts = 0,
        }
        match asked {
            Asked::Descriptor => self.descriptor_read(now, result),
            Asked::String(wish) => {
                if let Phase::Strings(strings) = &mut self.phase {
                    strings.answered(wish, result.ok().and_then(request::string_of));
                }
            }
            Asked::Report { index, look } => self.report_read(now, index, look, result),
            Asked::Order => self.order_step(now, result),
            Asked::Harmless => self.order_ended(),
        }
        if self.timeouts >= HANGS_AFTER {
            self.give_up(format!("{} does not answer", self.device.name()), true);
        }
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
