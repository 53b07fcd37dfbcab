//! A serial port: bytes, and modem lines.

use bitflags::bitflags;

use super::{Bus, Fault};

/// A serial port.
#[derive(Debug)]
pub struct Serial;

impl Bus for Serial {
    type Event<'a> = Event;
    type Transmit = Transmit;

    fn spoil(event: Event, fault: Fault, _: &mut Vec<u8>) -> Event {
        match (event, fault) {
            (Event::Bytes(mut bytes), fault) => {
                fault.spoil(&mut bytes);
                Event::Bytes(bytes)
            }
            // A bad contact.
            (Event::Lines(Some(lines)), Fault::Bit(bit)) => {
                let inputs = [Lines::CD, Lines::CTS, Lines::RING];
                let wrong = inputs.get(bit % inputs.len()).copied().unwrap_or_default();
                Event::Lines(Some(lines ^ wrong))
            }
            (event @ (Event::Opened | Event::Closed(_) | Event::Lines(_)), _) => event,
        }
    }
}

bitflags! {
    /// Lines of a serial port, as a set; "on" is the positive voltage. The names are those of the machine's side.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Lines: u8 {
        /// Carrier detect; from the UPS.
        const CD = 0x01;
        /// Clear to send; from the UPS.
        const CTS = 0x02;
        /// Ring; from the UPS.
        const RING = 0x04;
        /// Data terminal ready; ours.
        const DTR = 0x10;
        /// Request to send; ours.
        const RTS = 0x20;
        /// Secondary transmit; ours. Most ports have none and ignore it.
        const ST = 0x40;
        /// No cable uses the others.
        const _ = !0;
    }
}

/// Lines that are to change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Off.
    pub clear: Lines,
    /// On.
    pub raise: Lines,
}

/// What the port tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The port is open.
    Opened,
    /// The port is gone, or cannot be opened; told when the reason changes.
    Closed(String),
    /// Bytes came.
    Bytes(Vec<u8>),
    /// How the modem lines are, asked for with [`Transmit::Look`]; `None`: the port has none.
    Lines(Option<Lines>),
}

/// What the port must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Send this byte.
    Byte(u8),
    /// Send these bytes, without a pause between two of them.
    Bytes(Vec<u8>),
    /// Close the port and open it again after a moment.
    Reopen,
    /// Look at the modem lines; ends with [`Event::Lines`], or with [`Event::Closed`].
    Look,
    /// Switch these lines on or off. That they are, the next look shows.
    Switch(Lines, bool),
    /// Put the sending line into the break condition, or take it out.
    Break(bool),
}
