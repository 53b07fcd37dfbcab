//! A story: what a USB UPS said, second by second, played to the whole daemon in fake time. The device is made of a file
//! of `tests/devices`; the link, the power machine, the hooks and the log are the program's own.
//!
//! A story of `tests/stories/*.json` has a `title`, a device file `dev`, the daemon's limits `daemon` (`poll` POLLTIME,
//! `battl` BATTERYLEVEL, `minutes` MINUTES), what is so before it is plugged in (`setup`), and the `script`: seconds from
//! the moment when everything is known about the UPS, and one of these:
//!
//! ```text
//! set PAGE:USAGE VALUE     every field with this usage, raw, in all reports; input reports that change are sent
//! charge N, runtime N      per cent, seconds; the same
//! fail, restore            mains, by every bit and value by which this device can say so
//! raw input ID HEX         an interrupt report as it is, and what GET_REPORT(Input) answers from now on
//! noinput 0|1              nothing is sent by itself
//! freeze 0|1               reports stay as they are for whoever reads them
//! unplug, replug
//! ```

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use mainsd::bus::usb::{DeviceInfo, TransferError, Transmit};
use mainsd::daemon::Driver;
use mainsd::link::usb::{Settings, UsbLink};
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Asker, Command, PollRate};
use mio::{Registry, event::Event as IoEvent};
use serde_json::Value;

use super::usbip::Model;
use super::usbip::descriptor::Kind;
use super::usbip::model::{hex, usage};
use super::{FakeTime, Setup};

/// How long a transfer takes on this bus.
const LATENCY: Duration = Duration::from_millis(2);
/// Before second zero: the UPS is found and read.
const STARTED: f64 = 10.0;

/// What a UPS said, and the limits of the daemon that heard it.
#[derive(Clone, Debug)]
pub struct Story {
    pub title: String,
    /// File name in `tests/devices`, without extension.
    pub device: String,
    pub seconds: f64,
    poll: i64,
    limits: Vec<(&'static str, i64)>,
    setup: Vec<String>,
    script: Vec<(f64, String)>,
}

impl Story {
    /// The stories of one file.
    pub fn read(file: &str) -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories").join(file);
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let all: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        all.as_array().expect("a list of stories").iter().map(Self::of).collect()
    }

    /// One of them.
    pub fn named(file: &str, title: &str) -> Self {
        let mut all = Self::read(file).into_iter();
        all.find(|story| story.title == title).unwrap_or_else(|| panic!("{file}: no story {title}"))
    }

    fn of(story: &Value) -> Self {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let list = |key: &str| story.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let daemon = |key: &str| story.get("daemon").and_then(|daemon| daemon.get(key)?.as_i64());
        let limits = [("BATTERYLEVEL", "battl"), ("MINUTES", "minutes")];
        Self {
            title: text(&story["title"]),
            device: text(&story["dev"]),
            seconds: story["secs"].as_f64().expect("seconds"),
            poll: daemon("poll").unwrap_or(60),
            limits: limits.into_iter().filter_map(|(name, key)| Some((name, daemon(key)?))).collect(),
            setup: list("setup").iter().map(text).collect(),
            script: list("script")
                .iter()
                .map(|step| (step[0].as_f64().expect("a second"), text(&step[1])))
                .collect(),
        }
    }

    /// With other steps, so that a story can be told with another end.
    pub fn with(mut self, steps: &[(f64, &str)]) -> Self {
        self.script.extend(steps.iter().map(|(second, step)| (*second, (*step).to_owned())));
        self.script.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.seconds = self.script.iter().fold(self.seconds, |last, (second, _)| last.max(*second));
        self
    }

    /// Without the steps that contain this text.
    pub fn without(mut self, part: &str) -> Self {
        self.script.retain(|(_, step)| !step.contains(part));
        self.setup.retain(|step| !step.contains(part));
        self
    }

    /// With this done before the UPS is plugged in.
    pub fn after(mut self, step: &str) -> Self {
        self.setup.push(step.to_owned());
        self
    }

    /// Longer.
    pub fn until(mut self, seconds: f64) -> Self {
        self.seconds = seconds;
        self
    }

    /// Plays it with these directives beside its own limits.
    pub fn play(&self, directives: &[(&str, &str)]) -> Played {
        let setup = Setup::new("usb").with("UPSNAME", "story").with("NOLOGON", "disable");
        let setup = setup.with("ONBATTERYDELAY", "6").with("POLLTIME", &self.poll.to_string());
        let setup = setup.with("BATTERYLEVEL", "5").with("MINUTES", "3").with("COMMLOSTDELAY", "20");
        let setup =
            self.limits.iter().fold(setup, |setup, (name, value)| setup.replaced(name, &value.to_string()));
        let setup = directives.iter().fold(setup, |setup, (name, value)| setup.replaced(name, value));
        let story = self.clone();
        let mut daemon = FakeTime::start_with(&setup, STARTED, |config, now| {
            let zero = now + Duration::from_secs_f64(STARTED);
            Box::new(StoryDriver::new(&story, config.poll_time, zero, now))
        });
        daemon.run_to(self.seconds);
        let status = daemon.status();
        let log = std::mem::take(&mut daemon.log);
        Played { title: self.title.clone(), log, status }
    }
}

/// What came of a story.
pub struct Played {
    title: String,
    /// What was logged, and at which second.
    pub log: Vec<(f64, String)>,
    /// The status at its end.
    pub status: super::Status,
}

impl Played {
    /// The lines of events, with their second rounded down to tenths, from second zero on.
    pub fn events(&self) -> Vec<String> {
        let told = |text: &str| {
            text.starts_with("UPS Self Test completed: ")
                || mainsd::ups::Event::ALL.iter().any(|event| event.text() == text)
        };
        let events = self.log.iter().filter(|(second, text)| *second >= 0.0 && told(text));
        events.map(|(second, text)| format!("{:.1} {text}", (second * 10.0).floor() / 10.0)).collect()
    }

    /// Asserts that these events came, each within a second after the one given, and no other.
    pub fn assert_events(&self, expected: &[(f64, &str)]) {
        let events = self.events();
        let texts: Vec<&str> = events.iter().map(|line| line.split_once(' ').expect("a second").1).collect();
        let wanted: Vec<&str> = expected.iter().map(|(_, text)| *text).collect();
        assert_eq!(texts, wanted, "{}: {events:?}; all: {:#?}", self.title, self.log);
        for (line, (second, text)) in events.iter().zip(expected) {
            let at: f64 = line.split_once(' ').expect("a second").0.parse().expect("a second");
            assert!((*second..=*second + 1.1).contains(&at), "{}: {text}: {at} s", self.title);
        }
    }
}

/// The device, its link, and what happens to the device.
struct StoryDriver {
    link: UsbLink,
    model: Model,
    /// What is read while reports are frozen.
    frozen: Option<Model>,
    plugged: bool,
    sends: bool,
    script: VecDeque<(Instant, String)>,
    /// The transfer under way, and when it ends.
    transfer: Option<(Instant, Transmit)>,
}

impl StoryDriver {
    fn new(story: &Story, poll_time: Duration, zero: Instant, now: Instant) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/devices")
            .join(format!("{}.toml", story.device));
        let mut driver = Self {
            link: UsbLink::new(Settings { poll_time }, now),
            model: Model::load(&file, "STORY0000001"),
            frozen: None,
            plugged: true,
            sends: true,
            script: story
                .script
                .iter()
                .map(|(second, step)| (zero + Duration::from_secs_f64(*second), step.clone()))
                .collect(),
            transfer: None,
        };
        for step in &story.setup {
            driver.act(step, now);
        }
        driver
    }

    fn info(&self) -> DeviceInfo {
        let string = |index: usize| self.model.strings.get(&self.model.string_indexes[index]).cloned();
        DeviceInfo {
            location: "1-1.2".into(),
            vendor: self.model.vendor,
            product: self.model.product,
            bcd_device: self.model.release,
            manufacturer: string(0),
            product_name: string(1),
            serial: string(2),
            interface: 0,
            report_descriptor: self.model.descriptor.clone(),
            announced_descriptor_len: u16::try_from(self.model.descriptor.len()).ok(),
        }
    }

    fn act(&mut self, step: &str, now: Instant) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let changed = match words[..] {
            ["set", usage, value] => {
                let (page, number) = usage.split_once(':').expect("PAGE:USAGE");
                let part = |text| u32::from_str_radix(text, 16).expect("a hexadecimal number");
                self.model.set_raw(part(page) << 16 | part(number), integer(value))
            }
            ["charge", value] => {
                self.model.set_physical(usage::REMAINING_CAPACITY, value.parse().expect("per cent"))
            }
            ["runtime", value] => {
                self.model.set_physical(usage::RUN_TIME_TO_EMPTY, value.parse().expect("seconds"))
            }
            ["fail"] => self.model.set_mains(false),
            ["restore"] => self.model.set_mains(true),
            ["raw", "input", id, bytes] => {
                let id = u8::try_from(integer(id)).expect("a report id");
                let mut report = vec![id];
                report.extend(hex(bytes));
                self.model.reports.insert((Kind::Input, id), report.clone());
                self.link.handle_interrupt(now, &report);
                return;
            }
            ["noinput", value] => {
                self.sends = value == "0";
                return;
            }
            ["freeze", value] => {
                self.frozen = (value == "1").then(|| self.model.clone());
                return;
            }
            ["unplug"] => {
                self.plugged = false;
                self.transfer = None;
                return self.link.handle_closed(now, "unplugged");
            }
            ["replug"] => {
                self.plugged = true;
                return self.link.handle_opened(now, self.info());
            }
            _ => panic!("a story says what nobody understands: {step}"),
        };
        if self.plugged && self.sends && self.frozen.is_none() {
            for id in changed {
                let report = self.model.reports[&(Kind::Input, id)].clone();
                self.link.handle_interrupt(now, &report);
            }
        }
    }

    fn answer(&self, transmit: &Transmit) -> Result<Vec<u8>, TransferError> {
        let Transmit::ControlIn { setup, length, .. } = transmit else {
            return Err(TransferError::Stall);
        };
        let (request, id, kind) = (setup[1], setup[2], setup[3]);
        let answer = match (setup[0], request) {
            (0xa1, 0x01) => {
                let kind = if kind == 1 { Kind::Input } else { Kind::Feature };
                let model = self.frozen.as_ref().unwrap_or(&self.model);
                model.reports.get(&(kind, id)).cloned().ok_or(TransferError::Stall)?
            }
            (0x81, 0x06) => self.model.descriptor.clone(),
            (0x80, 0x06) => {
                let text = self.model.strings.get(&id).ok_or(TransferError::Stall)?;
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                [&[units.len() as u8 + 2, 3], &units[..]].concat()
            }
            other => panic!("no request of this class: {other:02x?}"),
        };
        Ok(answer[..answer.len().min(usize::from(*length))].to_vec())
    }

    fn pump(&mut self, now: Instant) {
        if let Some((_, transmit)) = self.transfer.take_if(|(at, _)| *at <= now) {
            let answer = self.answer(&transmit);
            self.link.handle_control(now, answer.as_deref().map_err(|error| *error));
        }
        while self.script.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, step)) = self.script.pop_front() {
                self.act(&step, now);
            }
        }
        self.link.handle_timeout(now);
        while self.transfer.is_none() {
            match self.link.poll_transmit(now) {
                Some(transmit @ (Transmit::ControlIn { .. } | Transmit::ControlOut { .. })) => {
                    self.transfer = Some((now + LATENCY, transmit));
                }
                Some(Transmit::Reopen | Transmit::Reset) if self.plugged => {
                    self.link.handle_opened(now, self.info());
                }
                Some(Transmit::Reopen | Transmit::Reset | Transmit::LeaveAlone) => {
                    self.link.handle_closed(now, "no UPS found");
                }
                Some(Transmit::InterruptLen(_)) => {}
                Some(Transmit::InterruptOut { .. }) => panic!("not by HID alone"),
                None => break,
            }
        }
    }
}

impl Driver for StoryDriver {
    fn start(&mut self, _: &Registry, now: Instant) {
        self.link.handle_opened(now, self.info());
        self.pump(now);
    }

    fn ready(&mut self, _: &Registry, _: &IoEvent, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, now: Instant) {
        self.pump(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let transfer = self.transfer.as_ref().map(|(at, _)| *at);
        let step = self.script.front().map(|(at, _)| *at);
        // While a transfer is under way the link only waits for its end.
        let link = if transfer.is_some() { None } else { self.link.poll_timeout() };
        [transfer, step, link].into_iter().flatten().min()
    }

    fn poll_event(&mut self) -> Option<LinkEvent> {
        self.link.poll_event()
    }

    fn set_poll_rate(&mut self, poll_rate: PollRate, now: Instant) {
        self.link.set_poll_rate(poll_rate, now);
    }

    fn set_poll_time(&mut self, poll_time: Duration, now: Instant) {
        self.link.set_poll_time(poll_time, now);
    }

    fn command(&mut self, _: Asker, command: Command, now: Instant) {
        self.link.command(command, now);
    }

    fn close(&mut self, _: &Registry) {}
}

fn integer(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).expect("a hexadecimal number"),
        None => text.parse().expect("a number"),
    }
}
