//! How the instance comes by an identity and credentials: the metadata
//! service, the instance profile, the role's trust policy.

use super::Step;
use super::case::Case;
use crate::command::{ArgKind, Command};
use crate::failure::Service;
use crate::node::Partition;

pub(super) fn imds_disabled(case: &Case) -> Vec<Step> {
    let mut steps = Vec::new();
    if !case.is_confirmed() {
        steps.push(show_metadata_options(case));
    }
    steps.extend([
        Step::say(
            "Was the metadata service turned off on purpose (hardening, an organisation's \
             policy)? Then ask its owner first.",
        ),
        Step::run(
            "Turn its endpoint on. Nothing else changes: whether tokens are required and the \
             hop limit stay as they are.",
            match case.by_hand {
                Some(command) => command.to_owned(),
                None => case
                    .with_one_instance(case.aws("aws ec2 modify-instance-metadata-options"))
                    .text("--http-endpoint enabled")
                    .to_string(),
            },
        ),
        Step::run(
            "The next launch takes its options from the launch template and from the account's \
             defaults; look whether those turn the endpoint off:",
            case.aws("aws ec2 get-instance-metadata-defaults"),
        ),
    ]);
    if !case.is_confirmed() {
        steps.push(curl_metadata());
    }
    steps
}

/// Whether the metadata service that failed is Azure's.
pub(super) fn on_azure(case: &Case) -> bool {
    case.error_details.service.as_deref() == Some(Service::AzureMetadata.as_str())
}

/// Azure's service at the same address: none of EC2's commands or options apply.
fn azure_metadata() -> Vec<Step> {
    let mut steps = vec![
        Step::say(
            "This machine is registered from Azure. Before each health ping the agent asks \
             Azure's instance metadata service what it runs on, and sends no ping without it.",
        ),
        Step::run(
            "Does Azure's metadata service answer on the machine?",
            "curl -s --noproxy '*' -m 3 -H Metadata:true \
             'http://169.254.169.254/metadata/instance?api-version=2021-02-01'",
        ),
        Step::run(
            "Does a firewall on the host drop it? Look for rules about the address:",
            "sudo iptables -S | grep 169.254; sudo nft list ruleset | grep 169.254",
        ),
    ];
    steps.extend(no_proxy());
    steps
}

pub(super) fn imds_unreachable(case: &Case) -> Vec<Step> {
    if on_azure(case) {
        return azure_metadata();
    }
    let mut steps = vec![
        show_metadata_options(case),
        curl_metadata(),
        Step::run(
            "Does a proxy catch the address? The agent must reach 169.254.169.254 directly. \
             Show what the agent's service is given (Linux):",
            "systemctl show amazon-ssm-agent snap.amazon-ssm-agent.amazon-ssm-agent -p Environment",
        ),
    ];
    steps.extend(no_proxy());
    steps.extend([
        Step::run(
            "Windows, above all on an instance from a custom image: does a persistent route \
             send the address to the gateway of another subnet?",
            "route print 169.254.169.254",
        ),
        Step::run(
            "If so, remove it, take the instance's own default gateway from route print \
             0.0.0.0, and add the route again (as Administrator):",
            "route -p delete 169.254.169.254; \
             route -p add 169.254.169.254 mask 255.255.255.255 DEFAULT_GATEWAY",
        ),
        Step::run(
            "Does a firewall on the host drop it? Look for rules about the address:",
            "sudo iptables -S | grep 169.254; sudo nft list ruleset | grep 169.254",
        ),
        Step::run(
            "Does the agent run in a container? Then the answer needs a hop limit of 2:",
            case.with_one_instance(case.aws("aws ec2 modify-instance-metadata-options"))
                .text("--http-put-response-hop-limit 2"),
        ),
    ]);
    steps
}

pub(super) fn no_instance_profile(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        show_profile_association(case),
        Step::run(
            "Attach an instance profile whose role has the policy AmazonSSMManagedInstanceCore \
             (one profile may serve many instances):",
            case.with_one_instance(case.aws("aws ec2 associate-iam-instance-profile"))
                .text("--iam-instance-profile Name=INSTANCE_PROFILE_NAME"),
        ),
        Step::run(
            "The role behind that profile needs the policy:",
            attach_core(case, false),
        ),
        Step::say(
            "Or let Systems Manager manage every instance of this account and Region without a \
             profile: Default Host Management. It needs agent 3.2.582.0 or newer, IMDSv2, and up \
             to 30 minutes.",
        ),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn stale_instance_profile(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Does the attached profile still exist, and does it hold a role?",
            case.with_profile(case.iam("aws iam get-instance-profile"))
                .text(
                    "--query 'InstanceProfile.{Id:InstanceProfileId,Created:CreateDate,Roles:Roles[].RoleName}'",
                ),
        ),
        show_profile_association(case),
        Step::run(
            "If it holds no role, put the role back:",
            case.with_role(
                case.with_profile(case.iam("aws iam add-role-to-instance-profile")),
            ),
        ),
        Step::run(
            "A profile or role that was deleted and made again is a new one, though its name is \
             the same: associate it anew, with the association id shown above.",
            case.with_profile_as_target(
                case.aws("aws ec2 replace-iam-instance-profile-association")
                    .option("--association-id", ArgKind::ProfileAssociationId, ""),
            ),
        ),
    ];
    steps.extend(case.restart());
    steps
}

pub(super) fn role_not_assumable(case: &Case) -> Vec<Step> {
    let mut steps = trust_ec2(case);
    if !case.is_confirmed() {
        steps.push(Step::say(
            "Is the trust policy right as it stands? Then the association is stale: the role was \
         made again after the profile was attached. Associating anew mends that too.",
        ));
    }
    steps.extend(associate_anew(case));
    steps
}

/// Makes EC2 assume the role again at once.
pub(super) fn associate_anew(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "EC2 takes a changed trust policy up at its next scheduled refresh, at most an hour \
             later. To make it try at once, find the profile's association …",
            describe_association(case),
        ),
        Step::run(
            "… and associate the profile anew:",
            case.with_profile_as_target(
                case.aws("aws ec2 replace-iam-instance-profile-association")
                    .option("--association-id", ArgKind::ProfileAssociationId, ""),
            ),
        ),
    ]
}

/// Lets EC2 assume the role: by the repair's own command where there is one,
/// else by reading, editing and writing, never by overwriting blindly.
fn trust_ec2(case: &Case) -> Vec<Step> {
    const CAUTION: &str = "Whoever may pass this role to an instance can then use it.";
    let principal = match case.partition {
        Partition::China => "ec2.amazonaws.com.cn",
        Partition::Aws
        | Partition::UsGov
        | Partition::Iso
        | Partition::IsoB
        | Partition::IsoE
        | Partition::IsoF
        | Partition::Eusc
        | Partition::Unknown => "ec2.amazonaws.com",
    };
    if let Some(command) = case.by_hand {
        return vec![Step::run(
            format!(
                "Let EC2 assume {}: this adds one statement to the trust policy as it was read \
                 just now, and leaves the others as they are. {CAUTION}",
                case.role_in_words()
            ),
            command,
        )];
    }
    vec![
        Step::run(
            format!(
                "Save the trust policy of {}, and read it:",
                case.role_in_words()
            ),
            case.with_role(case.iam("aws iam get-role")).text(
                "--query Role.AssumeRolePolicyDocument --output json | tee trust-before.json",
            ),
        ),
        Step::run(
            format!(
                "Does it not let {principal} call sts:AssumeRole? Add one statement and leave \
                 the others as they are. A Deny that matches EC2, or a condition on its Allow, \
                 is somebody's decision: ask first. {CAUTION}",
            ),
            format!(
                "jq '.Statement |= ((if type == \"array\" then . else [.] end) + \
                 [{{Sid: \"AllowEC2\", Effect: \"Allow\", Principal: {{Service: \
                 \"{principal}\"}}, Action: \"sts:AssumeRole\"}}])' \
                 trust-before.json > trust-after.json",
            ),
        ),
        Step::run(
            "Compare the two files, then put the new one in place (trust-before.json put back \
             undoes it):",
            case.with_role(case.iam("aws iam update-assume-role-policy"))
                .text("--policy-document file://trust-after.json"),
        ),
    ]
}

pub(super) fn show_metadata_options(case: &Case) -> Step {
    Step::run(
        "Show the metadata options; the metadata service is on when HttpEndpoint is enabled:",
        case.with_instance(case.aws("aws ec2 describe-instances"))
            .text("--query 'Reservations[*].Instances[*].MetadataOptions'"),
    )
}

/// Asks the metadata service from the host, past any proxy.
pub(super) fn curl_metadata() -> Step {
    Step::run(
        "Ask the metadata service on the host. 403: it is turned off. No answer: something on \
         the way. 404: no instance profile. InstanceProfileNotFound: a stale one. \
         AssumeRoleUnauthorizedAccess: the role's trust policy.",
        "TOKEN=$(curl -sS --noproxy '*' -m 5 -X PUT \
         -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
         http://169.254.169.254/latest/api/token) && \
         curl -sS --noproxy '*' -m 5 -i -H \"X-aws-ec2-metadata-token: $TOKEN\" \
         http://169.254.169.254/latest/meta-data/iam/info",
    )
}

/// Keeps the metadata address away from the proxy, on each kind of host.
pub(super) fn no_proxy() -> Vec<Step> {
    vec![
        Step::run(
            "Behind a proxy, except the address, then restart the agent (Linux; under snap the \
             folder is snap.amazon-ssm-agent.amazon-ssm-agent.service.d):",
            "sudo mkdir -p /etc/systemd/system/amazon-ssm-agent.service.d && \
             printf '[Service]\\nEnvironment=\"no_proxy=169.254.169.254\"\\n' | \
             sudo tee /etc/systemd/system/amazon-ssm-agent.service.d/no-proxy.conf && \
             sudo systemctl daemon-reload && sudo systemctl restart amazon-ssm-agent",
        ),
        Step::run(
            "The same on Windows (PowerShell as Administrator; keeps what the value holds):",
            "$key = 'HKLM:\\SYSTEM\\CurrentControlSet\\Services\\AmazonSSMAgent'; \
             $old = @((Get-Item $key).GetValue('Environment')) -notmatch '^no_proxy='; \
             New-ItemProperty $key -Name Environment -PropertyType MultiString -Force \
             -Value ($old + 'no_proxy=169.254.169.254'); Restart-Service AmazonSSMAgent",
        ),
    ]
}

/// Attaches AmazonSSMManagedInstanceCore: to the case's own role when it is the
/// one at fault, else to the role of a profile that is still to be chosen.
pub(super) fn attach_core(case: &Case, to_known_role: bool) -> Command {
    let command = case.iam("aws iam attach-role-policy");
    let command = if to_known_role {
        case.with_role(command)
    } else {
        command.text("--role-name ROLE_NAME")
    };
    command.option(
        "--policy-arn",
        ArgKind::Arn,
        &case.managed_policy("AmazonSSMManagedInstanceCore"),
    )
}

fn show_profile_association(case: &Case) -> Step {
    Step::run(
        "Show which instance profile is attached:",
        describe_association(case),
    )
}

fn describe_association(case: &Case) -> Command {
    case.for_instance_filter(case.aws("aws ec2 describe-iam-instance-profile-associations"))
        .text(
            "--query 'IamInstanceProfileAssociations[].[AssociationId,State,IamInstanceProfile.Arn,IamInstanceProfile.Id]' \
             --output text",
        )
}

#[cfg(test)]
mod tests {
    use crate::advice::{advise, recovery, sample};
    use crate::cause::Cause;
    use crate::failure::Service;

    #[test]
    fn azures_metadata_service_gets_no_steps_of_ec2() {
        let mut incident = sample::on_hybrid_node(Cause::ImdsUnreachable);
        incident.error_details.service = Some(Service::AzureMetadata.as_str().to_owned());
        let advice = advise(&incident, &sample::nothing_done());
        let all: Vec<String> = (advice.steps.iter().chain(&advice.verify))
            .map(|step| format!("{} {}", step.text, step.command.as_deref().unwrap_or("")))
            .collect();
        assert!(all.iter().any(|step| step.contains("Azure")), "{all:?}");
        for words in ["aws ec2", "hop limit", "instance profile", "from EC2"] {
            assert!(
                !all.iter().any(|step| step.contains(words)),
                "{words}: {all:?}"
            );
        }
        let schedule = recovery(&incident, None);
        assert!(!format!("{schedule:?}").contains("three attempts"));
    }
}
