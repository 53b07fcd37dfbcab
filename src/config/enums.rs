//! The enumerated values (config §2), each with the long text that status shows for it (status-fields §5.4).

use crate::ups::{LowBatteryFlag, NoLogon};

/// One value of an enumeration: how a file spells it, what status calls it.
type Row<T> = (T, &'static str, &'static str);

fn by_word<T: Copy>(rows: &[Row<T>], word: &str) -> Option<T> {
    rows.iter().find(|(_, w, _)| w.eq_ignore_ascii_case(word)).map(|(value, _, _)| *value)
}

fn row_of<T: PartialEq>(rows: &'static [Row<T>], value: &T) -> Option<&'static Row<T>> {
    rows.iter().find(|(v, _, _)| v == value)
}

macro_rules! enumeration {
    ($type:ty, $rows:ident) => {
        impl $type {
            /// The value that a file spells `word`, in any case.
            pub fn from_word(word: &str) -> Option<Self> {
                by_word(&$rows, word)
            }

            /// How a file spells it.
            pub fn word(&self) -> &'static str {
                row_of(&$rows, self).map_or("", |(_, word, _)| word)
            }

            /// All spellings, in the order of the reference.
            pub fn words() -> Vec<&'static str> {
                $rows.iter().map(|(_, word, _)| *word).collect()
            }
        }
    };
}

macro_rules! status_text {
    ($type:ty, $rows:ident, $key:literal) => {
        impl $type {
            #[doc = concat!("The text of ", $key, " in status (status-fields §5.4).")]
            pub fn text(&self) -> &'static str {
                row_of(&$rows, self).map_or("", |(_, _, text)| text)
            }
        }
    };
}

/// `UPSCABLE`: the directive's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cable {
    /// `simple`.
    Simple,
    /// `smart`.
    Smart,
    /// `ether`.
    Ether,
    /// `usb`.
    Usb,
    /// `MAM-04-02-2000`.
    Mam,
    /// A part number, `940-0119A` and so on, in its canonical spelling.
    Apc(&'static str),
}

/// What a cable can carry (config §2, third column).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CableClass {
    /// Modem lines only.
    Simple,
    /// A serial conversation.
    Smart,
    /// The network.
    Ether,
    /// USB.
    Usb,
}

macro_rules! apc {
    ($number:literal) => {
        (Cable::Apc($number), $number, concat!("APC Cable ", $number))
    };
}

const CABLES: [Row<Cable>; 19] = [
    (Cable::Simple, "simple", "Custom Cable Simple"),
    (Cable::Smart, "smart", "Custom Cable Smart"),
    (Cable::Ether, "ether", "Ethernet Link"),
    (Cable::Usb, "usb", "USB Cable"),
    apc!("940-0119A"),
    apc!("940-0127A"),
    apc!("940-0128A"),
    apc!("940-0020B"),
    apc!("940-0020C"),
    apc!("940-0023A"),
    (Cable::Mam, "MAM-04-02-2000", "MAM Cable 04-02-2000"),
    apc!("940-0095A"),
    apc!("940-0095B"),
    apc!("940-0095C"),
    apc!("940-0024B"),
    apc!("940-0024C"),
    apc!("940-0024G"),
    apc!("940-1524C"),
    apc!("940-0625A"),
];

enumeration!(Cable, CABLES);
status_text!(Cable, CABLES, "`CABLE`");

impl Cable {
    /// What it can carry.
    pub fn class(self) -> CableClass {
        match self {
            Self::Simple | Self::Mam => CableClass::Simple,
            Self::Smart => CableClass::Smart,
            Self::Ether => CableClass::Ether,
            Self::Usb => CableClass::Usb,
            Self::Apc("940-0024B" | "940-0024C" | "940-0024G" | "940-1524C" | "940-0625A") => {
                CableClass::Smart
            }
            Self::Apc(_) => CableClass::Simple,
        }
    }
}

/// `UPSCLASS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpsClass {
    /// Stand Alone.
    Standalone,
    /// ShareUPS Slave.
    ShareSlave,
    /// ShareUPS Master.
    ShareMaster,
}

const CLASSES: [Row<UpsClass>; 3] = [
    (UpsClass::Standalone, "standalone", "Stand Alone"),
    (UpsClass::ShareSlave, "shareslave", "ShareUPS Slave"),
    (UpsClass::ShareMaster, "sharemaster", "ShareUPS Master"),
];

enumeration!(UpsClass, CLASSES);
status_text!(UpsClass, CLASSES, "`UPSMODE`");

/// `UPSMODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpsMode {
    /// Network and ShareUPS disabled.
    Disable,
    /// ShareUPS.
    Share,
}

const MODES: [Row<UpsMode>; 2] =
    [(UpsMode::Disable, "disable", "Network & ShareUPS Disabled"), (UpsMode::Share, "share", "ShareUPS")];

enumeration!(UpsMode, MODES);
status_text!(UpsMode, MODES, "`SHARE`");

/// `FACILITY`: syslog facility by its number (RFC 5424 table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facility(pub u8);

impl Facility {
    /// `daemon`, the default of 3.14.14.
    pub const DAEMON: Self = Self(3);
}

const FACILITIES: [Row<Facility>; 14] = [
    (Facility::DAEMON, "daemon", ""),
    (Facility(16), "local0", ""),
    (Facility(17), "local1", ""),
    (Facility(18), "local2", ""),
    (Facility(19), "local3", ""),
    (Facility(20), "local4", ""),
    (Facility(21), "local5", ""),
    (Facility(22), "local6", ""),
    (Facility(23), "local7", ""),
    (Facility(6), "lpr", ""),
    (Facility(2), "mail", ""),
    (Facility(7), "news", ""),
    (Facility(8), "uucp", ""),
    (Facility(1), "user", ""),
];

enumeration!(Facility, FACILITIES);

const NO_LOGONS: [Row<NoLogon>; 5] = [
    (NoLogon::Disable, "disable", ""),
    (NoLogon::Timeout, "timeout", ""),
    (NoLogon::Percent, "percent", ""),
    (NoLogon::Minutes, "minutes", ""),
    (NoLogon::Always, "always", ""),
];

/// The NOLOGON value that a file spells `word`, in any case.
pub(super) fn no_logon(word: &str) -> Option<NoLogon> {
    by_word(&NO_LOGONS, word)
}

/// How a file spells a NOLOGON value.
pub(super) fn no_logon_word(value: NoLogon) -> &'static str {
    row_of(&NO_LOGONS, &value).map_or("", |(_, word, _)| word)
}

/// The LOWBATTERYFLAG value that a file spells `word`, in any case.
pub(super) fn low_battery_flag(word: &str) -> Option<LowBatteryFlag> {
    LowBatteryFlag::ALL.into_iter().find(|value| value.word().eq_ignore_ascii_case(word))
}

/// All spellings of NOLOGON.
pub(super) fn no_logon_words() -> Vec<&'static str> {
    NO_LOGONS.iter().map(|(_, word, _)| *word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::{ALL, Cabling};

    #[test]
    fn every_word_is_read_in_any_case_and_written_back_as_the_reference_spells_it() {
        for (cable, word, _) in CABLES {
            assert_eq!(Cable::from_word(&word.to_lowercase()), Some(cable));
            assert_eq!(cable.word(), word);
        }
        for driver in ALL {
            if let Cabling::Implied(word) = driver.cabling {
                assert!(Cable::from_word(word).is_some(), "{word}");
            }
        }
        for (facility, word, _) in FACILITIES {
            assert_eq!((Facility::from_word(word), facility.word()), (Some(facility), word));
        }
    }

    #[test]
    fn status_texts_are_those_of_the_reference() {
        assert_eq!(Cable::Apc("940-0024C").text(), "APC Cable 940-0024C");
        assert_eq!(Cable::Mam.text(), "MAM Cable 04-02-2000");
        assert_eq!(Cable::Usb.text(), "USB Cable");
        assert_eq!(UpsClass::Standalone.text(), "Stand Alone");
        assert_eq!(UpsMode::Share.text(), "ShareUPS");
    }

    #[test]
    fn the_spelling_of_the_shipped_comment_is_no_cable() {
        assert_eq!(Cable::from_word("M-04-02-2000"), None);
    }

    #[test]
    fn cable_classes_follow_the_reference() {
        let smart = ["940-0024B", "940-0024C", "940-0024G", "940-1524C", "940-0625A", "smart"];
        for (cable, word, _) in CABLES {
            let expected = match word {
                "ether" => CableClass::Ether,
                "usb" => CableClass::Usb,
                _ if smart.contains(&word) => CableClass::Smart,
                _ => CableClass::Simple,
            };
            assert_eq!(cable.class(), expected, "{word}");
        }
    }
}
