//! Rules of TCP wrappers: any two files are advice of one line, or none. The first byte says where the one ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::config::wrappers::advice;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, rest)) = bytes.split_first() else { return };
    let (allow, deny) = rest.split_at(usize::from(*cut).min(rest.len()));
    if let Some(text) = advice(allow, deny) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
});
