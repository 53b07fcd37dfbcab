//! Whether the daemon starts with a configuration. The one place that decides it: asked by the daemon at its start and when
//! it reads its configuration again, by the orders to the UPS, and by `mainsd check`.

use super::driver;
use crate::config::{Diagnostic, Origin, Parsed, Severity};

/// Something that keeps the daemon from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is wrong and where; of severity error.
    pub diagnostic: Diagnostic,
    /// A file that the configuration names cannot be read now: the same configuration may do later.
    pub may_pass: bool,
}

/// Everything that keeps the daemon from starting with this configuration, in the order of the file; empty: it starts.
/// Of files it reads only the script that DEVICE names with UPSTYPE `test`, and SNMPSECRETS.
#[must_use]
pub fn obstacles(parsed: &Parsed) -> Vec<Obstacle> {
    let mut found: Vec<Obstacle> = parsed
        .of(Severity::Error)
        .map(|diagnostic| Obstacle { diagnostic: diagnostic.clone(), may_pass: false })
        .collect();
    if let Err(refused) = driver::check(&parsed.config) {
        // What the rules of the configuration have said already is not said again.
        if !found.iter().any(|known| known.diagnostic.keyword == refused.keyword) {
            let line = match parsed.origin(refused.keyword) {
                Origin::Line(line) => Some(line),
                Origin::Default | Origin::Because(_) => None,
            };
            let diagnostic = Diagnostic {
                severity: Severity::Error,
                file: parsed.name.clone(),
                line,
                keyword: refused.keyword.to_owned(),
                text: refused.text,
            };
            found.push(Obstacle { diagnostic, may_pass: refused.may_pass });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::drivers;

    fn of(text: &str) -> Vec<(String, bool)> {
        let found = obstacles(&parse(text.as_bytes(), "t.conf"));
        found.into_iter().map(|it| (it.diagnostic.to_string(), it.may_pass)).collect()
    }

    fn script(name: &str, text: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("mainsd-obstacles-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_driver_that_is_not_built_is_one_and_names_its_line() {
        for kind in drivers::ALL.iter().filter(|row| row.connect.is_none()).map(|row| row.word) {
            let found = of(&format!("UPSCABLE usb\nUPSTYPE {kind}\nDEVICE host\n"));
            let text = format!(
                "t.conf:2: UPSTYPE: this build of mainsd has no driver for {kind}; it has dumb, apcsmart, usb,"
            );
            assert!(found.len() == 1 && found[0].0.starts_with(&text) && !found[0].1, "{found:?}");
        }
    }

    #[test]
    fn a_mistake_in_a_test_script_is_one_and_a_script_that_is_missing_may_come() {
        let path = script("mistake", "1 mains off\n2 mians on\n");
        let found = of(&format!("UPSTYPE test\nDEVICE {}\n", path.display()));
        std::fs::remove_file(&path).unwrap();
        let text = format!("t.conf:2: DEVICE: {}: line 2: unknown action 'mians'", path.display());
        assert!(found.len() == 1 && found[0].0.starts_with(&text) && !found[0].1, "{found:?}");
        let found = of(&format!("UPSTYPE test\nDEVICE {}\n", path.display()));
        assert!(
            found.len() == 1 && found[0].0.contains(": No such file or directory") && found[0].1,
            "{found:?}"
        );
    }

    #[test]
    fn a_script_that_is_no_file_is_not_read_for_ever() {
        for device in ["/dev/zero", "/dev", "/dev/tty"] {
            let found = of(&format!("UPSTYPE test\nDEVICE {device}\n"));
            assert!(found.len() == 1 && found[0].0.starts_with("t.conf:2: DEVICE: "), "{found:?}");
        }
    }

    #[test]
    fn what_the_configuration_itself_says_is_said_once() {
        let found = of("UPSTYPE dumb\nDEVICE /dev/ttyS0\nTIMEOUT 60\n");
        assert!(
            found.len() == 1 && found[0].0.starts_with("t.conf: UPSCABLE: UPSTYPE dumb cannot work"),
            "{found:?}"
        );
        let found = of("TIMEOUT 60\n");
        assert!(found.len() == 1 && found[0].0.starts_with("t.conf: UPSTYPE: missing"), "{found:?}");
    }

    #[test]
    fn a_good_configuration_has_none() {
        for text in [
            "UPSTYPE usb",
            "UPSTYPE net\nDEVICE host",
            "UPSTYPE apcsmart\nDEVICE /dev/nonexistent",
            "UPSTYPE test",
            "UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0",
        ] {
            assert_eq!(of(text), [], "{text}");
        }
    }
}
