//! A small live state in which everything is right, to be broken by a test.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::diagnose::facts::{
    Facts, ImdsFacts, InstanceFacts, ProfileFacts, ProfileRef, Read, RoleFacts,
};
use crate::incident::cause::{Cause, Confidence};
use crate::incident::finding::{Clues, Finding, SignatureCount};
use crate::node::{AccountId, InstanceId, NamedBy, Node, NodeId, Region};

pub(crate) const TRUSTS_EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub(crate) const TRUSTS_LAMBDA: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
pub(crate) const TRUSTS_ON_CONDITION: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}]}"#;

/// `i-` and 17 digits.
pub(crate) fn instance_id(number: u32) -> InstanceId {
    InstanceId::parse(&format!("i-{number:017}")).expect("17 digits")
}

pub(crate) fn node(number: u32) -> Node {
    Node {
        id: NodeId::Instance(instance_id(number)),
        named_by: NamedBy::Stream,
        account: AccountId::parse("111122223333"),
        region: Region::parse("eu-central-1"),
    }
}

pub(crate) fn instance(number: u32) -> InstanceFacts {
    InstanceFacts {
        id: instance_id(number),
        state: "running".to_owned(),
        imds: Some(ImdsFacts {
            endpoint_enabled: true,
            tokens_required: true,
            hop_limit: Some(2),
            pending: false,
        }),
        profile: Some(ProfileRef {
            name: "Web".to_owned(),
            arn: "arn:aws:iam::111122223333:instance-profile/Web".to_owned(),
            id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
        }),
        tags: BTreeMap::new(),
        managed_by: None,
        vpc: Some("vpc-1".to_owned()),
        subnet: Some("subnet-1".to_owned()),
    }
}

pub(crate) fn role(trust_policy: &str) -> RoleFacts {
    RoleFacts {
        name: "MySSMRole".to_owned(),
        arn: "arn:aws:iam::111122223333:role/MySSMRole".to_owned(),
        path: "/".to_owned(),
        trust_policy: trust_policy.to_owned(),
        tags: Read::Found(BTreeMap::new()),
    }
}

pub(crate) fn profile() -> ProfileFacts {
    ProfileFacts {
        name: "Web".to_owned(),
        id: "AIPAEXAMPLEEXAMPLE01".to_owned(),
        role: Some(role(TRUSTS_EC2)),
    }
}

/// One instance with its profile, as `change` leaves them.
pub(crate) fn world(change: impl FnOnce(&mut InstanceFacts, &mut ProfileFacts)) -> Facts {
    let (mut instance, mut profile) = (instance(1), profile());
    change(&mut instance, &mut profile);
    Facts {
        instances: BTreeMap::from([(instance_id(1), Read::Found(instance))]),
        profiles: BTreeMap::from([("Web".to_owned(), Read::Found(profile))]),
    }
}

pub(crate) fn second(number: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + number).expect("within range")
}

pub(crate) fn finding(number: u32, candidates: &[Cause], confidence: Confidence) -> Finding {
    Finding {
        node: node(number),
        candidates: candidates.to_vec(),
        confidence,
        severity: candidates[0].severity(),
        clues: Clues::default(),
        evidence: Vec::new(),
        signatures: vec![SignatureCount {
            id: "some-signature".to_owned(),
            count: 1,
            first: second(0),
            last: second(1),
        }],
        first: second(0),
        last: second(1),
        retry_in_seconds: None,
        fresh: true,
    }
}
