//! The power of a simulated UPS, and the timeline of a power failure: what `redir-ups` and `serial-power-ups` share.
//!
//! Lines on standard input:
//!
//! ```text
//! mains on|off     low on|off
//! machine on|off   the machine at the UPS is switched on, or off: where the cable does not tell it
//! hurry            what is left of the delay before the power goes passes at once, if the machine is off
//! guest TEXT       a line of the machine's console; if TEXT has "@NAME COMMAND", it is done
//! note TEXT        a line of the timeline
//! quit
//! ```
//!
//! Each line of the timeline, on standard output, has the seconds since the start, by the clock of this process alone. A UPS with
//! another name than "ups" says nothing but what happens to it.

use std::io::BufRead;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What a UPS tells its machine by itself.
pub trait Ups {
    /// Mains fails or returns.
    fn mains(&self, on: bool);
    /// The battery is nearly empty, or well.
    fn battery_low(&self, low: bool);
}

#[derive(Debug)]
struct Power {
    mains: bool,
    /// When the output goes off.
    off_at: Option<Instant>,
    output: bool,
    /// The machine runs.
    machine: bool,
}

/// One UPS.
#[derive(Debug)]
pub struct Timeline {
    name: String,
    start: Instant,
    power: Mutex<Power>,
    changed: Condvar,
}

impl Timeline {
    /// A UPS on mains, whose machine is off.
    pub fn new(name: &str) -> Arc<Self> {
        let power = Power { mains: true, off_at: None, output: true, machine: false };
        let timeline = Arc::new(Self {
            name: name.to_owned(),
            start: Instant::now(),
            power: Mutex::new(power),
            changed: Condvar::new(),
        });
        let clock = Arc::clone(&timeline);
        std::thread::spawn(move || clock.keep_time());
        timeline
    }

    fn is_first(&self) -> bool {
        self.name == "ups"
    }

    fn say(&self, who: &str, text: &str) {
        println!("{:8.3} {who:5} {text}", self.start.elapsed().as_secs_f64());
    }

    /// Something that happens to the UPS.
    pub fn say_ups(&self, text: &str) {
        self.say(&self.name, text);
    }

    /// Something that happens beside it.
    pub fn say_host(&self, text: &str) {
        if self.is_first() {
            self.say("host", text);
        }
    }

    /// The machine is switched on, or off.
    pub fn machine(&self, on: bool) {
        let left = {
            let mut power = self.power.lock().unwrap();
            power.machine = on;
            power.off_at.filter(|_| !on).map(|at| at.saturating_duration_since(Instant::now()))
        };
        self.say_host(if on { "the machine is switched on" } else { "the machine is off" });
        if let Some(left) = left {
            self.say_ups(&format!("the machine is off {:.1} s before its power goes", left.as_secs_f64()));
        }
    }

    /// It is told to cut its power after so many seconds; negative: not to.
    pub fn order(&self, seconds: i64) {
        let delay = u64::try_from(seconds).ok().map(Duration::from_secs);
        self.power.lock().unwrap().off_at = delay.map(|delay| Instant::now() + delay);
        self.say_ups(&if delay.is_some() {
            format!("its power goes in {seconds} s")
        } else {
            "its power does not go".to_owned()
        });
        self.changed.notify_all();
    }

    /// Cuts the power when it is time.
    fn keep_time(&self) {
        let mut power = self.power.lock().unwrap();
        loop {
            let now = Instant::now();
            power = match power.off_at {
                Some(at) if at <= now => {
                    power.off_at = None;
                    power.output = false;
                    self.say_ups(if power.machine {
                        "CUTS THE POWER OF A MACHINE THAT RUNS"
                    } else {
                        "cuts its power"
                    });
                    self.give(&mut power);
                    power
                }
                Some(at) => self.changed.wait_timeout(power, at - now).unwrap().0,
                None => self.changed.wait(power).unwrap(),
            };
        }
    }

    /// Gives power again, if mains is there.
    fn give(&self, power: &mut Power) {
        if power.mains && !power.output {
            power.output = true;
            self.say_ups("gives power again");
        }
    }

    /// Does what standard input says, until it ends.
    pub fn obey_lines(&self, ups: &dyn Ups) {
        for line in std::io::stdin().lock().split(b'\n') {
            let line = line.expect("standard input");
            if line == b"quit" {
                break;
            }
            self.obey(ups, String::from_utf8_lossy(&line).trim_end());
        }
    }

    fn obey(&self, ups: &dyn Ups, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let on = rest == "on";
        match word {
            "" => {}
            "guest" => {
                if self.is_first() {
                    self.say("guest", rest);
                }
                if let Some((_, command)) = rest.split_once(&format!("@{} ", self.name)) {
                    self.obey(ups, command);
                }
            }
            "note" => self.say_host(rest),
            "machine" => self.machine(on),
            "mains" => {
                let mut power = self.power.lock().unwrap();
                if power.mains == on {
                    return;
                }
                self.say_ups(if on { "mains is back" } else { "mains fails" });
                power.mains = on;
                ups.mains(on);
                self.give(&mut power);
            }
            "low" => {
                self.say_ups(if on { "its battery is low" } else { "its battery is well" });
                ups.battery_low(on);
            }
            "hurry" => {
                let mut power = self.power.lock().unwrap();
                if power.machine || power.off_at.is_none() {
                    return self.say_host("no hurry");
                }
                power.off_at = Some(Instant::now());
                self.say_ups("the rest of the delay is left out");
                drop(power);
                self.changed.notify_all();
            }
            _ => self.say_host(&format!("cannot: {line}")),
        }
    }
}
