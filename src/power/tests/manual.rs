//! The manual page and the machine say the same.

use crate::power::{host, supply};

const PAGE: &str = include_str!("../../../man/mainsd-power.7");

#[test]
fn the_manual_shows_the_diagram_of_the_room() {
    let (_, rest) = PAGE.split_once(".Bd -literal\n").expect("a diagram");
    let (diagram, _) = rest.split_once(".Ed\n").expect("its end");
    assert_eq!(diagram, include_str!("../diagram.txt"));
}

#[test]
fn the_diagram_fits_a_terminal_of_eighty_columns() {
    // A manual page is indented by 5.
    let widest = include_str!("../diagram.txt").lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|columns| columns <= 75), "{widest:?}");
}

#[test]
fn the_manual_lists_every_timer_and_no_other() {
    let (_, rest) = PAGE.split_once(".Sh TIMERS\n").expect("the timers");
    let (section, _) = rest.split_once(".Sh ").expect("the next section");
    let listed: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix(".It ")).collect();
    let of_supply = supply::Timer::ALL.iter().map(|timer| format!("{timer:?}"));
    let of_host = host::Timer::ALL.iter().map(|timer| format!("{timer:?}"));
    let known: Vec<String> = of_supply.chain(of_host).collect();
    assert_eq!(listed, known);
}
