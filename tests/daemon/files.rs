//! Files that the daemon writes by the clock.

use crate::support::{FakeTime, Scratch, Setup, TIMEOUT, play_in, poll_until};

fn setup() -> Setup {
    Setup::new("test").with("NOLOGON", "disable")
}

/// The keys of a status, without those that one of its two readers knows in a later moment only.
fn keys<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.filter_map(|line| line.split_once(':').map(|(key, _)| key.trim_end())).collect()
}

#[test]
fn data_records_status_file_and_logged_status_come_at_their_times() {
    // As recorded: the record's form, its last field that alternates, LOGSTATS with each status, status before its end.
    let scratch = Scratch::new();
    let file = scratch.path().join("status");
    let setup = setup().with("DATATIME", "1").with("STATTIME", "1").with("LOGSTATS", "on");
    let daemon = play_in("", setup.with("STATFILE", &file.display().to_string()), scratch);
    let is_record = |line: &str| {
        let fields: Vec<&str> = line.rsplit(' ').next().unwrap_or_default().split(',').collect();
        fields.len() == 12 && fields.iter().take(11).all(|field| field.contains('.'))
    };
    let mut from = 0;
    let mut last = Vec::new();
    for _ in 0..3 {
        let (place, line) = daemon.output().wait(from, TIMEOUT, is_record).expect("a data record");
        from = place + 1;
        last.push(line.text.chars().last());
    }
    assert_eq!(last, [Some('1'), Some('0'), Some('1')], "{}", daemon.describe());

    let begins = |line: &str| line.contains("APC      : 001,");
    let ends = |line: &str| line.contains("END APC  : ");
    let (first, _) = daemon.output().wait(0, TIMEOUT, begins).expect("a status in the log");
    let (end, _) = daemon.output().wait(first, TIMEOUT, ends).expect("its end");
    let logged = daemon.output().since(first);
    let logged: Vec<&str> =
        logged.iter().take(end - first + 1).map(|line| line.text.get(27..).unwrap_or("")).collect();
    let logged: Vec<&str> = logged.into_iter().filter(|line| !is_record(line)).collect();
    let written =
        poll_until(TIMEOUT, || std::fs::read_to_string(&file).ok().filter(|text| text.contains("END APC")));
    let written = written.expect("a status file");
    assert_eq!(keys(logged.iter().copied()), keys(written.lines()));
    assert_eq!(keys(logged.iter().copied()).first(), Some(&"APC"));
    let answer = daemon.status();
    assert_eq!(keys(answer.records.iter().map(String::as_str)), keys(written.lines()));
}

#[test]
fn a_long_events_file_loses_its_oldest_lines() {
    let filler: String = (0..40)
        .map(|number| format!("2020-01-01 00:00:26 +0000  filler line number {number:03}\n"))
        .collect();
    assert_eq!(filler.len(), 2000, "as recorded");
    let setup = setup().with("EVENTSFILEMAX", "1");
    let mut daemon = FakeTime::start(&setup, "2 mains off\n30 mains on", 0.0, |scratch| {
        scratch.file("events", filler);
    });
    let events = daemon.dir().join("events");
    // Not in an outage: a slow disk would be in the way of what matters.
    daemon.run_to(29.0);
    assert!(std::fs::read_to_string(&events).unwrap().len() > 2000);
    daemon.run_to(60.0);
    let left = std::fs::read_to_string(&events).unwrap();
    assert!(left.len() <= 1024, "{left}");
    assert!(left.starts_with("20") && left.lines().all(|line| line.len() > 27), "whole lines: {left}");
    assert!(left.contains("Power is back. UPS running on mains."), "the newest: {left}");
}
