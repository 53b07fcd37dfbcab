//! A USB UPS that speaks HID and Modbus: by Modbus comes what does no good, at every time, and the outage is heard by HID.

use super::*;
use crate::support::both::{Both, FROM_UPS, Fate};
use mainsd::bus::usb::{Event, TransferError};
use mainsd::link::Link;

/// What becomes of requests by Modbus, in turn, and how often something comes unasked.
#[derive(Clone, Debug)]
struct Noise {
    fates: Vec<Fate>,
    every: Duration,
    modbus_first: bool,
}

fn fate(random: &mut Random) -> Fate {
    match random.below(10) {
        0 => Fate::Silent,
        1 => Fate::Wrong(random.below(63) as usize),
        2 => Fate::Cut(random.below(3) as usize),
        3 => Fate::Late(random.millis(50, 4_000)),
        4 => {
            Fate::Fails(random.one_of(&[TransferError::Timeout, TransferError::Stall, TransferError::Other]))
        }
        5 => {
            let count = random.below(64);
            Fate::Noise(random.bytes(count))
        }
        _ => Fate::Answered,
    }
}

fn life(random: &mut Random, noise: &Noise) -> (u64, Option<String>) {
    let mut both = Both::new(noise.modbus_first);
    let times = Times::new(both.now, random);
    let mut judge = Judge::new(times);
    let mut fates = noise.fates.clone().into_iter().cycle();
    both.fate = Box::new(move || fates.next().unwrap_or(Fate::Answered));
    both.open();
    let (mut steps, mut lost) = (0, 0);
    while both.now < times.end {
        steps += 1;
        let fails = both.now >= times.fails;
        both.hid_mains(!fails);
        // Modbus says the opposite at times: it decides nothing.
        both.unit.mains(random.below(2) == 0);
        if both.now >= times.noise && both.now < times.quiet {
            let count = random.below(64);
            let report = [&[FROM_UPS], &random.bytes(count)[..]].concat();
            both.link.handle_event(both.now, Event::Interrupt(&report));
        }
        both.run(noise.every);
        let mut poll_rate = None;
        for (at, event) in std::mem::take(&mut both.told) {
            poll_rate = judge.take(&event, at).or(poll_rate);
            lost += usize::from(matches!(event, LinkEvent::Lost { .. }));
        }
        if let Some(poll_rate) = poll_rate {
            both.link.set_poll_rate(poll_rate, both.now);
        }
    }
    let broken = judge.broken().or((lost > 0 || both.reopened > 0).then(|| "a loss of HID".to_owned()));
    (steps + both.sent.len() as u64, broken.map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_usb_ups_is_heard_by_hid_whatever_comes_by_modbus() {
    lives(30_000, |random| {
        let count = 1 + random.below(6);
        let noise = Noise {
            fates: (0..count).map(|_| fate(random)).collect(),
            every: Duration::from_millis(random.one_of(&[7, 40, 200])),
            modbus_first: random.below(2) == 0,
        };
        life(random, &noise)
    });
}
