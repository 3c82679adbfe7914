//! The reads of the checks, over the real clients.

use std::sync::Arc;

use super::ec2::Ec2;
use super::iam::Iam;
use super::session::{Retry, Session};
use super::ssm::Ssm;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    AclFacts, DhcpFacts, EndpointFacts, GroupFacts, ImdsDefaults, InstanceFacts, InterfaceFacts,
    ProfileFacts, RegistrationFacts, RoleFacts, RouteTableFacts, SimulatedAction, SubnetFacts,
    VpcFacts,
};
use crate::diagnose::live::{AwsReader, VpcAttribute};
use crate::node::InstanceId;

/// Reads live state, a lost answer being asked for again.
#[derive(Debug)]
pub(crate) struct LiveState {
    session: Arc<Session>,
    ec2: Ec2,
    iam: Iam,
    ssm: Ssm,
}

impl LiveState {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            ec2: Ec2::new(Retry::Standard),
            iam: Iam::new(Retry::Standard),
            ssm: Ssm::new(Retry::Standard),
        }
    }
}

impl AwsReader for LiveState {
    async fn instances(&self, ids: &[InstanceId]) -> Result<Vec<InstanceFacts>, CallError> {
        self.ec2.describe_instances(&self.session, ids).await
    }

    async fn imds_defaults(&self) -> Result<ImdsDefaults, CallError> {
        self.ec2.imds_defaults(&self.session).await
    }

    async fn profile(&self, name: &str) -> Result<ProfileFacts, CallError> {
        self.iam.instance_profile(&self.session, name).await
    }

    async fn role(&self, name: &str) -> Result<RoleFacts, CallError> {
        self.iam.role(&self.session, name).await
    }

    async fn simulation(
        &self,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        self.iam
            .simulate(&self.session, role_arn, actions, resource)
            .await
    }

    async fn attached_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        self.iam.attached_policies(&self.session, role).await
    }

    async fn inline_policies(&self, role: &str) -> Result<Vec<String>, CallError> {
        self.iam.inline_policies(&self.session, role).await
    }

    async fn inline_policy(&self, role: &str, name: &str) -> Result<String, CallError> {
        self.iam.inline_policy(&self.session, role, name).await
    }

    async fn managed_policy(&self, arn: &str) -> Result<String, CallError> {
        self.iam.managed_policy(&self.session, arn).await
    }

    async fn groups(&self, ids: &[String]) -> Result<Vec<GroupFacts>, CallError> {
        self.ec2.security_groups(&self.session, ids).await
    }

    async fn acls(&self, vpcs: &[String]) -> Result<Vec<AclFacts>, CallError> {
        self.ec2.network_acls(&self.session, vpcs).await
    }

    async fn route_tables(&self, vpcs: &[String]) -> Result<Vec<RouteTableFacts>, CallError> {
        self.ec2.route_tables(&self.session, vpcs).await
    }

    async fn endpoints(&self, vpcs: &[String]) -> Result<Vec<EndpointFacts>, CallError> {
        self.ec2.vpc_endpoints(&self.session, vpcs).await
    }

    async fn interfaces(&self, ids: &[String]) -> Result<Vec<InterfaceFacts>, CallError> {
        self.ec2.network_interfaces(&self.session, ids).await
    }

    async fn subnets(&self, ids: &[String]) -> Result<Vec<SubnetFacts>, CallError> {
        self.ec2.subnets(&self.session, ids).await
    }

    async fn vpcs(&self, ids: &[String]) -> Result<Vec<VpcFacts>, CallError> {
        self.ec2.vpcs(&self.session, ids).await
    }

    async fn vpc_attribute(&self, vpc: &str, attribute: VpcAttribute) -> Result<bool, CallError> {
        self.ec2.vpc_attribute(&self.session, vpc, attribute).await
    }

    async fn dhcp_options(&self, ids: &[String]) -> Result<Vec<DhcpFacts>, CallError> {
        self.ec2.dhcp_options(&self.session, ids).await
    }

    async fn registrations(&self, ids: &[InstanceId]) -> Result<Vec<RegistrationFacts>, CallError> {
        self.ssm.registrations(&self.session, ids).await
    }

    async fn service_setting(&self, id: &str) -> Result<String, CallError> {
        self.ssm.service_setting(&self.session, id).await
    }
}
