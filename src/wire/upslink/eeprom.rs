//! The values that the EEPROM's variables may take: the answer to `^Z` (apcsmart §10.1).

use super::Alert;
use crate::ups::clean;

/// Most groups taken from one answer.
const GROUPS_MAX: usize = 64;

/// The values that one variable may take on units of one locale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted {
    /// The query of the variable.
    pub variable: u8,
    /// `4`: all locales; else the last character of the firmware revision.
    pub locale: u8,
    /// The values, as the unit sends them.
    pub values: Vec<String>,
}

/// All variables and their permitted values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Eeprom {
    /// In the order of the answer.
    pub groups: Vec<Permitted>,
}

impl Eeprom {
    /// Reads the answer to `^Z`, from which nothing must have been taken out. Ends quietly where the answer does, as one
    /// firmware stops in the middle of a group (apcsmart §10.1). Empty if it is no such answer.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let mut groups = Vec::new();
        let Some(start) = answer.iter().position(|byte| *byte == b'#') else { return Self::default() };
        let mut rest = answer.get(start..).unwrap_or_default();
        while groups.len() < GROUPS_MAX {
            // Matrix-UPS put `##` before every group, others one `#` before all.
            while let Some((b'#', after)) = rest.split_first() {
                rest = after;
            }
            let Some((&[variable, locale, count, width], after)) = rest.split_first_chunk::<4>() else {
                break;
            };
            let (true, true) = (count.is_ascii_digit(), width.is_ascii_digit()) else { break };
            let (count, width) = (usize::from(count - b'0'), usize::from(width - b'0'));
            let Some((values, after)) = after.split_at_checked(count * width) else { break };
            // Something else fell into the answer: what follows is shifted, or no value.
            let foreign = |byte: &u8| Alert::of(*byte).is_some();
            if foreign(&variable)
                || foreign(&locale)
                || values.iter().any(|byte| foreign(byte) || !matches!(byte, b' '..=b'~'))
            {
                break;
            }
            rest = after;
            if width == 0 {
                continue;
            }
            let values = values.chunks(width).map(|value| clean(&String::from_utf8_lossy(value))).collect();
            groups.push(Permitted { variable, locale, values });
        }
        Self { groups }
    }

    /// What `variable` may be set to on a unit of this locale.
    #[must_use]
    pub fn permitted(&self, variable: u8, locale: u8) -> Option<&Permitted> {
        self.groups
            .iter()
            .find(|group| group.variable == variable && (group.locale == b'4' || group.locale == locale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMART: &[u8] =
        b"#uD43127130133136uI43253257261265lI43208204200196e44200155090s441HMLLq44202050710k4410TLNE443336168ON OFF";

    #[test]
    fn groups_are_found_by_variable_and_locale() {
        let eeprom = Eeprom::parse(b"#uD43127130133136uI43253257261265e44200155090s441HMLLE443336168ON OFF");
        let values =
            |variable, locale| eeprom.permitted(variable, locale).map(|group| group.values.join(","));
        assert_eq!(values(b'u', b'I').as_deref(), Some("253,257,261,265"));
        assert_eq!(values(b'u', b'D').as_deref(), Some("127,130,133,136"));
        assert_eq!(values(b'u', b'J'), None);
        assert_eq!(values(b'e', b'J').as_deref(), Some("00,15,50,90"));
        assert_eq!(values(b's', b'I').as_deref(), Some("H,M,L,L"));
        assert_eq!(values(b'E', b'I').as_deref(), Some("336,168,ON ,OFF"));
    }

    #[test]
    fn a_matrix_marks_every_group() {
        let eeprom = Eeprom::parse(b"##uM43229234239224##q44202050710##");
        assert_eq!(eeprom.groups.len(), 2);
    }

    #[test]
    fn every_beginning_of_an_answer_is_read_as_far_as_it_goes() {
        let mut last = 0;
        for end in 0..=SMART.len() {
            let groups = Eeprom::parse(&SMART[..end]).groups.len();
            assert!(groups >= last);
            last = groups;
        }
        assert_eq!(last, 8);
        assert_eq!(Eeprom::parse(b"NA"), Eeprom::default());
    }
}
