//! The conversation with a USB UPS, against devices of the corpus and a fake clock.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod corpus;

use std::time::Duration;

use corpus::device::{device, devices};
use corpus::fake::{Bench, FakeUps, Mood};
use mainsd::link::LinkEvent;
use mainsd::link::usb::{TransferError, Transmit};
use mainsd::ups::{Command, Evidence, Pace, Percent, Priority, StatusFlags, TransferCause};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const ON_MAINS: StatusFlags = StatusFlags(0x0400_0008);
const ON_BATTERY: StatusFlags = StatusFlags(0x0400_0010);

const ES: &str = "apc-back-ups-es-850g2";
const BX: &str = "apc-back-ups-bx1600mi";
const CYBERPOWER: &str = "cyberpower-vp1600elcd";

fn attached(name: &str) -> Bench {
    let mut bench = Bench::attached(device(name));
    assert_eq!(bench.last_reading().status, ON_MAINS);
    bench.events.clear();
    bench.ups.requests.clear();
    bench
}

/// ES 850G2: charging, discharging, APC status flag.
const ES_BATTERY: [u8; 4] = [0x06, 0x00, 0x01, 0x10];
/// BX1600MI: battery present and discharging.
const BX_BATTERY: [u8; 5] = [0x16, 0x0a, 0x00, 0x00, 0x00];

#[test]
fn an_interrupt_and_one_read_tell_a_mains_failure() {
    let mut bench = attached(ES);
    bench.run(7 * SECOND);
    bench.ups.feature(&ES_BATTERY);
    let before = bench.now;
    bench.interrupt(&ES_BATTERY);
    assert!(bench.events.is_empty(), "an interrupt alone is only a hint");
    bench.run(5 * MILLISECOND);
    let reading = bench.last_reading();
    assert_eq!((reading.status, reading.evidence), (ON_BATTERY, Evidence::AlertAndRead));
    assert!(reading.at - before <= 5 * MILLISECOND);
    assert_eq!(bench.ups.requests.len(), 1, "{:?}", bench.ups.requests);
    assert_eq!(reading.values.battery_charge, Some(Percent(100.0)), "the other values as last known");
    // and then everything is read again
    bench.ups.reports.insert((3, 0x0c), vec![0x0c, 97, 0x20, 0x03]);
    bench.run(2 * SECOND);
    assert_eq!(bench.last_reading().values.battery_charge, Some(Percent(97.0)));
}

#[test]
fn mains_return_is_told_the_same_way() {
    let mut bench = attached(BX);
    bench.ups.feature(&BX_BATTERY);
    bench.interrupt(&BX_BATTERY);
    bench.run(SECOND);
    assert_eq!(bench.last_reading().status, ON_BATTERY);
    bench.ups.feature(&[0x16, 0x0d, 0, 0, 0]);
    bench.interrupt(&[0x16, 0x0d, 0, 0, 0]);
    bench.run(30 * MILLISECOND);
    let reading = bench.last_reading();
    assert_eq!((reading.status, reading.evidence), (ON_MAINS, Evidence::AlertAndRead));
}

#[test]
fn without_interrupts_the_next_poll_tells_a_mains_failure_without_an_alert() {
    let mut bench = attached(ES);
    bench.ups.feature(&ES_BATTERY);
    bench.run(61 * SECOND);
    let reading = bench.readings()[0].clone();
    assert_eq!((reading.status, reading.evidence), (ON_BATTERY, Evidence::Poll));
}

#[test]
fn the_logged_garbage_of_a_bx_changes_nothing_and_does_not_flood_the_device() {
    let mut bench = attached(BX);
    for _ in 0..600 {
        bench.interrupt(&[0x16, 0x63, 0x82, 0x42, 0xfd]);
        bench.interrupt(&[0x14, 0x01]);
        bench.interrupt(&[0x13, 0x00]);
        bench.run(100 * MILLISECOND);
    }
    assert!(!bench.readings().is_empty());
    assert!(bench.readings().iter().all(|reading| reading.status == ON_MAINS));
    assert!(bench.losses().is_empty());
    // at most ten looks and one poll a second
    assert!(bench.ups.requests.len() < 60 * 40, "{} requests in 60 s", bench.ups.requests.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_interrupt_report_whatever_changes_the_state_while_the_feature_reports_stay(
        which in any::<prop::sample::Index>(),
        reports in prop::collection::vec(
            (prop::sample::select(vec![0x06_u8, 0x0c, 0x13, 0x14, 0x16, 0x21, 0x07, 0x08, 0x0b, 0x22, 0x89]),
             prop::collection::vec(any::<u8>(), 0..9), 0_u64..400),
            1..60,
        ),
    ) {
        let names = [ES, BX, CYBERPOWER, "apc-back-ups-xs-1500m", "apc-back-ups-500-usb-c1", "eaton-3s-700"];
        let mut bench = attached(names[which.index(names.len())]);
        for (id, mut data, pause) in reports {
            data.insert(0, id);
            bench.interrupt(&data);
            bench.run(Duration::from_millis(pause));
        }
        bench.run(70 * SECOND);
        prop_assert!(!bench.readings().is_empty());
        for reading in bench.readings() {
            prop_assert_eq!(reading.status, ON_MAINS);
            prop_assert_eq!(reading.evidence, Evidence::Poll);
        }
        prop_assert!(bench.losses().is_empty());
    }
}

#[test]
fn discharging_on_mains_does_not_put_a_bx_on_battery() {
    let mut bench = attached(BX);
    // charging 0, discharging 1, AC 1, battery 1; line voltage 237 V
    bench.ups.feature(&[0x16, 0x0e, 0, 0, 0]);
    bench.interrupt(&[0x16, 0x0e, 0, 0, 0]);
    bench.run(130 * SECOND);
    assert!(bench.readings().iter().all(|reading| reading.status == ON_MAINS));
    // with the line voltage gone it is
    bench.ups.feature(&[0x31, 0x00, 0x00]);
    bench.run(70 * SECOND);
    assert_eq!(bench.last_reading().status, ON_BATTERY);
}

#[test]
fn low_battery_needs_two_feature_reads_a_second_apart() {
    let mut bench = attached(BX);
    bench.ups.feature(&BX_BATTERY);
    bench.interrupt(&BX_BATTERY);
    bench.set_pace(Pace::Fast);
    bench.run(3 * SECOND);
    bench.ups.feature(&[0x14, 0x01]);
    let start = bench.now;
    bench.run(5 * SECOND);
    let low = bench.events.iter().find_map(|(at, event)| match event {
        LinkEvent::Reading(reading) if reading.status.contains(StatusFlags::BATTLOW) => Some(*at),
        _ => None,
    });
    let waited = low.expect("low battery is told") - start;
    assert!(waited >= SECOND / 2 && waited <= 3 * SECOND, "{waited:?}");
    // gone with the first read that no longer shows it
    bench.ups.feature(&[0x14, 0x00]);
    bench.run(2 * SECOND);
    assert_eq!(bench.last_reading().status, ON_BATTERY);
}

#[test]
fn at_fast_pace_there_is_a_reading_every_second() {
    let mut bench = attached(ES);
    bench.set_pace(Pace::Fast);
    bench.run(2 * SECOND);
    bench.events.clear();
    bench.run(20 * SECOND);
    assert!((18..=22).contains(&bench.readings().len()), "{}", bench.readings().len());
}

#[test]
fn at_normal_pace_there_is_a_reading_every_poll_time() {
    let mut bench = attached(ES);
    bench.run(600 * SECOND);
    assert!((9..=11).contains(&bench.readings().len()), "{}", bench.readings().len());
}

#[test]
fn a_poll_reads_every_report_at_most_once_and_the_line_state_first() {
    for device in devices() {
        let mut ups = FakeUps::new(device);
        ups.add_line_state();
        let mut bench = Bench::new(ups);
        bench.open();
        bench.run(40 * SECOND);
        bench.ups.requests.clear();
        bench.run(60 * SECOND);
        let mut requests: Vec<_> = bench.ups.requests.iter().map(|(_, request)| request.clone()).collect();
        assert!(!requests.is_empty(), "{}", device.file);
        if device.file == ES {
            assert_eq!(requests[0], "get 3 06");
        }
        if device.file == BX {
            assert_eq!(requests[0], "get 3 16");
        }
        let all = requests.len();
        requests.sort();
        requests.dedup();
        assert_eq!(requests.len(), all, "{}: a report was read twice", device.file);
    }
}

#[test]
fn transfers_start_at_least_20_ms_apart() {
    for device in devices() {
        let mut bench = Bench::new(FakeUps::new(device));
        bench.open();
        bench.set_pace(Pace::Fast);
        for _ in 0..50 {
            bench.interrupt(&[0x16, 0x63, 0x82, 0x42, 0xfd]);
            bench.run(150 * MILLISECOND);
        }
        assert!(bench.starts.windows(2).all(|pair| pair[1] - pair[0] >= 20 * MILLISECOND), "{}", device.file);
    }
}

#[test]
fn an_unreadable_line_state_is_a_loss_within_seconds_and_the_return_is_told() {
    let mut bench = attached(ES);
    bench.run(20 * SECOND);
    for id in [0x06, 0x13, 0x16] {
        bench.ups.reports.remove(&(3, id));
        bench.ups.reports.remove(&(1, id));
    }
    bench.run(120 * SECOND);
    assert_eq!(bench.losses().len(), 1, "told once: {:?}", bench.losses());
    assert_eq!(bench.attachments(), 0);
    let after = bench.events.len();
    bench.ups.feature(&[0x06, 0x00, 0x00, 0x08]);
    bench.run(60 * SECOND);
    assert!(bench.events[after..].iter().any(|(_, event)| matches!(event, LinkEvent::Attached(_))));
    assert_eq!(bench.last_reading().status, ON_MAINS);
    assert!(bench.reset > 0);
}

#[test]
fn a_hanging_device_is_lost_within_ten_seconds_of_the_next_poll() {
    let mut bench = attached(ES);
    bench.set_pace(Pace::Fast);
    bench.run(5 * SECOND);
    bench.ups.mood = Mood::Hangs;
    let start = bench.now;
    bench.run(10 * SECOND);
    assert_eq!(bench.losses().len(), 1);
    let lost = bench.events.iter().find(|(_, event)| matches!(event, LinkEvent::Lost { .. }));
    assert!(lost.expect("a loss").0 - start <= 8 * SECOND);
    bench.ups.mood = Mood::Well;
    bench.run(60 * SECOND);
    assert_eq!(bench.attachments(), 1);
}

#[test]
fn a_device_that_stays_hung_is_tried_again_ever_more_slowly() {
    let mut bench = attached(ES);
    bench.ups.mood = Mood::Hangs;
    bench.run(600 * SECOND);
    let early = bench.reset + bench.reopened;
    bench.run(600 * SECOND);
    let late = bench.reset + bench.reopened - early;
    assert_eq!(bench.losses().len(), 1);
    assert!((10..=30).contains(&late), "{late} attempts in ten minutes");
}

#[test]
fn a_port_that_never_ends_a_transfer_is_given_up() {
    let mut bench = Bench::new(FakeUps::new(device(ES)));
    bench.open();
    let transmit = bench.link.poll_transmit(bench.now).expect("a first read");
    assert!(matches!(transmit, Transmit::ControlIn { .. }));
    bench.now += 4 * SECOND;
    assert!(bench.link.poll_timeout().is_some_and(|at| at <= bench.now));
    bench.link.handle_timeout(bench.now);
    assert_eq!(bench.link.poll_transmit(bench.now), Some(Transmit::Reset));
    // the late end of it means nothing
    bench.link.handle_control(bench.now, Err(TransferError::Timeout));
    assert!(matches!(bench.link.poll_event(), Some(LinkEvent::Lost { .. })));
    assert_eq!(bench.link.poll_event(), None);
}

#[test]
fn a_device_that_is_gone_is_lost_at_once() {
    let mut bench = attached(ES);
    bench.ups.mood = Mood::Gone;
    bench.present = false;
    bench.interrupt(&ES_BATTERY);
    bench.run(30 * MILLISECOND);
    assert_eq!(bench.losses().len(), 1);
    assert_eq!(bench.reopened, 1);
    bench.run(30 * SECOND);
    assert_eq!(bench.losses().len(), 1, "told once");
}

#[test]
fn nothing_at_start_is_a_loss_and_a_later_plug_in_an_attachment() {
    let mut bench = Bench::new(FakeUps::new(device(ES)));
    bench.link.handle_closed(bench.now, "no UPS found");
    bench.run(30 * SECOND);
    bench.link.handle_closed(bench.now, "no UPS found");
    bench.run(30 * SECOND);
    assert_eq!(bench.losses(), ["no UPS found"]);
    bench.open();
    bench.run(5 * SECOND);
    assert_eq!(bench.attachments(), 1);
}

#[test]
fn after_a_re_enumeration_everything_is_learned_anew() {
    let mut bench = attached(ES);
    bench.link.handle_closed(bench.now, "the device was unplugged");
    bench.run(2 * SECOND);
    bench.ups = FakeUps::new(device(BX));
    bench.open();
    bench.run(5 * SECOND);
    assert_eq!(bench.losses(), ["the device was unplugged"]);
    let identity = bench.identity().expect("attached");
    assert_eq!(identity.model.as_deref(), Some("Back-UPS BX1600MI "));
    assert_eq!(bench.last_reading().status, ON_MAINS);
}

#[test]
fn a_status_report_of_zeros_is_no_data() {
    let mut bench = attached(CYBERPOWER);
    bench.link.handle_closed(bench.now, "the device was unplugged");
    let good = bench.ups.reports[&(3, 0x22)].clone();
    bench.ups.feature(&[0x22, 0x00]);
    bench.open();
    bench.run(120 * SECOND);
    assert!(!bench.readings().is_empty());
    for reading in bench.readings() {
        assert!(!reading.status.intersects(StatusFlags::ONBATT | StatusFlags::ONLINE | StatusFlags::BATTLOW));
    }
    let logs = bench.events.iter().filter(|(_, event)| matches!(event, LinkEvent::Log(..))).count();
    assert!((1..=3).contains(&logs), "{logs} lines in two minutes");
    assert!(bench.losses().len() == 1, "only the re-enumeration");
    bench.ups.feature(&good);
    bench.run(3 * SECOND);
    assert_eq!(bench.last_reading().status, ON_MAINS);
}

#[test]
fn a_short_status_answer_is_read_for_what_it_holds() {
    let mut bench = attached(BX);
    bench.ups.feature(&[0x16, 0x0c]);
    bench.run(130 * SECOND);
    assert_eq!(bench.last_reading().status, ON_MAINS);
    assert!(bench.losses().is_empty());
    // the id alone holds nothing
    bench.ups.feature(&[0x16]);
    bench.run(130 * SECOND);
    assert_eq!(bench.losses().len(), 1);
}

#[test]
fn an_answer_with_another_id_is_no_answer() {
    let mut bench = attached(BX);
    bench.ups.reports.insert((3, 0x16), vec![0x15, 0xff, 0xff, 0xff, 0xff]);
    bench.run(61 * SECOND);
    assert!(bench.readings().iter().all(|reading| reading.status == ON_MAINS));
    bench.run(20 * SECOND);
    assert_eq!(bench.losses().len(), 1);
}

#[test]
fn an_answer_longer_than_declared_is_asked_for_with_a_larger_buffer() {
    let mut ups = FakeUps::new(device(ES));
    ups.feature(&[0x0c, 88, 0x60, 0x09, 1, 2, 3, 4]);
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(5 * SECOND);
    assert_eq!(bench.last_reading().values.battery_charge, Some(Percent(88.0)));
}

#[test]
fn a_value_whose_report_fails_is_kept_for_a_while_and_then_is_none() {
    let mut bench = attached(ES);
    bench.set_pace(Pace::Fast);
    bench.ups.reports.remove(&(3, 0x0c));
    bench.run(2500 * MILLISECOND);
    assert_eq!(bench.last_reading().values.battery_charge, Some(Percent(100.0)));
    bench.run(40 * SECOND);
    assert_eq!(bench.last_reading().values.battery_charge, None);
    assert!(bench.losses().is_empty());
    bench.ups.feature(&[0x0c, 90, 0x60, 0x09]);
    bench.run(20 * SECOND);
    assert_eq!(bench.last_reading().values.battery_charge, Some(Percent(90.0)));
}

#[test]
fn a_damaged_descriptor_is_read_again() {
    let good = device(ES);
    let mut ups = FakeUps::new(good);
    // what the system saw at plug-in
    ups.info.report_descriptor.truncate(300);
    let mut bench = Bench::new(ups);
    bench.ups.descriptor.truncate(200);
    bench.open();
    bench.run(100 * MILLISECOND);
    bench.ups.descriptor = good.descriptor.clone();
    bench.run(5 * SECOND);
    assert_eq!(bench.attachments(), 1);
    assert!(bench.ups.requests.iter().filter(|(_, request)| request.starts_with("descriptor")).count() >= 2);
    assert_eq!(bench.identity().expect("attached").nominal_power.map(|watts| watts.0), Some(520.0));
}

#[test]
fn a_device_without_a_ups_descriptor_is_never_asked_for_a_report() {
    let mut ups = FakeUps::new(device(ES));
    let keyboard = vec![0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0xc0];
    ups.info.report_descriptor.clear();
    ups.info.announced_descriptor_len = None;
    ups.descriptor = keyboard;
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(60 * SECOND);
    assert!(bench.ups.requests.iter().all(|(_, request)| request.starts_with("descriptor")));
    assert_eq!(bench.losses().len(), 1);
}

#[test]
fn strings_that_the_system_does_not_show_are_asked_from_the_device() {
    let mut ups = FakeUps::new(device(BX));
    ups.info.product_name = None;
    ups.strings.insert(2, "Back-UPS BX1600MI FW:294201G -302201G".into());
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(5 * SECOND);
    let identity = bench.identity().expect("attached");
    assert_eq!(identity.firmware.as_deref(), Some("294201G -302201G"));
}

#[test]
fn a_charge_of_nothing_in_the_midst_of_plenty_is_no_data() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x0c, 0, 0x60, 0x09]);
    bench.run(130 * SECOND);
    assert!(
        bench
            .readings()
            .iter()
            .all(|reading| reading.values.battery_charge.is_none_or(|charge| charge.0 > 0.0))
    );
    assert!(bench.events.iter().any(|(_, event)| matches!(event, LinkEvent::Log(Priority::Warning, _))));
}

#[test]
fn a_controller_whose_feature_reports_are_dead_is_believed_by_its_input_reports() {
    let mut bench = Bench::new(FakeUps::new(device("hid-pdc-minimal-rp2040")));
    for id in [0x07, 0x0c, 0x0d] {
        bench.ups.feature(&[id, 0, 0]);
    }
    let mains = [0x07, 0x0c, 0x01];
    bench.open();
    bench.run(3 * SECOND);
    for _ in 0..3 {
        bench.interrupt(&mains);
        bench.run(SECOND);
    }
    assert_eq!(bench.last_reading().status, ON_MAINS);
    bench.events.clear();
    let battery = [0x07, 0x0a, 0x00];
    bench.interrupt(&battery);
    assert!(bench.readings().iter().all(|reading| reading.status == ON_MAINS), "one report is not enough");
    bench.interrupt(&battery);
    let reading = bench.last_reading();
    assert_eq!((reading.status, reading.evidence), (ON_BATTERY, Evidence::AlertAndRead));
}

#[test]
fn a_controller_that_answers_no_read_at_all_is_attached_by_its_input_reports() {
    let mut bench = Bench::new(FakeUps::new(device("hid-pdc-minimal-rp2040")));
    bench.open();
    bench.run(5 * SECOND);
    assert_eq!(bench.attachments(), 0);
    bench.interrupt(&[0x07, 0x0c, 0x01]);
    bench.run(SECOND);
    assert_eq!(bench.attachments(), 1);
    assert_eq!(bench.last_reading().status, ON_MAINS);
    for _ in 0..2 {
        bench.interrupt(&[0x07, 0x0a, 0x00]);
    }
    assert_eq!(bench.last_reading().status, ON_BATTERY);
    bench.run(300 * SECOND);
    assert!(bench.losses().is_empty(), "stalls are answers: {:?}", bench.losses());
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
    let mut bench = attached(BX);
    bench.ups.refuses.push(0x40);
    let outcome = bench.command(Command::KillPower).expect("the last way");
    assert_eq!(written(&bench), ["15 3c 00"]);
    assert!(outcome.contains("stays off"), "{outcome}");
}

#[test]
fn kill_power_that_nothing_takes_fails_with_every_reason() {
    let mut bench = attached(BX);
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
    bench.ups.mood = Mood::Gone;
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
    assert!(bench.command(Command::Calibrate).expect_err("no load").contains("load is 4 %"));
    let mut bench = attached(ES);
    bench.ups.feature(&[0x0c, 98, 0x60, 0x09]);
    bench.run(61 * SECOND);
    assert!(bench.command(Command::Calibrate).expect_err("not full").contains("98 %"));
    assert!(bench.ups.written.is_empty());
}

#[test]
fn the_transfer_cause_is_read_on_demand_after_a_moment() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x36, 0x0b]);
    bench.ups.requests.clear();
    let start = bench.now;
    assert_eq!(bench.command(Command::ReadTransferCause), Ok("Automatic or explicit self test".into()));
    let (at, _) = bench.ups.requests.iter().find(|(_, request)| request == "get 3 36").expect("a read");
    assert!(*at - start >= 40 * MILLISECOND);
    assert_eq!(bench.last_reading().values.transfer_cause, Some(TransferCause::SelfTest));
    assert!(bench.command(Command::ReadSelfTest).is_ok());
    assert!(attached(CYBERPOWER).command(Command::ReadTransferCause).is_err());
}

#[test]
fn a_poll_on_demand_reads_at_once() {
    let mut bench = attached(ES);
    bench.ups.feature(&[0x31, 0xdc, 0x00]);
    assert!(bench.command(Command::Poll).is_ok());
    assert_eq!(bench.last_reading().values.line_voltage.map(|volts| volts.0), Some(220.0));
}

#[test]
fn in_steady_state_the_link_sleeps_between_polls() {
    let mut bench = attached(ES);
    bench.run(10 * SECOND);
    let before = bench.starts.len();
    bench.run(3600 * SECOND);
    let reads = bench.starts.len() - before;
    assert!(reads <= 61 * 20, "{reads} transfers in an hour");
}

#[test]
fn a_feature_report_that_lags_behind_its_interrupt_is_looked_at_again() {
    let mut bench = attached(ES);
    bench.interrupt(&ES_BATTERY);
    bench.run(200 * MILLISECOND);
    assert!(bench.readings().is_empty());
    bench.ups.feature(&ES_BATTERY);
    bench.run(SECOND);
    let reading = bench.readings()[0].clone();
    assert_eq!((reading.status, reading.evidence), (ON_BATTERY, Evidence::AlertAndRead));
}

#[test]
fn a_hint_in_the_midst_of_a_poll_is_followed_before_the_poll_goes_on() {
    let mut bench = attached(ES);
    bench.link.command(Command::Poll, bench.now);
    bench.run(70 * MILLISECOND);
    let read = bench.ups.requests.len();
    assert!((2..6).contains(&read), "{read} reads: in the midst of a poll");
    bench.ups.feature(&ES_BATTERY);
    bench.interrupt(&ES_BATTERY);
    bench.run(25 * MILLISECOND);
    assert_eq!(bench.last_reading().status, ON_BATTERY);
    assert_eq!(bench.ups.requests[read].1, "get 3 06");
}

#[test]
fn a_hint_while_the_line_state_is_being_read_is_not_lost() {
    let mut bench = attached(ES);
    bench.run(20 * SECOND);
    bench.link.command(Command::Poll, bench.now);
    let transmit = bench.link.poll_transmit(bench.now);
    assert!(matches!(transmit, Some(Transmit::ControlIn { setup: [0xa1, 1, 0x06, 3, ..], .. })));
    bench.ups.feature(&ES_BATTERY);
    bench.interrupt(&ES_BATTERY);
    // the answer is from before the failure
    bench.link.handle_control(bench.now, Ok(&[0x06, 0x00, 0x00, 0x08]));
    bench.run(30 * MILLISECOND);
    let reading = bench.last_reading();
    assert_eq!((reading.status, reading.evidence), (ON_BATTERY, Evidence::AlertAndRead));
}

#[test]
fn a_hint_that_is_taken_back_is_dropped() {
    let mut bench = attached(ES);
    bench.interrupt(&ES_BATTERY);
    bench.run(50 * MILLISECOND);
    bench.interrupt(&[0x06, 0x00, 0x00, 0x08]);
    bench.ups.requests.clear();
    bench.run(2 * SECOND);
    assert!(bench.ups.requests.is_empty(), "{:?}", bench.ups.requests);
}

#[derive(Clone, Debug)]
enum Act {
    Run(u64),
    Interrupt(Vec<u8>),
    Report(prop::sample::Index, Vec<u8>),
    Mood(Mood),
    Present(bool),
    Unplug,
    Plug,
    Pace(Pace),
    Order(Command),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        4 => (0_u64..5000).prop_map(Act::Run),
        3 => bytes.clone().prop_map(Act::Interrupt),
        3 => (any::<prop::sample::Index>(), bytes).prop_map(|(which, bytes)| Act::Report(which, bytes)),
        2 => prop::sample::select(vec![Mood::Well, Mood::Well, Mood::Hangs, Mood::Stalls, Mood::Gone]).prop_map(Act::Mood),
        1 => any::<bool>().prop_map(Act::Present),
        1 => Just(Act::Unplug),
        1 => Just(Act::Plug),
        1 => prop::sample::select(vec![Pace::Normal, Pace::Fast]).prop_map(Act::Pace),
        1 => prop::sample::select(vec![
            Command::Poll, Command::ReadTransferCause, Command::ReadSelfTest, Command::KillPower,
            Command::PowerOff, Command::SelfTest, Command::Calibrate, Command::AbortTest,
        ]).prop_map(Act::Order),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever a device does: no panic, no spinning (the bench sees to it), every order is answered once, losses and
    /// attachments alternate, and transfers keep their distance.
    #[test]
    fn a_mad_device_costs_nothing_but_its_own_data(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut ups = FakeUps::new(which.get(devices()));
        ups.add_line_state();
        for (place, byte) in damage {
            *place.get_mut(&mut ups.descriptor) = byte;
        }
        ups.info.report_descriptor = ups.descriptor.clone();
        let mut bench = Bench::new(ups);
        bench.open();
        let mut orders = 0;
        for act in acts {
            match act {
                Act::Run(milliseconds) => bench.run(Duration::from_millis(milliseconds)),
                Act::Interrupt(bytes) => bench.interrupt(&bytes),
                Act::Report(which, bytes) => {
                    let keys: Vec<_> = bench.ups.reports.keys().copied().collect();
                    if !keys.is_empty() {
                        let key = *which.get(&keys);
                        bench.ups.reports.insert(key, [&[key.1], &bytes[..]].concat());
                    }
                }
                Act::Mood(mood) => bench.ups.mood = mood,
                Act::Present(present) => bench.present = present,
                Act::Unplug => bench.link.handle_closed(bench.now, "unplugged"),
                Act::Plug => bench.open(),
                Act::Pace(pace) => bench.set_pace(pace),
                Act::Order(command) => {
                    orders += 1;
                    bench.link.command(command, bench.now);
                }
            }
            bench.run(Duration::ZERO);
        }
        bench.run(300 * SECOND);
        let mut lost = None;
        let mut answers = 0;
        for (_, event) in &bench.events {
            match event {
                LinkEvent::Lost { .. } => {
                    prop_assert!(lost != Some(true), "lost twice");
                    lost = Some(true);
                }
                LinkEvent::Attached(_) => lost = Some(false),
                LinkEvent::Reading(reading) => {
                    prop_assert!(lost == Some(false), "a reading of a lost device");
                    prop_assert!(!reading.status.contains(StatusFlags::ONLINE | StatusFlags::ONBATT));
                }
                LinkEvent::Command(_) => answers += 1,
                LinkEvent::Log(..) => {}
            }
        }
        // Polls asked for while one was due already are answered together.
        prop_assert!(answers <= orders);
        prop_assert!(bench.starts.windows(2).all(|pair| pair[1] - pair[0] >= 20 * MILLISECOND));
    }
}
