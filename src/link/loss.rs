//! A UPS that counts as lost, and why.

use super::LinkEvent;
use crate::ups::Priority;

/// Most reasons that are told of one loss.
const REASONS_MAX: usize = 8;

/// What has been told of it.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Why it counts as lost; told. Each reason once: two that alternate, as at a card that is silent and then refuses, would fill the log.
    reasons: Vec<String>,
    /// The UPS has been there once.
    found: bool,
}

impl Loss {
    /// The UPS is there.
    pub(super) fn end(&mut self) {
        *self = Self { reasons: Vec::new(), found: true };
    }

    /// It counts as lost.
    #[cfg(any(feature = "modbus", feature = "pcnet"))]
    pub(super) fn is_told(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// It counts as lost for this reason: what there is to tell; nothing if that has been told.
    pub(super) fn begin(&mut self, reason: String) -> impl Iterator<Item = LinkEvent> + use<> {
        let is_new = self.reasons.len() < REASONS_MAX && !self.reasons.contains(&reason);
        // A loss has one beginning; what is found out about it later is for the log, and what keeps a UPS from being watched at all.
        let is_logged = is_new && (!self.reasons.is_empty() || !self.found);
        let line = is_logged.then(|| LinkEvent::Log(Priority::Warning, reason.clone()));
        if is_new {
            self.reasons.push(reason.clone());
        }
        line.into_iter().chain(is_new.then_some(LinkEvent::Lost { reason }))
    }
}
