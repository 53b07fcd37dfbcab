//! What needs the port itself, so that no daemon may have it: the lines of simple signalling, and a UPS spoken with by hand.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::console::{Console, Typed};
use super::menu::Look;
use crate::bus::serial::Lines;
use crate::drivers::{guess_cable, lines_at_rest};
use crate::program::daemon::Options;
use crate::program::tools::ctl::alone;
use crate::sys::reason;
use crate::sys::terminal::Unechoed;
use crate::sys::terminal::read_within;
use crate::sys::tty::{Tty, is_none};

/// From one look at the lines to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// A look that waits for nothing takes so long.
const LOOK: Duration = Duration::from_secs(10);
/// Lines that do not change are shown again after this time.
const SHOWN_AGAIN: Duration = Duration::from_secs(60);
/// The speed of Smart signalling (apcsmart §1).
const SPEED: u32 = 2400;
/// Ends what is typed to the UPS.
const ESCAPE: u8 = 0x1b;
/// A UPS that says nothing for so long has no more to say.
const ANSWER: Duration = Duration::from_secs(1);
/// Longest answer that is shown, in bytes.
const MAX_ANSWER: usize = 1024;
/// What is asked (apcsmart §5): is it there, its capabilities, its status; what each poll reads; the quality of the line and the hours since the
/// last self test; what is read once.
const ASKED: &[u8] = b"YaQfjLPG'BXMNOFC7~8ht9dsrplukeqcEmnxgob><V\x01\x1a";

/// What the looks have seen, each at its end.
#[derive(Default)]
pub struct Seen(Vec<(Look, Lines)>);

impl Seen {
    fn of(&self, look: Look) -> Option<Lines> {
        self.0.iter().find(|(of, _)| *of == look).map(|(_, lines)| *lines)
    }

    fn note(&mut self, look: Look, lines: Lines) {
        self.0.retain(|(of, _)| *of != look);
        self.0.push((look, lines));
    }

    /// The names of the lines that are on.
    fn names(lines: Lines) -> String {
        let names: Vec<&str> = lines.iter_names().map(|(name, _)| name).collect();
        format!("on: {}", if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    }

    /// Takes a look; `None`: the input has ended.
    pub fn look(&mut self, console: &mut Console, options: &Options, look: Look) -> Option<()> {
        let before = self.of(Look::NoPower);
        if look == Look::Low && before.is_none() {
            console.say("first 'no mains'");
            return Some(());
        }
        console.ask(&format!("{}; Enter begins and ends it", look.words()))?;
        let held = match held(options) {
            Ok(held) => held,
            Err(why) => {
                console.say(&why);
                return Some(());
            }
        };
        let (began, mut shown) = (Instant::now(), None);
        loop {
            let lines = match held.tty.modem_lines() {
                Ok(lines) => lines,
                Err(error) => {
                    console.say(&words(&error));
                    return Some(());
                }
            };
            let now = Instant::now();
            if shown.is_none_or(|(was, at)| was != lines || now >= at + SHOWN_AGAIN) {
                shown = Some((lines, now));
                console.say_now(&Self::names(lines));
            }
            self.note(look, lines);
            let is_over = match look {
                Look::Normal | Look::NoCable | Look::NoPower => began.elapsed() >= LOOK,
                Look::Low => before != Some(lines),
                Look::Empty => false,
            };
            if is_over {
                return Some(());
            }
            match console.line(INTERVAL) {
                Typed::Nothing => {}
                Typed::Line(_) => return Some(()),
                Typed::End => return None,
            }
        }
    }

    /// Shows the lines as they are now, about an order.
    pub fn show(&self, console: &mut Console, options: &Options, when: &str) {
        let lines = held(options).and_then(|held| held.tty.modem_lines().map_err(|error| words(&error)));
        console.say(&format!("{when}: {}", lines.map_or_else(|why| why, Self::names)));
    }

    /// Names the cables that fit.
    pub fn guess(&self, console: &mut Console) {
        let words = match (self.of(Look::Normal), self.of(Look::NoPower)) {
            (Some(normal), Some(no_power)) => {
                let names = guess_cable(normal, no_power, self.of(Look::Low));
                if names.is_empty() {
                    "no cable that is known tells mains by these lines".to_owned()
                } else {
                    format!("UPSCABLE may be: {}", names.join(", "))
                }
            }
            _ => "first 'normal' and 'no mains'".to_owned(),
        };
        console.say(&words);
    }
}

/// Why the lines cannot be read.
fn words(error: &io::Error) -> String {
    if is_none(error) { "the port has no modem lines".to_owned() } else { reason(error) }
}

/// The port, and what keeps a daemon from it.
struct Held {
    tty: Tty,
    _lock: Box<dyn std::any::Any>,
}

fn held(options: &Options) -> Result<Held, String> {
    let (loaded, lock) = alone(options).map_err(|refusal| refusal.text)?;
    let config = loaded.config;
    let tty = Tty::open(Path::new(&config.device)).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => format!("{}: another program has it", config.device),
        _ => format!("{}: {}", config.device, reason(&error)),
    })?;
    let rest = lines_at_rest(config.ups_cable.map_or("", |cable| cable.word()));
    // A port without modem lines says so when they are read.
    let _ = tty.set_modem_lines(rest.clear, false).and_then(|()| tty.set_modem_lines(rest.raise, true));
    Ok(Held { tty, _lock: Box::new(lock) })
}

/// The port for Smart signalling; where it cannot be had, that is said.
fn smart(console: &mut Console, options: &Options) -> Option<Held> {
    let set = |held: Held| held.tty.set_speed(SPEED).map(|()| held).map_err(|error| reason(&error));
    held(options).and_then(set).map_err(|why| console.say(&why)).ok()
}

/// Asks for everything that Smart signalling has a letter for, and shows each answer as it comes.
pub fn query(console: &mut Console, options: &Options) {
    let Some(held) = smart(console, options) else { return };
    for letter in ASKED {
        held.tty.flush_input();
        let _ = held.tty.write(&[*letter]);
        let (mut answer, mut bytes) = (Vec::new(), [0; 256]);
        while !answer.contains(&b'\n') && answer.len() < MAX_ANSWER {
            match read_within(held.tty.as_fd(), &mut bytes, ANSWER) {
                Ok(Some(count @ 1..)) => answer.extend(bytes.iter().take(count)),
                _ => break,
            }
        }
        console.say(&format!("{}  {}", visible(&[*letter]), visible(&answer).trim_end()));
    }
}

/// Sends what is typed to the UPS, and shows what it answers, until ESC.
pub fn by_hand(console: &mut Console, options: &Options) -> Option<()> {
    let Some(held) = smart(console, options) else { return Some(()) };
    console.say("each key goes to the UPS; ESC ends it");
    let _silent = Unechoed::new(io::stdin().as_fd());
    loop {
        let keys = console.keys(Duration::from_millis(50))?;
        for key in keys.iter().take_while(|key| **key != ESCAPE) {
            let _ = held.tty.write(&[*key]);
        }
        let mut bytes = [0; 256];
        let answer = held.tty.read(&mut bytes).map(|count| bytes.get(..count).unwrap_or_default());
        if let Ok(answer) = answer {
            console.show(&visible(answer));
        }
        if keys.contains(&ESCAPE) {
            console.say("");
            return Some(());
        }
    }
}

/// Control characters but the newline as ^X.
fn visible(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\r' => {}
            b'\n' | b' '..=b'~' => text.push(char::from(*byte)),
            other => {
                text.extend(['^', if other & 0x3f == 0x3f { '?' } else { char::from(other & 0x3f | 0x40) }])
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_ups_are_no_orders_to_a_terminal() {
        assert_eq!(visible(b"SM\r\n\x01\x1b[2J\x9b\x7f\xff"), "SM\n^A^[[2J^[^?^?");
    }

    #[test]
    fn lines_are_shown_by_their_names() {
        assert_eq!(Seen::names(Lines::CD | Lines::DTR), "on: CD DTR");
        assert_eq!(Seen::names(Lines::empty()), "on: none");
    }
}
