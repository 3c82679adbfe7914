"""The function, what feeds it, and where its messages and failures go."""

import json

import pytest
from cloudformation import ACCOUNT, REGIONS, TEMPLATE, Stack, source
from samcli.yamlhelper import yaml_parse


def test_the_function_runs_the_bootstrap_on_arm_unless_told_otherwise():
    function = Stack().properties("Function")
    assert function["Runtime"] == "provided.al2023"
    assert function["Handler"] == "bootstrap"
    assert function["Architectures"] == ["arm64"]
    assert Stack(Architecture="x86_64").properties("Function")["Architectures"] == ["x86_64"]


def test_only_the_bootstrap_is_built():
    # Handler does not tell `sam build` which of the package's binaries to take.
    metadata = source()["Resources"]["Function"]["Metadata"]
    assert metadata["BuildMethod"] == "rust-cargolambda"
    assert metadata["BuildProperties"] == {"Binary": "bootstrap"}


def test_tracing_is_off():
    assert "TracingConfig" not in Stack().properties("Function")


def test_concurrency_is_reserved_unless_told_otherwise():
    reserved = {
        value: Stack(ReservedConcurrency=value)
        .properties("Function")
        .get("ReservedConcurrentExecutions")
        for value in (5, 0, -1)
    }
    assert reserved == {5: 5, 0: 0, -1: None}
    assert Stack().properties("Function")["ReservedConcurrentExecutions"] == 5


def test_a_layer_with_signatures_is_added_when_one_is_named():
    layer = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:signatures:3"
    assert Stack(SignaturesLayerArn=layer).properties("Function")["Layers"] == [layer]
    assert "Layers" not in Stack().properties("Function")


def test_every_parameter_of_a_setting_reaches_its_variable():
    chosen = {
        "TopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts",
        "MessageFormat": "chat",
        "EventBus": "fleet",
        "Opsitems": "on",
        "MinSeverity": "low",
        "Repair": "dry-run",
        "RepairActions": "trust-ec2",
        "RepairTagValue": "ops",
        "MaxRepairs": 7,
        "MaxEvidenceAge": "2h",
        "ChangeCalendars": "freeze,night",
        "Reminder": "3d",
        "Sweep": "all",
        "SweepGrace": "30m",
        "MemberRole": "arn:aws:iam::{account}:role/Member",
        "MemberExternalId": "o-0123456789",
        "MaxDecodedBytes": "1MiB",
        "Signatures": "/opt/own.toml",
    }
    environment = Stack(**chosen).properties("Function")["Environment"]["Variables"]
    assert environment == {
        "TRIAGE_TOPIC_ARN": chosen["TopicArn"],
        "TRIAGE_MESSAGE_FORMAT": "chat",
            "TRIAGE_EVENT_BUS": "fleet",
            "TRIAGE_OPSITEMS": "on",
        "TRIAGE_MIN_SEVERITY": "low",
        "TRIAGE_REPAIR": "dry-run",
        "TRIAGE_REPAIR_ACTIONS": "trust-ec2",
        "TRIAGE_REPAIR_TAG_VALUE": "ops",
        "TRIAGE_MAX_REPAIRS": 7,
        "TRIAGE_MAX_EVIDENCE_AGE": "2h",
        "TRIAGE_CHANGE_CALENDARS": "freeze,night",
        "TRIAGE_STATE_TABLE": "State",
        "TRIAGE_REMINDER": "3d",
        "TRIAGE_SWEEP": "all",
        "TRIAGE_SWEEP_GRACE": "30m",
        "TRIAGE_MEMBER_ROLE": chosen["MemberRole"],
        "TRIAGE_MEMBER_EXTERNAL_ID": "o-0123456789",
        "TRIAGE_MAX_DECODED_BYTES": "1MiB",
        "TRIAGE_SIGNATURES": "/opt/own.toml",
    }


def test_sweeps_are_scheduled_unless_switched_off_and_may_do_nothing_but_invoke():
    stack = Stack()
    assert stack.properties("Schedule") == {
        "Description": "Looks at nodes that have gone silent",
        "ScheduleExpression": "rate(15 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": "Function.Arn",
            "RoleArn": "ScheduleRole.Arn",
            "Input": '{"sweep": {}}',
        },
    }
    role = stack.properties("ScheduleRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    (policy,) = role["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "Function.Arn"}
    ]
    assert Stack(SweepSchedule="cron(0 * * * ? *)").properties("Schedule")[
        "ScheduleExpression"
    ] == "cron(0 * * * ? *)"
    off = Stack(SweepSchedule="").resources
    assert not {"Schedule", "ScheduleRole"} & off.keys()


def test_digests_are_scheduled_where_somebody_wants_them():
    assert "DigestsSchedule" not in Stack().resources
    stack = Stack(SweepSchedule="", DigestSchedule="rate(1 day)")
    schedule = stack.properties("DigestsSchedule")
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    assert schedule["Target"]["Input"] == '{"digest": {}}'
    assert "ScheduleRole" in stack.resources and "Schedule" not in stack.resources


@pytest.mark.parametrize("partition", REGIONS)
def test_only_the_named_log_group_of_this_account_may_invoke(partition):
    stack = Stack(partition, LogGroupName="/fleet/ssm")
    assert stack.properties("SubscriptionPermission") == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "Function.Arn",
        "Principal": "logs.amazonaws.com",
        "SourceAccount": ACCOUNT,
        "SourceArn": f"arn:{partition}:logs:{REGIONS[partition]}:{ACCOUNT}:log-group:/fleet/ssm:*",
    }
    permissions = [r for r in stack.resources.values() if r["Type"] == "AWS::Lambda::Permission"]
    assert len(permissions) == 1


def test_the_subscription_takes_every_event_and_waits_for_its_permission():
    subscription = Stack(LogGroupName="/fleet/ssm").resources["Subscription"]
    assert subscription["DependsOn"] == "SubscriptionPermission"
    assert subscription["Properties"] == {
        "LogGroupName": "/fleet/ssm",
        "FilterPattern": "",
        "EmitSystemFields": ["@aws.account", "@aws.region"],
        "DestinationArn": "Function.Arn",
    }


STREAM = f"arn:aws:kinesis:eu-central-1:{ACCOUNT}:stream/agent-logs"


def test_a_stream_is_read_only_when_one_is_named():
    assert "StreamMapping" not in Stack().resources
    of_the_stream = {"ReadStream", "DecryptStream"}
    assert not of_the_stream & Stack().statements().keys()
    # All logs may come through the stream.
    stack = Stack(LogGroupName="", KinesisStreamArn=STREAM)
    assert not {"Subscription", "SubscriptionPermission"} & stack.resources.keys()
    assert {"Subscription", "SubscriptionPermission"} <= Stack().resources.keys()


def test_the_log_group_may_feed_the_stream_in_the_order_of_each_log_stream():
    stack = Stack(SubscriptionTarget="stream", KinesisStreamArn=STREAM)
    assert not {"Subscription", "SubscriptionPermission"} & stack.resources.keys()
    subscription = stack.properties("StreamSubscription")
    direct = Stack().properties("Subscription")
    assert subscription == {
        **direct,
        "DestinationArn": STREAM,
        "Distribution": "ByLogStream",
        "RoleArn": "SubscriptionRole.Arn",
    }
    assert not {"StreamSubscription", "SubscriptionRole"} & Stack(KinesisStreamArn=STREAM).resources.keys()


@pytest.mark.parametrize("partition", REGIONS)
def test_the_logs_of_this_account_may_be_sent_to_the_stream_and_nothing_else(partition):
    key = f"arn:{partition}:kms:{REGIONS[partition]}:{ACCOUNT}:key/0a1b"
    chosen = {"SubscriptionTarget": "stream", "KinesisStreamArn": STREAM}
    role = Stack(partition, KinesisKeyArn=key, **chosen).properties("SubscriptionRole")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "logs.amazonaws.com"}
    own = f"arn:{partition}:logs:{REGIONS[partition]}:{ACCOUNT}:*"
    assert trust["Condition"] == {"StringLike": {"aws:SourceArn": own}}
    (policy,) = role["Policies"]
    send = {"Effect": "Allow", "Action": "kinesis:PutRecord", "Resource": STREAM}
    encrypt = {"Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": key}
    assert policy["PolicyDocument"]["Statement"] == [send, encrypt]
    plain = Stack(partition, **chosen).properties("SubscriptionRole")
    assert plain["Policies"][0]["PolicyDocument"]["Statement"] == [send]


def test_a_record_that_fails_does_not_block_its_shard():
    mapping = Stack(KinesisStreamArn=STREAM).resources["StreamMapping"]
    assert mapping["DependsOn"] == "RolePolicy"
    assert mapping["Properties"] == {
        "EventSourceArn": STREAM,
        "FunctionName": "Function.Arn",
        "StartingPosition": "LATEST",
        "ParallelizationFactor": 1,
        # Only the records that failed come again, …
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        # … for a while, and then they are handed over.
        "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": 6 * 3600,
        "DestinationConfig": {"OnFailure": {"Destination": "FailedBatches.Arn"}},
    }


def test_the_docs_ask_of_a_mapping_what_the_template_sets():
    page = (TEMPLATE.parent / "docs" / "deploy.md").read_text()
    _, shown = page.split("## From a Kinesis stream", 1)
    shown = shown.split("```yaml\n", 1)[1].split("```", 1)[0]
    mapping = source()["Resources"]["StreamMapping"]["Properties"]
    for key, value in yaml_parse(shown).items():
        assert mapping[key] == value, key


def test_the_state_is_kept_in_a_table_of_its_own_unless_it_is_switched_off():
    state = Stack().resources["State"]
    # Nothing in it outlives its use: it goes with the stack.
    assert (state["DeletionPolicy"], state["UpdateReplacePolicy"]) == ("Delete", "Delete")
    assert state["Properties"] == {
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "key", "AttributeType": "S"},
            {"AttributeName": "open", "AttributeType": "S"},
        ],
        "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "open",
                "KeySchema": [{"AttributeName": "open", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "DeletionProtectionEnabled": "false",
    }
    off = Stack(StateTable="off")
    assert "State" not in off.resources
    assert off.properties("Function")["Environment"]["Variables"]["TRIAGE_STATE_TABLE"] == ""


def test_the_table_takes_a_key_and_protection_as_chosen():
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b"
    state = Stack(StateKeyArn=key, StateDeletionProtection="true").properties("State")
    assert state["SSESpecification"] == {
        "SSEEnabled": True,
        "SSEType": "KMS",
        "KMSMasterKeyId": key,
    }
    assert state["DeletionProtectionEnabled"] == "true"


def test_the_table_has_the_attributes_that_the_function_writes():
    adapter = (TEMPLATE.parent / "src/aws/dynamodb.rs").read_text()
    state = Stack().properties("State")
    for name, constant in [
        (state["KeySchema"][0]["AttributeName"], "KEY"),
        (state["TimeToLiveSpecification"]["AttributeName"], "EXPIRES_AT"),
        (state["GlobalSecondaryIndexes"][0]["IndexName"], "OPEN"),
    ]:
        assert f'const {constant}: &str = "{name}";' in adapter


def test_the_topic_is_encrypted_and_made_only_when_none_is_given():
    assert Stack().properties("Topic") == {"KmsMasterKeyId": "alias/aws/sns"}
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b"
    assert Stack(TopicKeyArn=key).properties("Topic") == {"KmsMasterKeyId": key}
    given = f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts"
    assert "Topic" not in Stack(TopicArn=given).resources
    variables = Stack().properties("Function")["Environment"]["Variables"]
    assert variables["TRIAGE_TOPIC_ARN"] == "Topic"


def test_an_address_is_subscribed_only_when_given():
    assert "EmailSubscription" not in Stack().resources
    given = f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts"
    for parameters, topic in [({}, "Topic"), ({"TopicArn": given}, given)]:
        stack = Stack(Email="oncall@example.com", **parameters)
        assert stack.properties("EmailSubscription") == {
            "TopicArn": topic,
            "Protocol": "email",
            "Endpoint": "oncall@example.com",
        }


def test_what_fails_after_the_retries_is_kept_for_two_weeks():
    stack = Stack()
    queue = stack.properties("FailedBatches")
    assert queue == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 24 * 3600}
    (config,) = [
        resource["Properties"]
        for resource in stack.resources.values()
        if resource["Type"] == "AWS::Lambda::EventInvokeConfig"
    ]
    assert config["MaximumRetryAttempts"] == 2
    assert config["MaximumEventAgeInSeconds"] == 6 * 3600
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": "FailedBatches.Arn"}}
    assert stack.resources["Function"]["DependsOn"] == "RolePolicy"


def test_the_own_log_is_kept_as_long_as_chosen_and_nowhere_else():
    stack = Stack(LogRetentionDays=7)
    assert stack.properties("FunctionLog") == {
        "LogGroupName": "/aws/lambda/triage",
        "RetentionInDays": 7,
    }
    assert stack.properties("Function")["LoggingConfig"] == {"LogGroup": "FunctionLog"}


@pytest.mark.parametrize("partition", REGIONS)
def test_every_arn_is_of_the_partition(partition):
    stack = Stack(partition, Repair="repair", RepairActions="enable-imds-endpoint,trust-ec2")
    written = json.dumps(stack.resources)
    assert f"arn:{partition}:" in written
    others = [other for other in REGIONS if other != partition and f'"arn:{other}:' in written]
    assert others == []


def test_no_arn_is_written_out():
    lines = TEMPLATE.read_text().splitlines()
    # What a person writes has the partition in it.
    shown = ("AllowedPattern:", "{account}")
    written_out = [line for line in lines if "arn:aws" in line]
    assert [line for line in written_out if not any(part in line for part in shown)] == []


def test_the_application_repository_gets_what_the_crate_says_of_itself():
    crate = (TEMPLATE.parent / "Cargo.toml").read_text()
    application = source()["Metadata"]["AWS::ServerlessRepo::Application"]
    for field, key in {"Name": "name", "SemanticVersion": "version", "SpdxLicenseId": "license"}.items():
        assert f'\n{key} = "{application[field]}"\n' in crate, field
    for field in ("LicenseUrl", "ReadmeUrl"):
        assert (TEMPLATE.parent / application[field]).is_file(), field
    # What the repository takes.
    assert len(application["Description"]) <= 256 and len(application["Labels"]) <= 10
