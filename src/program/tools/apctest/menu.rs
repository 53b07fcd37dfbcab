//! The menus, one for each kind of driver: number, text, and the order of `mainsd ctl` behind it (apctest §6).

use Does::{Choose, Danger, Order, Value};

/// An entry of a menu.
pub struct Entry {
    /// What is typed for it.
    pub number: u32,
    /// What it does, in words.
    pub text: &'static str,
    /// What it does.
    pub does: Does,
}

/// What an entry does.
pub enum Does {
    /// Gives an order.
    Order(&'static str),
    /// Gives an order that is asked about before: the order, and what it means.
    Danger(&'static str, &'static str),
    /// Shows a setting, asks for a value and sets it.
    Value(&'static str, Rule),
    /// The same, with values to choose from: what is typed, its meaning, and the order.
    Choose(&'static str, &'static [(&'static str, &'static str, &'static str)]),
    /// Shows all that the UPS tells.
    Query,
    /// The same, and each answer of the protocol as it comes.
    RawQuery,
    /// Starts a calibration and watches it.
    Calibrate,
    /// Watches a calibration.
    Monitor,
    /// Another menu.
    Menu(&'static [Entry]),
    /// Keys go to the UPS, and its bytes to the screen.
    Tty,
    /// Writes the settings of the configuration.
    Configure,
    /// Looks at the lines of the port.
    Look(Look),
    /// All looks, one after the other.
    AllLooks,
    /// Names the cables that fit the looks.
    Guess,
}

/// What a typed value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A number or text; the order says what it takes.
    Plain,
    /// Its first character counts.
    First,
    /// A number, 0 for none.
    Number,
    /// `nn/nn/nn`.
    ShortDate,
    /// `MM/DD/YYYY`.
    LongDate,
}

impl Rule {
    /// What is asked for.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Plain => "new value",
            Self::First => "new value, a letter or digit",
            Self::Number => "new value, a number (0 leaves it)",
            Self::ShortDate => "new date, eight characters as 12/31/26",
            Self::LongDate => "new date, as 12/31/2026",
        }
    }

    /// The value for the order; `None`: nothing is to be changed.
    pub fn value(self, typed: &str) -> Result<Option<String>, String> {
        let is_date = |form: &str| {
            typed.len() == form.len()
                && typed.bytes().zip(form.bytes()).all(|(is, wanted)| match wanted {
                    b'/' => is == b'/',
                    _ => is.is_ascii_digit(),
                })
        };
        let value = match self {
            _ if typed.is_empty() => return Ok(None),
            Self::Plain => Some(typed.to_owned()),
            Self::First => typed.chars().next().map(|first| first.to_ascii_uppercase().to_string()),
            Self::Number if typed == "0" => return Ok(None),
            Self::Number => Some(typed.to_owned()).filter(|typed| typed.bytes().all(|b| b.is_ascii_digit())),
            Self::ShortDate => Some(typed.to_owned()).filter(|_| is_date("nn/nn/nn")),
            // The UPS keeps two digits of the year.
            Self::LongDate => {
                typed.split_once("/20").filter(|_| is_date("nn/nn/nnnn")).and_then(|(day, year)| {
                    let (month, day_of_month) = day.split_once('/')?;
                    let within =
                        |text: &str, most: u8| text.parse().is_ok_and(|it: u8| (1..=most).contains(&it));
                    (within(month, 12) && within(day_of_month, 31)).then(|| format!("{day}/{year}"))
                })
            }
        };
        value.map(Some).ok_or_else(|| format!("'{typed}' is not taken: {}", self.words()))
    }
}

/// What the lines are looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Mains is there.
    Normal,
    /// The cable is out.
    NoCable,
    /// Mains is not there.
    NoPower,
    /// The battery is low.
    Low,
    /// Until the battery is empty.
    Empty,
}

impl Look {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Normal, Self::NoCable, Self::NoPower, Self::Low, Self::Empty];

    /// What to do before.
    #[cfg(feature = "dumb")]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Normal => "the cable plugged in, mains there, the battery full",
            Self::NoCable => "the cable pulled out of the UPS",
            Self::NoPower => "the cable plugged in, the UPS off mains",
            Self::Low => "the UPS still off mains; it ends when a line changes",
            Self::Empty => "the UPS still off mains, until it switches off",
        }
    }
}

const fn entry(number: u32, text: &'static str, does: Does) -> Entry {
    Entry { number, text, does }
}

const KILL: Does = Danger(
    "kill-power --yes",
    "The UPS cuts the power of everything behind it, after its delay. This needs root and the flag powerfail; \
     'mainsd --power-off' needs no flag.",
);
const SELF_TEST: Does = Order("self-test --wait");
const RESULT: Does = Order("self-test result");
const ALARM_TEST: Does = Order("panel test");
const MADE: Does = Order("manufacture date");
const BEEPER: Does =
    Choose("", &[("1", "off", "beeper off"), ("2", "on", "beeper on"), ("3", "mute", "beeper mute")]);

/// Simple signalling.
pub static LINES: &[Entry] = &[
    entry(1, "look at the lines: normal", Does::Look(Look::Normal)),
    entry(2, "look at the lines: no cable", Does::Look(Look::NoCable)),
    entry(3, "look at the lines: no mains", Does::Look(Look::NoPower)),
    entry(4, "look at the lines: battery low (after 3)", Does::Look(Look::Low)),
    entry(5, "look at the lines: battery empty", Does::Look(Look::Empty)),
    entry(6, "kill the power", KILL),
    entry(7, "1 to 5, one after the other", Does::AllLooks),
    entry(8, "guess the cable (after 1 and 3)", Does::Guess),
];

/// Smart signalling.
pub static SMART: &[Entry] = &[
    entry(1, "ask the UPS for everything", Does::RawQuery),
    entry(2, "calibrate the runtime", Does::Calibrate),
    entry(
        3,
        "stop a calibration or self test",
        Danger("calibrate abort", "The calibration or self test is stopped."),
    ),
    entry(4, "watch a calibration", Does::Monitor),
    entry(5, "settings in the EEPROM", Does::Menu(EEPROM)),
    entry(6, "speak with the UPS by hand", Does::Tty),
    entry(7, "self test", SELF_TEST),
    entry(8, "result of the last self test", RESULT),
    entry(9, "test lamps and beeper", ALARM_TEST),
    entry(10, "kill the power", KILL),
];

/// What a UPS with Smart signalling keeps.
pub static EEPROM: &[Entry] = &[
    entry(1, "show all", Order("settings")),
    entry(2, "battery date", Value("battery date", Rule::ShortDate)),
    entry(3, "name", Value("name", Rule::Plain)),
    entry(4, "sensitivity", Value("sensitivity", Rule::First)),
    entry(5, "alarm delay", Value("delay alarm", Rule::First)),
    entry(6, "minutes left when the battery counts as low", Value("low battery", Rule::Plain)),
    entry(7, "seconds from mains back to power on", Value("delay wake", Rule::Plain)),
    entry(8, "seconds from the order to power off", Value("delay shutdown", Rule::Plain)),
    entry(9, "low transfer voltage", Value("transfer low", Rule::Plain)),
    entry(10, "high transfer voltage", Value("transfer high", Rule::Plain)),
    entry(11, "charge needed for power on", Value("return charge", Rule::Plain)),
    entry(12, "output voltage on battery", Value("output voltage", Rule::Plain)),
    entry(13, "interval of self tests", Value("self-test interval", Rule::Plain)),
    entry(14, "all that the configuration says", Does::Configure),
];

/// USB, and every driver without a menu of its own.
pub static USB: &[Entry] = &[
    entry(1, "kill the power", KILL),
    entry(2, "self test", SELF_TEST),
    entry(3, "result of the last self test", RESULT),
    entry(4, "battery date", Value("battery date", Rule::LongDate)),
    entry(5, "date of manufacture", MADE),
    entry(6, "beeper", BEEPER),
    entry(
        7,
        "sensitivity",
        Choose(
            "sensitivity",
            &[
                ("0", "low", "sensitivity L"),
                ("1", "medium", "sensitivity M"),
                ("2", "high", "sensitivity H"),
            ],
        ),
    ),
    entry(8, "low transfer voltage", Value("transfer low", Rule::Number)),
    entry(9, "high transfer voltage", Value("transfer high", Rule::Number)),
    entry(10, "calibrate the runtime", Does::Calibrate),
    entry(11, "test the alarm", ALARM_TEST),
    entry(
        12,
        "interval of self tests",
        Choose(
            "self-test interval",
            &[
                ("0", "never", "self-test interval OFF"),
                ("1", "at power on", "self-test interval ON"),
                ("2", "seven days", "self-test interval 168"),
                ("3", "fourteen days", "self-test interval 336"),
            ],
        ),
    ),
    entry(13, "ask the UPS for everything", Does::Query),
    entry(14, "name", Value("name", Rule::Plain)),
];

/// Modbus.
pub static MODBUS: &[Entry] = &[
    entry(1, "kill the power", KILL),
    entry(2, "self test", SELF_TEST),
    entry(3, "result of the last self test", RESULT),
    entry(4, "battery date", Value("battery date", Rule::LongDate)),
    entry(5, "date of manufacture", MADE),
    entry(6, "beeper", BEEPER),
    entry(8, "low transfer voltage", Value("transfer low", Rule::Number)),
    entry(9, "high transfer voltage", Value("transfer high", Rule::Number)),
    entry(10, "calibrate the runtime", Does::Calibrate),
    entry(11, "test the alarm", ALARM_TEST),
    entry(13, "ask the UPS for everything", Does::Query),
    entry(14, "name", Value("name", Rule::Plain)),
    entry(15, "show outlet groups", Order("outlets")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Request;

    const ALL: [&[Entry]; 5] = [LINES, SMART, EEPROM, USB, MODBUS];

    #[test]
    fn each_order_is_one_of_the_table_and_numbers_rise() {
        for menu in ALL {
            assert!(menu.is_sorted_by(|one, next| one.number < next.number));
            for entry in menu {
                let orders = match entry.does {
                    Order(order) | Danger(order, _) | Value(order, _) => vec![order],
                    Choose(shown, choices) => choices
                        .iter()
                        .map(|choice| choice.2)
                        .chain(Some(shown).filter(|s| !s.is_empty()))
                        .collect(),
                    _ => vec![],
                };
                for order in orders {
                    assert!(Request::parse(order.as_bytes()).is_ok(), "{}: {order}", entry.text);
                }
            }
        }
    }

    #[test]
    fn numbers_are_those_that_users_know() {
        let number = |menu: &[Entry], text: &str| {
            menu.iter().find(|entry| entry.text.starts_with(text)).map(|entry| entry.number)
        };
        for (menu, text, expected) in [
            (LINES, "guess the cable", 8),
            (SMART, "calibrate", 2),
            (SMART, "settings", 5),
            (SMART, "speak", 6),
            (EEPROM, "output voltage", 12),
            (EEPROM, "all that the configuration", 14),
            (USB, "kill", 1),
            (USB, "high transfer", 9),
            (USB, "interval", 12),
            (MODBUS, "calibrate", 10),
            (MODBUS, "test the alarm", 11),
        ] {
            assert_eq!(number(menu, text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_typed_becomes_a_value_or_a_complaint() {
        let ok = |text: &str| Ok(Some(text.to_owned()));
        for rule in [Rule::Plain, Rule::First, Rule::Number, Rule::ShortDate, Rule::LongDate] {
            assert_eq!(rule.value(""), Ok(None));
        }
        assert_eq!(Rule::Plain.value("MY UPS"), ok("MY UPS"));
        assert_eq!(Rule::First.value("high"), ok("H"));
        assert_eq!((Rule::Number.value("0"), Rule::Number.value("261")), (Ok(None), ok("261")));
        assert_eq!(Rule::ShortDate.value("31/12/26"), ok("31/12/26"));
        assert_eq!(Rule::LongDate.value("12/31/2026"), ok("12/31/26"));
        assert_eq!(Rule::LongDate.value("01/01/2020"), ok("01/01/20"));
        for (rule, typed) in [
            (Rule::Number, "26x"),
            (Rule::ShortDate, "1/1/26"),
            (Rule::ShortDate, "12-31-26"),
            (Rule::LongDate, "12/31/26"),
            (Rule::LongDate, "13/01/2026"),
            (Rule::LongDate, "12/32/2026"),
            (Rule::LongDate, "12/31/1999"),
        ] {
            assert!(rule.value(typed).is_err(), "{typed}");
        }
    }
}
