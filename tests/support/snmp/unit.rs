//! The network card of a UPS, as far as SNMP v1 and v2c go: datagrams in, datagrams out (docs/reference/snmp.md).
#![allow(dead_code, reason = "a file for several programs of tests")]

use std::collections::BTreeMap;

use super::ber::{element, elements, integer, number, numbers, oid, split};

pub const POWERNET: [u32; 9] = [1, 3, 6, 1, 4, 1, 318, 1, 1];
pub const RFC1628: [u32; 8] = [1, 3, 6, 1, 2, 1, 33, 1];
pub const MGE: [u32; 8] = [1, 3, 6, 1, 4, 1, 705, 1];
const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const NULL: u8 = 5;
const OID: u8 = 6;
const GAUGE: u8 = 0x42;
const TICKS: u8 = 0x43;

/// A value as it goes on the wire: tag and content.
pub type Value = (u8, Vec<u8>);

pub fn int(value: i64) -> Value {
    (INTEGER, integer(value))
}

pub fn gauge(value: i64) -> Value {
    (GAUGE, integer(value))
}

pub fn ticks(seconds: i64) -> Value {
    (TICKS, integer(seconds * 100))
}

pub fn text(text: &str) -> Value {
    (OCTETS, text.as_bytes().to_vec())
}

/// The card and its UPS.
#[derive(Clone, Debug)]
pub struct Unit {
    /// By whole names, with the instance.
    pub objects: BTreeMap<Vec<u32>, Value>,
    /// Where the tails of [`Unit::set`] begin.
    pub base: Vec<u32>,
    /// May read and write, and may read.
    pub communities: [&'static str; 2],
    /// 0: v1, 1: v2c.
    pub versions: Vec<i64>,
    /// More objects in one request are too many; and so many without an answer.
    pub most: usize,
    pub deaf_from: usize,
    /// It acknowledges orders and does not do them.
    pub idle: bool,
    /// What was set: name and number (or length of a text).
    pub written: Vec<(Vec<u32>, i64)>,
    /// Kinds of requests that came, and how many objects each was for.
    pub asked: Vec<(u8, usize)>,
}

impl Unit {
    fn new(base: &[u32]) -> Self {
        Self {
            objects: BTreeMap::new(),
            base: base.to_vec(),
            communities: ["private", "public"],
            versions: vec![0, 1],
            most: 100,
            deaf_from: 100,
            idle: false,
            written: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// A card of APC in a Smart-UPS on mains, all well.
    pub fn powernet() -> Self {
        let mut unit = Self::new(&POWERNET);
        for (tail, value) in [
            (&[1, 1, 1, 1][..], text("Smart-UPS 1500")),
            (&[1, 1, 1, 2], text("CARDNAME")),
            (&[1, 1, 2, 1], text("UPS 09.3")),
            (&[1, 1, 2, 2], text("08/16/19")),
            (&[1, 1, 2, 3], text("AS1933123456")),
            (&[1, 2, 1, 1], int(2)),
            (&[1, 2, 1, 3], text("08/16/2019")),
            (&[1, 2, 2, 1], gauge(100)),
            (&[1, 2, 2, 2], gauge(26)),
            (&[1, 2, 2, 3], ticks(3660)),
            (&[1, 2, 2, 4], int(1)),
            (&[1, 2, 2, 5], int(0)),
            (&[1, 2, 2, 6], int(0)),
            (&[1, 2, 2, 7], int(24)),
            (&[1, 2, 2, 8], int(27)),
            (&[1, 3, 2, 1], gauge(231)),
            (&[1, 3, 2, 2], gauge(234)),
            (&[1, 3, 2, 3], gauge(228)),
            (&[1, 3, 2, 4], gauge(50)),
            (&[1, 3, 2, 5], int(1)),
            (&[1, 4, 1, 1], int(2)),
            (&[1, 4, 2, 1], gauge(230)),
            (&[1, 4, 2, 3], gauge(17)),
            (&[1, 4, 2, 4], gauge(1)),
            (&[1, 5, 2, 1], int(230)),
            (&[1, 5, 2, 2], int(253)),
            (&[1, 5, 2, 3], int(208)),
            (&[1, 5, 2, 4], int(2)),
            (&[1, 5, 2, 5], ticks(30)),
            (&[1, 5, 2, 6], int(15)),
            (&[1, 5, 2, 7], int(4)),
            (&[1, 5, 2, 8], ticks(120)),
            (&[1, 5, 2, 9], ticks(60)),
            (&[1, 5, 2, 10], ticks(180)),
            (&[1, 6, 1, 1], int(1)),
            (&[1, 6, 2, 1], int(1)),
            (&[1, 7, 2, 1], int(2)),
            (&[1, 7, 2, 2], int(1)),
            (&[1, 7, 2, 3], int(1)),
            (&[1, 7, 2, 4], text("01/02/2026")),
            (&[1, 7, 2, 5], int(1)),
            (&[1, 7, 2, 6], int(1)),
            (&[1, 8, 1], int(1)),
            (&[2, 1, 1], gauge(21)),
            (&[2, 1, 2], gauge(40)),
        ] {
            unit.set(tail, value);
        }
        unit.word(&[4, 6, 19]);
        unit
    }

    /// Another maker's card, by the MIB that all have.
    pub fn rfc1628() -> Self {
        let mut unit = Self::new(&RFC1628);
        for (tail, value) in [
            (&[1, 2][..], text("Eaton 5P 1150")),
            (&[1, 3], text("02.08.0010")),
            (&[1, 5], text("CARDNAME")),
            (&[2, 1], int(2)),
            (&[2, 2], int(0)),
            (&[2, 3], int(61)),
            (&[2, 4], int(100)),
            (&[2, 5], int(273)),
            (&[2, 7], int(26)),
            (&[4, 1], int(3)),
            (&[6, 1], gauge(0)),
            (&[7, 1], (OID, oid(&[1, 3, 6, 1, 2, 1, 33, 1, 7, 7, 1]))),
            (&[7, 2], int(41)),
            (&[7, 3], int(6)),
            (&[8, 1], int(1)),
            (&[8, 2], int(-1)),
            (&[8, 5], int(2)),
            (&[9, 1], int(230)),
            (&[9, 3], int(230)),
            (&[9, 5], int(1150)),
            (&[9, 6], int(770)),
            (&[9, 7], int(3)),
            (&[9, 8], int(2)),
            (&[9, 9], int(184)),
            (&[9, 10], int(276)),
        ] {
            unit.set(tail, value);
        }
        for (tail, value) in [
            (&[3, 3, 1, 2][..], 500),
            (&[3, 3, 1, 3], 231),
            (&[4, 4, 1, 2], 230),
            (&[4, 4, 1, 3], 12),
            (&[4, 4, 1, 5], 17),
        ] {
            unit.set_row(tail, 1, int(value));
        }
        unit
    }

    /// A card of MGE.
    pub fn mge() -> Self {
        let mut unit = Self::new(&MGE);
        for (tail, value) in [
            (&[1, 1][..], text("Evolution")),
            (&[1, 4], text("GE")),
            (&[1, 7], text("AV2G3700L")),
            (&[4, 2], int(240)),
            (&[4, 5], int(20)),
            (&[4, 7], int(120)),
            (&[4, 11], int(20)),
            (&[4, 13], int(180)),
            (&[4, 14], int(270)),
            (&[4, 15], int(2300)),
            (&[4, 19], int(1)),
            (&[4, 20], int(0)),
            (&[5, 1], int(3690)),
            (&[5, 2], int(100)),
            (&[5, 5], int(273)),
            (&[5, 7], int(26)),
            (&[5, 11], int(2)),
            (&[5, 14], int(2)),
            (&[6, 4], int(1)),
            (&[7, 3], int(2)),
            (&[7, 8], int(2)),
            (&[7, 10], int(2)),
            (&[7, 12], int(2)),
            (&[8, 1], int(21)),
            (&[8, 2], int(40)),
            (&[10, 1], int(2)),
            (&[10, 3], int(1)),
            (&[10, 4], int(2)),
        ] {
            unit.set(tail, value);
        }
        for (tail, value) in [
            (&[4, 23, 1, 8][..], 30),
            (&[6, 2, 1, 2], 2310),
            (&[6, 2, 1, 3], 500),
            (&[6, 2, 1, 4], 2280),
            (&[6, 2, 1, 5], 2340),
            (&[7, 2, 1, 2], 2300),
            (&[7, 2, 1, 4], 17),
        ] {
            unit.set_row(tail, 1, int(value));
        }
        unit
    }

    pub fn name(&self, tail: &[u32]) -> Vec<u32> {
        [&self.base, tail].concat()
    }

    /// Sets a scalar.
    pub fn set(&mut self, tail: &[u32], value: Value) {
        self.objects.insert([&self.name(tail)[..], &[0]].concat(), value);
    }

    /// Gives a card of APC the main outlet group and two that are switched.
    pub fn with_outlets(mut self) -> Self {
        for (group, name, kind) in [(1, "main", 2), (2, "disks", 1), (3, "", 1)] {
            for (column, value) in
                [(1, int(group)), (2, text(name)), (3, int(1)), (4, int(2)), (5, int(kind)), (6, text("on"))]
            {
                self.set_row(&[1, 12, 1, 2, 1, column], group as u32, value);
            }
            self.set_row(&[1, 12, 3, 2, 1, 3], group as u32, int(8));
        }
        self
    }

    /// Sets a row of a column.
    pub fn set_row(&mut self, tail: &[u32], row: u32, value: Value) {
        self.objects.insert([&self.name(tail)[..], &[row]].concat(), value);
    }

    /// The object is gone.
    pub fn remove(&mut self, tail: &[u32]) {
        let name = self.name(tail);
        self.objects.retain(|object, _| !object.starts_with(&name));
    }

    /// The number of a scalar.
    pub fn get(&self, tail: &[u32]) -> i64 {
        number(&self.objects[&[&self.name(tail)[..], &[0]].concat()].1)
    }

    /// PowerNet's state word, with a 1 at these positions, from 1.
    pub fn word(&mut self, positions: &[usize]) {
        let word: String = (1..=64).map(|at| if positions.contains(&at) { '1' } else { '0' }).collect();
        self.set(&[1, 11, 1, 1], text(&word));
    }

    /// Mains fails, or is back.
    pub fn mains(&mut self, there: bool) {
        if self.base == POWERNET {
            self.set(&[1, 4, 1, 1], int(if there { 2 } else { 3 }));
            self.set(&[1, 3, 2, 5], int(4));
            self.set(&[1, 3, 2, 1], gauge(if there { 231 } else { 0 }));
            self.word(if there { &[4, 6, 19] } else { &[1, 2, 6, 19] });
        } else if self.base == RFC1628 {
            self.set(&[4, 1], int(if there { 3 } else { 5 }));
            self.set_row(&[3, 3, 1, 3], 1, int(if there { 231 } else { 0 }));
            self.alarms(if there { &[] } else { &[2, 6] });
        } else {
            self.set(&[7, 3], int(if there { 2 } else { 1 }));
            self.set(&[6, 4], int(2));
            self.set_row(&[6, 2, 1, 2], 1, int(if there { 2310 } else { 0 }));
        }
    }

    /// RFC 1628: these alarms are there.
    pub fn alarms(&mut self, numbers: &[u32]) {
        self.remove(&[6, 2, 1, 2]);
        self.set(&[6, 1], gauge(numbers.len() as i64));
        for (row, number) in (1..).zip(numbers) {
            self.set_row(&[6, 2, 1, 2], row, (OID, oid(&[&RFC1628[..], &[6, 3, *number]].concat())));
        }
    }

    pub fn battery(&mut self, charge: i64, seconds: i64, low: bool) {
        if self.base == POWERNET {
            self.set(&[1, 2, 2, 1], gauge(charge));
            self.set(&[1, 2, 2, 3], ticks(seconds));
            self.set(&[1, 2, 1, 1], int(if low { 3 } else { 2 }));
        } else if self.base == RFC1628 {
            self.set(&[2, 4], int(charge));
            self.set(&[2, 3], int(seconds / 60));
            self.set(&[2, 1], int(if low { 3 } else { 2 }));
        } else {
            self.set(&[5, 2], int(charge));
            self.set(&[5, 1], int(seconds));
            self.set(&[5, 14], int(if low { 1 } else { 2 }));
        }
    }

    /// What the card answers; `None`: nothing.
    pub fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let (0x30, message, _) = split(datagram)? else { return None };
        let [(INTEGER, version), (OCTETS, community), (kind, pdu)] = elements(message)?[..] else {
            return None;
        };
        let may = self.communities.map(|it| it.as_bytes() == community);
        let version = number(version);
        if !may.contains(&true) || !self.versions.contains(&version) {
            return None;
        }
        let [(INTEGER, id), (INTEGER, plain), (INTEGER, most), (0x30, list)] = elements(pdu)?[..] else {
            return None;
        };
        let bindings = elements(list)?;
        let bindings: Option<Vec<(Vec<u32>, Value)>> = bindings
            .into_iter()
            .map(|(_, binding)| {
                let [(OID, name), (tag, value)] = elements(binding)?[..] else { return None };
                Some((numbers(name), (tag, value.to_vec())))
            })
            .collect();
        let bindings = bindings?;
        self.asked.push((kind, bindings.len()));
        if bindings.len() >= self.deaf_from {
            return None;
        }
        let _ = plain;
        let (error, index, found) = if bindings.len() > self.most {
            (1, 0, bindings.clone())
        } else {
            match kind {
                0xa0 => self.get_all(&bindings, version),
                0xa1 => self.next_all(&bindings, version),
                0xa5 if version == 1 => (0, 0, self.bulk(&bindings, number(most))),
                0xa3 if !may[0] => (if version == 0 { 2 } else { 6 }, 1, bindings.clone()),
                0xa3 => self.set_all(&bindings, version),
                _ => return None,
            }
        };
        let list: Vec<u8> = found
            .iter()
            .flat_map(|(name, (tag, value))| {
                element(0x30, &[element(OID, &oid(name)), element(*tag, value)].concat())
            })
            .collect();
        let pdu = [
            element(INTEGER, id),
            element(INTEGER, &integer(error)),
            element(INTEGER, &integer(index)),
            element(0x30, &list),
        ]
        .concat();
        let message =
            [element(INTEGER, &integer(version)), element(OCTETS, community), element(0xa2, &pdu)].concat();
        Some(element(0x30, &message))
    }

    fn get_all(&self, bindings: &[(Vec<u32>, Value)], version: i64) -> (i64, i64, Vec<(Vec<u32>, Value)>) {
        let missing = bindings.iter().position(|(name, _)| !self.objects.contains_key(name));
        if let (Some(at), 0) = (missing, version) {
            return (2, at as i64 + 1, bindings.to_vec());
        }
        let value = |name: &Vec<u32>| self.objects.get(name).cloned().unwrap_or((0x81, Vec::new()));
        (0, 0, bindings.iter().map(|(name, _)| (name.clone(), value(name))).collect())
    }

    fn next(&self, name: &[u32]) -> Option<(Vec<u32>, Value)> {
        let behind = self.objects.iter().find(|(object, _)| object[..] > *name);
        behind.map(|(object, value)| (object.clone(), value.clone()))
    }

    fn next_all(&self, bindings: &[(Vec<u32>, Value)], version: i64) -> (i64, i64, Vec<(Vec<u32>, Value)>) {
        let mut found = Vec::new();
        for (at, (name, _)) in (1..).zip(bindings) {
            match self.next(name) {
                Some(next) => found.push(next),
                None if version == 0 => return (2, at, bindings.to_vec()),
                None => found.push((name.clone(), (0x82, Vec::new()))),
            }
        }
        (0, 0, found)
    }

    fn bulk(&self, bindings: &[(Vec<u32>, Value)], most: i64) -> Vec<(Vec<u32>, Value)> {
        let mut found = Vec::new();
        let mut name = bindings[0].0.clone();
        for _ in 0..most {
            let Some(next) = self.next(&name) else {
                found.push((name, (0x82, Vec::new())));
                break;
            };
            name.clone_from(&next.0);
            found.push(next);
        }
        found
    }

    fn set_all(
        &mut self,
        bindings: &[(Vec<u32>, Value)],
        version: i64,
    ) -> (i64, i64, Vec<(Vec<u32>, Value)>) {
        if let Some(at) = bindings.iter().position(|(name, _)| !self.objects.contains_key(name)) {
            return (if version == 0 { 2 } else { 17 }, at as i64 + 1, bindings.to_vec());
        }
        for (name, value) in bindings {
            self.written.push((
                name.clone(),
                if value.0 == INTEGER { number(&value.1) } else { value.1.len() as i64 },
            ));
            if !self.idle {
                self.ordered(name, value);
            }
        }
        (0, 0, bindings.to_vec())
    }

    /// Does what was ordered.
    fn ordered(&mut self, name: &[u32], value: &Value) {
        let outlet = self.name(&[1, 12, 3, 2, 1, 3]);
        if let Some([group]) = name.strip_prefix(&outlet[..]) {
            let state = if number(&value.1) == 1 { 1 } else { 2 };
            return self.set_row(&[1, 12, 1, 2, 1, 3], *group, int(state));
        }
        let Some([tail @ .., 0]) = name.strip_prefix(&self.base[..]) else { return };
        let tail = tail.to_vec();
        if self.base == POWERNET {
            match (&tail[..], number(&value.1)) {
                ([1, 6, 1, 1], 2) => self.word(&[1, 2, 6, 19, 22]),
                ([1, 6, 2, 1], 2) => self.set(&[1, 4, 1, 1], int(7)),
                ([1, 7, 2, 2], 2) => self.set(&[1, 7, 2, 3], int(4)),
                ([1, 7, 2, 5], 2) => self.set(&[1, 7, 2, 6], int(3)),
                ([1, 7, 2, 5], 3) => self.set(&[1, 7, 2, 6], int(5)),
                _ if value.0 == OCTETS => self.set(&tail, value.clone()),
                _ => {}
            }
            return;
        }
        self.set(&tail, value.clone());
        if self.base == RFC1628 && tail == [7, 1] {
            self.set(&[7, 3], int(if value.1.last() == Some(&2) { 4 } else { 5 }));
        }
    }
}
