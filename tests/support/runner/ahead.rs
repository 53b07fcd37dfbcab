//! What groups of tests need built is built while other tests wait, at the lowest priority.

use std::collections::HashMap;
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

/// What is built, by the modules of the groups: with the words of what failed, and `None` for what is not finished.
#[derive(Default)]
pub struct Ahead {
    builds: Mutex<HashMap<&'static str, Option<Result<(), String>>>>,
    changed: Condvar,
}

impl Ahead {
    /// These are going to be built.
    pub fn announce(&self, builds: &[Build]) {
        self.builds.lock().unwrap().extend(builds.iter().map(|build| (build.module, None)));
    }

    /// Builds these, one after the other. For a thread of its own: its priority stays low.
    pub fn work(&self, builds: Vec<Build>, quiet: bool) {
        // Of this thread and of what it starts: that is Linux's way. Without it all takes longer.
        let _ = rustix::process::nice(19);
        for Build { module, names, build } in builds {
            let done = timed("built", module, quiet, || build(&names));
            self.builds.lock().unwrap().insert(module, Some(done));
            self.changed.notify_all();
        }
    }

    /// Waits until what this group needs is built.
    pub fn wait(&self, module: &str) -> Result<(), String> {
        let is_open = |builds: &mut HashMap<_, _>| matches!(builds.get(module), Some(None));
        let builds = self.changed.wait_while(self.builds.lock().unwrap(), is_open).unwrap();
        builds
            .get(module)
            .cloned()
            .flatten()
            .unwrap_or_else(|| Err("it could not be built at the start".to_owned()))
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
