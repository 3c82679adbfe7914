//! The calls that read live state: what each asks about, and what it answers.

use std::fmt::Debug;
use std::future::Future;

use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{
    AclFacts, ActivationFacts, ConsoleFacts, DhcpFacts, EndpointFacts, GroupFacts, ImdsDefaults,
    InstanceFacts, InterfaceFacts, KeyFacts, ProfileFacts, RegistrationFacts, RoleFacts,
    RouteTableFacts, SimulatedAction, StatusFacts, SubnetFacts, VpcFacts,
};
use crate::node::{InstanceId, NodeId};

/// An answer to come.
pub(crate) trait ApiFuture<T>: Future<Output = Result<T, CallError>> + Send {}
impl<T, F: Future<Output = Result<T, CallError>> + Send> ApiFuture<T> for F {}

/// A call, by what it asks about.
pub(crate) trait Call: Send + Sync + 'static {
    /// The API, as errors name it.
    const NAME: &'static str;
    type Answer: Clone + Send + Sync + 'static;
}

/// What makes a call.
pub(crate) trait Reads<C: Call>: Send + Sync + 'static {
    fn read(&self, call: &C) -> impl ApiFuture<C::Answer>;
}

/// A fact that is asked for in a list, by a filter: what does not exist is left
/// out of the answer and fails nothing.
pub(crate) trait Listed: Clone + Send + Sync + 'static {
    /// The API, as errors name it.
    const CALL: &'static str;
    /// How many keys one call takes.
    const AT_MOST: usize;
    type Key: Ord + Clone + Debug + Send + Sync + 'static;
    fn key(&self) -> &Self::Key;
}

/// The call for all facts of these keys, all its pages.
pub(crate) struct List<T: Listed>(pub(crate) Vec<T::Key>);

impl<T: Listed> Call for List<T> {
    const NAME: &'static str = T::CALL;
    type Answer = Vec<T>;
}

/// Whether Systems Manager change calendars, by name or ARN, allow changes now: all of
/// them do, or one does not. No check rests on it; a repair asks right before its write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GetCalendarState(pub(crate) Vec<String>);

impl Call for GetCalendarState {
    const NAME: &'static str = "GetCalendarState";
    type Answer = CalendarState;
}

/// What a set of change calendars says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CalendarState {
    pub is_open: bool,
    /// When that changes next, as Systems Manager writes it.
    pub until: Option<String>,
}

/// A yes-or-no attribute of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum VpcAttribute {
    DnsSupport,
    DnsHostnames,
}

macro_rules! calls {
    (
        one by one { $($(#[$doc:meta])* $call:ident($($key:ty),*) -> $answer:ty;)+ }
        in lists { $($list:literal: $facts:ident by $field:ident: $list_key:ty, $most:expr;)+ }
    ) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
            pub(crate) struct $call($(pub(crate) $key),*);

            impl Call for $call {
                const NAME: &'static str = stringify!($call);
                type Answer = $answer;
            }
        )+
        $(
            impl Listed for $facts {
                const CALL: &'static str = $list;
                const AT_MOST: usize = $most;
                type Key = $list_key;
                fn key(&self) -> &$list_key {
                    &self.$field
                }
            }
        )+

        /// What makes all of the calls that the checks rest on.
        pub(crate) trait AwsReader: $(Reads<$call> +)+ $(Reads<List<$facts>> +)+ {}
        impl<R: $(Reads<$call> +)+ $(Reads<List<$facts>> +)+> AwsReader for R {}
    };
}

/// Values that one filter of EC2 takes.
const EC2_FILTER: usize = 200;

calls! {
    one by one {
        /// What the instance wrote to its console; the latest of it, where `true`.
        GetConsoleOutput(InstanceId, bool) -> ConsoleFacts;
        /// The metadata defaults of this account and Region.
        GetInstanceMetadataDefaults() -> ImdsDefaults;
        /// What this version of this launch template sets `HttpEndpoint` to.
        DescribeLaunchTemplateVersions((String, String)) -> Option<bool>;
        /// The instance profile of this name with its role, whose tags are not read.
        GetInstanceProfile(String) -> ProfileFacts;
        /// The role of this name with its tags and boundary.
        GetRole(String) -> RoleFacts;
        /// What IAM says of the role with this ARN: of each action, called on its resource.
        SimulatePrincipalPolicy(String, Vec<(&'static str, String)>) -> Vec<SimulatedAction>;
        /// The ARNs of the managed policies attached to a role.
        ListAttachedRolePolicies(String) -> Vec<String>;
        /// The names of a role's inline policies.
        ListRolePolicies(String) -> Vec<String>;
        /// The document of a role's inline policy of this name.
        GetRolePolicy((String, String)) -> String;
        /// The document of the default version of the managed policy with this ARN.
        GetPolicyVersion(String) -> String;
        DescribeVpcAttribute(String, VpcAttribute) -> bool;
        /// The key of this id, alias or ARN.
        DescribeKey(String) -> KeyFacts;
        /// Whether the bucket of this name is encrypted by default.
        GetBucketEncryption(String) -> bool;
        /// Whether the log group of exactly this name is encrypted with a key.
        DescribeLogGroups(String) -> bool;
        /// The content of this document.
        GetDocument(String) -> String;
        /// The value of this service setting of this account and Region.
        GetServiceSetting(String) -> String;
    }
    in lists {
        "DescribeInstances": InstanceFacts by id: InstanceId, EC2_FILTER;
        // "Constraints: Maximum 100 explicitly specified instance IDs."
        "DescribeInstanceStatus": StatusFacts by id: InstanceId, 100;
        "DescribeSecurityGroups": GroupFacts by id: String, EC2_FILTER;
        "DescribeNetworkAcls": AclFacts by vpc: String, EC2_FILTER;
        "DescribeRouteTables": RouteTableFacts by vpc: String, EC2_FILTER;
        "DescribeVpcEndpoints": EndpointFacts by vpc: String, EC2_FILTER;
        "DescribeNetworkInterfaces": InterfaceFacts by id: String, EC2_FILTER;
        "DescribeSubnets": SubnetFacts by id: String, EC2_FILTER;
        "DescribeVpcs": VpcFacts by id: String, EC2_FILTER;
        "DescribeDhcpOptions": DhcpFacts by id: String, EC2_FILTER;
        "DescribeInstanceInformation": RegistrationFacts by id: NodeId, 50;
        "DescribeActivations": ActivationFacts by id: String, 50;
    }
}
