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
        counters: Some([9, 1_830_207]),
    }
}

fn ups() -> UpsIdentity {
    UpsIdentity { serial: Some("3B1004X02003".to_owned()), ..UpsIdentity::new("usb", "1-1.2") }
}

fn saved(clock: BootClock) -> SavedState {
    SavedState { ups: Some(ups()), outage: outage(clock) }
}

fn file(path: &Path) -> StateFile {
    StateFile::new(path, UpsIdentity::new("usb", "1-1.2"))
}

/// The UPS tells its serial number, and the file is written.
fn told(file: &mut StateFile, serial: &str, clock: BootClock) -> Option<String> {
    let line = file.told_serial(serial);
    let latest = file.latest.clone();
    file.save(&latest, clock);
    line
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

const EXAMPLE: &str = "mainsd state 2\nboot 2d0ef0c5-6a0f-4c30-8f6e-0f0a4a6f2a0c\ndriver usb\ndevice 1-1.2\n\
                       serial 3B1004X02003\non_battery_since 1234.567\nannounced yes\ntransfers 3\non_battery_total 33.500\non_battery_at 1234.567\n\
                       off_battery_at 1100.000\nlast_self_test_at 500.250\ndecided_at 1240.000\ncounters 9 1830207\nend\n";

#[test]
fn a_state_comes_back_as_it_was_saved() {
    let folder = Folder::new("state");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut first = file(&path);
    assert_eq!(first.load(clock), Ok(None));
    let saved = outage(clock);
    assert_eq!(first.save(&saved, clock), None);
    assert_eq!(mode(&path), 0o600);
    drop(first);
    let mut second = file(&path);
    assert_eq!(second.load(clock), Ok(Some(saved)));
    let on_mains = SavedOutage::default();
    assert_eq!(second.save(&on_mains, clock), None);
    drop(second);
    assert_eq!(file(&path).load(clock), Ok(Some(on_mains)));
}

#[test]
fn time_that_passes_between_two_instances_counts() {
    let before = clock_at(2000);
    let text = emit_state(&ups(), &outage(before), BOOT, before);
    assert_eq!(text, EXAMPLE);
    let after = BootClock {
        now: before.now + Duration::from_secs(30),
        uptime: before.uptime + Duration::from_secs(90),
    };
    let since = parse_state(text.as_bytes(), BOOT, after).unwrap().outage.on_battery_since.unwrap();
    // The machine slept for 60 of the 90 seconds; they were spent on battery all the same.
    let spent = after.now.duration_since(since);
    assert_eq!(spent, Duration::from_millis(2_000_000 - 1_234_567) + Duration::from_secs(90));
}

#[test]
fn it_is_written_only_when_something_changed() {
    let folder = Folder::new("state-unchanged");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut file = file(&path);
    file.save(&outage(clock), clock);
    std::fs::remove_file(&path).unwrap();
    file.save(&outage(clock), clock);
    assert!(!path.exists());
    file.save(&SavedOutage { transfers: 4, ..outage(clock) }, clock);
    assert!(path.exists());
}

#[test]
fn what_one_process_finds_unwritten_another_writes_and_nobody_twice() {
    let folder = Folder::new("state-put");
    let path = folder.join("state");
    let (clock, later) = (clock_at(2000), clock_at(2007));
    let mut loop_side = file(&folder.join("not written"));
    let mut writer = file(&path);
    loop_side.note(&outage(clock));
    assert_eq!(loop_side.told_serial("3B1004X02003"), None);
    let saved = loop_side.take_unwritten(clock).unwrap();
    assert_eq!(writer.put(&saved, later), None);
    assert_eq!(loop_side.take_unwritten(clock), None);
    drop(writer);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.replace(&clock::boot_id().unwrap(), BOOT), EXAMPLE, "to the millisecond");
    loop_side.note(&SavedOutage::default());
    let mut writer = file(&path);
    assert_eq!(writer.put(&loop_side.take_unwritten(clock).unwrap(), later), None);
    drop(writer);
    let mut next = file(&path);
    assert_eq!(next.load(later), Ok(Some(SavedOutage::default())));
    assert_eq!(next.ups.serial.as_deref(), Some("3B1004X02003"));
}

#[test]
fn what_another_process_keeps_from_being_written_is_written_when_that_has_ended() {
    let folder = Folder::new("state-again");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut before = file(&path);
    assert_eq!(before.save(&SavedOutage::default(), clock), None);
    let mut writer = file(&path);
    assert!(!writer.try_again(clock), "nothing has failed");
    let mut loop_side = file(&path);
    loop_side.note(&outage(clock));
    let trouble = writer.put(&loop_side.take_unwritten(clock).unwrap(), clock).unwrap();
    assert!(trouble.ends_with("another process is using it"), "{trouble}");
    assert!(writer.try_again(clock));
    drop(before);
    assert!(!writer.try_again(clock));
    drop(writer);
    assert_eq!(file(&path).load(clock).unwrap().map(|saved| saved.transfers), Some(3));
}

#[test]
fn the_state_of_another_driver_or_device_is_ignored_in_one_line() {
    let folder = Folder::new("state-other");
    let path = folder.join("state");
    let clock = clock_at(2000);
    file(&path).save(&outage(clock), clock);
    let ignored = format!("State file {} is ignored: ", path.display());
    for (driver, device, why) in [
        ("apcsmart", "1-1.2", "it is of a UPS with UPSTYPE usb"),
        ("usb", "1-1.3", "it is of the UPS at DEVICE 1-1.2"),
        ("usb", "", "it is of the UPS at DEVICE 1-1.2"),
    ] {
        let mut other = StateFile::new(&path, UpsIdentity::new(driver, device));
        assert_eq!(other.load(clock), Err(format!("{ignored}{why}")));
    }
    // It is the new UPS's from then on.
    let mut other = StateFile::new(&path, UpsIdentity::new("usb", "1-1.3"));
    assert!(other.load(clock).is_err());
    assert_eq!(other.save(&SavedOutage::default(), clock), None);
    drop(other);
    assert!(file(&path).load(clock).unwrap_err().ends_with("DEVICE 1-1.3"));
}

#[test]
fn until_the_ups_has_told_its_serial_number_driver_and_device_are_enough() {
    let folder = Folder::new("state-serial");
    let path = folder.join("state");
    let clock = clock_at(2000);
    // Not known when the first instance ended: no number is another one.
    let mut first = file(&path);
    first.save(&outage(clock), clock);
    drop(first);
    let mut second = file(&path);
    assert_eq!(second.load(clock), Ok(Some(outage(clock))));
    for nothing in ["", "  ", "\t"] {
        assert_eq!(told(&mut second, nothing, clock), None);
    }
    assert_eq!(told(&mut second, "3B1004X02003  ", clock), None);
    assert_eq!(told(&mut second, "3B1004X02003", clock), None);
    drop(second);
    // Known: it stays in the file until the UPS tells it again, and the same one changes nothing.
    let mut third = file(&path);
    assert_eq!(third.load(clock), Ok(Some(outage(clock))));
    third.save(&SavedOutage { transfers: 4, ..outage(clock) }, clock);
    assert!(std::fs::read_to_string(&path).unwrap().contains("\nserial 3B1004X02003\n"));
    assert_eq!(told(&mut third, "3B1004X02003", clock), None);
    drop(third);
    // An exchanged UPS starts anew, once; and the file is that one's.
    let mut fourth = file(&path);
    assert!(fourth.load(clock).unwrap().is_some());
    let words = told(&mut fourth, "9Z9", clock).unwrap();
    assert_eq!(
        words,
        "The UPS is another one than before the restart, serial number 9Z9 and not 3B1004X02003: it starts anew"
    );
    assert_eq!(told(&mut fourth, "9Z9", clock), None);
    // One that is exchanged while the daemon runs is only noted.
    assert_eq!(told(&mut fourth, "8Y8", clock), None);
    drop(fourth);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\nserial 8Y8\n") && !text.contains("on_battery_since"), "{text}");
}

#[test]
fn whatever_a_device_calls_itself_the_file_stays_one_that_can_be_read() {
    let clock = clock_at(2000);
    let folder = Folder::new("state-names");
    let path = folder.join("state");
    for name in ["a\nend\n", "\u{1b}[2J", "100%", "\u{e9}\u{0}", &"x ".repeat(1000), &"\u{1f600}".repeat(500)]
    {
        let mut first = StateFile::new(&path, UpsIdentity::new(name, name));
        let _ = first.load(clock);
        told(&mut first, name, clock);
        assert_eq!(first.save(&outage(clock), clock), None);
        drop(first);
        let mut second = StateFile::new(&path, UpsIdentity::new(name, name));
        assert_eq!(second.load(clock), Ok(Some(outage(clock))), "{name:?}");
        assert_eq!(told(&mut second, name, clock), None, "{name:?}");
    }
}

#[test]
fn a_file_that_another_could_have_written_is_ignored_in_one_line_and_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("state-others");
    let path = folder.join("state");
    let clock = clock_at(2000);
    for (wrong, why) in [(0o646, "others can write to it"), (0o660, "others can write to it")] {
        file(&path).save(&outage(clock), clock);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(wrong)).unwrap();
        let mut second = file(&path);
        let expected = format!("State file {} is ignored: {why}", path.display());
        assert_eq!(second.load(clock), Err(expected), "{wrong:o}");
        assert_eq!(second.save(&outage(clock), clock), None);
        assert_eq!(mode(&path), 0o600);
    }
    if access::is_root() {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let mut second = file(&path);
        assert!(second.load(clock).unwrap_err().ends_with("it belongs to another user (uid 65534)"));
        assert_eq!(second.save(&outage(clock), clock), None);
        assert_eq!(std::fs::metadata(&path).unwrap().uid(), 0);
    }
}

#[test]
fn what_is_no_plain_file_is_ignored_and_left_as_it_is() {
    let folder = Folder::new("state-odd");
    let path = folder.join("state");
    let clock = clock_at(2000);
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    for path in [path.as_path(), &folder.0, Path::new("/dev/full")] {
        let mut file = file(path);
        assert!(
            file.load(clock).unwrap_err().ends_with("is ignored: it is no plain file"),
            "{}",
            path.display()
        );
        assert_eq!(file.save(&outage(clock), clock), None, "one line is enough");
        assert!(!std::fs::symlink_metadata(path).unwrap().is_file());
    }
}

#[test]
fn the_file_is_locked_while_in_use_whatever_is_written() {
    let folder = Folder::new("state-locked");
    let path = folder.join("state");
    let clock = clock_at(2000);
    let mut first = file(&path);
    assert_eq!(first.load(clock), Ok(None));
    for transfers in 0..3 {
        assert_eq!(first.save(&SavedOutage { transfers, ..outage(clock) }, clock), None);
        let mut second = file(&path);
        let line = second.load(clock).unwrap_err();
        assert!(line.contains("is ignored: another process is using it"), "{line}");
        assert_eq!(second.save(&SavedOutage::default(), clock), None, "one line is enough");
        let other = File::open(&path).unwrap();
        assert_eq!(flock(&other).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    let mut second = file(&path);
    assert!(second.load(clock).is_err());
    drop(first);
    // Free now: it becomes the second one's with its next change.
    assert_eq!(second.save(&SavedOutage { transfers: 9, ..outage(clock) }, clock), None);
    assert!(file(&path).load(clock).is_err());
    drop(second);
    assert_eq!(file(&path).load(clock).unwrap().unwrap().transfers, 9);
}

#[test]
fn a_lock_that_anybody_can_have_taken_keeps_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("state-readable");
    let path = folder.join("state");
    let clock = clock_at(2000);
    // As the first version wrote it: readable to all.
    std::fs::write(&path, EXAMPLE.replace(BOOT, &clock::boot_id().unwrap())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let anybody = File::open(&path).unwrap();
    flock(&anybody).unwrap();
    let mut ours = file(&path);
    assert_eq!(ours.load(clock), Ok(Some(outage(clock))));
    assert_eq!(ours.save(&SavedOutage::default(), clock), None);
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_link_of_the_administrator_is_followed() {
    let folder = Folder::new("state-link");
    let (real, link) = (folder.join("real"), folder.join("link"));
    let clock = clock_at(2000);
    std::os::unix::fs::symlink("real", &link).unwrap();
    let mut first = file(&link);
    assert_eq!(first.load(clock), Ok(None));
    for transfers in 0..2 {
        assert_eq!(first.save(&SavedOutage { transfers, ..outage(clock) }, clock), None);
        assert!(file(&link).load(clock).is_err(), "locked");
    }
    drop(first);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(file(&real).load(clock).unwrap().unwrap().transfers, 1);
}

#[test]
fn what_the_first_version_left_is_taken_over_once() {
    let folder = Folder::new("state-old");
    let (old, new) = (folder.join("mainsd.state"), folder.join("state"));
    let clock = clock_at(2000);
    let boot = clock::boot_id().unwrap();
    let first_version = EXAMPLE.replace("state 2", "state 1").replace(BOOT, &boot);
    let first_version = first_version.replace("driver usb\ndevice 1-1.2\nserial 3B1004X02003\n", "");
    std::fs::write(&old, &first_version).unwrap();
    let mut file = file(&new);
    assert_eq!(file.load(clock), Ok(None));
    assert_eq!(file.load_old(&old, clock), Ok(Some(outage(clock))));
    assert!(old.exists(), "until it is safe elsewhere");
    assert_eq!(file.save(&outage(clock), clock), None);
    assert!(!old.exists() && new.exists());
    assert_eq!(told(&mut file, "9Z9", clock), None, "no number was left to compare with");
    assert_eq!(file.load_old(&old, clock), Ok(None));
    // A STATEFILE of one's own may be of the first version too.
    drop(file);
    std::fs::write(&new, &first_version).unwrap();
    assert_eq!(super::tests::file(&new).load(clock), Ok(Some(outage(clock))));
    // What does not fit stays where it is.
    std::fs::write(&old, first_version.replace(&boot, BOOT)).unwrap();
    let line = super::tests::file(&new).load_old(&old, clock).unwrap_err();
    assert_eq!(
        line,
        format!("State file {} is ignored: it is from before the last boot, or broken", old.display())
    );
    assert!(old.exists());
}

#[test]
fn after_a_reboot_or_a_broken_write_it_is_void() {
    let clock = clock_at(2000);
    let parse = |text: &str| parse_state(text.as_bytes(), BOOT, clock);
    assert_eq!(parse(EXAMPLE), Some(saved(clock)));
    let without = EXAMPLE.replace("off_battery_at 1100.000\n", "");
    let changed = SavedOutage { off_battery_at: None, ..outage(clock) };
    assert_eq!(parse(&without).unwrap().outage, changed);
    let changes = [
        (BOOT, "00000000-6a0f-4c30-8f6e-0f0a4a6f2a0c"),
        ("state 2", "state 3"),
        ("state 2", "state 1"),
        ("driver usb\n", ""),
        ("device 1-1.2\n", ""),
        ("device 1-1.2\n", "device 1-1.2 \n"),
        ("driver usb\n", "driver \u{e9}\n"),
        ("serial 3B1004X02003\n", "serial \n"),
        ("serial 3B1004X02003\n", "serial a\nserial b\n"),
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
    let mut first = file(&path);
    let line = first.load(clock).unwrap_err();
    assert!(line.contains("is ignored: it is from before the last boot, or broken"), "{line}");
    assert_eq!(first.save(&outage(clock), clock), None);
    drop(first);
    assert_eq!(file(&path).load(clock), Ok(Some(outage(clock))));
}

#[test]
fn what_cannot_be_written_costs_one_line() {
    let clock = clock_at(2000);
    let mut file = file(Path::new("/nonexistent/state"));
    assert_eq!(file.load(clock), Ok(None));
    assert_eq!(
        file.save(&outage(clock), clock).as_deref(),
        Some("Cannot write state file /nonexistent/state: No such file or directory")
    );
    assert_eq!(file.save(&outage(clock), clock), None);
}

proptest! {
    #[test]
    fn any_outage_survives_the_file(
        moments in prop::array::uniform5(prop::option::of(0_u64..4_000_000_000)),
        announced: bool,
        transfers: u32,
        total in 0_u64..1 << 40,
        driver: String,
        device: String,
        told: Option<String>,
        counters: Option<[u32; 2]>,
    ) {
        let clock = clock_at(4_000_000);
        let [since, on, off, test, decided] =
            moments.map(|at| at.and_then(|at| clock.moment(Duration::from_millis(at))));
        let outage = SavedOutage {
            on_battery_since: since,
            announced,
            transfers,
            on_battery_total: Duration::from_millis(total),
            on_battery_at: on,
            off_battery_at: off,
            last_self_test_at: test,
            decided_at: decided,
            counters,
        };
        let ups = UpsIdentity { serial: told.as_deref().map(plain).filter(|it| !it.is_empty()), ..UpsIdentity::new(&driver, &device) };
        let text = emit_state(&ups, &outage, BOOT, clock);
        prop_assert!(text.len() as u64 <= MAX_BYTES);
        prop_assert_eq!(parse_state(text.as_bytes(), BOOT, clock), Some(SavedState { ups: Some(ups), outage }));
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
            prop_assert!(saved.outage.on_battery_since.is_none_or(|since| since <= clock.now));
        }
    }
}
