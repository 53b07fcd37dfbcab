//! What a person who looks at the lines of a port wants to know of the cables of simple signalling.

use crate::bus::serial::{Lines, Outputs};
use crate::link::dumb::{CABLES, Cable};

/// The cables that tell mains by these lines, and a low battery where that was seen (apctest §6).
#[must_use]
pub fn guess_cable(normal: Lines, no_power: Lines, low: Option<Lines>) -> Vec<&'static str> {
    let fits = |cable: &&Cable| {
        let says_low = low.is_none_or(|low| cable.low_battery.is_none() || cable.read(low).1);
        cable.read(normal) == (false, false) && cable.read(no_power) == (true, false) && says_low
    };
    CABLES.iter().filter(fits).map(|cable| cable.name).collect()
}

/// Our lines of this cable while nothing is ordered.
#[must_use]
pub fn lines_at_rest(cable: &str) -> Outputs {
    Cable::of_name(cable).map_or_else(Outputs::default, |cable| cable.rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_is_guessed_by_what_its_lines_say() {
        let ours = Lines::DTR | Lines::RTS;
        let guess = |normal, no_power, low: Option<Lines>| {
            guess_cable(ours | normal, ours | no_power, low.map(|low| ours | low))
        };
        let none = Lines::empty();
        // CTS says that the battery is good.
        assert_eq!(guess(Lines::CTS, Lines::CTS | Lines::CD, Some(Lines::CD)), ["simple", "940-0023A"]);
        assert_eq!(
            guess(none, Lines::CTS, Some(Lines::CTS | Lines::CD)),
            ["940-0020B", "940-0020C", "940-0119A", "940-0127A", "940-0128A"]
        );
        assert_eq!(guess(none, Lines::RING, None), ["940-0095A", "940-0095B", "940-0095C"]);
        assert_eq!(guess(none, Lines::RING, Some(Lines::RING)), ["940-0095B"]);
        assert_eq!(guess(Lines::CTS | Lines::CD, Lines::CD, Some(none)), ["MAM-04-02-2000"]);
        assert!(guess(none, none, None).is_empty());
    }

    #[test]
    fn each_cable_is_among_its_own_guesses() {
        let inputs = [Lines::CD, Lines::CTS, Lines::RING];
        let all = || {
            (0..8).map(|bits| (0..3).filter(|it| bits >> it & 1 == 1).map(|it| inputs[it]).collect::<Lines>())
        };
        for cable in &CABLES {
            let normal = all().find(|lines| cable.read(*lines) == (false, false)).unwrap();
            let no_power = all().find(|lines| cable.read(*lines) == (true, false)).unwrap();
            assert!(guess_cable(normal, no_power, None).contains(&cable.name), "{}", cable.name);
        }
    }
}
