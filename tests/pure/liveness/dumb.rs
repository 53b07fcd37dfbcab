//! A UPS with simple signalling: lines that flicker.

use mainsd::bus::serial::{Lines, Transmit};
use mainsd::link::Link;
use mainsd::link::dumb::{Cable, DumbLink};

use super::*;

/// How many of a hundred looks see a line the wrong way round; of many more some would hold.
#[derive(Clone, Copy, Debug)]
struct Noise {
    mains: u64,
    low: u64,
    /// Each look sees the mains line otherwise than the one before.
    alternates: bool,
}

fn life(random: &mut Random, noise: Noise) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let cable = Cable::of_name("940-0020B").unwrap();
    let mut link = DumbLink::new(cable, "port", Duration::from_secs(60));
    link.handle_opened(now);
    let mut judge = Judge::new(times);
    let mut steps = 0;
    let mut wrong = false;
    while now < times.end {
        steps += 1;
        while let Some(transmit) = link.poll_transmit(now) {
            if transmit == Transmit::Look {
                let noisy = now >= times.noise && now < times.quiet;
                wrong = if noise.alternates { !wrong } else { random.below(100) < noise.mains };
                let mut lines = cable.rest.raise;
                if (now >= times.fails) != (noisy && wrong) {
                    lines = lines.union(Lines::CTS);
                }
                if noisy && random.below(100) < noise.low {
                    lines = lines.union(Lines::CD);
                }
                link.handle_lines(now, Some(lines));
            }
        }
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        now = link.poll_timeout().map_or(times.end, |at| at.clamp(now, times.end));
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_ups_with_simple_signalling_is_heard_or_lost_however_its_lines_flicker() {
    lives(60_000, |random| {
        let noise =
            Noise { mains: random.below(26), low: random.below(101), alternates: random.below(8) == 0 };
        life(random, noise)
    });
}

/// Each look sees another state: nothing can be believed.
#[test]
fn a_line_that_never_holds_still_is_lost() {
    let (_, broken) = life(&mut Random::new(1), Noise { mains: 0, low: 50, alternates: true });
    assert_eq!(broken, None);
}
