//! Every abstract state of the machine, by walking the graph: each is reachable, none is a trap.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;

/// What matters of a state for where it can go.
fn shape(machine: &Machine) -> String {
    format!("{} / {}", machine.supply.shape(), machine.host.shape())
}

/// One input each; a path of them is a state.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Input {
    Battery,
    BatteryAlert,
    SelfTestAlert,
    LongTest,
    Calibration,
    Mains,
    MainsAlert,
    Low,
    Lost,
    Attached,
    CauseRead,
    TestRead,
    Started,
    Failed,
    Remote,
    RemoteOver,
    SlaveGoes,
    Second,
    Minute,
    QuarterHour,
}

impl Input {
    const ALL: [Self; 20] = [
        Self::Battery,
        Self::BatteryAlert,
        Self::SelfTestAlert,
        Self::LongTest,
        Self::Calibration,
        Self::Mains,
        Self::MainsAlert,
        Self::Low,
        Self::Lost,
        Self::Attached,
        Self::CauseRead,
        Self::TestRead,
        Self::Started,
        Self::Failed,
        Self::Remote,
        Self::RemoteOver,
        Self::SlaveGoes,
        Self::Second,
        Self::Minute,
        Self::QuarterHour,
    ];
}

struct Walker {
    machine: Machine,
    now: Instant,
    slaves: Vec<std::net::IpAddr>,
}

impl Walker {
    fn start(from: &str) -> Self {
        let mut settings = settings();
        settings.timeout = Some(secs(120.0));
        let b = Bench::cold(|_| {}, AtStart::default());
        let mut at_start = AtStart::default();
        if from == "outage" {
            let since = Some(b.now - secs(5.0));
            at_start.saved =
                Some(crate::power::SavedOutage { on_battery_since: since, ..Default::default() });
        }
        Self {
            machine: Machine::new(settings, b.now, at_start),
            now: b.now,
            slaves: vec![std::net::Ipv4Addr::LOCALHOST.into()],
        }
    }

    fn input(&mut self, input: Input) {
        let mains = StatusFlags::ONLINE | StatusFlags::BATTPRESENT;
        let battery = StatusFlags::ONBATT | StatusFlags::BATTPRESENT;
        let poll = Evidence::Poll;
        let alert = Evidence::AlertAndRead;
        let (outage, test) = (TransferCause::LowLine, TransferCause::SelfTest);
        match input {
            Input::Battery => self.read(battery, poll, outage),
            Input::BatteryAlert => self.read(battery, alert, outage),
            Input::SelfTestAlert => self.read(battery, alert, test),
            Input::LongTest => self.tell(battery, poll, test, true),
            Input::Calibration => self.read(battery | StatusFlags::CALIBRATION, poll, test),
            Input::Mains => self.read(mains, poll, outage),
            Input::MainsAlert => self.read(mains, alert, outage),
            Input::Low => self.read(battery | StatusFlags::BATTLOW, poll, outage),
            Input::Lost => self.machine.handle_lost(self.now, "walk"),
            Input::Attached => self.machine.handle_attached(self.now),
            Input::CauseRead => self.result(Command::ReadTransferCause),
            Input::TestRead => self.result(Command::ReadSelfTest),
            Input::Started => self.machine.handle_report(self.now, HookReport::ShutdownStarted),
            Input::Failed => self.machine.handle_report(self.now, HookReport::ShutdownFailed),
            Input::Remote => self.machine.handle_remote(self.now, true, Evidence::AlertAndRead),
            Input::RemoteOver => self.machine.handle_remote(self.now, false, Evidence::AlertAndRead),
            Input::SlaveGoes => {
                self.slaves.clear();
                self.machine.handle_slaves(self.now, &self.slaves);
            }
            Input::Second => self.wait(1.0),
            Input::Minute => self.wait(61.0),
            Input::QuarterHour => self.wait(900.0),
        }
        while let Some(order) = self.machine.poll_order() {
            if order == Order::CountSlaves {
                self.machine.handle_slaves(self.now, &self.slaves);
            }
        }
    }

    fn read(&mut self, status: StatusFlags, evidence: Evidence, cause: TransferCause) {
        self.tell(status, evidence, cause, false);
    }

    /// `testing`: and a self test is in progress, with mains there.
    fn tell(&mut self, status: StatusFlags, evidence: Evidence, cause: TransferCause, testing: bool) {
        self.now += secs(0.5);
        let self_test = testing.then_some(SelfTestResult::InProgress);
        let values = Values { transfer_cause: Some(cause), self_test, ..Values::default() };
        let reading =
            Reading::sampled(self.now, status, evidence, values).with_mains(testing.then_some(true));
        self.machine.handle_reading(self.now, &reading);
    }

    fn result(&mut self, command: Command) {
        self.machine.handle_command_result(self.now, &CommandResult::new(command, Ok(String::new())));
    }

    fn wait(&mut self, seconds: f64) {
        self.now += secs(seconds);
        self.machine.handle_timeout(self.now);
    }
}

fn follow(from: &str, path: &[Input]) -> Walker {
    let mut walker = Walker::start(from);
    for input in path {
        walker.input(*input);
    }
    walker
}

/// States with the shortest way to each. What a shape hides (streaks, ages) can matter, so a few ways are kept for each.
fn graph() -> BTreeMap<String, Vec<(&'static str, Vec<Input>)>> {
    const WAYS: usize = 6;
    let mut ways: BTreeMap<String, Vec<(&'static str, Vec<Input>)>> = BTreeMap::new();
    let mut queue: VecDeque<(&'static str, Vec<Input>)> =
        VecDeque::from([("nothing", vec![]), ("outage", vec![])]);
    while let Some((from, path)) = queue.pop_front() {
        let shape = shape(&follow(from, &path).machine);
        let known = ways.entry(shape).or_default();
        if known.len() >= WAYS {
            continue;
        }
        known.push((from, path.clone()));
        for input in Input::ALL {
            let mut longer = path.clone();
            longer.push(input);
            queue.push_back((from, longer));
        }
    }
    ways
}

#[test]
fn every_state_is_reachable_and_none_is_a_trap() {
    let graph = graph();
    let lines: BTreeSet<&str> = graph.keys().filter_map(|shape| shape.split(" / ").next()).collect();
    assert_eq!(
        lines.into_iter().collect::<Vec<_>>(),
        [
            "calibration",
            "calibration after all",
            "long self test",
            "mains",
            "mains, result awaited",
            "on battery",
            "power failure",
            "self test",
            "self test after all",
            "transferred",
            "unconfirmed",
            "unknown"
        ]
    );
    // Every line state with every state of communication that can coexist, every shutdown with every line it can meet.
    for line in ["mains", "power failure", "on battery", "self test", "long self test", "calibration"] {
        for comm in ["up", "silent"] {
            for shutdown in ["idle", "waiting", "ordered", "under way", "failed"] {
                // A UPS that falls silent while its battery drains ends the waiting at once.
                if (shutdown, comm) == ("waiting", "silent") && line != "mains" {
                    continue;
                }
                let shape = format!("{line} / {comm} / {shutdown}");
                assert!(graph.contains_key(&shape), "unreachable: {shape}");
            }
        }
    }
    for shape in [
        "unknown / starting / idle",
        "unknown / lost / idle",
        "mains / lost / idle",
        "on battery / lost / idle",
    ] {
        assert!(graph.contains_key(shape), "unreachable: {shape}");
    }
    for (shape_of, ways) in &graph {
        for (from, path) in ways {
            // To mains and nothing decided, whatever it was.
            let mut walker = follow(from, path);
            for input in [Input::RemoteOver, Input::Attached, Input::Mains, Input::Mains, Input::TestRead] {
                walker.input(input);
            }
            for _ in 0..2 {
                walker.input(Input::QuarterHour);
                walker.input(Input::Mains);
            }
            assert_eq!(shape(&walker.machine), "mains / up / idle", "a trap: {shape_of} by {path:?}");
            assert_eq!(walker.machine.poll_timeout(), None, "a timer left over: {shape_of} by {path:?}");

            // To a shutdown, if an outage comes and stays.
            let mut walker = follow(from, path);
            walker.input(Input::RemoteOver);
            for _ in 0..400 {
                walker.input(Input::Battery);
                walker.input(Input::Second);
            }
            assert!(walker.machine.host.has_decided(), "unprotected: {shape_of} by {path:?}");

            // And if it is on battery and the UPS never answers again.
            let mut walker = follow(from, path);
            walker.input(Input::RemoteOver);
            let on_battery = walker.machine.supply.on_battery_since().is_some();
            walker.input(Input::Lost);
            for _ in 0..30 {
                walker.input(Input::QuarterHour);
            }
            assert!(
                !on_battery || walker.machine.host.has_decided(),
                "unprotected in silence: {shape_of} by {path:?}"
            );
        }
    }
    println!("{} states", graph.len());
}
