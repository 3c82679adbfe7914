//! The service's own limits and failures.

use super::Step;
use super::case::Case;
use crate::command::{ArgKind, Command};
use crate::node::Partition;

pub(super) fn throttled(case: &Case) -> Vec<Step> {
    let api = case.throttled_api();
    vec![
        Step::say(format!(
            "Too many calls of {api} reach this account and Region at once. It mostly heals by \
             itself; do not restart agents, which calls again. Four things help for good:",
        )),
        Step::run(
            "Call less often. Every agent reports each five minutes; stop those nobody \
             manages, and raise Health.UpdateFrequencyMinutes (5 to 60) in amazon-ssm-agent.json \
             on the others (Linux; keep the rest of the file):",
            "ls -l /etc/amazon/ssm/amazon-ssm-agent.json* && \
             sudoedit /etc/amazon/ssm/amazon-ssm-agent.json && \
             sudo systemctl restart amazon-ssm-agent",
        ),
        Step::say(
            "Retry with growing, random pauses in whatever of yours calls the same API. The \
             agent does so by itself: three tries within seconds, then the next report.",
        ),
        Step::say(
            "Spread what starts together: fleets that boot at once, State Manager \
             associations on the same minute, scripts in a loop. A rate instead of a cron \
             expression, and max concurrency, spread them.",
        ),
        Step::run(
            "Ask for a higher limit. Find the quota (one that is not listed is raised by a \
             support case) …",
            case.aws("aws service-quotas list-service-quotas").text(
                "--service-code ssm --query 'Quotas[].[QuotaCode,QuotaName,Value,Adjustable]' \
                 --output text",
            ),
        ),
        Step::run(
            "… and request it:",
            case.aws("aws service-quotas request-service-quota-increase")
                .text("--service-code ssm --quota-code QUOTA_CODE --desired-value DESIRED_VALUE"),
        ),
    ]
}

pub(super) fn service_error(case: &Case) -> Vec<Step> {
    vec![
        Step::say(
            "AWS answers with an error of its own; the agent tries again by itself. Nothing on \
             the node is to be mended, unless something on the way answers in the place of AWS.",
        ),
        Step::run(
            "Is it known? (With Business or Enterprise support; else the Health Dashboard in \
             the console.)",
            Command::new("aws health describe-events")
                .text(match case.partition {
                    // The AWS Health API has one endpoint in each partition.
                    Partition::Aws => "--region us-east-1 --filter",
                    Partition::UsGov => "--region us-gov-west-1 --filter",
                    Partition::China => "--region cn-northwest-1 --filter",
                    // Where it has none that is documented, the CLI's own Region.
                    Partition::Iso
                    | Partition::IsoB
                    | Partition::IsoE
                    | Partition::IsoF
                    | Partition::Eusc
                    | Partition::Unknown => "--filter",
                })
                .value_within(
                    "eventStatusCodes=open,regions=",
                    ArgKind::Region,
                    case.region(),
                    "",
                ),
        ),
        Step::run(
            "Does the answer really come from AWS? A certificate of Amazon says so:",
            Command::new("curl -sSv -o /dev/null -m 10")
                .value_within("https://", ArgKind::Host, &case.host(), "/")
                .text("2>&1 | grep -i issuer"),
        ),
    ]
}
