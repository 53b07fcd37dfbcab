//! A serial UPS that counts as lost, and why.

use super::LinkEvent;
use crate::ups::Priority;

/// What has been told of it.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Why it counts as lost; told.
    reason: Option<String>,
    /// The UPS has been there once.
    found: bool,
}

impl Loss {
    /// The UPS is there.
    pub(super) fn end(&mut self) {
        *self = Self { reason: None, found: true };
    }

    /// It counts as lost for this reason: what there is to tell; nothing if that has been told.
    pub(super) fn begin(&mut self, reason: String) -> impl Iterator<Item = LinkEvent> + use<> {
        let is_new = self.reason.as_ref() != Some(&reason);
        // A loss has one beginning; what is found out about it later is for the log, and what keeps a UPS from being watched at all.
        let is_logged = is_new && (self.reason.is_some() || !self.found);
        let line = is_logged.then(|| LinkEvent::Log(Priority::Warning, reason.clone()));
        if is_new {
            self.reason = Some(reason.clone());
        }
        line.into_iter().chain(is_new.then_some(LinkEvent::Lost { reason }))
    }
}
