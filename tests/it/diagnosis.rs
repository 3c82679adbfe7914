//! What live state proves: a fleet with planted faults, and answers that the
//! test server does not give, played back.

use std::collections::{BTreeMap, BTreeSet};

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::answer::{check, checks, incident_of, incidents, nodes};
use crate::support::events::{Delivery, records};
use crate::support::planted::{Find, MEMBERS, PlantedFleet};
use crate::support::proxy::{Effect, ec2_denied, ec2_error, json_answer};
use crate::support::runtime::Function;
use crate::support::scene::Scene;

const ANY_SEVERITY: (&str, &str) = ("TRIAGE_MIN_SEVERITY", "info");

/// The notes of the checks that failed.
fn failed_notes(incident: &Value) -> Vec<&str> {
    checks(incident)
        .iter()
        .filter(|check| check["status"] == "failed")
        .filter_map(|check| check["note"].as_str())
        .collect()
}

#[tokio::test]
async fn each_planted_fault_is_confirmed_by_its_resource_and_nothing_else_is() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    account.proxy.stand_in_for_ssm_and_simulator();
    let mut function = Function::start(&account, &[ANY_SEVERITY]).await;
    let report = function.handle(&fleet.deliveries(&account)).await;

    let blamable: BTreeSet<&str> = MEMBERS
        .iter()
        .flat_map(|member| match member.find {
            Find::Proved(_, resources) => resources,
            Find::Nothing => &[],
        })
        .filter(|name| **name != "itself")
        .map(|name| fleet.resource("", name))
        .collect();
    for (id, index) in &fleet.instances {
        let member = &MEMBERS[*index];
        let proved: Vec<&Value> = incidents(&report)
            .iter()
            .filter(|incident| incident["confidence"] == "confirmed")
            .filter(|incident| nodes(incident).contains(&id.as_str()))
            .collect();
        let (cause, resources) = match member.find {
            Find::Proved(cause, resources) => (cause, resources),
            Find::Nothing => {
                assert_eq!(proved, [&Value::Null; 0], "{}", member.name);
                continue;
            }
        };
        let [incident] = proved.as_slice() else {
            let of_node: Vec<&Value> = incidents(&report)
                .iter()
                .filter(|incident| nodes(incident).contains(&id.as_str()))
                .collect();
            panic!("{}: {of_node:#?}", member.name);
        };
        assert_eq!(incident["cause"], cause, "{}", member.name);
        let notes = failed_notes(incident).join("\n");
        let blamed: BTreeSet<&str> = blamable
            .iter()
            .copied()
            .filter(|resource| notes.contains(resource))
            .collect();
        let expected: BTreeSet<&str> = resources
            .iter()
            .filter(|name| **name != "itself")
            .map(|name| fleet.resource(id, name))
            .collect();
        assert_eq!(blamed, expected, "{}: {notes}", member.name);
        if resources == ["itself"] {
            assert_eq!(incident["scope"]["id"], id.as_str(), "{}", member.name);
        }
    }
}

#[tokio::test]
async fn as_one_kinesis_event_the_fleet_gets_a_proved_message_for_each_planted_fault() {
    let account = Account::fresh().await;
    let mailbox = account.mailbox().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    account.proxy.stand_in_for_ssm_and_simulator();
    let topic = ("TRIAGE_TOPIC_ARN", mailbox.topic.as_str());
    let mut function = Function::start(&account, &[topic, ANY_SEVERITY]).await;
    let event = records(&account, &fleet.deliveries(&account));
    let handled = function.handle(&event).await;
    assert_eq!(handled, json!({"batchItemFailures": []}));

    let mails = mailbox.take().await;
    let proved: Vec<_> = mails
        .iter()
        .filter(|mail| mail.text.contains(", confirmed (live check, "))
        .collect();
    for (id, index) in &fleet.instances {
        let member = &MEMBERS[*index];
        let causes: Vec<&str> = proved
            .iter()
            .filter(|mail| mail.text.contains(id.as_str()))
            .flat_map(|mail| mail.attributes.iter())
            .filter(|(name, _)| name == "cause")
            .map(|(_, cause)| cause.as_str())
            .collect();
        match member.find {
            Find::Proved(cause, _) => assert_eq!(causes, [cause], "{}", member.name),
            Find::Nothing => assert_eq!(causes, [""; 0], "{}", member.name),
        }
    }
}

/// How often each action was called.
fn counted(account: &Account) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in account.proxy.calls() {
        *counts.entry(call.name()).or_insert(0) += 1;
    }
    counts
}

#[tokio::test]
async fn calls_grow_with_what_is_shared_and_not_with_instances() {
    let mut counts = Vec::new();
    for copies in [1, 2] {
        let account = Account::fresh().await;
        let fleet = PlantedFleet::build(&account, copies).await;
        account.proxy.stand_in_for_ssm_and_simulator();
        let mut function = Function::start(&account, &[ANY_SEVERITY]).await;
        let handled = function
            .handle(&records(&account, &fleet.deliveries(&account)))
            .await;
        assert_eq!(handled, json!({"batchItemFailures": []}));
        let mut count = counted(&account);
        // Systems Manager takes fifty nodes a call.
        let lists = count.remove("ssm:DescribeInstanceInformation");
        assert_eq!(lists, Some(fleet.instances.len().div_ceil(50)));
        assert_eq!(count["ec2:DescribeInstances"], 1);
        counts.push(count);
    }
    // An action that is checked on each instance is asked of all when several share a role.
    for (action, count) in &counts[1] {
        let once = counts[0].get(action).copied().unwrap_or_default();
        assert!(
            *count <= once,
            "{action}: {count} calls for twice the fleet, {once} for one"
        );
    }
}

/// The time of a delivery's last line, moved by `seconds`, as JSON has it.
fn ping(delivery: &Delivery, seconds: i64) -> f64 {
    (delivery.last.as_second() + seconds) as f64
}

fn registered(id: &str, last_ping: f64) -> Value {
    json!({"InstanceId": id, "PingStatus": "Online", "LastPingDateTime": last_ping,
        "AgentVersion": "3.3.987.0", "PlatformType": "Linux"})
}

#[tokio::test]
async fn an_agent_that_has_reported_since_is_well() {
    let scene = Scene::new().await;
    let (one, other) = (scene.healthy_instance().await, scene.dark_instance().await);
    let late = [scene.role_refused(&one), scene.imds_off(&other)];
    // Two pages, as the service cuts them. The one agent has needed new credentials since.
    let proxy = &scene.proxy;
    let action = "DescribeInstanceInformation";
    let first = json!({"InstanceInformationList": [registered(&one, ping(&late[0], 7 * 3600))],
        "NextToken": "more"});
    let second = json!({"InstanceInformationList": [registered(&other, ping(&late[1], 60))]});
    proxy.rule(action, 0, 1, json_answer(first));
    proxy.on(action, json_answer(second));
    let report = scene.handle(&[], &late).await;
    assert_eq!(proxy.calls_of(action).len(), 2);
    let well = incident_of(&report, &one);
    assert_eq!(check(well, "ssm-registration"), Some("ok"));
    assert_ne!(well["confidence"], "confirmed", "{well:#}");
    let detail = well["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("it works again"), "{detail}");
    let recovered = json!([{"node": one, "cause": well["cause"],
        "signature": "ssm-registration", "at": report["recovered"][0]["at"]}]);
    assert_eq!(report["recovered"], recovered);
    // A metadata service that is off now is off, whatever credentials last.
    let dark = incident_of(&report, &other);
    assert_eq!(dark["confidence"], "confirmed");
    let detail = dark["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("still reports"), "{detail}");
}

const DENIED: &str = "2024-11-04 10:05:29.6439 WARN EC2RoleProvider Failed to connect to Systems Manager with instance profile role credentials. Err: retrieved credentials failed to report to ssm. Error: AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/Sound/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0\n";

/// What the simulator answers about `ssm:UpdateInstanceInformation` on the resource `on`, all
/// else being allowed. The last page has that alone.
fn simulated(on: &str, decision: &str, more: &str, last_page: bool) -> Effect {
    // What is of the organisation stands beside the results for each resource.
    let (of_action, of_resource) = match more.starts_with("<Organizations") {
        true => (more, ""),
        false => ("", more),
    };
    let ping = format!(
        "<member><EvalActionName>ssm:UpdateInstanceInformation</EvalActionName>\
         <EvalResourceName>*</EvalResourceName><EvalDecision>implicitDeny</EvalDecision>\
         {of_action}<ResourceSpecificResults><member><EvalResourceName>{on}</EvalResourceName>\
         <EvalResourceDecision>{decision}</EvalResourceDecision>{of_resource}</member>\
         </ResourceSpecificResults></member>"
    );
    let rest = "<IsTruncated>false</IsTruncated>";
    let next = "<IsTruncated>true</IsTruncated><Marker>more</Marker>";
    let (member, page) = if last_page {
        (ping.as_str(), rest)
    } else {
        ("", next)
    };
    let allowed: String = [
        "ssm:ListAssociations",
        "ssm:ListInstanceAssociations",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ]
    .iter()
    .filter(|_| !last_page)
    .map(|action| {
        format!(
            "<member><EvalActionName>{action}</EvalActionName>\
             <EvalDecision>allowed</EvalDecision></member>"
        )
    })
    .collect();
    Effect::Answer(
        StatusCode::OK,
        format!(
            "<SimulatePrincipalPolicyResponse \
             xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><SimulatePrincipalPolicyResult>\
             {page}<EvaluationResults>{allowed}{member}</EvaluationResults>\
             </SimulatePrincipalPolicyResult><ResponseMetadata><RequestId>r</RequestId>\
             </ResponseMetadata></SimulatePrincipalPolicyResponse>"
        ),
    )
}

#[tokio::test]
async fn the_simulators_answer_decides_over_all_its_pages() {
    const STATEMENT: &str = "<MatchedStatements><member><SourcePolicyId>NoSsm</SourcePolicyId>\
                             </member></MatchedStatements>";
    const LACKS: &str = "<MissingContextValues><member>aws:PrincipalTag/x</member>\
                         </MissingContextValues>";
    const SCP: &str = "<OrganizationsDecisionDetail><AllowedByOrganizations>false\
                       </AllowedByOrganizations></OrganizationsDecisionDetail>";
    const MAY_DENY: &str = "a policy of the organisation may deny it";
    // The last: how often the policies themselves are listed.
    for (decision, more, status, says, listed) in [
        (
            "implicitDeny",
            "",
            "failed",
            "No policy of the role Sound allows",
            0,
        ),
        (
            "explicitDeny",
            STATEMENT,
            "failed",
            "The policy NoSsm denies",
            0,
        ),
        ("implicitDeny", SCP, "unknown", MAY_DENY, 1),
        ("explicitDeny", SCP, "unknown", MAY_DENY, 1),
        ("implicitDeny", LACKS, "ok", "allow ssm:Update", 1),
        ("allowed", LACKS, "ok", "allow ssm:Update", 1),
        ("allowed", "", "ok", "allow ssm:Update", 0),
    ] {
        let scene = Scene::new().await;
        let id = scene.healthy_instance().await;
        let all = json!([{"Effect": "Allow", "Action": "*", "Resource": "*"}]);
        scene.put_role_policy("Sound", all).await;
        let proxy = &scene.proxy;
        let action = "SimulatePrincipalPolicy";
        let on = format!("arn:aws:ec2:us-east-1:{}:instance/{id}", scene.id);
        proxy.rule(action, 0, 1, simulated(&on, decision, more, false));
        proxy.on(action, simulated(&on, decision, more, true));
        proxy.on(
            "DescribeInstanceInformation",
            json_answer(json!({"InstanceInformationList": []})),
        );
        let mut function = scene.function(&[ANY_SEVERITY]).await;
        let log = scene.log(&id, DENIED);
        let report = function.handle(&log).await;
        let incident = incident_of(&report, &id);
        assert_eq!(check(incident, "permissions"), Some(status), "{incident:#}");
        assert!(incident.to_string().contains(says), "{incident:#}");
        let proved = incident["confidence"] == "confirmed";
        assert_eq!(proved, status == "failed", "{incident:#}");
        let asked = proxy.calls_of(action);
        // Two pages of one answer.
        assert_eq!(asked.len(), 2);
        assert_eq!(proxy.calls_of("ListRolePolicies").len(), listed);
    }
}

#[tokio::test]
async fn the_simulator_is_asked_once_without_the_organisation_on_each_actions_own_resource() {
    const ON_CHANNEL: &str = "2024-11-04 10:22:31 ERROR [MessageGatewayService] Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request failed: unexpected response from the service <AccessDeniedException>\n  <Message>User: arn:aws:sts::ACCOUNT:assumed-role/Sound/i-0123456789abcdef0 is not authorized to perform: ssmmessages:CreateControlChannel on resource: arn:aws:ssmmessages:us-east-1:ACCOUNT:control-channel/x</Message>\n</AccessDeniedException>\n";
    let scene = Scene::new().await;
    let id = scene.healthy_instance().await;
    let proxy = &scene.proxy;
    proxy.on(
        "SimulatePrincipalPolicy",
        simulated("*", "allowed", "", true),
    );
    let nobody = json_answer(json!({"InstanceInformationList": []}));
    proxy.on("DescribeInstanceInformation", nobody);
    let mut function = scene.function(&[ANY_SEVERITY]).await;
    let log = ON_CHANNEL.replace("ACCOUNT", &scene.id);
    let log = scene.log(&id, &log);
    function.handle(&log).await;
    let [call] = &proxy.calls_of("SimulatePrincipalPolicy")[..] else {
        panic!("one call for the role");
    };
    let named = |list: &str| {
        let fields = call
            .fields
            .iter()
            .filter(|(name, _)| name.starts_with(list));
        let values: BTreeSet<String> = fields.map(|(_, value)| value.clone()).collect();
        values.into_iter().collect::<Vec<String>>().join(" ")
    };
    assert_eq!(
        call.fields["PolicyExclusionList.member.1.PolicyType"],
        "scp"
    );
    assert_eq!(named("PolicyExclusionList"), "scp");
    assert_eq!(
        named("ActionNames."),
        "ssm:ListAssociations ssm:ListInstanceAssociations ssm:UpdateInstanceInformation \
         ssmmessages:CreateControlChannel ssmmessages:CreateDataChannel \
         ssmmessages:OpenControlChannel ssmmessages:OpenDataChannel"
    );
    let on = [
        format!("ec2:us-east-1:ACCOUNT:instance/{id}"),
        "ssm:us-east-1:ACCOUNT:*".to_owned(),
        "ssmmessages:us-east-1:ACCOUNT:*".to_owned(),
        "ssmmessages:us-east-1:ACCOUNT:control-channel/x".to_owned(),
    ];
    let on = on.map(|arn| format!("arn:aws:{arn}").replace("ACCOUNT", &scene.id));
    assert_eq!(named("ResourceArns."), on.join(" "));
}

const NO_DHMC: &str = "2024-11-04 10:04:05.4795 ERROR EC2RoleProvider Failed to connect to Systems Manager with SSM role credentials. error calling RequestManagedInstanceRoleToken: AccessDeniedException: Systems Manager's instance management role is not configured for account: 123456789012\n";

#[tokio::test]
async fn default_host_management_is_read_from_its_setting() {
    for (value, status, says) in [
        ("$None", "failed", "Default Host Management is off"),
        (
            "service-role/Gone",
            "failed",
            "the role Gone, which does not exist",
        ),
    ] {
        let scene = Scene::new().await;
        let id = scene.healthy_instance().await;
        scene.proxy.stand_in_for_ssm_and_simulator();
        let setting = json!({"ServiceSetting": {
            "SettingId": "/ssm/managed-instance/default-ec2-instance-management-role",
            "SettingValue": value, "Status": "Customized"}});
        scene.proxy.on("GetServiceSetting", json_answer(setting));
        let mut function = scene.function(&[ANY_SEVERITY]).await;
        let log = scene.log(&id, NO_DHMC);
        let report = function.handle(&log).await;
        let incident = incident_of(&report, &id);
        assert_eq!(check(incident, "dhmc"), Some(status), "{incident:#}");
        assert!(incident.to_string().contains(says), "{incident:#}");
        assert_eq!(scene.proxy.calls_of("GetServiceSetting").len(), 1);
    }
}

#[tokio::test]
async fn denied_and_throttled_looks_are_unknown_and_say_so() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    account.proxy.stand_in_for_ssm_and_simulator();
    let slow = ec2_error(503, "RequestLimitExceeded", "slow down");
    account.proxy.on("DescribeSecurityGroups", ec2_denied());
    account.proxy.on("DescribeRouteTables", slow);
    let log = fleet.deliveries_of(&account, &["nothing out"]);
    let mut function = Function::start(&account, &[ANY_SEVERITY]).await;
    let incident = &function.incident(&log).await;
    assert_ne!(incident["confidence"], "confirmed");
    assert_eq!(check(incident, "egress"), Some("unknown"));
    assert_eq!(check(incident, "route"), Some("unknown"));
    assert_eq!(check(incident, "network-acl"), Some("ok"));
    let text = incident.to_string();
    assert!(text.contains("DescribeSecurityGroups was denied (UnauthorizedOperation)"));
    assert!(text.contains("DescribeRouteTables was throttled (RequestLimitExceeded)"));
}

#[tokio::test]
async fn a_look_that_breaks_off_is_unknown_in_few_words() {
    let scene = Scene::new().await;
    let id = scene.dark_instance().await;
    // The test server breaks on this call, and answers with a page.
    let incident = &scene.incident(&[], &scene.imds_off(&id)).await;
    assert_eq!(incident["confidence"], "confirmed");
    assert_eq!(check(incident, "ssm-registration"), Some("unknown"));
    let text = incident.to_string();
    let why = "DescribeInstanceInformation failed (HTTP 500): the answer cannot be read.";
    assert!(text.contains(why), "{text}");
}
