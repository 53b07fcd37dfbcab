//! Anything, anywhere, at any time.

use proptest::prelude::*;

use super::*;
use crate::ups::{Setting, SettingValue};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Alerts may fall into any answer but `a`, `^Z` and, for those that can be text, texts.
    #[test]
    fn alerts_anywhere_in_answers_spoil_no_value(
        torn in prop::collection::btree_map(120_usize..700, prop::sample::select(b"!$%+#|".to_vec()), 0..40)
    ) {
        let mut bench = Bench::new(third());
        bench.torn = torn.clone();
        bench.seconds(50);
        let events = bench.take();
        let said = identity(&events);
        prop_assert_eq!(said.model.as_deref(), Some("Smart-UPS 1000"));
        prop_assert_eq!(said.battery_date.as_deref(), Some("11/29/02"));
        prop_assert_eq!(said.high_transfer, Some(253));
        prop_assert_eq!(losses(&events), Vec::<&str>::new());
        for event in &events {
            let LinkEvent::Reading(reading) = event else { continue };
            prop_assert_eq!(reading.status.bits(), 0x0400_0008);
            prop_assert_eq!(reading.values.line_voltage, Some(Volts(230.0)));
            prop_assert_eq!(reading.values.battery_charge, Some(Percent(100.0)));
            prop_assert_eq!(reading.values.runtime_left, Some(Minutes(60.0)));
        }
        // No answer had to be asked for again.
        prop_assert_eq!(bench.sent.iter().filter(|(_, byte)| *byte == b'Y').count(), 1);
    }

    /// Whatever comes, and whenever: no panic, no rest-less link, no reading from what is no UPS.
    #[test]
    fn anything_at_any_time_is_survived(
        script in prop::collection::vec((0_u16..3000, 0_u8..16, prop::collection::vec(any::<u8>(), 0..12)), 0..60)
    ) {
        let mut bench = Bench::new(third());
        let mut given = 0;
        for (wait, what, bytes) in script {
            bench.run(Duration::from_millis(u64::from(wait)));
            let now = bench.now;
            let command = match what {
                0 => Some(Command::Poll),
                1 => Some(Command::ReadTransferCause),
                2 => Some(Command::ReadSelfTest),
                3 => Some(Command::KillPower),
                4 => Some(Command::AbortTest),
                5 => Some(Command::SelfTest),
                14 => Some(Command::Set(Setting::HighTransfer, SettingValue::Number(257))),
                _ => None,
            };
            if let Some(command) = command {
                given += 1;
                bench.link.command(command, now);
            }
            match what {
                6 => bench.silent = true,
                7 | 8 => bench.silent = false,
                9 => bench.link.set_poll_rate(PollRate::Fast, now),
                10 => bench.link.set_poll_rate(PollRate::Normal, now),
                11 => { bench.answers.insert(b"QGXfja"[usize::from(wait) % 6], bytes.clone()); }
                12 => bench.answers = third(),
                15 => { bench.steps.insert(b'u', VecDeque::from(["253", "257", "261"])); }
                13 => bench.link.handle_bytes(now, &bytes),
                _ => {}
            }
            bench.settle();
        }
        bench.silent = false;
        bench.answers = third();
        bench.seconds(300);
        let events = bench.take();
        let last = events.iter().rev().find_map(|e| if let LinkEvent::Reading(r) = e { Some(r.status.bits()) } else { None });
        prop_assert_eq!(last, Some(0x0400_0008));
        // Each command is answered, once.
        let answered = events.iter().filter(|e| matches!(e, LinkEvent::Command(_))).count();
        prop_assert_eq!(answered, given);
    }
}
