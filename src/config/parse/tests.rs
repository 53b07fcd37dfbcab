//! The sentences of config §1 and of the issue, one test each.

mod typography;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::enums::Facility;
use crate::drivers::UpsType;
use crate::ups::NoLogon;

/// A file that needs nothing but `UPSTYPE usb`, with more lines before it.
fn read(lines: &str) -> Parsed {
    parse(format!("{lines}\nUPSTYPE usb\n").as_bytes(), "t.conf")
}

/// Every message but those of severity debug.
fn said(parsed: &Parsed) -> Vec<String> {
    parsed.diagnostics.iter().filter(|d| d.severity > Severity::Debug).map(|d| d.to_string()).collect()
}

fn errors(parsed: &Parsed) -> Vec<String> {
    parsed.of(Severity::Error).map(|d| d.to_string()).collect()
}

#[test]
fn an_empty_file_has_every_default_and_lacks_upstype_only() {
    let parsed = parse(b"", "t.conf");
    assert_eq!(parsed.config, Config::new());
    assert_eq!(
        said(&parsed),
        [
            "t.conf: UPSTYPE: missing, so there is no UPS to watch; for a UPS on USB add the line 'UPSTYPE usb'"
        ]
    );
}

#[test]
fn defaults_are_the_compiled_in_ones_of_apcupsd() {
    let c = Config::new();
    assert_eq!((c.battery_level, c.minutes, c.timeout, c.kill_delay), (10, 5, 0, 0));
    assert_eq!((c.poll_time.as_secs(), c.on_battery_delay.as_secs()), (60, 6));
    assert_eq!((c.annoy.as_secs(), c.no_logon, c.events_file_max), (300, NoLogon::Always, 10));
    assert_eq!(c.script_dir, Path::new("/etc/apcupsd"));
    assert_eq!((c.lock_dir.as_path(), c.nologin_dir.as_path()), (Path::new("/var/lock"), Path::new("/etc")));
    assert_eq!((c.net_server, c.nis_port, c.facility), (true, 3551, Facility(3)));
    assert_eq!((&c.events_file, &c.stat_file), (&None, &None));
    assert_eq!((c.ups_class, c.ups_mode), (None, None));
}

#[test]
fn new_directives_have_the_defaults_of_the_issue() {
    let c = Config::new();
    assert_eq!((c.nis_udp, c.nis_max_clients, c.confirm_polls), (true, 512, 2));
    assert_eq!(
        (c.hook_timeout.as_secs(), c.shutdown_grace.as_secs(), c.comm_lost_delay.as_secs()),
        (60, 300, 10)
    );
    assert_eq!((c.shutdown_cmd, c.state_file), (None, Some("/run/mainsd/state/".into())));
    let allowed = |ip: &str| c.nis_allow.iter().any(|net| net.contains(ip.parse().unwrap()));
    for ip in
        ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "fe80::1", "fd00::1"]
    {
        assert!(allowed(ip), "{ip}");
    }
    for ip in ["8.8.8.8", "172.32.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
        assert!(!allowed(ip), "{ip}");
    }
}

#[test]
fn keywords_and_words_are_read_in_any_case() {
    let parsed = parse(b"upsType USB\nNoLogon Percent\nnetserver OFF\nFacility LOCAL3", "t.conf");
    assert_eq!(said(&parsed), [""; 0]);
    let c = parsed.config;
    assert_eq!((c.ups_type, c.no_logon, c.net_server), (UpsType::find("usb"), NoLogon::Percent, false));
    assert_eq!(c.facility, Facility(19));
}

#[test]
fn any_white_space_separates_and_crlf_files_work() {
    let parsed = parse(b"\t UPSTYPE\x0b\x0cusb \r\n TIMEOUT\t\t30\r\nUPSNAME  my  ups \t\r\n\r\n", "t.conf");
    assert_eq!(said(&parsed), [""; 0]);
    assert_eq!((parsed.config.timeout, parsed.config.ups_name.as_str()), (30, "my  ups"));
}

#[test]
fn a_comment_begins_after_white_space_or_at_the_start_of_a_line() {
    let parsed = read("   # TIMEOUT 1\n#TIMEOUT 2\nMINUTES 7 # of seven\nUPSNAME one #two\nDEVICE #nothing");
    assert_eq!(said(&parsed), [""; 0]);
    assert_eq!((parsed.config.minutes, parsed.config.timeout), (7, 0));
    assert_eq!((parsed.config.ups_name.as_str(), parsed.config.device.as_str()), ("one", ""));
}

#[test]
fn a_hash_inside_a_word_belongs_to_the_value_and_is_pointed_out() {
    let parsed = read("UPSNAME rack#3");
    assert_eq!(parsed.config.ups_name, "rack#3");
    assert_eq!(said(&parsed).len(), 1);
    assert!(said(&parsed)[0].starts_with("t.conf:1: UPSNAME: the '#' is kept"), "{:?}", said(&parsed));
}

#[test]
fn numbers_are_strict() {
    let accepted = "accepted: a whole number of seconds from 0 to 31536000, or -1 for off";
    for (value, what) in [
        ("", "no value"),
        ("# comment", "no value"),
        ("0x10", "'0x10' is not a whole number"),
        ("4#c", "'4#c' is not a whole number"),
        ("9junk", "'9junk' is not a whole number"),
        ("30 seconds", "'30 seconds' is not a whole number"),
        ("3.9", "'3.9' is not a whole number"),
        ("--1", "'--1' is not a whole number"),
        ("-", "'-' is not a whole number"),
        ("1e3", "'1e3' is not a whole number"),
        ("\u{663}", "'\u{663}' is not a whole number"),
        ("99999999999", "99999999999 is out of range"),
        ("31536001", "31536001 is out of range"),
        ("-99999999999999999999999", "-99999999999999999999999 is out of range"),
    ] {
        let parsed = read(&format!("TIMEOUT {value}"));
        assert_eq!(said(&parsed), [format!("t.conf:1: TIMEOUT: {what}; {accepted}")]);
        assert_eq!(parsed.config.timeout, 0);
    }
    for (value, number) in [("+5", 5), ("007", 7), ("0", 0), ("-1", -1), ("31536000", 31_536_000)] {
        let parsed = read(&format!("TIMEOUT {value}"));
        assert_eq!((said(&parsed), parsed.config.timeout), (vec![], number));
    }
}

#[test]
fn ranges_are_named_where_they_end() {
    for (line, range) in [
        ("BATTERYLEVEL 101", "0 to 100"),
        ("CONFIRMPOLLS 0", "1 to 10"),
        ("CONFIRMPOLLS 11", "1 to 10"),
        ("NISPORT 0", "1 to 65535"),
        ("NISPORT 65536", "1 to 65535"),
        ("NISPORT -1", "1 to 65535"),
        ("NISMAXCLIENTS 0", "1 to 65536"),
        ("HOOKTIMEOUT 0", "1 to 86400"),
    ] {
        let errors = errors(&read(line));
        assert!(errors.len() == 1 && errors[0].contains(range), "{line}: {errors:?}");
    }
}

#[test]
fn limits_of_minus_one_are_off_and_shown_as_written() {
    let parsed = read("BATTERYLEVEL -1\nMINUTES -5\nTIMEOUT 60");
    assert_eq!(said(&parsed), [""; 0]);
    assert_eq!((parsed.config.battery_level, parsed.config.minutes), (-1, -5));
    assert!(parsed.config.has_a_limit());
}

#[test]
fn numbers_that_apcupsd_clamps_or_should_are_clamped_with_a_warning() {
    for (line, text) in [
        ("POLLTIME 0", "t.conf:1: POLLTIME: 0 is taken as 1;"),
        ("KILLDELAY -1", "t.conf:1: KILLDELAY: -1 is taken as 0;"),
        ("EVENTSFILEMAX -3", "t.conf:1: EVENTSFILEMAX: -3 is taken as 0;"),
    ] {
        let parsed = read(line);
        assert!(said(&parsed).len() == 1 && said(&parsed)[0].starts_with(text), "{:?}", said(&parsed));
        assert!(!parsed.has_errors());
    }
    assert_eq!(read("POLLTIME 0").config.poll_time, Duration::from_secs(1));
    assert_eq!(read("KILLDELAY -1").config.kill_delay, 0);
}

#[test]
fn of_duplicates_the_last_one_counts() {
    let parsed = read("MINUTES 1\nTIMEOUT 5\nMINUTES 9\nTIMEOUT 5");
    assert_eq!(parsed.config.minutes, 9);
    assert_eq!(said(&parsed), ["t.conf:3: MINUTES: set before in line 1; the last one counts, this one"]);
    assert_eq!(parsed.origin("MINUTES"), Origin::Line(3));
}

#[test]
fn nettime_is_polltime() {
    let parsed = read("POLLTIME 30\nNETTIME 20");
    assert_eq!(parsed.config.poll_time, Duration::from_secs(20));
    assert_eq!(parsed.origin("POLLTIME"), Origin::Line(2));
    let parsed = read("NETTIME 20\nPOLLTIME 30");
    assert_eq!(parsed.config.poll_time, Duration::from_secs(30));
}

#[test]
fn obsolete_directives_warn_and_guarding_goes_on() {
    for name in ["CONTROL", "NETACCESS", "MASTER", "USERMAGIC", "SLAVE", "NETPORT", "NETSTATUS", "SERVERPORT"]
    {
        let parsed = read(&format!("{name} whatever"));
        assert!(!parsed.has_errors(), "{name}");
        let expected = format!("t.conf:1: {name}: a directive of apcupsd of long ago; ignored, ");
        assert!(said(&parsed).len() == 1 && said(&parsed)[0].starts_with(&expected), "{:?}", said(&parsed));
    }
}

#[test]
fn an_unknown_directive_warns_with_the_nearest_name_and_guarding_goes_on() {
    let parsed = read("BATERYLEVEL 20\nFROBNICATE 1\nnistimeout");
    assert!(!parsed.has_errors());
    assert_eq!(
        said(&parsed),
        [
            "t.conf:1: BATERYLEVEL: unknown directive, ignored; the nearest known name is BATTERYLEVEL",
            "t.conf:2: FROBNICATE: unknown directive, ignored; mainsd.conf(5) has the list of all",
            "t.conf:3: NISTIMEOUT: unknown directive, ignored; the nearest known name is NETTIMEOUT",
        ]
    );
}

#[test]
fn a_missing_header_is_no_more_than_a_debug_line() {
    let parsed = parse(b"UPSTYPE usb\n", "t.conf");
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].severity, Severity::Debug);
    assert_eq!(parsed.config.ups_type, UpsType::find("usb"));
    assert_eq!(parse(b"## apcupsd.conf v1.1 ## more\nUPSTYPE usb", "t.conf").diagnostics, []);
}

#[test]
fn surrounding_double_quotes_are_removed_with_a_warning() {
    let parsed = read("UPSNAME \"a b\"\nDEVICE \"\"\nTIMEOUT \"30\"\nEVENTSFILE \"/var/x y\"");
    assert_eq!(parsed.config.ups_name, "a b");
    assert_eq!((parsed.config.device.as_str(), parsed.config.timeout), ("", 30));
    assert_eq!(parsed.config.events_file.as_deref(), Some(Path::new("/var/x y")));
    assert_eq!(said(&parsed).len(), 4);
    assert!(said(&parsed).iter().all(|t| t.contains("double quotes")));
    for kept in ["\"half", "\"one\" and \"two\""] {
        let parsed = read(&format!("UPSNAME {kept}"));
        assert_eq!(parsed.config.ups_name, kept);
        assert!(
            said(&parsed).len() == 1 && said(&parsed)[0].contains("these are kept"),
            "{:?}",
            said(&parsed)
        );
    }
}

#[test]
fn quotes_in_a_command_are_for_the_shell() {
    for command in ["\"/opt/my off\" --now \"x y\"", "\"/opt/my off\"", "sh -c \"poweroff\""] {
        let parsed = read(&format!("SHUTDOWNCMD {command} # at last"));
        assert_eq!((said(&parsed), parsed.config.shutdown_cmd.as_deref()), (vec![], Some(command)));
    }
}

#[test]
fn an_equals_sign_after_a_known_name_is_left_out_with_a_warning() {
    for line in ["TIMEOUT=30", "TIMEOUT = 30", "TIMEOUT =30", "timeout= 30", "TIMEOUT=\"30\""] {
        let parsed = read(line);
        assert_eq!(parsed.config.timeout, 30, "{line}");
        assert!(said(&parsed)[0].starts_with("t.conf:1: TIMEOUT: only a blank stands between"), "{line}");
        assert!(!parsed.has_errors());
    }
}

#[test]
fn nisip_takes_several_addresses_of_both_families() {
    let list = |text: &str| text.split(' ').map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    assert_eq!(Config::new().nis_ip, list("127.0.0.1 ::1"));
    for (value, expected) in [
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1"),
        ("192.0.2.1,::1", "192.0.2.1 ::1"),
        ("192.0.2.1, ::1", "192.0.2.1 ::1"),
        ("::1 127.0.0.1 ::1", "::1 127.0.0.1"),
    ] {
        let parsed = read(&format!("NISIP {value}"));
        assert_eq!((said(&parsed), parsed.config.nis_ip), (vec![], list(expected)));
    }
}

#[test]
fn what_is_no_address_is_an_error_and_never_widens_the_bind() {
    for value in ["", "localhost", "127.0.0.1:3551", "256.1.1.1", "127.0.0.1 x", "127.1", "fe80::1%eth0", "*"]
    {
        let parsed = read(&format!("NISIP {value}"));
        assert_eq!(errors(&parsed).len(), 1, "{value}");
        assert_eq!(parsed.config.nis_ip, Config::new().nis_ip, "{value}");
    }
    let many: Vec<String> = (0..33).map(|n| format!("127.0.0.{n}")).collect();
    assert!(errors(&read(&format!("NISIP {}", many.join(" "))))[0].contains("more than 32"));
}

#[test]
fn more_than_one_word_where_one_belongs_is_warned_about() {
    let parsed = read("NETSERVER off please");
    assert!(!parsed.config.net_server);
    assert!(said(&parsed)[0].contains("ignored: 'please'"));
}

#[test]
fn historic_values_are_errors_that_name_their_successor() {
    for (line, hint) in [
        ("UPSTYPE smartups", "'apcsmart'"),
        ("UPSTYPE linux-usb", "'usb'"),
        ("UPSTYPE snmplite", "'snmp'"),
        ("UPSCABLE M-04-02-2000", "'MAM-04-02-2000'"),
    ] {
        let parsed = parse(line.as_bytes(), "t.conf");
        assert!(errors(&parsed)[0].contains(hint), "{:?}", errors(&parsed));
        assert_eq!(
            errors(&parsed).iter().filter(|e| e.contains("UPSTYPE: missing")).count(),
            usize::from(!line.starts_with("UPST"))
        );
    }
}

#[test]
fn names_are_cut_at_99_bytes_between_characters() {
    let parsed = read(&format!("UPSNAME {}", "\u{e4}".repeat(60)));
    assert_eq!(parsed.config.ups_name, "\u{e4}".repeat(49));
    assert!(said(&parsed)[0].contains("longer than 99 bytes"));
}

#[test]
fn long_lines_are_not_split() {
    let path = format!("/{}", "d".repeat(300));
    let parsed = read(&format!("EVENTSFILE {path}\n# {}", "c".repeat(1_000_000)));
    assert_eq!((said(&parsed), parsed.config.events_file), (vec![], Some(path.into())));
}

#[test]
fn bytes_that_are_no_text_are_reported_in_print() {
    let parsed = parse(
        b"UPSTYPE usb\nUPSNAME a\xffb\x1b[2J\nEVENTSFILE /a\0b\nSHUTDOWNCMD \xff\n\x07\xfe\x1b 1",
        "t.conf",
    );
    assert_eq!(parsed.config.ups_name, "a\u{fffd}b [2J");
    assert_eq!(errors(&parsed).len(), 2);
    for text in said(&parsed) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

#[test]
fn paths_keep_bytes_that_are_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let parsed = parse(b"UPSTYPE usb\nEVENTSFILE /a\xff", "t.conf");
    assert_eq!(parsed.config.events_file.unwrap().as_os_str().as_bytes(), b"/a\xff");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    assert_eq!(said(&parse(b"\xef\xbb\xbfUPSTYPE usb", "t.conf")), [""; 0]);
    let utf16: Vec<u8> = "\u{feff}UPSTYPE usb".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(errors(&parse(&utf16, "t.conf"))[0].contains("UTF-16"));
}

#[test]
fn a_file_of_rubbish_is_reported_in_bounded_space_and_its_errors_are_not_lost() {
    let mut text = "RUBBISH X\n".repeat(100_000);
    text.push_str("TIMEOUT x\nUPSTYPE usb\n");
    let parsed = parse(text.as_bytes(), "t.conf");
    assert_eq!(parsed.of(Severity::Warning).count(), MOST_KEPT + 1);
    assert_eq!(errors(&parsed).len(), 1);
    assert!(said(&parsed).last().unwrap().contains("99800 more warnings are not shown"));
}

#[test]
fn every_default_reads_back_as_it_is_shown() {
    let config = Config::of_table();
    for directive in directives::all() {
        let shown = directive.show(&config);
        assert_eq!(shown, directive.default, "{}", directive.name);
        if !directive.default.is_empty() {
            let mut again = Config::of_table();
            let mut warnings = Vec::new();
            assert_eq!(
                directive.read(&mut again, shown.as_bytes(), &mut warnings),
                Ok(()),
                "{}",
                directive.name
            );
            assert_eq!((again, warnings), (config.clone(), vec![]), "{}", directive.name);
        }
    }
}

#[test]
fn every_example_is_accepted_and_changes_only_its_own_directive() {
    for directive in directives::all() {
        let mut config = Config::new();
        let mut warnings = Vec::new();
        assert_eq!(
            directive.read(&mut config, directive.example.as_bytes(), &mut warnings),
            Ok(()),
            "{}",
            directive.name
        );
        assert_eq!(warnings, [""; 0], "{}", directive.name);
        assert_eq!(directive.show(&config), directive.example, "{}", directive.name);
        for other in directives::all().filter(|other| other.name != directive.name) {
            assert_eq!(
                other.show(&config),
                other.show(&Config::new()),
                "{} moved {}",
                directive.name,
                other.name
            );
        }
    }
}

#[test]
fn names_are_unique_and_no_retired_name_is_in_use() {
    let mut names: Vec<&str> =
        directives::all().flat_map(|d| std::iter::once(d.name).chain(d.aliases.iter().copied())).collect();
    names.extend(RETIRED.iter().map(|r| r.name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

proptest! {
    #[test]
    fn any_bytes_give_a_configuration_and_printable_messages(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let parsed = parse(&text, "t.conf");
        for d in &parsed.diagnostics {
            prop_assert!(!d.to_string().chars().any(char::is_control));
        }
    }

    #[test]
    fn any_value_of_any_directive_is_accepted_or_refused_with_its_line(
        index in 0usize..60,
        value in "[ -~]{0,40}|-?[0-9]{1,22}|[0-9a-f:./ ,]{0,40}|\"[^\n]*\"",
    ) {
        let directive = directives::all().nth(index % directives::all().count()).unwrap();
        let parsed = parse(format!("{} {value}\n", directive.name).as_bytes(), "t.conf");
        for d in parsed.diagnostics.iter().filter(|d| d.line.is_some() && !d.keyword.is_empty()) {
            prop_assert_eq!(d.line, Some(1));
            prop_assert!(d.severity != Severity::Error || d.text.contains(';'), "{}", d);
        }
        // What was accepted is shown in a form that is accepted again, with the same meaning. Not so for a comment sign
        // at the start of a word, which a file cannot say.
        let mut again = Config::new();
        let shown = directive.show(&parsed.config);
        if !shown.is_empty() {
            prop_assert_eq!(directive.read(&mut again, shown.as_bytes(), &mut Vec::new()), Ok(()));
            prop_assert_eq!(directive.show(&again), shown);
        }
    }
}
