//! What a run left behind, for the judge.

use super::judge::UNCERTAIN;

/// Something that was seen, in seconds from the first start.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// When.
    pub at: f64,
    /// A hook's arguments, a line of the log, or what was done to the daemon.
    pub text: String,
}

/// A role that was ended, and the next one of its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Return {
    /// As `ps` shows it.
    pub role: &'static str,
    /// From its end until the next one was there, in seconds.
    pub took: f64,
    /// That was too long, or it has not come.
    pub is_late: bool,
}

/// A run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When the daemon had started. The story begins no later, and no earlier than this test's own time; on a busy machine much lies between.
    pub started: f64,
    /// What hooks and SHUTDOWNCMD logged.
    pub hooks: Vec<Seen>,
    /// The log's lines without their date. If nobody read the log: those of the events file, without their moments.
    pub log: Vec<Seen>,
    /// What was done to the daemon.
    pub done: Vec<Seen>,
    /// Restarts: when the old one ended.
    pub ended: Vec<f64>,
    /// When a main process was ended, or stopped for good.
    pub deaths: Vec<f64>,
    /// How many of them were stopped.
    pub hangs: usize,
    /// Roles that came back, or did not.
    pub returns: Vec<Return>,
    /// What went wrong with the daemon itself: it ended, was slow to end, ended with an error.
    pub trouble: Vec<String>,
}

impl Record {
    /// When a shutdown was carried out: by a hook that works, by SHUTDOWNCMD, or by what would have switched the machine off.
    pub fn carried_out(&self, hook_works: bool) -> Option<f64> {
        let hooks = self.hooks.iter().filter(|seen| {
            seen.text == "SHUTDOWNCMD" || (hook_works && seen.text.starts_with("doshutdown "))
        });
        let last = self.log.iter().filter(|seen| seen.text.starts_with("No command shuts the system down"));
        hooks.chain(last).map(|seen| seen.at).reduce(f64::min)
    }

    /// The first sign of a shutdown.
    pub fn first_sign(&self) -> Option<f64> {
        let hooks = self
            .hooks
            .iter()
            .filter(|seen| seen.text == "SHUTDOWNCMD" || seen.text.starts_with("doshutdown "));
        let log = self.log.iter().filter(|seen| seen.text == "Initiating system shutdown!");
        hooks.chain(log).map(|seen| seen.at).reduce(f64::min)
    }

    /// When this line was logged, or the hook of this event run.
    pub fn told(&self, what: &str) -> impl Iterator<Item = f64> {
        let hooks = self.hooks.iter().filter(move |seen| seen.text.split(' ').next() == Some(what));
        hooks.chain(self.log.iter().filter(move |seen| seen.text == what)).map(|seen| seen.at)
    }

    /// Whether a main process has ended, or the daemon, so soon after this was told that what follows from it may be lost or come twice.
    pub fn is_uncertain(&self, told: f64) -> bool {
        let ends = self.deaths.iter().chain(&self.ended);
        ends.copied().any(|end| (told - 0.05..=told + UNCERTAIN).contains(&end))
    }

    /// How many lines of the log are this.
    pub fn count(&self, text: &str) -> usize {
        self.log.iter().filter(|seen| seen.text == text).count()
    }

    /// Everything in order, for whoever has to find out.
    pub fn timeline(&self) -> String {
        let mark = |what: &str, all: &[Seen]| -> Vec<(f64, String)> {
            all.iter().map(|seen| (seen.at, format!("{:8.3} {what:5} {}\n", seen.at, seen.text))).collect()
        };
        let mut all = mark("test", &self.done);
        all.extend(mark("hook", &self.hooks));
        all.extend(mark("log", &self.log));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.into_iter().map(|(_, line)| line).collect()
    }
}
