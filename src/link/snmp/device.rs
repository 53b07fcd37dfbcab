//! DEVICE: `host:port:vendor:community`, all but the host optional (snmp §1).

use super::mib::{self, Mib};

/// The usual port of an agent.
const PORT: u16 = 161;
/// Behind the vendor: no traps are waited for.
const NO_TRAPS: &str = "NOTRAP";

/// What DEVICE says.
#[derive(Clone, Debug)]
pub struct Device {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// `None`: it is found out.
    pub(super) mib: Option<&'static Mib>,
    /// Traps are waited for.
    pub traps: bool,
    /// A secret; `None`: it is found out.
    pub(super) community: Option<Vec<u8>>,
}

impl Device {
    /// What a DEVICE says. An IPv6 address stands in brackets if anything follows it.
    ///
    /// # Errors
    /// What is wrong, without the community.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest))
                if host.parse::<std::net::Ipv6Addr>().is_err()
                    || !(rest.is_empty() || rest.starts_with(':')) =>
            {
                return Err(
                    "between '[' and ']' is an IPv6 address, and behind it nothing or a colon".to_owned()
                );
            }
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None if text.parse::<std::net::Ipv6Addr>().is_ok() && !text.ends_with("::") => (text, None),
            None => text.split_once(':').map_or((text, None), |(host, rest)| (host, Some(rest))),
        };
        if host.is_empty() {
            return Err("no host, but UPSTYPE snmp needs that of the management card".to_owned());
        }
        let mut parts = rest.unwrap_or_default().splitn(3, ':');
        let port = match parts.next().filter(|port| !port.is_empty()) {
            None => PORT,
            Some(port) => {
                let number = port
                    .parse()
                    .ok()
                    .filter(|number| *number > 0 && port.bytes().all(|it| it.is_ascii_digit()));
                number.ok_or_else(|| format!("'{port}' is no port from 1 to 65535"))?
            }
        };
        let vendor = parts.next().unwrap_or_default().to_ascii_uppercase();
        let bare = vendor.strip_suffix(NO_TRAPS);
        let word = bare.map_or(vendor.as_str(), |word| word.strip_suffix('_').unwrap_or(word));
        let mib = mib::ALL.into_iter().find(|mib| mib.word == word);
        if mib.is_none() && !word.is_empty() {
            return Err(format!("'{vendor}' is no vendor (APC, RFC, MGE)"));
        }
        let community = parts.next().filter(|community| !community.is_empty());
        Ok(Self {
            host: host.to_owned(),
            port,
            mib,
            traps: bare.is_none(),
            community: community.map(|community| community.as_bytes().to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, u16, &'static str, bool, String) {
        let device = Device::parse(text).unwrap();
        let community = device.community.map(|it| String::from_utf8(it).unwrap()).unwrap_or_default();
        (device.host, device.port, device.mib.map_or("", |mib| mib.word), device.traps, community)
    }

    #[test]
    fn the_forms_of_apcupsd_are_read_as_it_does_and_ipv6_in_brackets() {
        for (text, host, port, vendor, traps, community) in [
            ("card", "card", 161, "", true, ""),
            ("card:1161", "card", 1161, "", true, ""),
            ("card::apc", "card", 161, "APC", true, ""),
            ("card:161:APC_NOTRAP:private", "card", 161, "APC", false, "private"),
            ("card:161:NOTRAP", "card", 161, "", false, ""),
            ("card:161:apc_notrap", "card", 161, "APC", false, ""),
            ("card::RFC:with:colons", "card", 161, "RFC", true, "with:colons"),
            ("[fd00::7]:1161:MGE:public", "fd00::7", 1161, "MGE", true, "public"),
            ("[::1]", "::1", 161, "", true, ""),
            ("fd00::7", "fd00::7", 161, "", true, ""),
            // As apcupsd reads it.
            ("cafe::", "cafe", 161, "", true, ""),
        ] {
            let expected = (host.to_owned(), port, vendor, traps, community.to_owned());
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_says_why_and_never_the_community() {
        for (text, why) in [
            ("", "no host"),
            (":161", "no host"),
            ("card:0", "'0' is no port"),
            ("card:x:APC:secret", "'x' is no port"),
            ("card:161:HP:secret", "'HP' is no vendor"),
            ("[fe80]:161", "between '['"),
            ("[::1]x", "between '['"),
        ] {
            let error = Device::parse(text).unwrap_err();
            assert!(error.starts_with(why) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
