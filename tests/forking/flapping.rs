//! A UPS that does one thing and its opposite again and again: log and hooks stay. In fake time; a process of its own, because each hook is
//! a fork, which costs a process of many threads ten times as much.

use crate::support::runner::{Group, tests};
use crate::support::{FakeTime, Setup};

pub const TESTS: Group = Group {
    tests: tests![
        mains_that_flaps_is_announced_to_a_bound_and_an_outage_that_lasts_shuts_down,
        what_else_flaps_has_a_bound_too,
    ],
    ..Group::new(module_path!())
};

/// Ten minutes of a UPS, in fake time, that does one thing and its opposite again and again, then something that lasts. The lines
/// that it makes, without those of the start; and the daemon, as it is then.
fn life_of(flood: &str, more: &str) -> (FakeTime, usize, usize) {
    let setup = Setup::new("test")
        .with("BATTERYLEVEL", "-1")
        .with("MINUTES", "-1")
        .with("TIMEOUT", "60")
        .with("NOLOGON", "always")
        .with("ONBATTERYDELAY", "0");
    let mut script = "0 lapse 0\n0 lowbatt off\n".to_owned();
    for line in (0..150).flat_map(|n| flood.lines().map(move |line| (n, line))) {
        let (second, what) = line.1.split_once(' ').unwrap();
        script
            .push_str(&format!("{} {what}\n", f64::from(line.0 * 4) + second.parse::<f64>().unwrap() + 1.0));
    }
    let mut daemon = FakeTime::start(&setup, &(script + more), 0.0, |_| {});
    daemon.run_to(600.0);
    let (lines, hooks) = (daemon.log.len(), daemon.hooks(0).len());
    println!("{flood:?}: {lines} lines, {hooks} hooks in 10 minutes");
    (daemon, lines, hooks)
}

/// Twenty episodes, and one each half minute; in each four events, two lines about logins, one about what was left out, and one
/// about garbage.
const EPISODES: usize = 20 + 20 + 1;
const MOST_LINES: usize = EPISODES * 8;
const MOST_HOOKS: usize = EPISODES * 4;

fn mains_that_flaps_is_announced_to_a_bound_and_an_outage_that_lasts_shuts_down() {
    let (mut daemon, lines, hooks) = life_of("0 mains off\n2 mains on", "610 mains off\n");
    assert!((100..MOST_LINES).contains(&lines) && (100..MOST_HOOKS).contains(&hooks));
    let transfers: u32 = daemon.status().get("NUMXFERS").unwrap().parse().unwrap();
    assert!(transfers > 125, "the counter counts all: {transfers}");
    let from = daemon.log.len();
    daemon.run_to(700.0);
    let said: Vec<&str> = daemon.log[from..].iter().map(|(_, line)| line.as_str()).collect();
    let place = |text: &str| {
        said.iter().position(|line| line.starts_with(text)).unwrap_or_else(|| panic!("{text}: {said:?}"))
    };
    assert!(place("Power failure.") < place("Reached run time limit on batteries."), "{said:?}");
    assert!(place("Reached run time limit") < place("Initiating system shutdown!"), "{said:?}");
    let (second, _) = daemon.log.iter().find(|(_, line)| line.starts_with("Reached run time limit")).unwrap();
    assert!((670.0..674.0).contains(second), "held up: {second}");
    assert!(daemon.hooks(hooks + 4).iter().any(|hook| hook.starts_with("doshutdown")));
}

fn what_else_flaps_has_a_bound_too() {
    for flood in [
        "0 battery out\n2 battery in",
        "0 selftest 2 passed",
        "0 replace on\n2 replace off",
        "0 unplug\n3 plug",
        "0 overload on\n1 overload off\n1.5 line 190\n2.5 line 230",
        "0 garbage 1\n2 status 0x18\n3 status auto",
    ] {
        let (daemon, lines, hooks) = life_of(flood, "");
        assert!(lines < MOST_LINES && hooks < MOST_HOOKS, "{flood:?}: {:?}", daemon.log);
    }
}
