//! Rules of TCP wrappers for apcupsd, as directives of ours (hosts_access(5), hosts_options(5)).
//!
//! Debian's apcupsd asks `hosts.allow` and `hosts.deny`; mainsd has NISALLOW. What a rule says about addresses and networks
//! can be said there; what it says about names cannot, and is named. Nothing is ever translated to more than it admits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NisAllow;

/// The daemon's name in the rules: the base name that Debian's package runs it by (nis §1).
const DAEMON: &str = "apcupsd";
/// Most words of the rules that are quoted.
const QUOTED_WORDS_MAX: usize = 8;

/// What the rules for apcupsd in these two files mean for NISALLOW, in words; `None`: there are none. Total: any bytes are
/// rules or none.
#[must_use]
pub fn advice(allow: &[u8], deny: &[u8]) -> Option<String> {
    let mut found = Found::default();
    let mut lines = Vec::new();
    // Rules of hosts.allow come first, and the first that fits a client decides.
    for (file, bytes, admits) in [("hosts.allow", allow, true), ("hosts.deny", deny, false)] {
        let text = String::from_utf8_lossy(bytes);
        for (number, rule) in rules(&text) {
            let mut fields = fields(&rule).into_iter();
            let (Some(daemons), Some(clients)) = (fields.next(), fields.next()) else { continue };
            if !names_us(&words(&daemons)) {
                continue;
            }
            lines.push(format!("/etc/{file}:{number}"));
            let option = |word: &str| fields.clone().any(|field| field.trim().eq_ignore_ascii_case(word));
            let admits = (admits || option("allow")) && !option("deny");
            if !found.decided {
                found.rule(&words(&clients), admits);
            }
        }
    }
    lines.first()?;
    Some(found.text(&lines.join(", ")))
}

/// What is known so far of who is admitted.
#[derive(Default)]
struct Found {
    admitted: Vec<NisAllow>,
    /// What NISALLOW cannot say.
    unsaid: Vec<String>,
    /// Everybody whom no rule before has named is refused, or admitted: no rule behind counts.
    decided: bool,
    /// Everybody else is refused.
    closed: bool,
    /// Somebody is refused who cannot be named here, so who is admitted behind might be more than is meant.
    refused: bool,
}

impl Found {
    fn rule(&mut self, clients: &[&str], admits: bool) {
        let at = clients.iter().position(|word| word.eq_ignore_ascii_case("EXCEPT")).unwrap_or(clients.len());
        let (listed, rest) = clients.split_at(at);
        let excepted = rest.get(1..);
        let everybody = listed.iter().any(|word| word.eq_ignore_ascii_case("ALL"));
        let nested = excepted.is_some_and(|list| list.iter().any(|word| word.eq_ignore_ascii_case("EXCEPT")));
        match (admits, everybody, excepted) {
            (true, false, None) => self.admit(listed),
            (_, true, None) => {
                self.decided = true;
                self.closed = !admits;
            }
            // All but these are refused, and nothing behind refuses these.
            (false, true, Some(excepted)) if !nested => {
                self.admit(excepted);
                self.decided = true;
                self.closed = true;
            }
            _ => {
                self.refused |= !admits;
                self.unsaid.push(format!("{} {}", if admits { "allow" } else { "deny" }, clients.join(" ")));
            }
        }
    }

    fn admit(&mut self, list: &[&str]) {
        for word in list {
            match networks(word).filter(|_| !self.refused) {
                Some(networks) => self.admitted.extend(networks),
                None => self.unsaid.push((*word).to_owned()),
            }
        }
    }

    fn text(&self, lines: &str) -> String {
        let mut text =
            format!("not set, and mainsd does not read the TCP wrappers' rules for apcupsd in {lines}");
        let mut networks: Vec<String> = Vec::new();
        for network in self.admitted.iter().map(ToString::to_string) {
            if !networks.contains(&network) {
                networks.push(network);
            }
        }
        let networks = networks.join(" ");
        text.push_str(&match (self.closed, self.unsaid.is_empty(), networks.as_str()) {
            (true, true, "") => "; they admit nobody: NETSERVER off says the same".to_owned(),
            (true, false, "") => "; none of them can be said here".to_owned(),
            (true, true, _) => format!("; the same here: NISALLOW {networks}"),
            (true, false, _) => format!("; as far as can be said here: NISALLOW {networks}"),
            (false, true, _) => "; they admit everybody: NISALLOW 0.0.0.0/0 ::/0 says the same".to_owned(),
            (false, false, "") => "; they admit everybody else".to_owned(),
            (false, false, _) => format!("; they admit everybody else too, and by name: NISALLOW {networks}"),
        });
        if !self.unsaid.is_empty() {
            let quoted = |word: &String| super::directives::printable(word.as_bytes());
            let shown: Vec<String> = self.unsaid.iter().take(QUOTED_WORDS_MAX).map(quoted).collect();
            let more = if self.unsaid.len() > QUOTED_WORDS_MAX { ", ..." } else { "" };
            let shown = shown.join(", ");
            text.push_str(&format!("; cannot be said by addresses and networks: {shown}{more}"));
        }
        text
    }
}

/// The rules of a file with the number of their first line: continued lines joined, comments and blank lines left out.
fn rules(text: &str) -> Vec<(usize, String)> {
    let mut rules: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in text.lines().enumerate() {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        match rules.last_mut() {
            Some((_, rule)) if continued => rule.push_str(part),
            _ => rules.push((index + 1, part.to_owned())),
        }
        continued = goes_on;
    }
    rules.retain(|(_, rule)| !rule.trim().is_empty() && !rule.starts_with('#'));
    rules
}

/// The fields of a rule: apart at colons, but not at those of an IPv6 address in brackets.
fn fields(rule: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut inside = false;
    for c in rule.chars() {
        inside = (inside || c == '[') && c != ']';
        match fields.last_mut() {
            Some(field) if c != ':' || inside => field.push(c),
            _ => fields.push(String::new()),
        }
    }
    fields
}

fn words(list: &str) -> Vec<&str> {
    list.split([' ', '\t', '\r', ',']).filter(|word| !word.is_empty()).collect()
}

/// Whether a list of daemons has ours: `a EXCEPT b EXCEPT c` is `a EXCEPT (b EXCEPT c)`.
fn names_us(daemons: &[&str]) -> bool {
    let lists = daemons.split(|word| word.eq_ignore_ascii_case("EXCEPT"));
    let ours = |word: &&str| {
        let name = word.split('@').next().unwrap_or(word);
        name.eq_ignore_ascii_case(DAEMON) || name.eq_ignore_ascii_case("ALL")
    };
    lists.rev().fold(false, |excepted, list| list.iter().any(ours) && !excepted)
}

/// The networks that a client's pattern means; `None`: it is about names or users.
fn networks(word: &str) -> Option<Vec<NisAllow>> {
    let of = |address: IpAddr, prefix: u8| format!("{address}/{prefix}").parse().ok().map(|net| vec![net]);
    if word.eq_ignore_ascii_case("localhost") {
        return Some(
            [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                .into_iter()
                .flat_map(|ip| of(ip, if ip.is_ipv4() { 32 } else { 128 }).unwrap_or_default())
                .collect(),
        );
    }
    if let Some((address, prefix)) = word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let address: Ipv6Addr = address.parse().ok()?;
        let prefix = match prefix.strip_prefix('/') {
            Some(digits) => digits.parse().ok()?,
            None if prefix.is_empty() => 128,
            None => return None,
        };
        return of(address.into(), prefix);
    }
    // The beginning of an address: `192.168.`
    if let Some(start) = word.strip_suffix('.') {
        let parts: Vec<u8> = start.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        let mut bytes = [0; 4];
        for (byte, part) in bytes.iter_mut().zip(&parts) {
            *byte = *part;
        }
        let prefix = u8::try_from(parts.len() * 8).ok().filter(|prefix| *prefix < 32)?;
        return of(Ipv4Addr::from(bytes).into(), prefix);
    }
    let (address, mask) = word.split_once('/').unwrap_or((word, "32"));
    let address: Ipv4Addr = address.parse().ok()?;
    let prefix = match mask.parse::<Ipv4Addr>() {
        Ok(mask) => {
            let bits = mask.to_bits();
            let ones = bits.leading_ones();
            u8::try_from(ones).ok().filter(|_| ones == bits.count_ones())?
        }
        Err(_) => mask.parse().ok().filter(|prefix| *prefix <= 32)?,
    };
    // A network with bits beyond its mask fits nobody there.
    let network = of(address.into(), prefix)?;
    network.iter().all(|net| net.address == IpAddr::V4(address)).then_some(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is advised, without the words before.
    fn of(allow: &str, deny: &str) -> Option<String> {
        let text = advice(allow.as_bytes(), deny.as_bytes())?;
        Some(text.split_once("; ").unwrap().1.to_owned())
    }

    const ALL: &str = "ALL: ALL\n";

    #[test]
    fn addresses_and_networks_become_one_line() {
        let table = [
            ("apcupsd: 192.168.1.7", "192.168.1.7"),
            ("apcupsd : 192.168.1. , 10.", "192.168.1.0/24 10.0.0.0/8"),
            ("sshd, apcupsd: 172.16.0.0/255.240.0.0 10.1.0.0/16", "172.16.0.0/12 10.1.0.0/16"),
            ("apcupsd: [fd00::]/8 [::1]: allow", "fd00::/8 ::1"),
            ("APCUPSD: localhost", "127.0.0.1 ::1"),
            ("ALL EXCEPT sshd: 10.0.0.1", "10.0.0.1"),
            ("ALL EXCEPT ALL EXCEPT apcupsd: 10.0.0.1", "10.0.0.1"),
            ("apcupsd: 10.0.0.1 \\\n 10.0.0.2\nsshd: 10.0.0.3\napcupsd@ups: 10.0.0.1", "10.0.0.1 10.0.0.2"),
        ];
        for (allow, expected) in table {
            assert_eq!(of(allow, ALL), Some(format!("the same here: NISALLOW {expected}")), "{allow}");
        }
    }

    #[test]
    fn what_is_about_names_or_has_exceptions_is_named_and_admits_nobody() {
        let table = [
            ("LOCAL", "LOCAL"),
            (".example.com", ".example.com"),
            ("ups.example.com", "ups.example.com"),
            ("@trusted /etc/apcupsd.hosts", "@trusted, /etc/apcupsd.hosts"),
            ("root@10.0.0.1", "root@10.0.0.1"),
            ("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0"),
            ("10.0.0.1/8", "10.0.0.1/8"),
            ("10.0.0.0/33 10.0.0. EXCEPT 10.0.0.9", "allow 10.0.0.0/33 10.0.0. EXCEPT 10.0.0.9"),
            ("1.2.3.4.5. 256.", "1.2.3.4.5., 256."),
            ("ALL EXCEPT 10.0.0.1", "allow ALL EXCEPT 10.0.0.1"),
            ("10.0.0.1: deny\napcupsd: 10.", "deny 10.0.0.1, 10."),
        ];
        for (clients, quoted) in table {
            let expected =
                format!("none of them can be said here; cannot be said by addresses and networks: {quoted}");
            assert_eq!(of(&format!("apcupsd: {clients}"), ALL), Some(expected), "{clients}");
        }
    }

    #[test]
    fn both_files_together_say_who_is_admitted() {
        let everybody = "they admit everybody: NISALLOW 0.0.0.0/0 ::/0 says the same";
        let table = [
            ("", "sshd: ALL", None),
            ("# apcupsd: ALL\n\n", "", None),
            ("sshd: 10.", "ALL EXCEPT apcupsd: ALL", None),
            ("no rule at all", "::::", None),
            ("", ALL, Some("they admit nobody: NETSERVER off says the same")),
            (
                "apcupsd: 10. LOCAL",
                ALL,
                Some(
                    "as far as can be said here: NISALLOW 10.0.0.0/8; cannot be said by addresses and networks: LOCAL",
                ),
            ),
            ("apcupsd: ALL", ALL, Some(everybody)),
            ("apcupsd: 10.", "", Some(everybody)),
            (
                "apcupsd: 10.\napcupsd: ALL: deny\napcupsd: 11.",
                "",
                Some("the same here: NISALLOW 10.0.0.0/8"),
            ),
            (
                "",
                "apcupsd: ALL EXCEPT 192.168.1. 127.0.0.1",
                Some("the same here: NISALLOW 192.168.1.0/24 127.0.0.1"),
            ),
            (
                "",
                "apcupsd: 10.0.0.1",
                Some("they admit everybody else; cannot be said by addresses and networks: deny 10.0.0.1"),
            ),
            (
                "apcupsd: 10.0.0.1",
                "apcupsd: 10.",
                Some(
                    "they admit everybody else too, and by name: NISALLOW 10.0.0.1; cannot be said by addresses and networks: deny 10.",
                ),
            ),
        ];
        for (allow, deny, expected) in table {
            assert_eq!(of(allow, deny).as_deref(), expected, "{allow} / {deny}");
        }
        let text = advice(b"\nsshd: ALL\napcupsd: 10.", b"# all\nALL: ALL").unwrap();
        assert!(text.contains(" in /etc/hosts.allow:3, /etc/hosts.deny:2; "), "{text}");
    }

    proptest! {
        #[test]
        fn any_files_are_understood_or_not_in_one_line(
            allow in "((apcupsd|ALL|sshd|EXCEPT|LOCAL|10\\.|1\\.2\\.3\\.4|\\[::1\\]|/|:|,| |\n|\\\\|[^a])){0,30}",
            deny: Vec<u8>,
        ) {
            if let Some(text) = advice(allow.as_bytes(), &deny) {
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            }
        }

        #[test]
        fn what_is_advised_can_be_read_back(a: u32, prefix in 0u8..=32) {
            let word = format!("{}/{prefix}", Ipv4Addr::from_bits(a));
            if let Some(networks) = networks(&word) {
                prop_assert_eq!(networks[0].to_string().parse::<NisAllow>(), Ok(networks[0]));
            }
        }
    }
}
