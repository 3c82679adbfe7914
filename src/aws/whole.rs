//! Whether an answer is all there. The SDK's readers take an XML text that
//! breaks off for one whose last elements are absent: a role that was cut away
//! would read as a profile without a role.

use aws_sdk_ec2::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ec2::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ec2::error::BoxError;
use thiserror::Error;
use xmlparser::{ElementEnd, Token, Tokenizer};

use crate::diagnose::call_error::CallError;

/// Refuses answers in XML that are not whole, whatever was read from them (only
/// then is their text in memory). The call ends as one without an answer: a
/// read is unknown, a write is open.
#[derive(Debug)]
pub(super) struct Whole;

#[derive(Debug, Error)]
#[error("the answer is cut off")]
struct CutOff;

impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.response().body().bytes() {
            // A refusal is judged by its status, whatever its text.
            Some(body) if context.response().status().is_success() && !is_whole(body) => {
                Err(CutOff.into())
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Every element that begins ends, and one at least is there. Text that is no
/// XML is left to its own reader: JSON that breaks off cannot be read.
fn is_whole(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return false;
    }
    if !text.starts_with('<') {
        return true;
    }
    let mut open: Vec<&str> = Vec::new();
    let mut elements = 0_usize;
    for token in Tokenizer::from(text) {
        match token {
            Ok(Token::ElementStart { span, .. }) => {
                elements += 1;
                open.push(span.as_str().trim_start_matches('<'));
            }
            Ok(Token::ElementEnd { end, .. }) => match end {
                ElementEnd::Open => {}
                ElementEnd::Empty => {
                    open.pop();
                }
                ElementEnd::Close(prefix, local) => {
                    let name = match prefix.as_str() {
                        "" => local.as_str().to_owned(),
                        prefix => format!("{prefix}:{}", local.as_str()),
                    };
                    if open.pop() != Some(name.as_str()) {
                        return false;
                    }
                }
            },
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    elements > 0 && open.is_empty()
}

/// What an answer to `call` must hold.
///
/// # Errors
/// [`CallError::NoAnswer`] where it does not.
pub(super) fn held<T>(call: &'static str, value: Option<T>) -> Result<T, CallError> {
    value.ok_or_else(|| CallError::NoAnswer {
        call,
        message: "the answer lacks what it must hold".to_owned(),
    })
}

/// What `fact` reads from each of the elements that an answer to `call` must
/// hold. One that lacks what it must hold makes the answer no answer: what is
/// missing would read as absent.
///
/// # Errors
/// As [`held`].
pub(super) fn each_held<E, T>(
    call: &'static str,
    elements: Option<Vec<E>>,
    fact: impl Fn(&E) -> Option<T>,
) -> Result<Vec<T>, CallError> {
    let elements = held(call, elements)?;
    elements.iter().map(|one| held(call, fact(one))).collect()
}

/// What `$of_page` reads from each page of the answer to `$call`.
macro_rules! all_pages {
    ($call:expr, $request:expr, |$page:ident| $of_page:expr) => {{
        let mut pages = $request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let $page = page.map_err(|e| $crate::aws::error::read($call, e))?;
            found.extend($of_page);
        }
        Ok(found)
    }};
}

pub(super) use all_pages;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_every_element_ends() {
        for whole in [
            "<a/>",
            "<?xml version=\"1.0\"?>\n<a xmlns=\"http://x/\"><b>1 &lt; 2</b><c/></a>\n",
            "<a><!-- <b> --><![CDATA[<c>]]></a>",
            "<n:a><n:b></n:b></n:a >",
            "{\"InstanceInformationList\": []}",
            "OK",
        ] {
            assert!(is_whole(whole.as_bytes()), "{whole}");
        }
        for cut in [
            "",
            "  \n",
            "<?xml version=\"1.0\"?>",
            "<a",
            "<a><b></a>",
            "<a></b>",
        ] {
            assert!(!is_whole(cut.as_bytes()), "{cut}");
        }
    }

    #[test]
    fn an_answer_that_breaks_off_anywhere_is_not_whole() {
        let whole = "<?xml version=\"1.0\"?><R xmlns=\"http://ec2/\"><set><item><id>i-1</id><p/>\
                     <s>on</s></item></set></R>";
        assert!(is_whole(whole.as_bytes()));
        for end in 0..whole.len() {
            assert!(!is_whole(&whole.as_bytes()[..end]), "{}", &whole[..end]);
        }
    }
}
