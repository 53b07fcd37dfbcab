use proptest::prelude::*;

use super::*;
use crate::ups::one_line;

type Parts = (bool, u32, u64, [Option<u64>; 5], Option<[u32; 2]>, String);

fn saved() -> impl Strategy<Value = Parts> {
    let moment = || proptest::option::of(0..=MAX_SPAN);
    let moments = [moment(), moment(), moment(), moment(), moment()];
    (any::<bool>(), any::<u32>(), 0..=MAX_SPAN, moments, any::<Option<[u32; 2]>>(), "[ -~]{0,400}")
}

/// Everything that a packet can be, whole messages with one byte changed among it.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let tagged = |tags: &'static [u8]| {
        (proptest::sample::select(tags), proptest::collection::vec(any::<u8>(), 0..80))
            .prop_map(|(tag, rest)| [vec![tag], rest].concat())
    };
    let changed = ("[ -~]{0,30}", any::<u64>(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        |(text, number, at, byte)| {
            let message = ToWriter::Line { priority: Priority::Alert, unix: 1_795_230_596, text: &text };
            let mut packet = message.encode(number);
            let at = at.index(packet.len());
            packet[at] = byte;
            packet
        },
    );
    prop_oneof![tagged(b"LDSOTEate"), proptest::collection::vec(any::<u8>(), 0..80), changed]
}

proptest! {
    #[test]
    fn what_a_writer_is_told_arrives_as_it_was_sent(
        number in any::<u64>(), text in ".{0,300}", unix in -MAX_UNIX..=MAX_UNIX, last in any::<bool>(),
        (announced, transfers, total, moments, counters, serial) in saved(),
    ) {
        let text = &*one_line(&text);
        let lines = format!("{text}\n{text}\n");
        let lines = cut(&lines, MAX_LINE);
        let saved = Saved {
            announced,
            transfers,
            on_battery_total: Duration::from_millis(total),
            moments: moments.map(|moment| moment.map(Duration::from_millis)),
            counters,
            serial: &serial,
        };
        for message in [
            ToWriter::Line { priority: Priority::Notice, unix, text },
            ToWriter::Debug(text),
            ToWriter::Status { last, text: lines },
            ToWriter::Saved(saved),
            ToWriter::Trim,
            ToWriter::TellEvents,
        ] {
            let packet = message.encode(number);
            prop_assert!(packet.len() <= MAX_PACKET);
            prop_assert_eq!(ToWriter::decode(&packet), Some((number, message)));
        }
    }

    #[test]
    fn what_a_writer_tells_arrives_as_it_was_sent(
        number in any::<u64>(), text in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        flags in any::<[bool; 3]>(),
    ) {
        let text = &*one_line(&text);
        let [first, last, found] = flags;
        for message in [
            FromWriter::Acknowledged(number),
            FromWriter::Trouble { events: first, text },
            FromWriter::Events { first, last, found, bytes: &bytes },
        ] {
            let packet = message.encode();
            prop_assert!(packet.len() <= MAX_PACKET);
            prop_assert_eq!(FromWriter::decode(&packet), Some(message));
        }
    }

    /// The short run of `fuzz/fuzz_targets/role_message.rs`.
    #[test]
    fn any_packet_is_one_message_or_none(packet in packets()) {
        if let Some((number, message)) = ToWriter::decode(&packet) {
            prop_assert_eq!(message.encode(number), packet.clone());
        }
        if let Some(message) = FromWriter::decode(&packet) {
            prop_assert_eq!(message.encode(), packet);
        }
    }
}

#[test]
fn what_is_out_of_range_is_no_message() {
    let line = |priority: u8, unix: i64, text: &[u8]| {
        let number = 7_u64.to_le_bytes();
        [&[LINE][..], &number, &[priority], &unix.to_le_bytes(), text].concat()
    };
    assert!(ToWriter::decode(&line(1, 0, b"Power failure.")).is_some());
    let long = vec![b'x'; MAX_LINE + 1];
    for (what, packet) in [
        ("priority 0", line(0, 0, b"")),
        ("priority 7", line(7, 0, b"")),
        ("a year beyond all clocks", line(1, i64::MAX, b"")),
        ("two lines", line(1, 0, b"a\nb")),
        ("an escape", line(1, 0, b"\x1b[2J")),
        ("no UTF-8", line(1, 0, b"\xff")),
        ("too long", line(1, 0, &long)),
        ("nothing", vec![]),
        ("half a number", vec![TRIM, 0, 0]),
        ("something after it", [ToWriter::Trim.encode(1), vec![0]].concat()),
        ("an unknown tag", vec![b'Z'; 9]),
        ("a flag that means nothing", {
            let mut packet = ToWriter::Saved(Saved::default()).encode(1);
            packet[HEAD] = 0x80;
            packet
        }),
        ("a moment that is not there", {
            let mut packet = ToWriter::Saved(Saved::default()).encode(1);
            packet[HEAD + 1 + 4 + 8] = 1;
            packet
        }),
        ("a span without end", {
            let mut packet = ToWriter::Saved(Saved::default()).encode(1);
            packet[HEAD + 1 + 4..HEAD + 1 + 4 + 8].fill(0xff);
            packet
        }),
    ] {
        assert_eq!(ToWriter::decode(&packet), None, "{what}");
    }
    let long = "x".repeat(2 * MAX_LINE);
    assert!(ToWriter::decode(&ToWriter::Debug(&long).encode(1)).is_some(), "it is cut");
}
