//! Switches the metadata endpoint of one instance on.

use std::time::Duration;

use serde_json::json;

use super::{REPAIR_TAG_KEY, Repair, undo};
use crate::cause::{Cause, ScopeKind};
use crate::command::{ArgKind, Command};
use crate::diagnose::facts::{ImdsBar, ImdsFacts, InstanceFacts};
use crate::incident::group::Incident;
use crate::node::{InstanceId, Region};
use crate::repair::change::{Change, Judged, Origin, Seen, cut};
#[cfg(feature = "aws")]
use {
    super::{Call, call},
    crate::aws::error,
    crate::diagnose::call_error::CallError,
    crate::diagnose::live::{List, Reads},
    crate::repair::clients::Clients,
    crate::repair::plan::permit::Permit,
    aws_sdk_ec2::types::InstanceMetadataEndpointState,
};

pub(super) const REPAIR: Repair = Repair {
    name: "enable-imds-endpoint",
    cause: Cause::ImdsDisabled,
    subject: "metadata endpoint",
    right: "is enabled at this moment",
    reads: "ec2:DescribeInstances",
    writes: "ec2:ModifyInstanceMetadataOptions",
    denied_by: "service control policy or declarative policy",
    gone: "The instance has gone since it was looked at.",
    refusals: &[
        ("IncorrectInstanceState", WRONG_STATE),
        ("IncorrectState", WRONG_STATE),
        (
            "UnsupportedOperation",
            "EC2 does not let this instance be changed so.",
        ),
    ],
    patience: Duration::from_secs(15),
    judge,
    // Whatever else has changed since, only HttpEndpoint is written.
    still_holds: |_, _| true,
    seen,
    #[cfg(feature = "aws")]
    read,
    #[cfg(feature = "aws")]
    write,
};

const WRONG_STATE: &str =
    "The instance is not in a state in which its metadata options can be changed.";

fn judge(incident: &Incident, region: &Region) -> Judged {
    let right_kind = incident.scope.kind == ScopeKind::Instance;
    let Some((facts, imds)) = options(incident).filter(|_| right_kind) else {
        return Judged::Unread;
    };
    let tag = facts.tags.get(REPAIR_TAG_KEY).cloned();
    if imds.endpoint_enabled {
        return Judged::Right(match facts.managed_by {
            None => Origin::Unknown {
                undo: undo_of(&facts.id, region),
                tag,
            },
            Some(_) => Origin::Others,
        });
    }
    match refusal(facts, imds) {
        Some(reason) => Judged::Refused {
            reason,
            would_do: None,
        },
        None => Judged::Repairable {
            change: change(&facts.id, imds, region),
            tag: Ok(tag),
        },
    }
}

fn options(incident: &Incident) -> Option<(&InstanceFacts, &ImdsFacts)> {
    let mut instances = incident.instances.iter();
    let facts = instances.find(|facts| facts.id.as_str() == incident.scope.id)?;
    Some((facts, facts.imds.as_ref()?))
}

/// Why the instance is not changed, in a sentence.
fn refusal(facts: &InstanceFacts, imds: &ImdsFacts) -> Option<String> {
    if facts.state != "running" {
        let state = cut(&facts.state);
        return Some(format!(
            "The instance is {state}; only a running instance is changed."
        ));
    }
    if let Some(service) = &facts.managed_by {
        let service = cut(service);
        return Some(format!(
            "The instance is managed by {service}, and EC2 lets nobody else change it. Make the change there."
        ));
    }
    let text = match facts.imds_bar() {
        Some(ImdsBar::Declared { message }) => {
            let message = message.map(|message| format!(" The policy says: {}", cut(&message)));
            return Some(format!(
                "A declarative policy of the organization sets the instance metadata endpoint to disabled, and what it sets cannot be changed within the account. Ask whoever manages the organization's declarative policies.{}",
                message.unwrap_or_default()
            ));
        }
        Some(ImdsBar::TokensEnforced) => {
            "The account enforces IMDSv2 (HttpTokensEnforced), and HttpTokens of the instance is optional: with the endpoint alone switched on it would answer IMDSv1 as well. Switch the endpoint on and set HttpTokens to required in one change, by hand."
        }
        None if imds.pending => {
            "A change of the instance's metadata options is under way. Look again once it is applied."
        }
        None => return None,
    };
    Some(text.to_owned())
}

/// Sets `HttpEndpoint`, and nothing else.
fn change(id: &InstanceId, before: &ImdsFacts, region: &Region) -> Change {
    let mut note = "The other metadata options are as they were. The launch template and the account's defaults still decide for the next launch.".to_owned();
    if !before.tokens_required {
        note.push_str(" HttpTokens is optional there, so the endpoint also answers requests without a token (IMDSv1); set it to required once everything on the instance uses tokens.");
    }
    Change {
        action: REPAIR.name,
        target: id.to_string(),
        what: "HttpEndpoint disabled -> enabled".to_owned(),
        note,
        preview: None,
        before: json!({
            "HttpEndpoint": "disabled",
            "HttpTokens": if before.tokens_required { "required" } else { "optional" },
            "HttpPutResponseHopLimit": before.hop_limit,
        }),
        request: json!({ "InstanceId": id.as_str(), "HttpEndpoint": "enabled" }),
        command: set_endpoint(id, "enabled", region),
        undo: undo_of(id, region),
    }
}

fn set_endpoint(id: &InstanceId, value: &'static str, region: &Region) -> String {
    Command::new("aws ec2 modify-instance-metadata-options")
        .option("--instance-id", ArgKind::InstanceId, id.as_str())
        .text("--http-endpoint")
        .text(value)
        .option("--region", ArgKind::Region, region.as_str())
        .to_string()
}

fn undo_of(id: &InstanceId, region: &Region) -> String {
    let untag = Command::new("aws ec2 delete-tags")
        .option("--region", ArgKind::Region, region.as_str())
        .option("--resources", ArgKind::InstanceId, id.as_str())
        .text("--tags Key=ssm-agent-triage:repair");
    undo(REPAIR.name, untag, set_endpoint(id, "disabled", region))
}

fn seen(incident: &Incident, change: &Change) -> Seen {
    match options(incident) {
        None => Seen::Unreadable(format!(
            "EC2 gives no metadata options for {}",
            change.target
        )),
        Some((_, imds)) if !imds.endpoint_enabled => Seen::Unchanged,
        Some((_, imds)) if imds.pending => Seen::Pending,
        Some(_) => Seen::InEffect,
    }
}

#[cfg(feature = "aws")]
fn read<'a>(incident: &'a mut Incident, clients: &'a Clients) -> Call<'a> {
    Box::pin(async {
        let id = InstanceId::parse(&incident.scope.id).into_iter().collect();
        incident.instances = clients.live.read(&List::<InstanceFacts>(id)).await?;
        Ok(())
    })
}

/// Every option that is not named keeps its value.
#[cfg(feature = "aws")]
fn write<'a>(permit: &'a Permit, clients: &'a Clients) -> Call<'a> {
    Box::pin(async {
        let client: aws_sdk_ec2::Client = clients.writer().await;
        let answer = client
            .modify_instance_metadata_options()
            .instance_id(&permit.change().target)
            .http_endpoint(InstanceMetadataEndpointState::Enabled)
            .set_dry_run(permit.is_dry_run().then_some(true))
            .send()
            .await
            .map_err(|e| error::read(call(REPAIR.writes), e));
        match answer {
            // EC2 answers an allowed dry run with an error of its own.
            Err(CallError::DryRunOk { .. }) if permit.is_dry_run() => Ok(()),
            answer => answer.map(|_| ()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::plan::tests::{IMDS, open_change, open_incident};

    #[test]
    fn the_metadata_endpoint_is_all_that_is_sent() {
        insta::assert_snapshot!(crate::repair::repairs::tests::shown(&open_change(IMDS)), @r#"
        target: i-0123456789abcdef0
        what: HttpEndpoint disabled -> enabled
        note: The other metadata options are as they were. The launch template and the account's defaults still decide for the next launch.
        before: {"HttpEndpoint":"disabled","HttpPutResponseHopLimit":1,"HttpTokens":"required"}
        request: {"HttpEndpoint":"enabled","InstanceId":"i-0123456789abcdef0"}
        command: aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint enabled --region eu-central-1
        undo:
        aws ec2 delete-tags --region eu-central-1 --resources i-0123456789abcdef0 --tags Key=ssm-agent-triage:repair # or take enable-imds-endpoint out of TRIAGE_REPAIR_ACTIONS
        aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --http-endpoint disabled --region eu-central-1
        "#);
    }

    #[test]
    fn metadata_options_are_read_as_they_are() {
        let change = open_change(IMDS);
        let mut incident = open_incident(IMDS);
        for (enabled, pending, expected) in [
            (true, false, Seen::InEffect),
            (true, true, Seen::Pending),
            (false, true, Seen::Unchanged),
            (false, false, Seen::Unchanged),
        ] {
            let imds = incident.instances[0].imds.as_mut().unwrap();
            (imds.endpoint_enabled, imds.pending) = (enabled, pending);
            assert_eq!(seen(&incident, &change), expected);
        }
        incident.instances[0].imds = None;
        assert!(matches!(seen(&incident, &change), Seen::Unreadable(_)));
        incident.instances.clear();
        assert!(matches!(seen(&incident, &change), Seen::Unreadable(_)));
    }
}
