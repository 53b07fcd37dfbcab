//! Port 3551. Source: config §3 "NIS, events, logging"; NISUDP, NISALLOW and NISMAXCLIENTS are directives of mainsd alone.

use super::{BASE, Below, Directive, Kind, Unit, said};

pub(super) const NETWORK: &[Directive] = &[
    Directive {
        name: "NETSERVER",
        kind: Kind::Switch { get: |c| c.net_server, put: |c, v| c.net_server = v },
        default: "on",
        doc: said(
            "Whether status and events are served to `apcaccess`, to network slaves and to other clients.",
        ),
        why: said("`apcaccess` needs it."),
        compat: said(""),
        example: "on",
        ..BASE
    },
    Directive {
        name: "NISIP",
        kind: Kind::Addresses { get: |c| &c.nis_ip, put: |c, v| c.nis_ip = v },
        default: "127.0.0.1 ::1",
        doc: said(
            "The addresses of this machine to listen on. With `0.0.0.0 ::` other machines can ask, as far as NISALLOW lets \
              them.",
        ),
        why: said("Only this machine: whether others may look is for you to decide."),
        compat: said(
            "Several addresses and IPv6 are new. A file without the line listens on this machine only, where apcupsd \
                 listens on all its addresses; and what is no address is an error, where apcupsd warns and listens on all.",
        ),
        example: "0.0.0.0 ::",
        ..BASE
    },
    Directive {
        name: "NISPORT",
        kind: Kind::Number {
            unit: Unit::Port,
            min: 1,
            max: 65535,
            below: Below::Refused,
            get: |c| c.nis_port.into(),
            put: |c, n| c.nis_port = u16::try_from(n).unwrap_or(3551),
        },
        default: "3551",
        doc: said("The port to listen on, and the default port for UPSTYPE `net`."),
        why: said("The number registered for it."),
        compat: said(""),
        example: "3551",
        ..BASE
    },
    Directive {
        name: "NISUDP",
        kind: Kind::Switch { get: |c| c.nis_udp, put: |c, v| c.nis_udp = v },
        default: "on",
        doc: said("Whether a datagram `status` or `events` to the same port is answered, with one datagram."),
        why: said(
            "On: only sources in NISALLOW are answered, each at most 10 times and with 16 kilobytes a second.",
        ),
        compat: said("New. apcupsd never answered on UDP."),
        example: "off",
        ..BASE
    },
    Directive {
        name: "NISALLOW",
        kind: Kind::Networks { get: |c| &c.nis_allow, put: |c, v| c.nis_allow = v },
        default: "127.0.0.0/8 ::1 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 fe80::/10 fc00::/7",
        doc: said(
            "Who is answered: addresses, and networks as `address/bits`. Everybody else is turned away, with a line in the \
              log. `0.0.0.0/0 ::/0` is everybody. An IPv4 client of an IPv6 socket counts as IPv4.",
        ),
        why: said(
            "This machine, and the networks that are private by their number: a status never leaves the site by mistake.",
        ),
        compat: said(
            "New. apcupsd answers everybody, or asks `hosts.allow` and `hosts.deny`, which mainsd does not read: `mainsd check` \
              says their rules for apcupsd as a line for NISALLOW, as long as that is not set.",
        ),
        example: "127.0.0.1 ::1 192.168.7.0/24",
        ..BASE
    },
    Directive {
        name: "NISMAXCLIENTS",
        kind: Kind::Number {
            unit: Unit::Clients,
            min: 1,
            max: 65536,
            below: Below::Refused,
            get: |c| i64::try_from(c.nis_max_clients).unwrap_or(i64::MAX),
            put: |c, n| c.nis_max_clients = usize::try_from(n).unwrap_or(1),
        },
        default: "512",
        doc: said(
            "How many clients may be connected at once. One more, and the connection that has been idle longest is closed. \
              Never more than the limit of open files allows, with a reserve for the UPS, the hooks and the log.",
        ),
        why: said("512 clients cost less than half a megabyte."),
        compat: said("New. apcupsd has no limit, and a thread for each client."),
        example: "1000",
        ..BASE
    },
];
