//! Who the node is to Systems Manager: its credentials once it has them, and
//! the registration of a hybrid node.

use super::Step;
use super::case::Case;
use crate::command::{ArgKind, Command};

pub(super) fn credentials_expired(case: &Case) -> Vec<Step> {
    let mut steps = vec![Step::run(
        "Expired credentials are mostly a clock that is wrong, or a refresh that failed before. \
         Compare the clock:",
        "date -u; chronyc tracking 2>/dev/null | head -5",
    )];
    if case.is_hybrid() {
        steps.push(Step::run(
            "A hybrid node keeps its credentials in a file; a copy that something else wrote \
             stays old:",
            "sudo ls -l /root/.aws/credentials",
        ));
    } else {
        steps.push(Step::run(
            "Ask the metadata service when its credentials expire; a time in the past points at \
             the role's trust policy or at a stale instance profile:",
            "TOKEN=$(curl -sS --noproxy '*' -m 5 -X PUT \
             -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
             http://169.254.169.254/latest/api/token) && \
             curl -sS --noproxy '*' -m 5 -H \"X-aws-ec2-metadata-token: $TOKEN\" \
             http://169.254.169.254/latest/meta-data/identity-credentials/ec2/info",
        ));
    }
    steps.extend(case.restart());
    steps
}

pub(super) fn credentials_invalid(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "AWS does not know the credentials that the agent uses. A shared credentials file \
             stands before the instance's role; look for one (Linux):",
            "sudo ls -l /root/.aws/; \
             systemctl show amazon-ssm-agent -p Environment -p EnvironmentFiles",
        ),
        Step::run(
            "On Windows the agent runs as SYSTEM:",
            "dir C:\\Windows\\System32\\config\\systemprofile\\.aws",
        ),
        Step::run(
            "Are they another partition's, or those of a Region that is not switched on for the \
             account?",
            case.aws("aws account get-region-opt-status")
                .text("--region-name")
                .value(ArgKind::Region, case.region()),
        ),
        Step::run("A wrong clock spoils every signature:", "date -u"),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn registration_invalid(case: &Case) -> Vec<Step> {
    if !case.is_hybrid() && case.is_instance() {
        let mut steps = vec![
            Step::run(
                "An EC2 instance needs no activation. A registration left over from an image or \
                 from hybrid use makes the agent a stranger; clear it and restart (Linux):",
                "sudo systemctl stop amazon-ssm-agent && \
                 sudo amazon-ssm-agent -register -clear; sudo systemctl start amazon-ssm-agent",
            ),
            Step::run(
                "The same on Windows (PowerShell as Administrator):",
                "Stop-Service AmazonSSMAgent; \
                 & \"$env:ProgramFiles\\Amazon\\SSM\\amazon-ssm-agent.exe\" -register -clear; \
                 Start-Service AmazonSSMAgent",
            ),
        ];
        steps.push(case.diagnostics());
        return steps;
    }
    vec![
        Step::run(
            "Does Systems Manager still know the node? An empty answer: it was deregistered.",
            case.with_known_node(case.aws("aws ssm describe-instance-information"))
                .text(
                    "--query 'InstanceInformationList[].[InstanceId,PingStatus,Name,IamRole,ActivationId]' \
                     --output text",
                ),
        ),
        Step::run(
            "Is the activation still good: not expired, not used up, in this Region?",
            case.aws("aws ssm describe-activations").text(
                "--query 'ActivationList[].[ActivationId,Expired,ExpirationDate,RegistrationsCount,RegistrationLimit,IamRole]' \
                 --output text",
            ),
        ),
        Step::run(
            "Make a new activation; its code is shown once (SERVICE_ROLE trusts \
             ssm.amazonaws.com and has AmazonSSMManagedInstanceCore):",
            case.aws("aws ssm create-activation")
                .text("--iam-role SERVICE_ROLE --registration-limit 1"),
        ),
        Step::run(
            "Register the node anew (Linux). It gets a new mi- id; tags and associations by id \
             must follow.",
            case.with_region(
                Command::new(
                    "sudo systemctl stop amazon-ssm-agent && \
                     sudo amazon-ssm-agent -register -y -code ACTIVATION_CODE -id ACTIVATION_ID",
                ),
                "-region",
            )
            .text("&& sudo systemctl start amazon-ssm-agent"),
        ),
        Step::run(
            "The same on Windows (PowerShell as Administrator):",
            case.with_region(
                Command::new(
                    "Stop-Service AmazonSSMAgent; \
                     & \"$env:ProgramFiles\\Amazon\\SSM\\amazon-ssm-agent.exe\" -register -y \
                     -code ACTIVATION_CODE -id ACTIVATION_ID",
                ),
                "-region",
            )
            .text("; Start-Service AmazonSSMAgent"),
        ),
        Step::say(
            "Was the machine cloned, or its hardware changed? Then its fingerprint no longer \
             matches: each copy needs a registration of its own. Is /var/lib/amazon/ssm full or \
             read-only? Then mend that first, else the new registration is lost as well.",
        ),
    ]
}
