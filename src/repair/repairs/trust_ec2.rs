//! Appends one statement to the trust policy of a role, so that EC2 may assume it.

use std::time::Duration;

use serde_json::json;

use super::{REPAIR_TAG_KEY, Repair, undo};
use crate::cause::{Cause, ScopeKind};
use crate::command::{ArgKind, Command};
use crate::diagnose::facts::Fetched;
use crate::incident::group::Incident;
use crate::node::Region;
use crate::policy::{Edit, Refusal, RoleRef, has_ours, plan_edit, remove_ours, same_policy};
use crate::repair::change::{Change, Judged, Origin, Seen, member};
#[cfg(feature = "aws")]
use {
    super::{Call, call},
    crate::aws::error,
    crate::diagnose::live::{GetRole, Reads},
    crate::repair::clients::Clients,
    crate::repair::plan::permit::Permit,
};

pub(super) const REPAIR: Repair = Repair {
    name: "trust-ec2",
    cause: Cause::RoleNotAssumable,
    subject: "trust policy",
    right: "lets EC2 assume the role at this moment",
    reads: "iam:GetRole",
    writes: "iam:UpdateAssumeRolePolicy",
    denied_by: "permissions boundary or service control policy",
    gone: "The role was deleted since it was looked at. Attach an instance profile whose role exists.",
    refusals: &[
        (
            "MalformedPolicyDocument",
            "IAM does not take the policy as a whole, mostly because a principal in it no longer exists. Correct the trust policy by hand in the IAM console, which names the fault, and let EC2 assume the role in the same change.",
        ),
        (
            "UnmodifiableEntity",
            "AWS itself manages this role and nobody else may edit it. Attach an instance profile with a role of your own.",
        ),
        (
            "LimitExceeded",
            "With one more statement the trust policy is too long. Shorten it by hand, or raise the quota for the role trust policy length.",
        ),
    ],
    // IAM may go on giving the old policy for a while.
    patience: Duration::from_secs(8),
    judge,
    // IAM knows no conditional write, and sending the edit of an old policy
    // would undo somebody's change.
    still_holds: |change, again| same_policy(before(change), before(again)),
    seen,
    #[cfg(feature = "aws")]
    read,
    #[cfg(feature = "aws")]
    write,
};

fn judge(incident: &Incident, region: &Region) -> Judged {
    let name = incident.scope.id.as_str();
    let right_kind = incident.scope.kind == ScopeKind::Role;
    let role = incident.role.as_ref();
    let Some(role) = role.filter(|role| right_kind && role.name == name) else {
        return Judged::Unread;
    };
    let reference = RoleRef {
        name,
        path: &role.path,
        arn: &role.arn,
        partition: region.partition(),
    };
    match plan_edit(&role.trust_policy, &reference) {
        Ok(edit) => Judged::Repairable {
            change: change(name, &edit),
            tag: match &role.tags {
                Fetched::Found(tags) => Ok(tags.get(REPAIR_TAG_KEY).cloned()),
                Fetched::Missing => Err("IAM does not know the role".to_owned()),
                Fetched::Failed(why) => Err(why.clone()),
            },
        },
        Err(Refusal::AlreadyRight { .. }) => Judged::Right(match has_ours(&role.trust_policy) {
            Some(sid) => Origin::Ours {
                detail: format!(
                    "Already done in an earlier attempt: the statement {sid} in the trust policy of the role {name} is this function's own."
                ),
                undo: remove_ours(&role.trust_policy, &sid)
                    .map(|without| undo_of(name, &sid, &without)),
            },
            None => Origin::Others,
        }),
        Err(refusal) => Judged::Refused {
            reason: refusal.to_string(),
            would_do: match refusal {
                Refusal::OtherPartition { would_do } => Some(change(name, &would_do)),
                _ => None,
            },
        },
    }
}

fn change(role: &str, edit: &Edit) -> Change {
    Change {
        action: REPAIR.name,
        target: role.to_owned(),
        what: format!(
            "trust policy of {role}: statement {} absent -> present",
            edit.sid
        ),
        note: "Every other statement is as it was. EC2 applies it within 1 h, or at once on stop and start. Whoever may pass this role can now use it on EC2.".to_owned(),
        preview: Some(format!("this statement would be appended to the trust policy: {}", edit.statement)),
        before: json!({ "AssumeRolePolicyDocument": edit.previous_document }),
        request: json!({ "RoleName": role, "PolicyDocument": edit.new_document }),
        command: set_trust_policy(role, &edit.new_document),
        undo: undo_of(role, &edit.sid, &edit.previous_document),
    }
}

fn before(change: &Change) -> &str {
    member(&change.before, "AssumeRolePolicyDocument")
}

fn sent(change: &Change) -> &str {
    member(&change.request, "PolicyDocument")
}

fn set_trust_policy(role: &str, document: &str) -> String {
    Command::new("aws iam update-assume-role-policy")
        .option("--role-name", ArgKind::RoleName, role)
        .json_option("--policy-document", document, "POLICY_DOCUMENT")
        .to_string()
}

/// Puts `document`, the policy without our statement `sid`, in place of the
/// role's trust policy, with the warning that IAM knows no smaller change.
fn undo_of(role: &str, sid: &str, document: &str) -> String {
    let untag = Command::new("aws iam untag-role")
        .option("--role-name", ArgKind::RoleName, role)
        .text("--tag-keys ssm-agent-triage:repair");
    let command = set_trust_policy(role, document);
    undo(
        REPAIR.name,
        untag,
        format_args!(
            "{command} # takes the statement {sid} out; overwrites whatever else has changed in the trust policy since"
        ),
    )
}

fn seen(incident: &Incident, change: &Change) -> Seen {
    let Some(role) = &incident.role else {
        return Seen::Unreadable(format!("IAM gives no role {}", change.target));
    };
    let policy = &role.trust_policy;
    // Our statement is there, whatever others have changed since.
    let ours = has_ours(policy).is_some_and(|sid| Some(sid) == has_ours(sent(change)));
    if ours || same_policy(policy, sent(change)) {
        Seen::InEffect
    } else if same_policy(policy, before(change)) {
        Seen::Unchanged
    } else {
        Seen::Overwritten
    }
}

#[cfg(feature = "aws")]
fn read<'a>(incident: &'a mut Incident, clients: &'a Clients) -> Call<'a> {
    Box::pin(async {
        let role = GetRole(incident.scope.id.clone());
        incident.role = Some(clients.live.read(&role).await?);
        Ok(())
    })
}

/// IAM takes the policy only as a whole.
#[cfg(feature = "aws")]
fn write<'a>(permit: &'a Permit, clients: &'a Clients) -> Call<'a> {
    Box::pin(async {
        let client: aws_sdk_iam::Client = clients.writer().await;
        let answer = client
            .update_assume_role_policy()
            .role_name(&permit.change().target)
            .policy_document(sent(permit.change()))
            .send()
            .await;
        answer.map_err(|e| error::read(call(REPAIR.writes), e))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::plan::tests::{NOBODY, TRUST, open_change, open_incident};

    #[test]
    fn the_trust_policy_is_sent_whole_and_can_be_put_back() {
        let mut incident = open_incident(TRUST);
        let role = incident.role.as_mut().unwrap();
        role.trust_policy = NOBODY.replace(":root", ":user/o'neil");
        let region = Region::parse("eu-central-1").unwrap();
        let Judged::Repairable { change, .. } = judge(&incident, &region) else {
            panic!("it can be repaired");
        };
        insta::assert_snapshot!(crate::repair::repairs::tests::shown(&change), @r#"
        target: web
        what: trust policy of web: statement SsmAgentTriageTrustEc2 absent -> present
        note: Every other statement is as it was. EC2 applies it within 1 h, or at once on stop and start. Whoever may pass this role can now use it on EC2.
        before: {"AssumeRolePolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:user/o'neil\"},\"Action\":\"sts:AssumeRole\"}]}"}
        request: {"PolicyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::123456789012:user/o'neil\"},\"Action\":\"sts:AssumeRole\"},{\"Sid\":\"SsmAgentTriageTrustEc2\",\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}","RoleName":"web"}
        command: aws iam update-assume-role-policy --role-name web --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/o\u0027neil"},"Action":"sts:AssumeRole"},{"Sid":"SsmAgentTriageTrustEc2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'
        undo:
        aws iam untag-role --role-name web --tag-keys ssm-agent-triage:repair # or take trust-ec2 out of TRIAGE_REPAIR_ACTIONS
        aws iam update-assume-role-policy --role-name web --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/o\u0027neil"},"Action":"sts:AssumeRole"}]}' # takes the statement SsmAgentTriageTrustEc2 out; overwrites whatever else has changed in the trust policy since
        "#);
    }

    #[test]
    fn it_is_in_effect_when_our_statement_is_there() {
        let change = open_change(TRUST);
        let by_others = sent(&change).replace(":root", ":user/eve");
        let spaced = sent(&change).replace(',', ", ");
        let mut incident = open_incident(TRUST);
        for (document, expected) in [
            (sent(&change), Seen::InEffect),
            (&spaced, Seen::InEffect),
            (&by_others, Seen::InEffect),
            (NOBODY, Seen::Unchanged),
            (&NOBODY.replace(":root", ":user/eve"), Seen::Overwritten),
        ] {
            incident.role.as_mut().unwrap().trust_policy = document.to_owned();
            assert_eq!(seen(&incident, &change), expected, "{document}");
        }
        incident.role = None;
        assert!(matches!(seen(&incident, &change), Seen::Unreadable(_)));
    }
}
