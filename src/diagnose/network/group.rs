//! Security groups: rules that only allow, in any order.

use super::{Far, HTTPS, Lets};
use crate::diagnose::facts::{GroupRule, Peer, Protocol};

/// Whether one of `rules` lets a connection to port 443 through between the
/// interface they stand before and `far`.
pub fn lets<'a>(rules: impl IntoIterator<Item = &'a GroupRule>, far: &Far<'_>) -> Lets {
    let mut best = Lets::No;
    for rule in rules.into_iter().filter(|rule| is_for_https(rule)) {
        for peer in &rule.peers {
            match reaches(peer, far) {
                Lets::Yes => return Lets::Yes,
                Lets::Maybe(why) => best = Lets::Maybe(why),
                Lets::No => {}
            }
        }
    }
    best
}

fn is_for_https(rule: &GroupRule) -> bool {
    match rule.protocol {
        Protocol::All => true,
        Protocol::Tcp => rule.ports.contains(HTTPS),
        Protocol::Other => false,
    }
}

fn reaches(peer: &Peer, far: &Far<'_>) -> Lets {
    match (peer, far) {
        (Peer::Range(range), Far::Within { addresses, .. }) => {
            let held = addresses.iter().filter(|at| range.contains(**at)).count();
            if range.is_everything() && range.is_ipv4() && addresses.is_empty() {
                Lets::Yes
            } else if addresses.is_empty() || (held > 0 && held < addresses.len()) {
                Lets::Maybe(format!(
                    "a rule for {range} may or may not hold its address"
                ))
            } else if held > 0 {
                Lets::Yes
            } else {
                Lets::No
            }
        }
        (Peer::Range(range), Far::Public { ipv4_only }) => match range.is_ipv4() {
            true if range.is_everything() => Lets::Yes,
            false if *ipv4_only => Lets::No,
            true | false => Lets::Maybe(format!("a rule lets {range} pass, and no other range")),
        },
        (Peer::Group(group), Far::Within { groups, .. }) if groups.contains(group) => Lets::Yes,
        // A referenced group stands for private addresses.
        (Peer::Group(_), Far::Within { .. } | Far::Public { .. }) => Lets::No,
        (Peer::PrefixList(id), _) => Lets::Maybe(format!(
            "a rule names the prefix list {id}, whose addresses are not read"
        )),
        (Peer::Other(text), _) => Lets::Maybe(format!("a rule names {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::{Cidr, Ports};

    fn rule(protocol: &str, from: i32, to: i32, peers: &[&str]) -> GroupRule {
        let peer = |text: &&str| match Cidr::parse(text) {
            Some(range) => Peer::Range(range),
            None if text.starts_with("sg-") => Peer::Group((*text).to_owned()),
            None if text.starts_with("pl-") => Peer::PrefixList((*text).to_owned()),
            None => Peer::Other((*text).to_owned()),
        };
        GroupRule {
            protocol: Protocol::parse(protocol),
            ports: Ports::of(Some(from), Some(to)),
            peers: peers.iter().map(peer).collect(),
        }
    }

    fn within<'a>(addresses: &[&str], groups: &'a [String]) -> Far<'a> {
        Far::Within {
            addresses: addresses
                .iter()
                .map(|at| at.parse().expect("one"))
                .collect(),
            groups,
        }
    }

    #[test]
    fn rules_let_through_what_they_cover_and_nothing_else() {
        let endpoint = ["sg-endpoint".to_owned()];
        let public = Far::Public { ipv4_only: true };
        let either = Far::Public { ipv4_only: false };
        let dialled = within(&["52.94.1.1"], &[]);
        let private = within(&["10.0.1.5"], &endpoint);
        let two = within(&["10.0.1.5", "10.0.2.5"], &endpoint);
        let unread = within(&[], &endpoint);
        let (yes, no, maybe) = ("yes", "no", "maybe");
        let table: &[(&str, GroupRule, &Far<'_>, &str)] = &[
            (
                "all protocols",
                rule("-1", -1, -1, &["0.0.0.0/0"]),
                &public,
                yes,
            ),
            (
                "all protocols, IPv6",
                rule("-1", -1, -1, &["::/0"]),
                &public,
                no,
            ),
            (
                "IPv6, name not known",
                rule("-1", -1, -1, &["::/0"]),
                &either,
                maybe,
            ),
            (
                "IPv6, IPv4 dialled",
                rule("tcp", 443, 443, &["::/0"]),
                &dialled,
                no,
            ),
            (
                "a range that holds 443",
                rule("tcp", 0, 1024, &["0.0.0.0/0"]),
                &public,
                yes,
            ),
            (
                "by number",
                rule("6", 443, 443, &["0.0.0.0/0"]),
                &public,
                yes,
            ),
            (
                "a range below",
                rule("tcp", 80, 442, &["0.0.0.0/0"]),
                &public,
                no,
            ),
            ("udp", rule("udp", 443, 443, &["0.0.0.0/0"]), &public, no),
            (
                "another port",
                rule("tcp", 8443, 8443, &["0.0.0.0/0"]),
                &public,
                no,
            ),
            (
                "narrow, any public",
                rule("tcp", 443, 443, &["52.94.0.0/16"]),
                &public,
                maybe,
            ),
            (
                "narrow, dialled in it",
                rule("tcp", 443, 443, &["52.94.0.0/16"]),
                &dialled,
                yes,
            ),
            (
                "narrow, dialled outside",
                rule("tcp", 443, 443, &["10.0.0.0/8"]),
                &dialled,
                no,
            ),
            (
                "the VPC's range",
                rule("tcp", 443, 443, &["10.0.0.0/16"]),
                &private,
                yes,
            ),
            (
                "one subnet of two",
                rule("tcp", 443, 443, &["10.0.1.0/24"]),
                &two,
                maybe,
            ),
            (
                "neither subnet",
                rule("tcp", 443, 443, &["10.0.9.0/24"]),
                &two,
                no,
            ),
            (
                "referenced group",
                rule("tcp", 443, 443, &["sg-endpoint"]),
                &private,
                yes,
            ),
            (
                "another group",
                rule("tcp", 443, 443, &["sg-other"]),
                &private,
                no,
            ),
            (
                "group, public address",
                rule("-1", -1, -1, &["sg-endpoint"]),
                &public,
                no,
            ),
            (
                "prefix list",
                rule("tcp", 443, 443, &["pl-1"]),
                &public,
                maybe,
            ),
            (
                "addresses unread",
                rule("tcp", 443, 443, &["10.0.0.0/8"]),
                &unread,
                maybe,
            ),
            (
                "unread, all",
                rule("tcp", 443, 443, &["0.0.0.0/0"]),
                &unread,
                yes,
            ),
            (
                "not understood",
                rule("tcp", 443, 443, &["?"]),
                &public,
                maybe,
            ),
            ("no peer", rule("tcp", 443, 443, &[]), &public, no),
        ];
        for (title, rule, far, expected) in table {
            let answer = match lets([rule], far) {
                Lets::Yes => yes,
                Lets::Maybe(_) => maybe,
                Lets::No => no,
            };
            assert_eq!(answer, *expected, "{title}");
        }
        assert_eq!(lets([], &public), Lets::No);
        let doubtful = rule("tcp", 443, 443, &["pl-1"]);
        let plain = rule("tcp", 443, 443, &["0.0.0.0/0"]);
        assert_eq!(lets([&doubtful, &plain], &public), Lets::Yes);
    }
}
