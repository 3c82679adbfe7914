//! The instances that run, of which a sweep asks whether Systems Manager knows them.

use aws_sdk_ec2::types::Instance;

use super::filter;
use crate::aws::live::LiveState;
use crate::aws::timestamp;
use crate::aws::whole::{all_pages, each_held, held};
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::RunningInstance;
use crate::diagnose::live::{Call, ListRunning, Reads};
use crate::node::InstanceId;

/// The most of a page.
const PAGE: i32 = 1_000;

/// Those that another service runs are not in the list: no agent is expected on them.
impl Reads<ListRunning> for LiveState {
    async fn read(
        &self,
        ListRunning(tag): &ListRunning,
    ) -> Result<Vec<RunningInstance>, CallError> {
        const CALL: &str = ListRunning::NAME;
        let mut request = (self.ec2().await.describe_instances())
            .filters(filter("instance-state-name", &["running"]))
            .max_results(PAGE);
        if let Some((key, value)) = tag {
            request = request.filters(filter(&format!("tag:{key}"), &[value]));
        }
        all_pages!(CALL, request, |page| {
            let mut found = Vec::new();
            for reservation in held(CALL, page.reservations)? {
                found.extend(each_held(CALL, reservation.instances, running)?);
            }
            found
        })
    }
}

fn running(instance: &Instance) -> Option<RunningInstance> {
    Some(RunningInstance {
        id: InstanceId::parse(instance.instance_id()?)?,
        launched_at: instance.launch_time().and_then(timestamp),
    })
}
