//! Any bytes as long sessions of clients with the server of port 3551, through its connections; what must hold is checked
//! with each answer.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/nis_session.rs"]
mod nis_session;

fuzz_target!(|bytes: &[u8]| {
    nis_session::run(bytes);
});
