//! OpsCenter: the OpsItem of an incident, opened, kept up to date, resolved.

use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::operation::create_ops_item::CreateOpsItemError;
use aws_sdk_ssm::types::{OpsItemDataType, OpsItemDataValue, OpsItemStatus};
use serde_json::json;

use crate::aws::error;
use crate::aws::session::{Client, Retry, Session};
use crate::diagnose::call_error::CallError;
use crate::text::digest;

/// What stands in an OpsItem. Limits of OpsCenter are the writer's business.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpsItem<'a> {
    pub source: &'a str,
    pub title: &'a str,
    pub description: &'a str,
    /// 1 to 4.
    pub severity: &'a str,
    pub category: &'a str,
    /// The incident's key: of two open OpsItems with the same one the second is refused.
    pub incident: &'a str,
    /// ARNs of what it is about.
    pub resources: &'a [String],
    /// What its status becomes; without one it stays as a person may have set it.
    pub status: Option<Status>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Resolved,
}

/// OpsCenter of the function's own account and Region.
#[derive(Debug)]
pub(crate) struct OpsCenter {
    client: Client<Ssm>,
}

impl OpsCenter {
    /// Makes no connection before the first call.
    pub(crate) fn new() -> Self {
        Self {
            // What was opened though its answer was lost is refused with its id.
            client: Client::new(Retry::Standard),
        }
    }

    /// Brings the OpsItem of `id` up to date, or opens one where none is known, or it is
    /// gone. Gives its id; `None` where it would be resolved and there is none.
    pub(crate) async fn put(
        &self,
        session: &Session,
        id: Option<&str>,
        item: OpsItem<'_>,
    ) -> Result<Option<String>, CallError> {
        if let Some(id) = id {
            match self.update(session, id, item).await {
                Err(error) if error.code() == Some("OpsItemNotFoundException") => {}
                updated => return updated.map(|()| Some(id.to_owned())),
            }
        }
        if item.status == Some(Status::Resolved) {
            return Ok(None);
        }
        let (id, is_new) = self.create(session, item).await?;
        if !is_new {
            self.update(session, &id, item).await?;
        }
        Ok(Some(id))
    }

    /// The id, and whether it is of a new one.
    async fn create(
        &self,
        session: &Session,
        item: OpsItem<'_>,
    ) -> Result<(String, bool), CallError> {
        const CALL: &str = "CreateOpsItem";
        // A key may be long.
        let deduplication = format!("{:032x}", digest(item.incident));
        let request = (self.client.client(session).await.create_ops_item())
            .source(item.source)
            .title(item.title)
            .description(item.description)
            .severity(item.severity)
            .category(item.category)
            .operational_data(
                "/aws/dedup",
                searchable(json!({"dedupString": deduplication}).to_string()),
            )
            .operational_data("incident", searchable(item.incident.to_owned()));
        let request = match resources(&item) {
            Some(resources) => request.operational_data("/aws/resources", resources),
            None => request,
        };
        let missing = || CallError::NoAnswer {
            call: CALL,
            message: "the answer lacks the OpsItem's id".to_owned(),
        };
        match request.send().await {
            Ok(answer) => Ok((answer.ops_item_id.ok_or_else(missing)?, true)),
            Err(refusal) => match refusal.as_service_error() {
                Some(CreateOpsItemError::OpsItemAlreadyExistsException(known)) => {
                    let id = known.ops_item_id.clone();
                    Ok((id.ok_or_else(missing)?, false))
                }
                _ => Err(error::read(CALL, refusal)),
            },
        }
    }

    async fn update(
        &self,
        session: &Session,
        id: &str,
        item: OpsItem<'_>,
    ) -> Result<(), CallError> {
        let status = item.status.map(|status| match status {
            Status::Open => OpsItemStatus::Open,
            Status::Resolved => OpsItemStatus::Resolved,
        });
        let request = (self.client.client(session).await.update_ops_item())
            .ops_item_id(id)
            .title(item.title)
            .description(item.description)
            .severity(item.severity)
            .set_status(status);
        let request = match resources(&item) {
            Some(resources) => request.operational_data("/aws/resources", resources),
            None => request,
        };
        let answer = request.send().await;
        answer
            .map(|_| ())
            .map_err(|e| error::read("UpdateOpsItem", e))
    }
}

/// The related resources, where any is known.
fn resources(item: &OpsItem<'_>) -> Option<OpsItemDataValue> {
    let arns: Vec<_> = (item.resources.iter())
        .map(|arn| json!({"arn": arn}))
        .collect();
    (!arns.is_empty()).then(|| searchable(json!(arns).to_string()))
}

fn searchable(value: String) -> OpsItemDataValue {
    OpsItemDataValue::builder()
        .value(value)
        .r#type(OpsItemDataType::SearchableString)
        .build()
}
