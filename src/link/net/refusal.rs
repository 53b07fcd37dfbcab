//! A master that does not know `watch`.

/// Which target that is, and whether it has been logged.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The target, and the STARTTIME that it has said since.
    by: Option<(usize, Option<String>)>,
    logged: bool,
}

impl Refusal {
    /// Whether `watch` is to be tried with this target.
    pub(super) fn allows(&self, target: usize) -> bool {
        self.by.as_ref().is_none_or(|(by, _)| *by != target)
    }

    /// This target does not know it; `None`: nobody is known for it any more.
    pub(super) fn set(&mut self, target: Option<usize>) {
        self.by = target.map(|target| (target, None));
    }

    /// It has answered without `watch`. Restarted, it may be another program. Whether this is to be logged.
    pub(super) fn note_answer(&mut self, started: String) -> bool {
        let Some((_, said)) = &mut self.by else { return false };
        match said {
            None => *said = Some(started),
            Some(said) if *said != started => self.by = None,
            Some(_) => {}
        }
        !std::mem::replace(&mut self.logged, true)
    }
}
