//! The engine: batches in, findings out. Once loaded, pure but for the state that it is handed.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use crate::batch::Batch;
use crate::correlate::states::StreamState;
use crate::correlate::stream::{BatchAnalysis, StreamAnalyzer};
use crate::correlate::streams::Streams;
use crate::signature::{self, CatalogueError, Entry, Matcher, Signature};

/// Recognises, joins and correlates.
#[derive(Debug)]
pub struct Engine {
    matcher: Matcher,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file of signatures cannot be read.
    #[error("cannot read the signatures in {path}: {fault}; {}", advice(.fault))]
    Unreadable {
        /// The file's.
        path: String,
        /// Why.
        fault: std::io::Error,
    },
    /// What stands in it is no sound signature.
    #[error(transparent)]
    Invalid(#[from] CatalogueError),
}

fn advice(fault: &std::io::Error) -> &'static str {
    match fault.kind() {
        std::io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "check the path and who may read it",
    }
}

/// The signatures of an operator's own file.
///
/// # Errors
/// When the file cannot be read; all faults of what stands in it.
pub fn entries(path: &Path) -> Result<Vec<Entry>, LoadError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(signature::parse(&name, &text)?),
        Err(fault) => Err(LoadError::Unreadable { path: name, fault }),
    }
}

impl Default for Engine {
    /// The engine with the product's own catalogue.
    fn default() -> Self {
        Self::with(signature::builtin())
    }
}

impl Engine {
    /// The engine with the product's own catalogue and, when a path is given,
    /// the signatures of that file.
    ///
    /// # Errors
    /// When the file cannot be read; all faults of what stands in it.
    pub fn load(own: Option<&Path>) -> Result<Self, LoadError> {
        let mut signatures = Cow::Borrowed(signature::builtin());
        if let Some(path) = own {
            signature::merge(signatures.to_mut(), &entries(path)?);
        }
        Ok(Self::with(signatures))
    }

    /// The engine with these signatures.
    ///
    /// ```
    /// use ssm_agent_triage::engine::Engine;
    /// use ssm_agent_triage::signature::{builtin, merge, parse};
    ///
    /// let own = std::fs::read_to_string("tests/fixtures/signature/own-probe.toml").unwrap();
    /// let mut signatures = builtin().to_vec();
    /// merge(&mut signatures, &parse("own-probe.toml", &own).unwrap());
    /// let engine = Engine::with(signatures);
    /// assert!(engine.signatures().iter().any(|one| one.id == "own-probe"));
    /// ```
    pub fn with(signatures: impl Into<Cow<'static, [Signature]>>) -> Self {
        Self {
            matcher: Matcher::new(signatures),
        }
    }

    /// What it recognises, in the order in which it is asked.
    pub fn signatures(&self) -> &[Signature] {
        self.matcher.signatures()
    }

    /// What recognises single records.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Analyzes one batch after the `state` that earlier batches of its stream left.
    /// `received` is the time for records that have none.
    ///
    /// ```
    /// use jiff::Timestamp;
    /// use ssm_agent_triage::batch::{Batch, Event, Source};
    /// use ssm_agent_triage::correlate::states::StreamState;
    /// use ssm_agent_triage::engine::Engine;
    ///
    /// let line = "2026-11-23 04:19:06 WARN [EC2RoleProvider] Failed to connect to Systems Manager \
    ///     with instance profile role credentials. Err: retrieved credentials failed to report to \
    ///     ssm. Error: AssumeRoleUnauthorizedAccess: EC2 cannot assume the role MySSMRole.";
    /// let batch = Batch {
    ///     source: Source {
    ///         log_stream: "i-0123456789abcdef0".to_owned(),
    ///         complete: true,
    ///         ..Source::default()
    ///     },
    ///     events: vec![Event { id: "1".into(), at: None, message: line.into() }],
    /// };
    /// let mut state = StreamState::default();
    /// let analysis = Engine::default().analyze(&mut state, &batch, Timestamp::now());
    /// assert_eq!(analysis.findings[0].candidates[0].as_str(), "role-not-assumable");
    /// ```
    pub fn analyze(
        &self,
        state: &mut StreamState,
        batch: &Batch<'_>,
        received: Timestamp,
    ) -> BatchAnalysis {
        let before = std::mem::take(state);
        let mut analyzer = StreamAnalyzer::new(&self.matcher, before, batch.source.clone());
        analyzer.analyze(batch, received);
        let (analysis, after) = analyzer.finish();
        *state = after;
        analysis
    }

    /// Begins to analyze what one invocation, at `now`, brings of any streams.
    pub fn streams(&self, now: Timestamp) -> Streams<'_> {
        Streams::new(&self.matcher, now)
    }
}
