//! `--watch`: the live view of a UPS, on a terminal, as lines, or as JSON.

#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own, with a thread that waits for the server"
)]

mod follow;

use std::io;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Target, Voice};
use crate::program::live::{About, Happening, History, Plain, RecentEvents, Scene, Screen, render};
use crate::program::out::{self, cannot_write};
use crate::report::{self, Snapshot};
use crate::sys::fs::is_unread;
use crate::sys::signals;
use crate::ups::{Priority, StatusFlags, one_line};
use crate::wire::nis_status::MasterStatus;
use follow::{Heard, follow};

/// From one look at the keys and the window to the next.
const TICK: Duration = Duration::from_millis(250);

/// What has come since the last look; of more than one the last counts.
#[derive(Default)]
struct Came {
    status: Option<(Box<MasterStatus>, Vec<u8>, bool)>,
    events: Option<Vec<u8>>,
    lost: Option<String>,
}

/// Watches until somebody ends it.
pub(super) fn run(voice: Voice, json: bool, target: Target) -> ExitCode {
    let ended = match signals::end_flag() {
        Ok(ended) => ended,
        Err(error) => return cannot_write(voice.program(), &error),
    };
    let news = Arc::new(Mutex::new(Came::default()));
    let mut watch = Watch::new(json, &target);
    let (shared, this_thread) = (Arc::clone(&news), thread::current());
    let listen = move || {
        follow(&target, &|told| {
            let mut news = shared.lock().unwrap_or_else(PoisonError::into_inner);
            match told {
                Heard::Status(status, bytes, pushes) => {
                    (news.status, news.lost) = (Some((status, bytes, pushes)), None);
                }
                Heard::Events(bytes) => news.events = Some(bytes),
                Heard::Lost(failure) => news.lost = Some(failure.in_words(&target.host, &target.at())),
            }
            drop(news);
            this_thread.unpark();
        });
    };
    let mut failure = thread::Builder::new().spawn(listen).err();
    while failure.is_none() && !ended.load(Ordering::Relaxed) && !is_unread(io::stdout()) && !watch.is_ended()
    {
        let came = std::mem::take(&mut *news.lock().unwrap_or_else(PoisonError::into_inner));
        failure = watch.show(came).err();
        if failure.is_none() {
            thread::park_timeout(TICK);
        }
    }
    drop(watch);
    match failure {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => cannot_write(voice.program(), &error),
        _ => ExitCode::SUCCESS,
    }
}

/// How it is shown.
enum Face {
    Live(Screen),
    Plain(Plain<io::Stdout>),
    Json,
}

/// What is shown.
struct Watch {
    face: Face,
    began: Instant,
    at: String,
    machine: String,
    snapshot: Snapshot,
    history: History,
    /// The lines of the last answer about events.
    events: Option<Vec<String>>,
    recent: RecentEvents,
    /// The server's date in the first status; events before it are not told as news.
    since: Option<String>,
    clock: String,
    outlook: String,
}

impl Watch {
    fn new(json: bool, target: &Target) -> Self {
        let face = if json {
            Face::Json
        } else {
            Screen::take().map_or_else(|| Face::Plain(Plain::new(io::stdout())), Face::Live)
        };
        Self {
            face,
            began: Instant::now(),
            at: target.at(),
            machine: target.host.clone(),
            snapshot: Snapshot::default(),
            history: History::default(),
            events: None,
            recent: RecentEvents::default(),
            since: None,
            clock: String::new(),
            outlook: "connecting".to_owned(),
        }
    }

    fn is_ended(&self) -> bool {
        matches!(&self.face, Face::Live(screen) if screen.is_ended())
    }

    fn show(&mut self, news: Came) -> io::Result<()> {
        let elapsed = self.began.elapsed();
        if let Some((status, text, pushes)) = news.status {
            self.outlook = if pushes { "each change is told" } else { "asked each second" }.to_owned();
            self.take(*status);
            match &mut self.face {
                Face::Live(_) => {}
                Face::Plain(plain) => plain.values(elapsed, &self.clock, &self.snapshot)?,
                Face::Json => json_line(&report::json(&String::from_utf8_lossy(&text)))?,
            }
        }
        if let Some(events) = news.events {
            self.take_events(&String::from_utf8_lossy(&events))?;
        }
        if let Some(words) = news.lost.filter(|words| *words != self.outlook) {
            match &mut self.face {
                Face::Live(_) => {}
                Face::Plain(plain) => plain.line(&one_line(&words))?,
                Face::Json => json_line(&report::json_answer(&[("error", &words)], &[]))?,
            }
            self.outlook = words;
            self.snapshot.flags |= StatusFlags::COMMLOST;
        }
        self.history.observe(elapsed, &self.snapshot);
        let Face::Live(screen) = &mut self.face else { return Ok(()) };
        let about = About {
            title: "mainsd status",
            subtitles: [&self.at, &self.machine],
            machine: &self.machine,
            shutdown: "it is asked again in two minutes",
            note: "",
            label: "all values: mainsd status ",
            hint: &self.at,
            outlook: &self.outlook,
        };
        let (snapshot, events, history) = (&self.snapshot, &self.recent, &self.history);
        let scene = Scene { snapshot, events, history, decision: None, clock: &self.clock, about };
        screen.paint(render(&scene, screen.size(), screen.style()))
    }

    fn take(&mut self, status: MasterStatus) {
        let seconds = status.time_on_battery.and_then(|seconds| u64::try_from(seconds).ok());
        self.clock = time_of(status.now.as_deref().unwrap_or_default());
        if self.since.is_none() {
            self.since = status.now;
        }
        self.machine = status.host.unwrap_or_default();
        let snapshot = &mut self.snapshot;
        snapshot.flags = status.flags;
        (snapshot.values, snapshot.identity) = (status.values, status.identity);
        snapshot.facts.battery_level = status.battery_level.unwrap_or(-1);
        snapshot.facts.minutes = status.minutes.unwrap_or(-1);
        snapshot.time_on_battery = Duration::from_secs(seconds.unwrap_or(0));
    }

    fn take_events(&mut self, text: &str) -> io::Result<()> {
        // With a NUL the server says that it has none.
        let lines: Vec<String> =
            text.lines().filter(|_| !text.contains('\0')).map(|line| one_line(line).into_owned()).collect();
        self.recent = RecentEvents::default();
        // Of those that it knew before, only the view shows them again. The first answer comes after the first status.
        let is_new =
            |line: &String| self.since.as_ref().is_some_and(|since| line.get(..19) >= since.get(..19));
        let known = match &self.events {
            None => lines.iter().position(is_new).unwrap_or(lines.len()),
            Some(before) => lines.iter().rposition(|line| Some(line) == before.last()).map_or(0, |at| at + 1),
        };
        for (index, line) in lines.iter().enumerate() {
            let (at, text) = line.split_once("  ").unwrap_or(("", line));
            let happening = Happening::Event(Priority::Notice, text.to_owned());
            if let (Face::Plain(plain), true) = (&mut self.face, index >= known) {
                plain.happened(&time_of(at), &happening)?;
            }
            self.recent.push(time_of(at), happening);
        }
        self.events = Some(lines);
        Ok(())
    }
}

/// The time of day in a date of the server.
fn time_of(date: &str) -> String {
    date.get(11..19).unwrap_or_default().to_owned()
}

fn json_line(json: &str) -> io::Result<()> {
    out::write(format!("{}\n", json.replace("\n  ", " ").replace('\n', " ")).as_bytes())
}
