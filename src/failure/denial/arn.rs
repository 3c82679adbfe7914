//! Whom and what a denial names by ARN ("IAM identifiers" in the IAM User Guide, "Resource types
//! defined by AWS Organizations" in the Service Authorization Reference).

use super::{DenyReason, Principal};
use crate::command::{is_iam_name, is_made_of};
use crate::node::AccountId;

/// The caller in `User: …`, and its account.
pub(super) fn principal(text: &str) -> (Option<Principal>, Option<AccountId>) {
    let Some(arn) = Arn::parse(text) else {
        let service = (text.ends_with(".amazonaws.com") || text.ends_with(".amazonaws.com.cn"))
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
        return (service.then(|| Principal::Service(text.to_owned())), None);
    };
    let name = |path: &str| iam_name(path.rsplit('/').next().unwrap_or_default());
    let path = |path: &str| is_path(path).then(|| path.to_owned());
    let principal = match (arn.service, arn.resource.split_once('/')) {
        ("sts", Some(("assumed-role", rest))) => rest.split_once('/').and_then(|(role, _)| {
            if role == "aws:ec2-instance" {
                return Some(Principal::InstanceIdentity);
            }
            iam_name(role).map(Principal::Role)
        }),
        ("sts", Some(("federated-user", rest))) => iam_name(rest).map(Principal::Federated),
        ("iam", Some(("user", rest))) => name(rest).and(path(rest)).map(Principal::User),
        ("iam", Some(("role", rest))) => name(rest).map(Principal::Role),
        ("iam", None) if arn.resource == "root" => Some(Principal::Root),
        _ => None,
    };
    (principal, AccountId::parse(arn.account))
}

/// Whether `text` as a whole is the ARN of a policy of the kind `reason`. Only these kinds are
/// ever named by ARN ("Troubleshoot access denied error messages" in the IAM User Guide).
pub(super) fn is_policy(reason: DenyReason, text: &str) -> bool {
    let Some(arn) = Arn::parse(text) else {
        return false;
    };
    let own_or = |managed: &str| arn.account == managed || AccountId::parse(arn.account).is_some();
    let organizations = |kind: &str| {
        let parts: Vec<&str> = arn.resource.split('/').collect();
        let named = match parts.as_slice() {
            ["policy", organization, named, id] => {
                is_id(organization, "o-", 10..=32)
                    && AccountId::parse(arn.account).is_some()
                    && *named == kind
                    && is_id(id, "p-", 8..=128)
            }
            ["policy", named, id] => {
                arn.account == "aws" && *named == kind && is_id(id, "p-", 8..=128)
            }
            _ => false,
        };
        arn.service == "organizations" && named
    };
    match reason {
        DenyReason::ServiceControlPolicy => organizations("service_control_policy"),
        DenyReason::ResourceControlPolicy => organizations("resource_control_policy"),
        DenyReason::IdentityPolicy
        | DenyReason::PermissionsBoundary
        | DenyReason::SessionPolicy => {
            let name = arn.resource.strip_prefix("policy/");
            arn.service == "iam" && own_or("aws") && name.is_some_and(is_path)
        }
        DenyReason::VpcEndpointPolicy
        | DenyReason::ResourcePolicy
        | DenyReason::RoleTrustPolicy
        | DenyReason::ExplicitDeny => false,
    }
}

/// `arn:PARTITION:SERVICE::ACCOUNT:RESOURCE`, of a service without Regions.
struct Arn<'a> {
    service: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let partition = parts.next()?;
        let known = partition == "aws"
            || partition.strip_prefix("aws-").is_some_and(|rest| {
                !rest.is_empty()
                    && rest
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            });
        let service = parts.next()?;
        let region = parts.next()?;
        let account = parts.next()?;
        let resource = parts.next()?;
        (known && region.is_empty()).then_some(Self {
            service,
            account,
            resource,
        })
    }
}

/// IAM names: 1 to 64 of `[A-Za-z0-9_+=,.@-]`. Masked copies (`XXX`) are no name.
pub(super) fn iam_name(text: &str) -> Option<String> {
    let masked = text.bytes().all(|b| b == b'X' || b == b'x' || b == b'*');
    (is_iam_name(text, 64) && !masked).then(|| text.to_owned())
}

/// Path and name of a managed policy or a user.
fn is_path(text: &str) -> bool {
    text.len() <= 640
        && text.split('/').all(|part| is_iam_name(part, 512))
        && text
            .rsplit('/')
            .next()
            .is_some_and(|name| name.len() <= 128)
}

fn is_id(text: &str, prefix: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    let id = text.strip_prefix(prefix);
    id.is_some_and(|id| id.len() >= *length.start() && is_made_of(id, *length.end(), "_"))
}
