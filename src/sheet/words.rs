//! What a sheet may say: the closed lists of its conditions and placeholders.

use crate::cause::{ScopeKind, closed_names};
use crate::machine::Environment;
use std::fmt;

use crate::command::ArgKind;

closed_names! {
    /// What of an incident decides whether a step stands, by name. See [`Condition`] for those
    /// that name something themselves.
    pub(crate) Flag {
        /// Nothing shows that the agent is no service of systemd: Windows, macOS, a container.
        Systemd = "systemd",
        /// The metadata service that failed is Azure's.
        Azure = "azure",
        /// A check of this invocation proved the cause.
        Confirmed = "confirmed",
        /// Further causes are possible.
        Undetermined = "undetermined",
        /// The agent uses a proxy, as it said at its start.
        Proxied = "proxied",
        /// It is the path to the metadata service that failed.
        Metadata = "metadata",
        /// The metadata service was reached, and the token that it sends back never came.
        TokenUnanswered = "token-unanswered",
        /// The address that was dialled is private.
        DialledPrivate = "dialled-private",
        /// The address that was dialled is public.
        DialledPublic = "dialled-public",
        /// The host itself has no route for the address that was dialled.
        RouteMissing = "route-missing",
        /// The log names the host that was not reached.
        NamesHost = "names-host",
        /// It is the limit of open files that is reached.
        OpenFiles = "open-files",
        /// A disk fails, or the file system on it is damaged.
        DiskErrors = "disk-errors",
        /// The account has no use of the service: it is suspended, or the Region is not enabled.
        AccountRefused = "account-refused",
        /// The bucket, log group or key that the log names is not there.
        DestinationMissing = "destination-missing",
        /// The bucket is in another Region than the agent asked.
        BucketElsewhere = "bucket-elsewhere",
        /// The key itself cannot be used, whoever asks.
        KeyUnusable = "key-unusable",
        /// A client of Session Manager wrote it, on another machine than the node.
        Client = "client",
        /// The log names the node before a silence and a start of the agent, and not since.
        IdInDoubt = "id-in-doubt",
        /// Sessions work by the same log: the node is online.
        Online = "online",
        /// The log names a denied call.
        Denied = "denied",
        /// The denial names no kind of policy, as those of earlier years do.
        ReasonMissing = "reason-missing",
        /// A statement denies by name; otherwise nothing allows.
        Explicit = "explicit",
        /// The caller that was denied is a user, not a role.
        Person = "person",
        /// The kinds of policy that a denial blames. Where it names none, the identity's own.
        IdentityPolicy = "identity-policy",
        PermissionsBoundary = "permissions-boundary",
        ServiceControlPolicy = "service-control-policy",
        ResourceControlPolicy = "resource-control-policy",
        SessionPolicy = "session-policy",
        EndpointPolicy = "endpoint-policy",
        ResourcePolicy = "resource-policy",
        RoleTrustPolicy = "role-trust-policy",
        /// An explicit deny, without saying where.
        UnnamedDeny = "unnamed-deny",
        /// The policy that AWS names is one of AWS Organizations.
        OrganizationPolicy = "organization-policy",
        /// AmazonSSMManagedInstanceCore allows what is missing, or part of it.
        CoreCovers = "core-covers",
    }
}

closed_names! {
    /// A value that a sheet names. Its [`Form`] says where it may stand.
    pub(crate) Placeholder {
        Region = "region",
        /// The first node.
        Node = "node",
        Instance = "instance",
        Role = "role",
        Profile = "profile",
        /// The IAM user that was denied.
        User = "user",
        Vpc = "vpc",
        Subnet = "subnet",
        /// The first security group of the instance.
        InstanceGroup = "instance-group",
        /// The security groups at fault, and the first of them.
        Groups = "groups",
        Group = "group",
        /// The VPC endpoint at fault.
        Endpoint = "endpoint",
        /// A VPC endpoint that answers for the service's name, and was not used.
        BypassedEndpoint = "bypassed-endpoint",
        RouteTable = "route-table",
        NetworkAcl = "network-acl",
        /// The host that the log names, else the service's own in the Region.
        Host = "host",
        SsmmessagesHost = "ssmmessages-host",
        /// The host of the bucket that the agent is installed and updated from.
        AgentBucket = "agent-bucket",
        Ec2Principal = "ec2-principal",
        /// The endpoint prefix of the service, `ssm` where the log names none.
        Service = "service",
        /// The API that is throttled.
        Api = "api",
        /// All denied actions.
        Actions = "actions",
        /// Those that AmazonSSMManagedInstanceCore allows, and those that it does not.
        CoreActions = "core-actions",
        BeyondCore = "beyond-core",
        /// The denied calls that a node makes without a signature.
        Unsigned = "unsigned",
        /// The resource on which the call was denied.
        Resource = "resource",
        /// The role that was to be assumed.
        TrustedRole = "trusted-role",
        /// The ARN of the policy that AWS names as denying; its id, where it is of AWS
        /// Organizations.
        DenyingPolicy = "denying-policy",
        PolicyId = "policy-id",
        /// The ARN of the permissions boundary at fault.
        Boundary = "boundary",
        CallerArn = "caller-arn",
        CallerAccount = "caller-account",
        ResourceAccount = "resource-account",
        CorePolicy = "core-policy",
        DhmcPolicy = "dhmc-policy",
        /// `--region REGION`, where a call of a global service needs it to find its partition.
        PartitionRegion = "partition-region",
        /// The same for AWS Health, which has one endpoint in each partition.
        HealthRegion = "health-region",
        /// The smallest policy that allows what is missing.
        AllowDocument = "allow-document",
        /// How to restart the agent on a machine without Windows.
        Restart = "restart",
        /// The agent's unit of systemd.
        Unit = "unit",
        /// The command that does by hand what a repair would do.
        RepairCommand = "repair-command",
        /// The command that asks the function for the repair.
        RequestCommand = "request-command",
        /// Where it is: the scope's own id, for titles.
        At = "at",
        /// The service or host that is not reached, where the log or a check names it.
        FailedService = "failed-service",
        /// The first denied action, and how many more.
        Action = "action",
        /// The kind of policy that the log blames, other than the caller's own.
        BlamedPolicy = "blamed-policy",
        /// What denies, in the words of the check.
        PolicyInWords = "policy-in-words",
        /// `the role NAME`, and its like.
        TheRole = "the-role",
        TheCaller = "the-caller",
        /// `denies`, or `does not allow`.
        Denies = "denies",
    }
}

/// Where a value may stand, and what it must look like there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Anywhere, where it passes its grammar.
    Value(ArgKind),
    /// In prose.
    Words,
    /// Words of a command, perhaps none.
    Options,
    /// A JSON document, one word of a command.
    Document,
    /// A command as a whole.
    Command,
}

impl Placeholder {
    pub(crate) fn form(self) -> Form {
        Form::Value(match self {
            Self::Region => ArgKind::Region,
            Self::Node => ArgKind::NodeId,
            Self::Instance => ArgKind::InstanceId,
            Self::Role | Self::TrustedRole => ArgKind::RoleName,
            Self::Profile => ArgKind::InstanceProfileName,
            Self::User => ArgKind::UserName,
            Self::Vpc => ArgKind::VpcId,
            Self::Subnet => ArgKind::SubnetId,
            Self::InstanceGroup | Self::Groups | Self::Group => ArgKind::SecurityGroupId,
            Self::Endpoint | Self::BypassedEndpoint => ArgKind::VpcEndpointId,
            Self::RouteTable => ArgKind::RouteTableId,
            Self::NetworkAcl => ArgKind::NetworkAclId,
            Self::Unit
            | Self::Host
            | Self::SsmmessagesHost
            | Self::AgentBucket
            | Self::Ec2Principal => ArgKind::Host,
            Self::Service | Self::Api => ArgKind::Service,
            Self::Actions | Self::CoreActions | Self::BeyondCore | Self::Unsigned => {
                ArgKind::Action
            }
            Self::Resource
            | Self::DenyingPolicy
            | Self::Boundary
            | Self::CallerArn
            | Self::CorePolicy
            | Self::DhmcPolicy => ArgKind::Arn,
            Self::PolicyId => ArgKind::PolicyId,
            Self::CallerAccount | Self::ResourceAccount => ArgKind::AccountId,
            Self::PartitionRegion | Self::HealthRegion => return Form::Options,
            Self::AllowDocument => return Form::Document,
            Self::RepairCommand | Self::RequestCommand | Self::Restart => return Form::Command,
            Self::At
            | Self::FailedService
            | Self::Action
            | Self::BlamedPolicy
            | Self::PolicyInWords
            | Self::TheRole
            | Self::TheCaller
            | Self::Denies => return Form::Words,
        })
    }
}

/// One thing that holds of an incident or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Is(Flag),
    /// The log shows this of the machine.
    On(Environment),
    /// `known:PLACEHOLDER`.
    Known(Placeholder),
    /// `scope:KIND`.
    Scope(ScopeKind),
    /// `service:PREFIX`: the log names this service.
    Service(&'static str),
    /// `signature:ID`: it recognised a record of the incident.
    Signature(&'static str),
    /// `only-signature:ID`: no other did.
    OnlySignature(&'static str),
}

/// As a sheet writes it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(flag) => write!(f, "{flag}"),
            Self::On(environment) => write!(f, "{environment}"),
            Self::Known(value) => write!(f, "known:{value}"),
            Self::Scope(kind) => write!(f, "scope:{kind}"),
            Self::Service(prefix) => write!(f, "service:{prefix}"),
            Self::Signature(id) => write!(f, "signature:{id}"),
            Self::OnlySignature(id) => write!(f, "only-signature:{id}"),
        }
    }
}

closed_names! {
    /// The resources that a check can prove to be at fault, each with steps of its own.
    pub(crate) FaultKind {
        MissingActions = "missing-actions",
        PolicyDenies = "policy-denies",
        EndpointPolicy = "endpoint-policy",
        EndpointState = "endpoint-state",
        PrivateDnsDisabled = "endpoint-nameless",
        EndpointSgBlocksInstance = "endpoint-shut",
        Egress = "egress",
        NetworkAcl = "network-acl",
        Route = "route",
        NoPublicAddress = "no-public-address",
        DnsSupport = "dns-support",
        DhmcRole = "dhmc-role",
    }
}

closed_names! {
    /// What a restart of the agent does once the fault is gone.
    pub(crate) Restart {
        /// The agent comes back by itself soon enough.
        NotNeeded = "not-needed",
        /// It only shortens the wait.
        Shortens = "shortens",
        /// It shortens the wait once EC2 has applied the change.
        AfterRefresh = "after-refresh",
        /// Without it the agent does not read the changed setting.
        Needed = "needed",
        /// It changes nothing, or does harm.
        Useless = "useless",
        Unknown = "unknown",
    }
}
