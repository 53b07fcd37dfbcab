//! What one writer has been told and has not yet done, numbered, and what it is still to be told.

use std::time::Instant;

use crate::wire::role::ToWriter;

/// Most that waits, in bytes with [`MESSAGE_OVERHEAD_BYTES`]: some 700 lines.
const MAX_WAITING: usize = 128 * 1024;
/// What a message costs beside its own bytes.
const MESSAGE_OVERHEAD_BYTES: usize = 80;

/// A message that is not done.
#[derive(Debug)]
struct Waiting {
    number: u64,
    packet: Box<[u8]>,
    kind: Kind,
    sent_at: Option<Instant>,
}

/// What messages have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A line: if there is no room it is lost, and counted.
    Line,
    /// A piece of a status text: a newer one comes.
    Status,
    /// The state: the newest counts, and has room always.
    Saved,
    /// The events file is to be told, as it is when that was last asked for.
    TellEvents,
    /// The events file is to be trimmed: once is enough.
    Once,
}

impl Kind {
    const fn of(message: &ToWriter<'_>) -> Self {
        match message {
            ToWriter::Line { .. } | ToWriter::Debug(_) => Self::Line,
            ToWriter::Status { .. } => Self::Status,
            ToWriter::Saved(_) => Self::Saved,
            ToWriter::TellEvents => Self::TellEvents,
            ToWriter::Trim => Self::Once,
        }
    }
}

/// The queue. Messages stay in it until they are done, so that they can be sent again to another writer.
#[derive(Debug, Default)]
pub struct Queue {
    /// Those that were sent come first.
    waiting: Vec<Waiting>,
    bytes: usize,
    /// So many of them were sent.
    sent: usize,
    /// Of the newest message.
    number: u64,
    /// Up to this number all are done.
    done: u64,
    done_at: Option<Instant>,
    lost: u64,
}

impl Queue {
    /// Puts a message at the end, if there is room. Gives the number of the newest that is in the queue, or was.
    pub fn push(&mut self, message: &ToWriter<'_>) -> u64 {
        let kind = Kind::of(message);
        let packet = message.encode(self.number + 1).into_boxed_slice();
        match kind {
            // What has not been sent is void.
            Kind::Saved | Kind::TellEvents => self.drop_unsent(kind),
            Kind::Line if self.bytes + packet.len() + MESSAGE_OVERHEAD_BYTES > MAX_WAITING => {
                self.lost += 1;
                return self.number;
            }
            Kind::Once
                if self.waiting.iter().skip(self.sent).any(|it| it.packet.first() == packet.first()) =>
            {
                return self.number;
            }
            Kind::Line | Kind::Status | Kind::Once => {}
        }
        self.number += 1;
        self.bytes += packet.len() + MESSAGE_OVERHEAD_BYTES;
        self.waiting.push(Waiting { number: self.number, packet, kind, sent_at: None });
        self.number
    }

    fn drop_unsent(&mut self, kind: Kind) {
        let mut at = self.waiting.len();
        while at > self.sent {
            at -= 1;
            if self.waiting.get(at).is_some_and(|it| it.kind == kind) {
                let dropped = self.waiting.remove(at);
                self.bytes -= dropped.packet.len() + MESSAGE_OVERHEAD_BYTES;
            }
        }
    }

    /// Counts a message that was done without the queue. Gives its number.
    pub const fn pass(&mut self) -> u64 {
        self.number += 1;
        self.done = self.number;
        self.number
    }

    /// Whether a message of this kind waits.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.waiting.iter().any(|it| it.kind == kind)
    }

    /// The next packet to be sent.
    #[must_use]
    pub fn next_unsent(&self) -> Option<&[u8]> {
        self.waiting.get(self.sent).map(|it| &*it.packet)
    }

    /// That packet was sent.
    pub fn note_sent(&mut self, now: Instant) {
        if let Some(waiting) = self.waiting.get_mut(self.sent) {
            waiting.sent_at = Some(now);
            self.sent += 1;
        }
    }

    /// Everything up to this number is done.
    pub fn acknowledge(&mut self, number: u64, now: Instant) {
        let sent = self.waiting.iter().take(self.sent);
        let done = sent.take_while(|it| it.number <= number).count();
        self.sent -= done;
        for done in self.waiting.drain(..done) {
            self.bytes -= done.packet.len() + MESSAGE_OVERHEAD_BYTES;
            self.done = done.number;
            self.done_at = Some(now);
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(16);
        }
    }

    /// The writer is gone: what it has not done is sent to the next one.
    pub fn send_again(&mut self) {
        self.sent = 0;
    }

    /// The writer finishes what it was sent without telling.
    pub fn count_sent_as_done(&mut self, now: Instant) {
        if let Some(last) = self.sent.checked_sub(1).and_then(|last| self.waiting.get(last)) {
            self.acknowledge(last.number, now);
        }
    }

    /// The number of the newest message.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.number
    }

    /// Whether everything up to this number is done.
    #[must_use]
    pub const fn is_done(&self, number: u64) -> bool {
        number <= self.done
    }

    /// Since when something has been at the writer and nothing was done; `None`: nothing is there.
    #[must_use]
    pub fn stuck_since(&self) -> Option<Instant> {
        let oldest = self.waiting.first().filter(|_| self.sent > 0).and_then(|first| first.sent_at)?;
        Some(self.done_at.map_or(oldest, |done_at| done_at.max(oldest)))
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether lines were lost, which is still to be told.
    #[must_use]
    pub const fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// How many lines were lost, once there is room again.
    pub fn take_lost(&mut self) -> Option<u64> {
        let has_room = self.bytes <= MAX_WAITING / 2;
        (has_room && self.lost > 0).then(|| std::mem::take(&mut self.lost))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "any moment will do")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ups::Priority;
    use crate::wire::role::Saved;

    fn line(text: &str) -> ToWriter<'_> {
        ToWriter::Line { priority: Priority::Notice, unix: 0, text }
    }

    fn saved(transfers: u32) -> ToWriter<'static> {
        ToWriter::Saved(Saved { transfers, ..Saved::default() })
    }

    /// What is sent from now on, decoded.
    fn send_all(queue: &mut Queue, now: Instant) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(packet) = queue.next_unsent() {
            let (number, message) = ToWriter::decode(packet).unwrap();
            sent.push(match message {
                ToWriter::Line { text, .. } => format!("{number} {text}"),
                ToWriter::Saved(saved) => format!("{number} saved {}", saved.transfers),
                other => format!("{number} {other:?}"),
            });
            queue.note_sent(now);
        }
        sent
    }

    #[test]
    fn what_is_not_done_is_sent_again_to_the_next_writer() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for text in ["one", "two", "three"] {
            queue.push(&line(text));
        }
        assert_eq!(send_all(&mut queue, now), ["1 one", "2 two", "3 three"]);
        queue.acknowledge(2, now);
        assert!(queue.is_done(2) && !queue.is_done(3));
        queue.send_again();
        queue.push(&line("four"));
        assert_eq!(send_all(&mut queue, now), ["3 three", "4 four"]);
        queue.acknowledge(u64::MAX, now);
        assert!(queue.is_empty() && queue.is_done(4) && queue.bytes == 0);
    }

    #[test]
    fn an_acknowledgement_of_what_was_not_sent_counts_for_nothing() {
        let mut queue = Queue::default();
        queue.push(&line("one"));
        queue.acknowledge(1, Instant::now());
        assert!(!queue.is_done(1) && !queue.is_empty());
    }

    #[test]
    fn of_states_the_newest_that_is_not_sent_counts_and_of_orders_one() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.push(&saved(1));
        queue.push(&line("one"));
        queue.push(&saved(2));
        queue.push(&ToWriter::Trim);
        queue.push(&ToWriter::Trim);
        queue.push(&ToWriter::TellEvents);
        assert_eq!(send_all(&mut queue, now), ["2 one", "3 saved 2", "4 Trim", "5 TellEvents"]);
        queue.push(&saved(3));
        assert_eq!(send_all(&mut queue, now), ["6 saved 3"]);
    }

    #[test]
    fn the_events_file_is_told_as_it_is_when_that_was_last_asked_for() {
        let mut queue = Queue::default();
        queue.push(&ToWriter::TellEvents);
        queue.push(&line("one"));
        queue.push(&ToWriter::TellEvents);
        assert_eq!(send_all(&mut queue, Instant::now()), ["2 one", "3 TellEvents"]);
    }

    #[test]
    fn what_has_no_room_is_counted_and_told_when_there_is_room() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let long = "x".repeat(1000);
        let numbers: Vec<u64> = (0..1000).map(|_| queue.push(&line(&long))).collect();
        let kept = *numbers.last().unwrap();
        assert!((100..200).contains(&kept), "{kept}");
        assert_eq!(queue.push(&saved(1)), kept + 1, "the state has room");
        assert_eq!(queue.take_lost(), None);
        let _ = send_all(&mut queue, now);
        for _ in 0..10 {
            queue.push(&line(&long));
        }
        queue.acknowledge(kept + 1, now);
        assert_eq!(queue.take_lost(), Some(1000 - kept + 10));
        assert_eq!(queue.take_lost(), None);
    }

    #[test]
    fn a_writer_is_stuck_while_it_does_nothing_and_not_while_it_is_slow() {
        let now = Instant::now();
        let second = std::time::Duration::from_secs(1);
        let mut queue = Queue::default();
        assert_eq!(queue.stuck_since(), None);
        queue.push(&line("one"));
        queue.push(&line("two"));
        assert_eq!(queue.stuck_since(), None, "it has been told nothing");
        let _ = send_all(&mut queue, now);
        assert_eq!(queue.stuck_since(), Some(now));
        queue.acknowledge(1, now + second);
        assert_eq!(queue.stuck_since(), Some(now + second));
        queue.acknowledge(2, now + second);
        assert_eq!(queue.stuck_since(), None);
    }

    proptest! {
        /// Lines come out in order, each once or counted as lost, whatever happens to writers.
        #[test]
        fn no_line_is_lost_without_being_counted(steps in proptest::collection::vec(0_u8..6, 0..300)) {
            let now = Instant::now();
            let mut queue = Queue::default();
            let text = "x".repeat(1500);
            let (mut said, mut lost, mut told) = (0_u64, 0, 0);
            for step in steps {
                match step {
                    0..3 => { queue.push(&line(&text)); said += 1; }
                    3 => { let _ = send_all(&mut queue, now); told = queue.newest(); }
                    4 => queue.acknowledge(queue.done + (told - queue.done) / 2, now),
                    _ => queue.send_again(),
                }
                lost += queue.take_lost().unwrap_or_default();
                prop_assert!(queue.bytes <= MAX_WAITING);
                let waiting = queue.waiting.len() as u64;
                prop_assert_eq!(queue.done + waiting + lost + queue.lost, said);
                prop_assert!(queue.waiting.iter().zip(queue.done + 1..).all(|(it, number)| it.number == number));
            }
        }
    }
}
