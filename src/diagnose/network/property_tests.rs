//! Routes, network ACLs and security groups over generated rules, against a
//! model that is written another way: one address after the other, in plain
//! numbers, at every edge of every range.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;

use super::space::Family;
use super::table::{ListRoute, RouteLookup, lead};
use super::{Allows, RemoteEnd, acl, group};
use crate::diagnose::facts::{
    AclEntry, AclFacts, Destination, GroupRule, Peer, Ports, Protocol, RouteFacts, RouteTableFacts,
    RouteTarget,
};

/// Ranges that nest, touch and stand apart, of both families.
const RANGES: &[&str] = &[
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.1.7/32",
    "10.0.3.9/22",
    "52.94.0.0/16",
    "52.94.128.0/17",
    "255.255.255.255/32",
    "::/0",
    "2000::/3",
    "2600:1f18::/32",
    "2600:1f18:1::/48",
    "2600:1f18:1::9/128",
    "fd00::/8",
];

/// A range as the model has it: first and last address, and the family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    is_v4: bool,
    first: u128,
    last: u128,
}

impl Span {
    fn of(text: &str) -> Self {
        let (address, bits) = text.split_once('/').expect("a range");
        let bits: u32 = bits.parse().expect("a length");
        let (is_v4, address, width) = match address.parse().expect("an address") {
            IpAddr::V4(v4) => (true, u128::from(u32::from(v4)), 32),
            IpAddr::V6(v6) => (false, u128::from(v6), 128),
        };
        let size_less_one = (2_u128)
            .checked_pow(width - bits)
            .map_or(u128::MAX, |size| size - 1);
        let first = address & !size_less_one;
        Self {
            is_v4,
            first,
            last: first + size_less_one,
        }
    }

    fn holds(self, is_v4: bool, address: u128) -> bool {
        self.is_v4 == is_v4 && (self.first..=self.last).contains(&address)
    }
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a range")
}

fn text() -> impl Strategy<Value = &'static str> {
    prop::sample::select(RANGES)
}

/// The space that may be meant: ranges of one family.
fn space() -> impl Strategy<Value = Vec<&'static str>> {
    (any::<bool>(), prop::collection::vec(text(), 1..3)).prop_map(|(v4, mut all)| {
        all.retain(|text| Span::of(text).is_v4 == v4);
        if all.is_empty() {
            all.push(if v4 { "52.94.0.0/16" } else { "2600:1f18::/32" });
        }
        all
    })
}

/// Every address of `space` at which something may change.
fn samples(space: &[&str], ranges: &[&str]) -> Vec<(bool, u128)> {
    let spans: Vec<Span> = space.iter().map(|text| Span::of(text)).collect();
    let edges = space.iter().chain(ranges).flat_map(|text| {
        let Span { is_v4, first, last } = Span::of(text);
        let around = [
            first.checked_sub(1),
            Some(first),
            Some(last),
            last.checked_add(1),
        ];
        around.into_iter().flatten().map(move |at| (is_v4, at))
    });
    edges
        .filter(|(is_v4, at)| spans.iter().any(|span| span.holds(*is_v4, *at)))
        .collect()
}

fn far(space: &[&str]) -> RemoteEnd<'static> {
    RemoteEnd {
        space: space.iter().map(|text| net(text)).collect(),
        groups: &[],
        list: None,
    }
}

/// All pass, none passes, or some do.
fn agrees(answer: &Allows, passing: &[bool]) -> bool {
    match answer {
        Allows::Yes => passing.iter().all(|pass| *pass),
        Allows::No => !passing.iter().any(|pass| *pass),
        Allows::Maybe(_) => passing.contains(&true) && passing.contains(&false),
    }
}

fn route(range: &str, target: usize, propagated: bool) -> RouteFacts {
    RouteFacts {
        destination: Destination::Range(net(range)),
        target: match target {
            0 => RouteTarget::NatGateway("nat-0".to_owned()),
            other => RouteTarget::Opaque(format!("tgw-{other}")),
        },
        blackhole: false,
        propagated,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn the_longest_prefix_leads_and_of_two_the_static_route(
        space in space(),
        routes in prop::collection::vec((text(), 0..3_usize, any::<bool>()), 0..8),
    ) {
        // A table holds one static and one propagated route to a destination.
        let mut seen: Vec<(Span, bool)> = Vec::new();
        let mut kept = Vec::new();
        for (range, target, propagated) in routes {
            let key = (Span::of(range), propagated);
            if !seen.contains(&key) {
                seen.push(key);
                kept.push((range, target, propagated));
            }
        }
        let ranges: Vec<&str> = kept.iter().map(|(range, ..)| *range).collect();
        let table = RouteTableFacts {
            id: "rtb-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            main: true,
            subnets: Vec::new(),
            routes: kept.iter().map(|(range, to, by)| route(range, *to, *by)).collect(),
        };
        let model = |(is_v4, at): (bool, u128)| {
            let mut holding: Vec<_> = kept
                .iter()
                .filter(|(range, ..)| Span::of(range).holds(is_v4, at))
                .collect();
            holding.sort_by_key(|(range, _, propagated)| {
                let span = Span::of(range);
                (span.last - span.first, *propagated)
            });
            holding.first().map(|(range, target, by)| route(range, *target, *by).target)
        };
        let ways: Vec<Option<RouteTarget>> =
            samples(&space, &ranges).into_iter().map(model).collect();
        let found = far(&space).space;
        match lead(&table, &found, |_| ListRoute::Elsewhere) {
            RouteLookup::Route(route) => {
                prop_assert!(ways.iter().all(|way| way.as_ref() == Some(&route.target)));
            }
            RouteLookup::Nowhere => prop_assert!(ways.iter().all(Option::is_none)),
            RouteLookup::Unclear(_) => prop_assert!(ways.iter().any(|way| *way != ways[0])),
        }
    }

    #[test]
    fn the_first_entry_of_an_acl_that_holds_an_address_decides(
        space in space(),
        entries in prop::collection::vec((text(), any::<bool>(), any::<bool>()), 0..8),
    ) {
        let ranges: Vec<&str> = entries.iter().map(|(range, ..)| *range).collect();
        let port = |https: bool| if https { 443 } else { 80 };
        let mut facts = AclFacts {
            id: "acl-1".to_owned(),
            vpc: "vpc-1".to_owned(),
            subnets: Vec::new(),
            entries: (100..).zip(&entries).map(|(number, (range, allow, https))| AclEntry {
                number,
                egress: true,
                allow: *allow,
                protocol: Protocol::Tcp,
                ports: Ports { from: port(*https), to: port(*https) },
                range: Some(net(range)),
            }).collect(),
        };
        facts.entries.reverse();
        let passes = |(is_v4, at): (bool, u128)| {
            for (range, allow, https) in &entries {
                if *https && Span::of(range).holds(is_v4, at) {
                    return *allow;
                }
            }
            false
        };
        let passing: Vec<bool> = samples(&space, &ranges).into_iter().map(passes).collect();
        let answer = acl::allows_egress(&facts, &far(&space));
        prop_assert!(agrees(&answer, &passing), "{answer:?} {passing:?}");
    }

    #[test]
    fn a_security_group_lets_through_what_one_of_its_rules_holds(
        space in space(),
        rules in prop::collection::vec((text(), any::<bool>()), 0..6),
    ) {
        let ranges: Vec<&str> = rules.iter().map(|(range, _)| *range).collect();
        let facts: Vec<GroupRule> = rules.iter().map(|(range, https)| GroupRule {
            protocol: Protocol::Tcp,
            ports: if *https { Ports::ALL } else { Ports { from: 80, to: 80 } },
            peers: vec![Peer::Range(net(range))],
        }).collect();
        let passes = |(is_v4, at): (bool, u128)| {
            rules.iter().any(|(range, https)| *https && Span::of(range).holds(is_v4, at))
        };
        let passing: Vec<bool> = samples(&space, &ranges).into_iter().map(passes).collect();
        let far = far(&space);
        let answer = group::allows(&facts, &far);
        prop_assert!(agrees(&answer, &passing), "{answer:?} {passing:?}");
        prop_assert_eq!(far.family(), Family::of(Span::of(space[0]).is_v4));
    }
}
