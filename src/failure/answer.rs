//! Answers and calls as the AWS SDK for Go writes them into an error: its first
//! generation (agents before 3.3.5068) and its second in one shape.

use super::address::Service;

/// What answered a request, as far as the text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer<'t> {
    /// The HTTP status; 0 where no answer came.
    pub status: u16,
    /// `None` where the wording carries no request id, empty where the answer had none.
    pub request_id: Option<&'t str>,
    /// Whether it carries S3's second id.
    pub host_id: bool,
    /// Who answered, where the wording itself says.
    pub by: Option<Answerer>,
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answerer {
    /// The instance metadata service, or what answers in its place.
    Metadata,
    /// An AWS service, or what answers in its place.
    Aws,
}

/// One wording of an HTTP answer.
struct Wording {
    status: &'static str,
    request_id: Option<&'static str>,
    host_id: &'static str,
    by: Option<Answerer>,
}

impl Wording {
    /// Whether the agent's own client of ec2messages words it.
    fn is_own_client(&self) -> bool {
        self.request_id.is_none() && self.by == Some(Answerer::Aws)
    }
}

const WORDINGS: [Wording; 4] = [
    Wording {
        status: "status code: ",
        request_id: Some(", request id:"),
        host_id: ", host id:",
        by: None,
    },
    Wording {
        status: "https response error StatusCode: ",
        request_id: Some(", RequestID:"),
        host_id: ", HostID:",
        by: Some(Answerer::Aws),
    },
    // Also a container's credentials endpoint is reached over plain HTTP: only
    // the words after the status name the metadata service.
    Wording {
        status: "http response error StatusCode: ",
        request_id: None,
        host_id: "",
        by: Some(Answerer::Metadata),
    },
    // The agent's own client of ec2messages since 3.3.5068.
    Wording {
        status: "Error: HTTP ",
        request_id: None,
        host_id: "",
        by: Some(Answerer::Aws),
    },
];

impl<'t> Answer<'t> {
    /// The last answer in the text: the deepest of a chain.
    pub(super) fn last(text: &'t str) -> Option<Self> {
        let (colon, wording) = memchr::memrchr_iter(b':', text.as_bytes()).find_map(|colon| {
            let wording = WORDINGS.iter().find(|wording| {
                let words = wording.status.split_once(':');
                words.is_some_and(|(before, after)| {
                    text[..colon].ends_with(before) && text[colon + 1..].starts_with(after)
                })
            })?;
            Some((colon, wording))
        })?;
        let (_, after) = wording.status.split_once(':')?;
        Self::read(&text[colon + 1 + after.len()..], wording)
    }

    fn read(text: &'t str, wording: &Wording) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let status = text[..digits].parse().ok()?;
        let rest = &text[digits..];
        let request_id = wording
            .request_id
            .and_then(|words| rest.strip_prefix(words))
            .map(|rest| {
                let id = rest.trim_start().split([' ', ',', '<']).next();
                id.filter(|id| *id != "caused").unwrap_or_default()
            })
            // Its body stands behind the status: AWS's is JSON.
            .or_else(|| {
                let body = rest
                    .strip_prefix(": ")
                    .filter(|_| wording.is_own_client())?;
                (!body.is_empty() && !body.starts_with('{')).then_some("")
            });
        let by = match wording.by {
            Some(Answerer::Metadata) if !rest.contains("request to EC2 IMDS failed") => None,
            by => by,
        };
        Some(Self {
            status,
            request_id,
            host_id: !wording.host_id.is_empty() && rest.contains(wording.host_id),
            by,
        })
    }

    /// Whether the answer carries no request id although its wording would: every
    /// AWS service sends one, so something on the way answered.
    pub(super) fn is_foreign(&self) -> bool {
        self.status != 0 && self.request_id == Some("")
    }
}

/// The call that failed, as the SDK's second generation names it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub service: Service,
    /// The permission it needs, in IAM's words; `None` for the metadata service.
    pub action: Option<String>,
}

/// The last `operation error SSM: UpdateInstanceInformation, …`: the deepest call.
pub(super) fn call(text: &str) -> Option<Call> {
    const WORDS: &str = "operation error ";
    let rest = &text[text.rfind(WORDS)? + WORDS.len()..];
    let (service, rest) = rest.split_once(": ")?;
    let verb = rest.split([',', ' ']).next()?;
    let name = service.to_ascii_lowercase().replace(' ', "");
    if name == "ec2imds" {
        return Some(Call {
            service: Service::Metadata,
            action: None,
        });
    }
    let shaped = |name: &str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if !shaped(&name) || !shaped(verb) || !verb.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    // The names under which IAM knows the service and its actions, where they differ.
    let prefix = match name.as_str() {
        "cloudwatchlogs" => "logs",
        other => other,
    };
    let verb = match (prefix, verb) {
        ("s3", "HeadObject") => "GetObject",
        ("s3", "HeadBucket" | "ListObjects" | "ListObjectsV2") => "ListBucket",
        ("s3", "GetBucketEncryption") => "GetEncryptionConfiguration",
        ("s3", "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload") => "PutObject",
        (_, verb) => verb,
    };
    let action = format!("{prefix}:{verb}");
    Some(Call {
        service: Service::of_action(&action).unwrap_or(Service::Other),
        action: Some(action),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_the_words_of_either_generation() {
        use Answerer::{Aws, Metadata};
        for (text, status, request_id, host_id, by) in [
            (
                "AccessDeniedException: User: x status code: 400, request id: c7a8",
                400,
                Some("c7a8"),
                false,
                None,
            ),
            (
                "operation error SSM: X, https response error StatusCode: 400, RequestID: c7a8, api error AccessDeniedException: User: x",
                400,
                Some("c7a8"),
                false,
                Some(Aws),
            ),
            (
                "SerializationError: x status code: 503, request id: caused by: UnmarshalError",
                503,
                Some(""),
                false,
                None,
            ),
            (
                "https response error StatusCode: 502, RequestID: , deserialization failed, x",
                502,
                Some(""),
                false,
                Some(Aws),
            ),
            (
                "AccessDenied: Access Denied status code: 403, request id: R, host id: H",
                403,
                Some("R"),
                true,
                None,
            ),
            (
                "https response error StatusCode: 403, RequestID: R, HostID: H==, api error AccessDenied: x",
                403,
                Some("R"),
                true,
                Some(Aws),
            ),
            (
                "operation error ec2imds: getToken, http response error StatusCode: 403, request to EC2 IMDS failed",
                403,
                None,
                false,
                Some(Metadata),
            ),
            (
                "endpoint credentials, http response error StatusCode: 403, no such role",
                403,
                None,
                false,
                None,
            ),
            (
                "GetMessages Error: HTTP 400: {\"__type\":\"AccessDeniedException\"}",
                400,
                None,
                false,
                Some(Aws),
            ),
        ] {
            assert_eq!(
                Answer::last(text),
                Some(Answer {
                    status,
                    request_id,
                    host_id,
                    by
                }),
                "{text}"
            );
        }
        assert_eq!(Answer::last("Error: HTTP request failed"), None);
        let page = Answer::last("GetMessages Error: HTTP 403: Forbidden");
        assert!(page.is_some_and(|answer| answer.is_foreign()));
        let unsent = Answer::last("https response error StatusCode: 0, RequestID: , canceled");
        assert!(unsent.is_some_and(|answer| !answer.is_foreign()));
    }

    #[test]
    fn a_call_is_named_by_the_permission_it_needs() {
        for (text, service, action) in [
            (
                "operation error SSM: UpdateInstanceInformation, https response error",
                Service::Ssm,
                Some("ssm:UpdateInstanceInformation"),
            ),
            (
                "operation error CloudWatch Logs: PutLogEvents, x",
                Service::Logs,
                Some("logs:PutLogEvents"),
            ),
            (
                "operation error S3: HeadBucket, x",
                Service::S3,
                Some("s3:ListBucket"),
            ),
            (
                "operation error S3: GetBucketEncryption, x",
                Service::S3,
                Some("s3:GetEncryptionConfiguration"),
            ),
            (
                "operation error SSM: UpdateInstanceInformation, get identity: get credentials: x, operation error ec2imds: GetMetadata, x",
                Service::Metadata,
                None,
            ),
        ] {
            let call = call(text).unwrap_or_else(|| panic!("no call: {text}"));
            assert_eq!(
                (call.service, call.action.as_deref()),
                (service, action),
                "{text}"
            );
        }
        assert_eq!(
            super::call("operation error while doing: a thing; <x>"),
            None
        );
    }
}
