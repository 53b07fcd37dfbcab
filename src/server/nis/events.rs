//! The answer to `events`: the end of the events file (nis §6).

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use crate::sys::trust;
use crate::wire::nis::{END, MAX_EVENT, MAX_EVENTS, NOT_AVAILABLE, push_frame};

/// How much of the file's end is read: all that an answer can hold, and some more to find the beginning of a line.
const TAIL: u64 = 16 * 1024;

/// The framed answer to `events` from this file; `Not available` if there is none or it cannot be read. The file is
/// read anew each time, so one that was rotated or edited is answered as it is.
#[must_use]
pub fn events_answer(path: Option<&Path>) -> Rc<[u8]> {
    match path.map(read_tail) {
        Some(Ok((tail, whole))) => Rc::from(frames(&tail, whole)),
        Some(Err(_)) | None => Rc::from(NOT_AVAILABLE),
    }
}

/// The end of the file, and whether that is all of it.
fn read_tail(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    // Through a link of another user everybody could read whatever this daemon can.
    let mut file = trust::open_to_read(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let size = file.seek(SeekFrom::End(0))?;
    let start = size.saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    Ok((tail, start == 0))
}

/// The last [`MAX_EVENTS`] chunks of `tail`, framed. Unless it is the whole file, it begins within a line, which is left
/// out.
fn frames(tail: &[u8], whole: bool) -> Vec<u8> {
    let lines = if whole {
        tail
    } else {
        let line = tail.iter().position(|&b| b == b'\n').map_or(0, |end| end + 1);
        tail.get(line..).unwrap_or(tail)
    };
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
        assert_eq!(frames(&file, true), recorded);
    }

    #[test]
    fn a_long_line_becomes_chunks_of_255_bytes() {
        let mut file = vec![b'x'; 627];
        file.push(b'\n');
        let sizes: Vec<usize> = payloads(&frames(&file, true)).iter().map(Vec::len).collect();
        assert_eq!(sizes, [255, 255, 118]);
    }

    #[test]
    fn the_last_fifty_chunks_are_sent_oldest_first() {
        let file: String = (0..80).map(|n| format!("line {n}\n")).collect();
        let sent = payloads(&frames(file.as_bytes(), true));
        assert_eq!(sent.len(), 50);
        assert_eq!((&sent[0][..], &sent[49][..]), (&b"line 30\n"[..], &b"line 79\n"[..]));
    }

    #[test]
    fn a_last_line_without_newline_is_sent_without_one_and_nul_never() {
        assert_eq!(payloads(&frames(b"one\nt\0o", true)), [b"one\n".to_vec(), b"t o".to_vec()]);
        assert_eq!(frames(b"", true), END);
    }

    #[test]
    fn what_a_terminal_would_obey_is_sent_as_blanks() {
        let file = "a\u{1b}[2J\tb\r\nB\u{fc}ro \u{9b}31m\u{7f}\n".as_bytes();
        let expected = "a [2J\tb \nB\u{fc}ro   31m \n";
        assert_eq!(payloads(&frames(file, true)).concat(), expected.as_bytes());
        assert_eq!(payloads(&frames(b"\xc2", true)), [b"\xc2".to_vec()]);
    }

    #[test]
    fn a_tail_begins_at_a_line() {
        assert_eq!(payloads(&frames(b"half a line\nwhole\n", false)), [b"whole\n".to_vec()]);
    }

    #[test]
    fn what_is_not_a_file_is_not_available() {
        assert_eq!(&events_answer(None)[..], NOT_AVAILABLE);
        assert_eq!(&events_answer(Some(Path::new("/")))[..], NOT_AVAILABLE);
        assert_eq!(&events_answer(Some(Path::new("/nonexistent/apcupsd.events")))[..], NOT_AVAILABLE);
    }

    #[test]
    fn a_huge_file_is_read_at_its_end_only() {
        let path = std::env::temp_dir().join(format!("mainsd-events-{}", std::process::id()));
        let file: String = (0..20_000).map(|n| format!("2026-11-21 04:10:48 +0100  line {n}\n")).collect();
        std::fs::write(&path, &file).unwrap();
        let answer = events_answer(Some(&path));
        std::fs::remove_file(&path).unwrap();
        let sent = payloads(&answer);
        assert_eq!(sent.len(), 50);
        assert_eq!(sent[49], b"2026-11-21 04:10:48 +0100  line 19999\n");
    }
}
