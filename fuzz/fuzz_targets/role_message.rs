//! What one process of the daemon says to another may be anything: either of them may be somebody else's by then.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::wire::helper::{FromHelper, ToHelper};
use mainsd::wire::role::{FromWriter, ToWriter};

fuzz_target!(|packet: &[u8]| {
    if let Some((number, message)) = ToWriter::decode(packet) {
        assert_eq!(message.encode(number), packet);
    }
    if let Some(message) = FromWriter::decode(packet) {
        assert_eq!(message.encode(), packet);
    }
    if let Some(message) = ToHelper::decode(packet) {
        assert_eq!(message.encode(), packet);
    }
    if let Some(message) = FromHelper::decode(packet) {
        assert_eq!(message.encode(), packet);
    }
});
