//! Outlet groups of a UPS with a card of APC: which there are, how they are, and how they are switched (snmp §4, Outlet groups).

use super::exchange::{Answer, Request, value_of};
use super::mib::Mib;
use super::order::Outcome;
use crate::ups::{Switch, clean};
use crate::wire::snmp::{Binding, Oid, Value};

/// Columns of the status, and that of the orders.
const NAME: &[u8] = &[1, 12, 1, 2, 1, 2];
const STATE: &[u8] = &[1, 12, 1, 2, 1, 3];
const PENDING: &[u8] = &[1, 12, 1, 2, 1, 4];
const KIND: &[u8] = &[1, 12, 1, 2, 1, 5];
const ORDER: &[u8] = &[1, 12, 3, 2, 1, 3];
/// The kind of a group that is switched by itself; the other one is the main group.
const SWITCHED: i32 = 1;
const ON: i64 = 1;
const OFF: i64 = 2;
/// An order to the group is under way.
const IS_PENDING: i64 = 1;
/// No UPS has more groups.
const GROUPS_MAX: i32 = 16;

/// What is set to switch the group of this number, and what is looked at: its state, what is under way, its kind.
pub(super) fn order(mib: &Mib, switch: Switch, number: u32) -> (Binding, Vec<Oid>) {
    let value = Value::Integer(match switch {
        Switch::On => 1,
        Switch::Off => 2,
        Switch::Reboot => 3,
    });
    let looks = [STATE, PENDING, KIND].map(|column| mib.object(column).child(number));
    (Binding { oid: mib.object(ORDER).child(number), value }, looks.to_vec())
}

/// Whether the looks have found a group that can be switched.
pub(super) fn is_there(looks: &[Oid], bindings: &[Binding]) -> bool {
    let [state, _, kind] = looks else { return false };
    let is_switched = value_of(bindings, kind) == Some(&Value::Integer(SWITCHED));
    is_switched && value_of(bindings, state).is_some()
}

/// What the looks say of an order to switch a group; `None`: nothing yet.
pub(super) fn seen(switch: Switch, state: Option<i64>, pending: Option<i64>) -> Option<Outcome> {
    let (is_done, words) = match switch {
        Switch::On => (state == Some(ON), "the outlet group has power"),
        Switch::Off => (state == Some(OFF), "the outlet group is off"),
        Switch::Reboot => {
            (state == Some(OFF) || pending == Some(IS_PENDING), "the outlet group goes off, and on again")
        }
    };
    is_done.then(|| Ok(words.to_owned()))
}

/// All groups, one after the other.
#[derive(Debug)]
pub(super) struct Listing {
    mib: &'static Mib,
    /// The state of the next group is behind this object; `None`: all states are known.
    behind: Option<Oid>,
    /// Numbers and states; from then on those whose name is not known yet.
    groups: Vec<(u32, i64)>,
    list: String,
}

impl Listing {
    pub(super) fn new(mib: &'static Mib) -> Self {
        Self { mib, behind: Some(mib.object(STATE)), groups: Vec::new(), list: String::new() }
    }

    /// What is to be asked.
    pub(super) fn request(&self) -> Request {
        match (&self.behind, self.groups.first()) {
            (None, Some((number, _))) => {
                Request::Get([KIND, NAME].map(|column| self.mib.object(column).child(*number)).to_vec())
            }
            (behind, _) => Request::Next(behind.clone().unwrap_or_default(), GROUPS_MAX),
        }
    }

    /// What came of it; `Some`: a line for each group, its number, its state and its name.
    pub(super) fn take(&mut self, request: &Request, answer: &Answer) -> Option<Outcome> {
        if *request != self.request() {
            return None;
        }
        let bindings: &[Binding] = match answer {
            Answer::Objects(bindings) => bindings,
            Answer::None => return Some(Err("the card does not answer".to_owned())),
            // Version 1 has no more of them.
            Answer::Error(..) => &[],
        };
        match self.behind.take() {
            Some(behind) => self.behind = self.states(behind, bindings),
            None => self.name(bindings),
        }
        (self.behind.is_none() && self.groups.is_empty()).then(|| match std::mem::take(&mut self.list) {
            list if list.is_empty() => Err("the card shows no outlet groups that can be switched".to_owned()),
            list => Ok(list),
        })
    }

    /// States of groups; behind which object there may be more.
    fn states(&mut self, mut behind: Oid, bindings: &[Binding]) -> Option<Oid> {
        let column = self.mib.object(STATE);
        for Binding { oid, value } in bindings {
            let number = oid.strip_prefix(&column[..]);
            let (Some([number]), Value::Integer(state)) = (number, value) else { return None };
            if oid[..] <= behind[..] || self.groups.len() >= GROUPS_MAX as usize {
                return None;
            }
            self.groups.push((*number, i64::from(*state)));
            behind = oid.clone();
        }
        (!bindings.is_empty()).then_some(behind)
    }

    /// Kind and name of the first group that is left.
    fn name(&mut self, bindings: &[Binding]) {
        if self.groups.is_empty() {
            return;
        }
        let (number, state) = self.groups.remove(0);
        let of = |column| value_of(bindings, &self.mib.object(column).child(number));
        if of(KIND) != Some(&Value::Integer(SWITCHED)) {
            return;
        }
        let end = if self.list.is_empty() { "" } else { "\n" };
        let state = match state {
            ON => "on",
            OFF => "off",
            _ => "unknown",
        };
        let name = match of(NAME) {
            Some(Value::Octets(bytes)) => clean(&String::from_utf8_lossy(bytes)).trim().to_owned(),
            _ => String::new(),
        };
        let comma = if name.is_empty() { "" } else { ", " };
        self.list.push_str(&format!("{end}{number} {state}{comma}{name}"));
    }
}
