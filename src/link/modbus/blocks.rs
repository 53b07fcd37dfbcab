//! Which registers are asked for at once, and which the UPS does not have.

use std::time::{Duration, Instant};

use crate::wire::modbus::{Item, REGISTERS, Register, STATUS, Span};

/// So often in a row something is not answered before it is asked for less often.
const SILENCES: u32 = 2;
/// Then it is asked for again after this, and after twice as long each time, up to [`SILENT_MAX`].
const SILENT_FIRST: Duration = Duration::from_secs(10);
const SILENT_MAX: Duration = Duration::from_secs(10 * 60);

/// Registers that are asked for together, because one answer costs hardly more than one register's (modbus §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// What decisions rest on: status, errors, tests.
    State,
    /// Measured values.
    Live,
    /// Model, serial number, dates, ratings, name.
    Inventory,
    /// Transfer limits and delays.
    Settings,
    /// Which map of registers it has.
    Map,
}

impl Block {
    /// What changes.
    pub(super) const POLLED: [Self; 2] = [Self::State, Self::Live];
    /// What is read when the UPS is found, what is polled first.
    pub(super) const ALL: [Self; 5] = [Self::State, Self::Inventory, Self::Settings, Self::Map, Self::Live];

    /// Whether these say what the UPS is, and so do not change.
    pub(super) const fn is_identity(span: Span) -> bool {
        span.address >= Self::Inventory.begin()
    }

    /// The first address behind it.
    const fn end(self) -> u16 {
        match self {
            Self::State => 128,
            Self::Live => 512,
            Self::Inventory => 1024,
            Self::Settings => 1536,
            Self::Map => 2050,
        }
    }

    const fn begin(self) -> u16 {
        match self {
            Self::State => 0,
            Self::Live => Self::State.end(),
            Self::Inventory => Self::Live.end(),
            Self::Settings => Self::Inventory.end(),
            Self::Map => Self::Settings.end(),
        }
    }

    fn rows(self) -> impl Iterator<Item = &'static Register> {
        REGISTERS.iter().filter(move |row| (self.begin()..self.end()).contains(&row.span.address))
    }
}

/// What is known of the registers that this UPS has. Begins anew with each connection.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    /// Blocks that it refuses as a whole: their items are asked for one by one.
    split: Vec<Block>,
    /// Items that it refuses alone.
    absent: Vec<Item>,
    /// What was not answered though the status was: how often in a row, and when it is asked for again. No more than there are registers.
    silent: Vec<(Span, u32, Instant)>,
}

impl Blocks {
    /// What to ask for to read a block, in this order.
    pub(super) fn spans(&self, block: Block) -> Vec<Span> {
        let rows = block.rows().filter(|row| !self.absent.contains(&row.item));
        let mut spans: Vec<Span> = Vec::new();
        let is_split = self.split.contains(&block);
        for row in rows {
            match spans.last_mut().filter(|_| !is_split) {
                Some(last) => last.count = row.span.end() - last.address,
                None => spans.push(row.span),
            }
        }
        spans
    }

    /// Whether this is to be asked for in a round: not if it was not answered lately.
    pub(super) fn is_due(&self, span: Span, now: Instant) -> bool {
        self.silent.iter().all(|(silent, _, again)| *silent != span || now >= *again)
    }

    /// Whether this was not answered when it was asked for last: then one try is enough.
    pub(super) fn is_silent(&self, span: Span) -> bool {
        self.silent.iter().any(|(silent, ..)| *silent == span)
    }

    pub(super) fn answered(&mut self, span: Span) {
        self.silent.retain(|(silent, ..)| *silent != span);
    }

    /// The UPS does not answer to this, and does to others: after some times its items are asked for one by one, which are given, and one
    /// alone ever more seldom.
    pub(super) fn unanswered(&mut self, span: Span, now: Instant) -> Vec<Span> {
        let count =
            self.silent.iter().find(|(silent, ..)| *silent == span).map_or(0, |(_, count, _)| *count) + 1;
        self.answered(span);
        let is_one = REGISTERS.iter().any(|row| row.span == span);
        if count >= SILENCES && !is_one {
            return self.refused(span);
        }
        let doublings = count.saturating_sub(SILENCES).min(8);
        let pause = SILENT_FIRST.saturating_mul(1 << doublings).min(SILENT_MAX);
        self.silent.push((span, count, if count >= SILENCES { now + pause } else { now }));
        Vec::new()
    }

    /// What the UPS is and it has refused to say.
    pub(super) fn absent_identity(&self) -> Vec<Span> {
        let rows = REGISTERS.iter().filter(|row| self.absent.contains(&row.item));
        rows.map(|row| row.span).filter(|span| Block::is_identity(*span)).collect()
    }

    /// Whether an exception says that the UPS does not have what was asked for: unknown function, address or value. Others, such as
    /// "busy" (6) or a gateway without an answer (11), say nothing of it.
    pub(super) const fn is_refusal(code: u8) -> bool {
        matches!(code, 1..=3)
    }

    /// The UPS refuses this. What is to be asked instead: each item alone; nothing if it was one. The status is never taken out: it is
    /// asked for again at its time.
    pub(super) fn refused(&mut self, span: Span) -> Vec<Span> {
        let refused = |row: &&Register| row.span.address >= span.address && row.span.end() <= span.end();
        let rows: Vec<&Register> = REGISTERS.iter().filter(refused).collect();
        match rows[..] {
            [] => Vec::new(),
            [row] => {
                if row.span != STATUS && !self.absent.contains(&row.item) {
                    self.absent.push(row.item);
                }
                Vec::new()
            }
            _ => {
                let block =
                    Block::ALL.into_iter().find(|block| (block.begin()..block.end()).contains(&span.address));
                self.split.extend(block.filter(|block| !self.split.contains(block)));
                rows.iter().map(|row| row.span).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::modbus::PROBES;

    #[test]
    fn every_register_is_in_one_block_and_each_block_is_one_request() {
        let mut rows = 0;
        for block in Block::ALL {
            rows += block.rows().count();
            let spans = Blocks::default().spans(block);
            assert_eq!(spans.len(), 1, "{block:?}");
            assert!(
                spans[0].count <= 125 && PROBES.iter().all(|probe| spans[0].count != probe.count),
                "{spans:?}"
            );
        }
        assert_eq!(rows, REGISTERS.len());
        let polled: usize = Block::POLLED.into_iter().map(|block| Blocks::default().spans(block).len()).sum();
        assert!(polled <= 8);
    }

    #[test]
    fn a_block_that_is_refused_is_asked_for_item_by_item_and_only_what_is_refused_alone_is_left_out() {
        let mut blocks = Blocks::default();
        let whole = blocks.spans(Block::State)[0];
        let items = blocks.refused(whole);
        assert_eq!(items.len(), 7);
        assert_eq!(blocks.spans(Block::State), items);
        assert_eq!(blocks.spans(Block::Live).len(), 1, "the other blocks stay whole");
        assert_eq!(blocks.refused(items[2]), []);
        assert_eq!(blocks.spans(Block::State), [&items[..2], &items[3..]].concat());
        assert_eq!(blocks.refused(STATUS), []);
        assert!(blocks.spans(Block::State).contains(&STATUS), "the status is always asked for");
    }
}
