//! What each cable of simple signalling carries on which line (dumb §2).

use crate::bus::serial::{Lines, Outputs};

/// A cable: which line says what, and which orders what. No cable tells that it is plugged in, or that the UPS has a
/// battery.
#[derive(Debug)]
pub struct Cable {
    /// As UPSCABLE spells it.
    pub name: &'static str,
    /// On battery when this line is so; otherwise on mains.
    pub on_battery: (Lines, bool),
    /// The battery is low when this line is so; `None`: the cable does not tell.
    pub low_battery: Option<(Lines, bool)>,
    /// Our lines while nothing is ordered, from the opening of the port on.
    pub rest: Outputs,
    /// Our lines while power is to be cut; `None`: the cable cannot.
    pub kill: Option<Outputs>,
    /// Switched on for a moment after that.
    pub after: Lines,
    /// The kill signal goes out on TxD too, as a break. [`Lines::ST`], which stands for it in the reference, does not exist on
    /// most ports.
    pub txd: bool,
}

/// DTR orders, RTS powers the cable; CTS says on battery, CD low battery.
const fn dtr_kills(name: &'static str) -> Cable {
    Cable {
        name,
        on_battery: (Lines::CTS, true),
        low_battery: Some((Lines::CD, true)),
        rest: Outputs { clear: Lines::DTR, raise: Lines::RTS },
        kill: Some(Outputs { clear: Lines::empty(), raise: Lines::DTR }),
        after: Lines::empty(),
        txd: false,
    }
}

/// RTS orders; ring says on battery, CD low battery.
const fn rts_kills(name: &'static str) -> Cable {
    Cable {
        name,
        on_battery: (Lines::RING, true),
        low_battery: Some((Lines::CD, true)),
        rest: Outputs { clear: Lines::RTS, raise: Lines::empty() },
        kill: Some(Outputs { clear: Lines::empty(), raise: Lines::RTS }),
        after: Lines::ST,
        txd: false,
    }
}

/// Every cable. Source: dumb §2, and §2.1 for TxD of 940-0095B. What 3.14.14 does differently: it leaves the MAM cable's kill
/// signal on when it ends.
pub static CABLES: [Cable; 11] = [
    Cable {
        on_battery: (Lines::CD, true),
        low_battery: Some((Lines::CTS, false)),
        // CTS is pulled up from DTR.
        rest: Outputs { clear: Lines::RTS, raise: Lines::DTR },
        ..rts_kills("simple")
    },
    dtr_kills("940-0020B"),
    dtr_kills("940-0020C"),
    dtr_kills("940-0119A"),
    dtr_kills("940-0127A"),
    dtr_kills("940-0128A"),
    Cable {
        name: "940-0023A",
        on_battery: (Lines::CD, true),
        low_battery: None,
        rest: Outputs { clear: Lines::empty(), raise: Lines::empty() },
        kill: None,
        after: Lines::empty(),
        txd: false,
    },
    rts_kills("940-0095A"),
    Cable { low_battery: None, txd: true, ..rts_kills("940-0095B") },
    rts_kills("940-0095C"),
    Cable {
        on_battery: (Lines::CTS, false),
        low_battery: Some((Lines::CD, false)),
        kill: Some(Outputs { clear: Lines::RTS, raise: Lines::DTR }),
        ..dtr_kills("MAM-04-02-2000")
    },
];

impl Cable {
    /// The cable that UPSCABLE spells so.
    #[must_use]
    pub fn of_name(name: &str) -> Option<&'static Self> {
        CABLES.iter().find(|cable| cable.name == name)
    }

    /// What these lines say: on battery, battery low.
    #[must_use]
    pub const fn read(&self, lines: Lines) -> (bool, bool) {
        let (line, level) = self.on_battery;
        let low = match self.low_battery {
            Some((line, level)) => lines.contains(line) == level,
            None => false,
        };
        (lines.contains(line) == level, low)
    }
}
