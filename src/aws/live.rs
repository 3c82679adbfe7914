//! The reads of the checks, over the real clients.

use std::sync::Arc;

use super::ec2::Ec2;
use super::iam::Iam;
use super::session::{Effort, Session};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{InstanceFacts, ProfileFacts, RoleFacts};
use crate::diagnose::live::Reads;
use crate::node::InstanceId;

/// Reads live state, a lost answer being asked for again.
#[derive(Debug)]
pub struct LiveState {
    session: Arc<Session>,
    ec2: Ec2,
    iam: Iam,
}

impl LiveState {
    pub fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            ec2: Ec2::new(Effort::Repeat),
            iam: Iam::new(Effort::Repeat),
        }
    }
}

impl Reads for LiveState {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceFacts>, CallError> {
        self.ec2.describe_instances(&self.session, ids).await
    }

    async fn profile(&self, name: &str) -> Result<ProfileFacts, CallError> {
        self.iam.instance_profile(&self.session, name).await
    }

    async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        self.iam.role(&self.session, name).await
    }
}
