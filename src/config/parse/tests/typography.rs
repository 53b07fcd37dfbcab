//! What comes of copying from a page: blanks, dashes and quotes of every kind, variables that nobody has replaced.

use super::*;

#[test]
fn blanks_of_every_kind_separate_and_are_named() {
    let parsed =
        read("TIMEOUT\u{a0}30\nMINUTES 7\u{2009}\n\u{feff}UPSNAME one\u{a0}two\n\u{a0}# comment\n\u{a0}\n");
    assert_eq!((parsed.config.timeout, parsed.config.minutes), (30, 7));
    assert_eq!(parsed.config.ups_name, "one two");
    let taken = |what: &str| format!("{what} is taken as a blank; apcupsd takes it as part of the word");
    assert_eq!(
        said(&parsed),
        [
            format!("t.conf:1: TIMEOUT: {}", taken("a no-break space (U+00A0)")),
            format!("t.conf:2: MINUTES: {}", taken("a thin space (U+2009)")),
            format!("t.conf:3: UPSNAME: {}", taken("a byte order mark (U+FEFF)")),
        ]
    );
    assert_eq!(said(&read("TIMEOUT 30 # half\u{a0}a minute")), [""; 0], "a comment may hold anything");
    let latin = parse(b"UPSTYPE\xa0usb", "t.conf");
    assert_eq!((latin.config.ups_type, said(&latin).len()), (UpsType::find("usb"), 1));
}

#[test]
fn dashes_of_every_kind_are_taken_as_plain_ones_where_nothing_else_can_be_meant() {
    let parsed =
        read("BATTERYLEVEL \u{2013}1\nMINUTES \u{2212}1\nDEVICE 1\u{2013}1.4\nUPSNAME left \u{2013} right");
    assert_eq!((parsed.config.battery_level, parsed.config.minutes), (-1, -1));
    assert_eq!(
        (parsed.config.device.as_str(), parsed.config.ups_name.as_str()),
        ("1-1.4", "left \u{2013} right")
    );
    let text = said(&parsed);
    assert!(text[0].starts_with("t.conf:1: BATTERYLEVEL: an en dash (U+2013) is taken as '-'"), "{text:?}");
    assert!(text[1].starts_with("t.conf:2: MINUTES: a minus sign (U+2212) is taken as '-'"), "{text:?}");
    assert!(text[2].starts_with("t.conf:3: DEVICE: an en dash (U+2013) is taken as '-'"), "{text:?}");
    let parsed =
        read("UPSCABLE 940\u{2011}0020B\nSHUTDOWNCMD shutdown \u{2013}h now\nEVENTSFILE /var/a\u{2013}b");
    assert_eq!(parsed.config.ups_type, UpsType::find("usb"));
    let text: Vec<String> = parsed.of(Severity::Warning).map(ToString::to_string).collect();
    assert!(
        text[0].starts_with("t.conf:1: UPSCABLE: a no-break hyphen (U+2011) is taken as '-'"),
        "{text:?}"
    );
    assert!(
        text[1].starts_with("t.conf:2: SHUTDOWNCMD: an en dash (U+2013) stands where an option begins"),
        "{text:?}"
    );
    assert_eq!(text.len(), 2);
    assert_eq!(parsed.config.shutdown_cmd.as_deref(), Some("shutdown \u{2013}h now"));
    let error = errors(&read("TIMEOUT 5 \u{2014} five"));
    assert!(error[0].starts_with("t.conf:1: TIMEOUT: '5 - five' is not a whole number"), "{error:?}");
}

#[test]
fn a_passphrase_keeps_its_dashes() {
    let parsed = parse("UPSTYPE pcnet\nDEVICE 10.0.0.1:apc:a\u{2013}b".as_bytes(), "t.conf");
    assert_eq!((said(&parsed), parsed.config.device.as_str()), (vec![], "10.0.0.1:apc:a\u{2013}b"));
}

#[test]
fn typographic_quotes_are_taken_off_and_named() {
    let parsed = read("UPSNAME \u{201c}a b\u{201d}\nTIMEOUT \u{201e}30\u{201c}\nEVENTSFILE \u{ab}/x y\u{bb}");
    assert_eq!((parsed.config.ups_name.as_str(), parsed.config.timeout), ("a b", 30));
    assert_eq!(parsed.config.events_file.as_deref(), Some(Path::new("/x y")));
    assert!(
        said(&parsed).len() == 3
            && said(&parsed).iter().all(|text| text.contains("typographic quotes around"))
    );
    let half = read("UPSNAME \u{201c}half");
    assert_eq!(half.config.ups_name, "\u{201c}half");
    assert!(said(&half)[0].contains("these are kept"), "{:?}", said(&half));
}

#[test]
fn a_variable_that_nobody_has_replaced_is_called_one() {
    let text = errors(&read("NISPORT ${PORT}\nNETSERVER {{ on }}\nNISIP ${IP}"));
    assert!(
        text.len() == 3
            && text
                .iter()
                .all(|line| line.contains(": a variable that was not replaced by its value; accepted: ")),
        "{text:?}"
    );
    let text = said(&read("UPSNAME ${NAME}\nSHUTDOWNCMD echo ${NAME}"));
    assert_eq!(
        text,
        [
            "t.conf:1: UPSNAME: taken as it stands: a variable that was not replaced by its value; this file knows no variables"
        ]
    );
}
