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

/// The file or service that the log complains about, which not always is amazon-ssm-agent.json.
pub(super) fn config_invalid(case: &Case) -> Vec<Step> {
    let mut steps = if case.is_seen_by(LOGGER) {
        logger()
    } else if case.is_seen_by("cloudwatch-plugin-configuration-invalid") {
        vec![Step::run(
            "Is the plugin's file proper JSON (PowerShell)? The CloudWatch agent has long taken \
             its place; the SSM Agent works on without it.",
            "Get-Content -Raw \"$env:ProgramFiles\\Amazon\\SSM\\Plugins\\awsCloudWatch\\\
             AWS.EC2.Windows.CloudWatch.json\" | ConvertFrom-Json",
        )]
    } else if case.is_seen_by("windows-sysprep-running") {
        vec![Step::say(
            "Windows is still being prepared: let Sysprep and EC2Launch finish, and read their \
             own logs where they hang. The service starts the agent afterwards; no file of the \
             agent is at fault.",
        )]
    } else if case.is_seen_by("windows-service-not-started") {
        vec![Step::run(
            "Start the agent as its service, not by hand (PowerShell as Administrator):",
            "Get-Service AmazonSSMAgent; Restart-Service AmazonSSMAgent",
        )]
    } else if case.is_seen_by("setup-failed") {
        vec![Step::say(
            "The set-up tool failed before the agent ran: read its output before this line, and \
             install the agent by its package where the download is not possible.",
        )]
    } else if case.is_seen_by("similarity-threshold-invalid") {
        vec![Step::say(
            "Give -similarityThreshold a number from 1 to 100, or -1 to switch the check off. No \
             file of the agent is at fault.",
        )]
    } else {
        agent_file()
    };
    steps.push(case.diagnostics());
    steps
}

/// The signature of a logger whose own configuration is not valid.
pub(super) const LOGGER: &str = "logger-configuration-invalid";

fn logger() -> Vec<Step> {
    vec![
        Step::run(
            "The agent works; only its logger could not read seelog.xml. Is the file proper XML \
             (Linux; Windows: %PROGRAMFILES%\\Amazon\\SSM\\seelog.xml)?",
            "python3 -c 'import xml.dom.minidom as x; x.parse(\"/etc/amazon/ssm/seelog.xml\")'; \
             ls -l /etc/amazon/ssm/",
        ),
        Step::run(
            "Set it aside: without the file the agent logs with its defaults, and \
             seelog.xml.template shows them:",
            "sudo mv /etc/amazon/ssm/seelog.xml /etc/amazon/ssm/seelog.xml.aside",
        ),
    ]
}

fn agent_file() -> Vec<Step> {
    vec![
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
    ]
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
