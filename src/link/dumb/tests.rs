#![allow(clippy::disallowed_methods, reason = "a test needs some instant to begin with")]

use proptest::prelude::*;

use super::*;

/// A UPS, its cable and the port, with a clock of their own.
struct Bench {
    link: DumbLink,
    now: Instant,
    /// Our lines.
    ours: Lines,
    breaking: bool,
    /// The lines that the UPS drives.
    theirs: Lines,
    modem: bool,
    looks: Vec<Instant>,
    /// What each look saw: on battery, low.
    saw: Vec<(bool, bool)>,
    said: Vec<(Instant, LinkEvent)>,
}

impl Bench {
    fn new(name: &str) -> Self {
        let now = Instant::now();
        let cable = Cable::of_name(name).unwrap();
        let mut bench = Self {
            link: DumbLink::new(cable, "/dev/ttyS0", Duration::from_secs(60)),
            now,
            ours: Lines::DTR.union(Lines::RTS),
            breaking: false,
            theirs: Lines::empty(),
            modem: true,
            looks: Vec::new(),
            saw: Vec::new(),
            said: Vec::new(),
        };
        bench.ups(false, false);
        bench
    }

    /// With the port open and the UPS on mains, for a while.
    fn running(name: &str) -> Self {
        let mut bench = Self::new(name);
        bench.open();
        bench.pass(Duration::from_secs(10));
        bench.said.clear();
        bench
    }

    fn open(&mut self) {
        let rest = self.link.cable.rest;
        self.ours = self.ours.difference(rest.clear).union(rest.raise);
        self.link.handle_opened(self.now);
    }

    /// What the UPS says, as the lines of its cable.
    fn ups(&mut self, on_battery: bool, low: bool) {
        let mut lines = Lines::empty();
        let says = [
            Some(self.link.cable.on_battery).zip(Some(on_battery)),
            self.link.cable.low_battery.zip(Some(low)),
        ];
        for ((line, level), says) in says.into_iter().flatten() {
            if says == level {
                lines = lines.union(line);
            }
        }
        self.theirs = lines;
    }

    fn work(&mut self) {
        while let Some(transmit) = self.link.poll_transmit(self.now) {
            match transmit {
                Transmit::Look => {
                    self.looks.push(self.now);
                    self.saw.push(self.link.cable.read(self.theirs));
                    let lines = self.modem.then_some(self.theirs.union(self.ours));
                    self.link.handle_lines(self.now, lines);
                }
                Transmit::Switch(lines, true) => self.ours = self.ours.union(lines),
                Transmit::Switch(lines, false) => self.ours.remove(lines),
                Transmit::Break(on) => self.breaking = on,
                Transmit::Byte(_) | Transmit::Bytes(_) | Transmit::Reopen => panic!("no words"),
            }
        }
        while let Some(event) = self.link.poll_event() {
            self.said.push((self.now, event));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.work();
        while let Some(at) = self.link.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            self.work();
        }
        self.now = end;
    }

    /// On battery, low and when, of each reading.
    fn readings(&self) -> Vec<(Instant, bool, bool)> {
        let of = |(at, event): &(Instant, LinkEvent)| match event {
            LinkEvent::Reading(reading) => {
                let has = |flag| reading.status.contains(flag);
                assert!(has(StatusFlags::BATTPRESENT));
                assert_ne!(has(StatusFlags::ONLINE), has(StatusFlags::ONBATT));
                assert_eq!(reading.values, crate::ups::Values::default());
                Some((*at, has(StatusFlags::ONBATT), has(StatusFlags::BATTLOW)))
            }
            _ => None,
        };
        self.said.iter().filter_map(of).collect()
    }

    fn last(&self) -> (bool, bool) {
        self.readings().last().map(|(_, on_battery, low)| (*on_battery, *low)).unwrap()
    }

    fn lost(&self) -> Vec<&str> {
        let of = |(_, event): &'_ (Instant, LinkEvent)| matches!(event, LinkEvent::Lost { .. });
        self.said
            .iter()
            .filter(|said| of(said))
            .map(|(_, event)| match event {
                LinkEvent::Lost { reason } => reason.as_str(),
                _ => "",
            })
            .collect()
    }

    fn result(&mut self) -> Option<Result<String, String>> {
        self.work();
        self.said.iter().find_map(|(_, event)| match event {
            LinkEvent::Command(result) => Some(result.outcome.clone()),
            _ => None,
        })
    }

    fn order(&mut self, command: Command) {
        self.link.command(command, self.now);
        self.work();
    }
}

/// The reference's table again, as (name, on battery, low battery, off and on at rest, off and on to kill), a line that is
/// off written in lower case: dumb §2.
#[rustfmt::skip]
const REFERENCE: [(&str, &str, &str, &str, &str); 11] = [
    ("simple",         "CD",  "cts", "rts DTR", "RTS"),
    ("940-0020B",      "CTS", "CD",  "dtr RTS", "DTR"),
    ("940-0020C",      "CTS", "CD",  "dtr RTS", "DTR"),
    ("940-0119A",      "CTS", "CD",  "dtr RTS", "DTR"),
    ("940-0127A",      "CTS", "CD",  "dtr RTS", "DTR"),
    ("940-0128A",      "CTS", "CD",  "dtr RTS", "DTR"),
    ("940-0023A",      "CD",  "",    "",        ""),
    ("940-0095A",      "RNG", "CD",  "rts",     "RTS"),
    ("940-0095B",      "RNG", "",    "rts",     "RTS"),
    ("940-0095C",      "RNG", "CD",  "rts",     "RTS"),
    ("MAM-04-02-2000", "cts", "cd",  "dtr RTS", "rts DTR"),
];

/// Lines that are off, lines that are on.
fn lines(words: &str) -> [Lines; 2] {
    let mut found = [Lines::empty(); 2];
    for word in words.split_whitespace() {
        let line = match word.to_ascii_uppercase().as_str() {
            "CD" => Lines::CD,
            "CTS" => Lines::CTS,
            "RNG" => Lines::RING,
            "DTR" => Lines::DTR,
            "RTS" => Lines::RTS,
            _ => panic!("{word}"),
        };
        let on = usize::from(word.chars().all(char::is_uppercase));
        found[on] = found[on].union(line);
    }
    found
}

#[test]
fn every_cable_is_read_and_driven_as_the_reference_says() {
    assert_eq!(CABLES.len(), REFERENCE.len());
    for (name, on_battery, low, rest, kill) in REFERENCE {
        let cable = Cable::of_name(name).unwrap();
        let quiet = |words: &str| lines(words)[0];
        // Nothing asserted but what means "all is well".
        let well = quiet(on_battery).union(quiet(low));
        let says = |word: &str| well.difference(quiet(word)).union(lines(word)[1]);
        assert_eq!(cable.read(well), (false, false), "{name}");
        assert_eq!(cable.read(says(on_battery)), (true, false), "{name}");
        assert_eq!(cable.read(says(low)), (false, !low.is_empty()), "{name}");
        let others = !(lines(on_battery)[0] | lines(on_battery)[1] | lines(low)[0] | lines(low)[1]);
        assert_eq!(
            cable.read(well.union(others)),
            (false, false),
            "{name}: looks at lines that are not its own"
        );
        let outputs = |outputs: Outputs| [outputs.clear, outputs.raise];
        assert_eq!(outputs(cable.rest), lines(rest), "{name}");
        assert_eq!(cable.kill.map(outputs), (!kill.is_empty()).then(|| lines(kill)), "{name}");
        let st = matches!(name, "simple" | "940-0095A" | "940-0095B" | "940-0095C");
        assert_eq!(cable.after == Lines::ST, st, "{name}");
    }
}

#[test]
fn every_cable_tells_outage_low_battery_and_the_return_of_mains() {
    for cable in &CABLES {
        let mut bench = Bench::new(cable.name);
        bench.open();
        bench.pass(Duration::from_secs(2));
        assert!(matches!(bench.said[0].1, LinkEvent::Attached(_)), "{:?}", bench.said);
        assert_eq!(bench.last(), (false, false), "{}", cable.name);
        let tells = cable.low_battery.is_some();
        for (on_battery, low) in
            [(true, false), (true, true), (true, false), (false, false), (false, true), (false, false)]
        {
            bench.ups(on_battery, low);
            bench.pass(Duration::from_secs(3));
            assert_eq!(bench.last(), (on_battery, low && tells), "{}", cable.name);
        }
        assert_eq!(bench.lost(), [""; 0]);
    }
}

#[test]
fn every_cable_holds_its_kill_signal_for_ten_seconds_and_gives_it_back() {
    for cable in &CABLES {
        let mut bench = Bench::running(cable.name);
        let rest = bench.ours;
        bench.ups(true, false);
        bench.pass(Duration::from_secs(2));
        bench.order(Command::KillPower);
        let Some(kill) = cable.kill else {
            let refused = bench.result().unwrap().unwrap_err();
            assert!(refused.contains(cable.name), "{refused}");
            assert_eq!(bench.ours, rest);
            continue;
        };
        let killing = |ours: Lines| ours.contains(kill.raise) && !ours.intersects(kill.clear);
        // A port that forgets is told again.
        bench.ours = rest;
        bench.pass(Duration::from_millis(250));
        for _ in 0..39 {
            assert!(killing(bench.ours), "{}: {:?}", cable.name, bench.ours);
            assert_eq!(bench.breaking, cable.txd);
            assert_eq!(bench.result(), None, "{}", cable.name);
            bench.pass(Duration::from_millis(249));
        }
        bench.pass(Duration::from_secs(1));
        assert!(bench.result().unwrap().is_ok(), "{}", cable.name);
        assert_eq!((bench.ours, bench.breaking), (rest, false), "{}", cable.name);
        assert_eq!(bench.looks.len(), bench.looks.iter().collect::<std::collections::BTreeSet<_>>().len());
    }
}

#[test]
fn a_ups_on_mains_is_told_all_the_same_and_its_silence_said() {
    let mut bench = Bench::running("940-0119A");
    bench.order(Command::KillPower);
    bench.pass(Duration::from_secs(9));
    assert!(bench.ours.contains(Lines::DTR), "mains may fail again");
    bench.pass(Duration::from_secs(2));
    assert!(bench.result().unwrap().unwrap_err().contains("on mains"));
    assert_eq!(bench.ours, Lines::RTS);
}

#[test]
fn secondary_transmit_is_on_for_a_moment_after_the_kill_signal() {
    let mut bench = Bench::running("simple");
    bench.order(Command::KillPower);
    bench.pass(Duration::from_millis(9999));
    assert!(!bench.ours.contains(Lines::ST));
    bench.pass(Duration::from_millis(1));
    assert!(bench.ours.contains(Lines::ST.union(Lines::RTS)));
    bench.pass(Duration::from_millis(250));
    assert_eq!(bench.ours, Lines::DTR);
}

#[test]
fn a_port_that_goes_away_ends_the_kill_signal_with_an_error() {
    let mut bench = Bench::running("940-0119A");
    bench.order(Command::KillPower);
    bench.pass(Duration::from_secs(3));
    bench.link.handle_closed("/dev/ttyS0 is gone");
    assert_eq!(bench.result(), Some(Err("/dev/ttyS0 is gone".to_owned())));
    assert_eq!(bench.link.poll_transmit(bench.now), None);
    bench.said.clear();
    bench.order(Command::KillPower);
    assert!(bench.result().unwrap().is_err());
}

#[test]
fn orders_that_no_modem_line_carries_are_refused_with_words() {
    for command in
        [Command::PowerOff, Command::SelfTest, Command::Calibrate, Command::AbortTest, Command::ReadSelfTest]
    {
        let mut bench = Bench::running("simple");
        bench.order(command);
        assert!(bench.result().unwrap().unwrap_err().contains("simple signalling"));
        assert_eq!(bench.ours, Lines::DTR);
    }
}

#[test]
fn lines_that_somebody_has_moved_are_put_back() {
    let mut bench = Bench::running("940-0119A");
    bench.ours = Lines::DTR;
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ours, Lines::RTS);
}

#[test]
fn looks_come_once_a_second_and_four_times_a_second_while_something_changes() {
    let mut bench = Bench::running("940-0119A");
    bench.looks.clear();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.looks.len(), 60);
    // POLLTIME 60: readings come all the same as often as apcupsd looks.
    assert_eq!(bench.readings().len(), 12);
    bench.looks.clear();
    for low in [true, false].repeat(30) {
        bench.ups(false, low);
        bench.pass(Duration::from_secs(1));
    }
    assert!((120..=240).contains(&bench.looks.len()), "{}", bench.looks.len());
}

#[test]
fn fast_pace_means_a_reading_every_second() {
    let mut bench = Bench::running("940-0119A");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.pass(Duration::from_secs(30));
    assert!((30..=31).contains(&bench.readings().len()));
    bench.link.set_poll_rate(PollRate::Normal, bench.now);
    bench.said.clear();
    bench.order(Command::Poll);
    assert_eq!(bench.readings().len(), 1);
    assert!(bench.result().unwrap().is_ok());
}

#[test]
fn a_port_without_modem_lines_is_a_loss_that_is_told_once() {
    let mut bench = Bench::new("simple");
    bench.modem = false;
    bench.open();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.lost().len(), 1);
    assert!(bench.lost()[0].contains("/dev/ttyS0 has no modem lines"), "{:?}", bench.lost());
    assert_eq!(bench.said.len(), 2, "one line of the log and the loss: {:?}", bench.said);
    assert!(bench.looks.len() <= 13, "{}", bench.looks.len());
    bench.modem = true;
    bench.pass(Duration::from_secs(10));
    assert!(matches!(bench.said[2].1, LinkEvent::Attached(_)), "{:?}", bench.said);
    assert_eq!(bench.last(), (false, false));
}

#[test]
fn an_order_at_a_port_without_modem_lines_ends_with_words() {
    let mut bench = Bench::new("simple");
    bench.modem = false;
    bench.open();
    bench.pass(Duration::from_secs(1));
    bench.order(Command::KillPower);
    bench.pass(Duration::from_secs(10));
    let refused = bench.result().unwrap().unwrap_err();
    assert!(refused.contains("no modem lines"), "{refused}");
}

#[test]
fn what_was_believed_before_the_port_went_away_is_looked_at_anew() {
    let mut bench = Bench::running("simple");
    bench.link.handle_closed("gone");
    bench.link.handle_closed("gone");
    bench.pass(Duration::from_secs(5));
    assert_eq!((bench.lost().len(), bench.said.len()), (1, 1), "{:?}", bench.said);
    bench.said.clear();
    bench.ups(true, false);
    bench.open();
    bench.pass(HOLD);
    assert!(bench.readings().is_empty(), "{:?}", bench.said);
    bench.pass(Duration::from_secs(1));
    assert!(bench.readings()[0].1);
    assert!(matches!(bench.said[0].1, LinkEvent::Attached(_)));
}

#[test]
fn a_line_that_never_holds_still_says_nothing_and_is_a_loss_after_a_quarter_of_a_minute() {
    let mut bench = Bench::running("940-0119A");
    bench.ups(true, false);
    bench.pass(Duration::from_secs(2));
    let before = bench.readings().len();
    let mut on_battery = true;
    for look in 0..200 {
        if look == 4 * 16 {
            assert_eq!(bench.lost().len(), 1);
        }
        // As often as it is looked at.
        on_battery = !on_battery;
        bench.ups(on_battery, false);
        bench.pass(Duration::from_millis(250));
    }
    assert_eq!(bench.readings().len(), before);
    assert_eq!(bench.lost().len(), 1);
    assert!(bench.lost()[0].contains("UPSCABLE"), "{:?}", bench.lost());
    // It can still be told to switch off.
    bench.order(Command::KillPower);
    assert!(bench.ours.contains(Lines::DTR));
    bench.said.clear();
    bench.ups(false, false);
    bench.pass(Duration::from_secs(5));
    assert!(bench.said.iter().any(|(_, event)| matches!(event, LinkEvent::Attached(_))));
    assert_eq!(bench.last(), (false, false));
}

#[test]
fn an_outage_that_began_while_the_machine_slept_is_no_flicker() {
    let mut bench = Bench::running("940-0119A");
    bench.ups(true, false);
    bench.now += Duration::from_secs(3600);
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.lost(), [""; 0]);
    assert_eq!(bench.last(), (true, false));
}

#[test]
fn a_low_battery_line_that_flickers_does_not_hide_an_outage() {
    let mut bench = Bench::running("simple");
    for low in [true, false].repeat(20) {
        bench.ups(true, low);
        bench.pass(Duration::from_millis(250));
    }
    assert_eq!(bench.last(), (true, false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the lines do: what is told was so at every look of the last [`HOLD`], and what stays so is told within 3 s.
    #[test]
    fn what_is_told_has_held_and_what_holds_is_told(
        cable in 0..CABLES.len(),
        steps in prop::collection::vec((any::<bool>(), any::<bool>(), 1..3000_u64), 1..60),
    ) {
        let mut bench = Bench::new(CABLES[cable].name);
        bench.open();
        let mut last = (false, false);
        for (on_battery, low, millis) in steps {
            bench.ups(on_battery, low);
            last = (on_battery, low && CABLES[cable].low_battery.is_some());
            bench.pass(Duration::from_millis(millis));
        }
        // What the looks of the time saw that a look must agree with.
        let seen = |until: Instant| {
            let looks = bench.looks.iter().zip(&bench.saw);
            let looks = looks.filter(|(look, _)| **look <= until && until - **look <= HOLD);
            looks.map(|(_, saw)| *saw).collect::<Vec<_>>()
        };
        let mut before: Option<(Instant, bool, bool)> = None;
        for (told, on_battery, low) in bench.readings() {
            let looks = seen(told);
            prop_assert!(looks.iter().all(|(line, _)| *line == on_battery), "{looks:?}");
            let changed = before.is_none_or(|(_, was, _)| was != on_battery);
            prop_assert!(!changed || looks.len() >= 3, "{looks:?}");
            if let Some((since, ..)) = before.filter(|(_, _, was)| *was != low) {
                let held = bench.looks.iter().filter(|look| **look > since && **look <= told).any(|look| {
                    let looks = seen(*look);
                    looks.len() >= 3 && looks.iter().all(|(_, line)| *line == low)
                });
                prop_assert!(held, "low battery {low} was told and never held");
            }
            before = Some((told, on_battery, low));
        }
        bench.pass(Duration::from_secs(3));
        prop_assert_eq!(bench.last(), last);
    }
}
