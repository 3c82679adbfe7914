//! KMS: the key that sessions are encrypted with.

use super::error;
use super::live::LiveState;
use super::whole::held;
use crate::diagnose::call_error::CallError;
use crate::diagnose::facts::KeyFacts;
use crate::diagnose::live::{Call, DescribeKey, Reads};

impl Reads<DescribeKey> for LiveState {
    async fn read(&self, DescribeKey(key): &DescribeKey) -> Result<KeyFacts, CallError> {
        const CALL: &str = DescribeKey::NAME;
        let request = self.kms().await.describe_key().key_id(key);
        let answer = request.send().await.map_err(|e| error::read(CALL, e))?;
        let key = held(CALL, answer.key_metadata)?;
        Ok(KeyFacts {
            state: held(CALL, key.key_state)?.as_str().to_owned(),
            usage: held(CALL, key.key_usage)?.as_str().to_owned(),
            spec: held(CALL, key.key_spec)?.as_str().to_owned(),
            arn: held(CALL, key.arn)?,
        })
    }
}
