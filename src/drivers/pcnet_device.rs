//! DEVICE of a network card that sends to PowerChute Network Shutdown (pcnet §1).

use std::net::Ipv6Addr;

/// The parts of DEVICE. It has no `Debug`: a pass phrase is shown nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PcnetDevice<'a> {
    /// The card: a name, or an address without brackets.
    pub host: &'a str,
    /// Its user.
    pub user: &'a str,
    /// Its authentication phrase.
    pub passphrase: &'a str,
    /// The UDP port to which it sends.
    pub port: Option<u16>,
    /// The port of its web server.
    pub web_port: Option<u16>,
}

impl<'a> PcnetDevice<'a> {
    /// For a person who has written something else.
    pub const ACCEPTED: &'static str =
        "blank, or host:user:passphrase:port:webport, the ports optional, an IPv6 address in brackets";

    /// The parts; `None`: blank, no card is named.
    ///
    /// # Errors
    /// What is wrong, without a word of the value: parts may be in the wrong place.
    pub fn parse(text: &'a str) -> Result<Option<Self>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or("'[' without ']'")?;
                let _: Ipv6Addr = host.parse().map_err(|_| "in the brackets is no IPv6 address")?;
                (host, rest.strip_prefix(':').unwrap_or_default())
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let mut parts = rest.split(':');
        let (user, passphrase) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if [host, user, passphrase].iter().any(|part| part.is_empty()) {
            return Err("the value is not complete");
        }
        let mut port = || {
            let Some(text) = parts.next().filter(|text| !text.is_empty()) else { return Ok(None) };
            let number = text.parse().ok().filter(|port| *port > 0);
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            number
                .filter(|_| is_number)
                .map(Some)
                .ok_or("what follows the passphrase is no port from 1 to 65535")
        };
        let (port, web_port) = (port()?, port()?);
        if parts.next().is_some() {
            return Err("after the ports comes nothing");
        }
        Ok(Some(Self { host, user, passphrase, port, web_port }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts<'a> = (&'a str, &'a str, &'a str, Option<u16>, Option<u16>);

    fn parts(text: &str) -> Option<Parts<'_>> {
        let device = PcnetDevice::parse(text).ok()??;
        Some((device.host, device.user, device.passphrase, device.port, device.web_port))
    }

    #[test]
    fn a_card_is_named_by_address_or_name_with_user_and_phrase() {
        assert_eq!(
            parts("10.0.0.1:apc:admin user phrase"),
            Some(("10.0.0.1", "apc", "admin user phrase", None, None))
        );
        assert_eq!(parts("card:a:b:3053"), Some(("card", "a", "b", Some(3053), None)));
        assert_eq!(parts("[fd00::1]:a:b::8080"), Some(("fd00::1", "a", "b", None, Some(8080))));
        assert!(PcnetDevice::parse("").is_ok_and(|device| device.is_none()));
    }

    #[test]
    fn what_is_not_complete_is_refused_without_showing_it() {
        for text in [
            "10.0.0.1",
            "10.0.0.1:apc",
            "10.0.0.1:apc:",
            ":apc:secret",
            "10.0.0.1::secret",
            "a:b:secret:x",
            "a:b:secret:0",
            "a:b:secret:+1",
            "a:b:secret:1:2:3",
            "fd00::1:apc:secret",
            "[fd00::1:apc:secret",
            "[x]:apc:secret",
        ] {
            let said = PcnetDevice::parse(text).err();
            assert!(said.is_some_and(|said| !said.contains("secret")), "{text}");
        }
    }
}
