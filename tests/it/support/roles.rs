//! Roles and their trust policies in the account of a test.

use serde_json::{Value, json};

use super::account::Account;
use super::instances::TAG;
use super::proxy::decoded;

/// A trust policy that EC2 may use.
pub(crate) fn trusting_ec2() -> Value {
    trusting(json!({"Service": "ec2.amazonaws.com"}))
}

/// A trust policy that lets in only a colleague's account, not EC2.
pub(crate) fn trusting_another_account() -> Value {
    trusting(json!({"AWS": "arn:aws:iam::210987654321:root"}))
}

pub(crate) fn trusting(principal: Value) -> Value {
    policy(json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]))
}

/// A policy of these statements.
pub(crate) fn policy(statements: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

impl Account {
    /// Makes a role and an instance profile of the same name that holds it;
    /// `tag` is the value of the tag that allows repairs.
    pub(crate) async fn role_with_profile(&self, name: &str, trust: &Value, tag: Option<&str>) {
        let tags = tag.map(|value| {
            let tag = aws_sdk_iam::types::Tag::builder().key(TAG).value(value);
            vec![tag.build().expect("a tag has key and value")]
        });
        let iam = self.iam();
        iam.create_role()
            .role_name(name)
            .assume_role_policy_document(trust.to_string())
            .set_tags(tags)
            .send()
            .await
            .expect("the role is made");
        self.profile(name).await;
        iam.add_role_to_instance_profile()
            .instance_profile_name(name)
            .role_name(name)
            .send()
            .await
            .expect("the role goes into the profile");
    }

    /// Makes an instance profile without a role.
    pub(crate) async fn profile(&self, name: &str) {
        let request = self.iam().create_instance_profile();
        let made = request.instance_profile_name(name).send().await;
        made.expect("the instance profile is made");
    }

    /// Gives the role an inline policy of these statements.
    pub(crate) async fn put_role_policy(&self, role: &str, statements: Value) {
        self.iam()
            .put_role_policy()
            .role_name(role)
            .policy_name("Own")
            .policy_document(policy(statements).to_string())
            .send()
            .await
            .expect("the role takes a policy");
    }

    /// The role's trust policy as the server holds it.
    pub(crate) async fn trust_policy(&self, role: &str) -> Value {
        let got = self
            .iam()
            .get_role()
            .role_name(role)
            .send()
            .await
            .expect("the role exists");
        let document = got
            .role()
            .and_then(|role| role.assume_role_policy_document())
            .expect("a role has a trust policy");
        serde_json::from_str(&decoded(document)).expect("a trust policy is JSON")
    }
}
