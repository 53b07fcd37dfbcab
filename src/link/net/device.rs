//! What DEVICE says: the addresses of the master.

use crate::bus::stream::Target;

/// Most addresses that are tried; more are left out.
const ADDRESSES_MAX: usize = 8;

/// The targets of `device`: `host[:port]`, `[v6]:port` or a bare IPv6 address; several are separated by blanks or
/// commas. Without a port it is `default_port` (nis §9.1).
#[must_use]
pub fn targets(device: &str, default_port: u16) -> Vec<Target> {
    device
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
        .take(ADDRESSES_MAX)
        .map(|word| Target::parse(word, default_port))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_device_names_host_and_port() {
        let table = [
            ("ups.example", "ups.example:3551"),
            ("ups:41", "ups:41"),
            ("10.0.0.1", "10.0.0.1:3551"),
            ("10.0.0.1:3552", "10.0.0.1:3552"),
            ("::1", "[::1]:3551"),
            ("[::1]", "[::1]:3551"),
            ("[fe80::1]:99", "[fe80::1]:99"),
        ];
        for (text, shown) in table {
            let found = targets(text, 3551);
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [shown], "{text}");
        }
        let several = targets("a:1, b\t[::1]:2,,10.0.0.1", 7);
        let shown: Vec<String> = several.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:1", "b:7", "[::1]:2", "10.0.0.1:7"]);
    }

    #[test]
    fn an_address_needs_no_look_up_and_a_name_does() {
        let address = |text: &str| targets(text, 1)[0].address();
        assert_eq!(address("127.0.0.1:5"), Some("127.0.0.1:5".parse().unwrap()));
        assert_eq!(address("[::1]:5"), Some("[::1]:5".parse().unwrap()));
        assert_eq!(address("localhost"), None);
    }
}
