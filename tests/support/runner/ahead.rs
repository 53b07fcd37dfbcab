//! What groups of tests need built is built while other tests wait, at the lowest priority.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::LONG;

/// What is built for a group.
pub struct Build<'a> {
    /// The group's.
    pub module: &'static str,
    /// Its tests that are to run.
    pub names: Vec<&'a str>,
    pub build: fn(&[&str]),
}

/// What has been built, by the modules of the groups; with the words of what failed.
#[derive(Default)]
pub struct Ahead {
    done: Mutex<HashMap<&'static str, Result<(), String>>>,
    changed: Condvar,
}

impl Ahead {
    /// Builds these until none is left. For a thread of its own: its priority stays low.
    pub fn work(&self, builds: &Mutex<VecDeque<Build>>) {
        // Of this thread and of what it starts: that is Linux's way.
        rustix::process::nice(19).expect("a lower priority is always granted");
        loop {
            let next = builds.lock().unwrap().pop_front();
            let Some(Build { module, names, build }) = next else { return };
            let done = timed("built", module, false, || build(&names));
            self.done.lock().unwrap().insert(module, done);
            self.changed.notify_all();
        }
    }

    /// Waits until what this group needs is built.
    pub fn wait(&self, module: &str) -> Result<(), String> {
        let done = self.changed.wait_while(self.done.lock().unwrap(), |done| !done.contains_key(module));
        done.unwrap()[module].clone()
    }
}

/// The result, or the words of a panic; tells how long it took if it was long.
pub fn timed<T>(verb: &str, module: &str, quiet: bool, work: impl FnOnce() -> T) -> Result<T, String> {
    let began = Instant::now();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    if !quiet && began.elapsed() >= LONG {
        println!("{verb} {module} in {} s", began.elapsed().as_secs());
    }
    done.map_err(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
    })
}
