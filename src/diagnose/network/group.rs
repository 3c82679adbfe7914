//! Security groups: rules that only allow, in any order.

use ipnet::IpNet;

use super::space::parts;
use super::{Allows, HTTPS, RemoteEnd, everywhere};
use crate::diagnose::facts::{GroupRule, Peer, Protocol};

/// Whether one of `rules` lets a connection to port 443 through between the
/// interface they stand before and `far`.
pub(crate) fn allows<'a>(
    rules: impl IntoIterator<Item = &'a GroupRule>,
    far: &RemoteEnd<'_>,
) -> Allows {
    let mut ranges: Vec<IpNet> = Vec::new();
    let mut unread = None;
    let for_https = rules.into_iter().filter(|rule| is_for_https(rule));
    for peer in for_https.flat_map(|rule| &rule.peers) {
        match peer {
            Peer::Range(range) => ranges.push(*range),
            Peer::Group(group) if far.groups.contains(group) => return Allows::Yes,
            Peer::PrefixList(list) if far.list == Some(list) => return Allows::Yes,
            // It can be a group of a peered network, in which the far end is.
            Peer::Group(id) if far.may_be_in_another_network() => {
                unread = Some(format!(
                    "a rule names the security group {id}, which may be the one of an endpoint \
                     in another network"
                ));
            }
            // A referenced group stands for its own interfaces.
            Peer::Group(_) => {}
            Peer::PrefixList(id) => {
                unread = Some(format!(
                    "a rule names the prefix list {id}, whose addresses are not read"
                ));
            }
            Peer::Other(text) => unread = Some(format!("a rule names {text}")),
        }
    }
    let by_range = everywhere(
        parts(&far.space, &ranges).iter().map(|part| {
            match ranges.iter().any(|range| range.contains(part)) {
                true => Allows::Yes,
                false => Allows::No,
            }
        }),
        "the rules hold only some of the addresses that may be meant",
    );
    match (by_range, unread) {
        (Allows::Yes, _) => Allows::Yes,
        (Allows::Maybe(_) | Allows::No, Some(why)) => Allows::Maybe(why),
        (answer, None) => answer,
    }
}

fn is_for_https(rule: &GroupRule) -> bool {
    match rule.protocol {
        Protocol::All => true,
        Protocol::Tcp => rule.ports.contains(HTTPS),
        Protocol::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::Ports;
    use crate::diagnose::network::space::{self, Family};

    fn rule(protocol: &str, from: i32, to: i32, peers: &[&str]) -> GroupRule {
        let peer = |text: &&str| match text.parse() {
            Ok(range) => Peer::Range(range),
            Err(_) if text.starts_with("sg-") => Peer::Group((*text).to_owned()),
            Err(_) if text.starts_with("pl-") => Peer::PrefixList((*text).to_owned()),
            Err(_) => Peer::Other((*text).to_owned()),
        };
        GroupRule {
            protocol: Protocol::parse(protocol),
            ports: Ports::of(Some(from), Some(to)),
            peers: peers.iter().map(peer).collect(),
        }
    }

    fn within<'a>(space: &[&str], groups: &'a [String]) -> RemoteEnd<'a> {
        RemoteEnd {
            space: space
                .iter()
                .map(|text| text.parse().expect("a range"))
                .collect(),
            groups,
            list: None,
        }
    }

    fn public_of(family: Family) -> RemoteEnd<'static> {
        RemoteEnd {
            space: space::public(family).to_vec(),
            groups: &[],
            list: Some("pl-s3"),
        }
    }

    #[test]
    fn rules_let_through_what_they_cover_and_nothing_else() {
        let endpoint = ["sg-endpoint".to_owned()];
        let public = public_of(Family::V4);
        let either = public_of(Family::V6);
        let remote_ip = within(&["52.94.1.1/32"], &[]);
        let private = within(&["10.0.1.5/32"], &endpoint);
        let two = within(&["10.0.1.5/32", "10.0.2.5/32"], &endpoint);
        let unread = within(&["0.0.0.0/0"], &endpoint);
        let (yes, no, maybe) = ("yes", "no", "maybe");
        let table: &[(&str, GroupRule, &RemoteEnd<'_>, &str)] = &[
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
                "all protocols, over IPv6",
                rule("-1", -1, -1, &["::/0"]),
                &either,
                yes,
            ),
            (
                "private ranges only",
                rule(
                    "-1",
                    -1,
                    -1,
                    &["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12"],
                ),
                &public,
                no,
            ),
            (
                "unique local addresses only",
                rule("-1", -1, -1, &["fc00::/7"]),
                &either,
                no,
            ),
            (
                "everything by halves",
                rule("-1", -1, -1, &["0.0.0.0/1", "128.0.0.0/1"]),
                &public,
                yes,
            ),
            (
                "the service's own prefix list",
                rule("tcp", 443, 443, &["pl-s3"]),
                &public,
                yes,
            ),
            (
                "IPv6, IPv4 dialled",
                rule("tcp", 443, 443, &["::/0"]),
                &remote_ip,
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
                &remote_ip,
                yes,
            ),
            (
                "narrow, dialled outside",
                rule("tcp", 443, 443, &["10.0.0.0/8"]),
                &remote_ip,
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
            let answer = match allows([rule], far) {
                Allows::Yes => yes,
                Allows::Maybe(_) => maybe,
                Allows::No => no,
            };
            assert_eq!(answer, *expected, "{title}");
        }
        assert_eq!(allows([], &public), Allows::No);
        let doubtful = rule("tcp", 443, 443, &["pl-1"]);
        let plain = rule("tcp", 443, 443, &["0.0.0.0/0"]);
        assert_eq!(allows([&doubtful, &plain], &public), Allows::Yes);
    }
}
