//! What goes wrong between a USB UPS and its link, and that the link survives it.

use std::time::Duration;

use crate::support::corpus::device::{device, devices};
use crate::support::corpus::fake::{Behaviour, Bench, FakeUps};
use mainsd::bus::usb::{TransferError, Transmit};
use mainsd::link::{Link, LinkEvent};
use mainsd::power::Order;

use mainsd::ups::{Command, Percent, PollRate, Priority, Setting, SettingValue, StatusFlags};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const ON_MAINS: StatusFlags = StatusFlags::from_bits_retain(0x0400_0008);

const ES: &str = "apc-back-ups-es-850g2";
const BX: &str = "apc-back-ups-bx1600mi";
const CYBERPOWER: &str = "cyberpower-vp1600elcd";

/// ES 850G2: charging, discharging, APC status flag.
const ES_BATTERY: [u8; 4] = [0x06, 0x00, 0x01, 0x10];

fn attached(name: &str) -> Bench {
    Bench::on_mains(name)
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
fn a_device_too_slow_to_tell_anything_is_lost_and_found_again() {
    let mut bench = attached(ES);
    bench.set_poll_rate(PollRate::Fast);
    bench.run(5 * SECOND);
    bench.latency = 2 * SECOND;
    bench.run(40 * SECOND);
    assert!(!bench.losses().is_empty(), "{:?}", bench.events.last());
    assert!(bench.losses()[0].contains("too long"), "{:?}", bench.losses());
    bench.latency = 2 * MILLISECOND;
    bench.events.clear();
    bench.run(60 * SECOND);
    assert_eq!((bench.attachments(), bench.losses().len()), (1, 0));
}

#[test]
fn a_hanging_device_is_lost_within_ten_seconds_of_the_next_poll() {
    let mut bench = attached(ES);
    bench.set_poll_rate(PollRate::Fast);
    bench.run(5 * SECOND);
    bench.ups.behaviour = Behaviour::Hangs;
    let start = bench.now;
    bench.run(10 * SECOND);
    assert_eq!(bench.losses().len(), 1);
    let lost = bench.events.iter().find(|(_, event)| matches!(event, LinkEvent::Lost { .. }));
    assert!(lost.expect("a loss").0 - start <= 8 * SECOND);
    bench.ups.behaviour = Behaviour::Normal;
    bench.run(60 * SECOND);
    assert_eq!(bench.attachments(), 1);
}

#[test]
fn a_device_that_stays_hung_is_tried_again_ever_more_slowly() {
    let mut bench = attached(ES);
    bench.ups.behaviour = Behaviour::Hangs;
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
    let mut transmit = bench.link.poll_transmit(bench.now).expect("a first read");
    if let Transmit::InterruptLen(_) = transmit {
        transmit = bench.link.poll_transmit(bench.now).expect("a first read");
    }
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
    bench.ups.behaviour = Behaviour::Gone;
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
    let (_, orders) = bench.believed();
    let logs = orders.iter().filter(|order| matches!(order, Order::Log(Priority::Warning, _))).count();
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
    bench.set_poll_rate(PollRate::Fast);
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
    assert_eq!(bench.ups.requests.len(), 1, "one look is enough");
    assert_eq!(bench.losses().len(), 1);
    assert!(bench.losses()[0].contains("is no UPS by its report descriptor"), "{:?}", bench.losses());
    assert_eq!((bench.left_alone, bench.reset, bench.reopened), (1, 0, 0));
}

#[test]
fn a_device_that_may_be_a_ups_and_sends_nothing_but_damage_is_read_again_and_never_reset() {
    let mut ups = FakeUps::new(device(CYBERPOWER));
    ups.info.report_descriptor.truncate(100);
    ups.descriptor.truncate(50);
    // Not even the page of power is left.
    ups.descriptor.iter_mut().take(6).for_each(|byte| *byte = 0);
    ups.info.announced_descriptor_len = None;
    let mut bench = Bench::new(ups);
    bench.open();
    bench.run(60 * SECOND);
    assert!(bench.ups.requests.iter().all(|(_, request)| request.starts_with("descriptor")));
    assert!((3..30).contains(&bench.reopened), "{}", bench.reopened);
    assert_eq!((bench.left_alone, bench.reset, bench.losses().len()), (0, 0, 1));
    // And when it has come to itself it is a UPS.
    bench.ups.descriptor = device(CYBERPOWER).descriptor.clone();
    bench.run(60 * SECOND);
    assert_eq!(bench.attachments(), 1);
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
    let (believed, orders) = bench.believed();
    assert!(believed.iter().all(|after| after.values.battery_charge.is_none_or(|charge| charge.0 > 0.0)));
    assert!(orders.iter().any(|order| matches!(order, Order::Log(Priority::Warning, _))), "{orders:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Run(u64),
    Interrupt(Vec<u8>),
    Report(prop::sample::Index, Vec<u8>),
    Behaviour(Behaviour),
    Present(bool),
    Unplug,
    Plug,
    PollRate(PollRate),
    Order(Command),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = prop::collection::vec(any::<u8>(), 0..12);
    prop_oneof![
        4 => (0_u64..5000).prop_map(Act::Run),
        3 => bytes.clone().prop_map(Act::Interrupt),
        3 => (any::<prop::sample::Index>(), bytes).prop_map(|(which, bytes)| Act::Report(which, bytes)),
        2 => prop::sample::select(vec![Behaviour::Normal, Behaviour::Normal, Behaviour::Hangs, Behaviour::Stalls, Behaviour::Gone]).prop_map(Act::Behaviour),
        1 => any::<bool>().prop_map(Act::Present),
        1 => Just(Act::Unplug),
        1 => Just(Act::Plug),
        1 => prop::sample::select(vec![PollRate::Normal, PollRate::Fast]).prop_map(Act::PollRate),
        1 => prop::sample::select(vec![
            Command::Poll, Command::ReadTransferCause, Command::ReadSelfTest, Command::KillPower,
            Command::PowerOff, Command::SelfTest, Command::Calibrate, Command::AbortTest, Command::PanelTest,
            Command::Set(Setting::LowTransfer, SettingValue::Number(180)),
            Command::Set(Setting::BatteryDate, SettingValue::parse(Setting::BatteryDate, "12/01/26").unwrap()),
            Command::Outlets,
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
                Act::Behaviour(behaviour) => bench.ups.behaviour = behaviour,
                Act::Present(present) => bench.present = present,
                Act::Unplug => bench.link.handle_closed(bench.now, "unplugged"),
                Act::Plug => bench.open(),
                Act::PollRate(poll_rate) => bench.set_poll_rate(poll_rate),
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
                    let values = &reading.values;
                    let volts = [values.line_voltage, values.output_voltage];
                    prop_assert!(volts.iter().flatten().all(|volts| (0.0..=520.0).contains(&volts.0)));
                    prop_assert!(values.frequency.is_none_or(|hertz| (0.0..=80.0).contains(&hertz.0)));
                    prop_assert!(values.temperature.is_none_or(|celsius| (-40.0..=120.0).contains(&celsius.0)));
                    prop_assert!(values.battery_charge.is_none_or(|charge| (0.0..=100.0).contains(&charge.0)));
                }
                LinkEvent::Command(_) => answers += 1,
                LinkEvent::Log(..) => {}
                other => prop_assert!(false, "{other:?} from a UPS that has no master"),
            }
        }
        // Polls asked for while one was due already are answered together.
        prop_assert!(answers <= orders);
        prop_assert!(bench.starts.windows(2).all(|pair| pair[1] - pair[0] >= 20 * MILLISECOND));
    }
}
