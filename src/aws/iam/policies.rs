//! What a role may do: IAM's simulator, and the role's policies.

use aws_sdk_iam::config::http::HttpRequest;
use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType};

use super::super::error;
use super::super::session::Session;
use super::super::whole::held;
use super::{Iam, decode, some};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Decision, SimulatedAction};

impl Iam {
    /// What IAM says of each of `actions` called on `resource` by the role.
    /// Service control policies are left out: the simulator evaluates their
    /// conditions without the values of a real call and does not say which
    /// were missing, so that a denial outside certain Regions denies everything.
    pub(crate) async fn simulate(
        &self,
        session: &Session,
        role_arn: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        let client = self.client(session).await;
        let mut answers = Vec::new();
        let mut marker = None;
        loop {
            let page = client
                .simulate_principal_policy()
                .policy_source_arn(role_arn)
                .set_action_names(Some(actions.iter().map(ToString::to_string).collect()))
                .resource_arns(resource)
                .set_marker(marker)
                .customize()
                .mutate_request(leave_out_scps)
                .send()
                .await
                .map_err(|e| error::read("SimulatePrincipalPolicy", e))?;
            let results = page.evaluation_results().iter();
            let asked = results.filter(|result| actions.contains(&result.eval_action_name()));
            answers.extend(asked.filter_map(|result| simulated(result, resource)));
            marker = page.marker().map(str::to_owned);
            if !page.is_truncated() || marker.is_none() {
                return Ok(answers);
            }
        }
    }

    /// The ARNs of the managed policies attached to a role.
    pub(crate) async fn attached_policies(
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
    pub(crate) async fn inline_policies(
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
    pub(crate) async fn inline_policy(
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
    pub(crate) async fn managed_policy(
        &self,
        session: &Session,
        arn: &str,
    ) -> Result<String, CallError> {
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

/// Adds the parameter that leaves service control policies out, as the query
/// protocol names it. The SDK knows the parameter (`policy_exclusion_list`),
/// but aws-sdk-iam 1.133 writes the list's members without their name
/// (`PolicyExclusionList.member.1.member=scp`).
fn leave_out_scps(request: &mut HttpRequest) {
    const PARAMETER: &str = "&PolicyExclusionList.member.1.PolicyType=scp";
    let Some(form) = request.body().bytes().map(String::from_utf8_lossy) else {
        return;
    };
    let form = format!("{form}{PARAMETER}");
    let length = form.len().to_string();
    request.headers_mut().insert("content-length", length);
    *request.body_mut() = form.into();
}

/// `None` for a decision that is not known. Where a resource was named, the
/// context that is missing stands with the results for the resource.
fn simulated(result: &EvaluationResult, resource: &str) -> Option<SimulatedAction> {
    let decision = match result.eval_decision() {
        PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
        PolicyEvaluationDecisionType::ExplicitDeny => Decision::ExplicitDeny,
        PolicyEvaluationDecisionType::ImplicitDeny => Decision::ImplicitDeny,
        _ => return None,
    };
    let policies = result.matched_statements().iter();
    let boundary = result.permissions_boundary_decision_detail();
    let organization = result.organizations_decision_detail();
    let mut of_resource = result.resource_specific_results().iter();
    Some(SimulatedAction {
        action: result.eval_action_name().to_owned(),
        resource: resource.to_owned(),
        decision,
        policies: policies
            .filter_map(|statement| Some(statement.source_policy_id()?.to_owned()))
            .collect(),
        lacks_context: !result.missing_context_values().is_empty()
            || of_resource.any(|one| !one.missing_context_values().is_empty()),
        boundary_allows: boundary.map(|detail| detail.allowed_by_permissions_boundary()),
        organization_allows: organization.map(|detail| detail.allowed_by_organizations()),
    })
}
