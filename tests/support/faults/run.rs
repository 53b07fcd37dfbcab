//! One seed: what it picks, and the run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::random::Random;
use super::super::wall_clock::{self, WallClock};
use super::super::{Lines, Nis, Scratch, Setup, logged, poll_until};
use super::fault::{FAULTS, Fault};
use super::guard::{Guard, Way, is_root, must};
use super::judge::{TIMEOUT, Verdict, judge};
use super::record::{Record, Seen};
use super::story::{KINDS, Kind, Story};

/// How long what takes milliseconds may take.
const AT_ONCE: Duration = Duration::from_secs(60);
/// How long a daemon may take to end. It takes some milliseconds; the machine may be loaded.
const TO_END: Duration = Duration::from_secs(5);

/// What is done to the daemon.
#[derive(Clone, Debug)]
enum Act {
    /// SIGKILL, and a restart so many seconds later.
    Kill(f64),
    /// SIGTERM, and a restart so many seconds later.
    Terminate(f64),
    Stop,
    Continue,
    /// A burst of SIGHUP; before it the configuration is broken, or mended.
    Reload(bool),
    /// A limit, as prlimit(1) has it.
    Limit(&'static str),
    /// As many clients as there are, then no descriptor more.
    NoDescriptors,
    /// The wall clock, so many seconds from the true time.
    Clock(f64),
}

/// What a seed has picked.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    /// The story.
    pub story: Story,
    /// The fault.
    pub fault: Fault,
    hook: String,
    /// Which of the ways in which a disk can be full.
    disk: usize,
    acts: Vec<(f64, Act)>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// The judge's words.
    pub verdict: Verdict,
    /// The longest from SIGTERM to the end.
    pub slowest_end: Duration,
    /// Everything for whoever has to find out, if something is wrong.
    pub report: String,
}

impl Outcome {
    /// The run and what was wrong with it.
    pub fn in_short(&self) -> String {
        format!("{}: {}", self.plan.title(), self.verdict.wrong.join("; "))
    }
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
                self.acts.push((random.between(0.2, off), Act::Limit("--nproc=0:")));
                if random.one_of(&[true, false]) {
                    self.acts.push((end + random.between(0.0, 3.0), Act::Limit("--nproc=200:")));
                }
            }
            Fault::DiskFull => {
                self.disk = random.one_of(&[0, 1, 2]);
                if self.disk == 2 {
                    self.acts.push((random.between(0.1, off), Act::Limit("--fsize=0:")));
                }
            }
            Fault::NoDescriptors => self.acts.push((random.between(0.2, off), Act::NoDescriptors)),
            Fault::Killed | Fault::Terminated => {
                let latest = if random.one_of(&[true, false]) { limit.unwrap_or(quiet) } else { end };
                let act = if self.fault == Fault::Killed { Act::Kill } else { Act::Terminate };
                let first = random.between(off, latest);
                self.acts.push((first, act(random.between(0.0, 1.5))));
                if random.one_of(&[true, false, false]) {
                    self.acts.push((first + random.between(2.0, 4.0), act(random.between(0.0, 0.5))));
                }
            }
            Fault::Reloaded => {
                let mut at = 0.3;
                while at < end {
                    self.acts.push((at, Act::Reload(random.one_of(&[true, false]))));
                    at += random.between(0.1, 0.6);
                }
            }
            Fault::Stopped => {
                let at = random.between(off - 0.5, limit.unwrap_or(off + 1.5));
                // An outage that ends while the daemon is stopped, which then finds its TIMEOUT passed.
                let sleeps_through = self.story.kind == Kind::OutageThatEnds;
                let long = if sleeps_through { 11.0 } else { random.one_of(&[1.5, 4.0, 11.0]) };
                self.acts.push((at, Act::Stop));
                self.acts.push((at + long, Act::Continue));
            }
            Fault::ClockSteps => {
                let mut at = 0.2;
                while at < end {
                    self.acts.push((at, Act::Clock(random.between(-30_000.0, 30_000.0).round())));
                    at += random.between(0.5, 2.0);
                }
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

    /// The other daemon on this machine, in a folder of its own but with the states and locks in the same place: its UPS is
    /// on battery from the beginning, to TIMEOUT.
    fn neighbour(&self, dir: &Path) -> Option<Guard> {
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

    fn setup(&self, dir: &Path, began: f64) -> Setup {
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
        std::fs::write(script, self.story.script_from(began)).unwrap();
        setup
    }

    /// Breaks what is in the folder.
    fn arrange(&self, dir: &Path) {
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

    fn way(&self, dir: &Path) -> Way {
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

    /// Plays it.
    pub fn play(self) -> Outcome {
        Play::start(self).finish()
    }
}

/// A run.
struct Play {
    plan: Plan,
    began: Instant,
    guard: Guard,
    /// The other daemon on this machine.
    neighbour: Option<Guard>,
    record: Record,
    clients: Vec<Nis>,
    slowest_end: Duration,
}

impl Play {
    fn start(plan: Plan) -> Self {
        let scratch = Scratch::new();
        let setup = plan.setup(scratch.path(), 0.0);
        let way = plan.way(scratch.path());
        let neighbour = plan.neighbour(scratch.path());
        let began = Instant::now();
        let guard = Guard::start(&setup, scratch, way, |dir| plan.arrange(dir));
        let mut play = Self {
            plan,
            began,
            guard,
            neighbour,
            record: Record::default(),
            clients: Vec::new(),
            slowest_end: Duration::ZERO,
        };
        play.wait_for_start();
        play.record.started = play.now();
        play
    }

    fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The story's own seconds.
    fn story_now(&self) -> f64 {
        self.now() - self.record.started
    }

    fn did(&mut self, text: impl Into<String>) {
        let at = self.now();
        self.record.done.push(Seen { at, text: text.into() });
    }

    /// Before it has taken its signals over, they would end it, as they end every program.
    fn wait_for_start(&mut self) {
        let words = "startup succeeded";
        let started = if self.plan.fault == Fault::LogStuck {
            let dir = self.guard.dir().to_owned();
            poll_until(AT_ONCE, || logged(&dir).iter().any(|line| line.contains(words)).then_some(()))
                .is_some()
        } else {
            self.guard.outputs.last().unwrap().wait(0, AT_ONCE, |line| line.contains(words)).is_some()
        };
        if !started {
            self.record.trouble.push("it does not start".to_owned());
        }
        self.did("started");
    }

    fn finish(mut self) -> Outcome {
        self.plan.acts.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut acts = std::mem::take(&mut self.plan.acts).into_iter().peekable();
        let mut last_act: f64 = 0.0;
        let (limit, quiet) = (self.plan.story.limit, self.plan.story.quiet);
        let hook_works = self.plan.fault.hook_works();
        while self.record.trouble.is_empty() {
            let now = self.story_now();
            if let Some((_, act)) = acts.next_if(|(at, _)| *at <= now) {
                last_act = self.story_now();
                self.act(act);
                continue;
            }
            self.look();
            if let Some(status) = self.guard.ended() {
                self.record.trouble.push(format!("the daemon ended: {status}"));
            }
            let over = match (limit, self.record.carried_out(hook_works)) {
                (None, _) => now > quiet,
                (Some(_), Some(at)) => now > at - self.record.started + 2.5,
                (Some(limit), None) => now > limit + TIMEOUT + 5.0,
            };
            if over && acts.peek().is_none() && now > last_act + 4.0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.record.trouble.is_empty() {
            self.last_looks();
        }
        self.look();
        let verdict = judge(&self.plan.story, self.plan.fault, &self.record);
        let report =
            if verdict.wrong.is_empty() { String::new() } else { self.report(&verdict.wrong.join("\n")) };
        Outcome { plan: self.plan.clone(), verdict, slowest_end: self.slowest_end, report }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Kill(pause) => {
                self.did("SIGKILL");
                self.guard.kill();
                self.restart(pause);
            }
            Act::Terminate(pause) => {
                self.terminate();
                self.restart(pause);
            }
            Act::Stop => {
                self.did("SIGSTOP");
                self.guard.signal("STOP");
            }
            Act::Continue => {
                self.guard.signal("CONT");
                self.did("SIGCONT");
            }
            Act::Reload(break_it) => {
                let text = std::fs::read_to_string(&self.guard.config).unwrap();
                let whole = text.replace("TIMEOUT soon\n", "");
                let text = if break_it { format!("{whole}TIMEOUT soon\n") } else { whole };
                std::fs::write(&self.guard.config, text).unwrap();
                let burst = format!("for i in 1 2 3 4 5 6 7 8 9 10; do kill -HUP {}; done", self.guard.pid());
                must(Command::new("sh").args(["-c", &burst]));
                self.did("SIGHUP, ten times");
            }
            Act::Limit(argument) => {
                self.guard.limit(argument);
                self.did(argument);
            }
            Act::NoDescriptors => {
                let address = ("127.0.0.1", self.guard.port);
                let client = || Nis::connect(address, AT_ONCE).ok();
                self.clients.extend((0..5).filter_map(|_| poll_until(AT_ONCE, client)));
                let limit = format!("--nofile={}:", self.guard.highest_descriptor() + 1);
                self.guard.limit(&limit);
                self.did(limit);
                // These wait to be taken, and wake the daemon in vain.
                self.clients.extend((0..5).filter_map(|_| client()));
            }
            Act::Clock(seconds) => {
                WallClock::of(self.guard.dir()).set(seconds);
                self.did(format!("the clock steps to {seconds:+} s"));
            }
        }
    }

    fn restart(&mut self, pause: f64) {
        self.look();
        let ended = self.now();
        self.record.ended.push(ended);
        std::thread::sleep(Duration::from_secs_f64(pause));
        self.plan.setup(self.guard.dir(), self.story_now());
        self.guard.restart();
        self.wait_for_start();
    }

    fn terminate(&mut self) {
        self.did("SIGTERM");
        let sent = Instant::now();
        self.guard.signal("TERM");
        let status = poll_until(AT_ONCE, || self.guard.ended());
        let took = sent.elapsed();
        self.slowest_end = self.slowest_end.max(took);
        match status {
            Some(status) if status.success() && took < TO_END => {}
            Some(status) => self.record.trouble.push(format!("SIGTERM: ended after {took:?} with {status}")),
            None => self.record.trouble.push("SIGTERM: still runs".to_owned()),
        }
        // What it wrote last is on its way through a pipe.
        let words = |line: &str| line.contains("shutdown succeeded");
        if self.plan.fault != Fault::LogStuck
            && self.guard.outputs.last().unwrap().wait(0, AT_ONCE, words).is_none()
        {
            self.record.trouble.push("SIGTERM: no last word".to_owned());
        }
    }

    /// Takes in what hooks and log have said since the last look.
    fn look(&mut self) {
        let seconds = |at: Instant| at.saturating_duration_since(self.began).as_secs_f64();
        let hooks = self.guard.hooks.since(0).into_iter();
        self.record.hooks = hooks.map(|line| Seen { at: seconds(line.at), text: line.text }).collect();
        if self.plan.fault == Fault::LogStuck {
            let at = self.now();
            let known = self.record.log.len();
            let new = logged(self.guard.dir()).into_iter().skip(known);
            self.record.log.extend(new.map(|text| Seen { at, text }));
        } else {
            let lines = self.guard.outputs.iter().flat_map(|output| output.since(0));
            let seen = |line: super::super::Line| Seen {
                at: seconds(line.at),
                text: line.text.get(27..).unwrap_or(&line.text).to_owned(),
            };
            self.record.log = lines.map(seen).collect();
        }
    }

    /// It still answers, ends when told to, and leaves behind what it should.
    fn last_looks(&mut self) {
        self.look();
        let fault = self.plan.fault;
        let mut wrong = Vec::new();
        if fault != Fault::NoDescriptors {
            let ask = || Nis::connect(("127.0.0.1", self.guard.port), AT_ONCE).ok()?.status().ok();
            if poll_until(AT_ONCE, ask).is_none_or(|status| status.get("STATUS").is_none()) {
                wrong.push("clients are not answered".to_owned());
            }
        }
        let flag = |name: &str| self.guard.dir().join("flags").join(name).exists();
        let shut_down = self.record.first_sign().is_some();
        // A child makes the flag; where there is none until the end, the last resort is near, which no later stage follows.
        let writable =
            !matches!(fault, Fault::DiskFull | Fault::ReadOnly | Fault::NoDescriptors | Fault::NoProcesses);
        if flag("powerfail") != shut_down && writable {
            wrong.push(format!("powerfail flag: {}", flag("powerfail")));
        }
        let dir = self.guard.dir().to_owned();
        let explained =
            || logged(&dir).iter().any(|line| line.starts_with("Shutdown because ")).then_some(());
        let can_explain = !matches!(fault, Fault::DiskFull | Fault::ReadOnly);
        if shut_down && can_explain && poll_until(AT_ONCE, explained).is_none() {
            wrong.push("the events file does not explain the shutdown".to_owned());
        }
        if let Some(neighbour) = &self.neighbour {
            // Its own shutdown is its own business, and carried out.
            let down = neighbour.hooks.wait(0, AT_ONCE, |line| line.starts_with("doshutdown "));
            if down.is_none() {
                wrong.push(format!("the other daemon missed its shutdown: {}", neighbour.outputs[0].text()));
            }
        }
        self.record.trouble.extend(wrong);
        self.terminate();
        let left = self.guard.dir().join("flags/nologin").exists();
        // A shutdown under way keeps them out.
        if left && !shut_down && self.record.ended.is_empty() {
            self.record.trouble.push("nologin is left behind".to_owned());
        }
    }

    /// Everything for whoever has to find out: printed, and kept with the daemon's whole folder under `target/tmp`.
    fn report(&self, wrong: &str) -> String {
        let config = std::fs::read_to_string(&self.guard.config).unwrap_or_default();
        let events = std::fs::read_to_string(self.guard.dir().join("events")).unwrap_or_default();
        let proc = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.guard.pid())).unwrap_or_default()
        };
        let kept = Path::new(option_env!("CARGO_TARGET_TMPDIR").unwrap_or("/tmp"))
            .join(format!("fault-seed-{}", self.plan.seed));
        let report = format!(
            "=== {title}\n{wrong}\nlimit: {limit:?}\n--- script\n{script}--- hook\n{hook}\n--- timeline\n{timeline}\
             --- streams at their end: {ended:?}; process: {status:?} {limits}\n\
             --- mainsd.conf\n{config}--- events file\n{events}--- load {load}--- kept in {kept}; again: \
             MAINSD_FAULT_SEED={seed} cargo test --test daemon fault_injection:: -- --nocapture\n",
            title = self.plan.title(),
            limit = self.plan.story.limit,
            script = self.plan.story.script_from(0.0),
            hook = self.plan.hook,
            timeline = self.record.timeline(),
            ended = self.guard.outputs.iter().map(Lines::ended).collect::<Vec<_>>(),
            status = proc("status").lines().find(|line| line.starts_with("State")),
            limits = proc("limits"),
            load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default(),
            kept = kept.display(),
            seed = self.plan.seed,
        );
        let _ = std::fs::remove_dir_all(&kept);
        let _ = Command::new("cp").arg("-R").arg("--").arg(self.guard.dir()).arg(&kept).output();
        let _ = std::fs::create_dir_all(&kept);
        let _ = std::fs::write(kept.join("report"), &report);
        report
    }
}

impl Drop for Play {
    /// A panic of the test itself leaves as much behind as a judgement.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.look();
            eprint!("{}", self.report("the test itself has panicked; see above"));
        }
    }
}

/// Whether a file system of a few pages can be mounted here: only where the whole check is asked for.
fn can_mount() -> bool {
    is_root() && std::env::var_os("MAINSD_CI").is_some_and(|value| value == "1")
}
