use proptest::prelude::*;

use super::*;
use crate::journal::tests::Folder;

const BOOT: &str = "2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c";

#[expect(clippy::disallowed_methods, reason = "any moment does")]
fn clock_at(uptime: u64) -> BootClock {
    BootClock { now: Instant::now(), uptime: Duration::from_secs(uptime) }
}

fn outage(clock: BootClock) -> SavedOutage {
    let at = |millis| clock.moment(Duration::from_millis(millis));
    SavedOutage {
        on_battery_since: at(1_234_567),
        announced: true,
        transfers: 3,
        on_battery_total: Duration::from_millis(33_500),
        on_battery_at: at(1_234_567),
        off_battery_at: at(1_100_000),
        last_self_test_at: at(500_250),
        decided_at: at(1_240_000),
    }
}

const EXAMPLE: &str = "mainsd state 1\nboot 2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c\non_battery_since 1234.567\n\
                       announced yes\ntransfers 3\non_battery_total 33.500\non_battery_at 1234.567\n\
                       off_battery_at 1100.000\nlast_self_test_at 500.250\ndecided_at 1240.000\nend\n";

#[test]
fn a_state_comes_back_as_it_was_saved() {
    let folder = Folder::new("state");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut file = StateFile::new(&path);
    assert_eq!(file.load(clock), Ok(None));
    let saved = outage(clock);
    assert_eq!(file.save(&saved, clock), None);
    assert_eq!(StateFile::new(&path).load(clock), Ok(Some(saved)));
    let on_mains = SavedOutage::default();
    assert_eq!(file.save(&on_mains, clock), None);
    assert_eq!(StateFile::new(&path).load(clock), Ok(Some(on_mains)));
}

#[test]
fn time_that_passes_between_two_instances_counts() {
    let before = clock_at(2000);
    let text = emit_state(&outage(before), BOOT, before);
    assert_eq!(text, EXAMPLE);
    let after = BootClock {
        now: before.now + Duration::from_secs(30),
        uptime: before.uptime + Duration::from_secs(90),
    };
    let since = parse_state(text.as_bytes(), BOOT, after).unwrap().on_battery_since.unwrap();
    // The machine slept for 60 of the 90 seconds; they were spent on battery all the same.
    let spent = after.now.duration_since(since);
    assert_eq!(spent, Duration::from_millis(2_000_000 - 1_234_567) + Duration::from_secs(90));
}

#[test]
fn it_is_written_only_when_something_changed() {
    let folder = Folder::new("state-unchanged");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut file = StateFile::new(&path);
    file.save(&outage(clock), clock);
    std::fs::remove_file(&path).unwrap();
    file.save(&outage(clock), clock);
    assert!(!path.exists());
    file.save(&SavedOutage { transfers: 4, ..outage(clock) }, clock);
    assert!(path.exists());
}

#[test]
fn after_a_reboot_or_a_broken_write_it_is_void() {
    let clock = clock_at(2000);
    let parse = |text: &str| parse_state(text.as_bytes(), BOOT, clock);
    assert_eq!(parse(EXAMPLE), Some(outage(clock)));
    let without = EXAMPLE.replace("off_battery_at 1100.000\n", "");
    assert_eq!(parse(&without), Some(SavedOutage { off_battery_at: None, ..outage(clock) }));
    let changes = [
        (BOOT, "00000000-6a0f-4c30-8f6e-0f0a4a6f2a0c"),
        ("state 1", "state 2"),
        ("since 1234.567", "since 2000.001"),
        ("since 1234.567", "since -1.000"),
        ("since 1234.567", "since NaN"),
        ("since 1234.567", "since 1234.5"),
        ("since 1234.567", "since 1234"),
        ("since 1234.567", "since "),
        ("since 1234.567", "since 9999999999999.000"),
        ("announced yes", "announced maybe"),
        ("announced yes\n", ""),
        ("transfers 3", "transfers +3"),
        ("transfers 3", "transfers 4294967296"),
        ("transfers 3\n", ""),
        ("33.500", "18446744073709551615.999"),
        ("on_battery_at", "off_battery_at"),
        ("end\n", "end\nmore\n"),
    ];
    for (from, to) in changes {
        let text = EXAMPLE.replace(from, to);
        assert_ne!(text, EXAMPLE);
        assert_eq!(parse(&text), None, "{text}");
    }
    for text in [String::new(), "\n".to_owned(), format!("{EXAMPLE}{EXAMPLE}")] {
        assert_eq!(parse(&text), None, "{text}");
    }
    for length in 0..EXAMPLE.len() {
        assert_eq!(parse(&EXAMPLE[..length]), None, "cut after {length} bytes");
    }
}

#[test]
fn a_file_that_is_ignored_says_so_and_the_next_save_mends_it() {
    let folder = Folder::new("state-broken");
    let path = folder.join("state");
    let clock = clock_at(2000);
    std::fs::write(&path, "garbage").unwrap();
    let mut file = StateFile::new(&path);
    let line = file.load(clock).unwrap_err();
    assert!(line.contains("is ignored: it is from before the last boot, or broken"), "{line}");
    assert_eq!(file.save(&outage(clock), clock), None);
    assert_eq!(StateFile::new(&path).load(clock), Ok(Some(outage(clock))));
}

#[test]
fn a_full_disk_costs_one_line() {
    let clock = clock_at(2000);
    let mut file = StateFile::new(Path::new("/dev/full"));
    assert!(file.save(&outage(clock), clock).is_some());
    assert_eq!(file.save(&outage(clock), clock), None);
}

proptest! {
    #[test]
    fn any_outage_survives_the_file(
        moments in prop::array::uniform5(prop::option::of(0_u64..4_000_000_000)),
        announced: bool,
        transfers: u32,
        total in 0_u64..1 << 40,
    ) {
        let clock = clock_at(4_000_000);
        let [since, on, off, test, decided] =
            moments.map(|at| at.and_then(|at| clock.moment(Duration::from_millis(at))));
        let saved = SavedOutage {
            on_battery_since: since,
            announced,
            transfers,
            on_battery_total: Duration::from_millis(total),
            on_battery_at: on,
            off_battery_at: off,
            last_self_test_at: test,
            decided_at: decided,
        };
        prop_assert_eq!(parse_state(emit_state(&saved, BOOT, clock).as_bytes(), BOOT, clock), Some(saved));
    }

    #[test]
    fn any_bytes_are_an_outage_that_can_be_or_nothing(
        random: Vec<u8>,
        at in 0..EXAMPLE.len(),
        byte: u8,
    ) {
        let clock = clock_at(2000);
        prop_assert_eq!(parse_state(&random, BOOT, clock), None);
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        if let Some(saved) = parse_state(&bytes, BOOT, clock) {
            prop_assert!(saved.on_battery_since.is_none_or(|since| since <= clock.now));
        }
    }
}
