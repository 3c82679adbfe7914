//! What the console of a silent instance is taken for.

use super::by_id::{OFF, as_is, cause, facts, verdict};
use super::world::{instance_id, second, status};
use crate::cause::{Cause, Confidence};
use crate::diagnose::by_id::{NodeDiagnosis, NodeStatus};
use crate::diagnose::check::CheckStatus;
use crate::diagnose::facts::{ConsoleFacts, Fetched};

const BOOT: &str = "[    0.000000] Linux version 6.1.0-1-amd64 (gcc)\n";
const AGENT: &str = "2023/11/14 22:12:16Z: SSM Agent unable to acquire credentials: no valid \
                     credentials could be retrieved for ec2 identity\n";

/// The verdict on an instance that lost its connection and shows `text`.
fn shown(text: &str) -> NodeDiagnosis {
    let mut facts = facts(Some("ConnectionLost"), OFF, as_is);
    let console = ConsoleFacts {
        text: text.to_owned(),
        at: Some(second(-1)),
    };
    facts.consoles = [(instance_id(1), Fetched::Found(console))].into();
    verdict(&facts)
}

fn note(verdict: &NodeDiagnosis) -> (CheckStatus, &str) {
    let mut checks = verdict.checks.iter();
    let result = checks.find(|result| result.check == "console-output");
    let result = result.expect("it is run");
    (result.status, &result.note)
}

#[test]
fn what_a_host_says_of_itself_is_likely_at_most() {
    for (line, expected) in [
        (
            "[    4.2] Kernel panic - not syncing: VFS: Unable to mount root fs",
            Cause::InstanceImpaired,
        ),
        (
            "You are in emergency mode. After logging in, type \"journalctl -xb\"",
            Cause::InstanceImpaired,
        ),
        (
            "[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start \u{1b}[0;1;39mamazon-ssm-agent\u{1b}[0m.",
            Cause::InstanceImpaired,
        ),
        ("No DHCPOFFERS received.", Cause::InstanceImpaired),
        (
            "rsyslogd: file '/var/log/syslog': No space left on device",
            Cause::HostDiskFull,
        ),
        (
            "EXT4-fs (xvda1): Remounting filesystem read-only",
            Cause::HostReadOnly,
        ),
        (
            "[99.1] Out of memory: Killed process 812 (ssm-agent-worke) total-vm:1",
            Cause::HostMemory,
        ),
    ] {
        let verdict = shown(&format!("{BOOT}{line}\n"));
        assert_eq!(verdict.status, NodeStatus::Faulty, "{line}");
        assert_eq!(
            cause(&verdict),
            Some((expected, Confidence::Likely)),
            "{line}"
        );
        let diagnosis = verdict.diagnosis.as_ref().expect("it is at fault");
        assert_eq!(diagnosis.finding.evidence.len(), 1);
        assert_eq!(note(&verdict).0, CheckStatus::Failed);
    }
}

#[test]
fn what_is_over_or_harmless_is_no_verdict() {
    let panic = "[    4.2] Kernel panic - not syncing: VFS\n";
    for text in [
        "",
        BOOT,
        // Before the last start.
        &format!("{panic}{BOOT}login:\n"),
        &format!("{BOOT}Failed to start amazon-ssm-agent.\nStarted amazon-ssm-agent.\n"),
        &format!("{BOOT}No DHCPOFFERS received.\nDHCPACK of 10.0.0.1\n"),
        &format!("{BOOT}[99.1] Out of memory: Killed process 7 (java)\n"),
        &format!("{BOOT}[1.0] cloud-init[1]: [ERROR] Failed running script\n"),
        &format!("{BOOT}2023-11-14 22:12:16 ERROR [x] something of another program\n"),
    ] {
        let verdict = shown(text);
        assert_eq!(verdict.status, NodeStatus::Silent, "{text}");
        assert_ne!(note(&verdict).0, CheckStatus::Failed, "{text}");
    }
}

#[test]
fn lines_of_the_agent_are_read_as_those_of_a_log_and_checked() {
    let verdict = shown(&format!("{BOOT}{AGENT}"));
    // Of what the line may mean the checks leave what no call shows.
    let diagnosis = verdict.diagnosis.as_ref().expect("it is at fault");
    assert_eq!(verdict.status, NodeStatus::Faulty);
    assert_eq!(diagnosis.cause, Cause::ImdsUnreachable, "{diagnosis:#?}");
    assert_ne!(diagnosis.confidence, Confidence::Confirmed);
    assert!(
        diagnosis.finding.evidence[0]
            .text
            .contains("unable to acquire")
    );
    assert!(note(&verdict).1.contains("unable to acquire"));
}

#[test]
fn a_check_that_proves_it_is_told_with_what_the_console_shows() {
    let mut facts = facts(None, OFF, super::by_id::dark);
    let console = ConsoleFacts {
        text: AGENT.to_owned(),
        at: None,
    };
    facts.consoles = [(instance_id(1), Fetched::Found(console))].into();
    let verdict = verdict(&facts);
    assert_eq!(
        cause(&verdict),
        Some((Cause::ImdsDisabled, Confidence::Confirmed))
    );
    let diagnosis = verdict.diagnosis.expect("it is at fault");
    assert_eq!(diagnosis.finding.evidence.len(), 1);
}

#[test]
fn secrets_and_hostile_text_leave_as_those_of_a_log() {
    let line = "cloud-init[9]: [ERROR] password=hunter2 \u{1b}]0;title\u{7} \u{202e}x";
    let shown = shown(&format!("{BOOT}{line}\n"));
    let (status, note) = note(&shown);
    assert_eq!(status, CheckStatus::Unknown);
    assert!(
        !note.contains("hunter2") && !note.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{note:?}"
    );
}

#[test]
fn a_node_that_has_reported_since_is_not_judged_by_it() {
    let mut facts = facts(Some("ConnectionLost"), OFF, as_is);
    let console = ConsoleFacts {
        text: format!("{BOOT}[4.2] Kernel panic - not syncing: VFS\n"),
        at: Some(second(-3600)),
    };
    facts.consoles = [(instance_id(1), Fetched::Found(console))].into();
    assert_eq!(verdict(&facts).status, NodeStatus::Silent);
}

#[test]
fn what_ec2_checks_is_proof() {
    let failing = |change: fn(&mut crate::diagnose::facts::StatusFacts)| {
        let mut facts = facts(Some("ConnectionLost"), OFF, as_is);
        let mut read = status(&instance_id(1));
        change(&mut read);
        facts.statuses = [(instance_id(1), Fetched::Found(read))].into();
        cause(&verdict(&facts))
    };
    let proved = Some((Cause::InstanceImpaired, Confidence::Confirmed));
    let silent = Some((Cause::NodeSilent, Confidence::Undetermined));
    assert_eq!(failing(|one| one.system = "impaired".to_owned()), proved);
    assert_eq!(failing(|one| one.instance = "impaired".to_owned()), proved);
    assert_eq!(
        failing(|one| one.volumes = Some("impaired".to_owned())),
        proved
    );
    for unsure in ["initializing", "insufficient-data", "not-applicable", "new"] {
        let mut facts = facts(Some("ConnectionLost"), OFF, as_is);
        let mut read = status(&instance_id(1));
        read.instance = unsure.to_owned();
        facts.statuses = [(instance_id(1), Fetched::Found(read))].into();
        assert_eq!(cause(&verdict(&facts)), silent, "{unsure}");
    }
}
