//! Tests that take about a minute because the program waits so long. The harness begins tests in the order of their names, so that
//! these are begun first; one begun last would be waited for alone.

use crate::pcnet::Stage;
use crate::support::TIMEOUT;

#[test]
fn a_network_card_that_falls_silent_is_lost_and_found_again() {
    let stage = Stage::new();
    let daemon = stage.daemon(|setup| setup);
    stage.card.unit().silent = true;
    daemon.wait_for_status(|status| status.is("STATUS", "COMMLOST"), 10 * TIMEOUT);
    daemon.wait_for_hook("commfailure", TIMEOUT);
    stage.card.unit().silent = false;
    daemon.wait_for_hook("commok", TIMEOUT);
}
