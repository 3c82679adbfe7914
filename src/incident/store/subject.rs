//! What a fault of a node is about.

use serde::{Deserialize, Serialize};

use crate::finding::ErrorDetails;

/// What sets apart two faults of one node that have the same candidates, such
/// as two endpoints that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    service: Option<String>,
    action: Option<String>,
}

impl Subject {
    pub(super) fn of(error_details: &ErrorDetails) -> Self {
        Self {
            service: error_details.service.clone(),
            action: error_details.action.clone(),
        }
    }

    /// The details that it is of.
    pub(super) fn error_details(&self) -> ErrorDetails {
        ErrorDetails {
            service: self.service.clone(),
            action: self.action.clone(),
            ..ErrorDetails::default()
        }
    }

    /// Whether both may mean the same fault: what one of them does not name
    /// does not set them apart.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let fits = |one: &Option<String>, two: &Option<String>| match (one, two) {
            (Some(one), Some(two)) => one == two,
            (None, _) | (_, None) => true,
        };
        fits(&self.service, &other.service) && fits(&self.action, &other.action)
    }
}
