//! What the conditions and placeholders of a sheet mean for an incident.

use serde_json::json;

use super::expand::View;
use crate::cause::{Confidence, ScopeKind};
use crate::command::ArgKind;
use crate::diagnose::UNSIGNED;
use crate::diagnose::check::Fault;
use crate::diagnose::facts::InstanceFacts;
use crate::failure::address_class::{AddressClass, class_of};
use crate::failure::{DenyReason, Principal, Service};
use crate::machine::Environment;
use crate::node::{NodeId, Partition, Region};
use crate::policy::CORE_ACTIONS;
use crate::sheet::{Condition, Flag, Placeholder};

impl<'a> View<'a> {
    pub(super) fn condition(&self, condition: Condition) -> bool {
        let mut signatures = self.of.signatures.iter().map(|one| one.id.as_str());
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
        let blames = |reason| error_details.reason == Some(reason);
        match flag {
            Flag::Systemd => {
                use Environment::{Container, Greengrass, MacOs, Windows};
                ![Windows, MacOs, Container, Greengrass]
                    .into_iter()
                    .any(|other| self.is_on(other))
            }
            Flag::Azure => {
                error_details.service.as_deref() == Some(Service::AzureMetadata.as_str())
            }
            Flag::Confirmed => self.of.confidence == Confidence::Confirmed,
            Flag::Undetermined => self.of.confidence == Confidence::Undetermined,
            Flag::Proxied => error_details.proxied,
            Flag::Metadata => {
                error_details.service.as_deref() == Some(Service::Metadata.as_str())
                    || error_details.host.as_deref() == Some("169.254.169.254")
            }
            Flag::TokenUnanswered => {
                let mut texts = self.of.evidence.iter().map(|one| one.text.as_str());
                texts.any(awaits_token)
            }
            Flag::DialledPrivate => self.remote_ip() == Some(AddressClass::Private),
            Flag::DialledPublic => matches!(
                self.remote_ip(),
                Some(AddressClass::Translated(_) | AddressClass::Public)
            ),
            Flag::NamesHost => error_details.host.is_some(),
            Flag::Online => error_details.online,
            Flag::Client => error_details.client,
            Flag::Denied => !error_details.denied.is_empty(),
            Flag::Explicit => error_details.denied.iter().any(|one| one.explicit),
            Flag::Person => matches!(
                error_details.principal,
                Some(Principal::User(_) | Principal::Federated(_))
            ),
            Flag::IdentityPolicy => {
                error_details.reason.is_none() || blames(DenyReason::IdentityPolicy)
            }
            Flag::PermissionsBoundary => blames(DenyReason::PermissionsBoundary),
            Flag::ServiceControlPolicy => blames(DenyReason::ServiceControlPolicy),
            Flag::ResourceControlPolicy => blames(DenyReason::ResourceControlPolicy),
            Flag::SessionPolicy => blames(DenyReason::SessionPolicy),
            Flag::EndpointPolicy => blames(DenyReason::VpcEndpointPolicy),
            Flag::ResourcePolicy => blames(DenyReason::ResourcePolicy),
            Flag::RoleTrustPolicy => blames(DenyReason::RoleTrustPolicy),
            Flag::UnnamedDeny => blames(DenyReason::ExplicitDeny),
            Flag::OrganizationPolicy => matches!(
                error_details.denying_policy(),
                Some((
                    DenyReason::ServiceControlPolicy | DenyReason::ResourceControlPolicy,
                    _
                ))
            ),
            Flag::CoreCovers => {
                let (all, core) = (
                    self.known(Placeholder::Actions),
                    self.known(Placeholder::CoreActions),
                );
                match self.fault {
                    // What a check found missing must be allowed as a whole.
                    Some(_) => core.len() == all.len(),
                    None => all.is_empty() || !core.is_empty(),
                }
            }
        }
    }

    /// The candidates for a placeholder, still to pass its grammar; none where nothing is known.
    pub(super) fn values(&self, value: Placeholder) -> Vec<String> {
        let error_details = self.of.error_details;
        let one = |text: Option<&str>| text.map(str::to_owned).into_iter().collect::<Vec<_>>();
        let own = |text: Option<String>| text.into_iter().collect::<Vec<_>>();
        match value {
            Placeholder::Region => one(self.region().map(Region::as_str)),
            Placeholder::Node => one(self.of.nodes.first().map(|node| node.id.as_str())),
            Placeholder::Instance => one(self.instance()),
            Placeholder::Role => one(self.role()),
            Placeholder::Profile => one((self.live())
                .and_then(|live| live.profile.as_ref())
                .map(|profile| profile.name.as_str())),
            Placeholder::User => one(match &error_details.principal {
                Some(Principal::User(path)) => path.rsplit('/').next(),
                Some(_) | None => None,
            }),
            Placeholder::Vpc => one(match self.fault {
                Some(Fault::DnsSupport { vpc }) => Some(vpc),
                Some(_) | None => self.live().and_then(|live| live.vpc.as_deref()),
            }),
            Placeholder::Subnet => one(match self.fault {
                Some(Fault::Acl { subnet, .. } | Fault::Route { subnet, .. }) => Some(subnet),
                Some(_) | None => self.live().and_then(|live| live.subnet.as_deref()),
            }),
            Placeholder::InstanceGroup => one((self.live())
                .and_then(|live| live.network.groups.first())
                .map(String::as_str)),
            Placeholder::Groups => match self.fault {
                Some(Fault::Egress { groups } | Fault::EndpointSgBlocksInstance { groups, .. }) => {
                    groups.clone()
                }
                Some(_) | None => Vec::new(),
            },
            Placeholder::Group => self
                .values(Placeholder::Groups)
                .into_iter()
                .take(1)
                .collect(),
            // The grammar of each takes its own kind of resource only.
            Placeholder::Endpoint
            | Placeholder::RouteTable
            | Placeholder::NetworkAcl
            | Placeholder::Boundary
            | Placeholder::PolicyInWords => one(self.fault.map(Fault::resource)),
            Placeholder::BypassedEndpoint => {
                one(
                    (self.of.checks.iter()).find_map(|check| match &check.fault {
                        Some(Fault::EndpointBypassed { endpoint }) => Some(endpoint.as_str()),
                        Some(_) | None => None,
                    }),
                )
            }
            Placeholder::Host => own(self.host()),
            Placeholder::SsmmessagesHost => own(self.host_of("ssmmessages")),
            Placeholder::AgentBucket => own((self.host_of("s3").zip(self.region()))
                .map(|(s3, region)| format!("amazon-ssm-{}.{s3}", region.as_str()))),
            Placeholder::Ec2Principal => one(Some(match self.partition() == Partition::China {
                true => "ec2.amazonaws.com.cn",
                false => "ec2.amazonaws.com",
            })),
            Placeholder::Service => one(Some(self.service())),
            Placeholder::Api => one(Some(
                (error_details.action.as_deref())
                    .and_then(|action| action.rsplit(':').next())
                    .filter(|action| ArgKind::Service.accepts(action))
                    .unwrap_or("UpdateInstanceInformation"),
            )),
            Placeholder::Actions => match self.fault {
                Some(Fault::MissingActions { actions, .. }) => actions.clone(),
                Some(Fault::PolicyDenies { action, .. }) => vec![action.clone()],
                Some(_) | None => (error_details.denied_actions().into_iter())
                    .map(str::to_owned)
                    .collect(),
            },
            Placeholder::CoreActions => self.actions(|action| CORE_ACTIONS.contains(&action)),
            Placeholder::BeyondCore => self.actions(|action| !CORE_ACTIONS.contains(&action)),
            Placeholder::Unsigned => self.actions(|action| {
                UNSIGNED
                    .iter()
                    .any(|call| call.eq_ignore_ascii_case(action))
            }),
            Placeholder::Resource => one(error_details.resource.as_deref()),
            Placeholder::TrustedRole => one((error_details.resource.as_deref())
                .and_then(|arn| arn.split_once(":role/"))
                .and_then(|(_, path)| path.rsplit('/').next())),
            Placeholder::DenyingPolicy => one(error_details.denying_policy().map(|(_, arn)| arn)),
            Placeholder::PolicyId => one(match self.of.scope.kind {
                ScopeKind::Policy => Some(self.of.scope.id.as_str()),
                _ => error_details
                    .denying_policy()
                    .and_then(|(_, arn)| arn.rsplit('/').next()),
            }),
            Placeholder::CallerArn => own(self.caller_arn()),
            Placeholder::CallerAccount => one((error_details.account.as_ref())
                .map(|account| account.as_str())
                .or(self.account())),
            // The ARNs of S3 hold none.
            Placeholder::ResourceAccount => {
                one((error_details.resource.as_deref()).and_then(|arn| arn.split(':').nth(4)))
            }
            Placeholder::CorePolicy => own(self.managed("AmazonSSMManagedInstanceCore")),
            Placeholder::DhmcPolicy => {
                own(self.managed("AmazonSSMManagedEC2InstanceDefaultPolicy"))
            }
            Placeholder::PartitionRegion => own((self.region())
                .filter(|_| self.partition() != Partition::Aws)
                .map(|region| format!("--region {}", region.as_str()))),
            // Elsewhere no endpoint is documented: the CLI's own Region.
            Placeholder::HealthRegion => own([
                (Partition::Aws, "us-east-1"),
                (Partition::UsGov, "us-gov-west-1"),
                (Partition::China, "cn-northwest-1"),
            ]
            .into_iter()
            .find(|(partition, _)| *partition == self.partition())
            .map(|(_, region)| format!("--region {region}"))),
            Placeholder::AllowDocument => vec![
                json!({"Version": "2012-10-17", "Statement": [{
                    "Effect": "Allow",
                    "Action": self.known(Placeholder::Actions),
                    "Resource": "*",
                }]})
                .to_string(),
            ],
            Placeholder::Restart => one(Some(self.restart())),
            Placeholder::Unit => one(Some(match self.is_on(Environment::Snap) {
                true => "snap.amazon-ssm-agent.amazon-ssm-agent",
                false => "amazon-ssm-agent",
            })),
            Placeholder::RepairCommand => one(self.of.by_hand),
            Placeholder::At => own(self.at()),
            Placeholder::FailedService => one(self.failed_service()),
            Placeholder::Action => own(self.action()),
            Placeholder::BlamedPolicy => one(self.blamed_policy()),
            Placeholder::TheRole => own(Some(self.the_role())),
            Placeholder::TheCaller => own(Some(self.the_caller())),
            Placeholder::Denies => one(Some(match self.flag(Flag::Explicit) {
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
        let mut regions = self.of.nodes.iter().filter_map(|node| node.region.as_ref());
        regions.next().or(self.of.error_details.region.as_ref())
    }

    fn account(&self) -> Option<&'a str> {
        let mut accounts = self
            .of
            .nodes
            .iter()
            .filter_map(|node| node.account.as_ref());
        let account = accounts.next().or(self.of.error_details.account.as_ref());
        account.map(|account| account.as_str())
    }

    fn partition(&self) -> Partition {
        self.region().map_or(Partition::Aws, Region::partition)
    }

    fn instance(&self) -> Option<&'a str> {
        let mut instances = self.of.nodes.iter().filter_map(|node| node.id.instance());
        instances.next().map(|id| id.as_str())
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

    fn at(&self) -> Option<String> {
        let scope = self.of.scope;
        Some(match scope.kind {
            ScopeKind::Nodes => "several nodes".to_owned(),
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
        })
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
