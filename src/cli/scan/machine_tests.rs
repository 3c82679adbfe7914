//! The advice follows the machine, the use and the words that a log shows.

use std::fs;

use super::tests::{answer, path};

/// The answer to a log, on one line however it is wrapped.
fn answer_to(log: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("amazon-ssm-agent.log");
    fs::write(&file, log).unwrap();
    let (text, _) = answer(&[path(&file)]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each wanted text stands in `text`, in this order, and no unwanted one does.
fn check(name: &str, text: &str, wanted: &[&str], unwanted: &[&str]) {
    let mut from = 0;
    for words in wanted {
        let at = text[from..].find(words);
        from += at.unwrap_or_else(|| panic!("{name}: no {words:?} after {from} in: {text}"));
    }
    for words in unwanted {
        assert!(!text.contains(words), "{name}: {words:?} in: {text}");
    }
}

#[test]
fn what_people_found_is_what_the_advice_names() {
    type Row = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );
    let rows: &[Row] = &[
        (
            "03-sdkv2-imds-hoplimit-cri",
            &["1. An agent in a container", "hop-limit 2", "Ask IMDS"],
            &["route print", "iptables"],
        ),
        (
            "07-sdkv2-s3-scp",
            &["service control policy (SCP)"],
            &["PingStatus"],
        ),
        (
            "10-sdkv2-kms-boundary",
            &["permissions boundary of the role", "kms:Decrypt"],
            &["arn:aws:kms"],
        ),
        (
            "13-ecs-exec-address-in-use",
            &["in a container its own /var/lib/amazon/ssm"],
            &[],
        ),
        (
            "16-bottlerocket-role-denied",
            &["The role ExampleNodeRole lacks ssm:UpdateInstanceInformation"],
            &["systemctl", "On Windows (PowerShell"],
        ),
        (
            "20-docker-json-hoplimit",
            &["1. An agent in a container", "hop-limit 2", "Ask IMDS"],
            &["route print", "iptables"],
        ),
        (
            "28-windows-proxy-no-bypass",
            &[
                "1. The agent asks the proxy for the metadata address",
                "no_proxy=169.254.169.254",
                "netsh winhttp",
            ],
            &["systemctl", "On Windows (PowerShell"],
        ),
        (
            "30-capa-node-role",
            &[
                "nodes.cluster-api-provider-aws.sigs.k8s.io",
                "ec2messages:GetMessages, ssm:ListInstanceAssociations and ssm:ListAssociations",
            ],
            &[],
        ),
        (
            "31-minimal-rights-on-purpose",
            &[
                "LOW",
                "1. Sessions work by the same log, so this may be meant so",
            ],
            &[
                "The node is back",
                "MEDIUM",
                "describe-instance-information",
            ],
        ),
        (
            "34-iam-user-keys-mds",
            &["1. Look for a shared credentials file", "/root/.aws/"],
            &[],
        ),
        (
            "36-endpoint-policy-perimeter",
            &[
                "LOW",
                "may be meant so",
                "policies of the ec2messages endpoints",
            ],
            &["The node is back"],
        ),
        (
            "38-dhmc-role-lacks-parameter",
            &[
                "1. The role AWSSystemsManagerDefaultEC2InstanceManagementRoleCustom is the one that Default Host Management gives",
            ],
            &[
                "AmazonSSMManagedInstanceCore",
                "instance's role",
                "Correct the document",
            ],
        ),
        (
            "39-s3-encryption-validate",
            &["role s3:GetEncryptionConfiguration on it, in the bucket policy"],
            &[],
        ),
        ("40-s3-upload-kms", &["LOW", "Output not delivered"], &[]),
        (
            "41-cwl-describe-denied-hang",
            &["logs:DescribeLogGroups: on *"],
            &[],
        ),
        (
            "43-kms-client-side",
            &[
                "1. The role AWSReservedSSO_developer_0123456789abcdef opened the session",
                "the node's role is not at fault",
                "role/AWSReservedSSO_developer_0123456789abcdef --action-names kms:GenerateDataKey",
            ],
            &[
                "--role-name",
                "AWSReservedSSO_developer_0123456789abcdef kms:Decrypt",
            ],
        ),
        ("45-inventory-dpkg-flood", &["Nothing is wrong."], &["LOW"]),
        (
            "46-inventory-control-m",
            &["LOW", "The inventory of the node stays empty"],
            &[],
        ),
        ("48-hybrid-portforward-bye", &["Nothing is wrong."], &[]),
        (
            "50-plugin-client-tls",
            &[
                "LOW session-manager-plugin could not open a session",
                "not at fault",
                "x509",
            ],
            &["HIGH", "MEDIUM"],
        ),
        (
            "53-hybrid-never-registered",
            &[
                "1. The log shows neither EC2's metadata nor a registration",
                "create-activation",
                "-register -y -code",
                "Ask IMDS",
            ],
            &["route print", "iptables", "hop limit", "no_proxy"],
        ),
        ("57-snap-refresh-broken", &["Nothing is wrong."], &[]),
        (
            "58-inotify-watches",
            &["inotify limit"],
            &["not recognised"],
        ),
        ("62-control-channel-stuck-eof", &["restart the agent"], &[]),
        (
            "65-seelog-replace-flood",
            &["LOW Invalid seelog.xml"],
            &["amazon-ssm-agent.json"],
        ),
        (
            "67-ecs-ami-syslog-no-pid",
            &[
                "If nobody uses Systems Manager",
                "systemctl disable --now amazon-ssm-agent",
            ],
            &["On Windows (PowerShell"],
        ),
    ];
    for (case, wanted, unwanted) in rows {
        let file = format!("tests/fixtures/lab/people/{case}.log");
        let (text, _) = answer(&[&file]);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        check(case, &text, wanted, unwanted);
    }
}

const FULL: &str = "2024-11-04 10:05:09.8804 ERROR [ssm-agent-worker] [MessageService] write file x encountered error: no space left on device\n2024-11-04 10:05:10.8804 ERROR [ssm-agent-worker] [MessageService] could not create idempotency directory: mkdir /x: no space left on device\n";

#[test]
fn the_commands_are_those_of_the_platform() {
    let log = |os| {
        format!("2024-11-04 10:05:09.0000 INFO [amazon-ssm-agent] OS: {os}, Arch: amd64\n{FULL}")
    };
    let windows = answer_to(&log("windows"));
    check(
        "windows",
        &windows,
        &["Get-PSDrive", "Restart-Service AmazonSSMAgent"],
        &["df -h", "systemctl"],
    );
    let linux = answer_to(&log("linux"));
    check(
        "linux",
        &linux,
        &["df -h", "systemctl restart amazon-ssm-agent"],
        &["Get-PSDrive"],
    );
    let macos = answer_to(&log("darwin"));
    check(
        "macos",
        &macos,
        &["launchctl kickstart"],
        &["Get-PSDrive", "systemctl"],
    );
    let unknown = answer_to(FULL);
    check("unknown", &unknown, &["df -h", "Get-PSDrive"], &[]);
    let snap = format!(
        "{FULL}2024-11-04 10:05:11.8804 ERROR [amazon-ssm-agent] failed to start worker ssm-agent-worker, fork/exec /snap/amazon-ssm-agent/7993/ssm-agent-worker: no space left on device\n"
    );
    let snap = answer_to(&snap);
    check(
        "snap",
        &snap,
        &["sudo snap restart amazon-ssm-agent"],
        &["systemctl restart", "Get-PSDrive"],
    );
}

const TOKEN: &str = "2026-09-10 10:00:16.9413 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: operation error ec2imds: GetMetadata, failed to get API token, operation error ec2imds: getToken, canceled, context deadline exceeded\n2026-09-10 10:00:22.9415 ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity\n";

#[test]
fn a_containers_hop_limit_comes_first() {
    let pod = format!(
        "2026-09-10 10:00:10.0000 ERROR [ssm-agent-worker] failed to read runtime config '/var/run/secrets/kubernetes.io/x': permission denied\n{TOKEN}"
    );
    check(
        "pod",
        &answer_to(&pod),
        &["1. An agent in a container", "hop-limit 2", "Ask IMDS"],
        &["route print"],
    );
    // A token that never came is how a low hop limit shows, wherever the agent runs.
    check(
        "unknown",
        &answer_to(TOKEN),
        &["Ask IMDS", "hop-limit 2", "Show the proxy"],
        &[],
    );
}

#[test]
fn a_machine_that_has_an_identity_is_not_told_to_register() {
    let empty = "2019-12-21 10:00:13 ERROR Failed to fetch instance ID. Data from vault is empty. RequestError: send request failed\ncaused by: Get http://169.254.169.254/latest/meta-data/instance-id: dial tcp 169.254.169.254:80: i/o timeout\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("amazon-ssm-agent.log");
    fs::write(&file, empty).unwrap();
    let (text, _) = answer(&[path(&file)]);
    assert!(text.contains("create-activation"), "{text}");
    let (text, _) = answer(&[path(&file), "--node", "i-0123456789abcdef0"]);
    assert!(!text.contains("create-activation"), "{text}");
    // No route to the metadata service, and no id: it may be no instance at all.
    let no_route = answer_to(
        "2024-11-04 10:00:07.0137 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: RequestError: send request failed\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: connect: no route to host\n2024-11-04 10:00:08.0137 ERROR Agent failed to assume any identity\n",
    );
    check(
        "no route",
        &no_route,
        &["Ask IMDS", "If the machine is not an EC2 instance"],
        &[],
    );
    // Only a hybrid identity was tried: what is missing is the registration.
    let tried = |also: &str| {
        answer_to(&format!(
            "2024-11-04 10:00:07.0137 INFO Checking if agent identity type OnPrem can be assumed\n{also}2024-11-04 10:00:08.0137 ERROR Agent failed to assume any identity\n2024-11-04 10:00:09.0137 ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity\n"
        ))
    };
    check(
        "hybrid alone",
        &tried(""),
        &["No registration on", "create-activation"],
        &["describe-instances"],
    );
    let both =
        tried("2024-11-04 10:00:07.5137 INFO Checking if agent identity type EC2 can be assumed\n");
    check(
        "both",
        &both,
        &["No credentials on"],
        &["create-activation"],
    );
}

#[test]
fn a_task_and_the_role_of_default_host_management_have_roles_of_their_own() {
    let denied = "2024-11-04 10:00:12.1000 ERROR [ssm-agent-worker] [MessageService] [MGSInteractor] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException><Message>User: arn:aws:sts::123456789012:assumed-role/AppRole/0a1b2c3d4e5f60718293a4b5c6d7e8f9 is not authorized to perform: ssmmessages:CreateControlChannel on resource: arn:aws:ecs:eu-west-1:123456789012:task/app/0a1b because no identity-based policy allows the ssmmessages:CreateControlChannel action</Message></AccessDeniedException>\n";
    let task = format!("2024-11-04 10:00:11.1000 INFO Agent will take identity from ECS\n{denied}");
    check(
        "task",
        &answer_to(&task),
        &[
            "in a policy of the task role",
            "put-role-policy --role-name AppRole",
        ],
        &["AmazonSSMManagedInstanceCore", "On Windows (PowerShell"],
    );
    let dhmc = |last: &str| {
        answer_to(&format!(
            "2024-11-04 10:00:11.1000 INFO EC2RoleProvider Successfully connected with Systems Manager role credentials\n{last}{denied}"
        ))
    };
    check(
        "dhmc",
        &dhmc(""),
        &["Default Host Management gives"],
        &["AmazonSSMManagedInstanceCore"],
    );
    let profile = "2024-11-04 10:00:11.5000 INFO EC2RoleProvider Successfully connected with instance profile role credentials\n";
    check(
        "profile",
        &dhmc(profile),
        &["Attach AmazonSSMManagedInstanceCore"],
        &["Default Host Management gives"],
    );
}

#[test]
fn what_is_used_is_not_spare() {
    let opened = "2021-12-09 09:59:24.1000 INFO [ssm-agent-worker] [MessageService] [MGSInteractor] Successfully opened websocket connection to: 10.0.1.7:443\n";
    let read = "2021-12-09 09:59:25.1000 INFO [ssm-agent-worker] [MessageService] [Association] Schedule manager refreshed with 2 associations, 2 new associations associated\n";
    let denied = "2021-12-09 10:00:12.1000 ERROR [ssm-agent-worker] [MessageService] [Association] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MyRole/i-0123456789abcdef0 is not authorized to perform: ssm:ListInstanceAssociations on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:ListInstanceAssociations action\n";
    let session = "2021-12-09 10:05:12.1000 INFO [ssm-session-worker] [alice-0a1b2c3d4e5f67890] [DataBackend] ssm-session-worker - v3.1.715.0\n";
    let ping = denied
        .replace("[Association]", "[HealthCheck]")
        .replace("ListInstanceAssociations", "UpdateInstanceInformation");
    for (log, severity) in [
        (denied.to_owned(), "MEDIUM"),
        (format!("{opened}{denied}"), "LOW"),
        (format!("{denied}{session}"), "LOW"),
        (
            format!("{}{denied}", session.replace("10:05", "09:05")),
            "MEDIUM",
        ),
        (format!("{opened}{read}{denied}"), "MEDIUM"),
        (format!("{opened}{ping}"), "HIGH"),
    ] {
        let text = answer_to(&log);
        assert!(text.contains(&format!("1. {severity} ")), "{log}: {text}");
    }
}

#[test]
fn a_client_is_named_as_one() {
    for refused in [
        "An error occurred (TargetNotConnected) when calling the StartSession operation: i-0123456789abcdef0 is not connected.",
        "An error occurred (InvalidInstanceId) when calling the SendCommand operation: Instances [[i-0123456789abcdef0]] not in a valid state for account 123456789012",
    ] {
        // In a log, and as a terminal shows it.
        for head in ["2024-11-04 10:00:08.0137 ERROR ", ""] {
            let text = answer_to(&format!("{head}{refused}\n"));
            check(
                "cli",
                &text,
                &[
                    "LOW The AWS CLI could not use the node",
                    "proves nothing about the node",
                ],
                &["HIGH", "MEDIUM"],
            );
        }
    }
}

#[test]
fn what_stands_around_a_line_shows_the_machine() {
    let wrapped = |wrap: &dyn Fn(&str) -> String| {
        let lines = FULL.lines().map(|line| wrap(line) + "\n");
        answer_to(&lines.collect::<String>())
    };
    for (name, prefix, restart) in [
        (
            "snap",
            "2025-08-14T10:53:16-04:00 amazon-ssm-agent.amazon-ssm-agent[335236]: ",
            "sudo snap restart amazon-ssm-agent",
        ),
        (
            "bottlerocket",
            "Jan 23 19:45:49 ip-10-0-0-5 host-containers@control[1411]: ",
            "apiclient set host-containers.control.enabled=false",
        ),
        (
            "pod",
            "2024-11-04T10:05:10.815462921Z stderr F ",
            "kubectl --namespace NAMESPACE rollout restart",
        ),
    ] {
        let text = wrapped(&|line| format!("{prefix}{line}"));
        check(name, &text, &[restart], &["systemctl restart"]);
    }
    let text = wrapped(&|line| {
        serde_json::json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2024-11-04T10:05:10.8Z"})
            .to_string()
    });
    check(
        "docker",
        &text,
        &["docker restart CONTAINER"],
        &["systemctl restart"],
    );
    let text = wrapped(&|line| {
        serde_json::json!({"log": line, "source": "stdout", "ecs_cluster": "app", "ecs_task_arn": "arn:aws:ecs:eu-west-1:123456789012:task/app/0a1b"})
            .to_string()
    });
    check(
        "task",
        &text,
        &["aws ecs update-service"],
        &["systemctl restart"],
    );
}

#[test]
fn greengrass_and_sagemaker_are_told_from_the_log() {
    let greengrass = format!(
        "{FULL}2024-11-04 10:05:11.8804 ERROR [ssm-agent-worker] open /greengrass/v2/work/aws.greengrass.SystemsManagerAgent/x: no space left on device\n"
    );
    check(
        "greengrass",
        &answer_to(&greengrass),
        &["greengrass-cli component restart --names aws.greengrass.SystemsManagerAgent"],
        &["systemctl restart"],
    );
    let denied = "2024-11-04 10:00:12.1000 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs. error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/AmazonSageMaker-ExecutionRole-20240101T000000/SageMaker is not authorized to perform: ssm:UpdateInstanceInformation\n";
    check(
        "sagemaker",
        &answer_to(denied),
        &["The role AmazonSageMaker-ExecutionRole-20240101T000000 lacks"],
        &[],
    );
}

#[test]
fn the_proxy_of_windows_leads_to_commands_of_windows() {
    let log = "2021-10-11 10:00:11 INFO Getting IE proxy configuration for current user: The operation completed successfully.\n2021-10-11 10:00:11 INFO Proxy environment variables:\n2021-10-11 10:00:11 INFO https_proxy: http://10.0.0.10:3128\n2021-10-11 10:00:11 INFO http_proxy: http://10.0.0.10:3128\n2021-10-11 10:00:11 INFO no_proxy: \n2021-10-11 10:00:12 ERROR [HealthCheck] error when calling AWS APIs. error details - RequestError: send request failed\ncaused by: Post \"https://ssm.us-east-1.amazonaws.com/\": Proxy Authentication Required\n";
    check(
        "proxy",
        &answer_to(log),
        &[
            "Proxy blocks the SSM Agent",
            "netsh winhttp show proxy",
            "New-ItemProperty",
        ],
        &["systemctl", "On Windows (PowerShell"],
    );
}
