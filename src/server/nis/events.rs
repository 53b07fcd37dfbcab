//! The answer to `events`: the end of the events file (nis §6).

use std::rc::Rc;

use crate::wire::nis::{END, MAX_EVENT, MAX_EVENTS, MAX_EVENTS_FILE_END, NOT_AVAILABLE, push_frame};

/// The end of the events file, in memory: no client has a file opened or read.
#[derive(Debug, Default)]
pub struct EventsTail {
    /// Whole lines, [`MAX_EVENTS_FILE_END`] bytes at most.
    lines: Vec<u8>,
    /// There is, or will be, such a file.
    available: bool,
    /// The file is being read anew: what comes of it, and where the lines begin that came since it was asked for.
    anew: Option<(Vec<u8>, usize)>,
}

impl EventsTail {
    /// The tail of a file that ends in these whole lines; `None`: there is no file.
    #[must_use]
    pub fn new(end: Option<Vec<u8>>) -> Self {
        let mut tail = Self { available: end.is_some(), lines: end.unwrap_or_default(), anew: None };
        tail.bound();
        tail
    }

    /// A record was written to the file.
    pub fn push(&mut self, record: &str) {
        self.available = true;
        self.lines.extend_from_slice(record.as_bytes());
        self.bound();
    }

    /// The file is read anew, or another one; [`EventsTail::take_piece`] follows. Until then the answer stays as it is.
    pub fn await_file(&mut self) {
        self.anew = Some((Vec::new(), self.lines.len()));
    }

    /// Takes a piece of the file's end.
    pub fn take_piece(&mut self, bytes: &[u8], first: bool, last: bool, found: bool) {
        let Some((end, since)) = &mut self.anew else { return };
        if first {
            end.clear();
        }
        if end.len() + bytes.len() <= MAX_EVENTS_FILE_END {
            end.extend_from_slice(bytes);
        }
        if last {
            let came_since = self.lines.get(*since..).unwrap_or_default();
            self.available = found || !came_since.is_empty();
            end.extend_from_slice(came_since);
            self.lines = std::mem::take(end);
            self.anew = None;
            self.bound();
        }
    }

    /// Drops the oldest lines.
    fn bound(&mut self) {
        let Some(excess) = self.lines.len().checked_sub(MAX_EVENTS_FILE_END) else { return };
        // One byte earlier: if that ends a line, the one after it is whole.
        let from = excess.saturating_sub(1);
        let after = self.lines.get(from..).unwrap_or_default();
        let newline = after.iter().position(|&byte| byte == b'\n');
        let dropped = if excess == 0 { 0 } else { newline.map_or(excess, |at| from + at + 1) };
        self.lines.drain(..dropped);
        if let Some((_, since)) = &mut self.anew {
            *since = since.saturating_sub(dropped);
        }
    }

    /// The framed answer to `events`; `Not available` if there is no events file.
    #[must_use]
    pub fn answer(&self) -> Rc<[u8]> {
        if self.available { Rc::from(frames(&self.lines)) } else { Rc::from(NOT_AVAILABLE) }
    }
}

/// The last [`MAX_EVENTS`] chunks of these lines, framed.
fn frames(lines: &[u8]) -> Vec<u8> {
    let lines = without_controls(lines);
    let chunks = || lines.split_inclusive(|&b| b == b'\n').flat_map(|line| line.chunks(MAX_EVENT));
    let skip = chunks().count().saturating_sub(MAX_EVENTS);
    let mut out = Vec::with_capacity(lines.len() + 2 * MAX_EVENTS + END.len());
    for chunk in chunks().skip(skip) {
        push_frame(&mut out, chunk);
    }
    out.extend_from_slice(&END);
    out
}

/// The same bytes with a blank for each that a client must not get: clients cut the stream at NUL (nis §8), which a crash can
/// leave in the file, and show the rest on terminals, which obey escapes; those that other programs, or older ones of ours,
/// wrote into the file too. Newlines and tabs stay, and what is a control character only as a byte of Latin-1, for it may be
/// a byte of UTF-8.
fn without_controls(lines: &[u8]) -> Vec<u8> {
    let mut bytes = lines.to_vec();
    for at in 0..bytes.len() {
        let (Some(&byte), next) = (bytes.get(at), bytes.get(at + 1).copied()) else { break };
        let single = byte < b' ' && byte != b'\n' && byte != b'\t' || byte == 0x7f;
        // U+0080 to U+009F in UTF-8.
        let pair = byte == 0xc2 && next.is_some_and(|next| (0x80..0xa0).contains(&next));
        if single || pair {
            bytes.get_mut(at..=at + usize::from(pair)).unwrap_or_default().fill(b' ');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::nis::{Frame, parse_frame};

    fn payloads(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some((Frame::Record(record), size)) = parse_frame(bytes, 1000).unwrap() {
            found.push(record.to_vec());
            bytes = &bytes[size..];
        }
        assert_eq!(bytes, END);
        found
    }

    #[test]
    fn the_recorded_answer_comes_from_the_recorded_lines() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/nis/events.bin");
        let recorded = std::fs::read(path).unwrap();
        let file = payloads(&recorded).concat();
        assert_eq!(frames(&file), recorded);
    }

    #[test]
    fn a_long_line_becomes_chunks_of_255_bytes() {
        let mut file = vec![b'x'; 627];
        file.push(b'\n');
        let sizes: Vec<usize> = payloads(&frames(&file)).iter().map(Vec::len).collect();
        assert_eq!(sizes, [255, 255, 118]);
    }

    #[test]
    fn the_last_fifty_chunks_are_sent_oldest_first() {
        let file: String = (0..80).map(|n| format!("line {n}\n")).collect();
        let sent = payloads(&frames(file.as_bytes()));
        assert_eq!(sent.len(), 50);
        assert_eq!((&sent[0][..], &sent[49][..]), (&b"line 30\n"[..], &b"line 79\n"[..]));
    }

    #[test]
    fn a_last_line_without_newline_is_sent_without_one_and_nul_never() {
        assert_eq!(payloads(&frames(b"one\nt\0o")), [b"one\n".to_vec(), b"t o".to_vec()]);
        assert_eq!(frames(b""), END);
    }

    #[test]
    fn what_a_terminal_would_obey_is_sent_as_blanks() {
        let file = "a\u{1b}[2J\tb\r\nB\u{fc}ro \u{9b}31m\u{7f}\n".as_bytes();
        let expected = "a [2J\tb \nB\u{fc}ro   31m \n";
        assert_eq!(payloads(&frames(file)).concat(), expected.as_bytes());
        assert_eq!(payloads(&frames(b"\xc2")), [b"\xc2".to_vec()]);
    }

    fn sent(tail: &EventsTail) -> Vec<String> {
        payloads(&tail.answer())
            .iter()
            .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
            .collect()
    }

    #[test]
    fn without_a_file_there_is_no_answer_until_something_was_written() {
        let mut tail = EventsTail::default();
        assert_eq!(&tail.answer()[..], NOT_AVAILABLE);
        tail.push("one\n");
        assert_eq!(sent(&tail), ["one"]);
        assert_eq!(sent(&EventsTail::new(Some(Vec::new()))), [""; 0], "an empty file");
    }

    #[test]
    fn the_tail_is_bounded_and_begins_at_a_line() {
        let mut tail = EventsTail::default();
        for n in 0..20_000 {
            tail.push(&format!("2026-11-21 04:10:48 +0100  line {n}\n"));
            assert!(tail.lines.len() <= MAX_EVENTS_FILE_END && tail.lines.starts_with(b"2026-"), "{n}");
        }
        assert!(tail.lines.len() > MAX_EVENTS_FILE_END - 100);
        assert_eq!(sent(&tail).len(), 50);
        assert_eq!(sent(&tail)[49], "2026-11-21 04:10:48 +0100  line 19999");
        tail.push(&format!("{}\n", "x".repeat(2 * MAX_EVENTS_FILE_END)));
        assert!(tail.lines.len() <= MAX_EVENTS_FILE_END);
    }

    #[test]
    fn a_file_that_is_read_anew_takes_the_place_of_the_lines_before_and_not_of_those_since() {
        let mut tail = EventsTail::new(Some(b"old\n".to_vec()));
        tail.take_piece(b"nobody asked\n", true, true, true);
        tail.await_file();
        tail.push("since\n");
        tail.take_piece(b"half of it, and the wr", true, false, true);
        assert_eq!(sent(&tail), ["old", "since"]);
        // The writer was started anew.
        tail.take_piece(b"in the ", true, false, true);
        tail.take_piece(b"file\n", false, true, true);
        assert_eq!(sent(&tail), ["in the file", "since"]);
        tail.await_file();
        tail.take_piece(b"", true, true, false);
        assert_eq!(&tail.answer()[..], NOT_AVAILABLE);
        // What was dropped meanwhile is not counted twice.
        tail.push("before\n");
        tail.await_file();
        for n in 0..2000 {
            tail.push(&format!("since, number {n}\n"));
        }
        tail.take_piece(b"in the file\n", true, true, true);
        assert!(tail.lines.ends_with(b"since, number 1999\n") && tail.lines.len() <= MAX_EVENTS_FILE_END);
        assert!(!tail.lines.starts_with(b"before"));
    }
}
