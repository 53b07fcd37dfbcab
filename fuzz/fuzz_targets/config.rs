//! Any bytes as a configuration file. What is accepted must mean the same when it is written as it is shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::config::{Config, Severity, changed, directives, parse};

fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes, "fuzz.conf");
    for diagnostic in &parsed.diagnostics {
        let line = diagnostic.to_string();
        assert!(!line.chars().any(char::is_control), "{line:?}");
        // A value as long as its line may be repeated once, cut; a list of what is accepted is never long.
        assert!(line.len() < 2000, "{line:?}");
    }
    assert!(parsed.of(Severity::Error).count() > 0 || parsed.config.ups_type.is_some());
    let mut again = Config::new();
    for directive in directives::all() {
        let _ = directive.present(&parsed.config);
        let shown = directive.show(&parsed.config);
        if !shown.is_empty() {
            directive.read(&mut again, shown.as_bytes(), &mut Vec::new()).expect("what is shown is accepted");
            assert_eq!(directive.show(&again), shown);
        }
    }
    let _ = changed(&again, &parsed.config);
});
