//! The card of each planted fault, as whoever gives its id reads it.

use std::collections::BTreeMap;

use hyper::StatusCode;
use regex::{Captures, Regex};
use serde_json::{Value, json};

use crate::by_id::{HYBRID, aged, diagnose};
use crate::support::account::Account;
use crate::support::planted::{MEMBERS, PlantedFleet};
use crate::support::proxy::{Call, Effect, ec2_denied, iam_denied, json_answer};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

/// What differs from run to run gets a name: ids those of the fleet, or a number in the
/// order in which they come.
struct Names {
    known: BTreeMap<String, String>,
    others: BTreeMap<String, usize>,
}

impl Names {
    fn of(&mut self, kind: &str, id: &str) -> String {
        if let Some(name) = self.known.get(id) {
            return format!("{kind}<{name}>");
        }
        let number = match self.others.get(id) {
            Some(number) => *number,
            None => {
                1 + self
                    .others
                    .keys()
                    .filter(|other| other.starts_with(kind))
                    .count()
            }
        };
        self.others.insert(id.to_owned(), number);
        format!("{kind}<{number}>")
    }

    fn given(&mut self, text: &str) -> String {
        let ids = pattern(r"\b(acl|dopt|eni|i|igw|nat|rtb|sg|subnet|vpc|vpce)-[0-9a-f]{8,17}\b");
        let text = ids.replace_all(text, |found: &Captures<'_>| self.of(&found[1], &found[0]));
        let addresses = pattern(r"\b10\.\d+\.\d+\.\d+\b(?P<end>[^/0-9]|$)");
        let text = addresses.replace_all(&text, "10.x.x.x$end");
        let times = pattern(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC");
        let text = times.replace_all(&text, "TIME");
        pattern(r"\b\d+ (min|h)\b")
            .replace_all(&text, "N $1")
            .into_owned()
    }
}

/// A line for each that was wrapped: how long ids and addresses are decides where.
fn unwrapped(card: &str) -> String {
    pattern(r"\n {18}").replace_all(card, " ").into_owned()
}

#[tokio::test]
async fn each_planted_fault_has_a_card_that_names_it() {
    let account = Account::fresh().await;
    let fleet = PlantedFleet::build(&account, 1).await;
    let ids: Vec<&str> = fleet.instances.iter().map(|(id, _)| id.as_str()).collect();
    let pinged = jiff::Timestamp::now().as_second() - 80 * 60;
    let proxy = &account.proxy;
    let answering = |ping: &str| {
        let one = |id: &&str| {
            json!({"InstanceId": id, "PingStatus": ping, "LastPingDateTime": pinged,
                "AgentVersion": "3.3.4793.0", "PlatformType": "Linux"})
        };
        let all: Vec<Value> = ids.iter().map(one).collect();
        let all = json_answer(json!({"InstanceInformationList": all}));
        proxy.clear_rules();
        proxy.on("DescribeInstanceInformation", all);
        let off = json!({"ServiceSetting": {"SettingValue": "$None"}});
        proxy.on("GetServiceSetting", json_answer(off));
        proxy.on("SimulatePrincipalPolicy", iam_denied());
        proxy.on("DescribeInstances", Effect::Edit(aged));
    };

    answering("ConnectionLost");
    let output = diagnose(&account, &ids).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let text = unwrapped(&text.replace(&account.id, "123456789012"));
    let member = |(id, index): &(String, usize)| (id.clone(), MEMBERS[*index].name.to_owned());
    let built = fleet.names.iter();
    let mut names = Names {
        known: (fleet.instances.iter().map(member))
            .chain(built.map(|(name, id)| (id.clone(), (*name).to_owned())))
            .collect(),
        others: BTreeMap::new(),
    };
    let card_of = |id: &str| text.split("\n\n").find(|card| card.starts_with(id));
    let cards: Vec<&str> = ids
        .iter()
        .map(|id| card_of(id).expect("its card"))
        .collect();
    insta::assert_snapshot!(names.given(&cards.join("\n\n")));

    // Each by itself takes few calls, even where sessions have a key, a bucket and a log group.
    let preferences = json!({"inputs": {"kmsKeyId": "alias/sessions", "s3BucketName": "sessions",
        "s3EncryptionEnabled": true, "cloudWatchLogGroupName": "/ssm/sessions",
        "cloudWatchEncryptionEnabled": true}});
    let preferences = json!({"Content": preferences.to_string()});
    for (ping, reports) in [("ConnectionLost", false), ("Online", true)] {
        answering(ping);
        proxy.on("GetDocument", json_answer(preferences.clone()));
        for id in &ids {
            proxy.forget();
            diagnose(&account, &[id]).await;
            let calls: Vec<String> = proxy.calls().iter().map(Call::name).collect();
            let sessions = calls.contains(&"ssm:GetDocument".to_owned());
            assert_eq!(sessions, reports, "{id}: {calls:?}");
            assert!(calls.len() <= 25, "{id}: {} {calls:?}", calls.len());
        }
    }
}

/// Whoever may read nothing sees that at each question.
#[tokio::test]
async fn a_card_of_which_every_call_is_denied_says_who_can_look() {
    let account = Account::fresh().await;
    let proxy = &account.proxy;
    proxy.on("DescribeInstances", ec2_denied());
    for call in ["GetCallerIdentity", "GetRole", "GetInstanceProfile"] {
        proxy.on(call, iam_denied());
    }
    for call in [
        "DescribeInstanceInformation",
        "DescribeActivations",
        "GetDocument",
        "GetServiceSetting",
    ] {
        let denied =
            json!({"__type": "AccessDeniedException", "message": "You are not authorized"});
        let denied = Effect::Answer(StatusCode::BAD_REQUEST, denied.to_string());
        proxy.on(call, denied);
    }
    let output = diagnose(&account, &["i-0123456789abcdef0", HYBRID]).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    insta::assert_snapshot!(unwrapped(&text));
}
