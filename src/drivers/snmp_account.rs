//! What a configuration says of SNMP, as far as DEVICE does not, and the file of pass phrases (snmp §9).

use std::path::PathBuf;

/// SNMPVERSION, SNMPUSER, SNMPLEVEL, SNMPAUTH, SNMPPRIV and SNMPSECRETS. Words are spelt as in the lists here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is its directive")]
pub struct SnmpAccount {
    pub version: &'static str,
    pub user: String,
    pub level: &'static str,
    pub auth: &'static str,
    pub privacy: &'static str,
    pub secrets: Option<PathBuf>,
}

/// SNMPVERSION.
pub const SNMP_VERSIONS: [&str; 4] = ["auto", "1", "2c", "3"];
/// SNMPLEVEL: nothing, signed, signed and encrypted.
pub const SNMP_LEVELS: [&str; 3] = ["noAuthNoPriv", "authNoPriv", "authPriv"];
/// SNMPAUTH.
pub const SNMP_AUTHS: [&str; 6] = ["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"];
/// SNMPPRIV.
pub const SNMP_PRIVS: [&str; 2] = ["DES", "AES"];

impl SnmpAccount {
    /// Whether messages have an account.
    #[must_use]
    pub fn is_v3(&self) -> bool {
        self.version == "3"
    }

    /// Whether they are signed, so that a pass phrase is needed.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.is_v3() && self.level != SNMP_LEVELS[0]
    }

    /// Whether they are encrypted too.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_v3() && self.level == SNMP_LEVELS[2]
    }
}

/// The pass phrases of an account, from the file that SNMPSECRETS names. Empty: there is none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SnmpSecrets {
    /// Of what signs.
    pub auth: String,
    /// Of what encrypts.
    pub privacy: String,
}

// Without what they are.
impl std::fmt::Debug for SnmpSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnmpSecrets")
    }
}

impl SnmpSecrets {
    /// Fewer characters are no pass phrase (snmp §9.2).
    const LEAST: usize = 8;

    /// Lines `auth PHRASE` and `priv PHRASE`; a phrase is the rest of its line without blanks at both ends. Lines that are blank or
    /// begin with `#` are left out. `encrypts`: the second is needed too.
    ///
    /// # Errors
    /// What is wrong, without a word of the file.
    pub fn parse(text: &str, encrypts: bool) -> Result<Self, String> {
        let mut found = Self::default();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(char::is_whitespace) {
                Some(("auth", phrase)) => phrase.trim_start().clone_into(&mut found.auth),
                Some(("priv", phrase)) => phrase.trim_start().clone_into(&mut found.privacy),
                _ => {
                    return Err(format!(
                        "line {number}: accepted: 'auth' or 'priv', a blank, and the pass phrase"
                    ));
                }
            }
        }
        let wanted = [("auth", &found.auth, true), ("priv", &found.privacy, encrypts)];
        for (word, phrase, _) in wanted.into_iter().filter(|(.., is_needed)| *is_needed) {
            if phrase.is_empty() {
                return Err(format!("there is no line '{word}' with a pass phrase in it"));
            }
            if phrase.chars().count() < Self::LEAST {
                return Err(format!(
                    "the pass phrase of '{word}' is shorter than {} characters",
                    Self::LEAST
                ));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pass_phrases_are_the_rest_of_their_lines() {
        let text = "# of the rack\r\n\r\nauth   s3cr3t one # two \npriv\ts3cr3t-two\n";
        let found = SnmpSecrets::parse(text, true).unwrap();
        assert_eq!((&*found.auth, &*found.privacy), ("s3cr3t one # two", "s3cr3t-two"));
        assert_eq!(SnmpSecrets::parse("auth s3cr3t-one", false).unwrap().privacy, "");
    }

    #[test]
    fn what_is_wrong_is_said_without_a_word_of_the_file() {
        for (text, said) in [
            ("", "there is no line 'auth'"),
            ("auth\n", "line 1: accepted"),
            ("auth s3cr3t-one", "there is no line 'priv'"),
            ("auth s3cr3t-one\npriv s3cr3t", "the pass phrase of 'priv' is shorter than 8"),
            ("auth s3cr3t-one\npasswd s3cr3t-two", "line 2: accepted"),
        ] {
            let error = SnmpSecrets::parse(text, true).unwrap_err();
            assert!(error.starts_with(said) && !error.contains("s3cr3t"), "{error}");
        }
        assert_eq!(format!("{:?}", SnmpSecrets::parse("auth s3cr3t-one", false).unwrap()), "SnmpSecrets");
    }
}
