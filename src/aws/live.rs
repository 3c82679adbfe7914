//! The reads of the checks, over the real clients.

use std::sync::Arc;

use super::session::{Client, Retry, Session};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{InstanceFacts, RoleFacts};
use crate::diagnose::live::{GetRole, List, Reads};
use crate::node::InstanceId;

/// Reads live state, a lost answer being asked for again.
#[derive(Debug)]
pub(crate) struct LiveState {
    session: Arc<Session>,
    ec2: Client<aws_sdk_ec2::Client>,
    iam: Client<aws_sdk_iam::Client>,
    ssm: Client<aws_sdk_ssm::Client>,
}

impl LiveState {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            ec2: Client::new(Retry::Standard),
            iam: Client::new(Retry::Standard),
            ssm: Client::new(Retry::Standard),
        }
    }

    pub(crate) async fn instances(
        &self,
        ids: &[InstanceId],
    ) -> Result<Vec<InstanceFacts>, CallError> {
        self.read(&List::<InstanceFacts>(ids.to_vec())).await
    }

    pub(crate) async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        self.read(&GetRole(name.to_owned())).await
    }

    pub(super) async fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.client(&self.session).await
    }

    pub(super) async fn iam(&self) -> &aws_sdk_iam::Client {
        self.iam.client(&self.session).await
    }

    pub(super) async fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.client(&self.session).await
    }
}
