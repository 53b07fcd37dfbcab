//! What watches the daemon from the inside and shows it.

use std::io::{self, Stdout};
use std::time::{Duration, Instant};

use super::options::Options;
use super::stage::Stage;
use super::story::{coming_up, time_lapse};
use crate::daemon::{Exit, Observer, Supervisor};
use crate::link::simulated::Script;
use crate::program::live::{About, Happening, History, Plain, RecentEvents, Scene, Screen, clock, render};
use crate::ups::{Fixed, Priority, plain};

/// Real time from one frame to the next: calm, and soon enough after a resize.
const FRAME_INTERVAL: Duration = Duration::from_millis(250);

/// How it is shown.
#[derive(Debug)]
pub enum Face {
    /// The live view.
    Live(Screen),
    /// Lines.
    Plain(Plain<Stdout>),
}

/// Shows the daemon while it runs.
#[derive(Debug)]
pub struct Show {
    stage: Stage,
    face: Face,
    script: Script,
    options: Options,
    began_at: Instant,
    /// The story is told once, this long.
    once: Option<Duration>,
    events: RecentEvents,
    history: History,
    /// The last shutdown that was decided, and why: what all this is for.
    decision: Option<(String, String)>,
    /// Why nothing more can be shown.
    failure: Option<io::Error>,
}

/// What the line begins with that says why a shutdown was decided (power-events §5).
const DECISION: &str = "Shutdown because ";

impl Show {
    /// A show that begins at `now`; with `once`, it ends after that span.
    #[must_use]
    pub fn new(
        stage: Stage,
        face: Face,
        script: Script,
        options: Options,
        now: Instant,
        once: Option<Duration>,
    ) -> Self {
        Self {
            stage,
            face,
            script,
            options,
            began_at: now,
            once,
            events: RecentEvents::default(),
            history: History::default(),
            decision: None,
            failure: None,
        }
    }

    /// Time since the beginning, on the demonstration's clock.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began_at)
    }

    /// Gives the terminal back. Whether it was the live view, the folder, and why nothing more could be shown.
    #[must_use]
    pub fn end(self) -> (bool, Stage, Option<io::Error>) {
        (matches!(self.face, Face::Live(_)), self.stage, self.failure)
    }

    fn show(&mut self, supervisor: &mut Supervisor, now: Instant) -> io::Result<()> {
        let elapsed = self.elapsed(now);
        while let Some((priority, text)) = supervisor.poll_log_line() {
            self.happened(elapsed, Happening::Event(priority, text))?;
        }
        while let Some(arguments) = self.stage.next_hook() {
            self.happened(elapsed, Happening::Hook(arguments))?;
        }
        let snapshot = supervisor.snapshot(now);
        self.history.observe(elapsed, snapshot);
        let at = clock(elapsed);
        match &mut self.face {
            Face::Plain(plain) => plain.values(elapsed, &at, snapshot),
            Face::Live(screen) => {
                let lapse = time_lapse(&self.script, elapsed);
                let note = if lapse > 1.0 {
                    format!("battery in time-lapse, x{}  ", plain(lapse))
                } else {
                    String::new()
                };
                let outlook = outlook(&self.options, coming_up(&self.script, elapsed));
                let about = About {
                    title: "mainsd demo",
                    subtitles: ["a simulated UPS; nothing real is touched", "a simulated UPS"],
                    machine: "this machine",
                    shutdown: "here a real machine goes down; the demo only says so",
                    note: &note,
                    label: "try in another terminal: ",
                    hint: self.stage.command(),
                    outlook: &outlook,
                };
                let (events, history) = (&self.events, &self.history);
                let scene =
                    Scene { snapshot, events, history, decision: self.decision.as_ref(), clock: &at, about };
                screen.paint(render(&scene, screen.size(), screen.style()))
            }
        }
    }

    fn happened(&mut self, at: Duration, happening: Happening) -> io::Result<()> {
        // Lines about the daemon itself are for its log.
        if matches!(happening, Happening::Event(Priority::Info | Priority::Notice, _)) {
            return Ok(());
        }
        let at = clock(at);
        if let Face::Plain(plain) = &mut self.face {
            plain.happened(&at, &happening)?;
        }
        match happening {
            Happening::Event(_, text) if text.starts_with(DECISION) => self.decision = Some((at, text)),
            other => self.events.push(at, other),
        }
        Ok(())
    }
}

/// The story's name, its speed, and what comes next.
fn outlook(options: &Options, coming: Option<(Duration, &str)>) -> String {
    let mut text = format!("scenario {}", options.scenario.name());
    if options.speed != 1.0 {
        text.push_str(&format!(" at {} times the speed", plain(options.speed)));
    }
    if let Some((span, what)) = coming {
        text.push_str(&format!("; in {:.0} s {what}", Fixed((span.as_secs_f64() / options.speed).ceil())));
    }
    text
}

impl Observer for Show {
    fn turn(&mut self, supervisor: &mut Supervisor, now: Instant) -> Option<Instant> {
        // Begins with the first turn: what the start has logged is not part of the story.
        supervisor.subscribe_log();
        let shown = self.show(supervisor, now);
        let over = self.once.is_some_and(|length| self.elapsed(now) >= length)
            || matches!(&self.face, Face::Live(screen) if screen.is_ended());
        if shown.is_err() || over {
            self.failure = shown.err();
            supervisor.request_exit(Exit::Done);
        }
        Some(now + FRAME_INTERVAL.mul_f64(self.options.speed))
    }
}
