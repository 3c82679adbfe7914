//! What AWS's answer to a write means, in words, and what reading afterwards
//! makes of it. Pure.

use super::action::Action;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::policy::{Edit, has_ours, same_policy};
use crate::repair::outcome::OutcomeStatus;

/// What a read after the write shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    InEffect,
    /// Accepted and still being applied.
    Pending,
    /// As it was before.
    Unchanged,
    /// Neither as it was nor as it was written.
    Overwritten,
    Unreadable(String),
}

/// What the metadata options of the instance show.
pub(crate) fn imds_seen(read: &Result<Vec<InstanceFacts>, CallError>, id: &str) -> Seen {
    let instances = match read {
        Ok(instances) => instances,
        Err(error) => return Seen::Unreadable(error.to_string()),
    };
    let facts = instances.iter().find(|facts| facts.id.as_str() == id);
    match facts.and_then(|facts| facts.imds.as_ref()) {
        None => Seen::Unreadable(format!("EC2 gives no metadata options for {id}")),
        Some(imds) if !imds.endpoint_enabled => Seen::Unchanged,
        Some(imds) if imds.pending => Seen::Pending,
        Some(_) => Seen::InEffect,
    }
}

/// What the trust policy of the role shows.
pub(crate) fn trust_seen(read: &Result<RoleFacts, CallError>, edit: &Edit) -> Seen {
    match read {
        Err(error) => Seen::Unreadable(error.to_string()),
        // Our statement is there, whatever others have changed since.
        Ok(role)
            if same_policy(&role.trust_policy, &edit.new_document)
                || has_ours(&role.trust_policy).as_ref() == Some(&edit.sid) =>
        {
            Seen::InEffect
        }
        Ok(role) if same_policy(&role.trust_policy, &edit.previous_document) => Seen::Unchanged,
        Ok(_) => Seen::Overwritten,
    }
}

/// What came of a write, and a sentence that says so. `seen` counts only where
/// the write was accepted or its outcome is open.
pub(crate) fn verdict_of_write(
    write: &Result<(), CallError>,
    seen: &Seen,
    action: &Action,
) -> (OutcomeStatus, String) {
    match write {
        Ok(()) => accepted(seen),
        Err(error) if error.outcome_is_open() => lost(error, seen),
        Err(error) => (OutcomeStatus::Failed, refused(error, action)),
    }
}

fn accepted(seen: &Seen) -> (OutcomeStatus, String) {
    let unverified = |why: &str| {
        (
            OutcomeStatus::Unverified,
            format!(
                "AWS accepted the change, but it was not seen to take effect: {why}. Look again in a minute."
            ),
        )
    };
    match seen {
        Seen::InEffect => (
            OutcomeStatus::Repaired,
            "Reading it again showed the change in effect.".to_owned(),
        ),
        Seen::Pending => unverified("it is still being applied"),
        Seen::Unchanged => unverified("reading it again still shows the old state"),
        Seen::Overwritten => unverified("somebody else has changed the same thing since"),
        Seen::Unreadable(why) => unverified(why.trim_end_matches('.')),
    }
}

fn lost(error: &CallError, seen: &Seen) -> (OutcomeStatus, String) {
    let error = sentence(error);
    match seen {
        Seen::InEffect => (
            OutcomeStatus::Repaired,
            format!("{error} Reading it again showed the change in effect all the same."),
        ),
        // A change may show, or even be made, only after the last look.
        Seen::Unchanged => (
            OutcomeStatus::Unverified,
            format!(
                "{error} Reading it again shows the old state so far, and the change may still come into effect. Look again in a minute."
            ),
        ),
        Seen::Pending => (
            OutcomeStatus::Unverified,
            format!("{error} Reading it again shows the change, which is still being applied."),
        ),
        Seen::Overwritten => (
            OutcomeStatus::Unverified,
            format!("{error} Reading it again shows a change by somebody else."),
        ),
        Seen::Unreadable(why) => (
            OutcomeStatus::Unverified,
            format!(
                "{error} Reading it again gave no answer either: {}. Look before anything else is done.",
                why.trim_end_matches('.')
            ),
        ),
    }
}

/// Why AWS did not take a write, and what to do about it. Nothing was changed.
pub(crate) fn refused(error: &CallError, action: &Action) -> String {
    let advice = match error {
        CallError::Denied { .. } => match action {
            Action::EnableImdsEndpoint { .. } => {
                "The function's role needs ec2:ModifyInstanceMetadataOptions for this instance, and no service control policy or declarative policy may deny it."
            }
            Action::TrustEc2 { .. } => {
                "The function's role needs iam:UpdateAssumeRolePolicy for this role, and no permissions boundary or service control policy may deny it."
            }
        },
        CallError::Throttled { .. } => "AWS wants fewer calls at the moment.",
        CallError::NotFound { .. } => match action {
            Action::EnableImdsEndpoint { .. } => "The instance has gone since it was looked at.",
            Action::TrustEc2 { .. } => {
                "The role was deleted since it was looked at. Attach an instance profile whose role exists."
            }
        },
        CallError::Service { code, .. } => match (code.as_str(), action) {
            ("MalformedPolicyDocument", _) => {
                "IAM does not take the policy as a whole, mostly because a principal in it no longer exists. Correct the trust policy by hand in the IAM console, which names the fault, and let EC2 assume the role in the same change."
            }
            ("UnmodifiableEntity", _) => {
                "AWS itself manages this role and nobody else may edit it. Attach an instance profile with a role of your own."
            }
            ("LimitExceeded", Action::TrustEc2 { .. }) => {
                "With one more statement the trust policy is too long. Shorten it by hand, or raise the quota for the role trust policy length."
            }
            ("IncorrectInstanceState" | "IncorrectState", _) => {
                "The instance is not in a state in which its metadata options can be changed."
            }
            ("UnsupportedOperation", _) => "EC2 does not let this instance be changed so.",
            (_, _) => "Do it by hand, which shows whether AWS refuses that too.",
        },
        CallError::DryRunOk { .. } => "It was a dry run.",
        CallError::NoAnswer { .. } | CallError::Inconclusive { .. } => {
            "Whether AWS would make the change is not known."
        }
        CallError::NotSent { .. } => "The function could not make the call at all.",
    };
    format!("{} Nothing was changed. {advice}", sentence(error))
}

pub(super) fn sentence(error: &CallError) -> String {
    format!("{}.", error.to_string().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::facts::{Fetched, ImdsFacts};
    use crate::node::{InstanceId, Partition};
    use crate::policy::{RoleRef, plan_edit};

    const ID: &str = "i-0123456789abcdef0";
    const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}"#;

    fn imds(endpoint_enabled: bool, pending: bool) -> ImdsFacts {
        ImdsFacts {
            endpoint_enabled,
            tokens_required: true,
            hop_limit: None,
            pending,
        }
    }

    fn instance(imds: Option<ImdsFacts>) -> InstanceFacts {
        InstanceFacts {
            imds_defaults: None,
            id: InstanceId::parse(ID).unwrap(),
            state: "running".to_owned(),
            imds,
            profile: None,
            tags: Default::default(),
            managed_by: None,
            vpc: None,
            subnet: None,
            network: Default::default(),
        }
    }

    fn edit() -> Edit {
        let role = RoleRef {
            name: "web",
            path: "/",
            arn: "arn:aws:iam::123456789012:role/web",
            partition: Partition::Aws,
        };
        plan_edit(POLICY, &role).unwrap()
    }

    fn role(document: &str) -> RoleFacts {
        RoleFacts {
            name: "web".to_owned(),
            arn: "arn:aws:iam::123456789012:role/web".to_owned(),
            path: "/".to_owned(),
            trust_policy: document.to_owned(),
            tags: Fetched::Missing,
            boundary: None,
        }
    }

    fn no_answer() -> CallError {
        CallError::NoAnswer {
            call: "DescribeInstances",
            message: "no answer in time".to_owned(),
        }
    }

    #[test]
    fn metadata_options_are_read_as_they_are() {
        for (read, expected) in [
            (Ok(vec![instance(Some(imds(true, false)))]), Seen::InEffect),
            (Ok(vec![instance(Some(imds(true, true)))]), Seen::Pending),
            (Ok(vec![instance(Some(imds(false, true)))]), Seen::Unchanged),
            (
                Ok(vec![instance(Some(imds(false, false)))]),
                Seen::Unchanged,
            ),
        ] {
            assert_eq!(imds_seen(&read, ID), expected);
        }
        for read in [Ok(vec![]), Ok(vec![instance(None)]), Err(no_answer())] {
            assert!(matches!(imds_seen(&read, ID), Seen::Unreadable(_)));
        }
    }

    #[test]
    fn a_trust_policy_is_in_effect_when_it_holds_our_statement() {
        let edit = edit();
        let by_others = edit.new_document.replace(":root", ":user/eve");
        let spaced = edit.new_document.replace(',', ", ");
        for (document, expected) in [
            (edit.new_document.as_str(), Seen::InEffect),
            (&spaced, Seen::InEffect),
            (&by_others, Seen::InEffect),
            (POLICY, Seen::Unchanged),
            (&POLICY.replace(":root", ":user/eve"), Seen::Overwritten),
        ] {
            assert_eq!(
                trust_seen(&Ok(role(document)), &edit),
                expected,
                "{document}"
            );
        }
        let unread = trust_seen(&Err(no_answer()), &edit);
        assert!(matches!(unread, Seen::Unreadable(_)));
    }

    #[test]
    fn every_end_of_a_write_is_notified_in_plain_words() {
        let imds = Action::EnableImdsEndpoint {
            instance: InstanceId::parse(ID).unwrap(),
            before: imds(false, false),
        };
        let trust = Action::TrustEc2 {
            role: "web".to_owned(),
            edit: edit(),
        };
        let seen = [
            Seen::InEffect,
            Seen::Pending,
            Seen::Unchanged,
            Seen::Overwritten,
            Seen::Unreadable("GetRole was throttled (Throttling)".to_owned()),
        ];
        let service = |call, code: &str| CallError::Service {
            call,
            code: code.to_owned(),
            message: "No.".to_owned(),
        };
        let mut notified = Vec::new();
        let mut tell = |write: Result<(), CallError>, seen: &Seen, action: &Action| {
            let (status, sentence) = verdict_of_write(&write, seen, action);
            notified.push(format!("{status:?}: {sentence}"));
        };
        for seen in &seen {
            tell(Ok(()), seen, &imds);
        }
        for seen in &seen {
            tell(Err(no_answer()), seen, &imds);
        }
        const MODIFY: &str = "ModifyInstanceMetadataOptions";
        const UPDATE: &str = "UpdateAssumeRolePolicy";
        for (call, action) in [(MODIFY, &imds), (UPDATE, &trust)] {
            let denied = CallError::Denied {
                call,
                code: "AccessDenied".to_owned(),
                message: "No".to_owned(),
            };
            let throttled = CallError::Throttled {
                call,
                code: "Throttling".to_owned(),
            };
            let gone = CallError::NotFound {
                call,
                code: "NoSuchEntity".to_owned(),
                message: "No.".to_owned(),
            };
            let not_sent = CallError::NotSent {
                call,
                message: "no credentials".to_owned(),
            };
            for error in [denied, throttled, gone, not_sent] {
                tell(Err(error), &Seen::InEffect, action);
            }
        }
        for code in [
            "MalformedPolicyDocument",
            "UnmodifiableEntity",
            "LimitExceeded",
            "Other",
        ] {
            tell(Err(service(UPDATE, code)), &Seen::Unchanged, &trust);
        }
        for code in ["IncorrectInstanceState", "UnsupportedOperation"] {
            tell(Err(service(MODIFY, code)), &Seen::Unchanged, &imds);
        }
        let inconclusive = CallError::Inconclusive {
            call: UPDATE,
            code: "ServiceFailure".to_owned(),
            message: "No.".to_owned(),
        };
        tell(Err(inconclusive), &Seen::InEffect, &trust);
        insta::assert_snapshot!(notified.join("\n"), @r#"
        Repaired: Reading it again showed the change in effect.
        Unverified: AWS accepted the change, but it was not seen to take effect: it is still being applied. Look again in a minute.
        Unverified: AWS accepted the change, but it was not seen to take effect: reading it again still shows the old state. Look again in a minute.
        Unverified: AWS accepted the change, but it was not seen to take effect: somebody else has changed the same thing since. Look again in a minute.
        Unverified: AWS accepted the change, but it was not seen to take effect: GetRole was throttled (Throttling). Look again in a minute.
        Repaired: DescribeInstances gave no answer: no answer in time. Reading it again showed the change in effect all the same.
        Unverified: DescribeInstances gave no answer: no answer in time. Reading it again shows the change, which is still being applied.
        Unverified: DescribeInstances gave no answer: no answer in time. Reading it again shows the old state so far, and the change may still come into effect. Look again in a minute.
        Unverified: DescribeInstances gave no answer: no answer in time. Reading it again shows a change by somebody else.
        Unverified: DescribeInstances gave no answer: no answer in time. Reading it again gave no answer either: GetRole was throttled (Throttling). Look before anything else is done.
        Failed: ModifyInstanceMetadataOptions was denied (AccessDenied): No. Nothing was changed. The function's role needs ec2:ModifyInstanceMetadataOptions for this instance, and no service control policy or declarative policy may deny it.
        Failed: ModifyInstanceMetadataOptions was throttled (Throttling). Nothing was changed. AWS wants fewer calls at the moment.
        Failed: ModifyInstanceMetadataOptions found nothing (NoSuchEntity): No. Nothing was changed. The instance has gone since it was looked at.
        Failed: ModifyInstanceMetadataOptions was not sent: no credentials. Nothing was changed. The function could not make the call at all.
        Failed: UpdateAssumeRolePolicy was denied (AccessDenied): No. Nothing was changed. The function's role needs iam:UpdateAssumeRolePolicy for this role, and no permissions boundary or service control policy may deny it.
        Failed: UpdateAssumeRolePolicy was throttled (Throttling). Nothing was changed. AWS wants fewer calls at the moment.
        Failed: UpdateAssumeRolePolicy found nothing (NoSuchEntity): No. Nothing was changed. The role was deleted since it was looked at. Attach an instance profile whose role exists.
        Failed: UpdateAssumeRolePolicy was not sent: no credentials. Nothing was changed. The function could not make the call at all.
        Failed: UpdateAssumeRolePolicy failed (MalformedPolicyDocument): No. Nothing was changed. IAM does not take the policy as a whole, mostly because a principal in it no longer exists. Correct the trust policy by hand in the IAM console, which names the fault, and let EC2 assume the role in the same change.
        Failed: UpdateAssumeRolePolicy failed (UnmodifiableEntity): No. Nothing was changed. AWS itself manages this role and nobody else may edit it. Attach an instance profile with a role of your own.
        Failed: UpdateAssumeRolePolicy failed (LimitExceeded): No. Nothing was changed. With one more statement the trust policy is too long. Shorten it by hand, or raise the quota for the role trust policy length.
        Failed: UpdateAssumeRolePolicy failed (Other): No. Nothing was changed. Do it by hand, which shows whether AWS refuses that too.
        Failed: ModifyInstanceMetadataOptions failed (IncorrectInstanceState): No. Nothing was changed. The instance is not in a state in which its metadata options can be changed.
        Failed: ModifyInstanceMetadataOptions failed (UnsupportedOperation): No. Nothing was changed. EC2 does not let this instance be changed so.
        Repaired: UpdateAssumeRolePolicy failed (ServiceFailure): No. Reading it again showed the change in effect all the same.
        "#);
    }
}
