//! The port itself, in a build without simple signalling.

use super::desk::Desk;
use super::menu::Look;
use crate::program::daemon::Options;

const WORDS: &str = "this build of mainsd has no driver for that (feature 'dumb')";

/// Nothing.
#[derive(Default)]
pub struct Seen;

impl Seen {
    /// Says that there is none.
    #[allow(clippy::unnecessary_wraps, reason = "as where there is one")]
    pub fn look(&self, desk: &mut Desk, _: &Options, _: Look) -> Option<()> {
        self.guess(desk);
        Some(())
    }

    /// Says that there is none.
    pub fn guess(&self, desk: &mut Desk) {
        desk.say(WORDS);
    }
}

/// Says that there is none.
#[allow(clippy::unnecessary_wraps, reason = "as where there is one")]
pub fn by_hand(desk: &mut Desk, _: &Options) -> Option<()> {
    desk.say(WORDS);
    Some(())
}
