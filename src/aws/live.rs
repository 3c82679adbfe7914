//! The reads of the checks, over the real clients.

use std::sync::Arc;

use super::session::{Client, Retry, Session};

/// Reads live state, a lost answer being asked for again.
#[derive(Debug)]
pub(crate) struct LiveState {
    session: Arc<Session>,
    ec2: Client<aws_sdk_ec2::Client>,
    iam: Client<aws_sdk_iam::Client>,
    kms: Client<aws_sdk_kms::Client>,
    logs: Client<aws_sdk_cloudwatchlogs::Client>,
    s3: Client<aws_sdk_s3::Client>,
    ssm: Client<aws_sdk_ssm::Client>,
}

impl LiveState {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            ec2: Client::new(Retry::Standard),
            iam: Client::new(Retry::Standard),
            kms: Client::new(Retry::Standard),
            logs: Client::new(Retry::Standard),
            s3: Client::new(Retry::Standard),
            ssm: Client::new(Retry::Standard),
        }
    }

    pub(super) async fn ec2(&self) -> &aws_sdk_ec2::Client {
        self.ec2.client(&self.session).await
    }

    pub(super) async fn iam(&self) -> &aws_sdk_iam::Client {
        self.iam.client(&self.session).await
    }

    pub(super) async fn kms(&self) -> &aws_sdk_kms::Client {
        self.kms.client(&self.session).await
    }

    pub(super) async fn logs(&self) -> &aws_sdk_cloudwatchlogs::Client {
        self.logs.client(&self.session).await
    }

    pub(super) async fn s3(&self) -> &aws_sdk_s3::Client {
        self.s3.client(&self.session).await
    }

    pub(super) async fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.client(&self.session).await
    }
}
