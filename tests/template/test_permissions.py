"""What the function's role may do in each mode, and what it may never do."""

import itertools
import re

import pytest
from cloudformation import ACCOUNT, REGIONS, TEMPLATE, Stack, source

ALWAYS = {
    "WriteOwnLog",
    "HandOverFailedBatches",
    "KeepState",
    "FindOpenState",
    "SendMessages",
    "LookAtInstances",
    "LookAtRoles",
    "LookAtPolicies",
    "LookAtConsoles",
    "LookAtVpcs",
    "LookAtDefaultHostManagement",
    "LookAtSessionPreferences",
    "LookAtSessionResources",
    "NeverTheseRoles",
}
MODES = ["advise", "dry-run", "on-request", "repair"]
TAG = "aws:ResourceTag/ssm-agent-triage:repair"


def every_stack():
    for partition, mode, actions in itertools.product(REGIONS, MODES, ACTIONS):
        yield Stack(
            partition,
            Repair=mode,
            RepairActions=actions,
            RepairTagValue="ops",
            ChangeCalendars="freeze",
            EventBus="default",
            Opsitems="on",
        )


# What IAM calls otherwise than the API does.
ACTION_OF = {"GetBucketEncryption": "GetEncryptionConfiguration"}


def calls_in(file):
    """`DescribeInstances` for `.describe_instances()`."""
    verbs = "assume_role|attach|batch_get|create|delete|describe|get|list|modify|publish|put|query|simulate|update"
    for call in re.findall(rf"\.((?:{verbs})(?:_[a-z_]+)?)\(\)", file.read_text()):
        if call == "assume_role_policy_document":
            continue
        name = "".join(word.capitalize() for word in call.split("_"))
        yield ACTION_OF.get(name, name)


def calls_of_the_adapters():
    folder = TEMPLATE.parent / "src/aws"
    for adapter in folder.rglob("*.rs"):
        # src/aws/ec2.rs and src/aws/ec2/network.rs both call ec2.
        service = adapter.relative_to(folder).parts[0].removesuffix(".rs")
        service = {"member": "sts"}.get(service, service)
        yield from (f"{service}:{call}" for call in calls_in(adapter))


def repairs():
    """What each entry of REPAIRS declares: its name, and the action that it writes with."""
    folder = TEMPLATE.parent / "src/repair/repairs"
    found = {}
    for entry in re.findall(r"(\w+)::REPAIR\b", (folder / "mod.rs").read_text()):
        file = folder / f"{entry}.rs"
        fields = dict(re.findall(r'^    (name|writes): "(.+)",$', file.read_text(), re.M))
        found[file] = (fields["name"], fields["writes"])
    return found


ACTIONS = [
    ",".join(some)
    for count in range(len(repairs()) + 1)
    for some in itertools.combinations([name for name, _ in repairs().values()], count)
]


def actions_of(statement):
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else actions


def resources_of(statement):
    resources = statement["Resource"]
    return [resources] if isinstance(resources, str) else resources


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("actions", ACTIONS)
def test_write_statements_stand_only_in_their_mode_and_for_their_action(partition, mode, actions):
    allowed = actions.split(",")
    expected = set(ALWAYS)
    if mode != "advise" and "enable-imds-endpoint" in allowed:
        expected.add("EnableImdsEndpoint")
    if mode in ("on-request", "repair") and "trust-ec2" in allowed and partition != "aws-cn":
        expected.add("TrustEc2")
    stack = Stack(partition, Repair=mode, RepairActions=actions)
    assert set(stack.statements()) == expected


def test_calendars_are_read_where_there_are_any_and_something_may_be_written():
    for mode in MODES:
        asked = [
            "LookAtChangeCalendars" in Stack(Repair=mode, ChangeCalendars=names).statements()
            for names in ("", "freeze")
        ]
        assert asked == [False, mode != "advise"], mode


def test_the_modes_and_actions_are_all_that_the_parameters_allow():
    parameters = source()["Parameters"]
    assert parameters["Repair"]["AllowedValues"] == MODES
    assert parameters["RepairActions"]["AllowedValues"] == ACTIONS


@pytest.mark.parametrize("partition", REGIONS)
def test_the_endpoint_can_only_be_enabled_on_tagged_instances_of_this_account_and_region(partition):
    stack = Stack(
        partition,
        Repair="repair",
        RepairActions="enable-imds-endpoint,trust-ec2",
        RepairTagValue="ops",
    )
    assert stack.statements()["EnableImdsEndpoint"] == {
        "Sid": "EnableImdsEndpoint",
        "Effect": "Allow",
        "Action": "ec2:ModifyInstanceMetadataOptions",
        "Resource": f"arn:{partition}:ec2:{REGIONS[partition]}:{ACCOUNT}:instance/*",
        "Condition": {
            "StringEquals": {TAG: "ops", "ec2:Attribute/HttpEndpoint": "enabled"},
            "Null": {
                "ec2:Attribute/HttpTokens": "true",
                "ec2:Attribute/HttpPutResponseHopLimit": "true",
            },
        },
    }


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_a_trust_policy_can_only_be_written_on_tagged_roles_of_this_account(partition):
    stack = Stack(
        partition, Repair="repair", RepairActions="trust-ec2", RepairTagValue="ops"
    )
    assert stack.statements()["TrustEc2"] == {
        "Sid": "TrustEc2",
        "Effect": "Allow",
        "Action": "iam:UpdateAssumeRolePolicy",
        "Resource": f"arn:{partition}:iam::{ACCOUNT}:role/*",
        "Condition": {"StringEquals": {TAG: "ops"}},
    }


def test_own_service_linked_and_reserved_roles_are_denied_in_every_mode():
    for stack in every_stack():
        partition = stack.partition
        assert stack.statements()["NeverTheseRoles"] == {
            "Sid": "NeverTheseRoles",
            "Effect": "Deny",
            "Action": "iam:UpdateAssumeRolePolicy",
            "Resource": [
                "Role.Arn",
                f"arn:{partition}:iam::{ACCOUNT}:role/aws-service-role/*",
                f"arn:{partition}:iam::{ACCOUNT}:role/aws-reserved/*",
            ],
        }


def test_no_action_is_a_wildcard_and_only_describing_names_every_resource():
    for stack in every_stack():
        for sid, statement in stack.statements().items():
            assert not [action for action in actions_of(statement) if "*" in action], sid
            # What is yet to be created has no ARN.
            if "*" in resources_of(statement) and sid != "OpenOpsItems":
                # A Get that describes the account, not a resource.
                reads = set(actions_of(statement)) - {"ec2:GetInstanceMetadataDefaults"}
                describing = [action.split(":Describe") for action in reads]
                assert {len(parts) for parts in describing} == {2}, sid
                assert {service for service, _ in describing} == {"ec2", "ssm"}, sid


def test_the_role_allows_exactly_the_calls_that_the_function_makes():
    stack = Stack(
        Repair="repair", RepairActions=ACTIONS[-1], ChangeCalendars="freeze", EventBus="default",
        Opsitems="on", MemberRole="arn:aws:iam::{account}:role/Member",
    )
    allowed = {
        action
        for statement in stack.statements().values()
        if statement["Effect"] == "Allow"
        for action in actions_of(statement)
    }
    # Lambda itself writes the log and hands over failed batches.
    of_lambda = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}
    writes = {action for _, action in repairs().values()}
    assert allowed - of_lambda == set(calls_of_the_adapters()) | writes


def test_each_repair_makes_the_one_call_that_it_declares():
    for file, (_, action) in repairs().items():
        assert list(calls_in(file)) == [action.split(":")[1]], file.name


@pytest.mark.parametrize("mode", ["dry-run", "on-request", "repair"])
def test_a_write_is_allowed_only_where_its_repair_is_listed_and_the_tag_is_set(mode):
    for actions in ACTIONS:
        stack = Stack(Repair=mode, RepairActions=actions)
        listed = actions.split(",")
        for name, action in repairs().values():
            grants = [
                statement
                for statement in stack.statements().values()
                if statement["Effect"] == "Allow" and action in actions_of(statement)
            ]
            assert len(grants) <= (name in listed), name
            assert mode == "dry-run" or len(grants) == (name in listed), name
            assert all(TAG in one["Condition"]["StringEquals"] for one in grants), name


def test_the_role_has_no_policy_beside_the_one_tested_here():
    resources = Stack().resources
    policies = [name for name, resource in resources.items() if "Polic" in resource["Type"]]
    assert policies == ["RolePolicy"]
    assert set(resources["Role"]["Properties"]) == {"AssumeRolePolicyDocument"}
    assert resources["Function"]["Properties"]["Role"] == "Role.Arn"


def test_only_the_named_stream_may_be_read_with_its_key():
    stream = f"arn:aws:kinesis:eu-central-1:{ACCOUNT}:stream/agent-logs"
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b"
    statements = Stack(KinesisStreamArn=stream, KinesisKeyArn=key).statements()
    read = statements["ReadStream"]
    assert read["Resource"] == stream
    # What Lambda asks of the role when it creates the mapping.
    assert set(actions_of(read)) == {
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
    }
    assert statements["DecryptStream"]["Action"] == "kms:Decrypt"
    assert statements["DecryptStream"]["Resource"] == key


def test_messages_go_to_the_one_topic_and_its_key():
    own = Stack().statements()
    assert own["SendMessages"]["Resource"] == "Topic"
    assert "EncryptMessages" not in own
    topic = f"arn:aws:sns:eu-central-1:{ACCOUNT}:alerts.fifo"
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b"
    given = Stack(TopicArn=topic, TopicKeyArn=key).statements()
    assert given["SendMessages"]["Resource"] == topic
    assert given["EncryptMessages"]["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert given["EncryptMessages"]["Resource"] == key


@pytest.mark.parametrize("partition", REGIONS)
def test_events_are_put_on_the_one_bus_that_is_named(partition):
    assert "PutEvents" not in Stack(partition).statements()
    of = f"arn:{partition}:events:{REGIONS[partition]}:{ACCOUNT}:event-bus/fleet"
    elsewhere = f"arn:{partition}:events:eu-west-1:999999999999:event-bus/central"
    for bus, arn in (("fleet", of), (of, of), (elsewhere, elsewhere)):
        assert Stack(partition, EventBus=bus).statements()["PutEvents"] == {
            "Sid": "PutEvents",
            "Effect": "Allow",
            "Action": "events:PutEvents",
            "Resource": arn,
        }


@pytest.mark.parametrize("partition", REGIONS)
def test_ops_items_of_this_account_and_region_are_written_where_they_are_on(partition):
    assert not {"OpenOpsItems", "UpdateOpsItems"} & Stack(partition).statements().keys()
    statements = Stack(partition, Opsitems="on").statements()
    assert actions_of(statements["OpenOpsItems"]) == ["ssm:CreateOpsItem"]
    update = statements["UpdateOpsItems"]
    assert actions_of(update) == ["ssm:UpdateOpsItem"]
    arn = f"arn:{partition}:ssm:{REGIONS[partition]}:{ACCOUNT}:opsitem/*"
    assert resources_of(update) == [arn]


@pytest.mark.parametrize("partition", REGIONS)
def test_what_session_preferences_name_is_only_looked_at(partition):
    """The key and the bucket may be of another account, whose policies must allow it too."""
    assert Stack(partition).statements()["LookAtSessionResources"] == {
        "Sid": "LookAtSessionResources",
        "Effect": "Allow",
        "Action": ["kms:DescribeKey", "s3:GetEncryptionConfiguration", "logs:DescribeLogGroups"],
        "Resource": [
            f"arn:{partition}:kms:{REGIONS[partition]}:*:key/*",
            f"arn:{partition}:s3:::*",
            f"arn:{partition}:logs:{REGIONS[partition]}:{ACCOUNT}:log-group:*",
        ],
    }


@pytest.mark.parametrize("partition", REGIONS)
def test_the_state_is_read_and_written_in_the_one_table_and_its_key_used_by_dynamodb_only(partition):
    own = Stack(partition).statements()
    assert own["KeepState"]["Resource"] == "State.Arn"
    assert set(actions_of(own["KeepState"])) == {
        "dynamodb:BatchGetItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
    }
    assert own["FindOpenState"]["Action"] == "dynamodb:Query"
    assert own["FindOpenState"]["Resource"] == "State.Arn/index/open"
    assert "DecryptState" not in own
    key = f"arn:{partition}:kms:{REGIONS[partition]}:{ACCOUNT}:key/0a1b"
    assert Stack(partition, StateKeyArn=key).statements()["DecryptState"] == {
        "Sid": "DecryptState",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": key,
        "Condition": {
            "StringLike": {"kms:ViaService": f"dynamodb.{REGIONS[partition]}.amazonaws.com*"}
        },
    }
    off = Stack(partition, StateTable="off", StateKeyArn=key).statements()
    assert not {"KeepState", "FindOpenState", "DecryptState"} & off.keys()


def test_failed_batches_go_to_the_one_queue_and_log_lines_to_the_own_log():
    statements = Stack().statements()
    assert statements["HandOverFailedBatches"]["Action"] == "sqs:SendMessage"
    assert statements["HandOverFailedBatches"]["Resource"] == "FailedBatches.Arn"
    assert statements["WriteOwnLog"]["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statements["WriteOwnLog"]["Resource"] == "FunctionLog.Arn"
