//! What sessions of an account and Region rest on.

use super::Fetched;

/// The preferences of Session Manager, and what they name.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// The document with the preferences, JSON.
    pub preferences: Option<Fetched<String>>,
    pub key: Option<Fetched<KeyFacts>>,
    /// Whether the bucket is encrypted by default.
    pub bucket: Option<Fetched<bool>>,
    /// Whether the log group is encrypted with a key.
    pub log_group: Option<Fetched<bool>>,
}

/// A key as KMS describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFacts {
    pub arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion` …
    pub state: String,
    /// `ENCRYPT_DECRYPT`, `SIGN_VERIFY` …
    pub usage: String,
    /// `SYMMETRIC_DEFAULT`, `RSA_2048` …
    pub spec: String,
}
