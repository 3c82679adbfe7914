//! S3: the bucket that sessions are written to.

use super::error;
use super::live::LiveState;
use super::whole::held;
use crate::diagnose::call_error::CallError;
use crate::diagnose::live::{Call, GetBucketEncryption, Reads};

/// The code of S3 for a bucket without default encryption.
const NO_ENCRYPTION: &str = "ServerSideEncryptionConfigurationNotFoundError";

impl Reads<GetBucketEncryption> for LiveState {
    /// As the agent reads it (`IsBucketEncrypted` in `agent/s3util/s3util.go`).
    async fn read(
        &self,
        GetBucketEncryption(bucket): &GetBucketEncryption,
    ) -> Result<bool, CallError> {
        const CALL: &str = GetBucketEncryption::NAME;
        let request = self.s3().await.get_bucket_encryption().bucket(bucket);
        match request.send().await.map_err(|e| error::read(CALL, e)) {
            Ok(answer) => {
                let set = held(CALL, answer.server_side_encryption_configuration)?;
                let mut rules = set.rules.into_iter();
                Ok(rules.any(|rule| rule.apply_server_side_encryption_by_default.is_some()))
            }
            Err(error) if error.code() == Some(NO_ENCRYPTION) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
