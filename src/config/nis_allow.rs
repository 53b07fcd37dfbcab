//! NISALLOW: who may ask on port 3551.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// One source in `NISALLOW`: an address with a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NisAllow {
    /// Network address; the bits after the prefix are zero when it came from a file.
    pub address: IpAddr,
    /// Leading bits that must match, 0 to 32 or 128.
    pub prefix: u8,
}

impl NisAllow {
    /// Whether `ip` lies in this network. An IPv4 address that arrives mapped into IPv6 (`::ffff:192.0.2.1`, as a
    /// dual-stack socket gives it) counts as the IPv4 address that it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                net.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Clears the bits after the prefix, and turns a network of mapped IPv4 addresses into that of IPv4 addresses.
    fn normalised(self) -> Self {
        match self.address {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                Self { address: IpAddr::V4((ip.to_bits() & mask).into()), ..self }
            }
            IpAddr::V6(ip) => {
                if let (Some(v4), Some(prefix)) = (ip.to_ipv4_mapped(), self.prefix.checked_sub(96)) {
                    return Self { address: IpAddr::V4(v4), prefix }.normalised();
                }
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                Self { address: IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask)), ..self }
            }
        }
    }
}

/// Not an address, or not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl FromStr for NisAllow {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            // `u8::from_str` would take a sign.
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|p| *p <= widest).ok_or(NotANetwork)?
            }
            Some(_) => return Err(NotANetwork),
        };
        Ok(Self { address, prefix }.normalised())
    }
}

impl fmt::Display for NisAllow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.prefix) {
            (IpAddr::V4(ip), 32) => write!(f, "{ip}"),
            (IpAddr::V6(ip), 128) => write!(f, "{ip}"),
            (ip, prefix) => write!(f, "{ip}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(net: &str, ip: &str) -> bool {
        net.parse::<NisAllow>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_network_holds_its_first_and_last_address_and_no_neighbour() {
        let cases = [
            ("172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
            ("fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fbff::", "fe00::"),
            ("fe80::/10", "fe80::", "febf:ffff::1", "fe7f::", "fec0::"),
            ("::1", "::1", "::1", "::", "::2"),
        ];
        for (net, first, last, before, after) in cases {
            assert!(holds(net, first) && holds(net, last), "{net}");
            assert!(!holds(net, before) && !holds(net, after), "{net}");
        }
    }

    #[test]
    fn a_mapped_ipv4_address_counts_as_ipv4() {
        assert!(holds("192.168.0.0/16", "::ffff:192.168.1.2"));
        assert!(!holds("192.168.0.0/16", "::ffff:192.169.1.2"));
        assert!(holds("::ffff:192.168.0.0/112", "192.168.1.2"));
        assert!(!holds("::/0", "192.168.1.2"), "every IPv6 source is not every source");
    }

    #[test]
    fn prefix_zero_is_everything_of_its_family() {
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn bits_after_the_prefix_are_cleared() {
        assert_eq!("192.168.1.5/16".parse::<NisAllow>().unwrap().to_string(), "192.168.0.0/16");
        assert_eq!("fd00::5/8".parse::<NisAllow>().unwrap().to_string(), "fd00::/8");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/255.0.0.0", "::1/129", "lan"]
        {
            assert_eq!(text.parse::<NisAllow>(), Err(NotANetwork), "{text}");
        }
    }
}
