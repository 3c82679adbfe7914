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
use crate::sort;

impl Reads<SimulatePrincipalPolicy> for LiveState {
    /// Service control policies are left out: the simulator evaluates their
    /// conditions without the values of a real call and does not say which
    /// were missing, so that a denial outside certain Regions denies everything.
    async fn read(
        &self,
        call: &SimulatePrincipalPolicy,
    ) -> Result<Vec<SimulatedAction>, CallError> {
        const CALL: &str = SimulatePrincipalPolicy::NAME;
        let SimulatePrincipalPolicy(role_arn, asked) = call;
        let actions = sort::set(asked.iter().map(|one| one.0.to_owned()));
        let resources = sort::set(asked.iter().map(|one| one.1.clone()));
        let request = (self.iam().await.simulate_principal_policy())
            .policy_source_arn(role_arn)
            .set_action_names(Some(actions.into_iter().collect()))
            .set_resource_arns(Some(resources.into_iter().collect()));
        let mut answers = Vec::new();
        let mut marker = None;
        loop {
            let request = request.clone().set_marker(marker).customize();
            let page = request.mutate_request(leave_out_scps).send().await;
            let page = page.map_err(|e| error::read(CALL, e))?;
            let results = page.evaluation_results().iter();
            answers.extend(results.flat_map(|result| simulated(result, call)));
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

/// What `result` says of what was asked. It stands with the results for each resource; without
/// them the result itself is of the resource that it names, or allows the action on all of them.
fn simulated(result: &EvaluationResult, call: &SimulatePrincipalPolicy) -> Vec<SimulatedAction> {
    let SimulatePrincipalPolicy(_, asked) = call;
    let action = result.eval_action_name();
    let of_action = asked.iter().filter(|(asked, _)| *asked == action);
    let answer = |(_, on): &(&str, String)| {
        let mut each = result.resource_specific_results().iter();
        let own = each.find(|one| one.eval_resource_name() == on);
        let whole = result.resource_specific_results().is_empty()
            && (result.eval_resource_name() == Some(on)
                || *result.eval_decision() == PolicyEvaluationDecisionType::Allowed);
        let (decision, statements, boundary) = match own {
            Some(own) => (
                own.eval_resource_decision(),
                own.matched_statements(),
                own.permissions_boundary_decision_detail(),
            ),
            None => whole.then(|| {
                (
                    result.eval_decision(),
                    result.matched_statements(),
                    result.permissions_boundary_decision_detail(),
                )
            })?,
        };
        let lacking = own.map_or(&[][..], |own| own.missing_context_values());
        let organization = result.organizations_decision_detail();
        let policies = statements.iter();
        Some(SimulatedAction {
            action: action.to_owned(),
            resource: on.clone(),
            decision: known(decision)?,
            policies: policies
                .filter_map(|statement| Some(statement.source_policy_id()?.to_owned()))
                .collect(),
            lacks_context: !(lacking.is_empty() && result.missing_context_values().is_empty()),
            boundary_allows: boundary.map(|detail| detail.allowed_by_permissions_boundary()),
            organization_allows: organization.map(|detail| detail.allowed_by_organizations()),
        })
    };
    of_action.filter_map(answer).collect()
}

/// `None` for a decision that is not known.
fn known(decision: &PolicyEvaluationDecisionType) -> Option<Decision> {
    Some(match decision {
        PolicyEvaluationDecisionType::Allowed => Decision::Allowed,
        PolicyEvaluationDecisionType::ExplicitDeny => Decision::ExplicitDeny,
        PolicyEvaluationDecisionType::ImplicitDeny => Decision::ImplicitDeny,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::types::ResourceSpecificResult;
    use aws_sdk_iam::types::builders::EvaluationResultBuilder;

    use super::*;

    /// As IAM answers about several resources: for all of them together something that none of
    /// them is, and each by itself.
    #[test]
    fn each_resource_has_its_own_answer() {
        use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};

        let own = |name: &str, decision| {
            let result = ResourceSpecificResult::builder().eval_resource_name(name);
            let result = result.eval_resource_decision(decision).build();
            result.expect("it has what it must")
        };
        let whole = |name: &str, decision| {
            let result = EvaluationResult::builder().eval_action_name("s3:PutObject");
            result.eval_resource_name(name).eval_decision(decision)
        };
        let answers = |result: EvaluationResultBuilder| {
            let result = result.build().expect("it has what it must");
            let asked = [
                ("s3:PutObject", "a"),
                ("s3:PutObject", "b"),
                ("kms:Decrypt", "c"),
            ];
            let asked = asked.map(|(action, on)| (action, on.to_owned()));
            let call = SimulatePrincipalPolicy("role".to_owned(), asked.to_vec());
            let answers = simulated(&result, &call).into_iter();
            let answers = answers.map(|one| format!("{} {:?}", one.resource, one.decision));
            answers.collect::<Vec<_>>()
        };
        let of_each = whole("arn:aws:s3:::${BucketName}/${KeyName}", ImplicitDeny)
            .resource_specific_results(own("a", Allowed))
            .resource_specific_results(own("b", ImplicitDeny))
            .resource_specific_results(own("c", ExplicitDeny));
        assert_eq!(answers(of_each), ["a Allowed", "b ImplicitDeny"]);
        assert_eq!(answers(whole("*", Allowed)), ["a Allowed", "b Allowed"]);
        assert_eq!(answers(whole("*", ImplicitDeny)), [""; 0]);
        assert_eq!(answers(whole("b", ImplicitDeny)), ["b ImplicitDeny"]);
    }
}
