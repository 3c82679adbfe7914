//! A repair in every detail: what is changed, how it would be done by hand, and
//! how it is taken back.

use serde_json::json;

use crate::cause::Cause;
use crate::command::{ArgKind, Command};
use crate::config::RepairAction;
use crate::diagnose::facts::ImdsFacts;
use crate::node::{InstanceId, Region};
use crate::policy::Edit;

/// One write, with the state that it starts from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    /// Sets `HttpEndpoint` of the instance's metadata options, and nothing else.
    EnableImdsEndpoint {
        instance: InstanceId,
        before: ImdsFacts,
    },
    /// Appends one statement to the role's trust policy.
    TrustEc2 { role: String, edit: Edit },
}

/// The repair that there is for `cause`.
pub(crate) fn action_for(cause: Cause) -> Option<RepairAction> {
    RepairAction::ALL
        .iter()
        .copied()
        .find(|action| cause_of(*action) == cause)
}

/// The cause that `action` puts right.
pub(crate) fn cause_of(action: RepairAction) -> Cause {
    match action {
        RepairAction::EnableImdsEndpoint => Cause::ImdsDisabled,
        RepairAction::TrustEc2 => Cause::RoleNotAssumable,
    }
}

impl Action {
    pub(crate) fn kind(&self) -> RepairAction {
        match self {
            Self::EnableImdsEndpoint { .. } => RepairAction::EnableImdsEndpoint,
            Self::TrustEc2 { .. } => RepairAction::TrustEc2,
        }
    }

    /// The instance's id or the role's name.
    pub(crate) fn target(&self) -> &str {
        match self {
            Self::EnableImdsEndpoint { instance, .. } => instance.as_str(),
            Self::TrustEc2 { role, .. } => role,
        }
    }

    /// The state before, as AWS names it.
    pub(crate) fn before(&self) -> serde_json::Value {
        match self {
            Self::EnableImdsEndpoint { before, .. } => json!({
                "HttpEndpoint": if before.endpoint_enabled { "enabled" } else { "disabled" },
                "HttpTokens": if before.tokens_required { "required" } else { "optional" },
                "HttpPutResponseHopLimit": before.hop_limit,
            }),
            Self::TrustEc2 { edit, .. } => json!({
                "AssumeRolePolicyDocument": edit.previous_document,
            }),
        }
    }

    /// Everything that the write sends, as AWS names it.
    pub(crate) fn request(&self) -> serde_json::Value {
        match self {
            Self::EnableImdsEndpoint { instance, .. } => json!({
                "InstanceId": instance.as_str(),
                "HttpEndpoint": "enabled",
            }),
            Self::TrustEc2 { role, edit } => json!({
                "RoleName": role,
                "PolicyDocument": edit.new_document,
            }),
        }
    }

    /// The command that does it by hand.
    pub(crate) fn command(&self, region: &Region) -> String {
        match self {
            Self::EnableImdsEndpoint { instance, .. } => endpoint(instance, "enabled", region),
            Self::TrustEc2 { role, edit } => trust_policy(role, &edit.new_document),
        }
    }

    /// The command that takes it back.
    pub(crate) fn undo(&self, region: &Region) -> String {
        match self {
            Self::EnableImdsEndpoint { instance, .. } => endpoint(instance, "disabled", region),
            Self::TrustEc2 { role, edit } => undo_trust(role, &edit.sid, &edit.previous_document),
        }
    }
}

/// Puts `document`, the policy without our statement `sid`, in place of the
/// role's trust policy, with the warning that IAM knows no smaller change.
pub(crate) fn undo_trust(role: &str, sid: &str, document: &str) -> String {
    format!(
        "{} # takes the statement {sid} out; overwrites whatever else has changed in the trust policy since",
        trust_policy(role, document)
    )
}

fn endpoint(instance: &InstanceId, value: &'static str, region: &Region) -> String {
    Command::new("aws ec2 modify-instance-metadata-options")
        .option("--instance-id", ArgKind::InstanceId, instance.as_str())
        .text("--http-endpoint")
        .text(value)
        .option("--region", ArgKind::Region, region.as_str())
        .to_string()
}

fn trust_policy(role: &str, document: &str) -> String {
    Command::new("aws iam update-assume-role-policy")
        .option("--role-name", ArgKind::RoleName, role)
        .json_option("--policy-document", document, "POLICY_DOCUMENT")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Partition;
    use crate::policy::{RoleRef, plan_edit};

    fn region() -> Region {
        Region::parse("eu-central-1").unwrap()
    }

    #[test]
    fn the_metadata_endpoint_is_all_that_is_sent() {
        let action = Action::EnableImdsEndpoint {
            instance: InstanceId::parse("i-0123456789abcdef0").unwrap(),
            before: ImdsFacts {
                endpoint_enabled: false,
                tokens_required: true,
                hop_limit: Some(2),
                pending: false,
            },
        };
        insta::assert_snapshot!(shown(&action), @r#"
        target: i-0123456789abcdef0
        before: {"HttpEndpoint":"disabled","HttpPutResponseHopLimit":2,"HttpTokens":"required"}
        request: {"HttpEndpoint":"enabled","InstanceId":"i-0123456789abcdef0"}
        command: aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint enabled --region eu-central-1
        undo: aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint disabled --region eu-central-1
        "#);
    }

    #[test]
    fn the_trust_policy_is_sent_whole_and_can_be_put_back() {
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/o'neil"},"Action":"sts:AssumeRole"}]}"#;
        let role = RoleRef {
            name: "web",
            path: "/",
            arn: "arn:aws:iam::123456789012:role/web",
            partition: Partition::Aws,
        };
        let edit = plan_edit(document, &role).unwrap();
        let action = Action::TrustEc2 {
            role: "web".to_owned(),
            edit,
        };
        insta::assert_snapshot!(shown(&action), @r#"
        target: web
        before: {"AssumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:user/o'neil\"},\"Action\":\"sts:AssumeRole\"}]}"}
        request: {"PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:user/o'neil\"},\"Action\":\"sts:AssumeRole\"},{\"Sid\":\"SsmAgentTriageTrustEc2\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}","RoleName":"web"}
        command: aws iam update-assume-role-policy --role-name web --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/o\u0027neil"},"Action":"sts:AssumeRole"},{"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
        undo: aws iam update-assume-role-policy --role-name web --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/o\u0027neil"},"Action":"sts:AssumeRole"}]}' # takes the statement SsmAgentTriageTrustEc2 out; overwrites whatever else has changed in the trust policy since
        "#);
    }

    #[test]
    fn every_action_has_its_cause() {
        for action in RepairAction::ALL {
            assert_eq!(action_for(cause_of(*action)), Some(*action));
        }
        assert_eq!(action_for(Cause::Throttled), None);
    }

    fn shown(action: &Action) -> String {
        format!(
            "target: {}\nbefore: {}\nrequest: {}\ncommand: {}\nundo: {}",
            action.target(),
            action.before(),
            action.request(),
            action.command(&region()),
            action.undo(&region())
        )
    }
}
