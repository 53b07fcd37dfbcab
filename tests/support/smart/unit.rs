//! What the simulated UPS answers (apcsmart §7 to §11).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A byte of a sequence that follows the one before sooner than this is not taken. A real unit wants 1.5 s between two `K`; what is
/// measured here includes the load of the machine, and the exact pauses are tested by a clock of their own.
const PAUSE: Duration = Duration::from_millis(500);

/// Which UPS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Smart-UPS 1000 of the third generation: everything.
    Third,
    /// Smart-UPS 400 of the first: no `a`, no model, no `b`; silent on what it does not know; `*` for `OK`.
    First,
    /// Back-UPS Pro: few values, no registers, no `%`.
    BackUpsPro,
    /// Matrix-UPS 5000: registers, packs.
    Matrix,
}

/// The UPS.
#[derive(Debug)]
pub struct Unit {
    pub generation: Generation,
    /// Answers without their line end, by query.
    pub answers: BTreeMap<u8, Vec<u8>>,
    /// Says nothing at all.
    pub silent: bool,
    /// What it says does not come out yet.
    pub held: bool,
    /// All bytes received, with the moment of each.
    pub received: Vec<(u8, Instant)>,
    /// What has been sent, with the moment at which the last byte of each answer was.
    pub written: Vec<(Vec<u8>, Instant)>,
    /// Bytes to send.
    pub out: Vec<u8>,
    /// How the load was switched off: the command that was understood.
    pub killed: Option<&'static str>,
    /// Accepts `S` only on battery; a unit that refuses it altogether has this off.
    pub knows_soft: bool,
    pub knows_hibernate: bool,
    smart: bool,
    pending: Vec<(u8, Instant)>,
    testing: bool,
    /// Values that `-` steps through, and which is the present one.
    settings: BTreeMap<u8, (Vec<&'static str>, usize)>,
    /// A text being typed: its query, what has come, and when the last character did.
    typed: Option<(u8, Vec<u8>, Instant)>,
}

fn text(pairs: &[(u8, &str)]) -> BTreeMap<u8, Vec<u8>> {
    pairs.iter().map(|(query, answer)| (*query, answer.as_bytes().to_vec())).collect()
}

/// What every unit says.
const COMMON: &[(u8, &str)] = &[
    (b'Q', "08"),
    (b'B', "27.37"),
    (b'F', "50.00"),
    (b'L', "230.0"),
    (b'M', "231.4"),
    (b'N', "228.1"),
    (b'O', "229.6"),
    (b'P', "024.0"),
    (b'f', "100.0"),
    (b'G', "O"),
    (b'X', "NO"),
];

const SMART: &[(u8, &str)] = &[
    (0x01, "Smart-UPS 1000"),
    (b'C', "029.2"),
    (b'E', "336"),
    (b'V', "IWI"),
    (b'b', "60.11.I"),
    (b'c', "UPS_IDEN"),
    (b'd', "0012"),
    (b'e', "15"),
    (b'g', "024"),
    (b'h', "042.4"),
    (b'j', "0060:"),
    (b'k', "0"),
    (b'l', "196"),
    (b'm', "10/23/96"),
    (b'n', "WS9643050926"),
    (b'o', "230"),
    (b'p', "020"),
    (b'q', "02"),
    (b'r', "060"),
    (b's', "H"),
    (b't', "23.50"),
    (b'u', "253"),
    (b'x', "11/29/02"),
    (b'y', "(C) APCC"),
    (b'7', "00"),
    (b'8', "00"),
    (b'9', "FF"),
    (b'\'', "00"),
    (b'~', "40"),
    (b'>', "000"),
    (b'<', "000"),
];

/// What the settings of an international unit may be, by query (apcsmart §10.1). The double L is real.
const SETTINGS: &[(u8, [&str; 4])] = &[
    (b'u', ["253", "257", "261", "265"]),
    (b'l', ["208", "204", "200", "196"]),
    (b'e', ["00", "15", "50", "90"]),
    (b's', ["H", "M", "L", "L"]),
    (b'q', ["02", "05", "07", "10"]),
    (b'p', ["020", "180", "300", "600"]),
    (b'k', ["0", "T", "L", "N"]),
    (b'r', ["000", "060", "180", "300"]),
    (b'E', ["336", "168", "ON ", "OFF"]),
    (b'o', ["230", "240", "220", "225"]),
];

/// The shortest time between two typed characters.
const KEYS: Duration = Duration::from_millis(50);

/// Commands that the unit lists beside its queries.
const ACTIONS: &[u8] = b"\x0eADKRSUWYZaz@+-\x7f";

impl Unit {
    pub fn new(generation: Generation) -> Self {
        let mut answers = text(COMMON);
        match generation {
            Generation::Third => answers.extend(text(SMART)),
            Generation::First => answers.extend(text(&[(b'V', "4QI"), (b'g', "024"), (b'C', "029.2")])),
            Generation::BackUpsPro => {
                answers.extend(text(&[
                    (0x01, "BACK-UPS PRO 650"),
                    (b'b', "12.4.I"),
                    (b'n', "NB9823"),
                    (b'm', "06/05/98"),
                    (b'j', "0017:"),
                    (b'g', "012"),
                    (b'u', "265"),
                    (b'l', "200"),
                    (b's', "H"),
                    (b'p', "180"),
                    (b'q', "02"),
                    (b'e', "00"),
                    (b'k', "0"),
                ]));
                for absent in b"OBF" {
                    answers.remove(absent);
                }
            }
            Generation::Matrix => {
                answers.extend(text(SMART));
                answers.extend(text(&[
                    (0x01, "MATRIX-UPS 5000"),
                    (b'>', "003"),
                    (b'<', "001"),
                    (b'\'', "40"),
                    (b'~', "C0"),
                    (b'8', "20"),
                    (b'7', "0F"),
                    (0x0c, "E"),
                    (0x16, "A"),
                    (b'/', "05.20"),
                    (b'\\', "026.40"),
                    (b'^', "INV"),
                    (b'b', "0ZI"),
                ]));
                // It has no Measure-UPS.
                for absent in b"ht" {
                    answers.remove(absent);
                }
            }
        }
        let mut unit = Self {
            generation,
            answers,
            silent: false,
            held: false,
            received: Vec::new(),
            written: Vec::new(),
            out: Vec::new(),
            killed: None,
            knows_soft: true,
            knows_hibernate: true,
            smart: false,
            pending: Vec::new(),
            testing: false,
            settings: BTreeMap::new(),
            typed: None,
        };
        if generation != Generation::First {
            unit.keep_settings();
            let mut list = match generation {
                Generation::BackUpsPro => b"3.!$+?|.".to_vec(),
                _ => b"3.!$%+?=#|.".to_vec(),
            };
            list.extend(unit.answers.keys());
            list.extend(ACTIONS);
            unit.answers.insert(b'a', list);
        }
        unit
    }

    /// Its EEPROM: values to step through for each setting it has, and, if it says so, the list of them.
    fn keep_settings(&mut self) {
        // Those of the other locales come first: they are not for this unit.
        let mut list = b"#uD43127130133136lD43106103100097".to_vec();
        for (query, values) in SETTINGS {
            let Some(present) = self.answers.get(query) else { continue };
            let at = values.iter().position(|value| value.as_bytes() == present.as_slice()).unwrap();
            self.settings.insert(*query, (values.to_vec(), at));
            if self.generation == Generation::Matrix {
                list.extend(b"##");
            }
            let width = char::from(b'0' + values[0].len() as u8);
            list.extend(format!("{}I4{width}{}", char::from(*query), values.concat()).bytes());
        }
        if self.generation != Generation::BackUpsPro {
            self.answers.insert(0x1a, list);
        }
    }

    /// `-` after the query of a setting.
    fn change(&mut self, now: Instant) {
        let query = self.received.iter().rev().nth(1).map_or(0, |(byte, _)| *byte);
        if self.answers.contains_key(&query) && matches!(query, b'c' | b'x') {
            self.typed = Some((query, Vec::new(), now));
        } else if let Some((values, at)) = self.settings.get_mut(&query) {
            *at = (*at + 1) % values.len();
            let value = values[*at];
            self.set(query, value);
            self.say("OK");
            // A real unit says so five seconds later.
            if self.generation != Generation::BackUpsPro {
                self.alert(b'|');
            }
        } else {
            self.say("NA");
        }
    }

    /// A character of a text; whether it was one.
    fn type_in(&mut self, byte: u8, now: Instant) -> bool {
        let Some((query, text, last)) = &mut self.typed else { return false };
        if now - *last >= KEYS {
            text.push(byte);
            *last = now;
        }
        if text.len() == 8 {
            let (query, text) = (*query, String::from_utf8(text.clone()).unwrap());
            self.typed = None;
            self.set(query, &text);
            self.say("OK");
        }
        true
    }

    /// What has been said and may come out.
    pub fn take_out(&mut self) -> Vec<u8> {
        if self.held { Vec::new() } else { std::mem::take(&mut self.out) }
    }

    /// Changes an answer.
    pub fn set(&mut self, query: u8, answer: &str) {
        self.answers.insert(query, answer.as_bytes().to_vec());
    }

    /// Says something by itself.
    pub fn alert(&mut self, alert: u8) {
        if self.smart && !self.silent {
            self.out.push(alert);
        }
    }

    /// Mains fails: what the values say, then the alert.
    pub fn fail_mains(&mut self) {
        self.set(b'G', "T");
        self.set(b'L', "000.0");
        self.set(b'Q', "10");
        self.alert(b'!');
    }

    /// Mains returns.
    pub fn restore_mains(&mut self) {
        self.set(b'L', "230.0");
        self.set(b'Q', "08");
        self.alert(b'$');
    }

    /// Low battery, on battery.
    pub fn battery_low(&mut self) {
        self.set(b'Q', "50");
        if self.generation != Generation::BackUpsPro {
            self.alert(b'%');
        }
    }

    /// Turned off and on again: back in its simple mode.
    pub fn forget_smart_mode(&mut self) {
        self.smart = false;
    }

    /// Whether this byte has come.
    pub fn has_been_sent(&self, wanted: u8) -> bool {
        self.received.iter().any(|(byte, _)| *byte == wanted)
    }

    /// The self test under way ends well: after some seconds in a real unit, here when its begin has been seen.
    pub fn end_self_test(&mut self) {
        assert!(std::mem::take(&mut self.testing), "no self test is under way");
        self.set(b'Q', "08");
        self.set(b'X', "OK");
        self.alert(b'$');
    }

    /// A calibration begins, or is stopped.
    fn calibrate(&mut self) {
        let runs = self.answers.get(&b'Q').is_some_and(|status| status[1] & 1 == 1);
        let (status, alert) = if runs { ("08", b'$') } else { ("11", b'!') };
        self.set(b'Q', status);
        if !runs {
            self.set(b'G', "S");
        }
        self.say("OK");
        self.alert(alert);
    }

    /// A byte comes.
    pub fn receive(&mut self, byte: u8, now: Instant) {
        self.received.push((byte, now));
        if self.silent {
            return;
        }
        if self.type_in(byte, now) {
            return;
        }
        if byte == b'Y' {
            self.smart = true;
            return self.say("SM");
        }
        if !self.smart {
            return;
        }
        if self.killed.is_some() && matches!(byte, b'S' | b'@' | b'K') {
            return self.accept();
        }
        if byte == b'0' && self.digits() {
            return self.digit(now);
        }
        let on_battery = self.answers.get(&b'Q').is_some_and(|status| status[0] & 1 == 1);
        match byte {
            b'S' if self.knows_soft && on_battery => {
                self.killed = Some("S");
                self.accept();
            }
            b'S' if self.generation == Generation::First => {}
            b'@' if self.knows_hibernate => self.pending = vec![(byte, now)],
            b'K' => match self.pending.first() {
                Some((b'K', at)) if now - *at >= PAUSE => {
                    self.killed = Some("KK");
                    self.accept();
                }
                _ => self.pending = vec![(byte, now)],
            },
            b'W' if self.generation != Generation::First => {
                self.say("OK");
                self.set(b'Q', "10");
                self.set(b'G', "S");
                self.testing = true;
                self.alert(b'!');
            }
            b'D' if self.generation != Generation::First => self.calibrate(),
            b'A' => self.say("OK"),
            b'-' if self.generation != Generation::First => self.change(now),
            b'R' => {
                self.smart = false;
                self.say("BYE");
            }
            _ => match self.answers.get(&byte).cloned() {
                Some(answer) => self.line(&answer),
                // The first generation says nothing to what it does not know.
                None if self.generation == Generation::First => {}
                None => self.say("NA"),
            },
        }
    }

    /// Whether a digit now belongs to `@`.
    fn digits(&self) -> bool {
        self.pending.first().is_some_and(|(byte, _)| *byte == b'@')
    }

    /// Digits that come too fast are not taken.
    fn digit(&mut self, now: Instant) {
        if self.pending.last().is_some_and(|(_, at)| now - *at < PAUSE) {
            return;
        }
        self.pending.push((b'0', now));
        let wanted = if self.generation == Generation::First { 3 } else { 4 };
        if self.pending.len() == wanted {
            self.pending.clear();
            self.killed = Some("@000");
            self.accept();
        }
    }

    fn accept(&mut self) {
        if self.generation == Generation::First { self.out.push(b'*') } else { self.say("OK") }
    }

    fn say(&mut self, answer: &str) {
        self.line(answer.as_bytes());
    }

    fn line(&mut self, answer: &[u8]) {
        self.out.extend_from_slice(answer);
        self.out.extend_from_slice(b"\r\n");
    }
}
