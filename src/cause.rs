//! The closed list of root causes. What is said of each stands in its sheet.

pub mod candidates;

macro_rules! closed_names {
    ($(#[$doc:meta])* $vis:vis $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        // Most names say all there is to say.
        #[allow(missing_docs)]
        $vis enum $name { $($(#[$vdoc])* $variant),+ }

        // Not each of the lists is walked, nor each read back.
        #[allow(dead_code)]
        impl $name {
            /// In their order.
            $vis const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name used in the report, in settings and in the catalogue.
            $vis fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// `None` where nothing is called so.
            $vis fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        /// As code writes it, which `build.rs` rests on.
        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let variant = match self { $(Self::$variant => stringify!($variant)),+ };
                write!(f, "{}::{variant}", stringify!($name))
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let names: Vec<&str> = Self::ALL.iter().map(|one| one.as_str()).collect();
                schemars::json_schema!({ "type": "string", "enum": names })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <::std::borrow::Cow<'de, str>>::deserialize(d)?;
                let unknown = || serde::de::Error::custom(format!("{text} is no {}", stringify!($name)));
                Self::parse(&text).ok_or_else(unknown)
            }
        }
    };
}

pub(crate) use closed_names;

closed_names! {
    /// A root cause. Every cause names its kind of scope and its severity.
    pub Cause {
        ImdsDisabled = "imds-disabled",
        ImdsUnreachable = "imds-unreachable",
        NoInstanceProfile = "no-instance-profile",
        StaleInstanceProfile = "stale-instance-profile",
        RoleNotAssumable = "role-not-assumable",
        PermissionMissing = "permission-missing",
        EndpointPolicyDenies = "endpoint-policy-denies",
        DhmcNotConfigured = "dhmc-not-configured",
        DhmcRoleBroken = "dhmc-role-broken",
        EndpointUnreachable = "endpoint-unreachable",
        DnsFailure = "dns-failure",
        ProxyFailure = "proxy-failure",
        TlsFailure = "tls-failure",
        ClockSkew = "clock-skew",
        CredentialsExpired = "credentials-expired",
        CredentialsInvalid = "credentials-invalid",
        Throttled = "throttled",
        RegistrationInvalid = "registration-invalid",
        HostDiskFull = "host-disk-full",
        HostReadOnly = "host-read-only",
        HostInotifyExhausted = "host-inotify-exhausted",
        HostPermission = "host-permission",
        HostMemory = "host-memory",
        HostNoexec = "host-noexec",
        AgentCrash = "agent-crash",
        AgentWorker = "agent-worker",
        AgentDuplicate = "agent-duplicate",
        AgentConfigInvalid = "agent-config-invalid",
        AgentOutdated = "agent-outdated",
        AgentUpdateFailed = "agent-update-failed",
        ChannelFailure = "channel-failure",
        SessionFailure = "session-failure",
        CommandFailure = "command-failure",
        OutputFailure = "output-failure",
        ServiceError = "service-error",
        /// EC2's status checks fail, or the console shows that the instance does not come up.
        InstanceImpaired = "instance-impaired",
        /// Systems Manager lost the node, and nothing that can be read explains it.
        NodeSilent = "node-silent",
        Unrecognised = "unrecognised",
    }
}

closed_names! {
    /// The kind of thing that must be fixed.
    pub ScopeKind {
        Instance = "instance",
        Role = "role",
        /// A policy that denies: the id of one of AWS Organizations, the ARN of one of IAM.
        Policy = "policy",
        VpcEndpoint = "vpc-endpoint",
        ServiceInSubnet = "service-subnet",
        ServiceOnNode = "service-node",
        Vpc = "vpc",
        Node = "node",
        AccountRegion = "account-region",
        AccountRegionApi = "account-region-api",
        Template = "template",
        /// Several nodes of one account and Region that each have the fault.
        Nodes = "nodes",
    }
}

closed_names! {
    /// How much an incident matters.
    pub Severity {
        Info = "info",
        Low = "low",
        Medium = "medium",
        High = "high",
        Critical = "critical",
    }
}

closed_names! {
    /// How sure the diagnosis is.
    pub Confidence {
        /// The candidates stand side by side; something must still be run.
        Undetermined = "undetermined",
        /// The log alone says so.
        Likely = "likely",
        /// A check of this invocation proves it.
        Confirmed = "confirmed",
    }
}

impl Severity {
    /// Whether a person has something to do: [`Severity::Medium`] or above.
    pub fn is_actionable(self) -> bool {
        self >= Self::Medium
    }
}

/// The thing that must be fixed, for example the role `MySSMRole`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Scope {
    /// What kind of thing it is.
    pub kind: ScopeKind,
    /// Its id or name.
    pub id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_cause() {
        for cause in Cause::ALL {
            assert_eq!(Cause::parse(cause.as_str()), Some(*cause));
        }
        assert_eq!(Cause::parse("Imds-Disabled"), None);
    }
}
