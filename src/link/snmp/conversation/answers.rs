//! What an answer says of the objects that were asked for: values, none, or that there were too many.

use std::time::Instant;

use super::Conversation;
use crate::link::snmp::exchange::{Answer, is_missing, value_of};
use crate::link::snmp::mib::Item;
use crate::link::snmp::objects::{Job, ROWS_MAX};
use crate::link::snmp::store::figure;
use crate::wire::snmp::{Binding, NO_SUCH_NAME, Oid, TOO_BIG, Value};

impl Conversation {
    /// What came of a request for scalars.
    pub(super) fn take_scalars(&mut self, rows: &[usize], answer: Answer, is_status: bool, now: Instant) {
        let again = match answer {
            Answer::Objects(bindings) => {
                for row in rows {
                    self.take_scalar(*row, &bindings, now);
                }
                Vec::new()
            }
            Answer::Error(TOO_BIG, _) if rows.len() > 1 => self.objects.too_many(rows),
            // The one that the error is about is left out, and the rest asked for again.
            Answer::Error(error, at @ 1..) if at <= rows.len() => {
                let (before, behind) = rows.split_at(at - 1);
                let (wrong, behind) =
                    behind.split_first().map_or((None, behind), |(wrong, behind)| (Some(*wrong), behind));
                if let Some(row) = wrong {
                    if error == NO_SUCH_NAME { self.absent(row) } else { self.miss(row) }
                }
                let rest = [before, behind].concat();
                if rest.is_empty() { Vec::new() } else { vec![Job::Get(rest)] }
            }
            Answer::Error(..) | Answer::None => {
                let again = match answer {
                    // The status of the output alone, at once: if that is answered, it was too many.
                    Answer::None if is_status && rows.len() > 1 => {
                        self.status_lost = true;
                        vec![Job::Get(vec![0])]
                    }
                    _ => self.objects.too_many(rows),
                };
                if again.is_empty() {
                    rows.iter().for_each(|row| self.miss(*row));
                }
                again
            }
        };
        for job in again.into_iter().rev() {
            self.queue.push_front(job);
        }
    }

    pub(super) fn take_scalar(&mut self, row: usize, bindings: &[Binding], now: Instant) {
        let name = self.objects.name(row);
        let Some(value) = value_of(bindings, &name) else {
            // Not in the answer at all, or said to be missing.
            let is_said = bindings.iter().any(|binding| binding.oid == name);
            return if is_said { self.absent(row) } else { self.miss(row) };
        };
        self.keep(row, std::slice::from_ref(value), now);
    }

    /// Takes what an object says. The first one, the status of the output, is never given up for a value that cannot be.
    fn keep(&mut self, row: usize, values: &[Value], now: Instant) {
        let Some(it) = self.objects.row(row) else { return };
        if !self.objects.present(row, figure(it, values)) {
            return;
        }
        if self.store.take(it, values, now) {
            self.objects.heard(row);
        } else if row != 0 {
            self.miss(row);
        }
    }

    pub(super) fn take_column(
        &mut self,
        row: usize,
        mut from: Oid,
        mut found: Vec<Value>,
        answer: Answer,
        now: Instant,
    ) {
        let Some(it) = self.objects.row(row) else { return };
        let column = self.objects.name(row);
        let mut goes_on = false;
        match answer {
            Answer::Objects(bindings) => {
                goes_on = !bindings.is_empty();
                for Binding { oid, value } in bindings {
                    let is_behind = oid[..] > from[..];
                    if !oid.starts_with(&column)
                        || !is_behind
                        || is_missing(&value)
                        || found.len() >= ROWS_MAX
                    {
                        goes_on = false;
                        break;
                    }
                    found.push(value);
                    from = oid;
                }
            }
            Answer::Error(TOO_BIG, _) if self.objects.rows_at_once > 1 => {
                self.objects.rows_at_once /= 2;
                goes_on = true;
            }
            Answer::Error(NO_SUCH_NAME, _) => {}
            Answer::Error(..) | Answer::None => return self.miss(row),
        }
        if goes_on {
            self.queue.push_front(Job::Walk { row, from, found });
        } else if found.is_empty() && it.item != Item::Alarms {
            self.absent(row);
        } else {
            self.keep(row, &found, now);
        }
    }

    fn absent(&mut self, row: usize) {
        self.objects.absent(row);
        self.forget(row);
    }

    fn miss(&mut self, row: usize) {
        if self.objects.missed(row) {
            self.forget(row);
        }
    }

    /// Unless another object says the same.
    fn forget(&mut self, row: usize) {
        let Some(it) = self.objects.row(row) else { return };
        let is_said = self.objects.is_said_by_another(row);
        if !is_said {
            self.store.forget(it.item);
        }
    }
}
