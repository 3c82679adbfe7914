//! From the SDK's errors to [`CallError`].

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};

use crate::diagnose::call_error::CallError;

/// Service messages are cut here: a sentence, not a page.
const MESSAGE_LIMIT: usize = 300;

/// Codes of a server error, whatever the status that they come with. A request
/// that took too long to arrive may have arrived after all.
const SERVER_ERRORS: &[&str] = &[
    "ServiceFailure",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalException",
    "ServiceUnavailable",
    "Unavailable",
    "RequestTimeout",
    "RequestTimeoutException",
];

/// What `error` means for the caller of `call`.
pub(crate) fn read<E>(call: &'static str, error: SdkError<E>) -> CallError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let no_answer = |message| CallError::NoAnswer { call, message };
    let unreadable = |status| format!("the body of the answer (HTTP {status}) cannot be read");
    match &error {
        SdkError::ConstructionFailure(_) => CallError::NotSent {
            call,
            message: sentence(&error),
        },
        SdkError::ServiceError(context) => {
            let (status, error) = (context.raw().status(), context.err());
            // A success whose body cannot be read: the SDK files it under the
            // errors of the service, and the service did what was asked.
            if error.code().is_none() && status.is_success() {
                return no_answer(unreadable(status));
            }
            let message = error.message().filter(|message| !message.is_empty());
            let message = message.unwrap_or(match error.code() {
                Some(_) => "the answer gives no reason",
                // A page: some clients read it as an error of the service.
                None => "the answer cannot be read",
            });
            classify(call, status.as_u16(), error.code(), message)
        }
        SdkError::ResponseError(context) => match context.raw().status() {
            status if status.is_success() => no_answer(unreadable(status)),
            // A refusal that is not worded as the service words one: a page of
            // something in between, or of a server that broke.
            status => classify(call, status.as_u16(), None, "the answer cannot be read"),
        },
        SdkError::TimeoutError(_) => no_answer("no answer in time".to_owned()),
        // No connection, or a broken one; the SDK's enum may grow, and whatever
        // is no refusal leaves the outcome open.
        _ => match without_credentials(&error) {
            Some(message) => CallError::NotSent { call, message },
            None => no_answer(sentence(&error)),
        },
    }
}

/// Why there were no credentials to send a request with, where that is what failed.
fn without_credentials(error: &(dyn Error + 'static)) -> Option<String> {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    let failed = chain.find(|error| error.is::<CredentialsError>())?;
    Some(sentence(failed.source().unwrap_or(failed)))
}

/// The chain of causes: the SDK's own Display stops at "service error".
fn sentence(error: &(dyn Error + 'static)) -> String {
    let chain: Vec<String> = std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    shorten(&chain.join(": "))
}

/// What an answer with `status` means. Without a `code` it is not the
/// service's own word, and a server error comes from a front end that does not
/// know what the part behind it did; neither says whether a write happened.
pub(super) fn classify(
    call: &'static str,
    status: u16,
    code: Option<&str>,
    message: &str,
) -> CallError {
    let message = shorten(message);
    let Some(code) = code else {
        return CallError::Inconclusive {
            call,
            code: format!("HTTP {status}"),
            message,
        };
    };
    let (word, code) = (code, code.to_owned());
    match word {
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
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "KMSThrottling"
        | "KMSThrottlingException" => CallError::Throttled { call, code },
        "NoSuchEntity"
        | "NotFound"
        | "NotFoundException"
        | "InvalidInstanceID.NotFound"
        | "InvalidDocument"
        | "NoSuchBucket" => CallError::NotFound {
            call,
            code,
            message,
        },
        _ if (400..500).contains(&status) && !SERVER_ERRORS.contains(&word) => CallError::Service {
            call,
            code,
            message,
        },
        _ => CallError::Inconclusive {
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
        let of = |code: &str| classify("Call", 400, Some(code), "why");
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
        assert!(matches!(of("NoSuchBucket"), CallError::NotFound { .. }));
        assert!(matches!(of("DryRunOperation"), CallError::DryRunOk { .. }));
        let other = of("MalformedPolicyDocument");
        assert_eq!(other.code(), Some("MalformedPolicyDocument"));
    }

    #[test]
    fn only_a_refusal_in_the_services_own_words_proves_that_nothing_was_done() {
        for (status, code, open) in [
            (400, Some("MalformedPolicyDocument"), false),
            (403, Some("AccessDenied"), false),
            (503, Some("RequestLimitExceeded"), false),
            (409, Some("ConcurrentModification"), false),
            (400, Some("InternalError"), true),
            (400, Some("RequestTimeout"), true),
            (500, Some("SomethingUnheardOf"), true),
            (503, Some("SlowDown"), true),
            (301, Some("PermanentRedirect"), true),
            (502, None, true),
            (403, None, true),
            (407, None, true),
        ] {
            let error = classify("Call", status, code, "why");
            assert_eq!(error.outcome_is_open(), open, "{status} {code:?}");
        }
    }

    #[test]
    fn a_denial_loses_its_encoded_blob_and_its_length() {
        let error = classify(
            "ModifyInstanceMetadataOptions",
            403,
            Some("UnauthorizedOperation"),
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
