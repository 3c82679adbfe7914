//! One message with a body of its own for each protocol by which the topic is read
//! (`MessageStructure=json` of SNS): the mail, a short text for a telephone, a chat's
//! notification over HTTPS, and the event for programs.

use serde_json::json;

use super::{chat, mail};
use crate::notify::content::Content;
use crate::notify::message::{BODY_BYTES, subject, within};
use crate::notify::page::Style;

/// Characters of a text message: one part of it takes 160.
const SMS: usize = 140;

/// Bytes of an event and of a mail, the largest first for which all bodies fit.
const ROOMS: [(usize, usize); 4] = [
    (65_536, 65_536),
    (24_576, 32_768),
    (16_384, 16_384),
    (8_192, 8_192),
];

/// The object of all bodies, on one line.
pub(super) fn render(content: &Content, style: Style) -> String {
    let (mail, chat) = (mail::render(content, style), chat::render(content, style));
    let mut text = String::new();
    for (of_event, of_mail) in ROOMS {
        let event = content.event.within(of_event);
        let bodies = json!({
            "default": within(mail.clone(), of_mail),
            "sms": sms(content),
            "http": chat,
            "https": chat,
            "sqs": event,
            "lambda": event,
            "firehose": event,
        });
        text = bodies.to_string();
        if text.len() <= BODY_BYTES {
            break;
        }
    }
    text
}

/// The subject, and where.
fn sms(content: &Content) -> String {
    let place = [&content.account, &content.region].into_iter().flatten();
    let mut text = subject(content);
    for part in place {
        if text.len() + 1 + part.len() <= SMS {
            text.push(' ');
            text.push_str(part);
        }
    }
    text
}
