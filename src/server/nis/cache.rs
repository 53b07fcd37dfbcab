//! The answer to `status`, rendered only when it would differ from the last one.

use std::rc::Rc;

use crate::report::{Renderer, Snapshot, Stamp};
use crate::wire::nis;

/// Keeps the present [`Snapshot`] and the answer made from it. Clients that ask within one second share one
/// rendering.
#[derive(Debug, Default)]
pub struct Cache {
    snapshot: Snapshot,
    answer: Option<Rc<[u8]>>,
    renderer: Renderer,
    buffer: Vec<u8>,
}

impl Cache {
    /// A cache that answers from this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, ..Self::default() }
    }

    /// The snapshot.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The snapshot, to be changed in place: the next answer is rendered anew.
    pub fn update(&mut self) -> &mut Snapshot {
        self.answer = None;
        &mut self.snapshot
    }

    /// The framed answer to `status` at `now`. `refresh` is called before a rendering, and only then: it sets what
    /// follows the clock (`time_on_battery`, `total_on_battery`).
    pub fn status(&mut self, now: Stamp, refresh: impl FnOnce(&mut Snapshot)) -> Rc<[u8]> {
        if let Some(answer) = &self.answer {
            if self.snapshot.now == now {
                return Rc::clone(answer);
            }
        }
        self.prepare(now, refresh);
        self.buffer.clear();
        nis::push_lines(&mut self.buffer, self.renderer.text(&self.snapshot));
        let answer: Rc<[u8]> = Rc::from(self.buffer.as_slice());
        self.answer = Some(Rc::clone(&answer));
        answer
    }

    /// The status at `now` as plain text, header first: status file and LOGSTATS.
    pub fn text(&mut self, now: Stamp, refresh: impl FnOnce(&mut Snapshot)) -> &str {
        self.answer = None;
        self.prepare(now, refresh);
        self.renderer.text(&self.snapshot)
    }

    /// Before the first poll DATE is the time of the first answer, and stays (nis §5.3).
    fn prepare(&mut self, now: Stamp, refresh: impl FnOnce(&mut Snapshot)) {
        self.snapshot.now = now;
        self.snapshot.polled_at.get_or_insert(now);
        refresh(&mut self.snapshot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn answers_within_one_second_are_one_rendering() {
        let mut cache = Cache::default();
        let now = Stamp::new(1_795_230_596, 3600);
        let first = cache.status(now, |_| ());
        let second = cache.status(now, |_| panic!("rendered again"));
        assert!(Rc::ptr_eq(&first, &second));
    }

    #[test]
    fn a_new_second_or_a_changed_snapshot_is_rendered() {
        let mut cache = Cache::default();
        let now = Stamp::new(1_795_230_596, 3600);
        let first = cache.status(now, |_| ());
        cache.update().transfers = 7;
        let second = cache.status(now, |_| ());
        assert_ne!(first, second);
        let later = Stamp::new(now.unix + 1, 3600);
        let third = cache.status(later, |snapshot| snapshot.time_on_battery = Duration::from_secs(5));
        let text = String::from_utf8_lossy(&third).into_owned();
        assert!(text.contains("TONBATT  : 5 Seconds\n") && text.contains("NUMXFERS : 7\n"), "{text}");
    }

    #[test]
    fn before_the_first_poll_date_stays_at_the_first_answer() {
        let mut cache = Cache::default();
        let first = Stamp::new(1_795_230_596, 3600);
        cache.status(first, |_| ());
        let answer = cache.status(Stamp::new(first.unix + 60, 3600), |_| ());
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.contains("DATE     : 2026-11-21 04:09:56 +0100  \n"), "{text}");
        assert!(text.contains("END APC  : 2026-11-21 04:10:56 +0100  \n"), "{text}");
    }
}
