//! The port itself, in a build without simple signalling.

use super::console::Console;
use super::menu::Look;
use crate::program::daemon::Options;

const WORDS: &str = "this build of mainsd has no driver for that (feature 'dumb')";

/// Nothing.
#[derive(Default)]
pub struct Seen;

impl Seen {
    /// Says that there is none.
    #[allow(clippy::unnecessary_wraps, reason = "as where there is one")]
    pub fn look(&self, console: &mut Console, _: &Options, _: Look) -> Option<()> {
        self.guess(console);
        Some(())
    }

    /// Nothing.
    pub fn show(&self, _: &mut Console, _: &Options, _: &str) {}

    /// Says that there is none.
    pub fn guess(&self, console: &mut Console) {
        console.say(WORDS);
    }
}

/// Nothing.
pub const fn query(_: &mut Console, _: &Options) {}

/// Says that there is none.
#[allow(clippy::unnecessary_wraps, reason = "as where there is one")]
pub fn by_hand(console: &mut Console, _: &Options) -> Option<()> {
    console.say(WORDS);
    Some(())
}
