//! Addresses that this installation may call on somebody's behalf. What a tenant names must not lead into the network that the
//! server stands in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callable {
    /// Those of the public internet.
    Public,
    /// Any: whoever runs the installation says so, because its tenants' systems stand beside it.
    Any,
}

impl Callable {
    /// May this one be called?
    pub fn permits(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::Any, _) => true,
            (Self::Public, IpAddr::V4(address)) => is_public_v4(address),
            (Self::Public, IpAddr::V6(address)) => is_public_v6(address),
        }
    }

    /// May this port be called? The web's own, and those that no service of a machine itself listens on.
    pub fn permits_port(self, port: u16) -> bool {
        self == Self::Any || matches!(port, 80 | 443) || port >= 1024
    }
}

/// Blocks of IPv4 that are not of the public internet (IANA's registry of special-purpose addresses): first address, prefix length.
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // shared by carriers
    ([127, 0, 0, 0], 8),     // loopback
    ([169, 254, 0, 0], 16),  // link-local, where clouds keep their metadata
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocol assignments
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 88, 99, 0], 24),  // relays of 6to4
    ([192, 168, 0, 0], 16),  // private
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, and the broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    !SPECIAL_V4.iter().any(|(first, length)| (bits ^ u32::from_be_bytes(*first)) >> (32 - length) == 0)
}

/// Public IPv6 is 2000::/3, without the blocks in it that are not, or that lead to an IPv4 address that nobody looked at.
/// All else is: unspecified, loopback, IPv4-mapped and compatible, translation (64:ff9b::), discard, local, multicast.
const SPECIAL_V6: [([u16; 2], u32); 5] = [
    ([0x2001, 0x0000], 23), // protocol assignments, Teredo among them
    ([0x2001, 0x0db8], 32), // documentation
    ([0x2002, 0x0000], 16), // 6to4
    ([0x3fff, 0x0000], 20), // documentation
    ([0x3ffe, 0x0000], 16), // a test network of old
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let head = |[a, b]: [u16; 2]| (u32::from(a) << 16) | u32::from(b);
    let bits = head([segments[0], segments[1]]);
    bits >> 29 == 0b001 && !SPECIAL_V6.iter().any(|(first, length)| (bits ^ head(*first)) >> (32 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_called() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address: IpAddr = inside.parse().unwrap();
            assert!(!Callable::Public.permits(address), "{inside}");
            assert!(Callable::Any.permits(address), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
        ] {
            assert!(Callable::Public.permits(outside.parse().unwrap()), "{outside}");
        }
        assert!([80, 443, 8443].into_iter().all(|port| Callable::Public.permits_port(port)));
        assert!([0, 22, 25, 111].into_iter().all(|port| !Callable::Public.permits_port(port)));
    }
}
