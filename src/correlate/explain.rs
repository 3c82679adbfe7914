//! What explains what: the rules by which a fault absorbs the symptoms and the
//! guesses that follow from it.

use jiff::SignedDuration;

use super::open::{ActiveFault, WINDOW};
use crate::cause::Cause;
use crate::failure::Kind as FailureKind;
use crate::signature::{Kind, Part, Role};

/// Records of one attempt are this close.
const SAME_MOMENT: SignedDuration = SignedDuration::from_secs(10);

/// Parts in the order in which one needs the one before: without an identity no
/// credentials, without credentials no health ping, without that no channel.
const CONNECTIVITY_ORDER: [Part; 11] = [
    Part::Identity,
    Part::Credentials,
    Part::Registration,
    Part::Health,
    Part::ControlChannel,
    Part::Messages,
    Part::Associations,
    Part::Inventory,
    Part::Command,
    Part::Session,
    Part::Output,
];

/// The same for what the host must give.
const HOST_ORDER: [Part; 9] = [
    Part::Host,
    Part::Config,
    Part::Core,
    Part::Worker,
    Part::Command,
    Part::Session,
    Part::Output,
    Part::Inventory,
    Part::Update,
];

/// Whether `fault` explains `other`, so that `other` needs no incident of its own.
pub(super) fn explains(fault: &ActiveFault, other: &ActiveFault) -> bool {
    if fault.kind != Kind::Fault || !near(fault, other) {
        return false;
    }
    // A hybrid registration that cannot be read makes the agent try EC2's
    // metadata service: the errors of that attempt are no fault of their own.
    if fault.role == Some(Role::RegistrationLost) && other.part == Part::Identity {
        return true;
    }
    // Attempts that failed while the network came up, before the metadata service answered.
    if fault.part == Part::Identity
        && other.part == Part::Identity
        && fault.decided
        && other.causes.lead() == Cause::ImdsUnreachable
        && matches!(
            fault.causes.lead(),
            Cause::ImdsDisabled | Cause::ProxyFailure
        )
        && fault.last >= other.last
    {
        return true;
    }
    // What kept a session from starting: its log's destination or key, which was asked first.
    if fault.causes.lead() == Cause::SessionFailure
        && other.causes.lead() == Cause::OutputFailure
        && fault.error_details.service == other.error_details.service
        && fault.first.duration_since(other.first).abs() <= SAME_MOMENT
        && fault.last.duration_since(other.last).abs() <= SAME_MOMENT
    {
        return true;
    }
    // A process that has as many files open as it may can watch none either, and says the same.
    if fault.failure == Some(FailureKind::TooManyOpenFiles)
        && other.failure == Some(FailureKind::InotifyExhausted)
        && (other.evidence.iter()).all(|one| one.text.contains("too many open files"))
    {
        return true;
    }
    let guess = other.kind == Kind::Symptom || !other.decided;
    if !guess || std::ptr::eq(fault, other) {
        return false;
    }
    let firmer = fault.decided || !other.decided && other.kind == Kind::Symptom;
    if firmer && other.causes.contains(fault.causes.lead()) {
        return true;
    }
    // What is below the threshold must not hide what is notified.
    if other.severity.is_actionable() && !fault.severity.is_actionable() {
        return false;
    }
    other.kind == Kind::Symptom
        && firmer
        && (needs(&CONNECTIVITY_ORDER, fault, other) || needs(&HOST_ORDER, fault, other))
        || fault.decided
            && ends_agent(fault.causes.lead())
            && needs(&CONNECTIVITY_ORDER, fault, other)
}

/// Whether `other`, as it is seen now, and `fault` are within one window: the
/// agent's longest wait between two tries.
pub(super) fn near(fault: &ActiveFault, other: &ActiveFault) -> bool {
    let gap = other
        .since
        .max(fault.first)
        .duration_since(other.last.min(fault.last));
    gap <= WINDOW
}

fn needs(order: &[Part], fault: &ActiveFault, other: &ActiveFault) -> bool {
    let place = |part| order.iter().position(|p| *p == part);
    match (place(fault.part), place(other.part)) {
        // Registration and health call the same service as the credentials' own check.
        (Some(cause), Some(effect)) => {
            cause <= effect || (same_service(fault.part) && same_service(other.part))
        }
        _ => false,
    }
}

fn same_service(part: Part) -> bool {
    matches!(part, Part::Credentials | Part::Registration | Part::Health)
}

/// Causes without which nothing that needs credentials or the network works.
fn ends_agent(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ImdsDisabled
            | Cause::ImdsUnreachable
            | Cause::NoInstanceProfile
            | Cause::RoleNotAssumable
            | Cause::StaleInstanceProfile
            | Cause::ProxyFailure
            | Cause::DnsFailure
            | Cause::TlsFailure
            | Cause::ClockSkew
            | Cause::CredentialsExpired
            | Cause::CredentialsInvalid
    )
}
