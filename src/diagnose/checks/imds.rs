//! Is the instance metadata service switched on?

use crate::diagnose::check::{CheckName, CheckResult, Sign, Subject};
use crate::report::CheckStatus;

const NAME: CheckName = CheckName::Imds;

pub fn judge(subject: &Subject<'_>) -> CheckResult {
    let instance = match subject.standing_instance(NAME) {
        Ok(instance) => instance,
        Err(result) => return result,
    };
    let id = &instance.id;
    let Some(imds) = &instance.imds else {
        let note = format!("EC2 does not tell the metadata options of {id}.");
        return CheckResult::new(NAME, CheckStatus::Unknown, note, None);
    };
    let pending = if imds.pending {
        ", a change of which is pending"
    } else {
        ""
    };
    if !imds.endpoint_enabled {
        let note = format!(
            "The metadata service of {id} is switched off (HttpEndpoint is disabled{pending})."
        );
        return CheckResult::new(NAME, CheckStatus::Failed, note, Some(Sign::ImdsDisabled));
    }
    let tokens = if imds.tokens_required {
        "required"
    } else {
        "optional"
    };
    let hops = match imds.hop_limit {
        Some(limit) => format!(", hop limit {limit}"),
        None => String::new(),
    };
    let note = format!(
        "The metadata service of {id} is switched on \
         (HttpEndpoint enabled, HttpTokens {tokens}{hops}{pending})."
    );
    CheckResult::new(NAME, CheckStatus::Ok, note, Some(Sign::ImdsEnabled))
}
