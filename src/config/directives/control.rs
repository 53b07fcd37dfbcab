//! The control socket. Its directives are of mainsd alone.

use super::{BASE, Directive, Kind, Reload, said};

pub(super) const CONTROL: &[Directive] = &[
    Directive {
        name: "CONTROLSOCKET",
        kind: Kind::File { get: |c| &c.control_socket, put: |c, v| c.control_socket = v },
        default: "/run/mainsd/control",
        blank: "off",
        reload: Reload::Restart,
        doc: said(
            "The socket by which `mainsd ctl` orders a self test, changes a setting of the UPS, or shuts this machine down; its \
              orders are in mainsd-control(7). `off`: none. With the default, the daemon of another configuration than \
              `/etc/mainsd/mainsd.conf` has one of its own beside it: that of `/etc/mainsd/rack.conf` is \
              `/run/mainsd/control-rack`. A file that a daemon left behind is replaced, one that is in use is not.",
        ),
        why: said(
            "Only root can use it, until CONTROLGROUP says otherwise; nothing outside of this machine can.",
        ),
        compat: said("New. apcupsd has to be stopped, and apctest does such things then."),
        example: "/run/ups/control",
        ..BASE
    },
    Directive {
        name: "CONTROLGROUP",
        kind: Kind::Text {
            what: "group",
            max: 64,
            get: |c| &c.control_group,
            put: |c, v| c.control_group = v,
        },
        blank: "(root only)",
        reload: Reload::Restart,
        doc: said(
            "The group whose members may use the socket beside root: all orders that are about the UPS. `shutdown now`, \
              `shutdown cancel`, `reload` and `record` stay root's. A group that does not exist is a warning, and the socket is \
              root's alone.",
        ),
        why: said("Not set: who may order the UPS about is for you to decide."),
        compat: said("New."),
        example: "adm",
        ..BASE
    },
];
