//! How rules apply to traffic on port 443: pure, and cautious. What cannot be
//! told for certain is `Maybe`, never a yes or a no.

pub mod acl;
pub mod group;
pub mod table;
pub mod way;

use std::net::IpAddr;

/// The port of every service.
pub const HTTPS: i32 = 443;

/// Whether rules let traffic pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lets {
    Yes,
    /// Why it cannot be told: a clause.
    Maybe(String),
    No,
}

/// The far end of a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Far<'a> {
    /// One of these addresses, on an interface with these security groups. No
    /// address says that they are not known.
    Within {
        addresses: Vec<IpAddr>,
        groups: &'a [String],
    },
    /// Some public address of a service; of IPv4 where the name has no other.
    Public { ipv4_only: bool },
}

/// Not routed on the internet: RFC 1918, RFC 6598, and unique local ones.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || shared
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Several answers for one thing that must hold everywhere.
fn everywhere(answers: impl IntoIterator<Item = Lets>, mixed: &str) -> Lets {
    let (mut yes, mut no) = (false, false);
    let mut maybe = None;
    for answer in answers {
        match answer {
            Lets::Yes => yes = true,
            Lets::No => no = true,
            Lets::Maybe(why) => maybe = maybe.or(Some(why)),
        }
    }
    match (maybe, yes, no) {
        (Some(why), _, _) => Lets::Maybe(why),
        (None, true, true) => Lets::Maybe(mixed.to_owned()),
        (None, true, false) => Lets::Yes,
        (None, false, _) => Lets::No,
    }
}
