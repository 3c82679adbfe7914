//! What a role may do: IAM's simulator, and the role's policies.

use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType};

use super::super::error;
use super::super::session::Session;
use super::super::whole::held;
use super::{Iam, decode, some};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Decision, SimulatedAction};

impl Iam {
    /// What IAM says of each of `actions` called on `resource` by the role.
    pub async fn simulate(
        &self,
        session: &Session,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        let mut pages = self
            .client(session)
            .await
            .simulate_principal_policy()
            .policy_source_arn(role_arn)
            .set_action_names(Some(actions.iter().map(ToString::to_string).collect()))
            .resource_arns(resource)
            .into_paginator()
            .send();
        let mut answers = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::read("SimulatePrincipalPolicy", e))?;
            answers.extend(page.evaluation_results().iter().filter_map(simulated));
        }
        Ok(answers)
    }

    /// The ARNs of the managed policies attached to a role.
    pub async fn attached_policies(
        &self,
        session: &Session,
        role: &str,
    ) -> Result<Vec<String>, CallError> {
        let mut pages = self
            .client(session)
            .await
            .list_attached_role_policies()
            .role_name(role)
            .into_paginator()
            .send();
        let mut arns = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::read("ListAttachedRolePolicies", e))?;
            for policy in held("ListAttachedRolePolicies", page.attached_policies)? {
                arns.push(held("ListAttachedRolePolicies", policy.policy_arn)?);
            }
        }
        Ok(arns)
    }

    /// The names of a role's inline policies.
    pub async fn inline_policies(
        &self,
        session: &Session,
        role: &str,
    ) -> Result<Vec<String>, CallError> {
        let mut pages = self
            .client(session)
            .await
            .list_role_policies()
            .role_name(role)
            .into_paginator()
            .send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::read("ListRolePolicies", e))?;
            names.extend(page.policy_names().iter().cloned());
        }
        Ok(names)
    }

    /// The document of an inline policy.
    pub async fn inline_policy(
        &self,
        session: &Session,
        role: &str,
        name: &str,
    ) -> Result<String, CallError> {
        let answer = self
            .client(session)
            .await
            .get_role_policy()
            .role_name(role)
            .policy_name(name)
            .send()
            .await
            .map_err(|e| error::read("GetRolePolicy", e))?;
        Ok(decode(&held(
            "GetRolePolicy",
            some(answer.policy_document()),
        )?))
    }

    /// The document of a managed policy's default version.
    pub async fn managed_policy(&self, session: &Session, arn: &str) -> Result<String, CallError> {
        let client = self.client(session).await;
        let policy = client
            .get_policy()
            .policy_arn(arn)
            .send()
            .await
            .map_err(|e| error::read("GetPolicy", e))?;
        let version = policy
            .policy()
            .and_then(|policy| policy.default_version_id());
        let version = held("GetPolicy", version)?;
        let answer = client
            .get_policy_version()
            .policy_arn(arn)
            .version_id(version)
            .send()
            .await
            .map_err(|e| error::read("GetPolicyVersion", e))?;
        let document = answer
            .policy_version()
            .and_then(|version| version.document());
        Ok(decode(held("GetPolicyVersion", document)?))
    }
}

/// `None` for a decision that is not known.
fn simulated(result: &EvaluationResult) -> Option<SimulatedAction> {
    let decision = match result.eval_decision() {
        PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
        PolicyEvaluationDecisionType::ExplicitDeny => Decision::ExplicitDeny,
        PolicyEvaluationDecisionType::ImplicitDeny => Decision::ImplicitDeny,
        _ => return None,
    };
    let policies = result.matched_statements().iter();
    let boundary = result.permissions_boundary_decision_detail();
    let organization = result.organizations_decision_detail();
    Some(SimulatedAction {
        action: result.eval_action_name().to_owned(),
        decision,
        policies: policies
            .filter_map(|statement| Some(statement.source_policy_id()?.to_owned()))
            .collect(),
        lacks_context: !result.missing_context_values().is_empty(),
        boundary_allows: boundary.map(|detail| detail.allowed_by_permissions_boundary()),
        organization_allows: organization.map(|detail| detail.allowed_by_organizations()),
    })
}
