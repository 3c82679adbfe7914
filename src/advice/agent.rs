//! The agent's own program: crashes, workers, configuration, updates.

use super::Step;
use super::case::Case;

pub(super) fn crash(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Show how often the service died, and its last words (Linux; under snap: snap logs \
             amazon-ssm-agent):",
            "systemctl status amazon-ssm-agent --no-pager; \
             sudo journalctl -u amazon-ssm-agent -n 60 --no-pager",
        ),
        Step::run(
            "The same on Windows (PowerShell):",
            "Get-EventLog System -Source 'Service Control Manager' -Newest 200 | \
             Where-Object Message -match 'SSM Agent' | Select-Object -First 10 TimeGenerated, Message",
        ),
        Step::run(
            "Is the disk full, or did the kernel kill it?",
            "df -h /var/lib/amazon/ssm; sudo dmesg -T | grep -iE 'oom|segfault' | tail -5",
        ),
    ];
    steps.extend(reinstall());
    steps.extend(case.restart());
    steps
}

pub(super) fn worker(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Are the worker programs there, and may they run?",
            "ls -l /usr/bin/ssm-agent-worker /usr/bin/ssm-document-worker \
             /usr/bin/ssm-session-worker; findmnt -no TARGET,OPTIONS -T /usr/bin",
        ),
        Step::run(
            "Did the kernel or a security program kill them?",
            "sudo dmesg -T | grep -iE 'ssm|oom-kill' | tail; sudo ausearch -m avc -ts recent \
             2>/dev/null | tail",
        ),
        Step::say("An antivirus or an allow-list of programs must except ssm-*-worker."),
    ];
    steps.extend(reinstall());
    steps.extend(case.restart());
    steps
}

pub(super) fn duplicate(_case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Show which agents run, and from where:",
            "ps -eo pid,lstart,cmd | grep '[a]mazon-ssm-agent'; snap list amazon-ssm-agent; \
             rpm -q amazon-ssm-agent; dpkg -l amazon-ssm-agent",
        ),
        Step::run(
            "Keep one. On Ubuntu that is the snap; remove the package (the other way round: \
             sudo snap remove amazon-ssm-agent):",
            "sudo systemctl disable --now amazon-ssm-agent; sudo apt-get remove -y amazon-ssm-agent; \
             sudo snap restart amazon-ssm-agent",
        ),
        Step::say(
            "An agent in a container beside the host's needs folders of its own: it must not \
             share /var/lib/amazon/ssm.",
        ),
    ]
}

pub(super) fn config_invalid(case: &Case) -> Vec<Step> {
    let mut steps = vec![
        Step::run(
            "Is the configuration proper JSON, and are Region and endpoints in it right? \
             Without the file the agent uses its defaults (Linux):",
            "python3 -m json.tool /etc/amazon/ssm/amazon-ssm-agent.json; ls -l /etc/amazon/ssm/",
        ),
        Step::run(
            "Set the file aside; amazon-ssm-agent.json.template shows every setting:",
            "sudo mv /etc/amazon/ssm/amazon-ssm-agent.json \
             /etc/amazon/ssm/amazon-ssm-agent.json.aside && \
             sudo systemctl restart amazon-ssm-agent",
        ),
        Step::run(
            "The same on Windows (PowerShell as Administrator):",
            "Rename-Item \"$env:ProgramFiles\\Amazon\\SSM\\amazon-ssm-agent.json\" \
             amazon-ssm-agent.json.aside; Restart-Service AmazonSSMAgent",
        ),
        Step::say(
            "Windows made from an image: an image that was not finished by sysprep (EC2Launch) \
             keeps the agent from starting.",
        ),
    ];
    steps.push(case.diagnostics());
    steps
}

pub(super) fn outdated(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "Update it, where Systems Manager still reaches the node:",
            case.with_node(
                case.aws("aws ssm send-command")
                    .text("--document-name AWS-UpdateSSMAgent"),
                "--instance-ids",
            ),
        ),
        install(
            case,
            "Where it does not, by the package manager on the host (Amazon Linux; under snap: \
             sudo snap refresh amazon-ssm-agent):",
        ),
        update_automatically(case),
    ]
}

pub(super) fn update_failed(case: &Case) -> Vec<Step> {
    vec![
        Step::run(
            "What did the updater say (Windows: AmazonSSMAgent-update.txt in \
             %PROGRAMDATA%\\Amazon\\SSM\\Logs)?",
            "sudo tail -40 /var/log/amazon/ssm/AmazonSSMAgent-update.txt",
        ),
        Step::run(
            "It fetches from S3. Does the node reach the bucket? Without a way to the internet \
             it needs an S3 gateway endpoint whose policy allows it:",
            case.agent_bucket(
                "curl -sS -o /dev/null -w '%{http_code}\\n' -m 10",
                "/latest/VERSION",
            ),
        ),
        Step::run(
            "Try again …",
            case.with_node(
                case.aws("aws ssm send-command")
                    .text("--document-name AWS-UpdateSSMAgent"),
                "--instance-ids",
            ),
        ),
        install(
            case,
            "… or install it by the package manager (Amazon Linux; under snap: sudo snap \
             refresh amazon-ssm-agent):",
        ),
        update_automatically(case),
    ]
}

fn install(case: &Case, text: &'static str) -> Step {
    Step::run(
        text,
        case.agent_bucket(
            "sudo yum install -y",
            "/latest/linux_amd64/amazon-ssm-agent.rpm",
        ),
    )
}

/// A State Manager association keeps every agent up to date.
fn update_automatically(case: &Case) -> Step {
    Step::run(
        "Keep every agent of the account and Region up to date by an association:",
        case.aws("aws ssm create-association").text(
            "--name AWS-UpdateSSMAgent --association-name keep-ssm-agent-up-to-date \
             --targets 'Key=InstanceIds,Values=*' --schedule-expression 'rate(14 days)' \
             --max-concurrency 10% --max-errors 10%",
        ),
    )
}

fn reinstall() -> Vec<Step> {
    vec![Step::run(
        "A damaged installation is put right by the package (Debian and Ubuntu: apt-get install \
         --reinstall amazon-ssm-agent; under snap: snap refresh amazon-ssm-agent):",
        "sudo yum reinstall -y amazon-ssm-agent",
    )]
}
