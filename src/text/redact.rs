//! Log text made fit to leave: secrets taken out. What stays readable is what the reader needs: account
//! ids, role names, instance ids, request ids, hosts and addresses.

use std::sync::OnceLock;

use regex::Regex;

use super::sanitize::sanitize;

/// What stands where a secret stood. Without a space, so that a second pass
/// over a `key=[redacted]` pair reads it as one value and changes nothing.
pub(crate) const MARKER: &str = "[redacted]";

/// How often the rules run before a text that still changes is given up. Two
/// passes settle every real line; the bound keeps the time linear.
const PASSES: usize = 4;

/// `text` with every secret the rules know replaced by [`MARKER`] and with
/// [`sanitize`] characters only. Redacting twice changes nothing.
///
/// The rules run until nothing changes. A text that will not settle was built
/// to defeat them: all of it is withheld.
pub(crate) fn redact(text: &str) -> String {
    let mut text = sanitize(text).into_owned();
    for _ in 0..PASSES {
        let next = pass(&text);
        if next == text {
            return text;
        }
        text = next;
    }
    if pass(&text) == text {
        text
    } else {
        MARKER.to_owned()
    }
}

/// One line of `text`, redacted, its line breaks turned into spaces.
pub(crate) fn redact_line(text: &str) -> String {
    redact(&text.replace(['\n', '\r'], " "))
}

/// Redacted, white space folded.
pub(crate) fn one_line(text: &str) -> String {
    let line = redact_line(text);
    let words: Vec<&str> = line.split_whitespace().collect();
    words.join(" ")
}

/// Names whose value is a secret wherever they stand before `=` or in JSON.
macro_rules! secret_name {
    () => {
        "(?:pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?key|encryption[_-]?key|shared[_-]?key|activation[_ -]?code|credentials?|signature|cookie)"
    };
}

/// What an unquoted value runs up to.
macro_rules! bare_value {
    () => {
        r#"[^\s"'&;\\]+"#
    };
}

/// A quoted value, with its escapes; one that is never closed runs to its
/// line's end.
macro_rules! quoted_value {
    () => {
        r#""(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?"#
    };
}

/// Where a secret stands, as the group `x`, and whether it is one. The pattern is compiled at the
/// first text that is long enough and has one of what a match has: the names in the report of a
/// healthy batch need none.
struct Rule {
    is_secret: fn(&str) -> bool,
    least: usize,
    has: &'static [&'static str],
    pattern: &'static str,
    compiled: OnceLock<Regex>,
}

macro_rules! rules {
    ($($is_secret:ident, $least:literal, $has:tt: $($part:expr),+;)+) => {
        static RULES: [Rule; 21] = [$(Rule {
            is_secret: $is_secret,
            least: $least,
            has: &$has,
            pattern: concat!($($part),+),
            compiled: OnceLock::new(),
        }),+];
    };
}

rules! {
    // Keys and certificates; one that is cut off runs to the end.
    always, 0, ["-----BEGIN "]:
        r"(?s)(?<x>-----BEGIN [A-Z0-9 ]{0,40}-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\z))";
    // Headers: in JSON one value, in HTTP's form the rest of the line.
    always, 0, [":", "="]:
        r#"(?i)\b(?:proxy-)?authorization\\?["'][ \t]*[:=][ \t]*\\?(?<x>"#, quoted_value!(), r#"|[^\s"'\\,}]+)"#;
    always, 0, [":", "="]:
        r"(?i)\b(?:proxy-)?authorization[ \t]*[:=][ \t]*(?<x>", quoted_value!(), r#"|[^\s"'][^\n"']*)"#;
    looks_random, 0, [" ", "\t"]:
        r"(?i)\b(?:bearer|basic|negotiate|ntlm)[ \t]+(?<x>[A-Za-z0-9._~+/=-]{8,})";
    // JSON web tokens.
    always, 0, ["eyJ"]: r"(?<x>eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*)";
    // URL user info; the second form is a password with a slash in it.
    always, 0, ["@"]: r#"[A-Za-z][A-Za-z0-9+.-]*:\\?/\\?/(?<x>[^\s/?#"'<>\\]*)@"#;
    is_not_port_and_path, 0, ["@"]: r#"[A-Za-z][A-Za-z0-9+.-]*://(?<x>[^\s/?#@:"'<>]*:[^\s@"'<>]*)@"#;
    has_no_scheme, 0, ["@"]:
        r#"(?i)\b(?:https?|all|ftp|socks)_?proxy["']?[ \t]*[:=][ \t]*["']?(?<x>[^\s"'<>]*)@"#;
    always, 0, ["@"]: r#"(?:^|[\s"'=(,])(?<x>[^\s:@/"'<>\[\](),=]+:[^\s:@/"'<>]+)@[A-Za-z0-9\[]"#;
    // Parameters of signed URLs; the ids of a request are no secret.
    always, 0, ["=", "%", ":"]:
        r#"(?i)\b(?<name>x-amz-[a-z0-9-]+)\\?["']?(?:=|%3d|[ \t]*:[ \t]*)(?<x>\\?"[^"\n]*"?|[^\s&"'<>\\]+)"#;
    // Access key ids, with whatever is glued to them.
    always, 0, ["IA", "ACCA"]: r"(?<x>(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}[A-Za-z0-9/+=]*)";
    // Session tokens by the prefixes that STS gives them.
    always, 0, ["YXdz", "JpZ2lu", "AQoEXAMPLE"]:
        r"(?<x>(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|AQoDYXdz|AQoEXAMPLE)[A-Za-z0-9/+=%_-]*)";
    // Activation codes as the agent's command line takes them.
    always, 0, [" ", "\t", "=", ":"]:
        r#"(?i)(?:^|[\s"'`(])--?(?:activation-)?code(?:[ \t]+|=|:)["']?(?<x>[A-Za-z0-9+/=_-]{10,64})"#;
    looks_random, 0, [" ", "\t"]:
        r#"(?i)activation[_ -]?code[ \t]+(?:is[ \t]+)?["']?(?<x>[A-Za-z0-9+/]{20})"#;
    // name=value, and a flag's value after a space.
    always, 0, ["="]:
        r"(?i)", secret_name!(), r#"[A-Za-z0-9_.-]*\\?["']?[ \t]*=[>=]?[ \t]*\\?(?<x>"#, quoted_value!(), "|",
        bare_value!(), ")";
    always, 0, [" ", "\t", ":"]:
        r#"(?i)(?:^|[\s"'])(?:--?|/)[A-Za-z0-9_-]*"#, secret_name!(), r#"[A-Za-z0-9_-]*[ \t:]+(?<x>"#,
        quoted_value!(), r#"|[^\s"'&;\\-]"#, bare_value!(), ")";
    // "name": "value" in JSON, also escaped inside a string.
    always, 0, [":"]:
        r"(?i)", secret_name!(),
        r#"[A-Za-z0-9_.-]*(?:\\*["'])[ \t]*:[ \t]*(?<x>\\*"(?:[^"\\\n]|\\[^"\n])*(?:\\?")?|'[^'\n]*'?)"#;
    // name: value, where the value may also be the next part of an error.
    is_not_an_error_word, 0, [":"]:
        r"(?i)(?:pass(?:word|wd|phrase|code)|pwd|secret|secret[_-]?access[_-]?key)",
        r#"[ \t]*:[ \t]*(?<x>"#, quoted_value!(), "|", bare_value!(), ")";
    looks_random, 0, [":"]:
        r"(?i)", secret_name!(), r#"[A-Za-z0-9_.-]*[ \t]*:[ \t]*(?<x>"#, bare_value!(), ")";
    // A secret access key that stands alone.
    is_secret_access_key, 40, []: r"(?<x>[A-Za-z0-9/+_.-]{40,})";
    // Any other long run of base64.
    is_long_token, 100, []: r"(?<x>[A-Za-z0-9/+_=%-]{100,})";
}

fn pass(text: &str) -> String {
    RULES
        .iter()
        .fold(text.to_owned(), |text, rule| rule.apply(text))
}

impl Rule {
    fn may_match(&self, text: &str) -> bool {
        let has = self.has.is_empty() || self.has.iter().any(|one| text.contains(one));
        has && text.len() >= self.least
    }

    fn compiled(&self) -> &Regex {
        let compile = || Regex::new(self.pattern).expect("a rule compiles, as a test shows");
        self.compiled.get_or_init(compile)
    }

    fn apply(&self, text: String) -> String {
        if !self.may_match(&text) {
            return text;
        }
        let (mut out, mut copied) = (String::new(), 0);
        for found in self.compiled().captures_iter(&text) {
            let Some(secret) = found.name("x").filter(|it| !it.is_empty()) else {
                continue;
            };
            let is_named = |name: regex::Match<'_>| names_a_request(name.as_str());
            if secret.as_str() != MARKER
                && !found.name("name").is_some_and(is_named)
                && (self.is_secret)(secret.as_str())
            {
                out.extend([&text[copied..secret.start()], MARKER]);
                copied = secret.end();
            }
        }
        if copied == 0 {
            return text;
        }
        out + &text[copied..]
    }
}

fn always(_: &str) -> bool {
    true
}

fn names_a_request(parameter: &str) -> bool {
    let parameter = parameter.to_ascii_lowercase();
    matches!(
        parameter.as_str(),
        "x-amz-request-id" | "x-amz-id-2" | "x-amz-cf-id"
    )
}

/// `443/path` after a host: the `@` stands in the path, not before a host.
fn is_not_port_and_path(user_info: &str) -> bool {
    let Some((_, after)) = user_info.split_once(':') else {
        return true;
    };
    let port = after.bytes().take_while(u8::is_ascii_digit).count();
    !(port > 0 && after[port..].starts_with('/'))
}

fn has_no_scheme(user_info: &str) -> bool {
    !user_info.contains("://")
}

/// At least eight characters with a digit among them, and not the name of an
/// error, an address, a node or a marker: `token: EC2MetadataError: …` is prose.
fn looks_random(value: &str) -> bool {
    value.len() >= 8
        && !is_node_id(value)
        && value.bytes().any(|b| b.is_ascii_digit())
        && is_not_an_error_word(value)
        && !value
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'/' | b','))
}

/// `i-` or `mi-` and the digits of an id: what a call of the agent ends in `…RoleToken: ID`.
fn is_node_id(value: &str) -> bool {
    let value = value.trim_end_matches([':', ',', '.', ')']);
    let value = value.strip_prefix('m').unwrap_or(value);
    (value.strip_prefix("i-")).is_some_and(|id| {
        matches!(id.len(), 8 | 17) && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_not_an_error_word(value: &str) -> bool {
    let word = value.trim_end_matches([':', ',', '.', ')']);
    !(word.ends_with("Error") || word.ends_with("Exception") || word == MARKER)
}

/// Forty characters of base64 with upper case, lower case and a digit, and not
/// a resource's path.
fn is_secret_access_key(run: &str) -> bool {
    let run = run.trim_end_matches(['.', '_', '-']);
    run.len() == 40
        && run
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+'))
        && is_mixed(run)
        && !run.starts_with('/')
        && !RESOURCE_PREFIXES
            .iter()
            .any(|prefix| run.starts_with(prefix))
}

const RESOURCE_PREFIXES: &[&str] = &[
    "role/",
    "user/",
    "group/",
    "policy/",
    "instance/",
    "document/",
    "parameter/",
    "key/",
];

/// Standard base64 has `/`, its URL form has `-`; what has both is a path.
fn is_long_token(run: &str) -> bool {
    is_mixed(run) && !(run.contains('/') && run.contains('-'))
}

fn is_mixed(run: &str) -> bool {
    run.bytes().any(|b| b.is_ascii_uppercase())
        && run.bytes().any(|b| b.is_ascii_lowercase())
        && run.bytes().any(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P";

    #[test]
    fn each_kind_of_secret_is_taken_out() {
        for (text, expected) in [
            (
                "INFO https_proxy: http://user:secretpw@proxy.corp:3128",
                "INFO https_proxy: http://[redacted]@proxy.corp:3128",
            ),
            (
                "http_proxy=user:p@ss@proxy:3128 set",
                "http_proxy=[redacted]@proxy:3128 set",
            ),
            (
                "Get \"http://me:pa/ss@proxy:3128/x\": refused",
                "Get \"http://[redacted]@proxy:3128/x\": refused",
            ),
            (
                "lookup bob:hunter22@proxy.corp: no such host",
                "lookup [redacted]@proxy.corp: no such host",
            ),
            ("key AKIAIOSFODNN7EXAMPLE is bad", "key [redacted] is bad"),
            ("ASIAIOSFODNN7EXAMPLE,", "[redacted],"),
            (
                "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "[redacted]:[redacted]",
            ),
            (
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n[x]",
                "aws_secret_access_key = [redacted]\n[x]",
            ),
            (
                "export AWS_SESSION_TOKEN='IQoJb3JpZ2luX2VjEJr'; id",
                "export AWS_SESSION_TOKEN=[redacted]; id",
            ),
            (
                "GET /o?X-Amz-Credential=AKIA%2F20240101&X-Amz-Signature=ab12&versionId=7",
                "GET /o?X-Amz-Credential=[redacted]&X-Amz-Signature=[redacted]&versionId=7",
            ),
            (
                "X-Amz-Security-Token: FwoGZXIvYXdzEBY, x-amz-request-id: 4442587FB7D0A2F9",
                "X-Amz-Security-Token: [redacted] x-amz-request-id: 4442587FB7D0A2F9",
            ),
            (
                "amazon-ssm-agent -register -code \"aBcD1234efGH5678ijKL\" -id \"e488f2f6-e686-4afb-8a04-ef6dfEXAMPLE\" -region us-east-2",
                "amazon-ssm-agent -register -code \"[redacted]\" -id \"e488f2f6-e686-4afb-8a04-ef6dfEXAMPLE\" -region us-east-2",
            ),
            (
                "{\"ActivationCode\":\"aBcD1234efGH5678ijKL\",\"ActivationId\":\"e488f2f6\"}",
                "{\"ActivationCode\":[redacted],\"ActivationId\":\"e488f2f6\"}",
            ),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/2024, Signature=fe5f\nHost: ssm",
                "Authorization: [redacted]\nHost: ssm",
            ),
            (
                "{\"Authorization\": \"Basic dXNlcjpwYXNz\", \"Host\": \"ssm\"}",
                "{\"Authorization\": [redacted], \"Host\": \"ssm\"}",
            ),
            (
                "sent Bearer abc123def456 twice",
                "sent Bearer [redacted] twice",
            ),
            ("password=hunter2&user=bob", "password=[redacted]&user=bob"),
            ("Password: hunter2", "Password: [redacted]"),
            (
                "net use /user:bob /password:hunter2",
                "net use /user:bob /password:[redacted]",
            ),
            (
                "mysql --password hunter2 -h db",
                "mysql --password [redacted] -h db",
            ),
            (
                "{\\\"dbPassword\\\":\\\"hunter2\\\",\\\"n\\\":1}",
                "{\\\"dbPassword\\\":[redacted],\\\"n\\\":1}",
            ),
            (
                "\"TokenValue\": \"AAEAAf0\", \"SessionId\": \"bob-0a1b\"",
                "\"TokenValue\": [redacted], \"SessionId\": \"bob-0a1b\"",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter",
                "[redacted]\nafter",
            ),
            ("a -----BEGIN PRIVATE KEY-----\nMIIE", "a [redacted]"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
        assert_eq!(redact(&format!("jwt {JWT} end")), "jwt [redacted] end");
    }

    #[test]
    fn what_the_reader_needs_stays() {
        for text in [
            "AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation on resource: arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0 because no identity-based policy allows the ssm:UpdateInstanceInformation action\n status code: 400, request id: c7a8114f-02e5-49ff-9bbf-3db760a1143a",
            "Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled\ncaused by: Put \"http://169.254.169.254/latest/api/token\": dial tcp 169.254.169.254:80: i/o timeout",
            "unable to get token: RequestError: send request failed",
            "error getting token: EC2MetadataError: failed",
            "ExpiredTokenException: The security token included in the request is expired",
            "NoCredentialProviders: no valid providers in chain. Deprecated.",
            "InvalidSignatureException: Signature expired: 20250205T072745Z is now earlier than 20250205T075620Z (20250205T080120Z - 5 min.)",
            "no_proxy: 169.254.169.254",
            "Post \"https://ssm.us-east-1.amazonaws.com/\": dial tcp 10.0.1.7:443: i/o timeout",
            "arn:aws:iam::123456789012:role/ATeamsOwnInstanceRoleNumber12ForNode1",
            "open /var/lib/amazon/ssm/i-0123456789abcdef0/document/orchestration/12345678-1234-1234-1234-123456789012/awsrunShellScript/0: no space left on device",
            "InvalidActivation: Activation ID e488f2f6-e686-4afb-8a04-ef6df4f5c1a9 is expired",
            "exit code 12345678901234567890",
            "[HandleAwsError @ awserr.go.48] error",
            "Basic authentication required",
            "No VPC endpoint policy allows ssm:RequestManagedInstanceRoleToken: mi-0123456789abcdef0",
            "wss://ssmmessages.us-east-1.amazonaws.com/v1/control-channel/mi-0123456789abcdef0?role=subscribe&stream=input",
        ] {
            assert_eq!(redact(text), text);
        }
    }

    #[test]
    fn a_secret_split_by_invisible_characters_is_seen() {
        assert_eq!(redact("pass\u{200b}word=hunter2"), "password=[redacted]");
        assert_eq!(redact_line("a\r\nb\nc"), "a  b c");
    }

    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "(AKIA|ASIA)[A-Z0-9]{16}",
            // A digit, both cases: as every key of forty random characters has.
            "[a-z][A-Z][0-9][A-Za-z0-9+/]{36}[a-zA-Z0-9]",
            "IQoJb3JpZ2luX2Vj[A-Za-z0-9+/]{80,200}={0,2}",
            "eyJ[A-Za-z0-9_-]{20}\\.eyJ[A-Za-z0-9_-]{20}\\.[A-Za-z0-9_-]{20}",
        ]
    }

    fn planted() -> impl Strategy<Value = (String, String)> {
        let word = "[a-z][A-Z][0-9][A-Za-z0-9!#$%*+,.:;?@^_~-]{5,20}[a-z0-9]"
            .prop_filter("a separator ends a value", |w| !w.contains([';', '@']));
        prop_oneof![
            secret().prop_map(|s| (s.clone(), s)),
            word.clone().prop_map(|s| (format!("password={s}"), s)),
            word.clone()
                .prop_map(|s| (format!("DB_PASSWORD: \"{s}\""), s)),
            word.clone()
                .prop_map(|s| (format!("{{\"secret\":\"{s}\",\"n\":1}}"), s)),
            word.clone()
                .prop_map(|s| (format!("AWS_SESSION_TOKEN='{s}'"), s)),
            word.clone()
                .prop_map(|s| (format!("Authorization: Bearer {s}"), s)),
            word.clone().prop_map(|s| (format!("--api-key {s}"), s)),
            "[a-zA-Z0-9.!:%-]{6,20}"
                .prop_map(|s| (format!("https_proxy=http://bob:{s}@proxy.corp:3128"), s)),
            "[A-Za-z0-9+]{20}"
                .prop_map(|s| (format!("-register -code \"{s}\" -region us-east-1"), s)),
            "[0-9a-f]{64}".prop_map(|s| (
                format!("https://b.s3.amazonaws.com/k?a=1&X-Amz-Signature={s}&b=2"),
                s
            )),
            "[A-Za-z0-9+/]{64}".prop_map(|s| (
                format!("-----BEGIN PRIVATE KEY-----\n{s}\n-----END PRIVATE KEY-----"),
                s
            )),
        ]
    }

    proptest! {
        #[test]
        fn no_rule_is_passed_over_that_matches(
            text in "(password|Token|-code |authorization|://|@|=|:|%3d|\"|'| |\n|eyJaaaa\\.aaaa|[A-Z]{1,4}IA[A-Z0-9]{12}|IQoJb3JpZ2lu|bearer |x-amz-a|[a-z0-9/]{1,99}|\\PC){0,8}",
        ) {
            for rule in &RULES {
                let matches = rule.compiled().is_match(&text);
                prop_assert!(!matches || rule.may_match(&text), "{}", rule.pattern);
            }
        }

        #[test]
        fn nothing_planted_survives(
            before in "[ -~\\n]{0,40}",
            (text, secret) in planted(),
            after in "[ -~\\n]{0,40}",
        ) {
            let out = redact(&format!("{before}\n{text}\n{after}"));
            prop_assert!(!out.contains(&secret), "{secret} in {out}");
        }

        #[test]
        fn redacting_twice_changes_nothing(
            parts in proptest::collection::vec(
                prop_oneof![
                    planted().prop_map(|(text, _)| text),
                    any::<String>(),
                    "(password|token|secret|-code|://|@|=|:|\"|'|\\\\| |\n|eyJa|AKIA|\\[redacted\\]|Bearer ){1,8}",
                ],
                0..6,
            ),
        ) {
            let once = redact(&parts.concat());
            prop_assert_eq!(redact(&once), once);
        }

        #[test]
        fn only_markers_make_a_text_longer(text in any::<String>()) {
            let out = redact(&text);
            let markers = out.matches(MARKER).count();
            prop_assert!(out.chars().count() <= text.chars().count() + markers * MARKER.len());
        }

    }
}
