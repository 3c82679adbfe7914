//! May the role use what the preferences of Session Manager name: the key, the
//! bucket, the log group?
//!
//! That they exist, and are encrypted as asked, KMS, S3 and CloudWatch Logs alone
//! tell, which are not asked: the result says so, with the command.

use serde::Deserialize;

use super::permissions::{May, Permissions};
use crate::cause::Cause;
use crate::command::{is_made_of, quote};
use crate::diagnose::called_on::Place;
use crate::diagnose::check::{
    Check, CheckResult, Fault, Observation, OfHybrid, Query, Question, Subject,
};
use crate::diagnose::facts::{Fetched, known};

pub(crate) const CHECK: Check = Check {
    name: "session-preferences",
    question: Question::Allowed,
    causes: &[Cause::SessionFailure, Cause::OutputFailure],
    needs: &[
        Query::Instance,
        Query::Profile,
        Query::Permissions,
        Query::SessionPreferences,
    ],
    uses: &[Query::Role],
    observes: &[KEY_DENIED],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// No session starts that is to be encrypted with a key that is denied.
const KEY_DENIED: Observation =
    Observation::confirms("session-key-denied", Cause::SessionFailure, &[]);

/// The inputs of a Session document ("Session document schema").
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Preferences {
    s3_bucket_name: String,
    s3_key_prefix: String,
    s3_encryption_enabled: bool,
    cloud_watch_log_group_name: String,
    cloud_watch_encryption_enabled: bool,
    kms_key_id: String,
}

#[derive(Deserialize)]
struct SessionDocument {
    #[serde(default)]
    inputs: Preferences,
}

/// What does not say which key it is of, while policies name keys.
fn is_alias(key: &str) -> bool {
    key.contains("alias/")
}

/// One call that a session makes with what the preferences name.
struct Use {
    action: &'static str,
    arn: String,
    /// Its own policy may allow what the role's policies do not.
    has_policy: bool,
}

impl Preferences {
    fn read(document: &str) -> Result<Self, String> {
        let read: Result<SessionDocument, _> = serde_json::from_str(document);
        let read = read.map(|document| document.inputs);
        read.map_err(|fault| format!("their document cannot be read: {fault}"))
    }

    /// What a node does with them, as far as the ARN is known.
    fn uses(&self, place: &Place<'_>) -> Vec<Use> {
        let Place {
            partition,
            region,
            account,
            ..
        } = place;
        let mut uses = Vec::new();
        let mut add = |action, arn, has_policy| {
            uses.push(Use {
                action,
                arn,
                has_policy,
            });
        };
        match self.kms_key_id.as_str() {
            "" => {}
            arn if arn.contains(":key/") => add("kms:Decrypt", arn.to_owned(), true),
            alias if is_alias(alias) => {}
            id => {
                let arn = format!("arn:{partition}:kms:{region}:{account}:key/{id}");
                add("kms:Decrypt", arn, true);
            }
        }
        if !self.s3_bucket_name.is_empty() {
            let bucket = format!("arn:{partition}:s3:::{}", self.s3_bucket_name);
            let prefix = match self.s3_key_prefix.trim_end_matches('/') {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            };
            add("s3:PutObject", format!("{bucket}/{prefix}*"), true);
            if self.s3_encryption_enabled {
                add("s3:GetEncryptionConfiguration", bucket, true);
            }
        }
        if !self.cloud_watch_log_group_name.is_empty() {
            let name = &self.cloud_watch_log_group_name;
            let group =
                |name: &str| format!("arn:{partition}:logs:{region}:{account}:log-group:{name}:*");
            add("logs:CreateLogStream", group(name), false);
            add("logs:PutLogEvents", group(name), false);
            if self.cloud_watch_encryption_enabled {
                add("logs:DescribeLogGroups", group("*"), false);
            }
        }
        uses
    }

    /// What is not checked, each with the command that shows it: clauses.
    fn unseen(&self) -> Vec<String> {
        let ways = [
            (
                "the key exists and is enabled",
                "kms describe-key --key-id",
                &self.kms_key_id,
            ),
            (
                "the bucket exists and is encrypted",
                "s3api get-bucket-encryption --bucket",
                &self.s3_bucket_name,
            ),
            (
                "the log group exists and is encrypted",
                "logs describe-log-groups --log-group-name-prefix",
                &self.cloud_watch_log_group_name,
            ),
        ];
        let ways = ways.into_iter().filter(|(.., name)| !name.is_empty());
        let ways = ways.map(|(what, command, name)| {
            let name = match is_made_of(name, 2048, "-_./:#") {
                true => quote(name),
                false => "NAME".to_owned(),
            };
            format!("whether {what} (aws {command} {name})")
        });
        ways.collect()
    }
}

/// What IAM's simulator is asked for a role, besides what an agent needs:
/// actions with the ARN that each is called on.
#[cfg(any(feature = "aws", test))]
pub(crate) fn to_simulate(document: &str, place: &Place<'_>) -> Vec<(&'static str, String)> {
    let uses = Preferences::read(document).unwrap_or_default().uses(place);
    uses.into_iter().map(|one| (one.action, one.arn)).collect()
}

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let role = subject.own_role(instance)?;
    let what = "what the preferences of Session Manager ask for";
    let read = subject.facts.session_preferences.as_ref();
    if read == Some(&Fetched::Missing) {
        let note = "Session Manager has no preferences in this account and Region.";
        return Ok(CheckResult::ok(note));
    }
    let preferences = known(read, "the document SSM-SessionManagerRunShell")
        .and_then(|document| Preferences::read(document))
        .map_err(|why| CheckResult::undetermined(what, &why))?;
    let unseen = preferences.unseen();
    if unseen.is_empty() {
        let note = "The preferences of Session Manager name no key, bucket or log group.";
        return Ok(CheckResult::ok(note));
    }
    let unseen = format!(" Not checked: {}.", unseen.join("; "));
    let name = &role.name;
    let permissions = Permissions::of(subject, role);
    let uses = permissions.place().map(|place| preferences.uses(place));
    let mut doubts: Vec<String> = Vec::new();
    if is_alias(&preferences.kms_key_id) {
        doubts.push(format!(
            "which key {} is of is not known",
            preferences.kms_key_id
        ));
    }
    for one in uses.iter().flatten() {
        let (action, arn) = (one.action, &one.arn);
        match permissions.may_call(action, arn) {
            May::Yes => {}
            May::Missing if !one.has_policy => {
                let note = format!(
                    "The preferences of Session Manager name {arn}, and no policy of the role \
                     {name} allows {action} on it.{unseen}"
                );
                return Ok(CheckResult::failed(note));
            }
            May::Missing => doubts.push(format!("only its own policy may allow {action} on {arn}")),
            May::Unclear(why) => doubts.push(format!("{action} on {arn}: {why}")),
            stopped @ (May::Denied(_) | May::Bounded(_)) => {
                let (by, policy) = stopped.by(role);
                let note = format!(
                    "The preferences of Session Manager name {arn}, and {by} {action} on it to \
                     the role {name}.{unseen}"
                );
                let result = CheckResult::failed(note).at(Fault::PolicyDenies {
                    role: name.clone(),
                    action: action.to_owned(),
                    policy,
                });
                return Ok(match action {
                    "kms:Decrypt" => result.observed(KEY_DENIED),
                    _ => result,
                });
            }
        }
    }
    Ok(match (uses.is_some(), doubts.is_empty()) {
        (true, true) => CheckResult::ok(format!(
            "The role {name} may use what the preferences of Session Manager name.{unseen}"
        )),
        (true, false) => CheckResult::unknown(format!(
            "Could not determine whether the role {name} may use what the preferences of Session \
             Manager name: {}.{unseen}",
            doubts.join("; ")
        )),
        (false, _) => CheckResult::undetermined(what, "the ARNs that they name are not known"),
    })
}
