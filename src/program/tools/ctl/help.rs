//! What `mainsd ctl` says about itself and each order.

use crate::wire::control::{Argument, ORDERS, Right, Row, When};

/// The help text.
#[must_use]
pub fn usage() -> String {
    let mut text = String::from(
        "usage: mainsd ctl [-f FILE] [--json] ORDER\n\
         Gives the UPS or the daemon an order, and says what came of it. Where no daemon runs, the UPS is opened for it.\n\
         \n\
         orders:\n",
    );
    for row in ORDERS {
        text.push_str(&format!("  {:<28} {}\n", form(row), row.help));
    }
    text.push_str(
        "\n\
         \x20 -f, --config-file FILE       configuration (default /etc/mainsd/mainsd.conf, else /etc/apcupsd/apcupsd.conf)\n\
         \x20     --json                   print JSON\n\
         \x20 -h, --help                   this text; 'mainsd ctl help ORDER' is about one order\n\
         \n\
         Exit status: 0 done, 1 refused, 2 no such order, 3 no daemon or the UPS does not answer.\n\
         See mainsd-control(7).\n",
    );
    text
}

/// The text about the orders that begin with these words; without words, about all.
pub(super) fn about(words: &str) -> Result<String, String> {
    if words.is_empty() {
        return Ok(usage());
    }
    let begins = |row: &&Row| row.words == words || row.words.starts_with(&format!("{words} "));
    let text: String = ORDERS.iter().filter(begins).map(describe).collect();
    if text.is_empty() {
        Err(format!("no such order '{words}' ('mainsd ctl help' lists them)"))
    } else {
        Ok(text)
    }
}

fn form(row: &Row) -> String {
    let argument = match row.argument {
        Argument::None => "",
        Argument::Wait => " [--wait]",
        Argument::Yes => " --yes",
        Argument::Value => " [VALUE]",
        Argument::Group => " NUMBER --yes",
    };
    format!("{}{argument}", row.words)
}

fn describe(row: &Row) -> String {
    let who = match (row.right, row.argument) {
        (Right::Read, _) => "everybody who may use the control socket",
        (Right::Group, Argument::Value) => {
            "root and CONTROLGROUP; everybody who may use the socket sees the value"
        }
        (Right::Group, _) => "root and CONTROLGROUP",
        (Right::Root, _) => "root",
    };
    let when = match row.when {
        When::Always => "always",
        When::Calm => "not on battery, in a test, or with a shutdown decided",
        When::NoDaemon => "only while no daemon runs",
    };
    format!("mainsd ctl {}\n    {}\n    who: {who}\n    when: {when}\n", form(row), row.help)
}
