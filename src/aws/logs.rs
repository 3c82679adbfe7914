//! CloudWatch Logs: the log group that sessions are written to.

use super::error;
use super::live::LiveState;
use super::whole::held;
use crate::diagnose::call_error::CallError;
use crate::diagnose::live::{Call, DescribeLogGroups, Reads};

impl Reads<DescribeLogGroups> for LiveState {
    /// Groups come sorted by name ("The results are ASCII-sorted by log group name"), so that of
    /// those that begin with this name it is the first.
    async fn read(&self, DescribeLogGroups(name): &DescribeLogGroups) -> Result<bool, CallError> {
        const CALL: &str = DescribeLogGroups::NAME;
        let request = self.logs().await.describe_log_groups();
        let request = request.log_group_name_prefix(name);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        let mut groups = held(CALL, answer.log_groups)?.into_iter();
        match groups.find(|group| group.log_group_name.as_deref() == Some(name)) {
            Some(group) => Ok(group.kms_key_id.is_some()),
            None if answer.next_token.is_none() => Err(CallError::NotFound {
                call: CALL,
                code: "none".to_owned(),
                message: format!("no log group is named {name}"),
            }),
            None => held(CALL, None),
        }
    }
}
