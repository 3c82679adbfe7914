//! The one table of settings, and the grammar of their values.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::{Config, TopicArn};
use crate::cause::Severity;
use crate::node::{AccountId, Region};
use crate::notify::format::Format;
use crate::repair::locks::RepairMode;
use crate::repair::repairs::Repair;
use crate::selection::Selection;
use crate::sort;

/// One variable of the environment.
#[derive(Debug)]
pub struct Setting {
    pub name: &'static str,
    /// As it would be written; `None` when nothing stands for an unset variable.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
    /// Completes the sentence "allowed: …"; `{repairs}` stands for their names.
    allowed: &'static str,
    pub(super) read: fn(&mut Config, &str) -> Result<(), Refused>,
}

impl Setting {
    /// Completes the sentence "allowed: …".
    pub fn allowed(&self) -> String {
        self.allowed.replace("{repairs}", &Repair::names())
    }
}

/// The value is not of the setting's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

const DURATION: &str = "a whole number with s, m, h or d, such as 30s, 15m, 24h or 7d; 1s to 365d";

/// Every variable that this program reads under the name `TRIAGE_…`, in the
/// order in which the docs show them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "TRIAGE_TOPIC_ARN",
        default: None,
        meaning: "SNS topic for the messages; without one they are printed to the function's log",
        allowed: "the ARN of an SNS topic, standard or FIFO: arn:PARTITION:sns:REGION:ACCOUNT:NAME",
        read: |config, text| set(&mut config.topic, TopicArn::parse(text).map(Some)),
    },
    Setting {
        name: "TRIAGE_MESSAGE_FORMAT",
        default: Some("text"),
        meaning: "how a message is written",
        allowed: "text; chat for Amazon Q Developer in chat applications; json, the event; or per-protocol, each subscriber of its protocol's own",
        read: |config, text| {
            let format = match text {
                "text" => Some(Format::Mail),
                "chat" => Some(Format::Chat),
                "json" => Some(Format::Json),
                "per-protocol" => Some(Format::PerProtocol),
                _ => None,
            };
            set(&mut config.message_format, format)
        },
    },
    Setting {
        name: "TRIAGE_EVENT_BUS",
        default: None,
        meaning: "EventBridge event bus that gets an event for each change of an incident, beside the message",
        allowed: "the name of an event bus, such as default, or its ARN: arn:PARTITION:events:REGION:ACCOUNT:event-bus/NAME",
        read: |config, text| {
            let bus = is_bus(text).then(|| Some(text.to_owned()));
            set(&mut config.event_bus, bus)
        },
    },
    Setting {
        name: "TRIAGE_OPSITEMS",
        default: Some("off"),
        meaning: "an OpsItem in OpsCenter for each incident: opened, kept up to date, resolved",
        allowed: "on or off",
        read: |config, text| {
            let ops_items = match text {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            };
            set(&mut config.ops_items, ops_items)
        },
    },
    Setting {
        name: "TRIAGE_MIN_SEVERITY",
        default: Some("medium"),
        meaning: "incidents of a lower severity stay in the report and send no message",
        allowed: "info, low, medium, high or critical",
        read: |config, text| set(&mut config.min_severity, Severity::parse(text)),
    },
    Setting {
        name: "TRIAGE_REPAIR",
        default: Some("advise"),
        meaning: "what may follow a confirmed cause: advice, a plan tried with DryRun, a repair that a person asks for, or the repair at once",
        allowed: "advise, dry-run, on-request or repair",
        read: |config, text| set(&mut config.repair, RepairMode::parse(text)),
    },
    Setting {
        name: "TRIAGE_REPAIR_ACTIONS",
        default: Some(""),
        meaning: "the repairs that are allowed, separated by commas",
        allowed: "nothing, or a comma list of {repairs}",
        read: |config, text| set(&mut config.repair_actions, repair_actions(text)),
    },
    Setting {
        name: "TRIAGE_REPAIR_TAG_VALUE",
        default: Some("allow"),
        meaning: "value that the tag ssm-agent-triage:repair must have on the instance or role",
        allowed: "1 to 256 ASCII letters, digits and . _ : / = + @ -",
        read: |config, text| {
            // Narrower than EC2's own rule: the value also stands in an IAM
            // condition, where `${…}` would be a policy variable.
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/=+@-".contains(&b);
            let fits = text.len() <= 256 && text.bytes().all(plain);
            set(&mut config.repair_tag_value, fits.then(|| text.to_owned()))
        },
    },
    Setting {
        name: "TRIAGE_MAX_REPAIRS",
        default: Some("5"),
        meaning: "repairs per hour, of all execution environments where they share a state table, else of each; above it nothing is repaired and the message says so",
        allowed: "a whole number from 0 to 1000",
        read: |config, text| {
            let number = whole(text).and_then(|number| u32::try_from(number).ok());
            let number = number.filter(|number| *number <= 1000);
            set(&mut config.max_repairs, number)
        },
    },
    Setting {
        name: "TRIAGE_MAX_EVIDENCE_AGE",
        default: Some("24h"),
        meaning: "older evidence never leads to a write",
        allowed: DURATION,
        read: |config, text| set(&mut config.max_evidence_age, duration(text)),
    },
    Setting {
        name: "TRIAGE_CHANGE_CALENDARS",
        default: Some(""),
        meaning: "Systems Manager change calendars that must all be open for a write, separated by commas",
        allowed: "nothing, or a comma list of names of change calendars, 3 to 128 ASCII letters, digits and . _ -, or of their ARNs: arn:PARTITION:ssm:REGION:ACCOUNT:document/NAME",
        read: |config, text| set(&mut config.change_calendars, calendars(text)),
    },
    Setting {
        name: "TRIAGE_STATE_TABLE",
        default: None,
        meaning: "DynamoDB table with the state that all execution environments share; without one each keeps its own in memory",
        allowed: "the name of a DynamoDB table, 3 to 255 ASCII letters, digits and . _ -, or its ARN in the function's own Region: arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME",
        read: |config, text| {
            let table = is_table(text, &config.region).then(|| Some(text.to_owned()));
            set(&mut config.state_table, table)
        },
    },
    Setting {
        name: "TRIAGE_REMINDER",
        default: Some("24h"),
        meaning: "when an incident that is still open is notified again",
        allowed: DURATION,
        read: |config, text| set(&mut config.reminder, duration(text)),
    },
    Setting {
        name: "TRIAGE_SWEEP",
        default: Some("lost"),
        meaning: "whom a sweep looks at: registered nodes whose ping is lost; all of them, with running instances that Systems Manager has never seen; or those with a tag",
        allowed: Selection::ALLOWED,
        read: |config, text| set(&mut config.sweep, Selection::parse(text)),
    },
    Setting {
        name: "TRIAGE_SWEEP_GRACE",
        default: Some("15m"),
        meaning: "younger silence, and instances started later, are not evaluated by a sweep",
        allowed: DURATION,
        read: |config, text| set(&mut config.sweep_grace, duration(text)),
    },
    Setting {
        name: "TRIAGE_MEMBER_ROLE",
        default: None,
        meaning: "role through which nodes of other accounts and Regions are looked at and repaired, `{account}` standing for the account; without one such nodes are diagnosed by their log alone",
        allowed: "the ARN of a role with {account} in place of the account: arn:PARTITION:iam::{account}:role/NAME",
        read: |config, text| {
            let role = is_member_role(text, &config.region).then(|| Some(text.to_owned()));
            set(&mut config.member_role, role)
        },
    },
    Setting {
        name: "TRIAGE_MEMBER_EXTERNAL_ID",
        default: None,
        meaning: "external id that the member role's trust policy asks for; set with TRIAGE_MEMBER_ROLE",
        allowed: "2 to 1224 ASCII letters, digits and _ + = , . @ : / -",
        read: |config, text| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
            let fits = (2..=1224).contains(&text.len()) && text.bytes().all(plain);
            set(
                &mut config.member_external_id,
                fits.then(|| Some(text.to_owned())),
            )
        },
    },
    Setting {
        name: "TRIAGE_MAX_DECODED_BYTES",
        default: Some("64MiB"),
        meaning: "cap on the decompressed size of one batch",
        allowed: "a whole number with KiB, MiB or GiB, such as 512KiB or 64MiB; 1KiB to 4GiB",
        read: |config, text| set(&mut config.max_decoded_bytes, size(text)),
    },
    Setting {
        name: "TRIAGE_SIGNATURES",
        default: None,
        meaning: "file with signatures of your own, beside the built-in ones or in place of one with the same id; a layer brings it",
        allowed: "the path of a TOML file, from the root on, such as /opt/signatures.toml",
        read: |config, text| {
            let path = Path::new(text);
            let fits = path.has_root() && path.file_name().is_some();
            set(&mut config.signatures, fits.then(|| Some(path.to_owned())))
        },
    },
];

/// Takes the value that was read, if it could be.
fn set<T>(field: &mut T, read: Option<T>) -> Result<(), Refused> {
    *field = read.ok_or(Refused)?;
    Ok(())
}

/// The settings as a Markdown table, as docs/settings.md shows it.
pub fn settings_table() -> String {
    let mut table = String::from("| variable | default | meaning | allowed |\n|---|---|---|---|\n");
    for row in SETTINGS {
        let default = match row.default {
            None => "none".to_owned(),
            Some("") => "empty".to_owned(),
            Some(value) => format!("`{value}`"),
        };
        table.push_str(&format!(
            "| `{}` | {default} | {} | {} |\n",
            row.name,
            row.meaning,
            row.allowed()
        ));
    }
    table
}

/// The two settings whose names look most like `name`.
pub(super) fn nearest(name: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = SETTINGS.iter().map(|row| row.name).collect();
    sort::by_key(&mut names, |known| {
        strsim::damerau_levenshtein(known, &name.to_ascii_uppercase())
    });
    names.truncate(2);
    names
}

fn repair_actions(text: &str) -> Option<BTreeSet<&'static str>> {
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    text.split(',')
        .map(|name| Some(Repair::named(name.trim())?.name))
        .collect()
}

/// Whether AWS takes `text` for the name of a table or document of at most `most`
/// characters.
fn is_name(text: &str, most: usize) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (3..=most).contains(&text.len()) && text.bytes().all(named)
}

fn calendars(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let is_calendar = |text: &str| {
        let Some(resource) = text.strip_prefix("arn:") else {
            return is_name(text, 128);
        };
        let fields: Vec<&str> = resource.splitn(5, ':').collect();
        let [partition, "ssm", region, account, document] = fields[..] else {
            return false;
        };
        let name = document.strip_prefix("document/");
        partition.starts_with("aws")
            && Region::parse(region).is_some()
            && AccountId::parse(account).is_some()
            && name.is_some_and(|name| is_name(name, 128))
    };
    let each = text.split(',').map(str::trim);
    each.map(|one| is_calendar(one).then(|| one.to_owned()))
        .collect()
}

/// Whether DynamoDB takes `text` for the name of a table in `region`.
fn is_table(text: &str, region: &Region) -> bool {
    let is_name = |name: &str| is_name(name, 255);
    let Some(resource) = text.strip_prefix("arn:") else {
        return is_name(text);
    };
    let fields: Vec<&str> = resource.splitn(5, ':').collect();
    let [partition, "dynamodb", of, account, table] = fields[..] else {
        return false;
    };
    let own = region.partition().arn();
    let fits = own.map_or(partition.starts_with("aws"), |own| partition == own);
    let table = table.strip_prefix("table/").is_some_and(is_name);
    fits && of == region.as_str() && AccountId::parse(account).is_some() && table
}

/// Whether `text` is the ARN of a role, but for its account, in the partition of `own`:
/// no role leads out of that.
fn is_member_role(text: &str, own: &Region) -> bool {
    let fields: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "iam", "", "{account}", role] = fields[..] else {
        return false;
    };
    let fits = match own.partition().arn() {
        Some(own) => partition == own,
        None => partition.starts_with("aws"),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    let named = |step: &str| (1..=64).contains(&step.len()) && step.bytes().all(plain);
    fits && (role.strip_prefix("role/")).is_some_and(|path| path.split('/').all(named))
}

/// Whether EventBridge takes `text` for an event bus, of any account and Region.
fn is_bus(text: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    let is_name = |name: &str| (1..=256).contains(&name.len()) && name.bytes().all(named);
    let Some(resource) = text.strip_prefix("arn:") else {
        return is_name(text);
    };
    let fields: Vec<&str> = resource.splitn(5, ':').collect();
    let [partition, "events", of, account, bus] = fields[..] else {
        return false;
    };
    let own = Region::parse(of).map(|region| region.partition().arn());
    let fits =
        own.is_some_and(|own| own.map_or(partition.starts_with("aws"), |own| partition == own));
    let bus = bus.strip_prefix("event-bus/").is_some_and(is_name);
    fits && AccountId::parse(account).is_some() && bus
}

/// Digits only: no sign, no space.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let total = whole(number)?.checked_mul(seconds)?;
    (1..=365 * 86_400)
        .contains(&total)
        .then(|| Duration::from_secs(total))
}

fn size(text: &str) -> Option<u64> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1u64 << 30)];
    let (number, bytes) = units
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))?;
    let total = whole(number)?.checked_mul(*bytes)?;
    ((1 << 10)..=(4 << 30)).contains(&total).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../template.yaml");

    /// `TRIAGE_MAX_REPAIRS` → `MaxRepairs`.
    fn parameter(setting: &Setting) -> String {
        let words = setting.name.split('_').skip(1);
        words
            .map(|word| format!("{}{}", &word[..1], word[1..].to_ascii_lowercase()))
            .collect()
    }

    /// The default of a parameter, without its quotes.
    fn template_default(parameter: &str) -> Option<&'static str> {
        let block = TEMPLATE
            .lines()
            .skip_while(|line| *line != format!("  {parameter}:"));
        let inside = block.skip(1).take_while(|line| line.starts_with("    "));
        let mut defaults = inside.filter_map(|line| line.trim().strip_prefix("Default: "));
        defaults.next().map(|text| text.trim_matches('"'))
    }

    #[test]
    fn the_template_hands_every_setting_to_the_function() {
        let variables: Vec<&str> = TEMPLATE
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("TRIAGE_"))
            .collect();
        let expected: Vec<String> = SETTINGS
            .iter()
            .map(|row| match row.name {
                "TRIAGE_TOPIC_ARN" => {
                    format!(
                        "{}: !If [CreatesTopic, !Ref Topic, !Ref TopicArn]",
                        row.name
                    )
                }
                "TRIAGE_STATE_TABLE" => {
                    format!("{}: !If [KeepsState, !Ref State, \"\"]", row.name)
                }
                name => format!("{name}: !Ref {}", parameter(row)),
            })
            .collect();
        assert_eq!(variables, expected);
    }

    #[test]
    fn the_templates_defaults_are_the_tables() {
        // The template makes the table itself.
        for row in SETTINGS
            .iter()
            .filter(|row| row.name != "TRIAGE_STATE_TABLE")
        {
            let default = template_default(&parameter(row));
            assert_eq!(
                default,
                Some(row.default.unwrap_or_default()),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn the_settings_table_reads_so() {
        insta::assert_snapshot!(settings_table());
    }
}
