//! A master that is watched: senseless bytes, empty answers, answers of another kind and closed connections between its own.

use mainsd::bus::stream::Transmit;
use mainsd::link::Link;
use mainsd::link::net::{NetLink, targets};

use super::*;

const ONLINE: &[u8] = include_bytes!("../../captures/nis/status-apcsmart-online.bin");
const ON_BATTERY: &[u8] = include_bytes!("../../captures/nis/status-apcsmart-onbatt.bin");
/// A watched master says something so often (mainsd-nis(7)).
const SAYS_EVERY: Duration = Duration::from_secs(10);

/// A master whose answer to `watch` is spoilt is asked so often instead.
const POLL_TIME: Duration = Duration::from_secs(10);

/// What comes unasked on the connection.
#[derive(Clone, Copy, Debug)]
enum Pushed {
    /// The end of an answer, without an answer.
    End,
    /// An answer that is no status.
    Refusal,
    /// A record that is part of no answer.
    Record,
    /// The beginning of a record, byte by byte.
    Drip,
    /// Any bytes.
    Random,
    /// Nothing: the connection is closed.
    Closed,
}

const ALL: [Pushed; 6] =
    [Pushed::End, Pushed::Refusal, Pushed::Record, Pushed::Drip, Pushed::Random, Pushed::Closed];

#[derive(Clone, Copy, Debug)]
struct Noise {
    pushed: Pushed,
    every: Duration,
    /// The master says by itself that its UPS goes on battery; otherwise it does when it says something anyway.
    alert: bool,
    latency: Duration,
}

/// The master's end of the connection.
struct Master {
    /// It is watched, and says something then.
    says_at: Option<Instant>,
    /// It answers then.
    answers_at: Option<Instant>,
    open: bool,
}

fn life(random: &mut Random, noise: Noise) -> (u64, Option<String>) {
    let mut now = start();
    let times = Times::new(now, random);
    let mut link = NetLink::new(targets("127.0.0.1", 3551), POLL_TIME, now);
    let mut judge = Judge::new(times);
    let mut master = Master { says_at: None, answers_at: None, open: false };
    let mut noise_at = times.noise;
    let mut alert_at = noise.alert.then_some(times.fails);
    let mut steps = 0;
    while now < times.end {
        steps += 1;
        link.handle_timeout(now);
        while let Some(transmit) = link.poll_transmit(now) {
            match transmit {
                Transmit::Connect { .. } => {
                    master = Master { open: true, says_at: None, answers_at: None };
                    link.handle_connected(now);
                }
                Transmit::Close => master.open = false,
                Transmit::Send(request) => {
                    master.answers_at = Some(now + noise.latency);
                    if request.ends_with(b"watch") {
                        master.says_at = Some(now + SAYS_EVERY);
                    }
                }
            }
        }
        while let Some(event) = link.poll_event() {
            if let Some(poll_rate) = judge.take(&event, now) {
                link.set_poll_rate(poll_rate, now);
            }
        }
        if !master.open {
            master.says_at = None;
            master.answers_at = None;
        }
        let noises = (noise_at < times.quiet).then_some(noise_at);
        let timer = link.poll_timeout().unwrap().max(now + Duration::from_micros(200));
        let own = [master.says_at, master.answers_at, noises, alert_at];
        now = own.into_iter().flatten().fold(timer.min(times.end), Instant::min).max(now);
        let alerts = alert_at.take_if(|at| *at <= now).is_some() && master.says_at.is_some();
        let answers = master.answers_at.take_if(|at| *at <= now).is_some();
        let says = master.says_at.is_some_and(|at| at <= now);
        if alerts || answers || says {
            master.says_at = master.says_at.map(|_| now + SAYS_EVERY);
            link.handle_bytes(now, if now >= times.fails { ON_BATTERY } else { ONLINE });
        }
        if noises.is_some_and(|at| at <= now) {
            noise_at = now + noise.every;
            match noise.pushed {
                _ if !master.open => {}
                Pushed::End => link.handle_bytes(now, b"\0\0"),
                Pushed::Refusal => link.handle_bytes(now, b"\0\x10Invalid command\n\0\0"),
                Pushed::Record => link.handle_bytes(now, b"\0\x0cLINEV    : 1"),
                Pushed::Drip => link.handle_bytes(now, b"\x01"),
                Pushed::Random => {
                    let count = 1 + random.below(40);
                    link.handle_bytes(now, &random.bytes(count));
                }
                Pushed::Closed => {
                    master.open = false;
                    link.handle_closed(now, "the connection was closed");
                }
            }
        }
    }
    (steps, judge.broken().map(|broken| format!("{broken}: {noise:?}")))
}

#[test]
fn a_watched_master_is_heard_or_lost_whatever_comes_between_its_answers() {
    lives(60_000, |random| {
        let noise = Noise {
            pushed: random.one_of(&ALL),
            every: random.one_of(&[5, 50, 300, 2_000, 9_000].map(Duration::from_millis)),
            alert: random.below(2) == 0,
            latency: random.millis(0, 300),
        };
        life(random, noise)
    });
}
