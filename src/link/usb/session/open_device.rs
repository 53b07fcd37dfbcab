//! The open device: what it is, what it has said, and what the link is to be told of it.

use super::*;
use crate::link::usb::store::Report;

#[derive(Debug, Default)]
pub(super) struct OpenDevice {
    pub(super) info: DeviceInfo,
    pub(super) quirks: Quirks,
    pub(super) descriptor: ReportDescriptor,
    pub(super) layout: Layout,
    pub(super) store: Store,
    /// What its numbers mean; may be known from an earlier session.
    pub(super) meaning: Meaning,
    pub(super) told: VecDeque<SessionEvent>,
}

impl OpenDevice {
    pub(super) fn new(info: DeviceInfo, meaning: Meaning) -> Self {
        Self { quirks: Quirks::of(&info), info, meaning, ..Self::default() }
    }

    pub(super) fn tell(&mut self, event: LinkEvent) {
        self.told.push_back(SessionEvent::Event(event));
    }

    pub(super) fn log(&mut self, priority: Priority, text: String) {
        self.tell(LinkEvent::Log(priority, text));
    }

    pub(super) fn answer(&mut self, command: Command, outcome: Result<String, String>) {
        self.tell(LinkEvent::Command(CommandResult::new(command, outcome)));
    }

    /// This handle leads nowhere any more; `why` is said behind the name of the device.
    pub(super) fn give_up(&mut self, why: &str, reset: bool) {
        let reason = format!("{} {why}", self.name());
        self.told.push_back(SessionEvent::GiveUp { reason, reset });
    }

    pub(super) fn view(&self) -> View<'_> {
        View { layout: &self.layout, store: &self.store, quirks: self.quirks, meaning: &self.meaning }
    }

    /// All but the strings, with what the settings may be.
    pub(super) fn identity(&self) -> Identity {
        Identity { permitted: settings::permitted(self.view()), ..self.view().identity() }
    }

    pub(super) fn name(&self) -> String {
        let product = self.info.product_name.as_deref().map_or("UPS", str::trim);
        format!("{product} at USB port {}", self.info.location)
    }

    pub(super) fn is_apc(&self) -> bool {
        matches!(self.info.vendor, 0x051d | 0x16de)
    }

    /// Whether the descriptor at hand is that of a UPS, whole and as long as announced.
    pub(super) fn descriptor_is_whole(&self) -> bool {
        let length_fits = self
            .info
            .announced_descriptor_len
            .is_none_or(|length| usize::from(length) == self.info.report_descriptor.len());
        length_fits
            && describe(&self.info)
                .is_ok_and(|descriptor| descriptor.is_complete() && is_power_device(&descriptor))
    }

    /// Takes the descriptor at hand for good.
    pub(super) fn describe(&mut self) {
        self.descriptor = describe(&self.info).unwrap_or_default();
        self.quirks = Quirks::of(&self.info).with(&self.descriptor);
        // APC's first copy is the one that apcupsd has always believed.
        self.layout = Layout::new(&self.descriptor, self.quirks, !self.is_apc());
        self.store = Store::new(&self.layout);
    }

    /// What does not answer to reads may still come by itself.
    pub(super) fn add_spare_inputs(&mut self) {
        let store = &self.store;
        let silent = |field: &Field| !store.ever_answered(field.kind, field.report_id);
        let wires = self.layout.spare_inputs(&self.descriptor, silent);
        self.store.add_inputs(&wires);
    }

    /// Where the first place of a value does not answer, or says what cannot be, the next one is taken. `true`: there is something
    /// more to read.
    pub(super) fn pass_over_unsuitable(&mut self) -> bool {
        loop {
            let unsuitable: Vec<Key> = self.view().unsuitable().collect();
            let before = self.store.reports.len();
            let mut passed_over = false;
            for key in unsuitable {
                let Some(wire) = self.layout.pass_over(&self.descriptor, key) else { continue };
                passed_over = true;
                let mut reports = self.store.reports.iter_mut();
                // One that was read for something else may have to be read more often.
                match reports.find(|report| (report.wire.kind, report.wire.id) == (wire.kind, wire.id)) {
                    Some(report) => report.wire.when = report.wire.when.min(wire.when),
                    None => self.store.add_inputs(&[wire]),
                }
            }
            if !passed_over {
                let layout = &self.layout;
                self.store.reports.retain(|report| layout.uses(report.wire));
                return false;
            }
            if self.store.reports.len() > before {
                return true;
            }
            // The next places lie in reports that have been read.
        }
    }

    pub(super) fn strings(&self) -> Strings {
        let index = |key| self.view().string_index(key);
        Strings::new(&self.info, index(Key::ProductString), index(Key::SerialString), index(Key::NameString))
    }

    pub(super) fn request_descriptor(&self) -> Transmit {
        // The length in the HID class descriptor; more than any descriptor if it is not known.
        let length = self.info.announced_descriptor_len.filter(|length| *length != 0).unwrap_or(4096);
        request::get_report_descriptor(self.info.interface, length)
    }

    pub(super) fn request_report(&self, index: usize, look: bool) -> Option<(Asked, Transmit)> {
        let report = self.store.reports.get(index)?;
        let transmit =
            request::get_report(self.info.interface, report.wire.kind, report.wire.id, report.request_len());
        Some((Asked::Report { index, look }, transmit))
    }

    /// Which report has a value.
    pub(super) fn report_of(&self, key: Key) -> Option<usize> {
        let slot = self.layout.slot(key);
        self.position(&slot.feature.or(slot.input)?)
    }

    /// The report that says whether mains is there, if it is not one of those that tell the line state.
    pub(super) fn mains_report(&self) -> Option<usize> {
        let index = self.position(&self.layout.slot(Key::AcPresent).feature?)?;
        (!self.tells_line(index)).then_some(index)
    }

    fn position(&self, field: &Field) -> Option<usize> {
        let is_it = |report: &Report| (report.wire.kind, report.wire.id) == (field.kind, field.report_id);
        self.store.reports.iter().position(is_it)
    }

    /// Whether this report is one of those that tell the line state.
    pub(super) fn tells_line(&self, index: usize) -> bool {
        self.store.reports.get(index).is_some_and(|report| report.wire.when == When::Line)
    }

    /// Whether another one of those comes after this report.
    pub(super) fn more_tell_line(&self, index: usize) -> bool {
        self.store.reports.iter().skip(index + 1).any(|report| report.wire.when == When::Line)
    }

    /// Whether a report from here on is one of the fewest that tell the line state.
    pub(super) fn any_decides(&self, from: usize) -> bool {
        (from..self.store.reports.len()).any(|index| self.view().decides(index))
    }

    /// Whether this report has copies of status bits one of which raises an alarm.
    pub(super) fn confirms_alarm(&self, index: usize) -> bool {
        self.store.reports.get(index).is_some_and(|report| report.wire.confirms)
            && self.view().alarms_with_copies()
    }

    /// Takes the answer to a read of a report. `None`: it is to be asked again at once, with a larger buffer.
    pub(super) fn take_report(
        &mut self,
        index: usize,
        result: Result<&[u8], TransferError>,
        now: Instant,
    ) -> Option<bool> {
        match result {
            Err(TransferError::Overflow) if self.store.widen(index) => None,
            Ok(answer) => Some(self.store.answered(index, answer, now)),
            Err(_) => {
                self.store.failed(index);
                Some(false)
            }
        }
    }

    /// What the numbers mean is learned from each poll. `true`: the next one should come soon.
    pub(super) fn learn_meaning(&mut self) -> bool {
        let facts = self.view().facts();
        for (priority, text) in self.meaning.note(&facts) {
            self.log(priority, text);
        }
        self.meaning.wants_samples(&facts)
    }
}
