//! Can EC2 assume the role of the instance's own profile?

use crate::cause::Cause;
use crate::diagnose::check::{Check, CheckResult, Observation, OfHybrid, Query, Question, Subject};
use crate::policy::{PolicyDecision, Service, has_ours, may_assume, whom_it_allows};

pub(crate) const CHECK: Check = Check {
    name: "trust-policy",
    question: Question::Credentials,
    causes: &[Cause::StaleInstanceProfile, Cause::RoleNotAssumable],
    needs: &[Query::Instance, Query::Profile],
    uses: &[Query::Role],
    observes: &[ALLOWS, ALLOWS_BY_REPAIR, REFUSES],
    of_hybrid: OfHybrid::Nothing,
    evaluate,
};

pub(crate) const ALLOWS: Observation =
    Observation::refutes("trust-allows", &[Cause::RoleNotAssumable]);
/// EC2 is allowed by the statement that an earlier repair of ours added.
pub(crate) const ALLOWS_BY_REPAIR: Observation =
    Observation::refutes("trust-allows-by-repair", &[Cause::RoleNotAssumable]);
const REFUSES: Observation = Observation::confirms("trust-refuses", Cause::RoleNotAssumable, &[]);

fn evaluate(subject: &Subject<'_>) -> Result<CheckResult, CheckResult> {
    let instance = subject.existing_instance()?;
    let role = subject.own_role(instance)?;
    let (name, policy, partition) = (&role.name, &role.trust_policy, subject.partition);
    let failed =
        |why: String| CheckResult::failed(format!("Role {name}: {why}.")).observed(REFUSES);
    Ok(match may_assume(Service::Ec2, policy, partition) {
        PolicyDecision::Allowed(at) => CheckResult::ok(format!(
            "The trust policy of the role {name} allows EC2 to assume it ({at})."
        ))
        .observed(match has_ours(policy) {
            Some(_) => ALLOWS_BY_REPAIR,
            None => ALLOWS,
        }),
        PolicyDecision::Denied(at) => failed(format!("{} denies it to EC2", at.in_full())),
        PolicyDecision::NotAllowed => failed(format!(
            "no statement of the trust policy allows EC2 to assume it; {}",
            whom_it_allows(Service::Ec2, policy, partition)
        )),
        PolicyDecision::Unclear(why) => {
            let what = format!("whether EC2 can assume the role {name}");
            CheckResult::undetermined(&what, &why)
        }
    })
}
