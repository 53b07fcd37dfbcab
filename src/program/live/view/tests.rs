use proptest::prelude::*;

use super::*;
use crate::link::simulated::{Action, Model};

const PLAIN: Style = Style { colour: false, unicode: true };

/// A UPS a few seconds into an outage, as the daemon would show it.
struct Stage {
    snapshot: Snapshot,
    events: RecentEvents,
    history: History,
    decision: Option<(String, String)>,
}

impl Stage {
    fn on_battery() -> Self {
        let mut model = Model::default();
        let mut stage = Self {
            snapshot: Snapshot { identity: model.identity(), ..Snapshot::default() },
            events: RecentEvents::default(),
            history: History::default(),
            decision: None,
        };
        stage.snapshot.facts.battery_level = 5;
        stage.snapshot.facts.minutes = 3;
        model.apply(Action::Lapse(60.0));
        for half_second in 0..40 {
            if half_second == 20 {
                model.apply(Action::Mains(false));
            }
            model.advance(Duration::from_millis(500));
            stage.snapshot.values = model.values();
            stage.snapshot.flags = model.status();
            stage.history.observe(Duration::from_millis(500 * half_second), &stage.snapshot);
        }
        stage.snapshot.time_on_battery = Duration::from_secs(10);
        for (at, event, hook) in
            [(10, "Power failure.", "powerout"), (16, "Running on UPS batteries.", "onbattery")]
        {
            let at = clock(Duration::from_secs(at));
            stage.events.push(at.clone(), Happening::Event(Priority::Alert, event.to_owned()));
            stage.events.push(at, Happening::Hook(format!("{hook} demo 1 0")));
        }
        stage
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            snapshot: &self.snapshot,
            events: &self.events,
            history: &self.history,
            decision: self.decision.as_ref(),
            clock: " 0:20",
            about: About {
                title: "mainsd demo",
                subtitles: ["a simulated UPS; nothing real is touched", "a simulated UPS"],
                machine: "this machine",
                shutdown: "it goes down",
                note: "battery in time-lapse, x60  ",
                label: "try in another terminal: ",
                hint: "mainsd status 127.0.0.1:3551",
                outlook: "scenario outage; in 12 s mains returns",
            },
        }
    }

    fn page(&self, size: Size) -> String {
        render(&self.scene(), size, PLAIN).join("\n")
    }
}

#[test]
fn an_outage_in_an_ordinary_window() {
    let page: Vec<String> =
        Stage::on_battery().page((80, 24)).lines().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(page, GOLDEN.lines().collect::<Vec<_>>(), "\n{}", page.join("\n"));
}

/// Trailing spaces are not kept in the file.
const GOLDEN: &str = include_str!("outage-80x24.txt");

#[test]
fn every_state_has_its_word() {
    let table = [
        (StatusFlags::default(), "STARTING"),
        (StatusFlags::ONLINE, "ON MAINS"),
        (StatusFlags::ONLINE | StatusFlags::BOOST, "raises it"),
        (StatusFlags::ONLINE | StatusFlags::TRIM, "lowers it"),
        (StatusFlags::ONLINE | StatusFlags::REPLACEBATT, "must be replaced"),
        (StatusFlags::ONBATT, "ON BATTERY   for 10 s"),
        (StatusFlags::ONBATT | StatusFlags::BATTLOW, "BATTERY LOW"),
        (StatusFlags::ONBATT | StatusFlags::CALIBRATION, "CALIBRATION"),
        (StatusFlags::ONBATT | StatusFlags::COMMLOST, "NO CONTACT"),
        (StatusFlags::ONBATT | StatusFlags::COMMLOST | StatusFlags::SHUTDOWN, "SHUTTING DOWN   it goes down"),
    ];
    for (flags, words) in table {
        let mut stage = Stage::on_battery();
        stage.snapshot.flags = flags;
        assert!(stage.page((80, 24)).contains(words), "{flags:?}: {}", stage.page((80, 24)));
    }
    let mut stage = Stage::on_battery();
    stage.snapshot.values.transfer_cause = Some(TransferCause::SelfTest);
    assert!(stage.page((80, 24)).contains("SELF TEST"));
}

#[test]
fn a_ups_that_says_nothing_yet_is_shown_without_numbers() {
    let stage = Stage {
        snapshot: Snapshot::default(),
        events: RecentEvents::default(),
        history: History::default(),
        decision: None,
    };
    let page = stage.page((80, 24));
    assert!(
        page.contains("STARTING") && page.contains("-- min") && page.contains("Events appear here."),
        "{page}"
    );
}

#[test]
fn the_state_is_the_last_thing_a_small_window_gives_up() {
    let stage = Stage::on_battery();
    for rows in 1..24 {
        assert!(stage.page((80, rows)).contains("ON BATTERY"), "{rows} rows");
    }
    assert!(stage.page((80, 8)).contains("mainsd status 127.0.0.1:3551"));
    assert!(stage.page((30, 24)).contains("mainsd status 127.0.0.1:3551"));
}

#[test]
fn a_long_line_is_wrapped_at_words_and_the_end_is_kept_when_rows_are_few() {
    assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    assert_eq!(wrapped("extraordinary", 4), ["extraordinary"]);
    let mut stage = Stage::on_battery();
    let text = format!("Shutdown because {}of this", "of a long story and ".repeat(8));
    stage.events.push(clock(Duration::from_secs(19)), Happening::Event(Priority::Alert, text));
    let page = stage.page((80, 24));
    assert!(
        page.contains("0:19      Shutdown because of a long") && page.contains("story and of this"),
        "{page}"
    );
    assert!(stage.page((80, 14)).contains("of this"));
}

#[test]
fn the_decision_stays_on_the_screen_whatever_happens_afterwards() {
    let mut stage = Stage::on_battery();
    let words = "Shutdown because the runtime is at or below MINUTES; on battery for 35 s; charge 12.1 %.";
    stage.decision = Some((" 0:15".to_owned(), words.to_owned()));
    for number in 0..50 {
        let event = Happening::Event(Priority::Warning, format!("Event number {number}."));
        stage.events.push(clock(Duration::from_secs(16 + number)), event);
    }
    let page = stage.page((80, 24));
    assert!(page.contains("0:15      Shutdown because the runtime is at or below MINUTES;"), "{page}");
    assert!(page.contains("Event number 49."), "{page}");
    for rows in 8..24 {
        assert!(stage.page((80, rows)).contains("ON BATTERY"), "{rows} rows");
    }
}

#[test]
fn the_way_from_the_mains_is_drawn_during_a_self_test_and_broken_in_an_outage() {
    let flow =
        |stage: &Stage| stage.page((80, 24)).lines().find(|line| line.contains("mains ")).unwrap().to_owned();
    let mut stage = Stage::on_battery();
    assert!(flow(&stage).contains("mains ╌╌╌╳╌╌╌ UPS ━━━━━━▸ this machine"), "{}", flow(&stage));
    assert!(flow(&stage).contains("battery in time-lapse, x60"), "{}", flow(&stage));
    stage.snapshot.values.transfer_cause = Some(TransferCause::SelfTest);
    stage.snapshot.values.line_voltage = Some(crate::ups::Volts(230.0));
    assert!(flow(&stage).contains("mains ━━━━━━▸ UPS ━━━━━━▸ this machine"), "{}", flow(&stage));
}

proptest! {
    #[test]
    fn a_frame_never_exceeds_its_window(columns in 0u16..200, rows in 0u16..80, colour: bool, unicode: bool, decided: bool) {
        let mut stage = Stage::on_battery();
        stage.decision = decided.then(|| (" 0:09".to_owned(), "Shutdown because of what was said. ".repeat(4)));
        let lines = render(&stage.scene(), (columns, rows), Style { colour, unicode });
        prop_assert!(lines.len() <= usize::from(rows));
        for line in lines {
            let mut shown = 0;
            let mut escape = false;
            for c in line.chars() {
                match c {
                    '\x1b' => escape = true,
                    'm' if escape => escape = false,
                    _ if escape => {}
                    _ => shown += 1,
                }
                prop_assert!(unicode || c.is_ascii(), "{line}");
            }
            prop_assert!(shown <= usize::from(columns), "{shown}: {line}");
        }
    }
}
