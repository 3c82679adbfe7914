//! EC2's status checks of instances, and what they write to their console.

use aws_sdk_ec2::types::{InstanceStatus, InstanceStatusEvent};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::aws::error;
use crate::aws::live::LiveState;
use crate::aws::timestamp;
use crate::aws::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::{ConsoleFacts, ScheduledEvent, StatusFacts};
use crate::diagnose::live::{Call, GetConsoleOutput, List, Reads};
use crate::node::InstanceId;

impl Reads<List<StatusFacts>> for LiveState {
    /// By ids, of which one unknown fails the call: there is no filter for them.
    async fn read(&self, List(ids): &List<StatusFacts>) -> Result<Vec<StatusFacts>, CallError> {
        const CALL: &str = List::<StatusFacts>::NAME;
        let ids = ids.iter().map(ToString::to_string).collect();
        let request = self.ec2().await.describe_instance_status();
        let request = request
            .set_instance_ids(Some(ids))
            .include_all_instances(true);
        all_pages!(CALL, request, |page| each_held(
            CALL,
            page.instance_statuses,
            status_facts
        )?)
    }
}

impl Reads<GetConsoleOutput> for LiveState {
    async fn read(
        &self,
        GetConsoleOutput(id, latest): &GetConsoleOutput,
    ) -> Result<ConsoleFacts, CallError> {
        const CALL: &str = GetConsoleOutput::NAME;
        let request = self
            .ec2()
            .await
            .get_console_output()
            .instance_id(id.as_str());
        let answer = request.latest(*latest).send().await;
        let answer = answer.map_err(|e| error::read(CALL, e))?;
        let output = answer.output().unwrap_or_default();
        // What is no base64 is no console's output.
        let bytes = held(CALL, STANDARD.decode(output.trim()).ok())?;
        Ok(ConsoleFacts {
            text: ending(&bytes),
            at: answer.timestamp().and_then(timestamp),
        })
    }
}

/// The text of a console at most: EC2 gives 64 KB of it.
const LONGEST: usize = 64 * 1024;

/// The last of `bytes`, as text.
fn ending(bytes: &[u8]) -> String {
    let end = &bytes[bytes.len().saturating_sub(LONGEST)..];
    String::from_utf8_lossy(end).into_owned()
}

/// `None` when the answer lacks the id or one of the two old checks.
fn status_facts(status: &InstanceStatus) -> Option<StatusFacts> {
    let volumes = status.attached_ebs_status().and_then(|one| one.status());
    Some(StatusFacts {
        id: InstanceId::parse(status.instance_id()?)?,
        system: status.system_status()?.status()?.as_str().to_owned(),
        instance: status.instance_status()?.status()?.as_str().to_owned(),
        volumes: volumes.map(|status| status.as_str().to_owned()),
        events: status.events().iter().filter_map(to_come).collect(),
    })
}

/// EC2 goes on to list an event for a week once it is over, and says so at the
/// start of its description.
fn to_come(event: &InstanceStatusEvent) -> Option<ScheduledEvent> {
    let over = ["[Completed]", "[Canceled]"];
    let description = event.description().unwrap_or_default();
    if over.iter().any(|word| description.starts_with(word)) {
        return None;
    }
    Some(ScheduledEvent {
        code: event.code()?.as_str().to_owned(),
        at: event.not_before().and_then(timestamp),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::types::{EventCode, InstanceStatusSummary, SummaryStatus};

    #[test]
    fn what_is_over_is_not_to_come_and_what_lacks_a_check_is_no_answer() {
        let event = |description: &str| {
            let event = InstanceStatusEvent::builder().code(EventCode::InstanceRetirement);
            event.description(description).build()
        };
        let impaired = InstanceStatusSummary::builder().status(SummaryStatus::Impaired);
        let status = InstanceStatus::builder()
            .instance_id("i-0123456789abcdef0")
            .system_status(impaired.clone().build())
            .events(event("[Completed] It is over."))
            .events(event("The instance is retired."));
        assert_eq!(status_facts(&status.clone().build()), None);
        let facts = status.instance_status(impaired.build()).build();
        let facts = status_facts(&facts).expect("both checks");
        assert_eq!((facts.system.as_str(), facts.volumes), ("impaired", None));
        assert_eq!(facts.events.len(), 1);
        assert_eq!(facts.events[0].code, "instance-retirement");
    }

    #[test]
    fn of_a_long_console_the_end_is_kept() {
        let text = "x".repeat(LONGEST) + "\u{e9}nd";
        let kept = ending(text.as_bytes());
        assert!(kept.len() <= LONGEST && kept.ends_with("\u{e9}nd"));
    }
}
