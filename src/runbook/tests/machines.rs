//! What the log shows of the machine chooses the commands of every sheet.

use super::{advise, commands};
use crate::cause::Cause;
use crate::incident::sample;
use crate::machine::Environment;

/// What runs on one kind of machine only.
const OF_LINUX: &[&str] = &[
    "sudo ",
    "systemctl",
    "/etc/",
    "/var/",
    "getent",
    "journalctl",
    "/proc/",
    "openssl",
    "chronyc",
];
const OF_SYSTEMD: &[&str] = &["systemctl", "journalctl", "snap ", "apt-get", "yum "];
const OF_WINDOWS: &[&str] = &[
    "Get-",
    "Restart-Service",
    "$env:",
    "w32tm",
    "route print",
    "netsh",
];

#[test]
fn no_command_is_of_another_platform_than_the_log_shows() {
    let mut wrong = Vec::new();
    for cause in Cause::ALL {
        for (environment, others) in [
            (Environment::Windows, &[OF_LINUX][..]),
            (Environment::Linux, &[OF_WINDOWS][..]),
            (Environment::MacOs, &[OF_WINDOWS, OF_SYSTEMD][..]),
            (Environment::Snap, &[OF_WINDOWS][..]),
            (Environment::Ecs, &[OF_WINDOWS, OF_SYSTEMD][..]),
        ] {
            for mut incident in [
                sample::incident(*cause),
                sample::on_hybrid_node(*cause),
                sample::on_unknown_node(*cause),
            ] {
                incident.error_details.machine = [environment].into_iter().collect();
                // Linux alone knows these.
                let of_linux = [
                    Cause::HostInotifyExhausted,
                    Cause::HostNoexec,
                    Cause::HostReadOnly,
                ];
                if environment == Environment::Windows && of_linux.contains(cause) {
                    continue;
                }
                let runbook = advise(&incident, &sample::nothing_done());
                let other = |line: &&str| {
                    (others.iter().copied().flatten()).any(|words| line.contains(words))
                };
                assert!(!runbook.steps.is_empty(), "{cause} on {environment}");
                let found = commands(&runbook).filter(other);
                wrong.extend(found.map(|line| format!("{cause} on {environment}: {line}")));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
