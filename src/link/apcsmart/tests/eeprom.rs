//! Settings that the UPS keeps, read and written in the conversation.

use super::*;
use crate::ups::{Setting, SettingValue};

const PERMITTED: &[u8] = b"#uD43127130133136uI43253257261265q44202050710E443336168ON OFF";

fn bench() -> Bench {
    let mut answers = third();
    answers.insert(upslink::EEPROM, PERMITTED.to_vec());
    answers.get_mut(&b'a').unwrap().push(upslink::EEPROM);
    let mut bench = Bench::new(answers);
    bench.steps.insert(b'u', VecDeque::from(["253", "257", "261", "265"]));
    bench.seconds(30);
    bench
}

fn set(bench: &mut Bench, setting: Setting, value: &str) -> Command {
    let command = Command::Set(setting, SettingValue::parse(setting, value).unwrap());
    let now = bench.now;
    bench.link.command(command, now);
    command
}

fn outcomes(events: &[LinkEvent]) -> Vec<(Command, Result<String, String>)> {
    let outcome = |event: &LinkEvent| match event {
        LinkEvent::Command(result) => Some((result.command, result.outcome.clone())),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

#[test]
fn the_permitted_values_are_those_of_the_units_locale() {
    let mut bench = bench();
    let permitted = identity(&bench.take()).permitted;
    assert_eq!(
        permitted,
        [
            (Setting::HighTransfer, "253 257 261 265".to_owned()),
            (Setting::LowBattery, "02 05 07 10".to_owned()),
            (Setting::SelfTestInterval, "336 168 ON  OFF".to_owned()),
        ]
    );
}

#[test]
fn an_alert_inside_the_permitted_values_makes_no_value_and_no_event() {
    for at in 0..PERMITTED.len() {
        for alert in b"!$%+#|" {
            let mut torn = PERMITTED.to_vec();
            torn.insert(at, *alert);
            let eeprom = upslink::Eeprom::parse(&torn);
            let whole = upslink::Eeprom::parse(PERMITTED);
            for group in &eeprom.groups {
                assert!(whole.groups.contains(group), "{at} {alert} {group:?}");
            }
        }
    }
    let mut answers = third();
    answers.insert(upslink::EEPROM, [b"#u!I43253257".as_slice(), PERMITTED].concat());
    answers.get_mut(&b'a').unwrap().push(upslink::EEPROM);
    let mut bench = Bench::new(answers);
    bench.seconds(60);
    assert!(bench.readings().iter().all(|reading| reading.status.bits() == 0x0400_0008));
}

#[test]
fn a_setting_is_written_while_the_ups_is_watched() {
    let mut bench = bench();
    bench.take();
    bench.sent.clear();
    let command = set(&mut bench, Setting::HighTransfer, "265");
    bench.link.set_poll_rate(PollRate::Fast, bench.now);
    bench.seconds(60);
    let events = bench.take();
    assert_eq!(outcomes(&events), [(command, Ok("265 instead of 253".into()))]);
    assert_eq!(identity(&events).high_transfer, Some(265));
    let heard = bench.heard();
    assert_eq!(heard.matches("u-uu").count(), 3, "{heard}");
    // Each `-` behind the query of its variable, and a status byte at least every two seconds meanwhile.
    assert!(heard.match_indices('-').all(|(at, _)| heard[..at].ends_with('u')), "{heard}");
    let status: Vec<Duration> =
        bench.sent.iter().filter(|(_, byte)| *byte == b'Q').map(|(at, _)| *at).collect();
    assert!(status.windows(2).all(|pair| pair[1] - pair[0] < Duration::from_secs(2)), "{status:?}");
}

#[test]
fn an_outage_and_a_power_kill_do_not_wait_for_a_setting() {
    let mut bench = bench();
    bench.take();
    bench.set(b'S', "OK");
    let write = set(&mut bench, Setting::HighTransfer, "265");
    let next = set(&mut bench, Setting::LowBattery, "5");
    bench.seconds(2);
    bench.set(b'Q', "50").set(b'G', "T");
    bench.coming.push_back((bench.now, b'!'));
    bench.run(Duration::from_millis(100));
    assert!(
        matches!(bench.take().last(), Some(LinkEvent::Reading(r)) if r.status.contains(StatusFlags::ONBATT))
    );
    let now = bench.now;
    bench.link.command(Command::ReadTransferCause, now);
    bench.link.command(Command::KillPower, now);
    bench.seconds(2);
    let done: Vec<Command> = outcomes(&bench.take()).into_iter().map(|(command, _)| command).collect();
    assert_eq!(done, [Command::ReadTransferCause, Command::KillPower]);
    bench.seconds(120);
    let outcomes = outcomes(&bench.take());
    assert_eq!(
        outcomes,
        [
            // Begun, it is not left between two values; not begun, it waits for mains.
            (write, Ok("265 instead of 253".into())),
            (next, Err("not while the UPS is on battery".into())),
        ]
    );
}

#[test]
fn a_setting_that_the_loss_of_the_ups_cuts_short_says_where_it_stood() {
    let mut bench = bench();
    bench.take();
    let command = set(&mut bench, Setting::HighTransfer, "265");
    bench.seconds(3);
    let now = bench.now;
    bench.link.handle_closed(now, "/dev/ttyS0 is gone");
    bench.settle();
    let gone = "interrupted: /dev/ttyS0 is gone; the UPS said 257 last, 253 at first";
    assert_eq!(outcomes(&bench.take()), [(command, Err(gone.into()))]);
}

#[test]
fn a_setting_that_the_ups_does_not_have_is_refused() {
    let mut answers = third();
    answers.remove(&b'u');
    let list: Vec<u8> = answers[&b'a'].iter().copied().filter(|byte| *byte != b'u').collect();
    answers.insert(b'a', list);
    let mut bench = Bench::new(answers);
    bench.seconds(30).take();
    let command = set(&mut bench, Setting::HighTransfer, "265");
    bench.settle();
    assert_eq!(outcomes(&bench.take()), [(command, Err("this UPS does not have it".into()))]);
}
