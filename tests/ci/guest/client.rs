//! A client that asks for the status again and again while something hangs.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Lab, ensure_within};
use crate::support::{Nis, TIMEOUT, poll_until};

/// It asks in a thread of its own, which ends when it is told to, or when an answer does not come.
pub struct Client {
    asked: Arc<Mutex<Asked>>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Asked {
    answers: Vec<Duration>,
    /// What was said last.
    status: String,
    /// A question waits for its answer since then.
    since: Option<Instant>,
    /// Why there was no answer.
    failed: Option<String>,
    stop: bool,
}

impl Client {
    /// Asks on one connection to this port.
    pub fn start(port: u16) -> Self {
        let asked = Arc::new(Mutex::new(Asked::default()));
        let shared = Arc::clone(&asked);
        let thread = std::thread::spawn(move || {
            let mut client = Nis::connect(("127.0.0.1", port), TIMEOUT).unwrap();
            loop {
                let began = Instant::now();
                shared.lock().unwrap().since = Some(began);
                let status = client.status();
                let mut asked = shared.lock().unwrap();
                match status {
                    Ok(status) => status.get("STATUS").unwrap_or_default().clone_into(&mut asked.status),
                    Err(error) => {
                        asked.failed = Some(error.to_string());
                        return;
                    }
                }
                asked.answers.push(began.elapsed());
                asked.since = None;
                if asked.stop {
                    return;
                }
                drop(asked);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { asked, thread }
    }

    /// Whether STATUS comes to hold this word.
    #[must_use]
    pub fn wait_for(&self, word: &str) -> bool {
        poll_until(TIMEOUT, || self.asked.lock().unwrap().status.contains(word).then_some(())).is_some()
    }

    /// How long the question that is asked now has waited.
    pub fn waits(&self) -> Duration {
        self.asked.lock().unwrap().since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long each answer took.
    pub fn answers(&self) -> Vec<Duration> {
        answers(&self.asked)
    }

    /// Asks no more once this question is answered; how long each answer took.
    pub fn stop(self) -> Vec<Duration> {
        let Self { asked, thread } = self;
        asked.lock().unwrap().stop = true;
        thread.join().unwrap();
        answers(&asked)
    }
}

fn answers(asked: &Mutex<Asked>) -> Vec<Duration> {
    let asked = asked.lock().unwrap();
    assert_eq!(asked.failed, None, "port 3551 answers");
    asked.answers.clone()
}

/// What is promised holds for a machine of its own; this one is emulated, and busy with other scenarios.
pub fn judge(lab: &Lab, mut answers: Vec<Duration>) {
    answers.sort_unstable();
    assert!(answers.len() > 20, "{} answers", answers.len());
    let of = |per_cent: usize| answers[(answers.len() - 1) * per_cent / 100];
    lab.measured("answers", answers.len());
    lab.measured("answer-99-ms", of(99).as_millis());
    lab.measured("answer-slowest-ms", of(100).as_millis());
    ensure_within(of(99), Duration::from_millis(50), "99 of 100 answers");
    ensure_within(of(100), Duration::from_secs(1), "the slowest answer");
}
