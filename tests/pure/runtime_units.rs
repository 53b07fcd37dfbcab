//! A runtime without a unit: stories of USB UPSes that count minutes where seconds are expected, and of one that does not.

use crate::support::story::Story;

const POWEROUT: &str = "Power failure.";
const ONBATTERY: &str = "Running on UPS batteries.";
const OFFBATTERY: &str = "Mains returned. No longer on UPS batteries.";
const MAINSBACK: &str = "Power is back. UPS running on mains.";
const LOADLIMIT: &str = "Battery charge below low limit.";
const SHUTDOWN: &str = "Initiating system shutdown!";
const RUNLIMIT: &str = "Reached remaining time percentage limit on batteries.";

#[test]
fn thirty_six_minutes_without_a_unit_are_no_thirty_six_seconds() {
    let outage = Story::named("units.json", "gxt5-outage");
    let played = outage.play(&[]);
    let events = [(3.0, POWEROUT), (9.0, ONBATTERY), (51.0, OFFBATTERY), (51.0, MAINSBACK)];
    played.assert_events(&events);
    assert_eq!(played.status.get("TIMELEFT"), Some("36.0 Minutes"));
    assert_eq!(
        played.status.get("STATUS"),
        Some("ONLINE"),
        "battery present says one report, missing the other"
    );
    // The last minutes do end it.
    let ends = outage.without("restore").with(&[
        (40.0, "set 85:68 6"),
        (70.0, "set 85:68 5"),
        (90.0, "set 85:66 50"),
    ]);
    ends.play(&[]).assert_events(&[(3.0, POWEROUT), (9.0, ONBATTERY), (75.0, RUNLIMIT), (75.0, SHUTDOWN)]);
}

#[test]
fn a_daemon_that_begins_on_battery_does_not_judge_a_runtime_before_it_knows_its_unit() {
    let story = Story::named("units.json", "gxt5-begins-on-battery");
    let played = story.play(&[]);
    let shut_down = |line: &&(f64, String)| line.1 == SHUTDOWN;
    assert!(!played.log.iter().any(|line| shut_down(&line)), "{:#?}", played.log);
    assert!(
        played.log.iter().any(|(_, line)| line.contains("MINUTES not judged")),
        "the log says so: {:#?}",
        played.log
    );
    // The charge is judged all the while.
    let played = story.with(&[(5.0, "charge 15")]).play(&[]);
    assert!(played.log.iter().any(|(_, line)| line == LOADLIMIT), "{:#?}", played.log);
}

#[test]
fn seconds_without_a_unit_end_an_outage_at_their_limit() {
    let story = Story::named("units.json", "seconds-without-a-unit");
    story.play(&[]).assert_events(&[(3.0, POWEROUT), (9.0, ONBATTERY), (15.0, RUNLIMIT), (15.0, SHUTDOWN)]);
}
