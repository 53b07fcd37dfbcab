//! A master's side of long conversations with a slave, watched and polled: any bytes and recorded answers, cut anywhere,
//! over connections that fail; what must hold is checked after each step.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/net_session.rs"]
mod net_session;

fuzz_target!(|bytes: &[u8]| {
    net_session::run(bytes, Instant::now());
});
