//! Colours and characters of the live view, and lines that never grow wider than the window.

use std::fmt::Write;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Escape sequences for colours are understood.
    pub colour: bool,
    /// Box drawing and block characters are shown; otherwise ASCII stands for them.
    pub unicode: bool,
}

/// The meaning of a piece of text, shown by its colour. Only the eight colours that every theme defines are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Ordinary text.
    Plain,
    /// Important text.
    Bold,
    /// Background text: labels, units, hints.
    Dim,
    /// All is well.
    Good,
    /// Worth a look: on battery.
    Warn,
    /// The end is near.
    Bad,
    /// Neither good nor bad: tests, commands to try.
    Note,
}

impl Ink {
    const fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "\x1b[1m",
            Self::Dim => "\x1b[90m",
            Self::Good => "\x1b[32m",
            Self::Warn => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Note => "\x1b[36m",
        }
    }
}

/// One line of the view: text is cut at its width, escape sequences not counted. Each character takes one column.
#[derive(Clone, Debug)]
pub struct Line {
    text: String,
    used: usize,
    width: usize,
    style: Style,
}

impl Line {
    /// An empty line of at most `width` columns.
    #[must_use]
    pub fn new(width: usize, style: Style) -> Self {
        Self { text: String::new(), used: 0, width, style }
    }

    /// Adds text.
    #[must_use]
    pub fn put(mut self, ink: Ink, text: &str) -> Self {
        let room = self.width.saturating_sub(self.used);
        let shown: String = text.chars().map(printable).take(room).collect();
        if shown.is_empty() {
            return self;
        }
        self.used += shown.chars().count();
        if self.style.colour && ink != Ink::Plain {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "{}{shown}\x1b[0m", ink.sequence());
        } else {
            self.text.push_str(&shown);
        }
        self
    }

    /// Adds text in its colour and bold.
    #[must_use]
    pub fn strong(mut self, ink: Ink, text: &str) -> Self {
        if self.style.colour && self.room() > 0 && ink != Ink::Plain && !text.is_empty() {
            self.text.push_str(Ink::Bold.sequence());
        }
        self.put(ink, text)
    }

    /// Adds spaces up to this column.
    #[must_use]
    pub fn to(mut self, column: usize) -> Self {
        let column = column.min(self.width);
        while self.used < column {
            self.text.push(' ');
            self.used += 1;
        }
        self
    }

    /// Adds text so that it ends at the right edge, if there is room for it with a space before it.
    #[must_use]
    pub fn right(self, ink: Ink, text: &str) -> Self {
        let count = text.chars().count();
        match self.width.checked_sub(count) {
            Some(column) if column > self.used => self.to(column).put(ink, text),
            _ => self,
        }
    }

    /// Columns left.
    #[must_use]
    pub fn room(&self) -> usize {
        self.width.saturating_sub(self.used)
    }

    /// The finished text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }
}

/// Names come from outside: a control character must not reach the terminal.
fn printable(c: char) -> char {
    if crate::ups::is_unsafe(c) { '?' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOUR: Style = Style { colour: true, unicode: true };
    const PLAIN: Style = Style { colour: false, unicode: true };

    #[test]
    fn text_is_cut_at_the_width_and_colours_do_not_count() {
        let line = Line::new(6, COLOUR).put(Ink::Good, "abcd").put(Ink::Plain, "efgh");
        assert_eq!(line.into_text(), "\x1b[32mabcd\x1b[0mef");
        assert_eq!(Line::new(0, COLOUR).put(Ink::Good, "x").into_text(), "");
    }

    #[test]
    fn text_at_the_right_edge_gives_way_when_there_is_no_room() {
        assert_eq!(Line::new(8, PLAIN).put(Ink::Plain, "ab").right(Ink::Dim, "cde").into_text(), "ab   cde");
        assert_eq!(Line::new(5, PLAIN).put(Ink::Plain, "ab").right(Ink::Dim, "cde").into_text(), "ab");
        assert_eq!(Line::new(2, PLAIN).right(Ink::Dim, "cde").into_text(), "");
    }

    #[test]
    fn control_characters_from_outside_do_not_reach_the_terminal() {
        assert_eq!(Line::new(9, PLAIN).put(Ink::Plain, "a\x1b[2Jb\n").into_text(), "a?[2Jb?");
    }
}
