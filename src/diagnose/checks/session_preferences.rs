//! What the preferences of Session Manager name, a key, a bucket, a log group: is it there and
//! encrypted as asked, and may the role use it?
//!
//! With a key that cannot be used no session starts. Where the preferences require that the bucket
//! or the log group is encrypted, the agent looks before each shell session and refuses it
//! otherwise (`validate` in `agent/session/shell/shell.go`): one that does not exist is not
//! encrypted. Without that only what the session writes is lost.

use super::permissions::{May, Permissions};
use crate::cause::Cause;
use crate::command::{is_made_of, quote};
#[cfg(any(feature = "aws", test))]
use crate::diagnose::called_on::Place;
use crate::diagnose::check::{
    Check, CheckResult, CheckStatus, Fault, Observation, OfHybrid, Query, Question, Subject,
};
#[cfg(any(feature = "aws", test))]
use crate::diagnose::facts::SessionFacts;
use crate::diagnose::facts::{Fetched, RoleFacts, is_silent, known};
use crate::diagnose::preferences::{Named, Preferences};
use crate::node::Region;

pub(crate) const CHECK: Check = Check {
    name: "session-preferences",
    question: Question::Allowed,
    causes: &[Cause::SessionFailure, Cause::OutputFailure],
    needs: &[
        Query::Instance,
        Query::Profile,
        Query::Permissions,
        Query::SessionPreferences,
        Query::SessionResources,
    ],
    uses: &[Query::Role],
    observes: &[KEY_DENIED, UNUSABLE],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

/// No session starts that is to be encrypted with a key that is denied.
const KEY_DENIED: Observation =
    Observation::confirms("session-key-denied", Cause::SessionFailure, &[]);
/// No session starts with a key, a bucket or a log group like this.
const UNUSABLE: Observation =
    Observation::confirms("session-resource-unusable", Cause::SessionFailure, &[]);

/// States in which a key encrypts nothing ("Key states of AWS KMS keys"), and what each means. In
/// those that are not listed a key may.
const UNUSABLE_STATES: &[(&str, &str)] = &[
    ("Disabled", "is disabled"),
    ("PendingDeletion", "is to be deleted"),
    ("PendingImport", "has no key material"),
    ("PendingReplicaDeletion", "is to be deleted"),
    ("Unavailable", "is in a key store that is not connected"),
];

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let role = subject.own_role(instance);
    let document = subject.facts.session.preferences.as_ref();
    if document.is_none() && is_silent(&instance.id, &subject.facts.registrations) {
        let note = format!(
            "{} does not report: no session starts, whatever the preferences of Session Manager are.",
            instance.id
        );
        return Err(CheckResult::skipped(note));
    }
    if document == Some(&Fetched::Missing) {
        let note = "Session Manager has no preferences in this account and Region.";
        return role.map(|_| CheckResult::ok(note));
    }
    let what = "what the preferences of Session Manager ask for";
    let preferences = known(document, "the document SSM-SessionManagerRunShell")
        .and_then(|document| Preferences::read(document))
        .map_err(|why| CheckResult::undetermined(what, &why))?;
    if preferences.name_nothing() {
        let note = "The preferences of Session Manager name no key, bucket or log group.";
        return role.map(|_| CheckResult::ok(note));
    }
    let own = instance.network.owner.as_deref();
    let looks = [
        key(&preferences, subject, own),
        bucket(&preferences, subject),
        log_group(&preferences, subject),
        match role {
            Ok(role) => used(&preferences, subject, role),
            Err(none) => Some(none),
        },
    ];
    let looks: Vec<CheckResult> = looks.into_iter().flatten().collect();
    let weight = |look: &&CheckResult| match look.status {
        CheckStatus::Failed => (2, look.observation.is_some()),
        CheckStatus::Unknown => (1, false),
        CheckStatus::Skipped | CheckStatus::Ok => (0, false),
    };
    let Some(decisive) = looks.iter().max_by_key(weight) else {
        return Ok(CheckResult::ok(format!(
            "What the preferences of Session Manager name is there and encrypted as they ask, and \
             the role of {} may use it.",
            instance.id
        )));
    };
    // Of what is still to be looked at nobody reads beside what is wrong.
    let notes = looks.iter().filter(|look| look.status == decisive.status);
    let notes: Vec<&str> = notes.map(|look| look.note.as_str()).collect();
    Ok(CheckResult {
        note: notes.join(" "),
        ..decisive.clone()
    })
}

/// Nothing is said of what is as it should be.
type Look = Option<CheckResult>;

fn key(preferences: &Preferences, subject: &Subject<'_>, own: Option<&str>) -> Look {
    let named = preferences.key(subject.region)?;
    let name = &preferences.kms_key_id;
    let region = preferences.key_region().and_then(Region::parse);
    let region = region.as_ref().or(subject.region);
    let unclear = |why: &str| {
        let what = format!(
            "whether the key {name} exists and is enabled ({})",
            command("kms describe-key --key-id", name, region)
        );
        Some(CheckResult::undetermined(&what, why))
    };
    let why = match look(named, subject.facts.session.key.as_ref()) {
        Err(why) => return unclear(&why),
        Ok(None) => match preferences.key_account() {
            Some(account) if Some(account) != own => {
                return unclear("KMS found none, and it is not known to be of this account");
            }
            Some(_) | None => "does not exist in this account and Region".to_owned(),
        },
        Ok(Some(key)) => {
            let mut states = UNUSABLE_STATES.iter();
            let state = states.find(|(state, _)| *state == key.state);
            match (state, key.usage.as_str(), key.spec.as_str()) {
                (Some((_, why)), ..) => (*why).to_owned(),
                (None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") if key.state == "Enabled" => {
                    return None;
                }
                (None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT") => {
                    return unclear(&format!("its state is {}", key.state));
                }
                (None, usage, spec) => {
                    format!("is no symmetric key for encryption, but one of {spec} for {usage}")
                }
            }
        }
    };
    let note = format!(
        "The preferences of Session Manager name the key {name}, which {why}: no session starts."
    );
    Some(refusal("kms", note, subject))
}

/// What sessions are written to: a bucket or a log group.
struct Store<'a> {
    service: &'static str,
    kind: &'static str,
    name: &'a str,
    /// What shows it.
    command: String,
    must_be_encrypted: bool,
    /// What is said of one that is not.
    open: &'static str,
    is_encrypted: Result<Option<&'a bool>, String>,
}

fn bucket(preferences: &Preferences, subject: &Subject<'_>) -> Look {
    let named = preferences.bucket()?;
    let name = &preferences.s3_bucket_name;
    let store = Store {
        service: "s3",
        kind: "bucket",
        name,
        command: command("s3api get-bucket-encryption --bucket", name, None),
        must_be_encrypted: preferences.s3_encryption_enabled,
        open: "has no default encryption",
        is_encrypted: look(named, subject.facts.session.bucket.as_ref()),
    };
    store.look(subject)
}

fn log_group(preferences: &Preferences, subject: &Subject<'_>) -> Look {
    let named = preferences.log_group()?;
    let name = &preferences.cloud_watch_log_group_name;
    let show = "logs describe-log-groups --log-group-name-prefix";
    let store = Store {
        service: "logs",
        kind: "log group",
        name,
        command: command(show, name, subject.region),
        must_be_encrypted: preferences.cloud_watch_encryption_enabled,
        open: "is not encrypted with a key",
        is_encrypted: look(named, subject.facts.session.log_group.as_ref()),
    };
    store.look(subject)
}

impl Store<'_> {
    fn look(self, subject: &Subject<'_>) -> Look {
        let (kind, name) = (self.kind, self.name);
        let why = match self.is_encrypted {
            Err(why) => {
                let what = format!(
                    "whether the {kind} {name} exists and is encrypted ({})",
                    self.command
                );
                return Some(CheckResult::undetermined(&what, &why));
            }
            Ok(None) => "does not exist",
            Ok(Some(false)) if self.must_be_encrypted => self.open,
            Ok(Some(_)) => return None,
        };
        Some(if self.must_be_encrypted {
            let note = format!(
                "The preferences of Session Manager require that the {kind} {name} is encrypted, \
                 and it {why}: the agent refuses each shell session."
            );
            refusal(self.service, note, subject)
        } else {
            CheckResult::failed(format!(
                "The preferences of Session Manager name the {kind} {name}, which {why}: what \
                 sessions write is not kept there."
            ))
        })
    }
}

/// What was found of a thing that the preferences name; `None` where it does not exist.
fn look<'a, T>(named: Named<'_>, read: Option<&'a Fetched<T>>) -> Result<Option<&'a T>, String> {
    named?;
    match read {
        Some(Fetched::Missing) => Ok(None),
        read => known(read, "it").map(Some),
    }
}

/// That sessions fail for it; not those of which the log names another service.
fn refusal(service: &str, note: String, subject: &Subject<'_>) -> CheckResult {
    let logged = subject.error_details.service.as_deref();
    let is_other = logged.is_some_and(|one| one != service && ["kms", "s3", "logs"].contains(&one));
    match is_other {
        true => CheckResult::failed(note),
        false => CheckResult::failed(note)
            .observed(UNUSABLE)
            .at(Fault::SessionPreferences),
    }
}

/// What shows a thing of this name.
fn command(show: &str, name: &str, region: Option<&Region>) -> String {
    let name = match is_made_of(name, 2048, "-_./:#") {
        true => quote(name),
        false => "NAME".to_owned(),
    };
    let region = region.map_or(String::new(), |region| format!(" --region {region}"));
    format!("aws {show} {name}{region}")
}

/// What IAM's simulator is asked for a role, besides what an agent needs:
/// actions with the ARN that each is called on.
#[cfg(any(feature = "aws", test))]
pub(crate) fn to_simulate(
    session: &SessionFacts,
    place: &Place<'_>,
) -> Vec<(&'static str, String)> {
    let document = session.preferences.as_ref().and_then(Fetched::found);
    let preferences = document.and_then(|document| Preferences::read(document).ok());
    let key = session.key.as_ref().and_then(Fetched::found);
    let uses = preferences.unwrap_or_default().uses(place, key);
    uses.into_iter().map(|one| (one.action, one.arn)).collect()
}

/// Whether the role may use what they name.
fn used(preferences: &Preferences, subject: &Subject<'_>, role: &RoleFacts) -> Look {
    let name = &role.name;
    let permissions = Permissions::of(subject, role);
    let what =
        format!("whether the role {name} may use what the preferences of Session Manager name");
    let Some(place) = permissions.place() else {
        let why = "the ARNs that they name are not known";
        return Some(CheckResult::undetermined(&what, why));
    };
    let key = subject.facts.session.key.as_ref().and_then(Fetched::found);
    let mut doubts: Vec<String> = Vec::new();
    for one in preferences.uses(place, key) {
        let (action, arn) = (one.action, &one.arn);
        match permissions.may_call(action, arn) {
            May::Yes => {}
            May::Missing if !one.has_policy => {
                return Some(CheckResult::failed(format!(
                    "The preferences of Session Manager name {arn}, and no policy of the role \
                     {name} allows {action} on it."
                )));
            }
            May::Missing => doubts.push(format!("only its own policy may allow {action} on {arn}")),
            May::Unclear(why) => doubts.push(format!("{action} on {arn}: {why}")),
            stopped @ (May::Denied(_) | May::Bounded(_)) => {
                let (by, policy) = stopped.by(role);
                let note = format!(
                    "The preferences of Session Manager name {arn}, and {by} {action} on it to \
                     the role {name}."
                );
                let result = CheckResult::failed(note).at(Fault::PolicyDenies {
                    role: name.clone(),
                    action: action.to_owned(),
                    policy,
                });
                return Some(match action {
                    "kms:Decrypt" => result.observed(KEY_DENIED),
                    _ => result,
                });
            }
        }
    }
    (!doubts.is_empty()).then(|| CheckResult::undetermined(&what, &doubts.join("; ")))
}
