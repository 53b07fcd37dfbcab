//! Any bytes as a session of a client of the control socket; what must hold is checked with each answer. And any text as an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::wire::control::AnswerReader;

#[path = "../../tests/support/control_session.rs"]
mod control_session;

fuzz_target!(|bytes: &[u8]| {
    control_session::run(bytes);
    let mut reader = AnswerReader::default();
    for line in String::from_utf8_lossy(bytes).lines() {
        if reader.take(line).is_err() {
            break;
        }
    }
});
