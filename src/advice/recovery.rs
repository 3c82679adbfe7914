//! When the agent tries again by itself, and what a restart is good for.
//!
//! The schedules are those of the agent's source (3.2 and later).

use jiff::{SignedDuration, Timestamp};

use crate::cause::{Cause, Confidence};
use crate::failure::Service;
use crate::incident::group::Incident;

/// What a restart of the agent does once the fault is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// The agent comes back by itself soon enough.
    NotNeeded,
    /// It only shortens the wait.
    Shortens,
    /// It shortens the wait once EC2 itself has taken the change up.
    AfterRefresh,
    /// Without it the mended setting is not read.
    Needed,
    /// It changes nothing, or does harm.
    Useless,
    /// Nothing is known.
    Unknown,
}

/// How a node of an incident comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// When the agent tries again: as its log says, else by its known schedule.
    pub retries: String,
    pub restart: Restart,
}

impl Restart {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotNeeded => "Once the fault is gone nothing has to be restarted.",
            Self::Shortens => {
                "Once the fault is gone a restart of the agent is enough, and only shortens the \
                 wait."
            }
            Self::AfterRefresh => {
                "EC2 must take the change up first: at its next scheduled refresh, or at once \
                 when the profile is associated anew. Then a restart of the agent only shortens \
                 the wait."
            }
            Self::Needed => "The agent must be restarted to read what was mended.",
            Self::Useless => "A restart of the agent does not help.",
            Self::Unknown => "Whether a restart of the agent helps is not known.",
        }
    }
}

/// How the nodes of `incident` come back. `now` is left out where no clock
/// counts (a log in hand).
pub fn recovery(incident: &Incident, now: Option<Timestamp>) -> Recovery {
    let told = incident
        .retry_in_seconds
        .and_then(|seconds| told(incident, seconds, now));
    let undecided =
        incident.confidence == Confidence::Undetermined && incident.candidates.len() > 1;
    if logger_only(incident) {
        return Recovery {
            retries: "The agent works on, and reads seelog.xml again when the file changes."
                .to_owned(),
            restart: Restart::NotNeeded,
        };
    }
    Recovery {
        retries: told
            .or_else(|| announced(incident))
            .unwrap_or_else(|| schedule(incident).to_owned()),
        restart: if undecided {
            Restart::Shortens
        } else {
            restart(incident.cause)
        },
    }
}

/// Only the agent's logger complains about its own file.
fn logger_only(incident: &Incident) -> bool {
    incident.cause == Cause::AgentConfigInvalid
        && !incident.signatures.is_empty()
        && (incident.signatures.iter()).all(|signature| signature.id == super::agent::LOGGER)
}

/// What the quoted records themselves say of a next try: "will retry later", "We will retry
/// automatically after 15 minutes". A schedule of ours must not contradict them.
fn announced(incident: &Incident) -> Option<String> {
    const AUTOMATICALLY: &str = "retry automatically after ";
    let texts = incident.evidence.iter().map(|evidence| &evidence.text);
    let texts: Vec<String> = texts.map(|text| text.to_ascii_lowercase()).collect();
    for text in &texts {
        let Some(at) = text.find(AUTOMATICALLY) else {
            continue;
        };
        let mut words = text[at + AUTOMATICALLY.len()..].split_whitespace();
        let count: Option<u32> = words.next().and_then(|word| word.parse().ok());
        let unit = (words.next().unwrap_or_default()).trim_end_matches(['.', ',', ';']);
        if let Some(count) = count
            && ["second", "seconds", "minute", "minutes", "hour", "hours"].contains(&unit)
        {
            return Some(format!(
                "The agent says that it tries again by itself after {count} {unit}."
            ));
        }
    }
    let says = ["will retry", "retry later", "retry automatically"];
    let never = matches!(
        incident.cause,
        Cause::SessionFailure | Cause::CommandFailure | Cause::OutputFailure | Cause::Unrecognised
    );
    let said = never
        && texts
            .iter()
            .any(|text| says.iter().any(|words| text.contains(words)));
    said.then(|| "The agent says that it tries again by itself, and not when.".to_owned())
}

fn told(incident: &Incident, seconds: u64, now: Option<Timestamp>) -> Option<String> {
    let wait = SignedDuration::from_secs(i64::try_from(seconds).ok()?);
    let due = incident.last.checked_add(wait).ok()?;
    // A log in hand tells the time of its host, without a zone.
    let due_words = match now {
        Some(_) => clock(due),
        None => format!("{} by the log's clock", due.strftime("%Y-%m-%d %H:%M:%S")),
    };
    let mut sentence = format!(
        "The agent said that it tries again {} after its last record, at {due_words}",
        in_words(wait)
    );
    if let Some(now) = now {
        let left = due.duration_since(now);
        if left.is_positive() {
            sentence.push_str(&format!(", in {}", in_words(left)));
        } else {
            sentence.push_str(&format!(", which is past. {}", schedule(incident)));
            return Some(sentence);
        }
    }
    sentence.push('.');
    Some(sentence)
}

/// `2026-11-23 04:19:04 UTC`.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The two largest units: `27 min 34 s`, `3 h 5 min`, `2 days`.
pub fn in_words(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    let (days, hours, minutes, rest) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let day_word = if days == 1 { "day" } else { "days" };
    match (days, hours, minutes, rest) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, 0) => format!("{m} min"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, 0, _) => format!("{h} h"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, 0, _, _) => format!("{d} {day_word}"),
        (d, h, _, _) => format!("{d} {day_word} {h} h"),
    }
}

const AT_START: &str = "At its start the agent gives up after three attempts, and its service \
    manager starts it again about every 90 seconds; one that was running before notices within \
    30 to 60 minutes.";
const CREDENTIALS: &str = "The agent tries again after 5 minutes, then about every 10, 20 and 40 \
    minutes, at last once an hour; from the fourth try on it mostly says nothing.";
const HEALTH: &str = "A running agent tries again every 5 minutes; one that started into the \
    fault waits longer each time, up to an hour.";
const CHANNEL: &str = "The agent tries again after 5 to 10 seconds, then twice as long each time, \
    up to about 40 minutes.";
const MESSAGES: &str = "The agent tries again within seconds, without end.";
const SERVICE_MANAGER: &str = "The service manager starts the agent again after about 90 seconds.";
const WORKER: &str = "The agent looks for its worker every minute and starts it again.";
const NEVER: &str = "Nothing tries this one again by itself: run it again.";

fn schedule(incident: &Incident) -> &'static str {
    match incident.cause {
        Cause::ImdsUnreachable
            if incident.error_details.service.as_deref()
                == Some(Service::AzureMetadata.as_str()) =>
        {
            HEALTH
        }
        Cause::ImdsDisabled | Cause::ImdsUnreachable => AT_START,
        Cause::NoInstanceProfile
        | Cause::StaleInstanceProfile
        | Cause::RoleNotAssumable
        | Cause::DhmcNotConfigured
        | Cause::DhmcRoleBroken
        | Cause::CredentialsExpired
        | Cause::CredentialsInvalid => CREDENTIALS,
        Cause::PermissionMissing
        | Cause::EndpointPolicyDenies
        | Cause::EndpointUnreachable
        | Cause::DnsFailure
        | Cause::ProxyFailure
        | Cause::TlsFailure => match incident.error_details.service.as_deref() {
            Some("ssmmessages") => CHANNEL,
            Some("ec2messages") => MESSAGES,
            Some(_) | None => HEALTH,
        },
        Cause::ClockSkew => HEALTH,
        Cause::Throttled | Cause::ServiceError => {
            "The agent tries three times within seconds, then at its next report, 5 minutes later."
        }
        Cause::RegistrationInvalid => {
            "The agent tries again within a minute, then more rarely, at last every 25 to 30 \
             minutes; a registration that is lost does not come back by that."
        }
        Cause::HostDiskFull | Cause::HostReadOnly | Cause::HostMemory => {
            "The agent tries again with the next command or session, and after about 90 seconds \
             where its start failed."
        }
        Cause::HostInotifyExhausted | Cause::HostPermission | Cause::HostNoexec => {
            "The agent tries again with the next command or session."
        }
        Cause::AgentCrash => SERVICE_MANAGER,
        Cause::AgentWorker => WORKER,
        Cause::AgentDuplicate => {
            "The second agent ends by itself; its service manager may start it again."
        }
        Cause::AgentConfigInvalid => "The agent reads its configuration only when it starts.",
        Cause::AgentOutdated => {
            "The agent does not update itself unless an association tells it to."
        }
        Cause::AgentUpdateFailed => {
            "The update runs again with its association, or after 7 days where the agent updates itself."
        }
        Cause::ChannelFailure => CHANNEL,
        Cause::SessionFailure | Cause::CommandFailure | Cause::OutputFailure => NEVER,
        Cause::Unrecognised => "When the agent tries again is not known for this message.",
    }
}

pub(super) fn restart(cause: Cause) -> Restart {
    match cause {
        Cause::ImdsDisabled
        | Cause::HostInotifyExhausted
        | Cause::HostPermission
        | Cause::HostNoexec
        | Cause::AgentCrash
        | Cause::AgentWorker => Restart::NotNeeded,
        Cause::ImdsUnreachable
        | Cause::NoInstanceProfile
        | Cause::StaleInstanceProfile
        | Cause::PermissionMissing
        | Cause::EndpointPolicyDenies
        | Cause::DhmcNotConfigured
        | Cause::DhmcRoleBroken
        | Cause::EndpointUnreachable
        | Cause::DnsFailure
        | Cause::ClockSkew
        | Cause::CredentialsExpired
        | Cause::ChannelFailure
        | Cause::HostDiskFull
        | Cause::HostReadOnly
        | Cause::HostMemory => Restart::Shortens,
        Cause::RoleNotAssumable => Restart::AfterRefresh,
        Cause::ProxyFailure
        | Cause::TlsFailure
        | Cause::CredentialsInvalid
        | Cause::RegistrationInvalid
        | Cause::AgentConfigInvalid => Restart::Needed,
        Cause::Throttled
        | Cause::ServiceError
        | Cause::AgentDuplicate
        | Cause::AgentOutdated
        | Cause::AgentUpdateFailed
        | Cause::SessionFailure
        | Cause::CommandFailure
        | Cause::OutputFailure => Restart::Useless,
        Cause::Unrecognised => Restart::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::sample;

    #[test]
    fn what_the_log_says_comes_before_the_known_schedule() {
        let mut incident = sample::incident(Cause::RoleNotAssumable);
        incident.retry_in_seconds = None;
        assert_eq!(recovery(&incident, None).retries, CREDENTIALS);
        incident.retry_in_seconds = Some(1654);
        assert_eq!(
            recovery(&incident, None).retries,
            "The agent said that it tries again 27 min 34 s after its last record, at \
             2026-11-23 04:46:38 by the log's clock."
        );
        let soon = sample::at("2026-11-23T04:40:00Z");
        assert!(
            recovery(&incident, Some(soon))
                .retries
                .ends_with("at 2026-11-23 04:46:38 UTC, in 6 min 38 s.")
        );
        let late = sample::at("2026-11-23T06:40:00Z");
        assert!(
            recovery(&incident, Some(late))
                .retries
                .ends_with(&format!("UTC, which is past. {CREDENTIALS}"))
        );
        incident.retry_in_seconds = Some(u64::MAX);
        assert_eq!(recovery(&incident, None).retries, CREDENTIALS);
    }

    #[test]
    fn no_schedule_contradicts_what_the_quoted_record_says() {
        for (cause, text, retries) in [
            (
                Cause::CommandFailure,
                "Unable to get next scheduled association, Association stuck at InProgress, will retry later",
                "The agent says that it tries again by itself, and not when.",
            ),
            (
                Cause::EndpointUnreachable,
                "MDSInteractor stopped temporarily due to internal failure. We will retry automatically after 15 minutes",
                "The agent says that it tries again by itself after 15 minutes.",
            ),
            (
                Cause::CommandFailure,
                "failed to run commands: exit status 1",
                NEVER,
            ),
            (
                Cause::EndpointUnreachable,
                "Failed to ping, will retry: i/o timeout",
                HEALTH,
            ),
        ] {
            let mut incident = sample::incident(cause);
            incident.evidence[0].text = text.to_owned();
            assert_eq!(recovery(&incident, None).retries, retries, "{text}");
        }
    }

    #[test]
    fn a_channel_has_a_schedule_of_its_own() {
        let mut incident = sample::incident(Cause::EndpointUnreachable);
        incident.retry_in_seconds = None;
        incident.error_details.service = Some("ssm".to_owned());
        assert_eq!(recovery(&incident, None).retries, HEALTH);
        incident.error_details.service = Some("ssmmessages".to_owned());
        assert_eq!(recovery(&incident, None).retries, CHANNEL);
    }

    #[test]
    fn spans_read_as_people_say_them() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (1654, "27 min 34 s"),
            (3600, "1 h"),
            (11_100, "3 h 5 min"),
            (86_400, "1 day"),
            (180_000, "2 days 2 h"),
            (-90, "1 min 30 s"),
        ] {
            assert_eq!(in_words(SignedDuration::from_secs(seconds)), words);
        }
    }
}
