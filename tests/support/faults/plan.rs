//! What a seed picks: the story, the fault, and what is done to the daemon and when.

use std::path::Path;
use std::process::Command;

use super::super::random::Random;
use super::super::wall_clock::{self, WallClock};
use super::super::{OUTPUT, Scratch, Setup};
use super::act::{Act, When};
use super::deaths;
use super::fault::{FAULTS, Fault};
use super::guard::{AT_ONCE, Guard, Way, is_root, must};
use super::story::{KINDS, Kind, Story};

/// What a seed has picked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// The story.
    pub story: Story,
    /// The fault.
    pub fault: Fault,
    /// Shell text that hooks run.
    pub hook: String,
    /// Which of the ways in which a disk can be full.
    disk: usize,
    /// What is done to the daemon, in order.
    pub acts: Vec<(When, Act)>,
}

impl Plan {
    /// Each story meets each fault once in as many seeds as there are pairs: their numbers have no common divisor.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::far_apart(seed);
        let kind = KINDS[seed as usize % KINDS.len()];
        let fault = FAULTS[seed as usize % FAULTS.len()];
        let mut story = Story::new(kind, &mut random);
        if fault == Fault::Device {
            story.disturb(&mut random);
        }
        if fault.is_death() {
            story.prolong(15);
        }
        story.directives.push(("NOLOGON", random.one_of(&["always", "disable", "timeout"]).to_owned()));
        let mut plan = Self { seed, story, fault, hook: String::new(), disk: 0, acts: Vec::new() };
        plan.choose(&mut random);
        plan
    }

    fn choose(&mut self, random: &mut Random) {
        let Story { off, limit, quiet, .. } = self.story;
        let end = limit.map_or(quiet, |limit| limit + 3.0);
        match self.fault {
            Fault::HooksHang => {
                self.hook = random
                    .one_of(&[
                        "exec sleep 15",
                        "trap '' TERM; sleep 15; sleep 15",
                        "[ $1 = commok ] || exec sleep 15",
                    ])
                    .to_owned();
            }
            Fault::HooksFail => {
                self.hook =
                    random.one_of(&["exit 3", "exit 99", "kill -9 $$", "exec /nonexistent"]).to_owned();
            }
            Fault::NoProcesses => {
                self.at(random.between(0.2, off), Act::Limit("--nproc=0:"));
                if random.one_of(&[true, false]) {
                    self.at(end + random.between(0.0, 3.0), Act::Limit("--nproc=200:"));
                }
            }
            Fault::DiskFull => {
                self.disk = random.one_of(&[0, 1, 2]);
                if self.disk == 2 {
                    self.at(random.between(0.1, off), Act::Limit("--fsize=0:"));
                }
            }
            Fault::NoDescriptors => self.at(random.between(0.2, off), Act::NoDescriptors),
            Fault::Killed | Fault::Terminated => {
                let latest = if random.one_of(&[true, false]) { limit.unwrap_or(quiet) } else { end };
                let act = if self.fault == Fault::Killed { Act::Kill } else { Act::Terminate };
                let first = random.between(off, latest);
                self.at(first, act(random.between(0.0, 1.5)));
                if random.one_of(&[true, false, false]) {
                    self.at(first + random.between(2.0, 4.0), act(random.between(0.0, 0.5)));
                }
            }
            Fault::Reloaded => {
                let mut at = 0.3;
                while at < end {
                    self.at(at, Act::Reload(random.one_of(&[true, false])));
                    at += random.between(0.1, 0.6);
                }
            }
            Fault::Stopped => {
                let at = random.between(off - 0.5, limit.unwrap_or(off + 1.5));
                // An outage that ends while the daemon is stopped, which then finds its TIMEOUT passed.
                let sleeps_through = self.story.kind == Kind::OutageThatEnds;
                let long = if sleeps_through { 11.0 } else { random.one_of(&[1.5, 4.0, 11.0]) };
                self.at(at, Act::Stop);
                self.at(at + long, Act::Continue);
            }
            Fault::ClockSteps => {
                let mut at = 0.2;
                while at < end {
                    self.at(at, Act::Clock(random.between(-30_000.0, 30_000.0).round()));
                    at += random.between(0.5, 2.0);
                }
            }
            Fault::MainDies
            | Fault::MainHangs
            | Fault::WriterDies
            | Fault::WriterHangs
            | Fault::SeveralDie => {
                // While it runs, the shutdown is neither asked for anew nor known to be under way.
                self.hook = random.one_of(&["", "[ $1 != doshutdown ] || sleep 0.5"]).to_owned();
                self.acts = deaths::acts(self.fault, &self.story, random);
            }
            Fault::Nothing
            | Fault::NoApccontrol
            | Fault::NotExecutable
            | Fault::BadInterpreter
            | Fault::ReadOnly
            | Fault::Device
            | Fault::LogStuck => {}
        }
    }

    fn at(&mut self, at: f64, act: Act) {
        self.acts.push((When::At(at), act));
    }

    /// Whether its standard error is no record: nobody reads it, or its writer is what the fault is about.
    pub fn is_read_from_file(&self) -> bool {
        let hurts_output = |act: &Act| matches!(act, Act::EndRole(OUTPUT, _) | Act::StopWriter(OUTPUT));
        self.fault == Fault::LogStuck || self.acts.iter().any(|(_, act)| hurts_output(act))
    }

    /// The other daemon on this machine, in a folder of its own but with the states and locks in the same place: its UPS is
    /// on battery from the beginning, to TIMEOUT.
    pub fn neighbour(&self, dir: &Path) -> Option<Guard> {
        if self.story.kind != Kind::NeighbourOnBattery {
            return None;
        }
        let scratch = Scratch::new();
        let script = scratch.file("script", "0 lapse 0\n0.2 mains off\n");
        let setup = Setup::new("test").with("DEVICE", &script.display().to_string()).without("STATEFILE");
        let setup = setup.with("NOLOGON", "disable").with("TIMEOUT", "7");
        let environment = vec![("MAINSD_RUN_DIR", dir.join("run").display().to_string())];
        if is_root() {
            must(Command::new("chown").arg("65534:65534").arg(dir));
        }
        let guard = Guard::start(&setup, scratch, Way { environment, ..Way::default() }, |_| ());
        let on_battery = guard.hooks.wait(0, AT_ONCE, |line| line.starts_with("onbattery "));
        assert!(on_battery.is_some(), "the other daemon: {}", guard.outputs[0].text());
        Some(guard)
    }

    /// The configuration, with the script.
    pub fn setup(&self, dir: &Path, began: f64) -> Setup {
        let script = dir.join("script");
        let mut setup = Setup::new("test").with("DEVICE", &script.display().to_string()).hook(&self.hook);
        setup = setup.with("HOOKTIMEOUT", "2");
        if self.story.kind == Kind::NeighbourOnBattery {
            setup = setup.without("STATEFILE");
        }
        for (keyword, value) in &self.story.directives {
            setup = setup.with(keyword, value);
        }
        let path = |name: &str| dir.join(name).display().to_string();
        match self.fault {
            // The clock is a file, which a process without rights cannot open.
            Fault::ClockSteps => setup = setup.with("PRIVSEP", "off"),
            Fault::NoApccontrol => setup = setup.with("SCRIPTDIR", "/nonexistent"),
            Fault::DiskFull if self.disk == 0 => {
                for keyword in ["EVENTSFILE", "STATEFILE"] {
                    setup = setup.with(keyword, "/dev/full");
                }
                for keyword in ["PWRFAILDIR", "NOLOGINDIR"] {
                    setup = setup.with(keyword, "/dev/full/none");
                }
            }
            Fault::DiskFull if self.disk == 1 && can_mount() => {
                for (keyword, name) in [("EVENTSFILE", "disk/events"), ("STATEFILE", "disk/state")] {
                    setup = setup.with(keyword, &path(name));
                }
                for keyword in ["PWRFAILDIR", "NOLOGINDIR"] {
                    setup = setup.with(keyword, &path("disk"));
                }
            }
            _ => {}
        }
        self.write_script(dir, began);
        setup
    }

    /// The script of the UPS from this second of the story on, for the process that opens it next.
    pub fn write_script(&self, dir: &Path, began: f64) {
        let new = dir.join("script.new");
        std::fs::write(&new, self.story.script_from(began)).unwrap();
        std::fs::rename(new, dir.join("script")).unwrap();
    }

    /// Breaks what is in the folder.
    pub fn arrange(&self, dir: &Path) {
        let apccontrol = dir.join("scripts/apccontrol");
        match self.fault {
            Fault::NotExecutable => must(Command::new("chmod").arg("644").arg(apccontrol)),
            Fault::BadInterpreter => std::fs::write(apccontrol, "#!/nonexistent/sh\n").unwrap(),
            Fault::ReadOnly => {
                must(Command::new("chmod").arg("555").args([dir.join("flags"), dir.to_owned()]))
            }
            Fault::DiskFull if self.disk == 1 && can_mount() => {
                let disk = dir.join("disk");
                std::fs::create_dir(&disk).unwrap();
                must(
                    Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k,mode=777", "none"]).arg(&disk),
                );
                let _ = std::fs::write(disk.join("filler"), vec![0; 65536]);
            }
            _ => {}
        }
    }

    /// How the daemon is started.
    pub fn way(&self, dir: &Path) -> Way {
        let mut way = Way { log_stuck: self.fault == Fault::LogStuck, ..Way::default() };
        if self.fault == Fault::ClockSteps {
            way.environment = WallClock::right(dir).environment();
        }
        way
    }

    /// What is missing on this machine to play it.
    pub fn needs(&self) -> Option<&'static str> {
        (self.fault == Fault::ClockSteps && wall_clock::library().is_none()).then_some("libfaketime")
    }

    /// In a line.
    pub fn title(&self) -> String {
        format!("seed {}: {} / {}", self.seed, self.story.kind.name(), self.fault.name())
    }
}

/// Whether a file system of a few pages can be mounted here: only where the whole check is asked for.
fn can_mount() -> bool {
    is_root() && std::env::var_os("MAINSD_CI").is_some_and(|value| value == "1")
}
