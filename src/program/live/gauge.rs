//! Bars, needles and sparklines, made of characters.

use super::style::{Ink, Line, Style};

/// Without the full block: rows that touch would run into each other.
const HEIGHTS: [char; 7] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇'];
const ASCII_HEIGHTS: [char; 7] = ['_', '.', '-', '=', '+', '*', '#'];

/// A bar of `width` columns, filled from the left by `share` (0 to 1, cut to that).
#[must_use]
pub fn bar(line: Line, width: usize, share: f64, ink: Ink, style: Style) -> Line {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    if !style.unicode {
        let full = (share * width as f64).round() as usize;
        return line.put(ink, &"#".repeat(full)).put(Ink::Dim, &".".repeat(width.saturating_sub(full)));
    }
    let halves = (share * width as f64 * 2.0).round() as usize;
    let mut filled = "━".repeat(halves / 2);
    if halves % 2 == 1 {
        filled.push('╸');
    }
    line.put(ink, &filled).put(Ink::Dim, &"─".repeat(width.saturating_sub(halves.div_ceil(2))))
}

/// A scale from 0 to `most` of `width` columns, with its good range drawn thick and a needle at `value`.
#[must_use]
pub fn needle(
    mut line: Line,
    width: usize,
    value: f64,
    good: (f64, f64),
    most: f64,
    ink: Ink,
    style: Style,
) -> Line {
    let column = |value: f64| {
        let share = if most > 0.0 && value.is_finite() { (value / most).clamp(0.0, 1.0) } else { 0.0 };
        (share * width.saturating_sub(1) as f64).round() as usize
    };
    let (at, low, high) = (column(value), column(good.0), column(good.1));
    let (thin, thick, mark) = if style.unicode { ("─", "━", "●") } else { ("-", "=", "O") };
    for here in 0..width {
        line = match here {
            _ if here == at => line.put(ink, mark),
            _ if (low..=high).contains(&here) => line.put(Ink::Good, thick),
            _ => line.put(Ink::Dim, thin),
        };
    }
    line
}

/// The last `width` of these values as heights between `least` and `most`, the newest at the right; ink by value.
#[must_use]
pub fn sparkline(
    mut line: Line,
    width: usize,
    values: impl ExactSizeIterator<Item = Option<f64>>,
    (least, most): (f64, f64),
    ink: impl Fn(f64) -> Ink,
    style: Style,
) -> Line {
    let heights = if style.unicode { HEIGHTS } else { ASCII_HEIGHTS };
    let missing = if style.unicode { "·" } else { "." };
    let surplus = values.len().saturating_sub(width);
    for _ in values.len()..width {
        line = line.put(Ink::Plain, " ");
    }
    for value in values.skip(surplus) {
        line = match value {
            None => line.put(Ink::Dim, missing),
            Some(value) => {
                let share = ((value - least) / (most - least)).clamp(0.0, 1.0);
                let height = heights.get((share * 6.0).round() as usize).copied().unwrap_or('?');
                line.put(ink(value), height.encode_utf8(&mut [0; 4]))
            }
        };
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { colour: false, unicode: true };
    const ASCII: Style = Style { colour: false, unicode: false };

    fn drawn(share: f64, style: Style) -> String {
        bar(Line::new(80, style), 8, share, Ink::Good, style).into_text()
    }

    #[test]
    fn a_bar_fills_by_half_columns_and_keeps_its_width() {
        assert_eq!(drawn(0.0, STYLE), "────────");
        assert_eq!(drawn(0.5, STYLE), "━━━━────");
        assert_eq!(drawn(0.55, STYLE), "━━━━╸───");
        assert_eq!(drawn(1.0, STYLE), "━━━━━━━━");
        assert_eq!(drawn(7.0, STYLE), "━━━━━━━━");
        assert_eq!(drawn(f64::NAN, STYLE), "────────");
        assert_eq!(drawn(0.5, ASCII), "####....");
        for tenth in 0..=100 {
            assert_eq!(drawn(f64::from(tenth) / 100.0, STYLE).chars().count(), 8);
        }
    }

    #[test]
    fn a_needle_stands_at_its_value_over_the_good_range() {
        let drawn = |value: f64, style: Style| {
            needle(Line::new(80, style), 11, value, (60.0, 80.0), 100.0, Ink::Good, style).into_text()
        };
        assert_eq!(drawn(70.0, STYLE), "──────━●━──");
        assert_eq!(drawn(0.0, STYLE), "●─────━━━──");
        assert_eq!(drawn(500.0, ASCII), "------===-O");
    }

    #[test]
    fn a_sparkline_shows_the_newest_values_at_the_right() {
        let drawn = |values: &[Option<f64>]| {
            let line = Line::new(80, STYLE);
            sparkline(line, 4, values.iter().copied(), (0.0, 100.0), |_| Ink::Good, STYLE).into_text()
        };
        assert_eq!(drawn(&[Some(0.0), Some(100.0)]), "  ▁▇");
        assert_eq!(drawn(&[Some(9.0), None, Some(0.0), Some(50.0), Some(100.0)]), "·▁▄▇");
    }
}
