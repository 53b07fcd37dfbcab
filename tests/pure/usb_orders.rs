//! Orders to a USB UPS: what is written, in which order, and in which words it ends.

use std::time::Duration;

use crate::support::corpus::device::device;
use crate::support::corpus::fake::{Behaviour, Bench, FakeUps};
use mainsd::link::{Link, LinkEvent};
use mainsd::ups::{Beeper, Command, StatusFlags, TransferCause};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

const ES: &str = "apc-back-ups-es-850g2";
const BX: &str = "apc-back-ups-bx1600mi";
const CYBERPOWER: &str = "cyberpower-vp1600elcd";

fn attached(name: &str) -> Bench {
    let mut bench = Bench::attached(device(name));
    bench.events.clear();
    bench.ups.requests.clear();
    bench
}

#[test]
fn each_of_two_that_have_all_read_anew_is_answered() {
    let mut bench = attached(ES);
    let polls = |bench: &Bench| {
        let is_poll = |event: &LinkEvent| matches!(event, LinkEvent::Command(result) if result.command == Command::Poll);
        bench.events.iter().filter(|(_, event)| is_poll(event)).count()
    };
    bench.link.command(Command::Poll, bench.now);
    bench.link.command(Command::Poll, bench.now);
    bench.run(10 * SECOND);
    assert_eq!(polls(&bench), 2);
    // Nor are they forgotten with the device.
    bench.events.clear();
    bench.link.command(Command::Poll, bench.now);
    bench.link.command(Command::Poll, bench.now);
    bench.link.handle_event(bench.now, mainsd::bus::usb::Event::Closed("unplugged".into()));
    bench.run(SECOND);
    assert_eq!(polls(&bench), 2);
}

/// A BX1600MI on battery, discharging.
fn bx_on_battery() -> Bench {
    let mut bench = attached(BX);
    bench.ups.feature(&[0x16, 0x0a, 0x00, 0x00, 0x00]);
    bench.interrupt(&[0x16, 0x0a, 0x00, 0x00, 0x00]);
    bench.run(SECOND);
    assert!(bench.last_reading().status.contains(StatusFlags::ONBATT));
    bench.events.clear();
    bench.ups.requests.clear();
    bench
}

/// What was written, as hex.
fn written(bench: &Bench) -> Vec<String> {
    let hex =
        |report: &Vec<u8>| report.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    bench.ups.written.iter().map(hex).collect()
}

#[test]
fn kill_power_takes_the_first_way_each_model_has() {
    let ways = [
        (ES, vec!["41 3c 00"]),
        (BX, vec!["40 01"]),
        ("apc-back-ups-500-usb-c1", vec!["40 01"]),
        ("apc-smart-ups-3000-pid3", vec!["13 3c 00 00 00"]),
        (CYBERPOWER, vec!["87 02 00", "86 01 00"]),
        ("eaton-3s-700", vec!["0a 40 00 00 00", "09 3c 00 00 00"]),
        // Minutes by the descriptor, under another maker's id.
        ("legrand-keor-pdu-800-1cb0-0038", vec!["16 02 00", "15 01 00"]),
        // The outlet groups' delays come before the whole unit's.
        ("powerwalker-vfi-2000-06da-ffff", vec!["0a 40 00 00 00", "09 3c 00 00 00"]),
        // One outlet, which is all there is.
        ("minuteman-05dd-a0a0", vec!["61 40 00", "15 3c 00"]),
        ("powercom-0d9f-0004", vec!["23 09"]),
    ];
    for (name, reports) in ways {
        let mut bench = attached(name);
        let outcome = bench.command(Command::KillPower);
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
        assert_eq!(written(&bench), reports, "{name}");
        let words = outcome.expect("an outcome");
        assert!(words.contains(&format!("report 0x{}", &reports[0][..2])), "{name}: {words}");
        // read back, and one more read, so that nothing is repeated at the next re-enumeration
        let last_set = bench.ups.requests.iter().rposition(|(_, request)| request.starts_with("set"));
        assert!(bench.ups.requests.len() - last_set.expect("a write") >= 3, "{name}");
    }
}

#[test]
fn a_number_that_a_powercom_does_not_hold_is_followed_by_minutes_and_seconds_in_bytes() {
    let mut bench = attached("powercom-0d9f-0004");
    bench.ups.forgets.push(0x23);
    let words = bench.command(Command::KillPower).expect("the second way");
    assert_eq!(written(&bench), ["23 09", "0f 01 40"]);
    assert!(words.contains("report 0x0f"), "{words}");
    let reads = |id: &str| bench.ups.requests.iter().filter(|(_, request)| request == id).count();
    assert_eq!(reads("get 3 23"), 2, "before and after");
    let mut bench = attached("powercom-0d9f-0004");
    assert!(bench.command(Command::PowerOff).is_ok());
    assert_eq!(written(&bench), ["0f 01 80"]);
}

#[test]
fn an_outlet_group_s_start_delay_is_never_paired_with_the_unit_s_shutdown_delay() {
    // A UPS with DelayBeforeShutdown of its own, and DelayBeforeStartup of an outlet only.
    let feature = |id: u8, usage: u8| [0x85, id, 0x09, usage, 0xb1, 0x02];
    let descriptor = [
        &[0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x75, 0x10, 0x95, 0x01, 0x15, 0xff, 0x26, 0xff, 0x7f][..],
        &[0x66, 0x01, 0x10],
        &[0x09, 0x18, 0xa1, 0x00, 0x09, 0x20, 0xa1, 0x81],
        &feature(1, 0x56),
        &feature(2, 0x57),
        &[0xc0, 0xc0, 0x09, 0x24, 0xa1, 0x00],
        &feature(3, 0x57),
        &feature(4, 0x55),
        &[0x65, 0x00, 0x0b, 0xd0, 0x00, 0x85, 0x00, 0x85, 0x05, 0xb1, 0x02, 0xc0, 0xc0],
    ]
    .concat();
    let mut ups = FakeUps::new(device("eaton-3s-700"));
    ups.info.announced_descriptor_len = Some(descriptor.len() as u16);
    ups.info.report_descriptor = descriptor.clone();
    ups.descriptor = descriptor;
    ups.reports = (1..=5).map(|id| ((3, id), vec![id, u8::from(id == 5), 0])).collect();
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(5 * SECOND);
    assert!(bench.command(Command::KillPower).is_ok());
    assert_eq!(written(&bench), ["04 3c 00"], "the next way that comes back");
    assert!(bench.command(Command::PowerOff).is_ok());
    assert_eq!(written(&bench)[1..], ["03 3c 00"], "the whole unit");
}

#[test]
fn a_start_delay_without_a_sign_is_taken_back_by_all_ones() {
    let mut bench = attached("minuteman-05dd-a0a0");
    bench.ups.refuses.push(0x15);
    assert!(bench.command(Command::KillPower).is_ok());
    assert_eq!(written(&bench), ["61 40 00", "61 ff ff", "17 3c 00"]);
}

#[test]
fn the_quick_test_of_a_known_firmware_under_another_name_is_its_own() {
    let mut bench = attached("legrand-keor-pdu-800-1cb0-0038");
    assert!(bench.command(Command::SelfTest).is_ok());
    assert_eq!(written(&bench), ["14 02"]);
}

#[test]
fn kill_power_on_a_smart_ups_prepares_wakes_and_shuts_down_in_this_order() {
    let mut bench = attached("apc-smart-ups-1000");
    for (id, length) in [(0x17, 1), (0x25, 2), (0x28, 2), (0x12, 2)] {
        bench.ups.feature(&[&[id], &vec![0; length][..]].concat());
    }
    assert!(bench.command(Command::KillPower).is_ok());
    assert_eq!(written(&bench), ["17 00", "25 0a 00", "28 40 00", "12 3c 00"]);
}

#[test]
fn a_refused_second_write_is_undone_and_the_next_way_taken() {
    let mut bench = attached("apc-smart-ups-1000");
    for (id, length) in [(0x28, 2), (0x12, 2), (0x13, 3)] {
        bench.ups.feature(&[&[id], &vec![0; length][..]].concat());
    }
    bench.ups.refuses.push(0x12);
    let outcome = bench.command(Command::KillPower);
    assert_eq!(written(&bench), ["28 40 00", "28 ff ff", "13 3c 00 00"]);
    assert!(outcome.expect("an outcome").contains("report 0x13"));
}

#[test]
fn kill_power_falls_back_to_a_switch_off_without_restart() {
    let mut bench = bx_on_battery();
    bench.ups.refuses.push(0x40);
    let outcome = bench.command(Command::KillPower).expect("the last way");
    assert_eq!(written(&bench), ["15 3c 00"]);
    assert!(outcome.contains("stays off"), "{outcome}");
}

#[test]
fn with_mains_there_kill_power_never_switches_off_for_good() {
    let mut bench = attached(BX);
    bench.ups.refuses.push(0x40);
    let reason = bench.command(Command::KillPower).expect_err("no way that comes back");
    assert!(reason.contains("report 0x40 refused the write") && written(&bench).is_empty(), "{reason}");
    // Ways that come back are taken.
    let mut bench = attached(ES);
    assert!(bench.command(Command::KillPower).is_ok());
    assert_eq!(written(&bench), ["41 3c 00"]);
}

#[test]
fn kill_power_that_nothing_takes_fails_with_every_reason() {
    let mut bench = bx_on_battery();
    bench.ups.refuses.extend([0x40, 0x15]);
    let reason = bench.command(Command::KillPower).expect_err("no way");
    assert!(reason.contains("report 0x40 refused the write: stalled"), "{reason}");
    assert!(reason.contains("report 0x15 refused the write: stalled"), "{reason}");
}

#[test]
fn power_off_writes_the_shutdown_delay() {
    let mut bench = attached(ES);
    assert!(bench.command(Command::PowerOff).expect("done").contains("stays off"));
    assert_eq!(written(&bench), ["15 3c 00"]);
}

#[test]
fn an_order_without_a_ups_is_refused_and_a_loss_answers_the_one_under_way() {
    let mut bench = Bench::new(FakeUps::new(device(ES)));
    assert!(bench.command(Command::KillPower).is_err());
    let mut bench = attached(ES);
    bench.ups.behaviour = Behaviour::Gone;
    bench.present = false;
    let reason = bench.command(Command::KillPower).expect_err("gone");
    assert!(reason.starts_with("interrupted"), "{reason}");
}

#[test]
fn tests_are_started_and_stopped_by_the_value_the_model_knows() {
    let mut bench = attached(ES);
    assert!(bench.command(Command::SelfTest).is_ok());
    assert!(bench.command(Command::Calibrate).is_ok());
    assert!(bench.command(Command::AbortTest).is_ok());
    assert_eq!(written(&bench), ["21 01", "21 02", "21 03"]);
    let mut bench = attached(CYBERPOWER);
    assert!(bench.command(Command::SelfTest).is_ok());
    assert!(bench.command(Command::Calibrate).is_err());
    assert_eq!(written(&bench), ["85 02"]);
}

#[test]
fn a_calibration_is_refused_below_full_charge_and_without_load() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x50, 4]);
    bench.run(61 * SECOND);
    assert!(bench.command(Command::Calibrate).expect_err("no load").contains("load is 4.0 %"));
    let mut bench = attached(ES);
    bench.ups.feature(&[0x0c, 98, 0x60, 0x09]);
    bench.run(61 * SECOND);
    assert!(bench.command(Command::Calibrate).expect_err("not full").contains("98.0 %"));
    assert!(bench.ups.written.is_empty());
}

#[test]
fn a_self_test_as_transfer_cause_is_believed_only_after_a_moment() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x36, 0x0b]);
    bench.ups.requests.clear();
    let start = bench.now;
    assert_eq!(bench.command(Command::ReadTransferCause), Ok("Automatic or explicit self test".into()));
    let (at, _) = bench.ups.requests.iter().rfind(|(_, request)| request == "get 3 36").expect("a read");
    assert!(*at - start >= 40 * MILLISECOND);
    assert_eq!(bench.last_reading().values.transfer_cause, Some(TransferCause::SelfTest));
    assert!(bench.command(Command::ReadSelfTest).is_ok());
    assert!(attached(CYBERPOWER).command(Command::ReadTransferCause).is_err());
}

#[test]
fn a_transfer_cause_that_says_outage_and_is_new_is_told_at_once() {
    let mut bench = attached(ES);
    for (cause, waits) in [(0x02, false), (0x02, true), (0x01, false), (0x00, true), (0x02, false)] {
        bench.ups.feature(&[0x36, cause]);
        let start = bench.now;
        assert!(bench.command(Command::ReadTransferCause).is_ok());
        let answer = |(_, event): &&(_, LinkEvent)| matches!(event, LinkEvent::Command(_));
        let (at, _) = bench.events.iter().find(answer).expect("an answer");
        assert_eq!(*at - start >= 40 * MILLISECOND, waits, "{cause}");
    }
}

#[test]
fn a_poll_on_demand_reads_at_once() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x31, 0xdc, 0x00]);
    assert!(bench.command(Command::Poll).is_ok());
    assert_eq!(bench.last_reading().values.line_voltage.map(|volts| volts.0), Some(220.0));
}

#[test]
fn a_report_longer_than_declared_is_written_as_declared() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x41, 0xff, 0xff, 7, 7, 7]);
    assert!(bench.command(Command::KillPower).is_ok());
    let hex: Vec<_> = written(&bench);
    assert_eq!(hex, ["41 3c 00"]);
}

/// A UPS with the settings of the old Back-UPS Pro: charge and hibernation on pages of their own.
fn old_pro() -> Bench {
    let feature = |id: u8, usage: [u8; 4]| [&[0x85, id, 0x0b], &usage[..], &[0xb1, 0x02]].concat();
    let descriptor = [
        &[0x05, 0x84, 0x09, 0x04, 0xa1, 0x01, 0x75, 0x10, 0x95, 0x01, 0x15, 0x00][..],
        &[0x27, 0xff, 0xff, 0x00, 0x00],
        &feature(1, [0xd0, 0x00, 0x85, 0x00]), // ACPresent
        &feature(2, [0x12, 0x00, 0x86, 0x00]), // charge before restart
        &feature(3, [0x58, 0x00, 0x85, 0x00]), // hibernate
        &feature(4, [0x10, 0x00, 0x86, 0x00]), // self test
        &[0xc0],
    ]
    .concat();
    let mut ups = FakeUps::new(device(BX));
    ups.info.product_name = Some("BackUPS Pro 500 FW:16.3.D USB FW:4".into());
    ups.info.announced_descriptor_len = Some(descriptor.len() as u16);
    ups.info.report_descriptor = descriptor.clone();
    ups.descriptor = descriptor;
    ups.reports = (1..=4).map(|id| ((3, id), vec![id, u8::from(id == 1), 0])).collect();
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(5 * SECOND);
    bench
}

#[test]
fn kill_power_on_an_old_pro_steps_the_charge_down_and_hibernates() {
    let mut bench = old_pro();
    assert!(bench.command(Command::KillPower).expect("done").contains("hibernates"));
    let written = written(&bench);
    // this one never reads "00": the steps end all the same
    assert!(
        (2..=6).contains(&(written.len() - 2))
            && written[..written.len() - 2].iter().all(|set| set == "02 02 00")
    );
    assert_eq!(written[written.len() - 2..], ["03 01 00", "04 01 00"]);
}

#[test]
fn an_old_pro_that_refuses_the_self_test_does_not_stay_in_hibernation() {
    let mut bench = old_pro();
    bench.ups.refuses.push(0x04);
    assert!(bench.command(Command::KillPower).is_err());
    let written = written(&bench);
    assert_eq!(written[written.len() - 2..], ["03 01 00", "03 00 00"]);
}

#[test]
fn the_beeper_is_switched_and_muted_where_there_is_one() {
    for (beeper, last) in [(Beeper::Off, 1), (Beeper::On, 2), (Beeper::Mute, 3)] {
        let mut bench = attached(BX);
        let outcome = bench.command(Command::Beeper(beeper));
        assert!(outcome.is_ok(), "{outcome:?}");
        let reports = &bench.ups.written;
        assert!(reports.len() == 1 && reports[0][1] == last, "{reports:?}");
    }
    // One that takes the report and keeps what it had.
    let mut bench = attached(BX);
    bench.command(Command::Beeper(Beeper::On)).unwrap();
    let id = bench.ups.written[0][0];
    bench.ups.forgets.push(id);
    let outcome = bench.command(Command::Beeper(Beeper::Off));
    assert!(outcome.unwrap_err().contains("does not hold the value"));
}
