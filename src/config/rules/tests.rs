//! Config §4 and the forms of DEVICE.

use crate::config::enums::Cable;
use crate::config::{Origin, Parsed, Severity, parse};

/// A file that needs nothing but `UPSTYPE usb`, with more lines before it.
fn read(lines: &str) -> Parsed {
    parse(format!("{lines}\nUPSTYPE usb\n").as_bytes(), "t.conf")
}

fn said(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().filter(|d| d.severity > Severity::Debug).map(ToString::to_string).collect()
}

fn errors(parsed: &Parsed) -> Vec<String> {
    parsed.of(Severity::Error).map(ToString::to_string).collect()
}

#[test]
fn upstype_overrides_upscable() {
    for (kind, cable) in [
        ("usb", Cable::Usb),
        ("net", Cable::Ether),
        ("snmp", Cable::Ether),
        ("pcnet", Cable::Ether),
        ("apcsmart", Cable::Smart),
    ] {
        let device = "DEVICE host"; // only there so that no form of DEVICE is missing
        let device = if kind == "pcnet" { "DEVICE host:user:phrase" } else { device };
        let parsed = parse(format!("UPSCABLE 940-0024C\nUPSTYPE {kind}\n{device}\n").as_bytes(), "t.conf");
        // A number of the class that is implied anyway is no contradiction.
        let remarks = if kind == "apcsmart" { 0 } else { 1 };
        assert_eq!((said(&parsed).len(), parsed.config.ups_cable), (remarks, Some(cable)), "{kind}");
        let text =
            format!("t.conf:1: UPSCABLE: no effect with UPSTYPE {kind}: it has the cable '{}'", cable.word());
        assert!(said(&parsed).iter().all(|line| line.starts_with(&text)), "{:?}", said(&parsed));
        assert_eq!(parsed.of(Severity::Warning).count(), 0);
        assert_eq!(parsed.origin("UPSCABLE"), Origin::Because("UPSTYPE"));
    }
    let parsed = parse(b"UPSCABLE 940-0020b\nUPSTYPE dumb\nDEVICE /dev/ttyS0\nTIMEOUT 60", "t.conf");
    assert_eq!((said(&parsed), parsed.config.ups_cable), (vec![], Some(Cable::Apc("940-0020B"))));
}

#[test]
fn dumb_needs_a_simple_cable_and_modbus_any_other() {
    let wrong = |text: &str| errors(&parse(format!("DEVICE /dev/ttyS0\n{text}").as_bytes(), "t.conf"));
    for good in [
        "UPSTYPE dumb\nUPSCABLE simple",
        "UPSTYPE dumb\nUPSCABLE 940-0095A",
        "UPSTYPE modbus\nUPSCABLE usb",
        "UPSTYPE test",
    ] {
        assert_eq!(wrong(good), [""; 0], "{good}");
    }
    for bad in [
        "UPSTYPE dumb",
        "UPSTYPE dumb\nUPSCABLE usb",
        "UPSTYPE dumb\nUPSCABLE 940-0024C",
        "UPSTYPE modbus",
        "UPSTYPE modbus\nUPSCABLE simple",
    ] {
        assert!(wrong(bad).len() == 1 && wrong(bad)[0].contains("UPSCABLE"), "{bad}");
    }
}

#[test]
fn dumb_without_timeout_is_warned_of_what_is_left_to_shut_the_machine_down() {
    let said = |cable: &str, timeout: u32| {
        let text = format!("UPSTYPE dumb\nUPSCABLE {cable}\nDEVICE /dev/ttyS0\nTIMEOUT {timeout}");
        said(&parse(text.as_bytes(), "t.conf"))
    };
    for (cable, words) in
        [("simple", "only the low-battery signal"), ("940-0023A", "NOTHING"), ("940-0095B", "NOTHING")]
    {
        assert_eq!(said(cable, 300), [""; 0], "{cable}");
        let said = said(cable, 0);
        assert!(said.len() == 1 && said[0].contains("TIMEOUT") && said[0].contains(words), "{said:?}");
    }
}

#[test]
fn a_path_in_device_with_usb_means_automatic_detection() {
    for path in ["/dev/ttyS0", "/dev/usb/hiddev0", "/dev/usb/hid/hiddev[0-15]"] {
        let parsed = read(&format!("DEVICE {path}"));
        assert_eq!(parsed.config.device, "");
        assert!(
            said(&parsed).len() == 1 && said(&parsed)[0].starts_with("t.conf:1: DEVICE: "),
            "{:?}",
            said(&parsed)
        );
        assert!(!parsed.has_errors());
    }
    assert_eq!(read("DEVICE").config.device, "");
    assert_eq!(read("DEVICE 4B1234P56789").config.device, "4B1234P56789");
    assert_eq!(read("DEVICE 1-1.4").config.device, "1-1.4");
    assert_eq!(said(&read("DEVICE 1-1.4")), [""; 0]);
}

#[test]
fn forms_of_device_are_checked_for_each_type() {
    let good = [
        ("net", "host"),
        ("net", "host:3551"),
        ("net", "[2001:db8::1]:3551"),
        ("net", "[::1]"),
        ("net", "::1"),
        ("snmp", "host"),
        ("snmp", "host:161:APC_NOTRAP:public"),
        ("snmp", "host::rfc"),
        ("snmp", "host:::"),
        ("snmp", "[fd00::7]:161:APC:public"),
        ("snmp", "fd00::7"),
        ("pcnet", ""),
        ("pcnet", "10.0.0.1:apc:secret phrase"),
        ("pcnet", "10.0.0.1:apc:secret:3052"),
        ("apcsmart", "/dev/ttyUSB0"),
        ("test", "anything"),
    ];
    let bad = [
        ("net", ""),
        ("net", ":3551"),
        ("net", "host:"),
        ("net", "host:nis"),
        ("net", "host:0"),
        ("net", "[::1]x"),
        ("snmp", ""),
        ("snmp", ":161"),
        ("snmp", "host:x"),
        ("snmp", "host:161:ACME"),
        ("snmp", "[fd00::7"),
        ("snmp", "[host]:161"),
        ("snmp", "[::1]161"),
        ("pcnet", "10.0.0.1"),
        ("pcnet", "10.0.0.1:apc:"),
        ("pcnet", "10.0.0.1:apc:secret:http"),
        ("apcsmart", ""),
        ("dumb", ""),
    ];
    let wrong = |kind: &str, device: &str| {
        errors(&parse(format!("DEVICE {device}\nUPSTYPE {kind}\nUPSCABLE simple").as_bytes(), "t"))
    };
    for (kind, device) in good {
        assert_eq!(wrong(kind, device), [""; 0], "{kind} {device}");
    }
    for (kind, device) in bad {
        assert!(
            wrong(kind, device).len() == 1 && wrong(kind, device)[0].starts_with("t:1: DEVICE: "),
            "{kind} {device}"
        );
    }
}

#[test]
fn annoydelay_is_zero_unless_annoy_is_smaller() {
    for (lines, seconds) in [("", 0), ("ANNOY 60\nANNOYDELAY 60", 0), ("ANNOY 59\nANNOYDELAY 60", 60)] {
        assert_eq!(read(lines).config.annoy_delay.as_secs(), seconds, "{lines}");
    }
    assert_eq!(read("").origin("ANNOYDELAY"), Origin::Because("ANNOY"));
}

#[test]
fn a_file_without_any_limit_is_warned_about() {
    let parsed = read("BATTERYLEVEL -1\nMINUTES -1\nTIMEOUT 0");
    assert_eq!(said(&parsed).len(), 1);
    assert!(
        said(&parsed)[0].starts_with("t.conf:1: BATTERYLEVEL: BATTERYLEVEL, MINUTES and TIMEOUT are all off")
    );
    assert!(!parsed.has_errors());
}

#[test]
fn a_low_battery_flag_that_is_ignored_is_warned_about_where_little_or_nothing_is_left() {
    let usb = |lines: &str| said(&read(&format!("LOWBATTERYFLAG {lines}")));
    for fine in ["ups", "confirm", "ignore", "ignore\nMINUTES -1", "ignore\nBATTERYLEVEL -1\nTIMEOUT 0"] {
        assert_eq!(usb(fine), [""; 0], "{fine}");
    }
    let no_limit = "ignore\nBATTERYLEVEL -1\nMINUTES -1\nTIMEOUT";
    let warned = usb(&format!("{no_limit} 0"));
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].starts_with("t.conf:1: LOWBATTERYFLAG: with 'ignore', BATTERYLEVEL off, MINUTES off and TIMEOUT off, NOTHING shuts this machine down"), "{warned:?}");
    let warned = usb(&format!("{no_limit} 60"));
    assert!(warned.len() == 1 && warned[0].contains("only TIMEOUT shuts this machine down"), "{warned:?}");
    let dumb = |lines: &str| {
        let text = format!("UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nLOWBATTERYFLAG {lines}");
        said(&parse(text.as_bytes(), "t.conf"))
    };
    for (lines, words) in [
        ("confirm\nTIMEOUT 60", "'confirm' is as good as 'ups' here"),
        ("ignore\nTIMEOUT 60", "only TIMEOUT"),
        ("ignore\nTIMEOUT 0", "NOTHING shuts this machine down"),
    ] {
        let warned = dumb(lines);
        assert!(warned.len() == 1 && warned[0].contains(words), "{lines}: {warned:?}");
    }
}

#[test]
fn records_that_would_never_be_written_are_warned_about() {
    for (lines, start) in [
        ("LOGSTATS on", "t.conf:1: LOGSTATS: nothing is logged while STATTIME is 0"),
        ("STATTIME 60", "t.conf:1: STATTIME: nothing is written while there is no STATFILE"),
    ] {
        let said = said(&read(lines));
        assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
    }
    for lines in ["STATFILE /s", "STATTIME 60\nSTATFILE /s", "STATTIME 60\nLOGSTATS on"] {
        assert_eq!(said(&read(lines)), [""; 0], "{lines}");
    }
}

#[test]
fn what_does_nothing_with_this_upstype_is_remarked_upon_and_nothing_else_is() {
    let remarks = |text: &str| -> Vec<String> {
        let parsed = parse(text.as_bytes(), "t.conf");
        assert!(!parsed.has_errors(), "{:?}", errors(&parsed));
        parsed.of(Severity::Advice).map(ToString::to_string).collect()
    };
    let table = [
        (
            "UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nTIMEOUT 60\nMINUTES 3",
            "t.conf:5: MINUTES: no effect with UPSTYPE dumb: a simple cable",
        ),
        (
            "UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nTIMEOUT 60\nBATTERYLEVEL 10",
            "t.conf:5: BATTERYLEVEL: no effect",
        ),
        (
            "UPSTYPE net\nDEVICE host\nKILLDELAY 60",
            "t.conf:3: KILLDELAY: no effect with UPSTYPE net: a slave never cuts",
        ),
        (
            "UPSTYPE net\nDEVICE host\nLOCKFILE /run/lock",
            "t.conf:3: LOCKFILE: no effect with UPSTYPE net: its port",
        ),
        ("UPSTYPE usb\nNETTIMEOUT 10", "t.conf:2: NETTIMEOUT: no effect with UPSTYPE usb: only a slave"),
        (
            "UPSTYPE usb\nSENSITIVITY L",
            "t.conf:2: SENSITIVITY: no effect with UPSTYPE usb: only 'mainsd --configure'",
        ),
        (
            "UPSTYPE usb\nSNMPVERSION 3",
            "t.conf:2: SNMPVERSION: no effect with UPSTYPE usb: only UPSTYPE snmp",
        ),
        ("UPSTYPE usb\nLOWBATT 5", "t.conf:2: LOWBATT: no effect with UPSTYPE usb"),
    ];
    for (text, start) in table {
        let found = remarks(text);
        assert!(found.len() == 1 && found[0].starts_with(start), "{found:?}");
    }
    for text in [
        "UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nTIMEOUT 60\nMINUTES -1\nBATTERYLEVEL -1",
        "UPSTYPE net\nDEVICE host\nLOCKFILE /var/lock\nNETTIMEOUT 20\nKILLDELAY 0\nUPSCABLE ether",
        "UPSTYPE apcsmart\nDEVICE /dev/ttyS0\nSENSITIVITY L\nLOWBATT 5\nLOCKFILE /run/lock\nUPSCABLE 940-0024C",
        "UPSTYPE usb\nLOWBATT -1\nMINUTES 3\nBATTERYLEVEL 5\nKILLDELAY 60",
    ] {
        assert_eq!(remarks(text), [""; 0], "{text}");
    }
}

#[test]
fn an_account_that_no_message_is_of_is_warned_about() {
    let said = |lines: &str| said(&parse(format!("UPSTYPE snmp\nDEVICE card\n{lines}").as_bytes(), "t.conf"));
    for lines in ["SNMPUSER ups", "SNMPUSER ups\nSNMPVERSION 2C"] {
        let told = said(lines);
        assert!(
            told.len() == 1 && told[0].starts_with("t.conf:3: SNMPUSER: no effect: accounts"),
            "{told:?}"
        );
    }
    for lines in ["SNMPUSER ups\nSNMPVERSION 3", "SNMPVERSION 1", "SNMPVERSION auto\nSNMPSECRETS /x"] {
        assert_eq!(said(lines), [""; 0], "{lines}");
    }
    assert!(said("SNMPVERSION 4")[0].contains("accepted: auto, 1, 2c, 3"));
}

#[test]
fn a_host_that_is_a_short_address_is_warned_about() {
    for (kind, device, address) in [
        ("net", "192.168.252", "192.168.0.252"),
        ("net", "nas 192.168.252:3551", "192.168.0.252"),
        ("net", "10.0.0.010", "10.0.0.8"),
        ("pcnet", "10.1:apc:secret", "10.0.0.1"),
    ] {
        let said = said(&parse(format!("UPSTYPE {kind}\nDEVICE {device}").as_bytes(), "t.conf"));
        let found = said.len() == 1
            && said[0].starts_with("t.conf:2: DEVICE: '")
            && said[0]
                .contains(&format!("is short for {address}, as the system reads it; write all four numbers"));
        assert!(found && !said[0].contains("secret"), "{said:?}");
    }
    for device in ["192.168.1.252", "nas:3551", "[::1]", "::1", "nas.1"] {
        assert_eq!(
            said(&parse(format!("UPSTYPE net\nDEVICE {device}").as_bytes(), "t.conf")),
            [""; 0],
            "{device}"
        );
    }
}
