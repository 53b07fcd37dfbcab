//! Hooks that do not start (from public reports), through `mainsd check`: each is named with what mends it.

use crate::support::script_dir::{GOOD, warnings};

#[test]
fn a_hook_that_does_not_start_is_told_with_its_effect_and_its_remedy() {
    let table: [(&str, u32, &str, &str); 6] = [
        (
            "#!/bin/sh\r\necho hi\r\n",
            0o755,
            "has the line ends of Windows (CRLF)",
            r"; sed -i 's/\r$//' DIR/apccontrol",
        ),
        (
            "\u{feff}#!/bin/sh\necho hi\n",
            0o755,
            "begins with a byte order mark",
            r"; sed -i '1s/^\xef\xbb\xbf//' DIR/apccontrol",
        ),
        ("echo hi\n", 0o755, "does not begin with #!", "; make '#!/bin/sh' its first line"),
        (
            "#!/bin/sh/env python\n",
            0o755,
            "wants the interpreter /bin/sh/env, which does not exist",
            "; install it",
        ),
        ("#!/usr/bin/env no-such-python\n", 0o755, "wants the interpreter no-such-python", "; install it"),
        ("#!/bin/sh\necho hi\n", 0o644, "cannot be run", "; chmod 755 DIR/apccontrol"),
    ];
    for (text, mode, what, remedy) in table {
        let found = warnings(&[("apccontrol", text, mode)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(&format!("DIR/apccontrol {what}")) && found[0].ends_with(remedy),
            "{found:?}"
        );
        assert!(found[0].contains(": no hook runs, and a shutdown goes straight to "), "{found:?}");
    }
    assert_eq!(warnings(&[GOOD]), [""; 0]);
}

#[test]
fn the_script_of_an_event_is_looked_at_too_and_other_files_are_not() {
    let found = warnings(&[
        GOOD,
        ("onbattery", "#!/bin/sh\r\nmail root\r\n", 0o755),
        ("doshutdown", "#!/bin/sh\npoweroff\n", 0o644),
        ("killpower", "exit 0\n", 0o755),
        ("notes.txt", "no script\r\n", 0o644),
    ]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("DIR/onbattery has the line ends of Windows"), "{found:?}");
    assert!(found[1].starts_with("DIR/doshutdown cannot be run"), "{found:?}");
    assert!(found[2].starts_with("DIR/killpower does not begin with #!"), "{found:?}");
}

#[test]
fn an_apccontrol_kept_from_apcupsd_calls_a_program_that_has_left() {
    let kept = "#!/bin/sh\nprefix=/nonexistent\nAPCUPSD=${prefix}/sbin/apcupsd\ncase \"$1\" in\n  killpower)\n    \
                echo \"Apccontrol doing: ${APCUPSD} --killpower on UPS ${2}\"\n    sleep 10\n    ${APCUPSD} --killpower\n  ;;\nesac\n";
    let found = warnings(&[("apccontrol", kept, 0o755)]);
    let text = "the killpower of DIR/apccontrol calls /nonexistent/sbin/apcupsd, which does not exist: the UPS is not told to cut \
                its power after a shutdown; make it call mainsd";
    assert_eq!(found, [text]);
    let there = kept.replace("prefix=/nonexistent", "prefix=").replace("/sbin/apcupsd", "/bin/sh");
    assert_eq!(warnings(&[("apccontrol", &there, 0o755)]), [""; 0]);
}
