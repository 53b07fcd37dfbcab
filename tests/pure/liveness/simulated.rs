//! The simulated UPS: flags and loads that change at each moment, with and without alerts.

use mainsd::link::Link;
use mainsd::link::simulated::{Script, Simulated};

use super::*;

/// Polled so often: without alerts a change is seen no sooner.
const POLL_TIME: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
struct Noise {
    what: &'static str,
    every: Duration,
    alerts: bool,
}

fn life(random: &mut Random, noise: Noise) -> (u64, Option<String>) {
    let start = start();
    let times = Times::new(start, random);
    let since = |at: Instant| (at - start).as_secs_f64();
    let alerts = if noise.alerts { "on" } else { "off" };
    let mut script = format!("0 alerts {alerts}\n{} mains off\n", since(times.fails));
    let (mut at, mut on) = (times.noise, true);
    while at < times.quiet {
        script += &format!("{} {} {}\n", since(at), noise.what, if on { "on" } else { "off" });
        (at, on) = (at + noise.every, !on);
    }
    let mut link = Simulated::new(Script::parse(&script).unwrap(), POLL_TIME, start);
    let mut judge = Judge::new(times);
    let (mut now, mut steps) = (start, 0);
    while now < times.end {
        steps += 1;
        link.handle_timeout(now);
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        now = link.poll_timeout().unwrap().clamp(now, times.end);
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_simulated_ups_is_heard_or_lost_whatever_changes_at_each_moment() {
    lives(10_000, |random| {
        let noise = Noise {
            what: random.one_of(&["overload", "lowbatt", "replace"]),
            every: random.one_of(&[20, 100, 700].map(Duration::from_millis)),
            alerts: random.below(2) == 0,
        };
        life(random, noise)
    });
}
