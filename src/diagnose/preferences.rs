//! The preferences of Session Manager: what they name, and what a node calls on it.

use serde::Deserialize;

use super::called_on::Place;
use super::facts::KeyFacts;
use crate::command::is_made_of;
use crate::node::Region;

/// The document that holds them.
pub(crate) const DOCUMENT: &str = "SSM-SessionManagerRunShell";

/// The inputs of a Session document ("Session document schema"). What is empty is not named.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Preferences {
    pub s3_bucket_name: String,
    s3_key_prefix: String,
    /// The agent refuses a session unless the bucket is encrypted; so with the log group.
    pub s3_encryption_enabled: bool,
    pub cloud_watch_log_group_name: String,
    pub cloud_watch_encryption_enabled: bool,
    pub kms_key_id: String,
}

#[derive(Deserialize)]
struct SessionDocument {
    #[serde(default)]
    inputs: Preferences,
}

/// One call that a session makes with what the preferences name.
pub(crate) struct Use {
    pub action: &'static str,
    pub arn: String,
    /// Its own policy may allow what the role's policies do not.
    pub has_policy: bool,
}

/// A name that AWS can be asked about, or why not: a clause.
pub(crate) type Named<'a> = Result<&'a str, &'static str>;

impl Preferences {
    /// # Errors
    /// A clause.
    pub(crate) fn read(document: &str) -> Result<Self, String> {
        let read: Result<SessionDocument, _> = serde_json::from_str(document);
        let read = read.map(|document| document.inputs);
        read.map_err(|fault| format!("their document cannot be read: {fault}"))
    }

    /// The key, by id, alias or ARN.
    pub(crate) fn key(&self, own: Option<&Region>) -> Option<Named<'_>> {
        let key = named(&self.kms_key_id)?;
        Some(if !is_made_of(key, 2048, "-_/:") {
            Err("that is no id, alias or ARN of a key")
        } else if self
            .key_region()
            .is_some_and(|of| own.is_none_or(|own| of != own.as_str()))
        {
            Err("it is of another Region")
        } else {
            Ok(key)
        })
    }

    /// The Region that an ARN names; a key that is named otherwise is of their own.
    pub(crate) fn key_region(&self) -> Option<&str> {
        self.key_arn(3)
    }

    /// The account that an ARN names, as with the Region.
    pub(crate) fn key_account(&self) -> Option<&str> {
        self.key_arn(4)
    }

    fn key_arn(&self, field: usize) -> Option<&str> {
        let is_arn = self.kms_key_id.starts_with("arn:");
        is_arn.then(|| self.kms_key_id.split(':').nth(field).unwrap_or_default())
    }

    pub(crate) fn bucket(&self) -> Option<Named<'_>> {
        let bucket = named(&self.s3_bucket_name)?;
        // A directory bucket has an endpoint of its own.
        let is_name = is_made_of(bucket, 63, "-.") && !bucket.ends_with("--x-s3");
        Some(is_name.then_some(bucket).ok_or("that is no bucket's name"))
    }

    pub(crate) fn log_group(&self) -> Option<Named<'_>> {
        let group = named(&self.cloud_watch_log_group_name)?;
        let is_name = is_made_of(group, 512, "-_./#");
        Some(
            is_name
                .then_some(group)
                .ok_or("that is no log group's name"),
        )
    }

    pub(crate) fn name_nothing(&self) -> bool {
        self.key(None).is_none() && self.bucket().is_none() && self.log_group().is_none()
    }

    /// What a node does with them, as far as the ARN is known. `key` is what KMS says of theirs.
    pub(crate) fn uses(&self, place: &Place<'_>, key: Option<&KeyFacts>) -> Vec<Use> {
        let Place {
            partition,
            region,
            account,
            ..
        } = place;
        let mut uses = Vec::new();
        let mut add = |action, arn, has_policy| {
            uses.push(Use {
                action,
                arn,
                has_policy,
            });
        };
        match (key, self.kms_key_id.as_str()) {
            (_, "") => {}
            (Some(key), _) => add("kms:Decrypt", key.arn.clone(), true),
            (None, arn) if arn.contains(":key/") => add("kms:Decrypt", arn.to_owned(), true),
            // Which key it is of KMS alone knows, while policies name keys.
            (None, alias) if alias.contains("alias/") => {}
            (None, id) => {
                let arn = format!("arn:{partition}:kms:{region}:{account}:key/{id}");
                add("kms:Decrypt", arn, true);
            }
        }
        if !self.s3_bucket_name.is_empty() {
            let bucket = format!("arn:{partition}:s3:::{}", self.s3_bucket_name);
            let prefix = match self.s3_key_prefix.trim_end_matches('/') {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            };
            add("s3:PutObject", format!("{bucket}/{prefix}*"), true);
            if self.s3_encryption_enabled {
                add("s3:GetEncryptionConfiguration", bucket, true);
            }
        }
        if !self.cloud_watch_log_group_name.is_empty() {
            let name = &self.cloud_watch_log_group_name;
            let group =
                |name: &str| format!("arn:{partition}:logs:{region}:{account}:log-group:{name}:*");
            add("logs:CreateLogStream", group(name), false);
            add("logs:PutLogEvents", group(name), false);
            if self.cloud_watch_encryption_enabled {
                add("logs:DescribeLogGroups", group("*"), false);
            }
        }
        uses
    }
}

fn named(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}
