//! Where one device keeps its values: the table matched against its descriptor.

use super::delays::Delays;
use super::quirks::Quirks;
use super::table::{Candidate, Key, OUTLET, OUTLET_SYSTEM, TABLE, When, Within, insert};
use crate::wire::hid::{Collection, CollectionKind, Field, ReportDescriptor, ReportKind, Usage};

const PRESENT_STATUS: Usage = Usage(0x0084_0002);

/// Status bits of which a unit may have several copies. Only an alarm makes them worth reading.
const COPIED: [Key; 6] = [
    Key::BatteryPresent,
    Key::NeedReplacement,
    Key::BelowCapacityLimit,
    Key::TimeLimitExpired,
    Key::ShutdownImminent,
    Key::Overload,
];

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
    /// It has copies of status bits: read also in every poll in which one of those raises an alarm.
    pub confirms: bool,
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
    /// Feature fields that say the same status bit once more.
    pub copies: Vec<(Key, Field)>,
    /// The two delays of a kill order belong together.
    pub delays_paired: bool,
    /// Not one field of the descriptor has a unit.
    pub without_units: bool,
    /// How many places of a value were passed over.
    passed_over: Vec<usize>,
}

impl Layout {
    /// `may_contradict`: copies of a status bit are looked at.
    pub(super) fn new(descriptor: &ReportDescriptor, quirks: Quirks, may_contradict: bool) -> Self {
        let slots = TABLE.iter().map(|row| {
            if quirks.hides(row.key) { Slot::default() } else { find(descriptor, row.candidates, 0) }
        });
        let mut layout = Self {
            slots: slots.collect(),
            numbered: descriptor.fields().iter().any(|field| field.report_id != 0),
            without_units: descriptor.fields().iter().all(|field| field.unit == 0),
            passed_over: vec![0; TABLE.len()],
            ..Self::default()
        };
        layout.drop_nominal_of_mains(descriptor);
        layout.choose_delays(descriptor, quirks);
        layout.drop_what_is_not_needed();
        layout.gather_status(descriptor);
        if may_contradict {
            layout.find_copies(descriptor);
        }
        layout.plan(descriptor);
        layout.find_inputs(descriptor);
        layout
    }

    fn set(&mut self, key: Key, slot: Slot) {
        if let Some(place) = self.slots.get_mut(key as usize) {
            *place = slot;
        }
    }

    fn choose_delays(&mut self, descriptor: &ReportDescriptor, quirks: Quirks) {
        let delays = Delays::of(descriptor, quirks);
        let slot = |feature| Slot { feature, input: None };
        self.set(Key::WakeDelay, slot(delays.startup));
        self.set(Key::DelayBeforeShutdown, slot(delays.shutdown));
        self.set(Key::ShutdownDelayIndex, slot(delays.index));
        self.delays_paired = delays.paired;
    }

    /// A battery has no frequency: where one stands beside the nominal voltage, that is the voltage of mains.
    fn drop_nominal_of_mains(&mut self, descriptor: &ReportDescriptor) {
        const CONFIG_FREQUENCY: Usage = Usage(0x0084_0042);
        let slot = self.slot(Key::NominalBatteryVoltage);
        let Some(field) = slot.feature.or(slot.input) else { return };
        let beside = |other: &Field| other.collection == field.collection && other.usage == CONFIG_FREQUENCY;
        if descriptor.fields().iter().any(beside) {
            self.set(Key::NominalBatteryVoltage, Slot::default());
        }
    }

    /// Values that only help to understand others are read where those need it.
    fn drop_what_is_not_needed(&mut self) {
        let field = |key| {
            let slot: Slot = self.slot(key);
            slot.feature.or(slot.input)
        };
        let in_ampere_seconds =
            field(Key::Charge).is_some_and(|charge| charge.unit == Field::UNIT_AMPERE_SECOND);
        let unclear = field(Key::Runtime).is_some_and(|runtime| runtime.unit != Field::UNIT_SECOND);
        if !in_ampere_seconds {
            self.set(Key::DesignCapacity, Slot::default());
            self.set(Key::CapacityMode, Slot::default());
        }
        if !unclear {
            self.set(Key::RemainingTimeLimit, Slot::default());
        }
    }

    /// Goes on to the next place of a value, with the report that must be read for it; back to the first if there is none.
    pub(super) fn pass_over(&mut self, descriptor: &ReportDescriptor, key: Key) -> Option<Wire> {
        let row =
            TABLE.get(key as usize).filter(|row| row.when > When::Status && row.when != When::Written)?;
        let passed_over = self.passed_over.get_mut(key as usize).filter(|number| **number != GIVEN_UP)?;
        let next = find(descriptor, row.candidates, *passed_over + 1);
        *passed_over = if next.feature.or(next.input).is_some() { *passed_over + 1 } else { GIVEN_UP };
        let given_up = *passed_over == GIVEN_UP || *passed_over > MOST_PLACES;
        if given_up {
            *passed_over = GIVEN_UP;
        }
        let slot = if given_up { find(descriptor, row.candidates, 0) } else { next };
        self.set(key, slot);
        self.inputs.retain(|(of, _)| *of != key);
        self.inputs.extend(slot.input.map(|input| (key, input)));
        let field = slot.feature.or(slot.input).filter(|_| !given_up)?;
        let len = descriptor.report_len(field.kind, field.report_id)?;
        Some(Wire { kind: field.kind, id: field.report_id, len, when: row.when, confirms: false })
    }

    /// Whether the first place of a value was of no use.
    pub(super) fn is_passed_over(&self, key: Key) -> bool {
        self.passed_over.get(key as usize).is_some_and(|number| *number > 0)
    }

    /// Whether a report carries anything that is used.
    pub(super) fn uses(&self, wire: Wire) -> bool {
        let is = |field: &Field| (field.kind, field.report_id) == (wire.kind, wire.id);
        let slots = self.slots.iter().flat_map(|slot| slot.feature.iter().chain(&slot.input));
        slots.chain(self.copies.iter().map(|(_, field)| field)).any(is)
    }

    pub(super) fn slot(&self, key: Key) -> Slot {
        self.slots.get(key as usize).copied().unwrap_or_default()
    }

    /// The input report with this id, if it carries anything of the table.
    pub(super) fn input_wire(&self, descriptor: &ReportDescriptor, id: u8) -> Option<Wire> {
        let kind = ReportKind::Input;
        let known = self.inputs.iter().any(|(_, field)| field.report_id == id);
        let len = descriptor.report_len(kind, id).filter(|_| known)?;
        Some(Wire { kind, id, len, when: When::Status, confirms: false })
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
            if let Some(slot) = self.slots.get_mut(row.key as usize) {
                if let Some(field) = near(line.kind) {
                    match line.kind {
                        ReportKind::Feature => slot.feature = Some(field),
                        _ => slot.input = Some(field),
                    }
                    slot.input = near(ReportKind::Input).or(slot.input);
                }
            }
        }
    }

    fn find_copies(&mut self, descriptor: &ReportDescriptor) {
        for row in TABLE.iter().filter(|row| COPIED.contains(&row.key)) {
            let Some(first) = self.slot(row.key).feature else { continue };
            let place = |field: &Field| (field.report_id, field.bit_offset);
            let others = descriptor.fields().iter().filter(|field| {
                field.kind == ReportKind::Feature
                    && place(field) != place(&first)
                    && !in_outlet(descriptor, field)
                    && row.candidates.iter().any(|candidate| is(descriptor, field, candidate))
            });
            self.copies.extend(others.map(|field| (row.key, *field)));
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
        for (_, field) in self.copies.clone() {
            self.add(descriptor, field.kind, field.report_id, When::Once);
            let of_copy = |wire: &&mut Wire| (wire.kind, wire.id) == (field.kind, field.report_id);
            if let Some(wire) = self.wires.iter_mut().find(of_copy) {
                wire.confirms = true;
            }
        }
        for wire in std::mem::take(&mut self.wires) {
            insert(&mut self.wires, wire, |wire| wire.when);
        }
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
            if silent(&feature) && !wires.iter().any(|wire| wire.id == id) {
                if let Some(len) = descriptor.report_len(ReportKind::Input, id) {
                    wires.push(Wire { kind: ReportKind::Input, id, len, when: row.when, confirms: false });
                }
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
            self.wires.push(Wire { kind, id, len, when, confirms: false });
        }
    }
}

/// Places of one value that are tried; no unit has more.
const MOST_PLACES: usize = 8;

/// In `passed_over`: no place of the value was of use.
const GIVEN_UP: usize = usize::MAX;

/// Place number `skip` of a value: the candidates in their order, and the fields of each in that of the descriptor.
fn find(descriptor: &ReportDescriptor, candidates: &[Candidate], skip: usize) -> Slot {
    let mut skipped = 0;
    let mut seen: Vec<Field> = Vec::new();
    for candidate in candidates {
        let pick = |kind| {
            let fields = descriptor.fields().iter();
            fields.filter(move |field| field.kind == kind && is(descriptor, field, candidate)).copied()
        };
        let (mut features, mut inputs) = (pick(ReportKind::Feature), pick(ReportKind::Input));
        loop {
            let slot = Slot { feature: features.next(), input: inputs.next() };
            let Some(field) = slot.feature.or(slot.input) else { break };
            if seen.contains(&field) {
                continue;
            }
            if skipped == skip {
                return slot;
            }
            seen.push(field);
            skipped += 1;
        }
    }
    Slot::default()
}

fn is(descriptor: &ReportDescriptor, field: &Field, candidate: &Candidate) -> bool {
    field.usage == candidate.usage && lies(descriptor, field, candidate.within)
}

/// Whether a field concerns an outlet, and not the whole unit.
pub(super) fn in_outlet(descriptor: &ReportDescriptor, field: &Field) -> bool {
    descriptor.enclosing(field).any(|around| matches!(around.usage, Some(OUTLET | OUTLET_SYSTEM)))
}

/// The innermost collection that is no PresentStatus.
pub(super) fn place(descriptor: &ReportDescriptor, field: &Field) -> Option<Collection> {
    descriptor.enclosing(field).find(|around| around.usage != Some(PRESENT_STATUS)).copied()
}

fn lies(descriptor: &ReportDescriptor, field: &Field, within: Within) -> bool {
    let innermost = |keep: fn(&Collection) -> bool| {
        descriptor.enclosing(field).find(|collection| keep(collection)).copied()
    };
    let is = |collection: Option<Collection>, usage| {
        collection.is_some_and(|collection| collection.usage == Some(usage))
    };
    match within {
        Within::Any => true,
        Within::Unit => !in_outlet(descriptor, field),
        Within::Status => is(innermost(|_| true), PRESENT_STATUS),
        Within::Physical(usage) => {
            is(innermost(|collection| collection.kind == CollectionKind::Physical), usage)
        }
        Within::Logical(usage) => {
            is(innermost(|collection| collection.kind == CollectionKind::Logical), usage)
        }
        Within::Inside(usage) => is(place(descriptor, field), usage),
        Within::Nested(outer, usage) => {
            is(place(descriptor, field), usage)
                && descriptor.enclosing(field).any(|around| around.usage == Some(outer))
        }
        Within::Instance(usage, number) => {
            let place = place(descriptor, field);
            is(place, usage) && place.is_some_and(|place| place.kind == CollectionKind::Other(0x80 | number))
        }
    }
}
