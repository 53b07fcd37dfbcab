//! Names and revisions of old units (apcsmart §12, §13).

/// First letter of the answer to `V`, and the model it stands for (apcsmart §12).
const MODELS: [(u8, &str); 25] = [
    (b'0', "APC Matrix-UPS 3000"),
    (b'2', "APC Smart-UPS 250"),
    (b'3', "APC Smart-UPS 370ci"),
    (b'4', "APC Smart-UPS 400"),
    (b'5', "APC Matrix-UPS 5000"),
    (b'6', "APC Smart-UPS 600"),
    (b'7', "APC Smart-UPS 900"),
    (b'8', "APC Smart-UPS 1250"),
    (b'9', "APC Smart-UPS 2000"),
    (b'A', "APC Smart-UPS 1400"),
    (b'B', "APC Smart-UPS 1000"),
    (b'C', "APC Smart-UPS 650"),
    (b'D', "APC Smart-UPS 420"),
    (b'E', "APC Smart-UPS 280"),
    (b'F', "APC Smart-UPS 450"),
    (b'G', "APC Smart-UPS 700"),
    (b'H', "APC Smart-UPS 700 XL"),
    (b'I', "APC Smart-UPS 1000"),
    (b'J', "APC Smart-UPS 1000 XL"),
    (b'K', "APC Smart-UPS 1400"),
    (b'L', "APC Smart-UPS 1400 XL"),
    (b'M', "APC Smart-UPS 2200"),
    (b'N', "APC Smart-UPS 2200 XL"),
    (b'O', "APC Smart-UPS 5000"),
    (b'P', "APC Smart-UPS 3000"),
];

/// The model that an old firmware revision, the answer to `V`, belongs to.
#[must_use]
pub fn model_of_old_revision(revision: &str) -> &'static str {
    let first = revision.bytes().next();
    MODELS.iter().find(|(letter, _)| Some(*letter) == first).map_or("Unknown", |(_, model)| model)
}

/// Some old units answer `b` with two hexadecimal digits: a voltage beyond 255, not a revision (apcsmart §13).
#[must_use]
pub fn firmware_is_voltage(answer: &str) -> bool {
    answer.len() == 2 && answer.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_revision_tells_the_model() {
        assert_eq!(model_of_old_revision("IWI"), "APC Smart-UPS 1000");
        assert_eq!(model_of_old_revision("0WI"), "APC Matrix-UPS 3000");
        assert_eq!(model_of_old_revision("HQD"), "APC Smart-UPS 700 XL");
        assert_eq!(model_of_old_revision("zzz"), "Unknown");
        assert_eq!(model_of_old_revision(""), "Unknown");
    }

    #[test]
    fn two_hex_digits_are_no_revision() {
        assert!(firmware_is_voltage("FF"));
        assert!(!firmware_is_voltage("60.11.I"));
        assert!(!firmware_is_voltage("GWD"));
    }
}
