use super::*;
use crate::power::Cause;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// What came out, with its second.
struct Bench {
    limit: EventLimit,
    zero: Instant,
    now: Instant,
    out: Vec<(u64, String)>,
}

impl Bench {
    fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "any moment will do; there is no other way to have one")]
        let zero = Instant::now();
        Self { limit: EventLimit::default(), zero, now: zero, out: Vec::new() }
    }

    fn offer(&mut self, event: Event) {
        self.limit.offer(Order::Event(event), self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(order) = self.limit.poll_order() {
            let what = match order {
                Order::Event(event) => event.arg().to_owned(),
                Order::Hook(event) => format!("hook {}", event.arg()),
                Order::Log(_, text) => text,
                other => format!("{other:?}"),
            };
            self.out.push((self.now.duration_since(self.zero).as_secs(), what));
        }
    }

    /// Lets time pass, with all deadlines in it.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.limit.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.limit.handle_timeout(self.now);
            self.drain();
            assert!(
                self.limit.poll_timeout().is_none_or(|next| next > self.now),
                "a deadline that does not move"
            );
        }
        self.now = end;
    }

    fn blip(&mut self, millis: u64) {
        self.offer(Event::PowerOut);
        self.pass(Duration::from_millis(millis));
        self.offer(Event::MainsBack);
        self.pass(Duration::from_millis(millis));
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).into_iter().map(|(_, what)| what).collect()
    }
}

const OUTAGE: [Event; 4] = [Event::PowerOut, Event::OnBattery, Event::OffBattery, Event::MainsBack];

#[test]
fn twenty_outages_in_a_row_are_announced_whole_and_at_once() {
    let mut b = Bench::new();
    for _ in 0..20 {
        for event in OUTAGE {
            b.offer(event);
            b.pass(SECOND / 10);
        }
    }
    assert_eq!(b.out.len(), 80);
    assert!(b.out.iter().all(|(second, _)| *second <= 8));
}

#[test]
fn a_flood_is_counted_and_what_lasts_is_announced() {
    let mut b = Bench::new();
    for _ in 0..650 {
        b.blip(50);
    }
    let out = b.take();
    let events = out.iter().filter(|what| ["powerout", "mainsback"].contains(&what.as_str())).count();
    // Twenty at once, and two in the 65 s that it lasted.
    assert_eq!(events, 2 * 22, "{out:?}");
    let said: Vec<_> = out.iter().filter(|what| what.contains(' ')).collect();
    assert!(said[0].starts_with("So many transfers to battery that not each is announced"), "{said:?}");
    assert!(*said[1] == "Not announced within 28 s: transfers to battery, 280 of them.", "{said:?}");
    assert_eq!(said.len(), 3, "{said:?}");
    // The last one stays.
    b.offer(Event::PowerOut);
    b.pass(SECOND * 6);
    b.offer(Event::OnBattery);
    b.pass(SECOND * 9);
    assert!(b.take().is_empty(), "it has been as it is for 9 s");
    b.pass(SECOND * 21);
    let out = b.take();
    assert!(out[0].starts_with("Not announced within ") && out[1..] == ["powerout", "onbattery"], "{out:?}");
    b.offer(Event::OffBattery);
    b.offer(Event::MainsBack);
    assert_eq!(b.take(), ["offbattery", "mainsback"], "the end of what was announced");
}

#[test]
fn a_flood_that_ends_is_summed_up_within_a_minute() {
    let mut b = Bench::new();
    for _ in 0..25 {
        b.blip(100);
    }
    b.take();
    b.pass(SECOND * 61);
    assert_eq!(b.take(), ["Not announced within 60 s: transfers to battery, 5 of them."]);
    assert_eq!(b.limit.poll_timeout(), None, "nothing ticks on mains");
    b.pass(SECOND * 600);
    b.blip(100);
    assert_eq!(b.take(), ["powerout", "mainsback"]);
}

#[test]
fn a_shutdown_is_never_held_up_and_what_came_before_it_is_told_first() {
    let mut b = Bench::new();
    for _ in 0..21 {
        b.blip(10);
    }
    b.take();
    b.offer(Event::PowerOut);
    b.offer(Event::OnBattery);
    assert!(b.take().is_empty());
    b.offer(Event::Failing);
    assert_eq!(
        b.take(),
        ["Not announced within 0 s: transfers to battery, 1 of them.", "powerout", "onbattery", "failing"]
    );
    for _ in 0..100 {
        b.offer(Event::RemoteDown);
        b.limit.offer(Order::Shutdown { cause: Cause::Remote, explanation: String::new() }, b.now);
        b.drain();
    }
    assert_eq!(b.take().len(), 200);
}

#[test]
fn kinds_do_not_take_each_others_share_and_all_else_passes() {
    let mut b = Bench::new();
    for _ in 0..100 {
        b.blip(10);
    }
    b.take();
    for event in [Event::CommFailure, Event::CommOk, Event::BattDetach, Event::BattAttach, Event::AnnoyMe] {
        b.offer(event);
    }
    b.limit.offer(Order::Hook(Event::AnnoyMe), b.now);
    b.limit.offer(Order::CreateNologin, b.now);
    b.drain();
    let all =
        ["commfailure", "commok", "battdetach", "battattach", "annoyme", "hook annoyme", "CreateNologin"];
    assert_eq!(b.take(), all);
}

#[test]
fn a_self_test_that_becomes_an_outage_is_one_episode() {
    let mut b = Bench::new();
    for event in [Event::StartSelfTest, Event::OnBattery, Event::OffBattery, Event::MainsBack] {
        b.offer(event);
    }
    // Announced by an earlier run.
    b.offer(Event::MainsBack);
    assert_eq!(b.take(), ["startselftest", "onbattery", "offbattery", "mainsback", "mainsback"]);
}

#[test]
fn a_daemon_that_ends_says_what_it_left_out() {
    let mut b = Bench::new();
    for _ in 0..25 {
        b.blip(10);
    }
    b.offer(Event::PowerOut);
    b.take();
    b.limit.close(b.now);
    b.drain();
    assert_eq!(b.take(), ["Not announced within 0 s: transfers to battery, 6 of them."]);
}

proptest! {
    /// Whatever happens, and however fast: few lines; no beginning without its end; what lasts is told within 40 s.
    #[test]
    fn any_life_is_told_in_few_lines_and_its_state_in_the_end(
        steps in prop::collection::vec((0u64..3000, any::<bool>()), 0..400),
    ) {
        let mut b = Bench::new();
        let mut state = 0;
        for (millis, onward) in steps {
            b.pass(Duration::from_millis(millis));
            match (state, onward) {
                (0, _) => { b.offer(Event::PowerOut); state = 1; }
                (1, true) => { b.offer(Event::OnBattery); state = 2; }
                (1, false) => { b.offer(Event::MainsBack); state = 0; }
                _ => { b.offer(Event::OffBattery); b.offer(Event::MainsBack); state = 0; }
            }
        }
        b.pass(SECOND * 40);
        let span = b.now.duration_since(b.zero).as_secs();
        let told: Vec<_> = b.out.iter().map(|(_, what)| what.as_str()).filter(|what| !what.contains(' ')).collect();
        prop_assert!(b.out.len() as u64 <= (20 + span / 30 + 1) * 5, "{} in {span} s", b.out.len());
        let mut shown = 0;
        for what in &told {
            shown = match (shown, *what) {
                (0, "powerout") => 1,
                (1, "onbattery") => 2,
                (2, "offbattery") => 3,
                (1 | 3, "mainsback") => 0,
                other => return Err(TestCaseError::fail(format!("{other:?} in {told:?}"))),
            };
        }
        prop_assert_eq!(shown, state);
    }
}
