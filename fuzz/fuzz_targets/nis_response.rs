//! A server's answer, as a client and a slave read it: frames, records, and the JSON made from them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::report::{json, json_events};
use mainsd::wire::nis::{END, Frame, MAX_CLIENT, parse_frame, push_frame, split_record};

fuzz_target!(|bytes: &[u8]| {
    let mut text = Vec::new();
    let mut again = Vec::new();
    let mut rest = bytes;
    while let Ok(Some((frame, size))) = parse_frame(rest, MAX_CLIENT) {
        rest = &rest[size..];
        match frame {
            Frame::Record(record) => {
                assert!(!record.is_empty() && record.len() <= MAX_CLIENT);
                let _ = split_record(record);
                push_frame(&mut again, record);
                text.extend_from_slice(record);
            }
            Frame::End => again.extend_from_slice(&END),
        }
    }
    assert_eq!(again, bytes[..bytes.len() - rest.len()]);
    let text = String::from_utf8_lossy(&text);
    let status: serde_json::Value = serde_json::from_str(&json(&text)).expect("JSON");
    assert!(status.is_object());
    let events: serde_json::Value = serde_json::from_str(&json_events(&text)).expect("JSON");
    assert!(events.is_array());
});
