//! How rules apply to traffic on port 443: pure, and cautious. What is not
//! certain is `Maybe`, never a yes or a no.

pub(super) mod acl;
pub(super) mod egress_path;
pub(super) mod group;
pub(super) mod names;
pub(super) mod path;
pub(super) mod space;
pub(super) mod table;

#[cfg(test)]
mod property_tests;

use ipnet::IpNet;

use super::result::Observation;
use crate::cause::Cause;
use crate::failure::address_class::ALL_V4;
use space::Family;

/// The port of every service.
pub(super) const HTTPS: i32 = 443;

/// The causes for which the path to a service is checked.
pub(super) const CAUSES: &[Cause] = &[Cause::EndpointUnreachable];

/// Something in AWS blocks the path from the instance to the service.
pub(super) const BLOCKED: Observation =
    Observation::confirms("path-blocked", Cause::EndpointUnreachable, &[]);

/// Whether rules allow traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Allows {
    Yes,
    /// Why it is not certain: a clause.
    Maybe(String),
    No,
}

/// The far end of a connection: one address of `space`, which one is not known.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RemoteEnd<'a> {
    /// Of one family.
    pub space: Vec<IpNet>,
    /// The security groups of the interface that has the address.
    pub groups: &'a [String],
    /// The prefix list that holds every address of the service.
    pub list: Option<&'a str>,
}

impl RemoteEnd<'_> {
    pub(super) fn family(&self) -> Family {
        Family::of(matches!(self.space.first(), Some(IpNet::V4(_)) | None))
    }

    /// Its addresses are any, private ones too, and its security groups are not known.
    fn may_be_in_another_network(&self) -> bool {
        self.groups.is_empty() && self.space == [ALL_V4]
    }
}

/// Several answers for one thing that must hold everywhere.
fn everywhere(answers: impl IntoIterator<Item = Allows>, mixed: &str) -> Allows {
    let (mut yes, mut no) = (false, false);
    let mut maybe = None;
    for answer in answers {
        match answer {
            Allows::Yes => yes = true,
            Allows::No => no = true,
            Allows::Maybe(why) => maybe = maybe.or(Some(why)),
        }
    }
    match (maybe, yes, no) {
        (Some(why), _, _) => Allows::Maybe(why),
        (None, true, true) => Allows::Maybe(mixed.to_owned()),
        (None, true, false) => Allows::Yes,
        (None, false, _) => Allows::No,
    }
}
