//! What can be asked of live state, and which actions it takes.

macro_rules! queries {
    ($($(#[$doc:meta])* $query:ident: $($action:literal),+;)+) => {
        /// One kind of look, made once per thing asked about, however many
        /// checks and nodes share it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Query { $($(#[$doc])* $query),+ }

        impl Query {
            /// The IAM actions that the function's own role must have.
            pub fn actions(self) -> &'static [&'static str] {
                match self { $(Self::$query => &[$($action),+]),+ }
            }
        }
    };
}

queries! {
    Instance: "ec2:DescribeInstances";
    /// EC2's status checks, and what it has scheduled.
    InstanceStatus: "ec2:DescribeInstanceStatus";
    /// The console of an instance that does not report.
    Console: "ec2:GetConsoleOutput";
    /// The account's metadata defaults, where an instance has its endpoint off.
    ImdsDefaults: "ec2:GetInstanceMetadataDefaults";
    /// The metadata options of the launch template of such an instance.
    LaunchTemplate: "ec2:DescribeLaunchTemplateVersions";
    /// The instance profile of the instance.
    Profile: "iam:GetInstanceProfile";
    /// The role of the instance profile.
    Role: "iam:GetRole";
    /// What the role may do: by IAM's simulator, else by its policies.
    Permissions: "iam:SimulatePrincipalPolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies",
        "iam:GetRolePolicy", "iam:GetPolicy", "iam:GetPolicyVersion";
    /// Whose its subnet is.
    Subnet: "ec2:DescribeSubnets";
    /// The security groups of the instance.
    SecurityGroups: "ec2:DescribeSecurityGroups";
    /// The network ACLs of its VPC.
    NetworkAcl: "ec2:DescribeNetworkAcls";
    /// The route tables of its VPC.
    RouteTables: "ec2:DescribeRouteTables";
    /// The endpoints of its VPC, with their addresses and security groups.
    Endpoints: "ec2:DescribeVpcEndpoints", "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups";
    /// How names are resolved in its VPC.
    Dns: "ec2:DescribeVpcAttribute", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions";
    /// What Systems Manager knows of the node.
    Registration: "ssm:DescribeInstanceInformation";
    /// The activation of a hybrid node.
    Activation: "ssm:DescribeActivations";
    /// The preferences of Session Manager.
    SessionPreferences: "ssm:GetDocument";
    /// What those name, of whichever account.
    SessionResources: "kms:DescribeKey", "s3:GetEncryptionConfiguration", "logs:DescribeLogGroups";
    /// The Default Host Management setting with its role.
    Dhmc: "ssm:GetServiceSetting", "iam:GetRole";
}
