//! Numbers for people, with a fixed count of decimal places.

use std::fmt;

/// A number that is shown as C's `printf` shows it, with the places, width and zeros that the format asks for: `{:05.1}`; none without. Exact, with
/// half rounded to even. A magnitude beyond 2<sup>64</sup> units of the last place is shown as that.
///
/// The standard library's own way can show every number there is in every length, and is 15 kB of code for that.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub f64);

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_finite() {
            return f.write_str(if self.0.is_nan() { "NaN" } else { "inf" });
        }
        let places = f.precision().unwrap_or(0).min(MOST_PLACES);
        let unit = 10_u64.pow(u32::try_from(places).unwrap_or(0));
        let number = in_units(self.0, unit);
        let (whole, rest) = (number / unit, number % unit);
        let digits = if places == 0 { format!("{whole}") } else { format!("{whole}.{rest:0places$}") };
        f.pad_integral(self.0.is_sign_positive(), "", &digits)
    }
}

/// A number with as many places as it needs, up to six.
#[must_use]
pub fn plain(number: f64) -> String {
    let text = format!("{:.6}", Fixed(number));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// More places than this are not shown.
const MOST_PLACES: usize = 6;

/// How many units of a part of one, such as tenths, are nearest to the magnitude of a number.
fn in_units(number: f64, units_of_one: u64) -> u64 {
    let bits = number.to_bits();
    let power = u32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    // The magnitude is the mantissa by 2 to the power less 1075; the product has 73 bits.
    let product = u128::from(mantissa) * u128::from(units_of_one);
    let Some(shift) = 1075_u32.checked_sub(power) else { return u64::MAX };
    if shift == 0 || shift > 100 {
        return if shift == 0 { u64::try_from(product).unwrap_or(u64::MAX) } else { 0 };
    }
    let (floor, rest, half) = (product >> shift, product & ((1 << shift) - 1), 1 << (shift - 1));
    let up = rest > half || rest == half && floor % 2 == 1;
    u64::try_from(floor + u128::from(up)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(number: f64) {
        let fixed = Fixed(number);
        assert_eq!(format!("{fixed:.0}"), format!("{number:.0}"));
        assert_eq!(format!("{fixed:.1}"), format!("{number:.1}"));
        assert_eq!(format!("{fixed:05.1}"), format!("{number:05.1}"));
        assert_eq!(format!("{fixed:07.2}"), format!("{number:07.2}"));
        assert_eq!(format!("{fixed:6.2}"), format!("{number:6.2}"));
        assert_eq!(format!("{fixed:.6}"), format!("{number:.6}"));
    }

    #[test]
    fn a_number_looks_as_the_standard_library_shows_it() {
        for whole in -2_000..2_000 {
            for part in [8.0, 7.0, 10.0, 100.0, 1e4, 3e-3] {
                same(f64::from(whole) / part);
            }
        }
        for number in [0.0, -0.0, 0.5, 1.5, 2.5, 0.05, 0.25, 0.35, 0.15, 1e12 + 0.5, 4e-300, 5e-324, -0.04] {
            same(number);
        }
        for odd in [f64::NAN, f64::INFINITY] {
            assert_eq!(format!("{:.1}", Fixed(odd)), format!("{odd:.1}"));
        }
    }

    #[test]
    fn a_number_without_measure_is_a_large_one() {
        for large in [1e300, -1e300, f64::MAX] {
            assert!(
                format!("{:.1}", Fixed(large)).trim_start_matches('-').starts_with("1844674407370955161.5")
            );
        }
    }
}
