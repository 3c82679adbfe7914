//! Environment → [`Config`], read once at start. [`settings::SETTINGS`] is the one table
//! of variables: parsing walks it, the docs and `template.yaml` are tested
//! against it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub mod settings;

use settings::{Refused, SETTINGS};

use crate::cause::Severity;
use crate::node::{AccountId, Partition, Region};
use crate::notify::format::Format;
use crate::repair::locks::{Function, Guardrails, RepairMode};
use crate::selection::Selection;

/// What the operator chose, and what Lambda says about the function itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where messages go; without it they are printed.
    pub topic: Option<TopicArn>,
    /// How a message to the topic is written.
    pub(crate) message_format: Format,
    /// Name or ARN of the event bus that gets an event for each change of an incident.
    pub event_bus: Option<String>,
    /// Whether each incident has an OpsItem.
    pub ops_items: bool,
    /// Incidents of a lower severity stay in the report.
    pub min_severity: Severity,
    pub repair: RepairMode,
    /// The names of the repairs that are allowed.
    pub repair_actions: BTreeSet<&'static str>,
    /// The value that the opt-in tag must have on the resource itself.
    pub repair_tag_value: String,
    /// Per hour: of all execution environments with a state table, else of each.
    pub max_repairs: u32,
    /// Older evidence never leads to a write.
    pub max_evidence_age: Duration,
    /// Names or ARNs of the Systems Manager change calendars that must all be open for
    /// a write.
    pub change_calendars: Vec<String>,
    /// Name or ARN of the DynamoDB table with the state; without it each execution
    /// environment keeps its own.
    pub state_table: Option<String>,
    /// When an open incident is notified again.
    pub reminder: Duration,
    /// Whom a sweep looks at, where its input does not say.
    pub sweep: Selection,
    /// Younger silence, and younger instances, are not evaluated by a sweep.
    pub sweep_grace: Duration,
    /// ARN, with `{account}` for the account, of the role through which other accounts and
    /// Regions are looked at and repaired.
    pub member_role: Option<String>,
    /// What its trust policy asks for; there with it, and only with it.
    pub member_external_id: Option<String>,
    /// Cap on the decoded size of one batch.
    pub max_decoded_bytes: u64,
    /// Signatures of the operator's own, read at the start.
    pub signatures: Option<PathBuf>,
    /// The function's own log group; a batch from there is turned away, or the
    /// function would feed itself. Absent outside Lambda.
    pub own_log_group: Option<String>,
    /// The function's own name. Absent outside Lambda.
    pub function: Option<String>,
    /// The function's own Region; a repair leaves it through the member role alone.
    pub region: Region,
}

/// The ARN of an SNS topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicArn {
    pub arn: String,
    /// Publishing goes to the topic's Region, which may differ from the function's.
    pub region: Region,
    pub account: AccountId,
    /// A FIFO topic wants a group and a deduplication id.
    pub fifo: bool,
}

impl TopicArn {
    /// `None` unless `text` is `arn:PARTITION:sns:REGION:ACCOUNT:NAME` with a
    /// partition that owns the Region.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.splitn(6, ':');
        let mut next = || fields.next();
        let (scheme, partition, service) = (next()?, next()?, next()?);
        let region = Region::parse(next()?)?;
        let account = AccountId::parse(next()?)?;
        let name = next()?;
        let (stem, fifo) = match name.strip_suffix(".fifo") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let named = !stem.is_empty()
            && name.len() <= 256
            && stem
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let fits = match region.partition().arn() {
            Some(own) => partition == own,
            None => partition.starts_with("aws"),
        };
        let known = scheme == "arn" && service == "sns" && fits;
        (named && known).then(|| Self {
            arn: text.to_owned(),
            region,
            account,
            fifo,
        })
    }
}

/// Why the start stops.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    #[error("{name} is {value:?}; allowed: {allowed}")]
    Refused {
        name: &'static str,
        value: String,
        allowed: String,
    },
    #[error("{name} is no setting of this program; the nearest are {}", nearest.join(" and "))]
    Unknown {
        name: String,
        nearest: Vec<&'static str>,
    },
    #[error("{set} is set without {missing}: other accounts are looked at with both or not at all")]
    Incomplete {
        set: &'static str,
        missing: &'static str,
    },
    #[error(
        "AWS_REGION is {0}; expected the name of a Region, such as eu-central-1, as Lambda sets it"
    )]
    Region(String),
}

impl Config {
    /// Reads the process's environment. Bytes that are no UTF-8 count as wrong
    /// characters of their value.
    ///
    /// # Errors
    /// As [`Config::from_vars`].
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_vars(std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        }))
    }

    /// Reads the given variables; others than `TRIAGE_…`, `AWS_REGION`,
    /// `AWS_LAMBDA_FUNCTION_NAME` and `AWS_LAMBDA_LOG_GROUP_NAME` are ignored. A variable that is set but
    /// blank counts as unset, as a template's empty parameter arrives.
    ///
    /// # Errors
    /// The first fault in this order: a `TRIAGE_…` name that is no setting, a
    /// Region that is missing or none, a value that its setting does not take, one of two
    /// settings that go together.
    pub fn from_vars(
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let vars: BTreeMap<String, String> = vars.into_iter().collect();
        let set = |name: &str| {
            vars.get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let unknown = vars.keys().find(|name| {
            name.starts_with("TRIAGE_") && !SETTINGS.iter().any(|row| row.name == name.as_str())
        });
        if let Some(name) = unknown {
            return Err(ConfigError::Unknown {
                name: name.clone(),
                nearest: settings::nearest(name),
            });
        }
        let region = match set("AWS_REGION") {
            None => return Err(ConfigError::Region("not set".to_owned())),
            Some(text) => {
                Region::parse(text).ok_or_else(|| ConfigError::Region(format!("{text:?}")))?
            }
        };
        let mut config = Self::unset(region);
        config.own_log_group = set("AWS_LAMBDA_LOG_GROUP_NAME").map(str::to_owned);
        config.function = set("AWS_LAMBDA_FUNCTION_NAME").map(str::to_owned);
        for row in SETTINGS {
            let Some(value) = set(row.name).or(row.default) else {
                continue;
            };
            (row.read)(&mut config, value).map_err(|Refused| ConfigError::Refused {
                name: row.name,
                value: value.to_owned(),
                allowed: row.allowed(),
            })?;
        }
        let (role, id) = ("TRIAGE_MEMBER_ROLE", "TRIAGE_MEMBER_EXTERNAL_ID");
        match (&config.member_role, &config.member_external_id) {
            (Some(_), None) => Err(ConfigError::Incomplete {
                set: role,
                missing: id,
            }),
            (None, Some(_)) => Err(ConfigError::Incomplete {
                set: id,
                missing: role,
            }),
            (Some(_), Some(_)) | (None, None) => Ok(config),
        }
    }

    pub fn partition(&self) -> Partition {
        self.region.partition()
    }

    /// What a repair has to heed. `account` is the function's own, as its ARN
    /// tells it.
    pub(crate) fn guardrails(&self, account: Option<AccountId>) -> Guardrails {
        Guardrails {
            mode: self.repair,
            calendars: self.change_calendars.clone(),
            requested: false,
            actions: self.repair_actions.clone(),
            tag_value: self.repair_tag_value.clone(),
            max_repairs: self.max_repairs,
            max_evidence_age: self.max_evidence_age,
            region: self.region.clone(),
            function: self.function.clone().map(|name| Function {
                name,
                account: account.clone(),
                region: self.region.clone(),
            }),
            account,
        }
    }

    /// The ground on which the table's defaults are written: every field that
    /// has a default there is the most cautious value here.
    fn unset(region: Region) -> Self {
        Self {
            topic: None,
            message_format: Format::Mail,
            event_bus: None,
            ops_items: false,
            min_severity: Severity::Info,
            repair: RepairMode::Advise,
            repair_actions: BTreeSet::new(),
            repair_tag_value: String::new(),
            max_repairs: 0,
            max_evidence_age: Duration::ZERO,
            change_calendars: Vec::new(),
            state_table: None,
            reminder: Duration::ZERO,
            sweep: Selection::Lost,
            sweep_grace: Duration::ZERO,
            member_role: None,
            member_external_id: None,
            max_decoded_bytes: 0,
            signatures: None,
            own_log_group: None,
            function: None,
            region,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let region = ("AWS_REGION", "eu-central-1");
        let vars = [region].into_iter().chain(vars.iter().copied());
        Config::from_vars(vars.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    fn refusal(vars: &[(&str, &str)]) -> String {
        match read(vars) {
            Ok(config) => panic!("{vars:?} was taken as {config:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_member_role_is_one_of_each_account_and_comes_with_its_external_id() {
        let (role, id) = ("TRIAGE_MEMBER_ROLE", "TRIAGE_MEMBER_EXTERNAL_ID");
        let taken = "arn:aws:iam::{account}:role/triage/SsmAgentTriageMember";
        let config = read(&[(role, taken), (id, "o-0123456789")]).expect("both are valid");
        assert_eq!(config.member_role.as_deref(), Some(taken));
        for wrong in [
            "arn:aws:iam::123456789012:role/Member",
            "arn:aws-cn:iam::{account}:role/Member",
            "arn:aws:iam::{account}:user/Member",
            "arn:aws:iam::{account}:role/",
            "arn:aws:iam::{account}:role/a*",
            "arn:aws:iam:eu-central-1:{account}:role/Member",
        ] {
            let refused = refusal(&[(role, wrong), (id, "o-0123456789")]);
            assert!(refused.contains(role), "{refused}");
        }
        assert_eq!(
            refusal(&[(role, taken)]),
            "TRIAGE_MEMBER_ROLE is set without TRIAGE_MEMBER_EXTERNAL_ID: other accounts are looked at with both or not at all"
        );
        assert!(refusal(&[(id, "o-0123456789")]).contains("without TRIAGE_MEMBER_ROLE"));
        assert!(refusal(&[(role, taken), (id, "a b")]).contains(id));
    }

    #[test]
    fn unset_variables_take_the_tables_defaults() {
        let config = read(&[]).expect("the defaults are valid");
        let expected = Config {
            topic: None,
            message_format: Format::Mail,
            event_bus: None,
            ops_items: false,
            min_severity: Severity::Medium,
            repair: RepairMode::Advise,
            repair_actions: BTreeSet::new(),
            repair_tag_value: "allow".to_owned(),
            max_repairs: 5,
            max_evidence_age: Duration::from_secs(86_400),
            change_calendars: Vec::new(),
            state_table: None,
            reminder: Duration::from_secs(86_400),
            sweep: Selection::Lost,
            sweep_grace: Duration::from_secs(900),
            member_role: None,
            member_external_id: None,
            max_decoded_bytes: 64 << 20,
            signatures: None,
            own_log_group: None,
            function: None,
            region: Region::parse("eu-central-1").expect("a Region"),
        };
        assert_eq!(config, expected);
        assert_eq!(config.partition(), Partition::Aws);
    }

    #[test]
    fn blank_variables_count_as_unset() {
        let blank: Vec<(&str, &str)> = SETTINGS.iter().map(|row| (row.name, " ")).collect();
        assert_eq!(read(&blank), read(&[]));
    }

    #[test]
    fn every_setting_reaches_its_field() {
        let config = read(&[
            (
                "TRIAGE_TOPIC_ARN",
                "arn:aws:sns:us-east-1:123456789012:alerts.fifo",
            ),
            ("TRIAGE_MESSAGE_FORMAT", "chat"),
            ("TRIAGE_EVENT_BUS", "fleet/events"),
            ("TRIAGE_OPSITEMS", "on"),
            ("TRIAGE_MIN_SEVERITY", "low"),
            ("TRIAGE_REPAIR", "repair"),
            ("TRIAGE_REPAIR_ACTIONS", "trust-ec2, enable-imds-endpoint"),
            ("TRIAGE_REPAIR_TAG_VALUE", "team:ops"),
            ("TRIAGE_MAX_REPAIRS", "0"),
            ("TRIAGE_MAX_EVIDENCE_AGE", "15m"),
            (
                "TRIAGE_CHANGE_CALENDARS",
                "freeze, arn:aws:ssm:us-east-1:111122223333:document/night",
            ),
            ("TRIAGE_STATE_TABLE", "triage.state_1-a"),
            ("TRIAGE_REMINDER", "7d"),
            ("TRIAGE_SWEEP", "tag:team=web"),
            ("TRIAGE_SWEEP_GRACE", "30m"),
            ("TRIAGE_MAX_DECODED_BYTES", "512KiB"),
            ("TRIAGE_SIGNATURES", "/opt/own.toml"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/triage"),
            ("HOME", "ignored"),
        ])
        .expect("all are valid");
        let topic = config.topic.expect("was set");
        assert!(topic.fifo);
        assert_eq!(topic.region.as_str(), "us-east-1");
        assert_eq!(config.min_severity, Severity::Low);
        assert_eq!(config.repair, RepairMode::Repair);
        let both = ["enable-imds-endpoint", "trust-ec2"];
        assert!(config.repair_actions.into_iter().eq(both));
        assert_eq!(config.repair_tag_value, "team:ops");
        assert_eq!(config.max_repairs, 0);
        assert_eq!(config.message_format, Format::Chat);
        assert_eq!(config.event_bus.as_deref(), Some("fleet/events"));
        assert!(config.ops_items);
        assert_eq!(config.max_evidence_age, Duration::from_secs(900));
        let night = "arn:aws:ssm:us-east-1:111122223333:document/night";
        assert_eq!(config.change_calendars, ["freeze", night]);
        assert_eq!(config.state_table.as_deref(), Some("triage.state_1-a"));
        assert_eq!(config.reminder, Duration::from_secs(7 * 86_400));
        assert_eq!(config.sweep.to_string(), "tag:team=web");
        assert_eq!(config.sweep_grace, Duration::from_secs(1_800));
        assert_eq!(config.max_decoded_bytes, 512 << 10);
        assert_eq!(config.signatures, Some(PathBuf::from("/opt/own.toml")));
        assert_eq!(config.own_log_group.as_deref(), Some("/aws/lambda/triage"));
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_allowed() {
        let long = "a".repeat(257);
        for (name, values) in [
            (
                "TRIAGE_TOPIC_ARN",
                &[
                    "alerts",
                    "arn:aws:sns:eu-central-1:123456789012:",
                    "arn:aws:sns:eu-central-1:123456789012:.fifo",
                    "arn:aws:sns:eu-central-1:12345678901:alerts",
                    "arn:aws:sns::123456789012:alerts",
                    "arn:aws:sqs:eu-central-1:123456789012:alerts",
                    "arn:aws:sns:cn-north-1:123456789012:alerts",
                    "arn:aws:sns:eu-central-1:123456789012:alerts:0aa1",
                ][..],
            ),
            ("TRIAGE_MESSAGE_FORMAT", &["Text", "html"]),
            (
                "TRIAGE_EVENT_BUS",
                &[
                    "a bus",
                    "bus*",
                    &long,
                    "arn:aws:events:eu-central-1:123456789012:event-bus/",
                    "arn:aws:events:eu-central-1:123456789012:rule/fleet",
                    "arn:aws:events:cn-north-1:123456789012:event-bus/fleet",
                    "arn:aws:events:eu-central-1:1:event-bus/fleet",
                ],
            ),
            ("TRIAGE_OPSITEMS", &["true", "On"]),
            ("TRIAGE_MIN_SEVERITY", &["Medium", "warn", "3"]),
            ("TRIAGE_REPAIR", &["on", "dry_run", "Repair"]),
            (
                "TRIAGE_REPAIR_ACTIONS",
                &["all", "*", "trust-ec2,", "trust-ec2;enable-imds-endpoint"],
            ),
            (
                "TRIAGE_REPAIR_TAG_VALUE",
                &["${aws:username}", "a b", &long],
            ),
            ("TRIAGE_MAX_REPAIRS", &["-1", "+5", "1001", "5.0", "five"]),
            (
                "TRIAGE_MAX_EVIDENCE_AGE",
                &["0s", "366d", "24", "h", "1h30m", "24 h", "24H", "24ü"],
            ),
            (
                "TRIAGE_CHANGE_CALENDARS",
                &[
                    "ab",
                    "freeze,",
                    "freeze night",
                    "arn:aws:ssm:eu-central-1:1:document/freeze",
                ],
            ),
            (
                "TRIAGE_STATE_TABLE",
                &[
                    "ab",
                    &long,
                    "a table",
                    "table/triage",
                    "arn:aws:dynamodb:eu-central-1:123456789012:table/",
                    "arn:aws:dynamodb:eu-central-1:123456789012:table/a/index/b",
                    "arn:aws:dynamodb:eu-west-1:123456789012:table/triage",
                    "arn:aws-cn:dynamodb:eu-central-1:123456789012:table/triage",
                    "arn:aws:dynamodb:eu-central-1:12345678901:table/triage",
                    "arn:aws:sns:eu-central-1:123456789012:triage",
                ],
            ),
            ("TRIAGE_REMINDER", &["0d", "99999999999999999999d", "1w"]),
            (
                "TRIAGE_MAX_DECODED_BYTES",
                &["64MB", "64", "0KiB", "5GiB", "64 MiB", "KiB"],
            ),
            (
                "TRIAGE_SIGNATURES",
                &["own.toml", "./own.toml", "/", "/opt/.."],
            ),
        ] {
            let row = SETTINGS.iter().find(|row| row.name == name);
            let allowed = row.expect("is in the table").allowed();
            for value in values {
                let expected = format!("{name} is {value:?}; allowed: {allowed}");
                assert_eq!(refusal(&[(name, value)]), expected);
            }
        }
    }

    #[test]
    fn a_state_table_may_be_an_arn_of_this_region() {
        let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/triage";
        let config = read(&[("TRIAGE_STATE_TABLE", arn)]).expect("is valid");
        assert_eq!(config.state_table.as_deref(), Some(arn));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_ones() {
        for (name, first) in [
            ("TRIAGE_REPAIRS", "TRIAGE_REPAIR"),
            ("TRIAGE_REPAIR_TAG", "TRIAGE_REPAIR"),
            ("TRIAGE_MIN_SEVERTIY", "TRIAGE_MIN_SEVERITY"),
            ("TRIAGE_topic_arn", "TRIAGE_TOPIC_ARN"),
        ] {
            match read(&[(name, "")]) {
                Err(ConfigError::Unknown { nearest, .. }) => {
                    assert_eq!(nearest[0], first, "{name}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            refusal(&[("TRIAGE_REPAIRS", "repair")]),
            "TRIAGE_REPAIRS is no setting of this program; \
             the nearest are TRIAGE_REPAIR and TRIAGE_MAX_REPAIRS"
        );
    }

    #[test]
    fn the_region_is_needed() {
        let none = Config::from_vars([]).expect_err("no Region");
        assert!(none.to_string().starts_with("AWS_REGION is not set;"));
        assert!(
            refusal(&[("AWS_REGION", "Frankfurt")]).starts_with("AWS_REGION is \"Frankfurt\";")
        );
    }
}
