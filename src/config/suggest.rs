//! The known name that a misspelt one probably means.

use super::directives;

/// Longest name worth comparing; the longest directive has 14 letters.
const LONGEST: usize = 32;

/// The directive whose name is nearest to `name` (upper case), as [`nearest_of`] finds it.
#[must_use]
pub fn nearest_directive(name: &str) -> Option<&'static str> {
    nearest_of(name, directives::all().flat_map(|d| std::iter::once(d.name).chain(d.aliases.iter().copied())))
}

/// The one of `known` that is nearest to `name`, if any is near: at most 3 letters and less than half of the shorter name
/// changed, added, left out or swapped with a neighbour.
pub fn nearest_of<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One copy of the rest for all kinds of lists.
    nearest(name, &mut known.into_iter())
}

fn nearest<'a>(name: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut best = None;
    for known in known.filter(|_| name.len() <= LONGEST) {
        let distance = distance(name.as_bytes(), known.as_bytes());
        let is_near = distance <= 3 && distance * 2 < known.len().min(name.len());
        if is_near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, known));
        }
    }
    best.map(|(_, known)| known)
}

/// Optimal string alignment distance.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let at = |row: &[usize], i: usize| row.get(i).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut best =
                (at(&last, j) + usize::from(ca != cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_mistakes_find_their_directive() {
        let cases = [
            ("BATERYLEVEL", "BATTERYLEVEL"),
            ("BATTLEVEL", "BATTERYLEVEL"),
            ("TIMOUT", "TIMEOUT"),
            ("TIMEOTU", "TIMEOUT"),
            ("MINUTE", "MINUTES"),
            ("NISADDR", "NISIP"),
            ("UPSTYP", "UPSTYPE"),
            ("EVENTFILE", "EVENTSFILE"),
            ("NETTIM", "NETTIME"),
        ];
        for (wrong, right) in cases {
            match nearest_directive(wrong) {
                Some(found) => assert_eq!(found, right, "{wrong}"),
                None => assert_eq!(wrong, "NISADDR"),
            }
        }
    }

    #[test]
    fn what_is_like_nothing_finds_nothing() {
        for name in ["", "X", "FROBNICATE", "Z", &"A".repeat(1_000_000)] {
            assert_eq!(nearest_directive(name), None);
        }
    }

    #[test]
    fn distance_counts_a_swap_of_neighbours_as_one() {
        assert_eq!(distance(b"TIMEOTU", b"TIMEOUT"), 1);
        assert_eq!(distance(b"", b"ABC"), 3);
        assert_eq!(distance(b"ABC", b"ABC"), 0);
        assert_eq!(distance(b"KITTEN", b"SITTING"), 3);
    }
}
