//! Network ACLs: numbered entries of which the first match decides, each way
//! by itself.

use ipnet::IpNet;

use super::space::parts;
use super::{Allows, HTTPS, RemoteEnd, everywhere};
use crate::diagnose::facts::{AclEntry, AclFacts, Ports, Protocol};
use crate::sort;

/// The ports that answers come back to on Linux (32768–60999) and Windows
/// (49152–65535).
const RETURN_PORTS: Ports = Ports {
    from: 32_768,
    to: 65_535,
};

/// Whether requests to port 443 may leave the subnet.
pub(crate) fn allows_egress(acl: &AclFacts, far: &RemoteEnd<'_>) -> Allows {
    at_port(&in_order(acl, true), HTTPS, far)
}

/// Whether the answers may come back in.
pub(crate) fn allows_return_traffic(acl: &AclFacts, far: &RemoteEnd<'_>) -> Allows {
    let entries = in_order(acl, false);
    let ports = [RETURN_PORTS.from, RETURN_PORTS.to];
    let edges = entries.iter().flat_map(|entry| {
        let Ports { from, to } = entry.ports;
        [from - 1, from, to, to + 1]
    });
    let edges = edges.filter(|port| RETURN_PORTS.contains(*port));
    everywhere(
        (ports.into_iter().chain(edges)).map(|port| at_port(&entries, port, far)),
        "only some of the ports that answers come back to are open",
    )
}

fn in_order(acl: &AclFacts, egress: bool) -> Vec<&AclEntry> {
    let tcp = |entry: &&AclEntry| match entry.protocol {
        Protocol::All | Protocol::Tcp => true,
        Protocol::Other => false,
    };
    let mut entries: Vec<&AclEntry> = acl
        .entries
        .iter()
        .filter(|entry| entry.egress == egress)
        .filter(tcp)
        .collect();
    sort::by_key(&mut entries, |entry| entry.number);
    entries
}

fn at_port(entries: &[&AclEntry], port: i32, far: &RemoteEnd<'_>) -> Allows {
    let open_to = |entry: &&&AclEntry| match entry.protocol {
        Protocol::All => true,
        Protocol::Tcp | Protocol::Other => entry.ports.contains(port),
    };
    let entries: Vec<&AclEntry> = entries.iter().filter(open_to).copied().collect();
    let ranges: Vec<IpNet> = entries.iter().filter_map(|entry| entry.range).collect();
    everywhere(
        parts(&far.space, &ranges)
            .iter()
            .map(|part| to_part(&entries, part)),
        "its entries let through only some of the addresses that may be meant",
    )
}

/// The first entry that holds `part` decides, and where none does, nothing passes.
fn to_part(entries: &[&AclEntry], part: &IpNet) -> Allows {
    let mut unread = false;
    let deciding = entries.iter().find(|entry| match entry.range {
        Some(range) => range.contains(part),
        None => {
            unread = true;
            false
        }
    });
    match (unread, deciding.is_some_and(|entry| entry.allow)) {
        (true, _) => Allows::Maybe("an entry has no range that can be read".to_owned()),
        (false, true) => Allows::Yes,
        (false, false) => Allows::No,
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{self, Family};
    use super::*;

    /// `100 allow tcp 443 0.0.0.0/0`; ports `*` for all.
    fn entry(egress: bool, text: &str) -> AclEntry {
        let words: Vec<&str> = text.split(' ').collect();
        let ports = match words[3].split_once('-') {
            _ if words[3] == "*" => Ports::ALL,
            Some((from, to)) => Ports {
                from: from.parse().expect("a port"),
                to: to.parse().expect("a port"),
            },
            None => {
                let port = words[3].parse().expect("a port");
                Ports {
                    from: port,
                    to: port,
                }
            }
        };
        AclEntry {
            number: words[0].parse().expect("a number"),
            egress,
            allow: words[1] == "allow",
            protocol: Protocol::parse(words[2]),
            ports,
            range: words[4].parse().ok(),
        }
    }

    fn acl(egress: bool, entries: &[&str]) -> AclFacts {
        let mut entries: Vec<AclEntry> = entries.iter().map(|e| entry(egress, e)).collect();
        entries.push(entry(egress, "32767 deny -1 * 0.0.0.0/0"));
        entries.reverse();
        AclFacts {
            id: "acl-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnets: vec!["subnet-1".to_owned()],
            entries,
        }
    }

    fn entry_of(egress: bool, text: &str) -> AclEntry {
        entry(egress, text)
    }

    fn name(lets: &Allows) -> &'static str {
        match lets {
            Allows::Yes => "yes",
            Allows::Maybe(_) => "maybe",
            Allows::No => "no",
        }
    }

    fn at(space: &[&str]) -> RemoteEnd<'static> {
        RemoteEnd {
            space: space
                .iter()
                .map(|text| text.parse().expect("a range"))
                .collect(),
            groups: &[],
            list: None,
        }
    }

    fn public(family: Family) -> RemoteEnd<'static> {
        RemoteEnd {
            space: space::public(family).to_vec(),
            groups: &[],
            list: None,
        }
    }

    #[test]
    fn the_first_entry_that_matches_decides_on_the_way_out() {
        let any = public(Family::V4);
        let either = public(Family::V6);
        let remote_ip = at(&["52.94.1.1/32"]);
        let unread = at(&["0.0.0.0/0"]);
        let table: &[(&str, &[&str], &RemoteEnd<'_>, &str)] = &[
            ("everything", &["100 allow -1 * 0.0.0.0/0"], &any, "yes"),
            ("nothing", &[], &any, "no"),
            ("443", &["100 allow 6 443 0.0.0.0/0"], &any, "yes"),
            (
                "a range of ports",
                &["100 allow 6 400-500 0.0.0.0/0"],
                &any,
                "yes",
            ),
            ("80 only", &["100 allow 6 80 0.0.0.0/0"], &any, "no"),
            (
                "denied before it is allowed",
                &["90 deny 6 443 0.0.0.0/0", "100 allow -1 * 0.0.0.0/0"],
                &any,
                "no",
            ),
            (
                "denied after it is allowed",
                &["110 deny 6 443 0.0.0.0/0", "100 allow -1 * 0.0.0.0/0"],
                &any,
                "yes",
            ),
            (
                "private ranges denied",
                &["90 deny -1 * 10.0.0.0/8", "100 allow -1 * 0.0.0.0/0"],
                &any,
                "yes",
            ),
            (
                "a public range denied",
                &["90 deny -1 * 52.0.0.0/8", "100 allow -1 * 0.0.0.0/0"],
                &any,
                "maybe",
            ),
            (
                "a public range denied, dialled in it",
                &["90 deny -1 * 52.0.0.0/8", "100 allow -1 * 0.0.0.0/0"],
                &remote_ip,
                "no",
            ),
            (
                "a public range allowed",
                &["100 allow 6 443 52.0.0.0/8"],
                &any,
                "maybe",
            ),
            (
                "dialled in it",
                &["100 allow 6 443 52.0.0.0/8"],
                &remote_ip,
                "yes",
            ),
            ("only the VPC", &["100 allow -1 * 10.0.0.0/16"], &any, "no"),
            ("only IPv6", &["100 allow -1 * ::/0"], &any, "no"),
            (
                "only IPv6, over IPv6",
                &["100 allow -1 * ::/0"],
                &either,
                "yes",
            ),
            (
                "IPv4 is decided before IPv6 is denied",
                &["90 allow -1 * 0.0.0.0/0", "100 deny -1 * ::/0"],
                &either,
                "no",
            ),
            (
                "IPv4 is denied before IPv6 is allowed",
                &["90 deny -1 * 0.0.0.0/0", "100 allow -1 * ::/0"],
                &either,
                "yes",
            ),
            (
                "a unique local range denied",
                &["90 deny -1 * fd00::/8", "100 allow -1 * ::/0"],
                &either,
                "yes",
            ),
            (
                "ranges without a public address denied",
                &[
                    "80 deny -1 * 169.254.0.0/16",
                    "85 deny -1 * 127.0.0.0/8",
                    "90 deny -1 * 224.0.0.0/3",
                    "100 allow -1 * 0.0.0.0/0",
                ],
                &any,
                "yes",
            ),
            (
                "everything by halves",
                &["90 allow -1 * 0.0.0.0/1", "100 allow -1 * 128.0.0.0/1"],
                &any,
                "yes",
            ),
            ("everything denied, address unread", &[], &unread, "no"),
            (
                "everything allowed, address unread",
                &["100 allow -1 * 0.0.0.0/0"],
                &unread,
                "yes",
            ),
            (
                "some allowed, address unread",
                &["100 allow -1 * 10.0.0.0/8"],
                &unread,
                "maybe",
            ),
            ("udp", &["100 allow 17 443 0.0.0.0/0"], &any, "no"),
            ("range unread", &["100 allow 6 443 ?"], &any, "maybe"),
            (
                "range unread, after the decision",
                &["90 allow 6 443 0.0.0.0/0", "100 deny 6 443 ?"],
                &any,
                "yes",
            ),
        ];
        for (title, entries, far, expected) in table {
            let answer = allows_egress(&acl(true, entries), far);
            assert_eq!(name(&answer), *expected, "{title}");
        }
    }

    #[test]
    fn answers_must_come_back_to_high_ports() {
        let any = public(Family::V4);
        let table: &[(&str, &[&str], &str)] = &[
            ("high ports", &["100 allow 6 1024-65535 0.0.0.0/0"], "yes"),
            ("everything", &["100 allow -1 * 0.0.0.0/0"], "yes"),
            ("443 only", &["100 allow 6 443 0.0.0.0/0"], "no"),
            ("low ports", &["100 allow 6 1024-5000 0.0.0.0/0"], "no"),
            (
                "Linux's ports",
                &["100 allow 6 32768-60999 0.0.0.0/0"],
                "maybe",
            ),
            (
                "a hole",
                &["90 deny 6 40000 0.0.0.0/0", "100 allow -1 * 0.0.0.0/0"],
                "maybe",
            ),
        ];
        for (title, entries, expected) in table {
            let answer = allows_return_traffic(&acl(false, entries), &any);
            assert_eq!(name(&answer), *expected, "{title}");
        }
        // What stands for the other way does not count.
        let out = acl(true, &["100 allow -1 * 0.0.0.0/0"]);
        assert_eq!(allows_return_traffic(&out, &any), Allows::No);
        let mut both = out;
        both.entries
            .push(entry_of(false, "100 allow -1 * 0.0.0.0/0"));
        assert_eq!(allows_return_traffic(&both, &any), Allows::Yes);
    }
}
