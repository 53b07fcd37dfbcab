//! Cards on the network.

use std::time::Duration;

use super::found::{self, Found};
use crate::program::out::Out;

/// A card answers within so much.
const FIND: Duration = Duration::from_secs(30);

/// Asks a card by SNMP.
pub(super) fn ask(out: &mut Out<'_>, host: &str) -> Option<Found> {
    let device = host.to_owned();
    let mut ups = Found {
        name: String::new(),
        cable: "ether",
        ups_type: "snmp",
        among_others: host.to_owned(),
        device,
    };
    match found::ask(&ups, FIND) {
        Ok(identity) => {
            ups.name = format!("{} at {host}", found::name(&identity));
            out.line(&format!("SNMP {host}: a UPS: {}", found::name(&identity)));
            Some(ups)
        }
        Err(words) => {
            out.line(&format!("SNMP {host}: {words}"));
            None
        }
    }
}
