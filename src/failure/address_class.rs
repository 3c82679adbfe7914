//! What kind of address one is. The advice and the checks ask here, so that
//! both say the same of where a connection led.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressClass {
    /// On the host itself or its link: loopback, link-local, unspecified.
    Host,
    /// In private networks only: RFC 1918, RFC 6598 (100.64.0.0/10), unique
    /// local IPv6 addresses, RFC 8215's local translation prefix.
    Private,
    /// An IPv4 address behind a NAT64 (RFC 6052: 64:ff9b::/96), as DNS64 of a
    /// subnet gives it.
    Translated(Ipv4Addr),
    /// On the internet. Reserved addresses are counted here: logs that are
    /// shown in public carry them in place of real ones.
    Public,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(a: u16, b: u16, c: u16, bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0),
        bits,
    ))
}

const HOST: [IpNet; 6] = [
    v4(0, 0, 0, 0, 8),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    // :: and ::1.
    v6(0, 0, 0, 127),
    v6(0xfe80, 0, 0, 10),
    // The instance metadata service and its neighbours, reached over the link.
    v6(0xfd00, 0xec2, 0, 32),
];

const PRIVATE: [IpNet; 6] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    v6(0xfc00, 0, 0, 7),
    v6(0x64, 0xff9b, 1, 48),
];

/// Of "IANA IPv4/IPv6 Special-Purpose Address Registry": no service has these.
const RESERVED: [IpNet; 7] = [
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    // Multicast and class E.
    v4(224, 0, 0, 0, 3),
    v6(0x2001, 0xdb8, 0, 32),
];

/// Every IPv4 address.
pub(crate) const ALL_V4: IpNet = v4(0, 0, 0, 0, 0);

/// What of IPv6 is given out for the internet ("IPv6 Address Space").
pub(crate) const GLOBAL_V6: IpNet = v6(0x2000, 0, 0, 3);

/// The well-known prefix of NAT64.
pub(crate) const NAT64: IpNet = v6(0x64, 0xff9b, 0, 96);

/// An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`) counts as the one it is.
pub(crate) fn class_of(address: IpAddr) -> AddressClass {
    let address = address.to_canonical();
    let is_in = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
    match address {
        _ if is_in(&HOST) => AddressClass::Host,
        _ if is_in(&PRIVATE) => AddressClass::Private,
        IpAddr::V6(v6) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = v6.octets();
            AddressClass::Translated(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => AddressClass::Public,
    }
}

/// The ranges of private networks.
pub(crate) fn private() -> impl Iterator<Item = IpNet> {
    PRIVATE.into_iter()
}

/// The ranges that hold no address of a public service.
pub(crate) fn not_public() -> impl Iterator<Item = IpNet> {
    HOST.into_iter().chain(PRIVATE).chain(RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart_by_where_they_can_be_reached() {
        use AddressClass::{Host, Private, Public, Translated};
        for (text, class) in [
            ("10.0.1.5", Private),
            ("172.31.255.255", Private),
            ("172.32.0.0", Public),
            ("192.168.0.1", Private),
            ("100.63.255.255", Public),
            ("100.64.0.1", Private),
            ("100.127.255.255", Private),
            ("100.128.0.0", Public),
            ("52.94.1.1", Public),
            ("127.0.0.1", Host),
            ("169.254.169.254", Host),
            ("0.0.0.0", Host),
            ("::1", Host),
            ("::", Host),
            ("fe80::1", Host),
            ("fd00:ec2::254", Host),
            ("fd12:3456::1", Private),
            ("fc00::1", Private),
            ("2600:1f18::1", Public),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:52.94.1.1", Public),
            (
                "64:ff9b::34.94.1.1",
                Translated(Ipv4Addr::new(34, 94, 1, 1)),
            ),
            ("64:ff9b:1::1", Private),
        ] {
            let address = text.parse().expect("an address");
            assert_eq!(class_of(address), class, "{text}");
        }
    }
}
