//! Events file, status file, syslog. Source: config §3 "NIS, events, logging", §8.

use super::{BASE, Below, DAY, Directive, Kind, Unit, YEAR, duration, said, seconds, whole_seconds};
use crate::config::enums::Facility;

pub(super) const RECORDS: &[Directive] = &[
    Directive {
        name: "EVENTSFILE",
        kind: Kind::File { get: |c| &c.events_file, put: |c, v| c.events_file = v },
        shipped: Some("/var/log/apcupsd.events"),
        blank: "(none)",
        doc: said(
            "The file that each event is added to, one a line with its time. Clients that ask for events get its last lines. \
              Blank: none.",
        ),
        why: said(
            "As in apcupsd; but it is the first thing to read after an outage, and what `mainsd events` shows.",
        ),
        compat: said(""),
        example: "/var/log/apcupsd.events",
        ..BASE
    },
    Directive {
        name: "EVENTSFILEMAX",
        kind: Kind::Number {
            unit: Unit::Kibibytes,
            min: 0,
            max: 1_048_576,
            below: Below::Smallest,
            get: |c| i64::try_from(c.events_file_max).unwrap_or(i64::MAX),
            put: |c, n| c.events_file_max = u64::try_from(n).unwrap_or(0),
        },
        default: "10",
        zero: "unlimited",
        doc: said(
            "When the events file has grown beyond this, its oldest lines are removed until four fifths of it are left. 0: it \
              grows for ever.",
        ),
        why: said("10 KiB hold some 150 events: years, in most places."),
        compat: said("Negative numbers are taken as 0."),
        example: "100",
        ..BASE
    },
    Directive {
        name: "FACILITY",
        kind: Kind::Word {
            words: Facility::words,
            get: |c| c.facility.word(),
            put: |c, w| match Facility::from_word(w) {
                Some(value) => {
                    c.facility = value;
                    true
                }
                None => false,
            },
            hint: |_| None,
        },
        default: "daemon",
        doc: said("The syslog facility of all that mainsd logs."),
        why: said("It is a daemon."),
        compat: said(""),
        example: "local0",
        ..BASE
    },
    Directive {
        name: "STATTIME",
        kind: seconds(
            0,
            DAY,
            Below::Smallest,
            |c| whole_seconds(c.stat_time),
            |c, n| c.stat_time = duration(n),
        ),
        default: "0",
        zero: "off",
        doc: said(
            "How often STATFILE is written. 0: never; a file left from earlier is then removed at the start. While it is not \
              0, the UPS is asked at least this often.",
        ),
        why: said("0: asking port 3551 is fresher and costs no disk."),
        compat: said("Negative numbers are taken as 0."),
        example: "60",
        ..BASE
    },
    Directive {
        name: "STATFILE",
        kind: Kind::File { get: |c| &c.stat_file, put: |c, v| c.stat_file = v },
        blank: "(none)",
        doc: said(
            "The file that the status is written to every STATTIME seconds, in the words of `mainsd status`. Blank: none.",
        ),
        why: said("Not set: needs STATTIME to be of use."),
        compat: said(
            "Replaced as a whole, so that a reader never sees half of it; apcupsd leaves the end of a longer one behind.",
        ),
        example: "/var/log/apcupsd.status",
        ..BASE
    },
    Directive {
        name: "LOGSTATS",
        kind: Kind::Switch { get: |c| c.log_stats, put: |c, v| c.log_stats = v },
        default: "off",
        doc: said("Whether each line of the status is also logged, every STATTIME seconds."),
        why: said("Off: it fills the log, and the events file with it."),
        compat: said(""),
        example: "off",
        ..BASE
    },
    Directive {
        name: "DATATIME",
        kind: seconds(
            0,
            YEAR,
            Below::Smallest,
            |c| whole_seconds(c.data_time),
            |c, n| c.data_time = duration(n),
        ),
        default: "0",
        zero: "off",
        doc: said(
            "How often one line of comma-separated measured values is logged, at priority info. 0: never. While it is not 0, \
              the UPS is asked at least this often.",
        ),
        why: said("0: graphs are better drawn by a client of port 3551."),
        compat: said("Negative numbers are taken as 0."),
        example: "300",
        ..BASE
    },
];
