//! From the SDK's errors to [`CallError`].

use std::error::Error;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::diagnose::call_error::CallError;

/// Service messages are cut here: a sentence, not a page.
const MESSAGE_LIMIT: usize = 300;

/// What `error` means for the caller of `call`.
pub(super) fn read<E>(call: &'static str, error: SdkError<E>) -> CallError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match &error {
        SdkError::ConstructionFailure(_) => CallError::NotSent {
            call,
            message: sentence(&error),
        },
        SdkError::ServiceError(context) => {
            let code = match context.err().code() {
                Some(code) => code.to_owned(),
                None => format!("HTTP {}", context.raw().status().as_u16()),
            };
            classify(call, code, context.err().message().unwrap_or_default())
        }
        // A refusal that is not worded as the service words one: a page of
        // something in between, or of a server that broke.
        SdkError::ResponseError(context) if !context.raw().status().is_success() => classify(
            call,
            format!("HTTP {}", context.raw().status().as_u16()),
            "the answer cannot be read",
        ),
        SdkError::TimeoutError(_) => CallError::NoAnswer {
            call,
            message: "no answer in time".to_owned(),
        },
        // No connection, a broken one, an unreadable answer; the SDK's enum may
        // grow, and whatever is no refusal leaves the outcome open.
        _ => CallError::NoAnswer {
            call,
            message: sentence(&error),
        },
    }
}

/// The chain of causes: the SDK's own Display stops at "service error".
fn sentence(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<String> = std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    shorten(&chain.join(": "))
}

fn classify(call: &'static str, code: String, message: &str) -> CallError {
    let message = shorten(message);
    match code.as_str() {
        "DryRunOperation" => CallError::DryRunOk { call },
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException" => CallError::Denied {
            call,
            code,
            message,
        },
        "Throttling"
        | "ThrottlingException"
        | "Throttled"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "KMSThrottling"
        | "KMSThrottlingException" => CallError::Throttled { call, code },
        "NoSuchEntity" | "NotFound" | "NotFoundException" | "InvalidInstanceID.NotFound" => {
            CallError::NotFound {
                call,
                code,
                message,
            }
        }
        _ => CallError::Service {
            call,
            code,
            message,
        },
    }
}

/// One line of at most [`MESSAGE_LIMIT`] characters, without the encoded blob
/// that EC2 appends to a denial.
fn shorten(message: &str) -> String {
    let plain = message
        .split("Encoded authorization failure message")
        .next()
        .unwrap_or_default();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let of = |code: &str| classify("Call", code.to_owned(), "why");
        assert!(matches!(
            of("UnauthorizedOperation"),
            CallError::Denied { .. }
        ));
        assert!(matches!(of("AccessDenied"), CallError::Denied { .. }));
        assert!(matches!(
            of("RequestLimitExceeded"),
            CallError::Throttled { .. }
        ));
        assert!(matches!(of("NoSuchEntity"), CallError::NotFound { .. }));
        assert!(matches!(of("DryRunOperation"), CallError::DryRunOk { .. }));
        let other = of("MalformedPolicyDocument");
        assert_eq!(other.code(), Some("MalformedPolicyDocument"));
        assert!(!other.outcome_is_open());
        assert!(of("ServiceFailure").outcome_is_open());
        assert!(of("HTTP 503").outcome_is_open());
    }

    #[test]
    fn a_denial_loses_its_encoded_blob_and_its_length() {
        let error = classify(
            "ModifyInstanceMetadataOptions",
            "UnauthorizedOperation".to_owned(),
            "You are not authorized to perform this operation.\n  Encoded authorization failure message: AAAA",
        );
        assert_eq!(
            error.to_string(),
            "ModifyInstanceMetadataOptions was denied (UnauthorizedOperation): \
             You are not authorized to perform this operation."
        );
        let long = shorten(&"ö".repeat(1000));
        assert_eq!(long.chars().count(), MESSAGE_LIMIT + 1);
    }
}
