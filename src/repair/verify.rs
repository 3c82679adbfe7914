//! What AWS's answer to a write means, in words, and what reading afterwards
//! makes of it. Pure.

use jiff::Timestamp;

use super::change::{Change, Seen};
use super::outcome::OutcomeStatus;
use super::repairs::Repair;
use crate::diagnose::call_error::CallError;

/// What came of the write of `change`, sent at `at`, and a sentence that says
/// so. `seen` counts only where the write was accepted or its outcome is open.
pub(crate) fn verdict_of_write(
    write: &Result<(), CallError>,
    seen: &Seen,
    repair: &Repair,
    change: &Change,
    at: Timestamp,
) -> (OutcomeStatus, String) {
    let Change { what, note, .. } = change;
    let at = at.strftime("%Y-%m-%d %H:%M UTC");
    let lost = match write {
        Ok(()) => None,
        Err(error) if error.outcome_is_open() => Some(sentence(error)),
        Err(error) => return (OutcomeStatus::Failed, refused(error, repair)),
    };
    let why = match (seen, lost) {
        (Seen::InEffect, lost) => {
            let lost = lost.map_or(".".to_owned(), |error| format!(", although {error}"));
            let done = format!("{what}, at {at}, read back: applied{lost} {note}");
            return (OutcomeStatus::Repaired, done);
        }
        (seen, None) => {
            let seen = match seen {
                Seen::Pending => "it is still being applied",
                Seen::Overwritten => "somebody else has changed the same thing since",
                Seen::Unreadable(why) => why.trim_end_matches('.'),
                Seen::Unchanged | Seen::InEffect => "reading it again still shows the old state",
            };
            format!(
                "AWS accepted the change, but it was not seen to take effect: {seen}. Look again in a minute."
            )
        }
        (Seen::Unreadable(why), Some(error)) => format!(
            "{error} Reading it again gave no answer either: {}. Look before anything else is done.",
            why.trim_end_matches('.')
        ),
        (seen, Some(error)) => {
            let seen = match seen {
                Seen::Pending => "the change, which is still being applied.",
                Seen::Overwritten => "a change by somebody else.",
                // A change may show, or even be made, only after the last look.
                _ => {
                    "the old state so far, and the change may still come into effect. Look again in a minute."
                }
            };
            format!("{error} Reading it again shows {seen}")
        }
    };
    (
        OutcomeStatus::Unverified,
        format!("{what}, sent at {at}. {why}"),
    )
}

/// Why AWS did not take a write, and what to do about it. Nothing was changed.
pub(crate) fn refused(error: &CallError, repair: &Repair) -> String {
    let advice = match error {
        CallError::Denied { .. } => &format!(
            "The function's role needs {} for this {}, and no {} may deny it.",
            repair.writes,
            repair.kind(),
            repair.denied_by
        ),
        CallError::Throttled { .. } => "AWS wants fewer calls at the moment.",
        CallError::NotFound { .. } => repair.gone,
        CallError::Service { code, .. } => {
            let known = repair.refusals.iter().find(|(known, _)| known == code);
            known.map_or(
                "Do it by hand, which shows whether AWS refuses that too.",
                |(_, advice)| advice,
            )
        }
        CallError::DryRunOk { .. } => "It was a dry run.",
        CallError::NoAnswer { .. } | CallError::Inconclusive { .. } => {
            "Whether AWS would make the change is not known."
        }
        CallError::NotSent { .. } => "The function could not make the call at all.",
    };
    format!("{} {advice}", sentence(error))
}

pub(super) fn sentence(error: &CallError) -> String {
    format!("{}.", error.to_string().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::plan::tests::{IMDS, TRUST, now, open_change};

    fn no_answer() -> CallError {
        CallError::NoAnswer {
            call: "DescribeInstances",
            message: "no answer in time".to_owned(),
        }
    }

    #[test]
    fn every_end_of_a_write_is_notified_in_plain_words() {
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
        let mut tell = |write: Result<(), CallError>, seen: &Seen, action: &str| {
            let (repair, change) = (Repair::named(action).unwrap(), open_change(action));
            let (status, sentence) = verdict_of_write(&write, seen, repair, &change, now());
            notified.push(format!("{status:?}: {sentence}"));
        };
        for seen in &seen {
            tell(Ok(()), seen, IMDS);
        }
        for seen in &seen {
            tell(Err(no_answer()), seen, IMDS);
        }
        const MODIFY: &str = "ModifyInstanceMetadataOptions";
        const UPDATE: &str = "UpdateAssumeRolePolicy";
        for (call, action) in [(MODIFY, IMDS), (UPDATE, TRUST)] {
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
            tell(Err(service(UPDATE, code)), &Seen::Unchanged, TRUST);
        }
        for code in ["IncorrectInstanceState", "UnsupportedOperation"] {
            tell(Err(service(MODIFY, code)), &Seen::Unchanged, IMDS);
        }
        let inconclusive = CallError::Inconclusive {
            call: UPDATE,
            code: "ServiceFailure".to_owned(),
            message: "No.".to_owned(),
        };
        tell(Err(inconclusive), &Seen::InEffect, TRUST);
        insta::assert_snapshot!(notified.join("\n"), @r#"
        Repaired: HttpEndpoint disabled -> enabled, at 2023-11-14 22:13 UTC, read back: applied. The other metadata options are as they were. The launch template and the account's defaults still decide for the next launch.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. AWS accepted the change, but it was not seen to take effect: it is still being applied. Look again in a minute.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. AWS accepted the change, but it was not seen to take effect: reading it again still shows the old state. Look again in a minute.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. AWS accepted the change, but it was not seen to take effect: somebody else has changed the same thing since. Look again in a minute.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. AWS accepted the change, but it was not seen to take effect: GetRole was throttled (Throttling). Look again in a minute.
        Repaired: HttpEndpoint disabled -> enabled, at 2023-11-14 22:13 UTC, read back: applied, although DescribeInstances gave no answer: no answer in time. The other metadata options are as they were. The launch template and the account's defaults still decide for the next launch.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. DescribeInstances gave no answer: no answer in time. Reading it again shows the change, which is still being applied.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. DescribeInstances gave no answer: no answer in time. Reading it again shows the old state so far, and the change may still come into effect. Look again in a minute.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. DescribeInstances gave no answer: no answer in time. Reading it again shows a change by somebody else.
        Unverified: HttpEndpoint disabled -> enabled, sent at 2023-11-14 22:13 UTC. DescribeInstances gave no answer: no answer in time. Reading it again gave no answer either: GetRole was throttled (Throttling). Look before anything else is done.
        Failed: ModifyInstanceMetadataOptions was denied (AccessDenied): No. The function's role needs ec2:ModifyInstanceMetadataOptions for this instance, and no service control policy or declarative policy may deny it.
        Failed: ModifyInstanceMetadataOptions was throttled (Throttling). AWS wants fewer calls at the moment.
        Failed: ModifyInstanceMetadataOptions found nothing (NoSuchEntity): No. The instance has gone since it was looked at.
        Failed: ModifyInstanceMetadataOptions was not sent: no credentials. The function could not make the call at all.
        Failed: UpdateAssumeRolePolicy was denied (AccessDenied): No. The function's role needs iam:UpdateAssumeRolePolicy for this role, and no permissions boundary or service control policy may deny it.
        Failed: UpdateAssumeRolePolicy was throttled (Throttling). AWS wants fewer calls at the moment.
        Failed: UpdateAssumeRolePolicy found nothing (NoSuchEntity): No. The role was deleted since it was looked at. Attach an instance profile whose role exists.
        Failed: UpdateAssumeRolePolicy was not sent: no credentials. The function could not make the call at all.
        Failed: UpdateAssumeRolePolicy failed (MalformedPolicyDocument): No. IAM does not take the policy as a whole, mostly because a principal in it no longer exists. Correct the trust policy by hand in the IAM console, which names the fault, and let EC2 assume the role in the same change.
        Failed: UpdateAssumeRolePolicy failed (UnmodifiableEntity): No. AWS itself manages this role and nobody else may edit it. Attach an instance profile with a role of your own.
        Failed: UpdateAssumeRolePolicy failed (LimitExceeded): No. With one more statement the trust policy is too long. Shorten it by hand, or raise the quota for the role trust policy length.
        Failed: UpdateAssumeRolePolicy failed (Other): No. Do it by hand, which shows whether AWS refuses that too.
        Failed: ModifyInstanceMetadataOptions failed (IncorrectInstanceState): No. The instance is not in a state in which its metadata options can be changed.
        Failed: ModifyInstanceMetadataOptions failed (UnsupportedOperation): No. EC2 does not let this instance be changed so.
        Repaired: trust policy of web: statement SsmAgentTriageTrustEc2 absent -> present, at 2023-11-14 22:13 UTC, read back: applied, although UpdateAssumeRolePolicy failed (ServiceFailure): No. Every other statement is as it was. EC2 applies it within 1 h, or at once on stop and start. Whoever may pass this role can now use it on EC2.
        "#);
    }
}
