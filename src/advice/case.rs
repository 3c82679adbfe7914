//! What the steps need to know of an incident, and the commands that many of
//! them share.

use super::Step;
use super::denial;
use crate::cause::{Confidence, ScopeKind};
use crate::command::{ArgKind, Command};
use crate::diagnose::check::Fault;
use crate::failure::Principal;
use crate::failure::address_class::{AddressClass, class_of};
use crate::finding::{ErrorDetails, SignatureCount};
use crate::incident::group::Incident;
use crate::node::{NodeId, Partition};

/// The ids of an incident, each still to pass its grammar. Commands aim at the
/// first node; the message lists the others.
pub(super) struct Case<'a> {
    pub error_details: &'a ErrorDetails,
    pub partition: Partition,
    /// The command that does by hand what a repair would do.
    pub by_hand: Option<&'a str>,
    region: &'a str,
    account: &'a str,
    node: &'a str,
    instance: &'a str,
    role: &'a str,
    role_arn: &'a str,
    profile: &'a str,
    vpc: &'a str,
    subnet: &'a str,
    group: &'a str,
    /// An endpoint that answers for the service's name, and was not taken.
    bypassed: Option<&'a str>,
    signatures: &'a [SignatureCount],
    hybrid: bool,
    confirmed: bool,
}

impl<'a> Case<'a> {
    pub(super) fn of(incident: &'a Incident, by_hand: Option<&'a str>) -> Self {
        let error_details = &incident.error_details;
        let first = incident.nodes().next();
        let region = incident
            .nodes()
            .find_map(|node| node.region.as_ref())
            .or(error_details.region.as_ref());
        let account = incident
            .nodes()
            .find_map(|node| node.account.as_ref())
            .or(error_details.account.as_ref());
        let instance = incident.nodes().find_map(|node| node.id.instance());
        let live = instance
            .and_then(|id| incident.instances.iter().find(|live| live.id == *id))
            .or(incident.instances.first());
        let live_role = incident.role.as_ref();
        let role = match incident.scope.kind {
            ScopeKind::Role => Some(incident.scope.id.as_str()),
            // The one that was denied.
            ScopeKind::Policy => {
                (error_details.role.as_deref()).or(live_role.map(|role| role.name.as_str()))
            }
            ScopeKind::Instance
            | ScopeKind::VpcEndpoint
            | ScopeKind::ServiceInSubnet
            | ScopeKind::ServiceOnNode
            | ScopeKind::Vpc
            | ScopeKind::Node
            | ScopeKind::AccountRegion
            | ScopeKind::AccountRegionApi
            | ScopeKind::Template
            | ScopeKind::Nodes => live_role
                .map(|role| role.name.as_str())
                .or(error_details.role.as_deref()),
        }
        .unwrap_or_default();
        Self {
            error_details,
            by_hand,
            partition: region.map_or(Partition::Aws, |region| region.partition()),
            region: region.map_or("", |region| region.as_str()),
            account: account.map_or("", |account| account.as_str()),
            node: first.map_or("", |node| node.id.as_str()),
            instance: instance.map_or("", |id| id.as_str()),
            role,
            role_arn: live_role
                .filter(|live| live.name == role)
                .map_or("", |live| &live.arn),
            profile: live
                .and_then(|live| live.profile.as_ref())
                .map_or("", |profile| &profile.name),
            vpc: live
                .and_then(|live| live.vpc.as_deref())
                .unwrap_or_default(),
            subnet: live
                .and_then(|live| live.subnet.as_deref())
                .unwrap_or_default(),
            group: live
                .and_then(|live| live.network.groups.first())
                .map_or("", String::as_str),
            bypassed: (incident.checks.iter()).find_map(|check| match &check.fault {
                Some(Fault::EndpointBypassed { endpoint }) => Some(endpoint.as_str()),
                Some(_) | None => None,
            }),
            signatures: &incident.signatures,
            confirmed: incident.confidence == Confidence::Confirmed,
            hybrid: first.is_some_and(|node| matches!(node.id, NodeId::Hybrid(_))),
        }
    }

    /// The first node is a hybrid one: nothing of EC2 concerns it.
    pub(super) fn is_hybrid(&self) -> bool {
        self.hybrid
    }

    /// An endpoint whose private DNS answers for the name, while the log dialled a public address.
    pub(super) fn bypassed_endpoint(&self) -> Option<&str> {
        self.bypassed
            .filter(|id| ArgKind::VpcEndpointId.accepts(id))
    }

    /// Whether the signature `id` recognised a record of it.
    pub(super) fn is_seen_by(&self, id: &str) -> bool {
        self.signatures.iter().any(|signature| signature.id == id)
    }

    /// A check of this invocation proved the cause.
    pub(super) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    pub(super) fn is_instance(&self) -> bool {
        !self.instance.is_empty()
    }

    /// The instance's first security group.
    pub(super) fn group(&self) -> &str {
        self.group
    }

    pub(super) fn region(&self) -> &str {
        self.region
    }

    pub(super) fn node(&self) -> &str {
        self.node
    }

    /// The API that the log says is throttled.
    pub(super) fn throttled_api(&self) -> &str {
        self.error_details
            .action
            .as_deref()
            .map(|action| action.rsplit(':').next().unwrap_or(action))
            .filter(|action| ArgKind::Service.accepts(action))
            .unwrap_or("UpdateInstanceInformation")
    }

    /// `the role NAME`, or `the instance's role` while its name is unknown.
    pub(super) fn role_in_words(&self) -> String {
        if ArgKind::RoleName.accepts(self.role) {
            format!("the role {}", self.role)
        } else if self.hybrid {
            "the hybrid node's service role".to_owned()
        } else {
            "the instance's role".to_owned()
        }
    }

    /// Who was denied: the caller that the log names, else the role.
    pub(super) fn caller_in_words(&self) -> String {
        match &self.error_details.principal {
            Some(Principal::Role(name)) if ArgKind::RoleName.accepts(name) => {
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
            Some(Principal::User(_)) => match self.user() {
                Some(user) => format!("the IAM user {user}"),
                None => "the IAM user that the log names".to_owned(),
            },
            Some(Principal::Role(_) | Principal::Federated(_) | Principal::Service(_)) => {
                "the caller that the log names".to_owned()
            }
            None => self.role_in_words(),
        }
    }

    /// The name of the IAM user that was denied.
    pub(super) fn user(&self) -> Option<&str> {
        let Some(Principal::User(path)) = &self.error_details.principal else {
            return None;
        };
        path.rsplit('/')
            .next()
            .filter(|name| ArgKind::UserName.accepts(name))
    }

    /// All denied actions that read as such, in words.
    pub(super) fn denied_in_words(&self) -> String {
        let mut actions = self.error_details.denied_actions();
        actions.retain(|action| ArgKind::Action.accepts(action));
        denial::in_words(actions)
    }

    /// The ARN of the resource on which the first action was denied.
    pub(super) fn denied_resource(&self) -> Option<&str> {
        self.error_details
            .resource
            .as_deref()
            .filter(|arn| ArgKind::Arn.accepts(arn))
    }

    /// The account in that ARN; the ARNs of S3 hold none.
    pub(super) fn denied_resources_account(&self) -> &str {
        self.denied_resource()
            .and_then(|arn| arn.split(':').nth(4))
            .unwrap_or_default()
    }

    /// The account of the caller that was denied.
    pub(super) fn callers_account(&self) -> &str {
        self.error_details
            .account
            .as_ref()
            .map_or(self.account, |account| account.as_str())
    }

    /// `ssm` and its like, when the log names a service.
    pub(super) fn service(&self) -> &str {
        self.error_details
            .service
            .as_deref()
            .filter(|service| ArgKind::Service.accepts(service) && !self.concerns_metadata())
            .unwrap_or("ssm")
    }

    /// The log is about the way to the metadata service.
    pub(super) fn concerns_metadata(&self) -> bool {
        self.error_details.service.as_deref() == Some("imds")
            || self.error_details.host.as_deref() == Some("169.254.169.254")
    }

    /// The host that the log names, else the service's regional one.
    pub(super) fn host(&self) -> String {
        match self.error_details.host.as_deref() {
            Some(host) if ArgKind::Host.accepts(host) && !self.concerns_metadata() => {
                host.to_owned()
            }
            Some(_) | None if self.service() == "s3" => self.bucket_host(),
            Some(_) | None => self.host_of(self.service()),
        }
    }

    /// The host of the bucket that was denied; S3 needs no Region for it.
    fn bucket_host(&self) -> String {
        let Some(suffix) = self.partition.dns_suffix() else {
            return String::new();
        };
        let s3 = if self.region.is_empty() {
            format!("s3.{suffix}")
        } else {
            self.host_of("s3")
        };
        let bucket = (self.error_details.resource.as_deref())
            .and_then(|arn| arn.rsplit_once(":s3:::"))
            .map(|(_, path)| path.split('/').next().unwrap_or_default())
            // A bucket with a dot in its name has no certificate of its own.
            .filter(|bucket| ArgKind::Service.accepts(bucket));
        match bucket {
            Some(bucket) => format!("{bucket}.{s3}"),
            None => s3,
        }
    }

    /// The regional host of `service` in this partition.
    pub(super) fn host_of(&self, service: &str) -> String {
        match self.partition.dns_suffix() {
            Some(suffix) if !self.region.is_empty() => {
                format!("{service}.{}.{suffix}", self.region)
            }
            Some(_) | None => String::new(),
        }
    }

    /// The address that the log shows as dialled belongs to the VPC: an
    /// interface endpoint is in the way. `None` when the log shows no address
    /// that leads off the host.
    pub(super) fn dialled_private(&self) -> Option<bool> {
        match class_of(self.error_details.remote_ip?) {
            AddressClass::Host => None,
            AddressClass::Private => Some(true),
            AddressClass::Translated(_) | AddressClass::Public => Some(false),
        }
    }

    /// The ARN of a policy that AWS manages; empty in a partition that is not known.
    pub(super) fn managed_policy(&self, name: &str) -> String {
        let partition = self.partition.arn();
        partition.map_or_else(String::new, |partition| {
            format!("arn:{partition}:iam::aws:policy/{name}")
        })
    }

    /// A regional call: `aws SERVICE OPERATION --region REGION`.
    pub(super) fn aws(&self, program: &'static str) -> Command {
        Command::new(program).option("--region", ArgKind::Region, self.region)
    }

    /// An IAM call, which needs a Region only to find its partition.
    pub(super) fn iam(&self, program: &'static str) -> Command {
        self.in_partition(Command::new(program))
    }

    /// An IAM call with the Region by which its partition is found.
    pub(super) fn in_partition(&self, command: Command) -> Command {
        match self.partition {
            Partition::Aws => command,
            Partition::UsGov
            | Partition::China
            | Partition::Iso
            | Partition::IsoB
            | Partition::IsoE
            | Partition::IsoF
            | Partition::Eusc
            | Partition::Unknown => self.with_region(command, "--region"),
        }
    }

    pub(super) fn with_instance(&self, command: Command) -> Command {
        command.option("--instance-ids", ArgKind::InstanceId, self.instance)
    }

    pub(super) fn with_one_instance(&self, command: Command) -> Command {
        command.option("--instance-id", ArgKind::InstanceId, self.instance)
    }

    /// `--filters` by the instance's id.
    pub(super) fn for_instance_filter(&self, command: Command) -> Command {
        command.text("--filters").value_within(
            "Name=instance-id,Values=",
            ArgKind::InstanceId,
            self.instance,
            "",
        )
    }

    pub(super) fn with_node(&self, command: Command, option: &'static str) -> Command {
        command.option(option, ArgKind::NodeId, self.node)
    }

    pub(super) fn with_role(&self, command: Command) -> Command {
        command.option("--role-name", ArgKind::RoleName, self.role)
    }

    pub(super) fn with_role_arn(&self, command: Command, option: &'static str) -> Command {
        let built;
        let named = !self.account.is_empty() && !self.role.is_empty();
        let partition = self.partition.arn().filter(|_| named);
        let arn = if let (true, Some(partition)) = (self.role_arn.is_empty(), partition) {
            built = format!("arn:{partition}:iam::{}:role/{}", self.account, self.role);
            &built
        } else {
            self.role_arn
        };
        command.option(option, ArgKind::Arn, arn)
    }

    /// The ARN of who was denied.
    pub(super) fn with_caller_arn(&self, command: Command, option: &'static str) -> Command {
        let Some(Principal::User(path)) = &self.error_details.principal else {
            return self.with_role_arn(command, option);
        };
        let partition = self.partition.arn();
        let arn = partition.map_or_else(String::new, |partition| {
            format!(
                "arn:{partition}:iam::{}:user/{path}",
                self.callers_account()
            )
        });
        command.option(option, ArgKind::Arn, &arn)
    }

    pub(super) fn with_profile(&self, command: Command) -> Command {
        command.option(
            "--instance-profile-name",
            ArgKind::InstanceProfileName,
            self.profile,
        )
    }

    pub(super) fn with_profile_as_target(&self, command: Command) -> Command {
        command.text("--iam-instance-profile").value_within(
            "Name=",
            ArgKind::InstanceProfileName,
            self.profile,
            "",
        )
    }

    /// `--filters NAME` and the subnet.
    pub(super) fn in_subnet(&self, command: Command, filter: &'static str) -> Command {
        command
            .text("--filters")
            .value_within(filter, ArgKind::SubnetId, self.subnet, "")
    }

    /// `--filters NAME` and the VPC.
    pub(super) fn in_vpc(&self, command: Command, filter: &'static str) -> Command {
        command
            .text("--filters")
            .value_within(filter, ArgKind::VpcId, self.vpc, "")
    }

    pub(super) fn with_subnet(&self, command: Command) -> Command {
        command.option("--subnet-ids", ArgKind::SubnetId, self.subnet)
    }

    pub(super) fn with_vpc(&self, command: Command) -> Command {
        command.option("--vpc-id", ArgKind::VpcId, self.vpc)
    }

    pub(super) fn with_region(&self, command: Command, option: &'static str) -> Command {
        command.option(option, ArgKind::Region, self.region)
    }

    /// `--filters` by the node's id, for DescribeInstanceInformation.
    pub(super) fn with_known_node(&self, command: Command) -> Command {
        command.text("--filters").value_within(
            "Key=InstanceIds,Values=",
            ArgKind::NodeId,
            self.node,
            "",
        )
    }

    /// The bucket from which the agent is installed and updated.
    pub(super) fn agent_bucket(&self, program: &'static str, path: &'static str) -> Command {
        let host = match self.host_of("s3") {
            s3 if s3.is_empty() => s3,
            s3 => format!("amazon-ssm-{}.{s3}", self.region),
        };
        Command::new(program).value_within("https://", ArgKind::Host, &host, path)
    }

    /// Whether Systems Manager hears from the node.
    pub(super) fn ping_status(&self) -> Step {
        Step::run(
            "The node is back when PingStatus is Online and LastPingDateTime is newer than the fix:",
            self.with_known_node(self.aws("aws ssm describe-instance-information"))
                .text(
                    "--query 'InstanceInformationList[].[InstanceId,PingStatus,LastPingDateTime,AgentVersion]' \
                     --output text",
                ),
        )
    }

    /// Whether sessions reach the node.
    pub(super) fn connection_status(&self) -> Step {
        Step::run(
            "Sessions reach the node when Status is connected:",
            self.with_node(self.aws("aws ssm get-connection-status"), "--target"),
        )
    }

    /// Restarting the agent by hand, and by a reboot where nobody can log in.
    pub(super) fn restart(&self) -> Vec<Step> {
        let mut steps = vec![Step::run(
            "To make it try at once, restart the agent on the host (Windows: Restart-Service \
             AmazonSSMAgent):",
            "sudo systemctl restart amazon-ssm-agent || sudo snap restart amazon-ssm-agent",
        )];
        if !self.hybrid {
            steps.push(Step::run(
                "Where nobody can log in, rebooting the instance does it too, at its price:",
                self.with_instance(self.aws("aws ec2 reboot-instances")),
            ));
        }
        steps
    }

    /// The agent's own checks, which need no working agent.
    pub(super) fn diagnostics(&self) -> Step {
        Step::run(
            "Let the agent's own tool check identity, credentials and every endpoint (on the \
             host, as root; agent 3.1.501 or newer; Windows: ssm-cli.exe in \
             %PROGRAMFILES%\\Amazon\\SSM):",
            "sudo ssm-cli get-diagnostics --output table",
        )
    }

    /// Where the agent writes its log.
    pub(super) fn log_files(&self) -> Step {
        Step::say(
            "The agent's log: /var/log/amazon/ssm/amazon-ssm-agent.log on Linux, \
             %PROGRAMDATA%\\Amazon\\SSM\\Logs\\amazon-ssm-agent.log on Windows. errors.log beside \
             it lacks the WARN lines, which often name the cause.",
        )
    }
}
