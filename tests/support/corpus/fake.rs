//! A UPS made of a device file, a fake clock, and the loop between them and the link.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mainsd::bus::usb::{DeviceInfo, TransferError, Transmit};
use mainsd::link::usb::{Settings, UsbLink};
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Command, CommandResult, Identity, PollRate, Reading, StatusFlags};
use mainsd::wire::hid::{ReportDescriptor, ReportKind};

use super::device::{Device, device};

/// On mains, with a battery.
const ON_MAINS: StatusFlags = StatusFlags::from_bits_retain(0x0400_0008);
/// How long a transfer takes on this bus unless a test says otherwise.
const LATENCY: Duration = Duration::from_millis(2);

/// What the device does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers.
    Normal,
    /// Answers nothing: every transfer times out.
    Hangs,
    /// Stalls every request.
    Stalls,
    /// Is not there any more.
    Gone,
}

/// The device's side.
pub struct FakeUps {
    pub info: DeviceInfo,
    /// What a control read of the report descriptor yields.
    pub descriptor: Vec<u8>,
    /// Answers to GET_REPORT; a report that is missing stalls.
    pub reports: BTreeMap<(u8, u8), Vec<u8>>,
    pub strings: BTreeMap<u8, String>,
    pub behaviour: Behaviour,
    /// Reports whose SET_REPORT stalls.
    pub refuses: Vec<u8>,
    /// Reports whose SET_REPORT is taken and changes nothing.
    pub forgets: Vec<u8>,
    /// Every SET_REPORT that was taken.
    pub written: Vec<Vec<u8>>,
    /// Every request, as `get 3 16` or `set 3 15`, with its moment.
    pub requests: Vec<(Instant, String)>,
}

impl FakeUps {
    pub fn new(device: &Device) -> Self {
        let descriptor = ReportDescriptor::parse(&device.descriptor).expect("a descriptor");
        let mut reports = BTreeMap::new();
        // The logs fetched input fields with GET_REPORT(Feature) too; a report answers for each kind it is declared for.
        for (id, bytes) in &device.feature_reports {
            for kind in [ReportKind::Input, ReportKind::Feature] {
                if descriptor.report_len(kind, *id).is_some() {
                    reports.insert((kind as u8, *id), bytes.clone());
                }
            }
        }
        for (id, bytes) in &device.input_state {
            reports.insert((ReportKind::Input as u8, *id), bytes.clone());
        }
        Self {
            info: DeviceInfo {
                location: "1-1.2".into(),
                vendor: device.vendor,
                product: device.product,
                bcd_device: device.bcd_device,
                manufacturer: device.manufacturer.clone(),
                product_name: device.product_name.clone(),
                serial: device.serial.clone(),
                interface: device.interface,
                report_descriptor: device.descriptor.clone(),
                announced_descriptor_len: Some(device.announced_length),
            },
            descriptor: device.descriptor.clone(),
            reports,
            strings: device.strings.clone(),
            behaviour: Behaviour::Normal,
            refuses: Vec::new(),
            forgets: Vec::new(),
            written: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Adds the line-state reports that the log lacks: on mains, battery present.
    pub fn add_line_state(&mut self) {
        const ON_MAINS: [(u32, i64); 3] = [(0xff86_0060, 8), (0x0085_00d0, 1), (0x0085_00d1, 1)];
        let descriptor = ReportDescriptor::parse(&self.descriptor).expect("a descriptor");
        let logged: Vec<_> = self.reports.keys().copied().collect();
        for field in descriptor.fields() {
            let key = (field.kind as u8, field.report_id);
            let state = ON_MAINS.iter().find(|(usage, _)| *usage == field.usage.0);
            if let (Some((_, raw)), false, ReportKind::Feature) = (state, logged.contains(&key), field.kind) {
                let length = descriptor.report_len(field.kind, field.report_id).expect("a length");
                let report = self.reports.entry(key).or_insert_with(|| {
                    let mut report = vec![0; usize::from(length)];
                    report[0] = field.report_id;
                    report
                });
                field.put(report, *raw).expect("a place");
            }
        }
        // What else such a report carries is as the input reports say.
        for field in descriptor.fields() {
            let key = (field.kind as u8, field.report_id);
            let mut inputs = descriptor.fields().iter().filter(|input| {
                input.kind == ReportKind::Input && input.usage == field.usage && input.usage.0 != 0x0085_00d0
            });
            let value = inputs.find_map(|input| input.physical(self.reports.get(&(1, input.report_id))?));
            if let (Some(value), false, Some(report)) =
                (value, logged.contains(&key), self.reports.get_mut(&key))
            {
                field.put(report, field.unscale(value)).expect("a place");
            }
        }
    }

    /// Sets a feature report's bytes.
    pub fn feature(&mut self, bytes: &[u8]) {
        self.reports.insert((3, bytes[0]), bytes.to_vec());
    }

    pub fn control(&mut self, now: Instant, transmit: &Transmit) -> Result<Vec<u8>, TransferError> {
        let (setup, length) = match transmit {
            Transmit::ControlIn { setup, length, .. } => (setup, *length),
            Transmit::ControlOut { setup, data, .. } => (setup, data.len() as u16),
            other => panic!("not a transfer: {other:?}"),
        };
        assert_eq!(u16::from_le_bytes([setup[6], setup[7]]), length, "wLength");
        let (request, id, kind) = (setup[1], setup[2], setup[3]);
        if setup[0] & 0x1f == 1 {
            assert_eq!(u16::from_le_bytes([setup[4], setup[5]]), u16::from(self.info.interface), "wIndex");
        }
        let name = match (setup[0], request) {
            (0xa1, 0x01) => "get",
            (0x21, 0x09) => "set",
            (0x81, 0x06) => "descriptor",
            (0x80, 0x06) => "string",
            other => panic!("no request of this class: {other:02x?}"),
        };
        self.requests.push((now, format!("{name} {kind} {id:02x}")));
        match self.behaviour {
            Behaviour::Normal => {}
            Behaviour::Hangs => return Err(TransferError::Timeout),
            Behaviour::Stalls => return Err(TransferError::Stall),
            Behaviour::Gone => return Err(TransferError::NoDevice),
        }
        let answer = match (name, transmit) {
            ("set", Transmit::ControlOut { data, .. }) => {
                if self.refuses.contains(&id) || !self.reports.contains_key(&(kind, id)) {
                    return Err(TransferError::Stall);
                }
                self.written.push(data.clone());
                if !self.forgets.contains(&id) {
                    self.reports.insert((kind, id), data.clone());
                }
                return Ok(Vec::new());
            }
            ("descriptor", _) => self.descriptor.clone(),
            ("string", _) => {
                let text = self.strings.get(&id).ok_or(TransferError::Stall)?;
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                [&[units.len() as u8 + 2, 3], &units[..]].concat()
            }
            _ => self.reports.get(&(kind, id)).cloned().ok_or(TransferError::Stall)?,
        };
        if answer.len() > usize::from(length) && name == "get" {
            return Err(TransferError::Overflow);
        }
        Ok(answer[..answer.len().min(usize::from(length))].to_vec())
    }
}

/// A link, its device and a clock.
pub struct Bench {
    pub link: UsbLink,
    pub ups: FakeUps,
    pub start: Instant,
    pub now: Instant,
    /// Everything the link told, with its moment.
    pub events: Vec<(Instant, LinkEvent)>,
    /// Transfers started, for the spacing.
    pub starts: Vec<Instant>,
    /// Moments at which nothing but a deadline of the link woke the loop.
    pub deadlines: usize,
    /// How often the link asked for the device to be opened anew, and with a reset.
    pub reopened: usize,
    pub reset: usize,
    /// How often it asked for the device to be left alone.
    pub left_alone: usize,
    /// Whether opening the device anew succeeds.
    pub present: bool,
    /// Interrupt reports that come during each transfer.
    pub meanwhile: Vec<Vec<u8>>,
    /// How long a transfer takes.
    pub latency: Duration,
}

impl Bench {
    /// A link with POLLTIME 60 whose device is about to be opened.
    pub fn new(ups: FakeUps) -> Self {
        let start = Instant::now();
        let settings = Settings { poll_time: Duration::from_secs(60) };
        Self {
            link: UsbLink::new(settings, start),
            ups,
            start,
            now: start,
            events: Vec::new(),
            starts: Vec::new(),
            deadlines: 0,
            reopened: 0,
            reset: 0,
            left_alone: 0,
            present: true,
            meanwhile: Vec::new(),
            latency: LATENCY,
        }
    }

    /// One whose device has been opened and learned.
    pub fn attached(device: &Device) -> Self {
        let mut bench = Self::new(FakeUps::new(device));
        bench.open();
        bench.run(Duration::from_secs(10));
        assert!(bench.identity().is_some(), "{}: did not attach: {:?}", device.file, bench.events);
        bench.push_all();
        bench.run(Duration::from_secs(10));
        bench
    }

    /// The same for a device of the corpus by its name that is on mains; nothing is told or asked yet.
    pub fn on_mains(name: &str) -> Self {
        let mut bench = Self::attached(device(name));
        assert_eq!(bench.last_reading().status, ON_MAINS);
        bench.events.clear();
        bench.ups.requests.clear();
        bench
    }

    /// A device that can only send, learned by what it has sent on mains.
    pub fn only_sending() -> Self {
        let mut bench = Self::new(FakeUps::new(device("hid-pdc-minimal-rp2040")));
        bench.open();
        bench.run(Duration::from_secs(5));
        for _ in 0..3 {
            bench.interrupt(&[0x07, 0x0c, 0x01]);
            bench.run(Duration::from_secs(1));
        }
        bench
    }

    /// Pushes every report as it is, as most units do now and then: they tell their line state by themselves.
    pub fn push_all(&mut self) {
        for (_, report) in self.ups.reports.clone().into_iter().filter(|((kind, _), _)| *kind == 3) {
            self.interrupt(&report);
        }
    }

    pub fn open(&mut self) {
        self.link.handle_opened(self.now, self.ups.info.clone());
        self.fetch();
    }

    /// Lets `time` pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        // A link that asks to be called again and again without moving is caught here.
        for _ in 0..200_000 {
            // A slow device leaves no rest between its transfers.
            if self.latency > LATENCY && self.now >= end {
                return;
            }
            self.link.handle_timeout(self.now);
            self.fetch();
            if let Some(transmit) = self.link.poll_transmit(self.now) {
                self.carry_out(&transmit);
                self.fetch();
                continue;
            }
            self.fetch();
            match self.link.poll_timeout() {
                Some(at) if at < end => {
                    assert!(at > self.now, "asks to be called at once but does nothing");
                    self.now = at;
                    self.deadlines += 1;
                }
                _ => {
                    self.now = end.max(self.now);
                    return;
                }
            }
        }
        panic!("the link never comes to rest");
    }

    fn carry_out(&mut self, transmit: &Transmit) {
        match transmit {
            Transmit::ControlIn { timeout, .. } | Transmit::ControlOut { timeout, .. } => {
                self.starts.push(self.now);
                let result = self.ups.control(self.now, transmit);
                self.now += if result == Err(TransferError::Timeout) { *timeout } else { self.latency };
                for report in &self.meanwhile {
                    self.link.handle_interrupt(self.now, report);
                }
                self.link.handle_control(self.now, result.as_deref().map_err(|error| *error));
            }
            Transmit::InterruptLen(_) => {}
            Transmit::InterruptOut { .. } => panic!("not by HID alone"),
            Transmit::LeaveAlone => {
                self.left_alone += 1;
                self.link.handle_closed(self.now, "no UPS found");
            }
            Transmit::Reopen | Transmit::Reset => {
                if *transmit == Transmit::Reset {
                    self.reset += 1
                } else {
                    self.reopened += 1
                }
                if self.present {
                    self.link.handle_opened(self.now, self.ups.info.clone());
                } else {
                    self.link.handle_closed(self.now, "no UPS found");
                }
            }
        }
    }

    pub fn interrupt(&mut self, report: &[u8]) {
        self.link.handle_interrupt(self.now, report);
        self.fetch();
    }

    pub fn set_poll_rate(&mut self, poll_rate: PollRate) {
        self.link.set_poll_rate(poll_rate, self.now);
    }

    /// Gives an order and returns how it ended.
    pub fn command(&mut self, command: Command) -> Result<String, String> {
        self.events.clear();
        self.link.command(command, self.now);
        self.fetch();
        self.run(Duration::from_secs(20));
        let results = self.events.iter().filter_map(|(_, event)| match event {
            LinkEvent::Command(CommandResult { command: of, outcome, .. }) if *of == command => Some(outcome),
            _ => None,
        });
        let results: Vec<_> = results.collect();
        assert_eq!(results.len(), 1, "one answer to {command:?}");
        results[0].clone()
    }

    fn fetch(&mut self) {
        while let Some(event) = self.link.poll_event() {
            self.events.push((self.now, event));
        }
    }

    /// The last identity told.
    pub fn identity(&self) -> Option<&Identity> {
        self.events.iter().rev().find_map(|(_, event)| match event {
            LinkEvent::Attached(identity) => Some(&**identity),
            _ => None,
        })
    }

    /// All readings told.
    pub fn readings(&self) -> Vec<&Reading> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                LinkEvent::Reading(reading) => Some(&**reading),
                _ => None,
            })
            .collect()
    }

    pub fn last_reading(&self) -> &Reading {
        self.readings().pop().expect("a reading")
    }

    /// Reasons of all losses told.
    pub fn losses(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                LinkEvent::Lost { reason } => Some(reason.as_str()),
                _ => None,
            })
            .collect()
    }

    pub fn attachments(&self) -> usize {
        self.events.iter().filter(|(_, event)| matches!(event, LinkEvent::Attached(_))).count()
    }
}
