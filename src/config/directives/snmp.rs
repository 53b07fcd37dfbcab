//! SNMP, as far as DEVICE does not say it. All of it is of mainsd alone; apcupsd speaks v1.

use super::{BASE, Directive, Idle, Kind, Reload, said};
use crate::drivers::{DeviceForm, SNMP_AUTHS, SNMP_LEVELS, SNMP_PRIVS, SNMP_VERSIONS};

const ONLY_WITH_SNMP: Idle =
    Idle { with: |driver| driver.device != DeviceForm::Snmp, because: "only UPSTYPE snmp looks at it" };

/// One word of a list of [`crate::drivers`].
macro_rules! listed {
    ($field:ident, $words:ident) => {
        Kind::Word {
            words: || $words.to_vec(),
            get: |c| c.snmp.$field,
            put: |c, word| {
                let found = $words.into_iter().find(|it| it.eq_ignore_ascii_case(word));
                c.snmp.$field = found.unwrap_or(c.snmp.$field);
                found.is_some()
            },
            hint: |_| None,
        }
    };
}

const SNMP_BASE: Directive = Directive { idle: ONLY_WITH_SNMP, reload: Reload::Restart, ..BASE };

pub(super) const SNMP: &[Directive] = &[
    Directive {
        name: "SNMPVERSION",
        kind: listed!(version, SNMP_VERSIONS),
        default: "auto",
        doc: said(
            "The version of SNMP. `auto`: `2c`, and `1` where that is not answered; both have a community that everybody on the way can \
              read. `3`: with an account, whose messages are signed and encrypted as SNMPLEVEL says.",
        ),
        why: said("Version 3 needs an account in the card, which nobody can guess."),
        compat: said("New. apcupsd speaks version 1 alone."),
        example: "3",
        ..SNMP_BASE
    },
    Directive {
        name: "SNMPUSER",
        kind: Kind::Text { what: "user name", max: 32, get: |c| &c.snmp.user, put: |c, v| c.snmp.user = v },
        doc: said(
            "The name of the account in the card, with `SNMPVERSION 3`. It must be allowed to write if the card is to kill the power.",
        ),
        why: said("Not set: it is made in the card's own pages."),
        compat: said("New."),
        example: "ups",
        ..SNMP_BASE
    },
    Directive {
        name: "SNMPLEVEL",
        kind: listed!(level, SNMP_LEVELS),
        default: "authPriv",
        doc: said(
            "What is done to messages of version 3. `noAuthNoPriv`: nothing. `authNoPriv`: they are signed. `authPriv`: they are \
              encrypted too. The card must have the same for the account.",
        ),
        why: said("Whoever can sign can cut the power, and whoever can read learns what the card says."),
        compat: said("New."),
        example: "authNoPriv",
        ..SNMP_BASE
    },
    Directive {
        name: "SNMPAUTH",
        kind: listed!(auth, SNMP_AUTHS),
        default: "SHA",
        doc: said(
            "How messages of version 3 are signed: HMAC with this hash. `SHA` is SHA-1. The card must have the same for the account; take \
              the longest that it offers.",
        ),
        why: said("Every card of today has it."),
        compat: said("New."),
        example: "SHA256",
        ..SNMP_BASE
    },
    Directive {
        name: "SNMPPRIV",
        kind: listed!(privacy, SNMP_PRIVS),
        default: "AES",
        doc: said(
            "How messages of version 3 are encrypted. `AES`: with 128 bits. `DES`: for old cards that know nothing else; it is weak. AES of \
              192 or 256 bits is in no standard, and not spoken.",
        ),
        why: said("DES has been broken for long."),
        compat: said("New."),
        example: "DES",
        ..SNMP_BASE
    },
    Directive {
        name: "SNMPSECRETS",
        kind: Kind::File { get: |c| &c.snmp.secrets, put: |c, v| c.snmp.secrets = v },
        doc: said(
            "The file with the pass phrases of the account: a line `auth PHRASE`, and with `SNMPLEVEL authPriv` a line `priv PHRASE`, of 8 \
              characters or more each. `#` begins a comment line. It is read at the start, by root; let nobody else read it (`chmod 600`). \
              No pass phrase is in a log or in the output of `mainsd check`.",
        ),
        why: said("In a file of their own, so that the configuration can be shown to others."),
        compat: said("New."),
        example: "/etc/mainsd/snmp.secrets",
        ..SNMP_BASE
    },
];
