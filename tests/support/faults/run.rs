//! One seed is played.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::wall_clock::WallClock;
use super::super::{Lines, MAIN, Nis, Scratch, logged, poll_until};
use super::act::{Act, When};
use super::fault::Fault;
use super::guard::{AT_ONCE, Guard, must};
use super::judge::{TIMEOUT, Verdict, judge};
use super::plan::Plan;
use super::record::{Record, Seen};
use super::roles::{Roles, what_is_lost};

/// What is logged when main processes have ended again and again.
const WITHOUT_SERVER: &str =
    "Another main process watches the UPS, without the port for clients until the next reload";
/// How long a daemon may take to end. It takes some milliseconds; the machine may be loaded.
const TO_END: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// The judge's words.
    pub verdict: Verdict,
    /// The longest from SIGTERM to the end.
    pub slowest_end: Duration,
    /// The longest from the end of a role to the next one, in seconds.
    pub slowest_return: f64,
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
    roles: Roles,
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
            roles: Roles::default(),
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
        let mut acts = VecDeque::from(self.plan.acts.clone());
        // The end of the last act, and of what it brought about.
        let mut last_act: f64 = 0.0;
        let (limit, quiet) = (self.plan.story.limit, self.plan.story.quiet);
        let hook_works = self.plan.fault.hook_works();
        while self.record.trouble.is_empty() {
            let now = self.story_now();
            self.look();
            if self.look_at_roles() {
                last_act = now;
            }
            if acts.front().is_some_and(|(when, _)| self.is_due(*when, last_act)) {
                let (_, act) = acts.pop_front().unwrap();
                self.act(act);
                last_act = self.story_now();
                continue;
            }
            if let Some(status) = self.guard.ended() {
                self.record.trouble.push(format!("the daemon ended: {status}"));
            }
            let over = match (limit, self.record.carried_out(hook_works)) {
                (None, _) => now > quiet,
                (Some(_), Some(at)) => now > at - self.record.started + 2.5,
                (Some(limit), None) => now > limit + TIMEOUT + 5.0,
            };
            let none_to_come = acts.front().is_none_or(|(when, _)| matches!(when, When::Said(..)));
            if over && none_to_come && !self.roles.awaits() && now > last_act + 4.0 {
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
        let slowest_return = self.record.returns.iter().map(|back| back.took).fold(0.0, f64::max);
        Outcome { plan: self.plan.clone(), verdict, slowest_end: self.slowest_end, slowest_return, report }
    }

    fn is_due(&self, when: When, last_act: f64) -> bool {
        let now = self.story_now();
        match when {
            When::AtOnce => true,
            _ if self.roles.awaits() => false,
            When::At(at) => at <= now,
            When::After(pause) => last_act + pause <= now,
            When::Said(what, pause) => {
                // The UPS may have begun somewhat before this test has seen the start.
                let off = self.plan.story.off - 1.0;
                let mut told = self.record.told(what).map(|at| at - self.record.started);
                told.any(|at| at >= off && at + pause <= now)
            }
        }
    }

    /// Whether a role has come back. The next main process finds the UPS as it is by then.
    fn look_at_roles(&mut self) -> bool {
        if self.roles.awaits_main() {
            self.plan.write_script(self.guard.dir(), self.story_now());
        }
        let returned = self.roles.returned(&self.guard);
        for back in &returned {
            self.did(format!("{} is back", back.role));
        }
        self.record.returns.extend(&returned);
        !returned.is_empty()
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
            Act::EndRole(name, signal) => self.end_role(name, signal),
            Act::HangMain => {
                self.record.hangs += 1;
                self.end_role(MAIN, "STOP");
            }
            Act::StopWriter(name) => {
                self.did(format!("SIGSTOP to {name}"));
                if !self.roles.stop(&self.guard, name) {
                    self.record.trouble.push(format!("no {name}"));
                }
            }
            Act::ContinueWriters => {
                self.roles.go_on();
                self.did("the writers go on");
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

    fn end_role(&mut self, name: &'static str, signal: &str) {
        if name == MAIN {
            self.plan.write_script(self.guard.dir(), self.story_now());
            let at = self.now();
            self.record.deaths.push(at);
        }
        self.did(format!("SIG{signal} to {name}"));
        if !self.roles.end(&self.guard, name, signal) {
            self.record.trouble.push(format!("no {name}"));
        }
    }

    fn restart(&mut self, pause: f64) {
        self.roles.forget();
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
        if self.plan.is_read_from_file() {
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
        if self.record.told(WITHOUT_SERVER).next().is_some() {
            self.guard.signal_helper("HUP");
        }
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
        if fault.is_death() {
            self.record.trouble.extend(what_is_lost(&self.guard, &self.plan.story));
        }
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
