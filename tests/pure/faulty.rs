//! A port with faults (`mainsd::port::faulty`): whatever of a UPS's words is lost, cut or changed, mains that stays shuts nothing down, and
//! an outage that empties the battery shuts down. The whole daemon in fake time, hours of it.
//!
//! `MAINSD_FAULTY_SEEDS=1000 cargo test --release --test pure faulty::` for a long run; `MAINSD_FAULTY_SEED` to begin with another seed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mainsd::bus::usb::{self, DeviceInfo, TransferError, Usb};
use mainsd::daemon::Driver;
use mainsd::daemon::driver::Pump;
use mainsd::link::usb::{Settings, UsbLink};
use mainsd::port::Port;
use mainsd::port::faulty::Faulty;
use mainsd::ups::Priority;
use mio::{Registry, Token};

use crate::support::random::number;
use crate::support::serial_ups::{self, SerialUps, healthy};
use crate::support::usbip::Model;
use crate::support::usbip::descriptor::Kind;
use crate::support::usbip::model::usage;
use crate::support::{FakeTime, Setup};

/// From a request to its answer.
const LATENCY: Duration = Duration::from_millis(20);

/// Seeds that each life is lived with.
fn seeds() -> std::ops::Range<u64> {
    let (first, count) =
        (number("MAINSD_FAULTY_SEED").unwrap_or(0), number("MAINSD_FAULTY_SEEDS").unwrap_or(1));
    first..first + count
}

/// A USB UPS at the end of a port. It tells nothing by itself.
struct UsbUps {
    model: Rc<RefCell<Model>>,
    opened: bool,
    due: Option<(Instant, Result<Vec<u8>, TransferError>)>,
    now: Instant,
    answer: Vec<u8>,
}

impl UsbUps {
    fn answer(&self, transmit: &usb::Transmit) -> Result<Vec<u8>, TransferError> {
        let model = self.model.borrow();
        match transmit {
            usb::Transmit::ControlIn { setup: [0x81, 6, ..], .. } => Ok(model.descriptor.clone()),
            usb::Transmit::ControlIn { setup: [0x80, 6, index, ..], .. } => {
                let text = model.strings.get(index).ok_or(TransferError::Stall)?;
                let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                Ok([&[units.len() as u8 + 2, 3], &units[..]].concat())
            }
            usb::Transmit::ControlIn { setup: [0xa1, 1, id, kind, ..], .. } => {
                let kind = if *kind == 1 { Kind::Input } else { Kind::Feature };
                model.reports.get(&(kind, *id)).cloned().ok_or(TransferError::Stall)
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl Port for UsbUps {
    type Bus = Usb;

    fn start(&mut self, _: &Registry, _: Instant) {
        self.opened = true;
    }

    fn ready(&mut self, _: &Registry, _: Token, _: Instant) {}

    fn take_waiting(&mut self, _: &Registry, _: Instant) {}

    fn handle_timeout(&mut self, _: &Registry, now: Instant) {
        self.now = now;
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due.as_ref().map(|(at, _)| *at)
    }

    fn poll_event(&mut self) -> Option<usb::Event<'_>> {
        if std::mem::take(&mut self.opened) {
            let model = self.model.borrow();
            return Some(usb::Event::Opened(DeviceInfo {
                location: "1-1".to_owned(),
                vendor: model.vendor,
                product: model.product,
                report_descriptor: model.descriptor.clone(),
                ..DeviceInfo::default()
            }));
        }
        let (_, result) = self.due.take_if(|(at, _)| *at <= self.now)?;
        self.answer = match result {
            Ok(bytes) => bytes,
            Err(error) => return Some(usb::Event::Control(Err(error))),
        };
        Some(usb::Event::Control(Ok(&self.answer)))
    }

    fn poll_log(&mut self) -> Option<(Priority, String)> {
        None
    }

    fn transmit(&mut self, _: &Registry, transmit: usb::Transmit, now: Instant) {
        match transmit {
            usb::Transmit::ControlIn { .. } | usb::Transmit::ControlOut { .. } => {
                self.due = Some((now + LATENCY, self.answer(&transmit)));
            }
            usb::Transmit::Reopen | usb::Transmit::Reset => self.opened = true,
            usb::Transmit::InterruptLen(_) => {}
            usb::Transmit::InterruptOut { .. } => panic!("not by HID alone"),
            usb::Transmit::LeaveAlone => panic!("a UPS was taken for something else"),
        }
    }

    fn close(&mut self, _: &Registry) {}
}

/// A UPS of one of the two kinds, and what a test does to it.
enum Unit {
    Usb(Rc<RefCell<Model>>),
    Serial(Rc<RefCell<Option<f64>>>),
}

impl Unit {
    const KINDS: [&str; 2] = ["usb", "apcsmart"];

    fn new(kind: &str) -> Self {
        match kind {
            "usb" => {
                let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/devices/apc-back-ups-xs-1500m.toml");
                Self::Usb(Rc::new(RefCell::new(Model::load(file.as_ref(), "SIM1"))))
            }
            _ => Self::Serial(Rc::default()),
        }
    }

    fn driver(&self, seed: u64, poll_time: Duration, now: Instant) -> Box<dyn Driver> {
        match self {
            Self::Usb(model) => {
                let (model, answer) = (model.clone(), Vec::new());
                let port = Box::new(UsbUps { model, opened: false, due: None, now, answer });
                let link = Box::new(UsbLink::new(Settings { poll_time }, now));
                Box::new(Pump::new(Box::new(Faulty::new(port, seed, now)), link))
            }
            Self::Serial(on_battery) => {
                let on_battery = on_battery.clone();
                let answer = move |query, _| match (query, *on_battery.borrow()) {
                    (b'f', Some(charge)) => format!("{charge:05.1}"),
                    (query, charge) => healthy(query, charge.is_some()),
                };
                let port = Box::new(SerialUps::new(now, answer, Rc::default()));
                Box::new(Pump::new(Box::new(Faulty::new(port, seed, now)), serial_ups::link(poll_time)))
            }
        }
    }

    /// On battery with this charge, in per cent.
    fn discharge(&self, charge: f64) {
        match self {
            Self::Usb(model) => {
                let mut model = model.borrow_mut();
                model.set_mains(false);
                model.set_physical(usage::REMAINING_CAPACITY, charge);
            }
            Self::Serial(on_battery) => *on_battery.borrow_mut() = Some(charge),
        }
    }
}

fn start(kind: &str, seed: u64) -> (Unit, FakeTime) {
    let unit = Unit::new(kind);
    let setup = Setup::new(kind).with("DEVICE", if kind == "usb" { "" } else { "/dev/ttyS9" });
    let setup = setup
        .with("POLLTIME", "10")
        .with("BATTERYLEVEL", "20")
        .with("MINUTES", "-1")
        .with("NOLOGON", "disable");
    let daemon = FakeTime::start_with(&setup, 0.0, |config, now| unit.driver(seed, config.poll_time, now));
    (unit, daemon)
}

fn told(daemon: &FakeTime, text: &str) -> Vec<f64> {
    daemon.log.iter().filter(|(_, line)| line.contains(text)).map(|(at, _)| *at).collect()
}

#[test]
fn mains_that_stays_shuts_nothing_down_and_ends_on_line() {
    for kind in Unit::KINDS {
        let mut losses = 0;
        for seed in seeds() {
            let (_unit, mut daemon) = start(kind, seed);
            daemon.run_to(4.0 * 3600.0);
            for wrong in ["Running on UPS batteries.", "Initiating system shutdown!"] {
                assert_eq!(told(&daemon, wrong), [0.0; 0], "{kind}, seed {seed}: {:?}", daemon.log);
            }
            losses += told(&daemon, "Communications with UPS lost.").len();
        }
        assert!(losses > 0, "{kind}: no fault was ever noticed");
    }
}

#[test]
fn an_outage_that_empties_the_battery_shuts_down() {
    for kind in Unit::KINDS {
        for seed in seeds() {
            let (unit, mut daemon) = start(kind, seed);
            daemon.run_to(600.0);
            let mut charge = 60.0;
            // One per cent in ten seconds: the limit is reached at second 1000. One answer in 24 is spoilt, so a whole poll seldom succeeds.
            while told(&daemon, "Initiating system shutdown!").is_empty() {
                unit.discharge(charge);
                charge -= 1.0;
                let second = 600.0 + (60.0 - charge) * 10.0;
                daemon.run_to(second);
                assert!(second < 1300.0, "{kind}, seed {seed}: no shutdown; {:?}", daemon.log);
            }
            let at = told(&daemon, "Initiating system shutdown!")[0];
            // Not before the limit, but that the UPS may be silent by then: then when half of what was known is used up.
            assert!(at > 700.0, "{kind}, seed {seed}: at {at}; {:?}", daemon.log);
        }
    }
}
