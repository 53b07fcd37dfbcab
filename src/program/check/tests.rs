//! What a person reads, word for word.

use super::explain::explanation;
use super::*;
use crate::config::directives::{self, Reload};
use crate::config::parse;

/// Ways to shut down, as another machine might have them.
fn ways() -> Vec<String> {
    ["/sbin/shutdown -h now", "/sbin/poweroff"].map(str::to_owned).to_vec()
}

const FIVE_MISTAKES: &str = "\
## apcupsd.conf v1.1 ##
UPSCABLE usb
UPSTYPE usb
DEVICE
BATTERYLEVEL 5%
MINUTES
TIMOUT 600
NISIP localhost
NETSERVER yes
";

#[test]
fn a_file_with_five_mistakes_shows_all_five_at_the_end() {
    let parsed = parse(FIVE_MISTAKES.as_bytes(), "/etc/apcupsd/apcupsd.conf");
    let text = report(&parsed, None, &[], &ways());
    let (_, problems) = text.split_once("\nWarnings\n").unwrap();
    assert_eq!(
        problems,
        "
  /etc/apcupsd/apcupsd.conf:7: TIMOUT: unknown directive, ignored; the nearest known name is TIMEOUT

Errors

  /etc/apcupsd/apcupsd.conf:5: BATTERYLEVEL: '5%' is not a whole number; accepted: a whole percentage from 0 to 100, or -1 for off
  /etc/apcupsd/apcupsd.conf:6: MINUTES: no value; accepted: a whole number of minutes from 0 to 1000000, or -1 for off
  /etc/apcupsd/apcupsd.conf:8: NISIP: 'localhost' is not a numeric address; accepted: IPv4 and IPv6 addresses of this machine, separated by blanks (0.0.0.0 and :: are all of them)
  /etc/apcupsd/apcupsd.conf:9: NETSERVER: 'yes' is neither on nor off; accepted: on, off

4 errors, 1 warning: mainsd does NOT start with this file.
"
    );
}

#[test]
fn each_value_is_shown_with_where_it_comes_from() {
    let parsed = parse(b"UPSCABLE smart\nUPSTYPE usb\nMINUTES 3\nDEVICE /dev/ttyS0\n", "/etc/a/b.conf");
    let text = report(&parsed, None, &[], &ways());
    for line in [
        "    UPSTYPE         b.conf:2                usb\n",
        "    UPSCABLE        because of UPSTYPE      usb\n",
        "    DEVICE          because of UPSTYPE      (automatic)\n",
        "    POLLTIME        default                 60 seconds\n",
        "    MINUTES         b.conf:3                3 minutes\n",
        "    TIMEOUT         default                 off\n",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    for directive in directives::all() {
        let shown = text.contains(&format!("    {} ", directive.name));
        assert_eq!(shown, directive.reload != Reload::Unused, "{}", directive.name);
    }
}

#[test]
fn settings_for_the_test_program_are_shown_only_if_set() {
    let parsed = parse(b"UPSTYPE usb\nLOWBATT 5\n", "t");
    assert!(
        report(&parsed, None, &[], &ways())
            .contains("    LOWBATT         t:2                     5 minutes\n")
    );
}

#[test]
fn the_story_says_when_the_machine_shuts_down() {
    let story = |lines: &str| {
        let text = report(&parse(format!("UPSTYPE usb\n{lines}").as_bytes(), "t"), None, &[], &ways());
        let (_, story) = text.split_once("What will happen\n\n").unwrap();
        story.split("\n\n").next().unwrap().to_owned()
    };
    assert_eq!(
        story("TIMEOUT 600\nMINUTES -1\nNOLOGON disable\nEVENTSFILE /e\nKILLDELAY 200"),
        "  Watched     the first UPS found on USB
  Mains fails at once: event powerout, believed after 2 readings that agree
              after 6 seconds: event onbattery, users are told
              users can log in all the time
  Shutdown    at the first of these, on battery:
              - the UPS says that its battery is exhausted
              - the charge is 10 percent or less (BATTERYLEVEL)
              - mains has been away for 606 seconds (10:06 minutes): TIMEOUT after ONBATTERYDELAY (TIMEOUT)
              off: MINUTES
  How         /etc/apcupsd/apccontrol doshutdown
              if that fails: /sbin/shutdown -h now
              if that fails: /sbin/poweroff
              if still up and on battery 300 seconds (5:00 minutes) later: again
              200 seconds (3:20 minutes) after its start the UPS is told to cut its power, whether the machine is down or not
  Clients     TCP and UDP port 3551 at 127.0.0.1 ::1, from this machine only
  Events      /e and syslog"
    );
    assert!(story("TIMEOUT 5\nONBATTERYDELAY 30").contains("- mains has been away for 5 seconds (TIMEOUT)"));
    assert!(story("BATTERYLEVEL -1\nMINUTES -1").contains("off: BATTERYLEVEL, MINUTES, TIMEOUT"));
    assert!(story("NISIP 0.0.0.0").contains("TCP and UDP port 3551 at 0.0.0.0, from NISALLOW"));
    let slaves = "  Slaves      are told at once and waited for, 45 seconds at most (SLAVEWAIT)\n  How  ";
    assert!(story("NISIP 0.0.0.0\nSLAVEWAIT 45").contains(slaves));
    assert!(!story("NISIP 0.0.0.0\nSLAVEWAIT 0").contains("Slaves"));
    assert!(
        story("UPSTYPE net\nDEVICE host").contains("- the master shuts down, or is lost while on battery")
    );
    let dumb = story("UPSTYPE dumb\nUPSCABLE simple\nDEVICE /dev/ttyS0\nTIMEOUT 60");
    assert!(dumb.contains("off: BATTERYLEVEL, MINUTES") && dumb.contains("(TIMEOUT)"), "{dumb}");
    assert!(dumb.starts_with("  Watched     the UPS at /dev/ttyS0, by dumb\n"), "{dumb}");
    assert!(story("NETSERVER off").contains("Clients     none"));
}

#[test]
fn the_story_says_what_the_low_battery_flag_counts_for() {
    let told = |lines: &str| {
        report(&parse(format!("UPSTYPE usb\nUPSCABLE usb\n{lines}").as_bytes(), "a.conf"), None, &[], &ways())
    };
    let says = "- the UPS says that its battery is exhausted";
    assert!(told("").contains(&format!("{says}\n")));
    let confirm = told("LOWBATTERYFLAG confirm\nBATTERYLEVEL 60\nMINUTES 3\n");
    assert!(
        confirm.contains(&format!(
            "{says}, and the charge is 60 percent or less, the runtime 5 minutes or less, or one of the two unknown, \
             implausible or unchanged for a minute (LOWBATTERYFLAG confirm)\n"
        )),
        "{confirm}"
    );
    let ignore = told("LOWBATTERYFLAG ignore\n");
    assert!(!ignore.contains(says), "{ignore}");
    assert!(
        ignore.contains("not when the UPS says that its battery is exhausted (LOWBATTERYFLAG ignore)\n"),
        "{ignore}"
    );
}

#[test]
fn why_it_is_this_file_stands_below_its_name() {
    let parsed = parse(b"UPSTYPE usb", "/etc/apcupsd/apcupsd.conf");
    let text = report(&parsed, Some("(there is no other)"), &[], &ways());
    assert!(
        text.starts_with("Effective values of /etc/apcupsd/apcupsd.conf\n(there is no other)\n\n"),
        "{text}"
    );
    let text = report(&parsed, None, &[], &ways());
    assert!(text.starts_with("Effective values of /etc/apcupsd/apcupsd.conf\n\n"), "{text}");
}

#[test]
fn a_passphrase_is_not_shown() {
    let text = report(&parse(b"UPSTYPE pcnet\nDEVICE 10.0.0.1:apc:geheim:3052", "t"), None, &[], &ways());
    assert!(!text.contains("geheim") && text.contains("10.0.0.1:apc:***"), "{text}");
    let text = report(&parse(b"UPSTYPE snmp\nDEVICE card:161:APC:geheim", "t"), None, &[], &ways());
    assert!(!text.contains("geheim") && text.contains("card:161:APC:***"), "{text}");
    let text = report(&parse(b"UPSTYPE snmp\nDEVICE [fd00::7]:161:APC:geheim", "t"), None, &[], &ways());
    assert!(!text.contains("geheim") && text.contains("[fd00::7]:161:APC:***"), "{text}");
}

#[test]
fn warnings_of_the_surroundings_stand_with_those_of_the_file() {
    let parsed = parse(b"UPSTYPE usb\nSCRIPTDIR /nonexistent", "t");
    let text = report(&parsed, None, &surroundings::examine(&parsed, &ways()), &ways());
    assert!(
        text.contains("\nWarnings\n\n  t:2: SCRIPTDIR: /nonexistent/apccontrol does not exist"),
        "{text}"
    );
    assert!(text.contains("mainsd starts with this file.\n"), "{text}");
}

#[test]
fn every_directive_explains_itself() {
    for directive in directives::all() {
        let text = explanation(directive);
        assert!(text.lines().all(|line| line.chars().count() <= 80) && !text.contains('`'), "{text}");
        let on_one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [directive.doc, &directive.reason(), directive.compat] {
            let part = part.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(on_one_line.contains(&part), "{part}\nis not in\n{text}");
        }
    }
    assert!(explanation(directives::find("TIMEOUT").unwrap()).starts_with(
        "TIMEOUT\n  accepted  a whole number of seconds from 0 to 31536000, or -1 for off\n  default   0\n  example   TIMEOUT 600\n\n"
    ));
}
