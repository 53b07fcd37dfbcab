//! Outlet groups beside the main one: which there are, how they are, and how they are switched (modbus §3.2, §4.9, §5).

use super::exchange::Framing;
use super::order::Outcome;
use super::store::text;
use crate::ups::Switch;
use crate::wire::modbus::{Request, Span, value};

/// Status and name of each group, in turn; the last has no name that is known.
pub(super) static LOOKS: [Span; 7] = [
    Span { address: 6, count: 2 },
    Span { address: 612, count: 8 },
    Span { address: 9, count: 2 },
    Span { address: 620, count: 8 },
    Span { address: 12, count: 2 },
    Span { address: 628, count: 8 },
    Span { address: 15, count: 2 },
];
/// What is written to switch a group.
const ORDER: u16 = 1538;
/// Its bit for each group.
const TARGETS: [u32; 4] = [9, 10, 11, 19];
/// What each bit of a status says; the notes of the maker disagree about those above.
const STATES: [&str; 5] = ["on", "off", "rebooting", "shut down", "sleeping"];
const ON: u32 = 1;
const OFF: u32 = 1 << 1;
const REBOOTING: u32 = 1 << 2;

/// What is written to switch the group of this number, the first of which is 1, and where it is seen; `groups`: those that the UPS has.
pub(super) fn order(
    switch: Switch,
    number: u32,
    groups: u32,
    framing: Framing,
) -> Result<(Request, &'static [Span]), String> {
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let at = at.filter(|at| *at < TARGETS.len() && is_there(groups, number));
    let target = at.and_then(|at| TARGETS.get(at));
    let look = at.and_then(|at| LOOKS.get(at * 2..=at * 2));
    let (Some(target), Some(look)) = (target, look) else {
        return Err(format!("the UPS has no outlet group {number}"));
    };
    let command = match switch {
        Switch::On => 1,
        Switch::Off => 2,
        Switch::Reboot => 4,
    };
    // By which way the order comes.
    let source = match framing {
        Framing::Usb => 12,
        Framing::Rtu => 14,
        Framing::Tcp => 17,
    };
    Ok((Request::WriteLong { address: ORDER, value: 1 << command | 1 << *target | 1 << source }, look))
}

/// Bit 0 is the main group.
const fn is_there(groups: u32, number: u32) -> bool {
    groups & 1 << number != 0
}

/// The next look from this one on that is at a group of this UPS.
pub(super) fn next(groups: u32, from: usize) -> Option<usize> {
    let numbers = (0..LOOKS.len()).zip([1, 1, 2, 2, 3, 3, 4]);
    numbers.skip(from).find(|(_, number)| is_there(groups, *number)).map(|(at, _)| at)
}

/// What a look has found, added to a list with a line for each group: its number, its state, its name. `None`: nothing came.
pub(super) fn note(list: &mut String, look: usize, words: Option<&[u16]>) {
    let words = words.unwrap_or_default();
    if look % 2 == 1 {
        let name = text(words);
        if !name.is_empty() {
            list.push_str(&format!(", {name}"));
        }
        return;
    }
    let bits = value(words).unwrap_or_default();
    let states = STATES.iter().zip(0..).filter(|(_, bit)| bits & 1 << bit != 0);
    let states: Vec<&str> = states.map(|(state, _)| *state).collect();
    let state = if states.is_empty() { "unknown".to_owned() } else { states.join(" ") };
    let end = if list.is_empty() { "" } else { "\n" };
    list.push_str(&format!("{end}{} {state}", look / 2 + 1));
}

/// What the status of a group says of an order to switch it; `None`: nothing yet.
pub(super) fn seen(switch: Switch, bits: u32) -> Option<Outcome> {
    let (wanted, words) = match switch {
        Switch::On => (ON, "the outlet group has power"),
        Switch::Off => (OFF, "the outlet group is off"),
        Switch::Reboot => (OFF | REBOOTING, "the outlet group goes off, and on again"),
    };
    (bits & wanted != 0).then(|| Ok(words.to_owned()))
}
