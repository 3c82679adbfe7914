//! What the conditions and placeholders of a sheet mean for an incident.

use serde_json::json;

use super::expand::View;
use crate::cause::{Confidence, ScopeKind};
use crate::command::ArgKind;
use crate::diagnose::check::Fault;
use crate::diagnose::facts::InstanceFacts;
use crate::failure::address_class::{AddressClass, class_of};
use crate::failure::{DenyReason, Principal, Service, UNSIGNED};
use crate::machine::Environment;
use crate::node::{AccountId, InstanceId, NodeId, Partition, Region};
use crate::policy::CORE_ACTIONS;
use crate::sheet::{Condition, Flag, Placeholder};

impl<'a> View<'a> {
    pub(super) fn condition(&self, condition: Condition) -> bool {
        let mut signatures = self.of.signatures.iter().map(|one| &*one.id);
        match condition {
            Condition::Is(flag) => self.flag(flag),
            Condition::On(environment) => self.is_on(environment),
            Condition::Known(value) => !self.known(value).is_empty(),
            Condition::Scope(kind) => self.of.scope.kind == kind,
            Condition::Service(prefix) => self.of.error_details.service.as_deref() == Some(prefix),
            Condition::Signature(id) => signatures.any(|seen| seen == id),
            Condition::OnlySignature(id) => {
                !self.of.signatures.is_empty() && signatures.all(|seen| seen == id)
            }
        }
    }

    /// Whether the log shows this of the machine of the first node, or its id does.
    pub(super) fn is_on(&self, environment: Environment) -> bool {
        let node = self.of.nodes.first().map(|node| &node.id);
        let by_id = match environment {
            Environment::Hybrid => matches!(node, Some(NodeId::Hybrid(_))),
            // The role that AWS proposes for it.
            Environment::Dhmc => (self.role()).is_some_and(|role| role.contains(DHMC_ROLE)),
            _ => false,
        };
        by_id || self.of.error_details.machine.is(environment)
    }

    pub(super) fn flag(&self, flag: Flag) -> bool {
        let error_details = self.of.error_details;
        let blamed = error_details.reason.unwrap_or(DenyReason::IdentityPolicy);
        let blames = |reason| blamed == reason;
        let is_service = |one: Service| error_details.service.as_deref() == Some(one.as_str());
        match flag {
            Flag::Systemd => {
                use Environment::{Container, Greengrass, MacOs, Windows};
                ![Windows, MacOs, Container, Greengrass]
                    .into_iter()
                    .any(|other| self.is_on(other))
            }
            Flag::Azure => is_service(Service::AzureMetadata),
            Flag::Confirmed => self.of.confidence == Confidence::Confirmed,
            Flag::Undetermined => self.of.confidence == Confidence::Undetermined,
            Flag::Proxied => error_details.proxied,
            Flag::Metadata => {
                is_service(Service::Metadata)
                    || error_details.host.as_deref() == Some("169.254.169.254")
            }
            Flag::TokenUnanswered => self.evidence(awaits_token),
            Flag::RouteMissing => self.says(&["network is unreachable", "unreachable network"]),
            Flag::OpenFiles => {
                self.says(&["too many open files", "lacked sufficient buffer space"])
            }
            Flag::DiskErrors => self.says(&[
                "input/output error",
                "structure needs cleaning",
                "stale NFS file handle",
                "stale file handle",
            ]),
            Flag::AccountRefused => self.says(&["OptInRequired", "SubscriptionRequired"]),
            Flag::DestinationMissing => self.says(&[
                "NoSuchBucket",
                "ResourceNotFoundException",
                "does not exist",
            ]),
            Flag::BucketElsewhere => self.says(&[
                "AuthorizationHeaderMalformed",
                "PermanentRedirect",
                "BucketRegionError",
                "IllegalLocationConstraint",
            ]),
            Flag::KeyUnusable => self.says(&[
                "DisabledException",
                "KMSInvalidStateException",
                "KeyUnavailableException",
                "InvalidKeyUsageException",
                "NotFoundException",
            ]),
            Flag::DialledPrivate => self.remote_ip() == Some(AddressClass::Private),
            Flag::DialledPublic => matches!(
                self.remote_ip(),
                Some(AddressClass::Translated(_) | AddressClass::Public)
            ),
            Flag::NamesHost => error_details.host.is_some(),
            Flag::Online => error_details.online,
            Flag::Client => error_details.client,
            Flag::IdInDoubt => error_details.id_in_doubt,
            Flag::Denied => !error_details.denied.is_empty(),
            Flag::ReasonMissing => error_details.reason.is_none(),
            Flag::Explicit => error_details.denied.iter().any(|one| one.explicit),
            Flag::Person => matches!(
                error_details.principal,
                Some(Principal::User(_) | Principal::Federated(_))
            ),
            Flag::IdentityPolicy => blames(DenyReason::IdentityPolicy),
            Flag::PermissionsBoundary => blames(DenyReason::PermissionsBoundary),
            Flag::ServiceControlPolicy => blames(DenyReason::ServiceControlPolicy),
            Flag::ResourceControlPolicy => blames(DenyReason::ResourceControlPolicy),
            Flag::SessionPolicy => blames(DenyReason::SessionPolicy),
            Flag::EndpointPolicy => blames(DenyReason::VpcEndpointPolicy),
            Flag::ResourcePolicy => blames(DenyReason::ResourcePolicy),
            Flag::RoleTrustPolicy => blames(DenyReason::RoleTrustPolicy),
            Flag::UnnamedDeny => blames(DenyReason::ExplicitDeny),
            Flag::OrganizationPolicy => {
                use DenyReason::{ResourceControlPolicy, ServiceControlPolicy};
                let kind = error_details.denying_policy().map(|(kind, _)| kind);
                matches!(kind, Some(ServiceControlPolicy | ResourceControlPolicy))
            }
            Flag::CoreCovers => {
                let [all, core] =
                    [Placeholder::Actions, Placeholder::CoreActions].map(|one| self.known(one));
                match self.fault {
                    // What a check found missing must be allowed as a whole.
                    Some(_) => core.len() == all.len(),
                    None => all.is_empty() || !core.is_empty(),
                }
            }
        }
    }

    /// Whether a record that is quoted holds what is `sought`.
    fn evidence(&self, sought: impl Fn(&str) -> bool) -> bool {
        self.of.evidence.iter().any(|one| sought(&one.text))
    }

    /// Whether a record that is quoted holds one of `words`.
    fn says(&self, words: &[&str]) -> bool {
        self.evidence(|text| words.iter().any(|one| text.contains(one)))
    }

    /// The candidates for a placeholder, still to pass its grammar; none where nothing is known.
    pub(super) fn values(&self, value: Placeholder) -> Vec<String> {
        use Placeholder as P;
        let error_details = self.of.error_details;
        let resource = error_details.resource.as_deref();
        let last = |path: &'a str| path.rsplit('/').next();
        match value {
            P::Region => one(self.region().map(Region::as_str)),
            P::Node => one(self.of.nodes.first().map(|node| node.id.as_str())),
            P::Instance => one(self.instance()),
            P::Role => one(self.role()),
            P::Profile => one(self
                .live()
                .and_then(|live| Some(&live.profile.as_ref()?.name))),
            P::User => one(match &error_details.principal {
                Some(Principal::User(path)) => last(path),
                Some(_) | None => None,
            }),
            P::Vpc => one(match self.fault {
                Some(Fault::DnsSupport { vpc }) => Some(vpc),
                Some(_) | None => self.live().and_then(|live| live.vpc.as_ref()),
            }),
            P::Subnet => one(match self.fault {
                Some(Fault::Acl { subnet, .. } | Fault::Route { subnet, .. }) => Some(subnet),
                Some(_) | None => self.live().and_then(|live| live.subnet.as_ref()),
            }),
            P::InstanceGroup => one(self.live().and_then(|live| live.network.groups.first())),
            P::Groups => match self.fault {
                Some(Fault::Egress { groups } | Fault::EndpointSgBlocksInstance { groups, .. }) => {
                    groups.clone()
                }
                Some(_) | None => Vec::new(),
            },
            P::Group => one(self.values(P::Groups).first()),
            // The grammar of each takes its own kind of resource only.
            P::Endpoint | P::RouteTable | P::NetworkAcl | P::Boundary | P::PolicyInWords => {
                one(self.fault.map(Fault::resource))
            }
            P::BypassedEndpoint => {
                one(self.of.checks.iter().find_map(|check| match &check.fault {
                    Some(Fault::EndpointBypassed { endpoint }) => Some(endpoint),
                    Some(_) | None => None,
                }))
            }
            P::Host => one(self.host()),
            P::SsmmessagesHost => one(self.host_of("ssmmessages")),
            P::AgentBucket => one((self.host_of("s3").zip(self.region()))
                .map(|(s3, region)| format!("amazon-ssm-{}.{s3}", region.as_str()))),
            P::Ec2Principal => one(Some(match self.partition() == Partition::China {
                true => "ec2.amazonaws.com.cn",
                false => "ec2.amazonaws.com",
            })),
            P::Service => one(Some(self.service())),
            P::Api => one((error_details.action.as_deref())
                .and_then(|action| action.rsplit(':').next())
                .filter(|action| ArgKind::Service.accepts(action))
                .or(Some("UpdateInstanceInformation"))),
            P::Actions => match self.fault {
                Some(Fault::MissingActions { actions, .. }) => actions.clone(),
                Some(Fault::PolicyDenies { action, .. }) => one(Some(action)),
                Some(_) | None => {
                    let denied = error_details.denied_actions();
                    denied.into_iter().map(str::to_owned).collect()
                }
            },
            P::CoreActions => self.actions(|action| CORE_ACTIONS.contains(&action)),
            P::BeyondCore => self.actions(|action| !CORE_ACTIONS.contains(&action)),
            P::Unsigned => {
                self.actions(|action| UNSIGNED.iter().any(|one| one.eq_ignore_ascii_case(action)))
            }
            P::Resource => one(resource),
            P::TrustedRole => one(resource.and_then(|arn| last(arn.split_once(":role/")?.1))),
            P::DenyingPolicy => one(error_details.denying_policy().map(|(_, arn)| arn)),
            P::PolicyId => one(match self.of.scope.kind {
                ScopeKind::Policy => Some(self.of.scope.id.as_str()),
                _ => error_details
                    .denying_policy()
                    .and_then(|(_, arn)| last(arn)),
            }),
            P::CallerArn => one(self.caller_arn()),
            P::CallerAccount => {
                let own = error_details.account.as_ref();
                one(own.map(AccountId::as_str).or(self.account()))
            }
            // The ARNs of S3 hold none.
            P::ResourceAccount => one(resource.and_then(|arn| arn.split(':').nth(4))),
            P::CorePolicy => one(self.managed("AmazonSSMManagedInstanceCore")),
            P::DhmcPolicy => one(self.managed("AmazonSSMManagedEC2InstanceDefaultPolicy")),
            P::PartitionRegion => one((self.region())
                .filter(|_| self.partition() != Partition::Aws)
                .map(|region| format!("--region {}", region.as_str()))),
            // Elsewhere no endpoint is documented: the CLI's own Region.
            P::HealthRegion => one(match self.partition() {
                Partition::Aws => Some("--region us-east-1"),
                Partition::UsGov => Some("--region us-gov-west-1"),
                Partition::China => Some("--region cn-northwest-1"),
                _ => None,
            }),
            P::AllowDocument => one(Some(json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Action": self.known(P::Actions),
                "Resource": "*",
            }]}))),
            P::Restart => one(Some(self.restart())),
            P::Unit => one(Some(match self.is_on(Environment::Snap) {
                true => "snap.amazon-ssm-agent.amazon-ssm-agent",
                false => "amazon-ssm-agent",
            })),
            P::RepairCommand => one(self.of.by_hand),
            P::RequestCommand => one(self.of.by_request),
            P::At => one(Some(self.at())),
            P::FailedService => one(self.failed_service()),
            P::Action => one(self.action()),
            P::BlamedPolicy => one(self.blamed_policy()),
            P::TheRole => one(Some(self.the_role())),
            P::TheCaller => one(Some(self.the_caller())),
            P::Denies => one(Some(match self.flag(Flag::Explicit) {
                true => "denies",
                false => "does not allow",
            })),
        }
    }

    fn actions(&self, which: impl Fn(&str) -> bool) -> Vec<String> {
        let mut actions = self.known(Placeholder::Actions);
        actions.retain(|action| which(action));
        actions
    }

    fn restart(&self) -> &'static str {
        let own = RESTARTS.iter().find(|(one, _)| self.is_on(*one));
        own.map_or(
            "sudo systemctl restart amazon-ssm-agent || sudo snap restart amazon-ssm-agent",
            |(_, command)| command,
        )
    }

    fn region(&self) -> Option<&'a Region> {
        let of_node = self.of.nodes.iter().find_map(|node| node.region.as_ref());
        of_node.or(self.of.error_details.region.as_ref())
    }

    fn account(&self) -> Option<&'a str> {
        let of_node = self.of.nodes.iter().find_map(|node| node.account.as_ref());
        let account = of_node.or(self.of.error_details.account.as_ref());
        account.map(AccountId::as_str)
    }

    fn partition(&self) -> Partition {
        self.region().map_or(Partition::Aws, Region::partition)
    }

    fn instance(&self) -> Option<&'a str> {
        let id = self.of.nodes.iter().find_map(|node| node.id.instance());
        id.map(InstanceId::as_str)
    }

    /// Live state of the first instance, else of any.
    fn live(&self) -> Option<&'a InstanceFacts> {
        let id = self.instance();
        let mut all = self.of.instances.iter();
        all.find(|live| Some(live.id.as_str()) == id)
            .or(self.of.instances.first())
    }

    fn role(&self) -> Option<&'a str> {
        let named = self.of.error_details.role.as_deref();
        let live = self.of.role.map(|role| role.name.as_str());
        match (self.fault, self.of.scope.kind) {
            (Some(Fault::MissingActions { role, .. } | Fault::DhmcRole { role }), _) => Some(role),
            (Some(_) | None, ScopeKind::Role) => Some(&self.of.scope.id),
            // The one that was denied.
            (Some(_) | None, ScopeKind::Policy) => named.or(live),
            (Some(_) | None, _) => live.or(named),
        }
    }

    fn role_arn(&self) -> Option<String> {
        let role = self.role()?;
        if let Some(live) = self.of.role.filter(|live| live.name == role) {
            return Some(live.arn.clone());
        }
        let (partition, account) = (self.partition().arn()?, self.account()?);
        Some(format!("arn:{partition}:iam::{account}:role/{role}"))
    }

    /// The ARN of who was denied.
    fn caller_arn(&self) -> Option<String> {
        let path = match &self.of.error_details.principal {
            Some(Principal::User(path)) => format!("user/{path}"),
            // A role that is not the node's.
            Some(Principal::Role(name)) if self.role().is_none() => format!("role/{name}"),
            Some(_) | None => return self.role_arn(),
        };
        let account = self.values(Placeholder::CallerAccount);
        let (partition, account) = (self.partition().arn()?, account.first()?);
        Some(format!("arn:{partition}:iam::{account}:{path}"))
    }

    fn managed(&self, name: &str) -> Option<String> {
        let partition = self.partition().arn()?;
        Some(format!("arn:{partition}:iam::aws:policy/{name}"))
    }

    fn service(&self) -> &'a str {
        (self.of.error_details.service.as_deref())
            .filter(|service| ArgKind::Service.accepts(service) && !self.flag(Flag::Metadata))
            .unwrap_or("ssm")
    }

    fn host(&self) -> Option<String> {
        match self.of.error_details.host.as_deref() {
            Some(host) if ArgKind::Host.accepts(host) && !self.flag(Flag::Metadata) => {
                Some(host.to_owned())
            }
            Some(_) | None if self.service() == "s3" => self.bucket_host(),
            Some(_) | None => self.host_of(self.service()),
        }
    }

    /// The regional host of `service` in this partition.
    fn host_of(&self, service: &str) -> Option<String> {
        let (suffix, region) = (self.partition().dns_suffix()?, self.region()?);
        Some(format!("{service}.{}.{suffix}", region.as_str()))
    }

    /// The host of the bucket that was denied; S3 needs no Region for it.
    fn bucket_host(&self) -> Option<String> {
        let suffix = self.partition().dns_suffix()?;
        let s3 = (self.host_of("s3")).unwrap_or_else(|| format!("s3.{suffix}"));
        let bucket = (self.of.error_details.resource.as_deref())
            .and_then(|arn| arn.rsplit_once(":s3:::"))
            .and_then(|(_, path)| path.split('/').next())
            // A bucket with a dot in its name has no certificate of its own.
            .filter(|bucket| ArgKind::Service.accepts(bucket));
        Some(match bucket {
            Some(bucket) => format!("{bucket}.{s3}"),
            None => s3,
        })
    }

    /// Where the address that was dialled leads, if it leads off the host.
    fn remote_ip(&self) -> Option<AddressClass> {
        let class = class_of(self.of.error_details.remote_ip?);
        (class != AddressClass::Host).then_some(class)
    }

    fn at(&self) -> String {
        let scope = self.of.scope;
        match scope.kind {
            ScopeKind::Nodes => {
                let shared = scope.id.rsplit('/').next().unwrap_or_default();
                match shared.starts_with("subnet-") || shared.starts_with("ami-") {
                    true => format!("several nodes of {shared}"),
                    false => "several nodes".to_owned(),
                }
            }
            // Of an account, a Region and a call the parts that are known.
            ScopeKind::AccountRegion | ScopeKind::AccountRegionApi => {
                let parts = scope.id.split('/').filter(|part| *part != "-");
                Vec::from_iter(parts).join("/")
            }
            ScopeKind::ServiceInSubnet | ScopeKind::ServiceOnNode => {
                let at = scope.id.split_once('/').map(|(_, at)| at);
                at.unwrap_or(&scope.id).to_owned()
            }
            _ => scope.id.clone(),
        }
    }

    fn failed_service(&self) -> Option<&'a str> {
        let error_details = self.of.error_details;
        match self.of.scope.kind {
            ScopeKind::ServiceInSubnet | ScopeKind::ServiceOnNode => {
                let service = self.of.scope.id.split_once('/').map(|(service, _)| service);
                service.filter(|service| *service != "-")
            }
            _ => error_details
                .service
                .as_deref()
                .or(error_details.host.as_deref()),
        }
    }

    fn action(&self) -> Option<String> {
        let actions = self.known(Placeholder::Actions);
        match actions.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [one, rest @ ..] => Some(format!("{one} and {} more", rest.len())),
        }
    }

    fn blamed_policy(&self) -> Option<&'static str> {
        Some(match self.of.error_details.reason? {
            DenyReason::PermissionsBoundary => "permissions boundary",
            DenyReason::ServiceControlPolicy => "service control policy (SCP)",
            DenyReason::ResourceControlPolicy => "resource control policy (RCP)",
            DenyReason::SessionPolicy => "session policy",
            DenyReason::ResourcePolicy => "policy of the resource",
            DenyReason::RoleTrustPolicy => "role trust policy",
            DenyReason::VpcEndpointPolicy => "VPC endpoint policy",
            DenyReason::ExplicitDeny => "policy",
            DenyReason::IdentityPolicy if self.flag(Flag::Explicit) => "policy of its own",
            DenyReason::IdentityPolicy => return None,
        })
    }

    /// `the role NAME`, or whose role it is while its name is unknown.
    fn the_role(&self) -> String {
        let known = self.known(Placeholder::Role);
        let one_instance = self.instance().filter(|_| self.of.nodes.len() == 1);
        match (
            known.first(),
            self.of.error_details.host.as_deref(),
            one_instance,
        ) {
            (Some(role), _, _) => format!("the role {role}"),
            (None, ..) if self.is_on(Environment::Ecs) => "the task role".to_owned(),
            // Where a pod of EKS gets credentials of its own.
            (None, Some("169.254.170.23" | "fd00:ec2::23"), _) => "the pod's role".to_owned(),
            (None, ..) if self.is_on(Environment::SageMaker) => {
                "the SageMaker execution role".to_owned()
            }
            (None, _, _) if self.is_on(Environment::Hybrid) => {
                "the hybrid node's service role".to_owned()
            }
            (None, _, Some(instance)) => format!("the role of {instance}"),
            (None, _, None) => "the instance's role".to_owned(),
        }
    }

    /// Who was denied: the caller that the log names, else the role.
    fn the_caller(&self) -> String {
        match &self.of.error_details.principal {
            Some(Principal::Role(name))
                if self.of.scope.kind != ScopeKind::Role && ArgKind::RoleName.accepts(name) =>
            {
                format!("the role {name}")
            }
            Some(Principal::Root) => "the root user of the account".to_owned(),
            Some(Principal::InstanceIdentity) => {
                "the instance's own identity (aws:ec2-instance)".to_owned()
            }
            Some(Principal::Federated(name)) if ArgKind::UserName.accepts(name) => {
                format!("the federated user {name}")
            }
            Some(Principal::Service(name)) if ArgKind::Host.accepts(name) => {
                format!("the service {name}")
            }
            Some(Principal::User(_)) => match self.known(Placeholder::User).first() {
                Some(user) => format!("the IAM user {user}"),
                None => "the IAM user that the log names".to_owned(),
            },
            Some(Principal::Federated(_) | Principal::Service(_)) => {
                "the caller that the log names".to_owned()
            }
            Some(Principal::Role(_)) | None => self.the_role(),
        }
    }
}

fn one(value: Option<impl ToString>) -> Vec<String> {
    value.iter().map(ToString::to_string).collect()
}

/// In the name of the role that AWS proposes for Default Host Management.
const DHMC_ROLE: &str = "DefaultEC2InstanceManagementRole";

/// How to restart the agent where it is no service of systemd, the narrowest environment first.
const RESTARTS: &[(Environment, &str)] = &[
    (
        Environment::Bottlerocket,
        "apiclient set host-containers.control.enabled=false && apiclient set host-containers.control.enabled=true",
    ),
    (
        Environment::Ecs,
        "aws ecs update-service --cluster CLUSTER --service SERVICE --force-new-deployment",
    ),
    (
        Environment::Kubernetes,
        "kubectl --namespace NAMESPACE rollout restart daemonset/DAEMONSET",
    ),
    (Environment::Container, "docker restart CONTAINER"),
    (
        Environment::Greengrass,
        "sudo /greengrass/v2/bin/greengrass-cli component restart --names aws.greengrass.SystemsManagerAgent",
    ),
    (Environment::Snap, "sudo snap restart amazon-ssm-agent"),
    (
        Environment::MacOs,
        "sudo launchctl kickstart -k system/com.amazon.aws.ssm",
    ),
];

/// Whether `text` says that the metadata service was reached and its answer to the request for a
/// token did not come, as with a hop limit that is too low.
fn awaits_token(text: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|one| text.contains(one));
    any(&["/latest/api/token", "getToken", "IMDSv2 token"])
        && any(&[
            "deadline exceeded",
            "awaiting headers",
            "awaiting response headers",
        ])
        && !any(&["dial tcp", "waiting for connection"])
}
