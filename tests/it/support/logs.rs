//! What the agent writes while one known thing is broken.

/// The metadata service answers 403: its endpoint is switched off.
pub const IMDS_OFF: &str = r#"2026-11-23 04:19:04.8131 INFO Checking if agent identity type OnPrem can be assumed
2026-11-23 04:19:04.8132 INFO Checking if agent identity type EC2 can be assumed
2026-11-23 04:19:04.8188 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
	status code: 403, request id: 
2026-11-23 04:19:04.8188 INFO Checking if agent identity type CustomIdentity can be assumed
2026-11-23 04:19:04.8188 ERROR Agent failed to assume any identity
2026-11-23 04:19:04.8188 ERROR failed to find identity, retrying: failed to find agent identity
2026-11-23 04:19:05.3207 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
	status code: 403, request id: 
2026-11-23 04:19:05.3208 ERROR Agent failed to assume any identity
2026-11-23 04:19:05.3208 ERROR failed to find identity, retrying: failed to find agent identity
2026-11-23 04:19:05.8207 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
caused by: 403 Forbidden: Forbidden
	status code: 403, request id: 
2026-11-23 04:19:05.8208 ERROR Agent failed to assume any identity
2026-11-23 04:19:05.8208 ERROR failed to get identity: failed to find agent identity
2026-11-23 04:19:05.8208 ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity
"#;

/// EC2 may not assume the instance's role.
pub const ROLE_REFUSED: &str = "\
2023-01-25 09:56:19 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:19 INFO [CredentialRefresher] Sleeping for 1s before retrying retrieve credentials
2023-01-25 09:56:20 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:20 INFO [CredentialRefresher] Sleeping for 2s before retrying retrieve credentials
2023-01-25 09:56:22 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:22 INFO [CredentialRefresher] Sleeping for 4s before retrying retrieve credentials
2023-01-25 09:56:26 ERROR [CredentialRefresher] Retrieve credentials produced error: no valid credentials could be retrieved for ec2 identity
2023-01-25 09:56:26 INFO [CredentialRefresher] Sleeping for 9s before retrying retrieve credentials
";

/// Nothing is wrong.
pub const HEALTHY: &str = "\
2026-11-23 04:17:12.0922 INFO Agent will take identity from EC2
2026-11-23 04:17:12.1366 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0
2026-11-23 04:17:12.5483 INFO EC2RoleProvider Successfully connected with instance profile role credentials
2026-11-23 04:17:12.5485 INFO [CredentialRefresher] Credentials ready
2026-11-23 04:17:12.5487 INFO [CredentialRefresher] Next credential rotation will be in 29.999992342283335 minutes
";
