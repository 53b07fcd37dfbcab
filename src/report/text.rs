//! The records of a status answer as plain text, one a line (nis §5, status-fields §6).

use super::Snapshot;
use super::value::push_value;
use crate::ups::FIELDS;

/// Longest record. Clients take 99 to 999 bytes, one treats a length of 128 and more as text (nis §2, §8).
pub const MAX_RECORD: usize = 99;

/// What stands between key and value; a key takes so many of the blanks as it is long.
const PADDED: &str = "         : ";

/// Renders snapshots; keeps its buffers, so that rendering again allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Renderer {
    /// The records behind the header, one a line.
    records: String,
    /// The finished text, header included.
    text: String,
}

impl Renderer {
    /// The status as plain text, header first: what a status file, LOGSTATS and `apcaccess` show. One record a line.
    pub fn text(&mut self, snapshot: &Snapshot) -> &str {
        use std::fmt::Write as _;

        self.records.clear();
        let mut count = 0;
        for field in &FIELDS {
            let start = self.records.len();
            self.records.push_str(field.key);
            self.records.push_str(PADDED.get(field.key.len()..).unwrap_or_default());
            if push_value(&mut self.records, &field.form, snapshot) {
                self.records.push('\n');
                count += 1;
            } else {
                self.records.truncate(start);
            }
        }
        self.text.clear();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{:<9}: 001,{count:03},{:04}\n{}", "APC", self.records.len(), self.records);
        &self.text
    }
}

/// The status as plain text ([`Renderer::text`]), for a caller that needs it once.
#[must_use]
pub fn text(snapshot: &Snapshot) -> String {
    Renderer::default().text(snapshot).to_owned()
}
