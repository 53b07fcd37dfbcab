//! What happens to the UPS, and what must come of it.

use super::super::random::Random;

/// The kinds of story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Blip,
    OutageThatEnds,
    OutageToTimeout,
    SecondOutageToTimeout,
    OutageToCharge,
    OutageToRuntime,
    LowBattery,
    SilentOnBattery,
    GarbledOnBattery,
    SilentOnMains,
    GarbledOnMains,
    LimitsOnMains,
    SelfTest,
    Flapping,
    NeighbourOnBattery,
}

/// All of them.
pub const KINDS: [Kind; 15] = [
    Kind::Blip,
    Kind::OutageThatEnds,
    Kind::OutageToTimeout,
    Kind::SecondOutageToTimeout,
    Kind::OutageToCharge,
    Kind::OutageToRuntime,
    Kind::LowBattery,
    Kind::SilentOnBattery,
    Kind::GarbledOnBattery,
    Kind::SilentOnMains,
    Kind::GarbledOnMains,
    Kind::LimitsOnMains,
    Kind::SelfTest,
    Kind::Flapping,
    Kind::NeighbourOnBattery,
];

impl Kind {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blip => "blip",
            Self::OutageThatEnds => "outage that ends in time",
            Self::OutageToTimeout => "outage to TIMEOUT",
            Self::SecondOutageToTimeout => "second outage to TIMEOUT",
            Self::OutageToCharge => "outage to BATTERYLEVEL",
            Self::OutageToRuntime => "outage to MINUTES",
            Self::LowBattery => "outage to low battery",
            Self::SilentOnBattery => "UPS silent on battery",
            Self::GarbledOnBattery => "garbled readings on battery",
            Self::SilentOnMains => "UPS silent on mains",
            Self::GarbledOnMains => "garbled readings on mains",
            Self::LimitsOnMains => "limits passed on mains",
            Self::SelfTest => "self test with low battery",
            Self::Flapping => "flapping mains, low charge",
            Self::NeighbourOnBattery => "two daemons, the other's UPS on battery",
        }
    }
}

/// One step of a script: seconds, action with value.
pub type Step = (f64, String);

/// A story. Times are seconds from the start of the daemon.
#[derive(Clone, Debug)]
pub struct Story {
    /// Its kind.
    pub kind: Kind,
    /// The script of mainsd-simulated(7).
    pub steps: Vec<Step>,
    /// Directives.
    pub directives: Vec<(&'static str, String)>,
    /// When trouble begins: of several outages, the one that decides.
    pub off: f64,
    /// No limit can have passed before this; `None`: none ever does.
    pub limit: Option<f64>,
    /// Nothing more can come of it after this, if nothing is to come.
    pub quiet: f64,
    /// Whether a `powerout` belongs to it.
    pub announced: bool,
}

impl Story {
    /// A story of this kind.
    pub fn new(kind: Kind, random: &mut Random) -> Self {
        let off = random.between(1.0, 2.5);
        let mut story = Self {
            kind,
            steps: vec![step(0.0, "lapse 0"), step(0.0, "lowbatt off")],
            directives: vec![("BATTERYLEVEL", "10".to_owned()), ("MINUTES", "3".to_owned())],
            off,
            limit: None,
            quiet: off + 8.0,
            announced: true,
        };
        match kind {
            Kind::Blip => {
                story.set("TIMEOUT", 4);
                story.mains(off, off + random.between(0.0, 0.9));
            }
            Kind::OutageThatEnds => {
                story.set("TIMEOUT", 9);
                story.mains(off, off + random.between(2.0, 4.0));
                story.quiet = off + 12.0;
            }
            Kind::OutageToTimeout => story.outage_to_timeout(random.one_of(&[2, 3, 5, 7])),
            Kind::SecondOutageToTimeout => {
                story.mains(off, off + random.between(1.2, 2.5));
                story.off = off + random.between(3.5, 5.0);
                story.outage_to_timeout(random.one_of(&[4, 5, 6]));
            }
            Kind::OutageToCharge => {
                story.add(off, "mains off");
                let low = off + random.between(0.0, 2.0);
                story.add(low, &format!("charge {}", random.between(1.0, 9.9)));
                story.limit = Some(low + 5.0);
            }
            Kind::OutageToRuntime => {
                story.add(off, "mains off");
                let low = off + random.between(0.0, 2.0);
                story.add(low, &format!("runtime {}", random.between(0.5, 2.9)));
                story.limit = Some(low + 5.0);
            }
            Kind::LowBattery => {
                story.add(off, "mains off");
                let low = off + random.between(0.0, 2.0);
                story.add(low, "lowbatt on");
                story.limit = Some(low + 5.0);
            }
            Kind::SilentOnBattery => {
                story.outage_to_timeout(random.one_of(&[4, 5, 6]));
                story.add(off + random.between(3.0, 4.5), random.one_of(&["silent", "unplug"]));
            }
            Kind::GarbledOnBattery => {
                story.add(0.0, "alerts off");
                story.outage_to_timeout(random.one_of(&[6, 7]));
                story.add(off + random.between(2.2, 3.0), "garbage 2");
                // One poll at most sees this lie.
                let lie = off + random.between(5.2, 6.0);
                story.add(lie, "status 0x08");
                story.add(lie + 0.7, "status auto");
            }
            Kind::SilentOnMains => {
                story.set("TIMEOUT", 3);
                let (gone, back) = random.one_of(&[("silent", "answer"), ("unplug", "plug")]);
                story.add(off, gone);
                if random.one_of(&[true, false]) {
                    story.add(off + random.between(0.5, 6.0), back);
                }
                story.announced = false;
                story.quiet = off + 10.0;
            }
            Kind::GarbledOnMains => {
                story.set("TIMEOUT", 1);
                story.add(0.0, "alerts off");
                story.add(off, &format!("garbage {}", random.one_of(&[1, 2, 3])));
                let next = off + random.between(3.5, 4.5);
                story.add(next, random.one_of(&["charge 0", "runtime 0", "status 0x00"]));
                story.add(next + 1.5, "charge 100");
                story.add(next + 1.5, "runtime auto");
                // One poll at most sees this lie.
                story.add(next + 2.0, random.one_of(&["status 0x50", "status 0x10", "status 0x58"]));
                story.add(next + 2.7, "status auto");
                story.announced = false;
                story.quiet = off + 10.0;
            }
            Kind::LimitsOnMains => {
                story.set("TIMEOUT", 1);
                for low in ["charge 1", "runtime 1", "lowbatt on"] {
                    story.add(off + random.between(0.0, 1.0), low);
                }
                story.announced = false;
            }
            Kind::SelfTest => {
                story.set("TIMEOUT", 1);
                story.add(off, &format!("selftest {} passed", random.between(3.0, 7.0)));
                story.add(off + random.between(0.1, 1.0), "lowbatt on");
                story.announced = false;
                story.quiet = off + 10.0;
            }
            Kind::Flapping => {
                story.set("TIMEOUT", 6);
                let low = random.one_of(&["charge 3", "runtime 2", "lowbatt on"]);
                if low != "lowbatt on" {
                    story.add(0.0, low);
                }
                let mut at = off;
                for _ in 0..random.one_of(&[4, 6, 8]) {
                    let back = at + random.between(0.3, 1.2);
                    story.mains(at, back);
                    if low == "lowbatt on" {
                        // Known before the transfer it would count at once, as in apcupsd: it is no left-over then.
                        story.add(at, low);
                        story.add(back, "lowbatt off");
                    }
                    at = back + random.between(0.3, 1.2);
                }
                story.quiet = at + 8.0;
            }
            Kind::NeighbourOnBattery => {
                // Whoever takes the other's outage over is beyond this at once.
                story.set("TIMEOUT", 1);
                story.announced = false;
                story.quiet = off + 10.0;
            }
        }
        story.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        story
    }

    fn set(&mut self, keyword: &'static str, value: u32) {
        self.directives.push((keyword, value.to_string()));
    }

    fn add(&mut self, at: f64, action: &str) {
        self.steps.push(step(at, action));
    }

    fn mains(&mut self, off: f64, on: f64) {
        self.add(off, "mains off");
        self.add(on, "mains on");
    }

    /// ONBATTERYDELAY of the harness, 1 s, comes before TIMEOUT.
    fn outage_to_timeout(&mut self, seconds: u32) {
        self.set("TIMEOUT", seconds);
        self.add(self.off, "mains off");
        self.limit = Some(self.off + 1.0 + f64::from(seconds));
    }

    /// Whether its limit is a time on battery, whatever the UPS says.
    pub fn counts_time(&self) -> bool {
        self.limit.is_some() && self.directives.iter().any(|(keyword, _)| *keyword == "TIMEOUT")
    }

    /// Puts a limit that is a time on battery off, so that one which is counted anew is told from one which is counted on.
    pub fn prolong(&mut self, seconds: u32) {
        if !self.counts_time() {
            return;
        }
        for (_, value) in self.directives.iter_mut().filter(|(keyword, _)| *keyword == "TIMEOUT") {
            *value = (value.parse::<u32>().unwrap() + seconds).to_string();
        }
        self.limit = self.limit.map(|limit| limit + f64::from(seconds));
    }

    /// Silences and garbles the device for less than COMMLOSTDELAY in one phase of the story.
    pub fn disturb(&mut self, random: &mut Random) {
        let end = self.limit.unwrap_or(self.quiet - 3.0);
        let phases = [self.off - 0.8, self.off - 0.1, (self.off + end) / 2.0, end - 0.9, end - 0.1];
        // A UPS that is silent for good must have said before that it is on battery: one reading alone is not believed.
        let phases = if self.kind == Kind::SilentOnBattery { &phases[..1] } else { &phases };
        let at = random.one_of(phases).max(0.1);
        if random.one_of(&[true, false]) {
            self.add(at, &format!("garbage {}", random.one_of(&[1, 2])));
        } else {
            let silent = (at, at + random.between(0.3, 1.2));
            let away = |(at, action): &Step| {
                ["silent", "unplug", "answer", "plug"].contains(&action.as_str()) && *at < silent.1 + 0.5
            };
            // Where the story itself silences the UPS, that is disturbance enough.
            if !self.steps.iter().any(away) {
                self.add(silent.0, "silent");
                self.add(silent.1, "answer");
            }
        }
        self.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// The script from here on: what has happened before is so from the start.
    pub fn script_from(&self, began: f64) -> String {
        let mut so_far: Vec<(&str, String)> = Vec::new();
        let mut rest = Vec::new();
        for (at, action) in &self.steps {
            if *at > began || began == 0.0 {
                rest.push(format!("{:.3} {action}", at - began));
                continue;
            }
            let mut words = action.split(' ');
            let key = match words.next().unwrap() {
                "garbage" => continue,
                "answer" => "silent",
                "plug" => "unplug",
                key => key,
            };
            so_far.retain(|(known, _)| *known != key);
            if key == "selftest" {
                let left = at + words.next().unwrap().parse::<f64>().unwrap() - began;
                if left >= 0.1 {
                    so_far.push((key, format!("selftest {left:.3} passed")));
                }
            } else {
                so_far.push((key, action.clone()));
            }
        }
        let first = so_far.into_iter().map(|(_, action)| format!("0 {action}"));
        first.chain(rest).map(|line| line + "\n").collect()
    }
}

fn step(at: f64, action: &str) -> Step {
    (at, action.to_owned())
}
