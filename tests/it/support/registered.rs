//! What Systems Manager knows of the nodes of an account, which the test server does
//! not: the answers of DescribeInstanceInformation, by filter and page.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::account::Account;
use super::proxy::{Call, Effect, iam_denied, json_answer};

/// Nodes with when they last pinged, in minutes ago; those above five are lost.
#[derive(Clone, Default)]
pub(crate) struct Registered(Arc<Mutex<Vec<(String, i64)>>>);

impl Registered {
    /// In place of the test server's answers from now on. Default Host Management is off,
    /// and the simulator may not be asked.
    pub(crate) fn of(account: &Account) -> Self {
        let registered = Self::default();
        let nodes = registered.clone();
        let proxy = &account.proxy;
        proxy.on(
            "DescribeInstanceInformation",
            Effect::Reply(Box::new(move |call| nodes.page(call).to_string())),
        );
        let off = json!({"ServiceSetting": {"SettingValue": "$None"}});
        proxy.on("GetServiceSetting", json_answer(off));
        proxy.on("SimulatePrincipalPolicy", iam_denied());
        registered
    }

    /// The node pinged so many minutes ago.
    pub(crate) fn pinged(&self, id: &str, minutes_ago: i64) {
        let mut nodes = self.0.lock().expect("no holder panics");
        nodes.retain(|(known, _)| known != id);
        nodes.push((id.to_owned(), minutes_ago));
    }

    /// All of these pinged so many minutes ago, and no others.
    pub(crate) fn all(&self, nodes: impl Iterator<Item = (String, i64)>) {
        *self.0.lock().expect("no holder panics") = nodes.collect();
    }

    fn page(&self, call: &Call) -> Value {
        let request: Value = serde_json::from_str(&call.fields[""]).expect("JSON");
        let nodes = self.0.lock().expect("no holder panics").clone();
        let now = Timestamp::now().as_duration().as_secs_f64();
        let status = |minutes: i64| match minutes {
            ..=5 => "Online",
            _ => "ConnectionLost",
        };
        let is_asked = |(id, minutes): &&(String, i64)| {
            let mut filters = request["Filters"].as_array().into_iter().flatten();
            filters.all(|filter| {
                let value = match filter["Key"].as_str() {
                    Some("InstanceIds") => id.as_str(),
                    Some("PingStatus") => status(*minutes),
                    // Tags of instances are not those of nodes.
                    Some(tag) if tag.starts_with("tag:") => return false,
                    other => panic!("no filter of this service: {other:?}"),
                };
                let values = filter["Values"].as_array().expect("a list");
                values.iter().any(|one| one == value)
            })
        };
        let found: Vec<&(String, i64)> = nodes.iter().filter(is_asked).collect();
        let size = request["MaxResults"].as_u64().unwrap_or(10);
        let size = usize::try_from(size).expect("a page").min(50);
        let from = request["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().expect("a token that was given"));
        let node = |(id, minutes): &&(String, i64)| {
            json!({"InstanceId": id, "PingStatus": status(*minutes),
                "LastPingDateTime": now - 60.0 * *minutes as f64, "AgentVersion": "3.3.987.0"})
        };
        let page: Vec<Value> = found.iter().skip(from).take(size).map(node).collect();
        let mut answer = json!({"InstanceInformationList": page});
        if from + size < found.len() {
            answer["NextToken"] = json!((from + size).to_string());
        }
        answer
    }
}

/// Started long ago, in place of just now.
pub(crate) fn started_long_ago() -> Effect {
    Effect::Edit(|answer| {
        let mut parts = answer.split("<launchTime>");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (_, rest) = part.split_once("</launchTime>").expect("it is closed");
            text += "<launchTime>2020-01-02T03:04:05.000Z</launchTime>";
            text += rest;
        }
        text
    })
}
