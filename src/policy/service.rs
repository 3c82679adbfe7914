//! The services that assume roles for nodes, and what policies call them; and what AWS's own policy
//! allows a node.

use super::pattern::matches_ignoring_case;
use crate::node::{Partition, Region};

macro_rules! core_actions {
    ($($service:literal: $($name:literal)+;)+) => {
        /// What AmazonSSMManagedInstanceCore allows, as its default version lists it.
        pub(crate) const CORE_ACTIONS: &[&str] = &[$($(concat!($service, ":", $name)),+),+];
    };
}

core_actions! {
    "ec2messages": "AcknowledgeMessage" "DeleteMessage" "FailMessage" "GetEndpoint" "GetMessages"
        "SendReply";
    "ssm": "DescribeAssociation" "DescribeDocument" "GetDeployablePatchSnapshotForInstance"
        "GetDocument" "GetManifest" "GetParameter" "GetParameters" "ListAssociations"
        "ListInstanceAssociations" "PutComplianceItems" "PutConfigurePackageResult"
        "PutInventory" "UpdateAssociationStatus" "UpdateInstanceAssociationStatus"
        "UpdateInstanceInformation";
    "ssmmessages": "CreateControlChannel" "CreateDataChannel" "OpenControlChannel"
        "OpenDataChannel";
}

/// A service that assumes roles for nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// For the instances of a profile.
    Ec2,
    /// For Default Host Management and hybrid nodes.
    SystemsManager,
}

impl Service {
    fn prefix(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::SystemsManager => "ssm",
        }
    }

    /// The service principal to name in a new statement.
    pub(super) fn principal(self, partition: Partition) -> String {
        let suffix = match partition {
            Partition::China => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        format!("{}.{suffix}", self.prefix())
    }

    /// What it is called in trust policies. Where a partition has a DNS suffix
    /// of its own the global name is in use too.
    fn names(self, partition: Partition) -> impl Iterator<Item = String> {
        let suffixes = ["amazonaws.com"].into_iter().chain(partition.dns_suffix());
        suffixes.map(move |suffix| format!("{}.{suffix}", self.prefix()))
    }

    /// Whether the service principal `name` is this service. AWS documents that
    /// service principals are case-sensitive (IAM API reference,
    /// `CreateServiceLinkedRole`).
    pub(super) fn is(self, name: &str, partition: Partition) -> bool {
        self.names(partition).any(|known| known == name)
    }

    /// Whether it might be: it differs only in case or by a Region, or holds
    /// wildcards; how a partition that is not known names its services is not
    /// known either.
    pub(super) fn may_be(self, name: &str, partition: Partition) -> bool {
        let prefix = format!("{}.", self.prefix());
        resembles(name, self.prefix())
            || self
                .names(partition)
                .any(|known| matches_ignoring_case(name, &known))
            || (partition == Partition::Unknown && name.to_ascii_lowercase().starts_with(&prefix))
    }
}

/// Whether `principal` names the service in any form in use: any DNS suffix,
/// any case, stray spaces, with or without a Region.
pub(super) fn resembles(principal: &str, service: &str) -> bool {
    let principal = principal.trim().to_ascii_lowercase();
    let rest = principal
        .strip_prefix(service)
        .and_then(|rest| rest.strip_prefix('.'));
    let Some(rest) = rest else {
        return false;
    };
    Partition::ALL
        .iter()
        .filter_map(|partition| rest.strip_suffix(partition.dns_suffix()?))
        .any(|region| {
            let named = region.strip_suffix('.').and_then(Region::parse);
            region.is_empty() || named.is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_partition_that_is_not_known_no_name_of_the_service_is_missed() {
        let answer = |name: &str, partition: Partition| match Service::Ec2 {
            service if service.is(name, partition) => "is",
            service if service.may_be(name, partition) => "may be",
            _ => "is not",
        };
        for (name, partition, expected) in [
            ("ec2.amazonaws.example", Partition::Unknown, "may be"),
            ("ec2.amazonaws.com", Partition::Unknown, "is"),
            ("lambda.amazonaws.example", Partition::Unknown, "is not"),
            ("ec2.amazonaws.example", Partition::Aws, "is not"),
            ("ec2.amazonaws.eu", Partition::Eusc, "is"),
            ("ec2.amazonaws.eu", Partition::Aws, "may be"),
        ] {
            assert_eq!(answer(name, partition), expected, "{name}");
        }
    }

    #[test]
    fn a_service_is_known_in_every_form_but_not_by_its_prefix() {
        for principal in [
            "ec2.amazonaws.com",
            "EC2.AmazonAWS.com",
            " ec2.amazonaws.com ",
            "ec2.amazonaws.com.cn",
            "ec2.us-east-1.amazonaws.com",
            "ec2.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(resembles(principal, "ec2"), "{principal}");
        }
        for principal in [
            "ec2",
            "ec2.",
            "ec2fleet.amazonaws.com",
            "ec2.application-autoscaling.amazonaws.com",
            "spotfleet.ec2.amazonaws.com",
            "ec2.amazonaws.com.evil.example",
            "ecs-tasks.amazonaws.com",
            "",
        ] {
            assert!(!resembles(principal, "ec2"), "{principal}");
        }
    }
}
