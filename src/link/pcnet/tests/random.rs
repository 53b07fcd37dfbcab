//! What anybody can send does no harm: a short run of what `fuzz/fuzz_targets/pcnet.rs` does for long.

use proptest::prelude::*;

use super::*;
use crate::wire::pcnet::{Response, signed_part};

/// Lines that packets have, and others.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[0-9A-F]{2}=[ -~]{0,10}",
        "S[DRU]=[0-9A-F]{0,9}",
        "[ -~]{0,20}",
        Just("51=10".to_owned()),
        Just("51=08".to_owned()),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, text in lines()) {
        for bytes in [&bytes[..], text.as_bytes(), &[&bytes[..], b"MD="].concat()] {
            if let Ok(packet) = Packet::parse(bytes) {
                let _ = (packet.counters(), packet.answers().count(), packet.signed());
            }
            let _ = signed_part(bytes);
            for ended in [false, true] {
                let answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes].concat();
                let _ = (Response::parse(bytes, ended), Response::parse(&answer, ended));
            }
        }
    }

    #[test]
    fn what_is_not_signed_never_becomes_a_reading(sent in prop::collection::vec((any::<bool>(), lines(), 0_u32..40), 1..30)) {
        let mut bench = Bench::new(Some(card()), None);
        for (is_signed, lines, seconds) in sent {
            if is_signed {
                bench.says(seconds, &lines);
                let readings = bench.events.iter().filter(|event| matches!(event, LinkEvent::Reading(_))).count();
                prop_assert!(readings <= 1);
            } else {
                let packet = signed("10.0.0.1", Counters { starts: 99, uptime: 1 }, &lines, "guessed");
                bench.hear(&packet, "10.0.0.1");
                let is_word = |event: &LinkEvent| matches!(event, LinkEvent::Log(..) | LinkEvent::Lost { .. });
                let all_are = bench.events.iter().all(is_word);
                prop_assert!(all_are, "{:?}", bench.events);
            }
        }
    }
}
