//! IAM: instance profiles, roles and their policies read.

mod policies;

use std::collections::BTreeMap;

use aws_sdk_iam::types::Role;
use percent_encoding::percent_decode_str;

use super::ec2::opt_in_tags;
use super::error;
use super::live::LiveState;
use super::whole::held;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{Fetched, ProfileFacts, RoleFacts};
use crate::diagnose::live::{Call, GetInstanceProfile, GetRole, Reads};

impl Reads<GetInstanceProfile> for LiveState {
    async fn read(
        &self,
        GetInstanceProfile(name): &GetInstanceProfile,
    ) -> Result<ProfileFacts, CallError> {
        const CALL: &str = GetInstanceProfile::NAME;
        let request = self.iam().await.get_instance_profile();
        let answer = request.instance_profile_name(name).send().await;
        let answer = answer.map_err(|e| error::read(CALL, e))?;
        let profile = held(CALL, answer.instance_profile())?;
        // A profile holds at most one role ("IAM and AWS STS quotas").
        let role = match profile.roles().first() {
            Some(role) => {
                let tags = Fetched::Failed(format!("{CALL} does not give the tags of a role"));
                Some(held(CALL, role_facts(role, tags))?)
            }
            None => None,
        };
        Ok(ProfileFacts {
            name: held(CALL, some(profile.instance_profile_name()))?,
            id: held(CALL, some(profile.instance_profile_id()))?,
            role,
        })
    }
}

impl Reads<GetRole> for LiveState {
    async fn read(&self, GetRole(name): &GetRole) -> Result<RoleFacts, CallError> {
        const CALL: &str = GetRole::NAME;
        let answer = self.iam().await.get_role().role_name(name).send().await;
        let answer = answer.map_err(|e| error::read(CALL, e))?;
        let role = held(CALL, answer.role())?;
        let tags = opt_in_tags(role.tags().iter().map(|tag| (tag.key(), tag.value())));
        held(CALL, role_facts(role, Fetched::Found(tags)))
    }
}

/// The SDK puts an empty text where an answer lacks a member that it must have.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// `None` where the answer lacks what every role has.
fn role_facts(role: &Role, tags: Fetched<BTreeMap<String, String>>) -> Option<RoleFacts> {
    Some(RoleFacts {
        name: some(role.role_name())?,
        arn: some(role.arn())?,
        path: some(role.path())?,
        trust_policy: decode(role.assume_role_policy_document()?),
        tags,
        boundary: role
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn())
            .map(str::to_owned),
    })
}

/// IAM URL-encodes policy documents (RFC 3986). A document that arrives plain
/// stays as it is: a `%` in it is its own.
fn decode(document: &str) -> String {
    if document.trim_start().starts_with('{') {
        return document.to_owned();
    }
    percent_decode_str(document)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_documents_are_decoded_once() {
        assert_eq!(
            decode("%7B%22Version%22%3A%20%222012-10-17%22%7D"),
            r#"{"Version": "2012-10-17"}"#
        );
        assert_eq!(decode(r#"{"Sid":"100%25"}"#), r#"{"Sid":"100%25"}"#);
    }
}
