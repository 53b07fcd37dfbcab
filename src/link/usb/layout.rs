//! Where one device keeps its values: the table matched against its descriptor.

use super::quirks::Quirks;
use super::table::{Candidate, Key, TABLE, When, Within};
use crate::wire::hid::{Collection, CollectionKind, Field, ReportDescriptor, ReportKind, Usage};

const PRESENT_STATUS: Usage = Usage(0x0084_0002);

/// The fields of one value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Feature field: what is read and written.
    pub feature: Option<Field>,
    /// Input field: what interrupt reports carry; read only if there is no feature field or it does not answer.
    pub input: Option<Field>,
}

/// One report that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    pub kind: ReportKind,
    pub id: u8,
    /// Declared length with the id byte.
    pub len: u16,
    pub when: When,
}

/// Where one device keeps its values.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    slots: Vec<Slot>,
    /// What to read, each report once, in the order of reading.
    pub wires: Vec<Wire>,
    /// Whether reports begin with an id.
    pub numbered: bool,
    /// Every input field that carries a status bit, wherever it lies, and the input fields of the other values.
    pub inputs: Vec<(Key, Field)>,
}

impl Layout {
    pub(super) fn new(descriptor: &ReportDescriptor, quirks: Quirks) -> Self {
        let mut layout =
            Self {
                slots: TABLE
                    .iter()
                    .map(|row| {
                        if quirks.hides(row.key) { Slot::default() } else { find(descriptor, row.candidates) }
                    })
                    .collect(),
                wires: Vec::new(),
                inputs: Vec::new(),
                numbered: descriptor.fields().iter().any(|field| field.report_id != 0),
            };
        layout.gather_status(descriptor);
        layout.plan(descriptor);
        layout.find_inputs(descriptor);
        layout
    }

    pub(super) fn slot(&self, key: Key) -> Slot {
        self.slots.get(key as usize).copied().unwrap_or_default()
    }

    /// The input report with this id, if it carries anything of the table.
    pub(super) fn input_wire(&self, descriptor: &ReportDescriptor, id: u8) -> Option<Wire> {
        let kind = ReportKind::Input;
        let known = self.inputs.iter().any(|(_, field)| field.report_id == id);
        let len = descriptor.report_len(kind, id).filter(|_| known)?;
        Some(Wire { kind, id, len, when: When::Status })
    }

    /// Takes all status bits from one report where that is possible, so that the line state costs one transfer and its
    /// parts are of the same moment.
    fn gather_status(&mut self, descriptor: &ReportDescriptor) {
        let first = [Key::StatusFlag, Key::Discharging, Key::AcPresent]
            .into_iter()
            .find_map(|key| self.slot(key).feature.or(self.slot(key).input));
        let Some(line) = first else { return };
        let status = TABLE.iter().filter(|row| matches!(row.when, When::Line | When::Status));
        for row in status.filter(|row| row.key != Key::StatusFlag) {
            let near = |kind| {
                let mut fields = descriptor.fields().iter();
                fields
                    .find(|field| {
                        (field.kind, field.report_id) == (kind, line.report_id)
                            && row.candidates.iter().any(|candidate| is(descriptor, field, candidate))
                    })
                    .copied()
            };
            if let Some(slot) = self.slots.get_mut(row.key as usize)
                && let Some(field) = near(line.kind)
            {
                match line.kind {
                    ReportKind::Feature => slot.feature = Some(field),
                    _ => slot.input = Some(field),
                }
                slot.input = near(ReportKind::Input).or(slot.input);
            }
        }
    }

    /// The reports to read. With the status flag, the other line-state bits are only a second opinion.
    fn plan(&mut self, descriptor: &ReportDescriptor) {
        let flag = self.slot(Key::StatusFlag);
        let flag = flag.feature.or(flag.input);
        for row in TABLE {
            let slot = self.slot(row.key);
            let Some(field) = slot.feature.or(slot.input) else { continue };
            let mut when = row.when;
            if when == When::Line && flag.is_some_and(|flag| flag.report_id != field.report_id) {
                when = When::Status;
            }
            for field in slot.feature.iter().chain(slot.input.iter().filter(|_| slot.feature.is_none())) {
                self.add(descriptor, field.kind, field.report_id, when);
            }
        }
        self.wires.sort_by_key(|wire| wire.when);
    }

    fn find_inputs(&mut self, descriptor: &ReportDescriptor) {
        for row in TABLE.iter().filter(|row| row.when != When::Written) {
            if row.when > When::Status {
                self.inputs.extend(self.slot(row.key).input.map(|field| (row.key, field)));
                continue;
            }
            let carries = |field: &&Field| {
                field.kind == ReportKind::Input
                    && row.candidates.iter().any(|candidate| is(descriptor, field, candidate))
            };
            self.inputs.extend(descriptor.fields().iter().filter(carries).map(|field| (row.key, *field)));
        }
    }

    /// The input reports of values that also have a feature field.
    pub(super) fn spare_inputs(
        &self,
        descriptor: &ReportDescriptor,
        silent: impl Fn(&Field) -> bool,
    ) -> Vec<Wire> {
        let mut wires: Vec<Wire> = Vec::new();
        for row in TABLE.iter().filter(|row| row.when != When::Written) {
            let Slot { feature: Some(feature), input: Some(input) } = self.slot(row.key) else { continue };
            let id = input.report_id;
            if silent(&feature)
                && !wires.iter().any(|wire| wire.id == id)
                && let Some(len) = descriptor.report_len(ReportKind::Input, id)
            {
                wires.push(Wire { kind: ReportKind::Input, id, len, when: row.when });
            }
        }
        wires
    }

    fn add(&mut self, descriptor: &ReportDescriptor, kind: ReportKind, id: u8, when: When) {
        if when == When::Written {
            return;
        }
        if let Some(wire) = self.wires.iter_mut().find(|wire| (wire.kind, wire.id) == (kind, id)) {
            wire.when = wire.when.min(when);
        } else if let Some(len) = descriptor.report_len(kind, id) {
            self.wires.push(Wire { kind, id, len, when });
        }
    }
}

/// The first candidate that exists.
fn find(descriptor: &ReportDescriptor, candidates: &[Candidate]) -> Slot {
    for candidate in candidates {
        let pick = |kind| {
            let mut fields = descriptor.fields().iter();
            fields.find(|field| field.kind == kind && is(descriptor, field, candidate)).copied()
        };
        let slot = Slot { feature: pick(ReportKind::Feature), input: pick(ReportKind::Input) };
        if slot.feature.is_some() || slot.input.is_some() {
            return slot;
        }
    }
    Slot::default()
}

fn is(descriptor: &ReportDescriptor, field: &Field, candidate: &Candidate) -> bool {
    field.usage == candidate.usage && lies(descriptor, field, candidate.within)
}

fn lies(descriptor: &ReportDescriptor, field: &Field, within: Within) -> bool {
    let innermost = |keep: fn(&Collection) -> bool| {
        descriptor.enclosing(field).find(|collection| keep(collection)).copied()
    };
    let is = |collection: Option<Collection>, usage| {
        collection.is_some_and(|collection| collection.usage == Some(usage))
    };
    let not_status: fn(&Collection) -> bool = |collection| collection.usage != Some(PRESENT_STATUS);
    match within {
        Within::Any => true,
        Within::Status => is(innermost(|_| true), PRESENT_STATUS),
        Within::Physical(usage) => {
            is(innermost(|collection| collection.kind == CollectionKind::Physical), usage)
        }
        Within::Logical(usage) => {
            is(innermost(|collection| collection.kind == CollectionKind::Logical), usage)
        }
        Within::Inside(usage) => is(innermost(not_status), usage),
        Within::Instance(usage, number) => {
            let place = innermost(not_status);
            is(place, usage) && place.is_some_and(|place| place.kind == CollectionKind::Other(0x80 | number))
        }
    }
}
