//! The terminal during the live view: taken over at the start, given back in whatever way the view ends.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use super::style::Style;
use super::view::Size;
use crate::sys::terminal::{END, Unechoed, size};

/// Alternate screen, no cursor, no wrapping of lines.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// The reverse.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// The terminal, taken over. Dropped, it is as before.
#[derive(Debug)]
pub struct Screen {
    style: Style,
    shown: Vec<String>,
    keys: Option<Unechoed>,
}

impl Screen {
    /// Takes the terminal over; `None` if standard output is none that can show the view.
    #[must_use]
    pub fn take() -> Option<Self> {
        if !io::stdout().is_terminal() || !wanted(|name| std::env::var(name).ok()) {
            return None;
        }
        let style = Style { colour: true, unicode: speaks_utf8(|name| std::env::var(name).ok()) };
        write(ENTER).ok()?;
        Some(Self { style, shown: Vec::new(), keys: Unechoed::new(io::stdin().as_fd()) })
    }

    /// Whether the user has typed `q`, or the end of input.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        let Some(keys) = &self.keys else { return false };
        // Bounded, should a terminal send without end.
        (0..64).map_while(|_| keys.typed()).any(|byte| matches!(byte, b'q' | b'Q' | END))
    }

    /// What the terminal can show.
    #[must_use]
    pub const fn style(&self) -> Style {
        self.style
    }

    /// The present size of the window.
    #[must_use]
    pub fn size(&self) -> Size {
        size(io::stdout().as_fd()).unwrap_or((80, 24))
    }

    /// Shows these lines, if they are not what is shown already.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn paint(&mut self, lines: Vec<String>) -> io::Result<()> {
        if lines == self.shown {
            return Ok(());
        }
        write(&frame(&lines))?;
        self.shown = lines;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write(LEAVE);
    }
}

/// One write for a frame; lines are overwritten in place and cleared to their end, so that nothing flickers.
fn frame(lines: &[String]) -> String {
    let mut text = String::from("\x1b[H");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            text.push_str("\r\n");
        }
        text.push_str(line);
        text.push_str("\x1b[K");
    }
    text.push_str("\x1b[J");
    text
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether the user's environment lets escape sequences be written (no-color.org).
fn wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Whether characters beyond ASCII will show: not if the locale is set (the first of these, POSIX) to one without UTF-8,
/// nor on a console whose font has few glyphs. Containers often set none, on terminals that can.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let locale = locale.map(|locale| locale.to_ascii_lowercase());
    let console = set("TERM").is_some_and(|term| term == "linux" || term.starts_with("vt"));
    !console && locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        move |name| variables.iter().find(|(its, _)| *its == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_environment_may_decline_the_view() {
        assert!(wanted(with(&[("TERM", "xterm")])));
        assert!(wanted(with(&[("TERM", "xterm"), ("NO_COLOR", "")])));
        assert!(!wanted(with(&[("TERM", "xterm"), ("NO_COLOR", "1")])));
        assert!(!wanted(with(&[("TERM", "dumb")])));
        assert!(!wanted(with(&[])));
    }

    #[test]
    fn the_locale_decides_about_characters_beyond_ascii() {
        assert!(speaks_utf8(with(&[("LANG", "de_DE.UTF-8")])));
        assert!(speaks_utf8(with(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")])));
        assert!(!speaks_utf8(with(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])));
        assert!(speaks_utf8(with(&[("TERM", "xterm")])));
        assert!(!speaks_utf8(with(&[("TERM", "linux"), ("LANG", "C.UTF-8")])));
    }

    #[test]
    fn a_frame_clears_what_it_does_not_cover() {
        let lines = ["ab".to_owned(), String::new()];
        assert_eq!(frame(&lines), "\x1b[Hab\x1b[K\r\n\x1b[K\x1b[J");
    }
}
