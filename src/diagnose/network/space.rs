//! Sets of addresses of which one is meant and which one is not known: cut
//! into parts that every rule treats as one, so that what holds of all
//! parts holds of each address.

use std::sync::LazyLock;

use ipnet::IpNet;

use crate::failure::address_class::{ALL_V4, GLOBAL_V6, not_public};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) fn of(is_ipv4: bool) -> Self {
        if is_ipv4 { Self::V4 } else { Self::V6 }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// `space` cut into parts of which each of `ranges` holds all or nothing.
pub(crate) fn parts(space: &[IpNet], ranges: &[IpNet]) -> Vec<IpNet> {
    let mut parts = Vec::new();
    for whole in space {
        cut(*whole, ranges, &mut parts);
    }
    parts
}

fn cut(whole: IpNet, ranges: &[IpNet], parts: &mut Vec<IpNet>) {
    let inside: Vec<IpNet> = ranges
        .iter()
        .filter(|range| range.prefix_len() > whole.prefix_len() && whole.contains(*range))
        .copied()
        .collect();
    // A range is never inside a single address, so that there are halves.
    match whole.subnets(whole.prefix_len() + 1) {
        Ok(halves) if !inside.is_empty() => halves.for_each(|half| cut(half, &inside, parts)),
        Ok(_) | Err(_) => parts.push(whole),
    }
}

/// Where the public addresses of a service are, as far as nobody knows more.
pub(crate) fn public(family: Family) -> &'static [IpNet] {
    static V4: LazyLock<Vec<IpNet>> = LazyLock::new(|| without_special(ALL_V4));
    static V6: LazyLock<Vec<IpNet>> = LazyLock::new(|| without_special(GLOBAL_V6));
    match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    }
}

fn without_special(whole: IpNet) -> Vec<IpNet> {
    let special: Vec<IpNet> = not_public().collect();
    let mut parts = parts(&[whole], &special);
    parts.retain(|part| !special.iter().any(|range| range.contains(part)));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a range")
    }

    #[test]
    fn a_space_is_cut_where_a_range_begins_or_ends() {
        let cut = |space: &str, ranges: &[&str]| -> Vec<String> {
            let ranges: Vec<IpNet> = ranges.iter().map(|text| net(text)).collect();
            let parts = parts(&[net(space)], &ranges);
            parts.iter().map(ToString::to_string).collect()
        };
        assert_eq!(cut("10.0.0.0/8", &["0.0.0.0/0", "::/0"]), ["10.0.0.0/8"]);
        assert_eq!(
            cut("10.0.0.0/8", &["10.64.0.0/10", "11.0.0.0/8"]),
            ["10.0.0.0/10", "10.64.0.0/10", "10.128.0.0/9"]
        );
        assert_eq!(cut("10.0.0.1/32", &["10.0.0.1/32"]), ["10.0.0.1/32"]);
        assert_eq!(cut("::/0", &["8000::/1"]), ["::/1", "8000::/1"]);
    }

    #[test]
    fn no_private_address_is_public() {
        let holds = |text: &str| {
            let address: std::net::IpAddr = text.parse().expect("an address");
            let family = Family::of(address.is_ipv4());
            public(family).iter().any(|part| part.contains(&address))
        };
        for text in ["52.94.1.1", "11.0.0.0", "172.32.0.0", "2600:1f18::1"] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "240.0.0.1",
            "fd00::1",
            "fe80::1",
            "2001:db8::1",
        ] {
            assert!(!holds(text), "{text}");
        }
    }
}
