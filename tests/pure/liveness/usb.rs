//! A USB UPS: a flood of interrupt reports, true, wrong and senseless. What they say is to be confirmed by a read.

use super::*;
use crate::support::corpus::device::device;
use crate::support::corpus::fake::{Bench, FakeUps};
use mainsd::link::Link;

/// A device, and its report with the line state on battery and on mains.
const UNITS: [(&str, &[u8], &[u8]); 2] = [
    ("apc-back-ups-es-850g2", &[0x06, 0x00, 0x01, 0x10], &[0x06, 0x00, 0x00, 0x08]),
    ("apc-back-ups-bx1600mi", &[0x16, 0x0a, 0, 0, 0], &[0x16, 0x0d, 0, 0, 0]),
];

/// Of eight pushed reports so many say on battery, and so many of eight are followed by one without sense.
#[derive(Clone, Copy, Debug)]
struct Noise {
    unit: usize,
    every: Duration,
    battery: u64,
    senseless: u64,
    /// Another comes during each read.
    meanwhile: bool,
}

fn life(random: &mut Random, noise: Noise) -> (u64, Option<String>) {
    let (name, battery, mains) = UNITS[noise.unit];
    let mut bench = Bench::new(FakeUps::new(device(name)));
    let times = Times::new(bench.now, random);
    let mut judge = Judge::new(times);
    let mut steps = 0;
    bench.ups.feature(mains);
    bench.link.set_poll_time(Duration::from_secs(60), bench.now);
    bench.open();
    let mut false_readings = 0;
    while bench.now < times.end {
        steps += 1;
        let fails = bench.now >= times.fails;
        bench.ups.feature(if fails { battery } else { mains });
        let noisy = bench.now >= times.noise && bench.now < times.quiet;
        bench.meanwhile.clear();
        if noisy {
            let mut report = || if random.below(8) < noise.battery { battery } else { mains };
            bench.interrupt(report());
            bench.meanwhile.extend(noise.meanwhile.then(|| report().to_vec()));
            if random.below(8) < noise.senseless {
                let count = 1 + random.below(9);
                bench.interrupt(&random.bytes(count));
            }
        }
        let next = if bench.now < times.noise { times.noise } else { bench.now + noise.every };
        bench.run(next - bench.now);
        let mut poll_rate = None;
        for (at, event) in std::mem::take(&mut bench.events) {
            poll_rate = judge.take(&event, at).or(poll_rate);
            false_readings += usize::from(judge.believed && at < times.fails);
        }
        if let Some(poll_rate) = poll_rate {
            bench.set_poll_rate(poll_rate);
        }
    }
    let requests = bench.ups.requests.len() as u64;
    let broken = judge.broken();
    let broken = broken.or((false_readings > 0).then(|| "on battery by pushed reports alone".to_owned()));
    (steps + requests, broken.map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_usb_ups_is_heard_or_lost_whatever_reports_come_unasked() {
    lives(200_000, |random| {
        let noise = Noise {
            unit: random.below(2) as usize,
            every: Duration::from_millis(random.one_of(&[1, 2, 5, 13, 40, 200])),
            battery: random.one_of(&[0, 4, 7, 8]),
            senseless: random.below(4),
            meanwhile: random.below(2) == 0,
        };
        life(random, noise)
    });
}

/// During each read the UPS sends what is read, and as soon as it is read the opposite.
#[test]
fn reports_that_contradict_each_other_without_end_leave_room_for_the_polls() {
    for (name, battery, mains) in UNITS {
        let mut bench = Bench::attached(device(name));
        bench.set_poll_rate(PollRate::Fast);
        bench.events.clear();
        bench.meanwhile = vec![mains.to_vec()];
        for _ in 0..10_000 {
            bench.interrupt(battery);
            bench.run(Duration::from_millis(1));
        }
        // One a second; a poll of all takes longer.
        assert!(bench.readings().len() >= 4, "{name}: {} in 10 s", bench.readings().len());
        assert!(bench.readings().iter().all(|reading| !reading.status.contains(StatusFlags::ONBATT)));
    }
}
