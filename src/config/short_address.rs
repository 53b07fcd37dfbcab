//! IPv4 addresses as `inet_aton(3)` reads them: the system's resolver takes `192.168.252` for 192.168.0.252 and `010` for 8,
//! and who has written that has mostly meant something else.

use std::net::Ipv4Addr;

/// What the resolver makes of a host that is written as an IPv4 address, but not as four decimal numbers; `None`: it is
/// written in full, or no address.
pub(super) fn short_address(host: &str) -> Option<Ipv4Addr> {
    if host.parse::<Ipv4Addr>().is_ok() {
        return None;
    }
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    // Each part but the last is a byte; the last is all that is left.
    let left = 4u32.checked_sub(u32::try_from(leading.len()).ok()?).filter(|left| *left > 0)?;
    let mut address = 0u32;
    for (part, shift) in leading.iter().zip([24, 16, 8]) {
        address |= u32::from(u8::try_from(*part).ok()?) << shift;
    }
    let fits = left == 4 || *last < 1 << (8 * left);
    fits.then(|| Ipv4Addr::from(address | last))
}

/// Decimal, octal after `0`, hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match (text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")), text) {
        (Some(digits), _) => (digits, 16),
        (None, "0") => ("0", 10),
        (None, text) => text.strip_prefix('0').map_or((text, 10), |digits| (digits, 8)),
    };
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_octal_addresses_are_read_as_the_resolver_reads_them() {
        let table = [
            ("192.168.252", Some([192, 168, 0, 252])),
            ("10.1", Some([10, 0, 0, 1])),
            ("127.1", Some([127, 0, 0, 1])),
            ("3232235777", Some([192, 168, 1, 1])),
            ("192.168.010.1", Some([192, 168, 8, 1])),
            ("0x7f.1", Some([127, 0, 0, 1])),
            ("10.65535", Some([10, 0, 255, 255])),
            ("10.1.65536", None),
            ("256.1.1", None),
            ("192.168.1.1", None),
            ("1.2.3.4.5", None),
            ("nas", None),
            ("nas.1", None),
            ("10.", None),
            ("", None),
            ("08", None),
            ("4294967296", None),
        ];
        for (host, expected) in table {
            assert_eq!(short_address(host), expected.map(Ipv4Addr::from), "{host}");
        }
    }

    #[test]
    fn the_system_reads_them_so_too() {
        use std::net::{IpAddr, ToSocketAddrs};
        for host in ["192.168.252", "10.1", "192.168.010.1", "0x7f.1"] {
            // Without a name server this is answered from the number alone.
            let found = (host, 1).to_socket_addrs().ok().and_then(|mut found| found.next());
            let expected = short_address(host).map(IpAddr::V4);
            assert!(found.is_none() || found.map(|address| address.ip()) == expected, "{host}: {found:?}");
        }
    }
}
