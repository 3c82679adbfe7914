//! Where the agent runs: account, Region, partition and node id.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The account and Region that is looked at, as far as it is known: the function's own,
/// or another one that a member role leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home {
    /// `None` where nothing tells it.
    pub account: Option<AccountId>,
    /// `None` where nothing tells it.
    pub region: Option<Region>,
}

impl Home {
    /// This, and of `own` what it leaves open.
    pub(crate) fn or(self, own: &Self) -> Self {
        Self {
            account: self.account.or_else(|| own.account.clone()),
            region: self.region.or_else(|| own.region.clone()),
        }
    }
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref().map_or("unknown", AccountId::as_str);
        let region = self.region.as_ref().map_or("unknown", Region::as_str);
        write!(f, "account {account}, Region {region}")
    }
}

/// A 12-digit AWS account id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// `None` unless `text` is exactly twelve ASCII digits.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())).then(|| Self(text.into()))
    }

    /// The twelve digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An AWS Region name such as `eu-central-1` or `us-gov-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Box<str>);

impl Region {
    /// `None` unless `text` reads as a Region name: lower-case words joined by
    /// hyphens, at least three, the last one a number.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split('-').collect();
        let (last, names) = words.split_last()?;
        let named = names.len() >= 2
            && names
                .iter()
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        let numbered = (1..=2).contains(&last.len()) && last.bytes().all(|b| b.is_ascii_digit());
        (named && numbered && text.len() <= 32).then(|| Self(text.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that the Region is in, by its name.
    pub fn partition(&self) -> Partition {
        let own = Partition::ALL.iter().find(|partition| {
            let mut prefixes = partition.row().into_iter().flat_map(|row| row.regions);
            prefixes.any(|prefix| {
                // `us-east-1`, not `us-iso-east-1`: what follows the prefix has two words.
                let rest = self.0.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.split('-').count() == 2)
            })
        });
        own.copied().unwrap_or(Partition::Unknown)
    }
}

/// What names are made of in one partition.
struct Row {
    arn: &'static str,
    /// What the names of its Regions begin with; two words follow.
    regions: &'static [&'static str],
    dns: &'static str,
    dual_stack: &'static str,
}

macro_rules! partitions {
    ($($(#[$doc:meta])* $name:ident: $arn:literal, [$($region:literal),+], $dns:literal, $dual:literal;)+) => {
        /// The AWS partition, which decides ARNs and DNS names.
        // Their names say all there is to say.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Partition {
            $($(#[$doc])* $name,)+
            /// One that this table does not know: nothing is named after it.
            Unknown,
        }

        impl Partition {
            /// Those that are known.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            fn row(self) -> Option<Row> {
                match self {
                    $(Self::$name => Some(Row {
                        arn: $arn,
                        regions: &[$($region),+],
                        dns: $dns,
                        dual_stack: $dual,
                    }),)+
                    Self::Unknown => None,
                }
            }
        }
    };
}

// As the endpoint rules of the AWS SDKs list them (`partitions.json`).
partitions! {
    Aws: "aws", ["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"], "amazonaws.com", "api.aws";
    UsGov: "aws-us-gov", ["us-gov-"], "amazonaws.com", "api.aws";
    China: "aws-cn", ["cn-"], "amazonaws.com.cn", "api.amazonwebservices.com.cn";
    Iso: "aws-iso", ["us-iso-"], "c2s.ic.gov", "api.aws.ic.gov";
    IsoB: "aws-iso-b", ["us-isob-"], "sc2s.sgov.gov", "api.aws.scloud";
    IsoE: "aws-iso-e", ["eu-isoe-"], "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk";
    IsoF: "aws-iso-f", ["us-isof-"], "csp.hci.ic.gov", "api.aws.hci.ic.gov";
    /// The AWS European Sovereign Cloud.
    Eusc: "aws-eusc", ["eusc-de-"], "amazonaws.eu", "api.amazonwebservices.eu";
}

impl Partition {
    /// The second field of an ARN.
    pub fn arn(self) -> Option<&'static str> {
        self.row().map(|row| row.arn)
    }

    /// What the names of its endpoints end in: `amazonaws.com`.
    pub fn dns_suffix(self) -> Option<&'static str> {
        self.row().map(|row| row.dns)
    }

    /// The same for endpoints that answer over IPv4 and IPv6: `api.aws`.
    pub fn dual_stack_suffix(self) -> Option<&'static str> {
        self.row().map(|row| row.dual_stack)
    }
}

/// An EC2 instance id: `i-` and 8 or 17 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Box<str>);

impl InstanceId {
    /// `None` unless `text` as a whole is an instance id.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("i-")?;
        (matches!(hex.len(), 8 | 17) && is_lower_hex(hex)).then(|| Self(text.into()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the agent runs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// An EC2 instance.
    Instance(InstanceId),
    /// A hybrid node, `mi-` and 17 hex digits: never the target of an EC2 repair.
    Hybrid(Box<str>),
    /// No id is known; the log stream's or file's name stands for the node.
    Unknown(Box<str>),
}

impl NodeId {
    /// The id that `text` is as a whole; `None` when it is neither form.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(hex) = text.strip_prefix("mi-") {
            return (hex.len() == 17 && is_lower_hex(hex)).then(|| Self::Hybrid(text.into()));
        }
        InstanceId::parse(text).map(Self::Instance)
    }

    /// The id that a log stream's name gives: the whole name, or the start of
    /// it when the next character is not alphanumeric. The agent's own receiver
    /// writes `<id>[ssm-document-worker][…]`.
    ///
    /// ```
    /// use ssm_agent_triage::node::NodeId;
    ///
    /// let id = NodeId::from_stream_name("i-0123456789abcdef0[ssm-document-worker]");
    /// assert_eq!(id.expect("an id").as_str(), "i-0123456789abcdef0");
    /// ```
    pub fn from_stream_name(name: &str) -> Option<Self> {
        let end = name
            .char_indices()
            .skip_while(|(_, c)| c.is_ascii_alphabetic())
            .skip(1)
            .find(|(_, c)| !c.is_alphanumeric())
            .map_or(name.len(), |(at, _)| at);
        Self::parse(&name[..end])
    }

    /// The id, or the name that stands for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Instance(id) => id.as_str(),
            Self::Hybrid(id) | Self::Unknown(id) => id,
        }
    }

    /// The id of an EC2 instance.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            Self::Instance(id) => Some(id),
            Self::Hybrid(_) | Self::Unknown(_) => None,
        }
    }

    /// The `kind` of the report: `ec2`, `hybrid` or `unknown`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "ec2",
            Self::Hybrid(_) => "hybrid",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Who named the node id. Only the first three may lead to a repair: log text is
/// written by whoever can write the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdSource {
    /// The log stream's name: the whole of it, or the id followed by a
    /// non-alphanumeric character.
    Stream,
    /// The caller of a by-hand invocation, or `--node` of the tool.
    Caller,
    /// Systems Manager, which has lost the node.
    SystemsManager,
    /// EC2, of an instance that Systems Manager has never seen.
    Ec2,
    /// Only the text of log lines.
    Text,
    /// Nobody; the id is unknown.
    Nobody,
}

/// One node with the account and Region its log came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// What it is called.
    pub id: NodeId,
    /// Who says so.
    pub id_source: IdSource,
    /// The account that its log came from.
    pub account: Option<AccountId>,
    /// The Region that its log came from.
    pub region: Option<Region>,
}

macro_rules! display_as_str {
    ($($kind:ty),+) => {$(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}
display_as_str!(AccountId, Region, InstanceId, NodeId);

macro_rules! serde_as_str {
    ($($kind:ty: $parse:expr),+ $(,)?) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(d)?;
                let wrong = || de::Error::custom(format!("{text} is no {}", stringify!($kind)));
                $parse(&text).ok_or_else(wrong)
            }
        }
    )+};
}
serde_as_str!(
    AccountId: Self::parse,
    Region: Self::parse,
    InstanceId: Self::parse,
    NodeId: |text: &str| Some(Self::parse(text).unwrap_or_else(|| Self::Unknown(text.into()))),
);

fn is_lower_hex(text: &str) -> bool {
    // Without a jump within, so that the compiler takes all of it at once.
    let is_digit = |byte: u8| byte.is_ascii_digit() | (byte.wrapping_sub(b'a') < 6);
    text.bytes().fold(true, |all, byte| all & is_digit(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_only_in_their_exact_form() {
        assert!(InstanceId::parse("i-0123456789abcdef0").is_some());
        assert!(InstanceId::parse("i-12345678").is_some());
        for wrong in [
            "i-1234567",
            "i-0123456789ABCDEF0",
            "i-0123456789abcdef01",
            "mi-0123456789abcdef0",
            "",
        ] {
            assert_eq!(InstanceId::parse(wrong), None, "{wrong}");
        }
        assert!(matches!(
            NodeId::parse("mi-0123456789abcdef0"),
            Some(NodeId::Hybrid(_))
        ));
        assert_eq!(NodeId::parse("mi-12345678"), None);
    }

    #[test]
    fn a_stream_name_gives_the_id_it_begins_with() {
        for (name, id) in [
            ("i-0123456789abcdef0", "i-0123456789abcdef0"),
            ("i-12345678", "i-12345678"),
            ("i-12345678-errors", "i-12345678"),
            ("mi-0123456789abcdef0/agent", "mi-0123456789abcdef0"),
            (
                "i-0123456789abcdef0[ssm-document-worker][8f0c]",
                "i-0123456789abcdef0",
            ),
        ] {
            assert_eq!(
                NodeId::from_stream_name(name).map(|node| node.to_string()),
                Some(id.to_owned()),
                "{name}"
            );
        }
        for name in [
            "",
            "i",
            "i-",
            "-",
            "i-0123456789abcdef0x",
            "i-0123456789abcdef01",
            "i-12345678é",
            "i-1234567",
            "mi-12345678",
            "host/i-0123456789abcdef0",
            "ip-10-0-0-1.ec2.internal",
            "xi-0123456789abcdef0",
        ] {
            assert_eq!(NodeId::from_stream_name(name), None, "{name}");
        }
    }

    #[test]
    fn regions_name_their_partition() {
        for (region, partition) in [
            ("us-east-1", Partition::Aws),
            ("us-gov-west-1", Partition::UsGov),
            ("cn-north-1", Partition::China),
            ("ap-southeast-2", Partition::Aws),
            ("mx-central-1", Partition::Aws),
            ("us-iso-east-1", Partition::Iso),
            ("us-isob-west-1", Partition::IsoB),
            ("eu-isoe-west-1", Partition::IsoE),
            ("us-isof-south-1", Partition::IsoF),
            ("eusc-de-east-1", Partition::Eusc),
            ("us-isox-east-1", Partition::Unknown),
            ("xx-north-1", Partition::Unknown),
        ] {
            assert_eq!(
                Region::parse(region).map(|r| r.partition()),
                Some(partition)
            );
        }
        assert_eq!(Partition::Eusc.arn(), Some("aws-eusc"));
        assert_eq!(Partition::Eusc.dns_suffix(), Some("amazonaws.eu"));
        // After a partition that is not known nothing is named.
        assert_eq!(Partition::Unknown.arn(), None);
        assert_eq!(Partition::Unknown.dns_suffix(), None);
        for wrong in ["", "us-east", "eu_west_1", "US-EAST-1", "us-east-1; rm"] {
            assert_eq!(Region::parse(wrong), None, "{wrong}");
        }
    }
}
