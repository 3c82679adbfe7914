//! What a role may do: IAM's simulator, and the role's policies.

use aws_sdk_iam::config::http::HttpRequest;
use aws_sdk_iam::types::{AttachedPolicy, EvaluationResult, PolicyEvaluationDecisionType};

use super::{decode, some};
use crate::aws::error;
use crate::aws::live::LiveState;
use crate::aws::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Decision, SimulatedAction};
use crate::diagnose::live::{
    Call, GetPolicyVersion, GetRolePolicy, ListAttachedRolePolicies, ListRolePolicies, Reads,
    SimulatePrincipalPolicy,
};

impl Reads<SimulatePrincipalPolicy> for LiveState {
    /// Service control policies are left out: the simulator evaluates their
    /// conditions without the values of a real call and does not say which
    /// were missing, so that a denial outside certain Regions denies everything.
    async fn read(
        &self,
        SimulatePrincipalPolicy(role_arn, actions, resource): &SimulatePrincipalPolicy,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        const CALL: &str = SimulatePrincipalPolicy::NAME;
        let request = (self.iam().await.simulate_principal_policy())
            .policy_source_arn(role_arn)
            .set_action_names(Some(actions.iter().map(ToString::to_string).collect()))
            .resource_arns(resource);
        let mut answers = Vec::new();
        let mut marker = None;
        loop {
            let request = request.clone().set_marker(marker).customize();
            let page = request.mutate_request(leave_out_scps).send().await;
            let page = page.map_err(|e| error::read(CALL, e))?;
            let results = page.evaluation_results().iter();
            let asked = results.filter(|result| actions.contains(&result.eval_action_name()));
            answers.extend(asked.filter_map(|result| simulated(result, resource)));
            marker = page.marker().map(str::to_owned);
            if !page.is_truncated() || marker.is_none() {
                return Ok(answers);
            }
        }
    }
}

impl Reads<ListAttachedRolePolicies> for LiveState {
    async fn read(
        &self,
        ListAttachedRolePolicies(role): &ListAttachedRolePolicies,
    ) -> Result<Vec<String>, CallError> {
        const CALL: &str = ListAttachedRolePolicies::NAME;
        let request = self.iam().await.list_attached_role_policies();
        all_pages!(CALL, request.role_name(role), |page| {
            let arn = |policy: &AttachedPolicy| policy.policy_arn.clone();
            each_held(CALL, page.attached_policies, arn)?
        })
    }
}

impl Reads<ListRolePolicies> for LiveState {
    async fn read(
        &self,
        ListRolePolicies(role): &ListRolePolicies,
    ) -> Result<Vec<String>, CallError> {
        let request = self.iam().await.list_role_policies().role_name(role);
        all_pages!(ListRolePolicies::NAME, request, |page| page.policy_names)
    }
}

impl Reads<GetRolePolicy> for LiveState {
    async fn read(&self, GetRolePolicy((role, name)): &GetRolePolicy) -> Result<String, CallError> {
        const CALL: &str = GetRolePolicy::NAME;
        let request = self.iam().await.get_role_policy();
        let answer = request.role_name(role).policy_name(name).send().await;
        let answer = answer.map_err(|e| error::read(CALL, e))?;
        Ok(decode(&held(CALL, some(answer.policy_document()))?))
    }
}

impl Reads<GetPolicyVersion> for LiveState {
    async fn read(&self, GetPolicyVersion(arn): &GetPolicyVersion) -> Result<String, CallError> {
        const POLICY: &str = "GetPolicy";
        const CALL: &str = GetPolicyVersion::NAME;
        let client = self.iam().await;
        let policy = client.get_policy().policy_arn(arn).send().await;
        let policy = policy.map_err(|e| error::read(POLICY, e))?.policy;
        let version = held(POLICY, policy.and_then(|policy| policy.default_version_id))?;
        let request = client.get_policy_version().policy_arn(arn);
        let answer = request.version_id(version).send().await;
        let answer = answer.map_err(|e| error::read(CALL, e))?.policy_version;
        let document = answer.and_then(|version| version.document);
        Ok(decode(&held(CALL, document)?))
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
