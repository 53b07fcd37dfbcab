//! A build without the control socket, whose way the orders of SELFTESTSCHEDULE go: there are none.

use std::time::Instant;

/// No tests.
#[derive(Debug, Default)]
pub struct SelfTests;

impl SelfTests {
    /// It has no deadlines.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Nothing begins anew.
    pub fn slept(&mut self) {}
}
