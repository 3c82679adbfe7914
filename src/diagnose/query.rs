//! What can be asked of live state, and which actions it takes.

/// One kind of look, made once per thing asked about, however many checks and
/// nodes share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Query {
    Instance,
    /// The account's metadata defaults, where an instance has its endpoint off.
    ImdsDefaults,
    /// The instance profile of the instance.
    Profile,
    /// The role of the instance profile.
    Role,
    /// What the role may do: by IAM's simulator, else by its policies.
    Permissions,
    /// Whose its subnet is.
    Subnet,
    /// The security groups of the instance.
    SecurityGroups,
    /// The network ACLs of its VPC.
    NetworkAcl,
    /// The route tables of its VPC.
    RouteTables,
    /// The endpoints of its VPC, with their addresses and security groups.
    Endpoints,
    /// How names are resolved in its VPC.
    Dns,
    /// What Systems Manager knows of the node.
    Registration,
    /// The Default Host Management setting with its role.
    Dhmc,
}

impl Query {
    pub const ALL: &'static [Self] = &[
        Self::Instance,
        Self::ImdsDefaults,
        Self::Profile,
        Self::Role,
        Self::Permissions,
        Self::Subnet,
        Self::SecurityGroups,
        Self::NetworkAcl,
        Self::RouteTables,
        Self::Endpoints,
        Self::Dns,
        Self::Registration,
        Self::Dhmc,
    ];

    /// The IAM actions that the function's own role must have.
    pub fn actions(self) -> &'static [&'static str] {
        match self {
            Self::Instance => &["ec2:DescribeInstances"],
            Self::ImdsDefaults => &["ec2:GetInstanceMetadataDefaults"],
            Self::Profile => &["iam:GetInstanceProfile"],
            Self::Role => &["iam:GetRole"],
            Self::Permissions => &[
                "iam:SimulatePrincipalPolicy",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:GetRolePolicy",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
            ],
            Self::Subnet => &["ec2:DescribeSubnets"],
            Self::SecurityGroups => &["ec2:DescribeSecurityGroups"],
            Self::NetworkAcl => &["ec2:DescribeNetworkAcls"],
            Self::RouteTables => &["ec2:DescribeRouteTables"],
            Self::Endpoints => &[
                "ec2:DescribeVpcEndpoints",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
            ],
            Self::Dns => &[
                "ec2:DescribeVpcAttribute",
                "ec2:DescribeVpcs",
                "ec2:DescribeDhcpOptions",
            ],
            Self::Registration => &["ssm:DescribeInstanceInformation"],
            Self::Dhmc => &["ssm:GetServiceSetting", "iam:GetRole"],
        }
    }
}
