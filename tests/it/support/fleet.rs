//! The small fleet of the demonstration as data: what is broken on which node,
//! what its log says, and what comes of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::account::Account;
use super::events::Delivery;
use super::instances::{Launch, TAG};
use super::logs;
use super::roles::{policy, trusting_ec2};

pub(crate) struct Member {
    pub name: &'static str,
    /// Its role, in an instance profile of the same name.
    pub role: &'static str,
    /// What is wrong with it, for a reader.
    pub fault: &'static str,
    /// With the names that the logs below `events/` were written with.
    log: &'static str,
    imds_off: bool,
    tag: Option<&'static str>,
    /// The cause that is to be found, if any.
    pub cause: Option<&'static str>,
    /// What becomes of it where repairs are on.
    pub outcome: &'static str,
}

const DARK: Member = Member {
    name: "db-1",
    role: "app",
    fault: "its metadata endpoint is off; the tag allows a repair",
    log: logs::IMDS_OFF,
    imds_off: true,
    tag: Some("allow"),
    cause: Some("imds-disabled"),
    outcome: "repaired",
};

const REFUSED: Member = Member {
    name: "web-1",
    role: "web",
    fault: "EC2 may not assume its role; the tag on the role allows a repair",
    log: include_str!("../../../events/role-not-assumable.log"),
    imds_off: false,
    tag: None,
    cause: Some("role-not-assumable"),
    outcome: "repaired",
};

pub(crate) const MEMBERS: [Member; 6] = [
    DARK,
    REFUSED,
    Member {
        name: "web-2",
        ..REFUSED
    },
    Member {
        name: "web-3",
        ..REFUSED
    },
    Member {
        name: "app-1",
        role: "app",
        fault: "nothing is wrong with it",
        log: logs::HEALTHY,
        imds_off: false,
        tag: None,
        cause: None,
        outcome: "",
    },
    Member {
        name: "batch-1",
        role: "batch",
        fault: "its metadata endpoint is off, and it has no tag",
        tag: None,
        outcome: "refused",
        ..DARK
    },
];

/// How many things there are to fix.
pub(crate) const FAULTS: usize = 3;

/// The fleet in an account.
pub(crate) struct Fleet<'a> {
    account: &'a Account,
    /// The ids of the instances, in the order of [`MEMBERS`].
    pub ids: Vec<String>,
}

impl<'a> Fleet<'a> {
    pub(crate) async fn build(account: &'a Account) -> Self {
        for (role, trust, tag) in [
            ("app", trusting_ec2(), None),
            ("web", without_ec2(&account.id), Some("allow")),
            ("batch", trusting_ec2(), None),
        ] {
            account.role_with_profile(role, &trust, tag).await;
        }
        let mut ids = Vec::new();
        for member in &MEMBERS {
            let launch = Launch {
                name: Some(member.name),
                profile: Some(member.role),
                imds_off: member.imds_off,
                tag: member.tag,
                ..Launch::default()
            };
            ids.push(account.launch(launch).await);
        }
        Self { account, ids }
    }

    /// Each member with the id of its instance.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'static Member, &str)> {
        MEMBERS.iter().zip(self.ids.iter().map(String::as_str))
    }

    /// What each member has logged ten minutes ago, with the names that the
    /// logs below `events/` were written with replaced by its own.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.members()
            .map(|(member, id)| {
                let text = member
                    .log
                    .replace("i-0123456789abcdef0", id)
                    .replace("123456789012", &self.account.id)
                    .replace("MySSMRole", member.role);
                Delivery::new(self.account, id, &text).aged(SignedDuration::from_mins(10))
            })
            .collect()
    }

    /// What the server holds now of all that a repair could change.
    pub(crate) async fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for (member, id) in self.members() {
            let imds = self.account.imds(id).await;
            let endpoint = imds
                .http_endpoint()
                .map_or("", |endpoint| endpoint.as_str());
            let thing = format!("{} ({id}) HttpEndpoint", member.name);
            state.insert(thing, endpoint.to_owned());
            let thing = format!("trust policy of role {}", member.role);
            let policy = self.account.trust_policy(member.role).await;
            state.insert(thing, format!("{policy:#}"));
        }
        state
    }
}

/// What is left of the role web after somebody tidied it up: EC2 is gone.
pub(crate) fn without_ec2(account: &str) -> Value {
    policy(json!([
        {
            "Sid": "Deployers",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "web"}},
        },
        {
            "Sid": "Deployments",
            "Effect": "Allow",
            "Principal": {"Service": "codedeploy.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    ]))
}

/// The tag with which an owner allows repairs.
pub(crate) fn opt_in() -> String {
    format!("{TAG} = allow")
}
