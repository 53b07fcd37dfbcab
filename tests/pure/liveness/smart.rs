//! A serial smart UPS: alert bytes and other characters between and within its answers.

use mainsd::bus::serial::Transmit;
use mainsd::link::Link;
use mainsd::link::apcsmart::{ApcSmartLink, Settings};

use super::*;

fn answer(query: u8, on_battery: bool) -> &'static [u8] {
    match query {
        b'Y' => b"SM\r\n",
        b'Q' if on_battery => b"10\r\n",
        b'Q' => b"08\r\n",
        b'a' => b"3.!$%+?=#|.\x01ABCEFGKLMNOPQRSUVWXYZ'789abcefgjklmnopqrsuvxyz~\r\n",
        b'G' if on_battery => b"L\r\n",
        b'G' => b"O\r\n",
        b'f' => b"100.0\r\n",
        b'j' => b"0040:\r\n",
        b'L' if on_battery => b"000.0\r\n",
        b'L' => b"230.0\r\n",
        0x1a => b"#\r\n",
        _ => b"NA\r\n",
    }
}

/// What comes unasked: one to all of these bytes, each so often.
#[derive(Clone, Debug)]
struct Noise {
    bytes: Vec<u8>,
    every: Duration,
    /// From a question to its answer.
    latency: Duration,
    /// The UPS says by itself that it goes on battery.
    alert: bool,
}

fn life(random: &mut Random, noise: &Noise) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let mut link = ApcSmartLink::new(Settings { poll_time: Duration::from_secs(60), port: "port".into() });
    link.handle_opened(now);
    let mut judge = Judge::new(times);
    let mut coming: std::collections::VecDeque<(Instant, &[u8])> = std::collections::VecDeque::new();
    let mut noise_at = times.noise;
    let mut alert_at = noise.alert.then_some(times.fails);
    let mut steps = 0;
    while now < times.end {
        steps += 1;
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                Transmit::Bytes(_) | Transmit::Look | Transmit::Switch(..) | Transmit::Break(_) => {
                    panic!("{transmit:?}")
                }
                Transmit::Byte(byte) => {
                    coming.push_back((now + noise.latency, answer(byte, now >= times.fails)))
                }
                Transmit::Reopen => {
                    link.handle_closed(now, "opened anew");
                    link.handle_opened(now);
                }
            }
        }
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        let timer = link.poll_timeout().map(|at| at.max(now + Duration::from_micros(200)));
        let noises = (noise_at < times.quiet && !noise.bytes.is_empty()).then_some(noise_at);
        let answers = coming.front().map(|(at, _)| *at);
        let next = [timer, noises, answers, alert_at].into_iter().flatten().fold(times.end, Instant::min);
        now = next.max(now);
        if alert_at.take_if(|at| *at <= now).is_some() {
            link.handle_bytes(now, b"!");
        }
        if noises.is_some_and(|at| at <= now) {
            let count = 1 + random.below(noise.bytes.len() as u64) as usize;
            link.handle_bytes(now, &noise.bytes[..count]);
            noise_at = now + noise.every;
        }
        while coming.front().is_some_and(|(at, _)| *at <= now) {
            let (_, bytes) = coming.pop_front().unwrap();
            link.handle_bytes(now, bytes);
        }
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

/// The three of the field: no status byte was ever asked for again.
#[test]
fn alert_noise_does_not_keep_the_status_byte_of_a_serial_ups_from_being_asked() {
    for (bytes, every) in [(b"!", 50), (b"$", 50), (b"%", 95)] {
        for alert in [false, true] {
            let noise = Noise {
                bytes: bytes.to_vec(),
                every: Duration::from_millis(every),
                latency: Duration::from_millis(60),
                alert,
            };
            let (_, broken) = life(&mut Random::new(1), &noise);
            assert_eq!(broken, None);
        }
    }
}

#[test]
fn a_serial_ups_is_heard_or_lost_whatever_comes_unasked() {
    lives(60_000, |random| {
        let count = random.below(4);
        let noise = Noise {
            bytes: (0..count).map(|_| random.one_of(b"!$%+?=#|&*\r\nU0\0SMNA8:")).collect(),
            every: random.millis(5, 300),
            latency: random.millis(10, 130),
            alert: random.below(2) == 0,
        };
        life(random, &noise)
    });
}
