//! What the records of a node show of its machine.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::machine::{Environment, Machine};
use crate::record::{NormalizedRecord, Origin, cut};
use crate::text::literals::Literals;

macro_rules! texts {
    ($($environment:ident: $($text:literal)+;)+) => {
        /// What the texts stand for.
        const SHOWN: &[Environment] = &[$($({ let _ = $text; Environment::$environment }),+),+];

        /// Texts that the agent writes in one environment only: its paths there, the words of the
        /// system's errors, the addresses that give credentials.
        static TEXTS: Literals<{ SHOWN.len() }> = Literals::new([$($($text),+),+]);
    };
}

texts! {
    Windows: "\\Amazon\\SSM" "connectex: " "wsarecv: " "wsasend: " "getaddrinfow: "
        "The system cannot find the ";
    Linux: "/var/lib/" "/etc/amazon/" "/proc/" "systemd" "/usr/sbin/";
    Unregistered: "Data from vault is empty" "RegistrationKey does not exist";
    MacOs: "/opt/aws/ssm/" "/Library/LaunchDaemons/";
    Snap: "/snap/amazon-ssm-agent/" "snap.amazon-ssm-agent" "installed as snap";
    Ecs: "//169.254.170.2/" "169.254.170.2:80" "/managed-agents/execute-command"
        "control-channel/ecs:" "ecs-execute-command-";
    Kubernetes: "//169.254.170.23/" "169.254.170.23:80" "[fd00:ec2::23]"
        "eks.amazonaws.com/serviceaccount" "/var/run/secrets/kubernetes.io";
    Bottlerocket: "Bottlerocket" "/.bottlerocket/";
    Container: "/containerd/" "/docker/";
    Greengrass: "/greengrass/" "aws.greengrass.SystemsManagerAgent";
    SageMaker: "assumed-role/AmazonSageMaker-" "/SageMaker is not " "/opt/ml/";
}

/// So much of a record is searched: an error names its place early, and whoever
/// writes a log decides how long its records are.
const SEARCHED: usize = 1024;

/// Too short to be among [`TEXTS`].
static WINDOWS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| ["C:\\", ".exe"].map(Finder::new));

/// Takes in what a record of trouble shows.
pub(super) fn observe(machine: &mut Machine, record: &NormalizedRecord<'_, '_>) {
    match record.origin {
        Origin::Systemd | Origin::Kernel => machine.add(Environment::Linux),
        Origin::File | Origin::LevelFirst | Origin::Raw | Origin::Unattributed | Origin::Paste => {}
    }
    let text = cut(record.flat(), SEARCHED);
    let is_windows = (WINDOWS.iter()).any(|name| name.find(text.as_bytes()).is_some());
    let windows = is_windows.then_some(Environment::Windows);
    let mut found = [false; SHOWN.len()];
    TEXTS.each(text, |index, _| found[index] = true);
    let shown = SHOWN.iter().zip(found).filter(|(_, found)| *found);
    for environment in windows.into_iter().chain(shown.map(|(one, _)| *one)) {
        let is_platform = Machine::from_iter([environment]).has_platform();
        if !(machine.is(environment) || is_platform && machine.has_platform()) {
            machine.add(environment);
        }
    }
}
