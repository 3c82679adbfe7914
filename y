   1 Line 2026-11-23 04:37:27.5171 WARN Error adding the directory '/etc/amazon/ssm' to watcher: no such file or directory
   3 Line 2026-11-23 04:37:27.5171 INFO Proxy environment variables:
   4 Line 2026-11-23 04:37:27.5171 INFO https_proxy: http://127.0.0.1:3128
   5 Line 2026-11-23 04:37:27.5171 INFO http_proxy: http://127.0.0.1:3128
   6 Line 2026-11-23 04:37:27.5171 INFO no_proxy:
   7 Line 2026-11-23 04:37:27.5171 INFO Checking if agent identity type OnPrem can be assumed
   9 Line 2026-11-23 04:37:27.5172 INFO Checking if agent identity type EC2 can be assumed
  10 Line 2026-11-23 04:37:27.6294 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
  13 Line caused by: : 
  14 Line 	status code: 0, request id: 
  15 Line caused by: RequestError: send request failed
  16 Line caused by: Put "http://169.254.169.254/latest/api/token": proxyconnect tcp: dial” tcp 127.0.0.1:3128: connect: connection refused
  18 Line 2026-11-23 04:37:27.6294 INFO Checking if agent identity type CustomIdentity can be assumed
  20 Line 2026-11-23 04:37:27.6295 ERROR Agent failed to assume any identity
  21 Line 2026-11-23 04:37:27.6295 ERROR failed to find identity, retrying: failed to find agent identity
  23 Line 2026-11-23 04:37:28.1320 INFO Checking if agent identity type OnPrem can be assumed
  25 Line 2026-11-23 04:37:28.1321 INFO Checking if agent identity type EC2 can be assumed
  26 Line 2026-11-23 04:37:28.2718 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
  29 Line caused by: : 
  30 Line 	status code: 0, request id: 
  31 Line caused by: RequestError: send request failed
  32 Line caused by: Put "http://169.254.169.254/latest/api/token": proxyconnect tcp: dial” tcp 127.0.0.1:3128: connect: connection refused
  34 Line 2026-11-23 04:37:28.2718 INFO Checking if agent identity type CustomIdentity can be assumed
  36 Line 2026-11-23 04:37:28.2718 ERROR Agent failed to assume any identity
  37 Line 2026-11-23 04:37:28.2718 ERROR failed to find identity, retrying: failed to find agent identity
  39 Line 2026-11-23 04:37:28.7724 INFO Checking if agent identity type OnPrem can be assumed
  41 Line 2026-11-23 04:37:28.7725 INFO Checking if agent identity type EC2 can be assumed
  42 Line 2026-11-23 04:37:28.8985 ERROR [EC2Identity] Failed to get instance info from IMDS. Err: failed to get identity instance id. Error: EC2MetadataError: failed to get IMDSv2 token and fallback to IMDSv1 is disabled
  45 Line caused by: : 
  46 Line 	status code: 0, request id: 
  47 Line caused by: RequestError: send request failed
  48 Line caused by: Put "http://169.254.169.254/latest/api/token": proxyconnect tcp: dial” tcp 127.0.0.1:3128: connect: connection refused
  50 Line 2026-11-23 04:37:28.8985 INFO Checking if agent identity type CustomIdentity can be assumed
  52 Line 2026-11-23 04:37:28.8985 ERROR Agent failed to assume any identity
  53 Line 2026-11-23 04:37:28.8985 ERROR failed to get identity: failed to find agent identity
  55 Line 2026-11-23 04:37:28.8985 ERROR Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity
["high likely proxy-failure,imds-unreachable"]
