"""The policies as an independent linter reads them, for every choice of parameters."""

import itertools
import json
import warnings

from cloudformation import ACCOUNT, MemberStack, Stack
from test_permissions import ACTIONS, MODES

with warnings.catch_warnings():
    # Of how it finds its own data.
    warnings.simplefilter("ignore", UserWarning)
    from parliament import analyze_policy_string

KEY = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"

# Each on its own grants something, or takes it away.
CHOICES = {
    "KinesisStreamArn": ["", f"arn:aws:kinesis:eu-central-1:{ACCOUNT}:stream/logs"],
    "StateTable": ["on", "off"],
    "EventBus": ["", "fleet", f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/fleet"],
    "Opsitems": ["off", "on"],
    "ChangeCalendars": ["", "freeze"],
    "MemberRole": ["", "arn:aws:iam::{account}:role/Member"],
    "StateKeyArn": ["", KEY],
    "TopicKeyArn": ["", KEY],
    "KinesisKeyArn": ["", KEY],
}

# What the linter finds and is meant.
MEANT = {
    ("LookAtPolicies", "INVALID_ARN"): "AWS's own policies have `aws` in place of the account.",
    # As a denial names it: `log-group::log-stream:*`.
    ("LookAtSessionResources", "RESOURCE_MISMATCH"): "DescribeLogGroups is checked on log groups.",
}


def real(document):
    """What only AWS knows in the form that it has there."""
    arns = {
        "Role.Arn": f"arn:aws:iam::{ACCOUNT}:role/triage-Role",
        "FunctionLog.Arn": f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/triage:*",
        "FailedBatches.Arn": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:triage-failed",
        "State.Arn": f"arn:aws:dynamodb:eu-central-1:{ACCOUNT}:table/triage-State",
        '"Topic"': f'"arn:aws:sns:eu-central-1:{ACCOUNT}:triage-Topic"',
    }
    text = json.dumps(document)
    for name, arn in arns.items():
        text = text.replace(name, arn)
    return text


def findings(statement):
    document = {"Version": "2012-10-17", "Statement": [statement]}
    for finding in analyze_policy_string(real(document)).findings:
        yield statement["Sid"], finding.issue


def stacks_of_every_choice():
    """Every mode and action, and every choice of the others, which do not depend on those."""
    last = {name: values[-1] for name, values in CHOICES.items()}
    chosen = [dict(zip(CHOICES, values)) for values in itertools.product(*CHOICES.values())]
    for mode, actions in itertools.product(MODES, ACTIONS):
        writes = {"Repair": mode, "RepairActions": actions}
        yield MemberStack(**writes)
        yield Stack(**writes, **last)
    for choice in chosen:
        yield Stack(**choice)


def test_an_independent_linter_finds_no_fault_in_any_policy():
    stacks = stacks_of_every_choice()
    documents = (stack.properties("RolePolicy")["PolicyDocument"] for stack in stacks)
    statements = {json.dumps(one) for document in documents for one in document["Statement"]}
    found = {(sid, issue) for one in statements for sid, issue in findings(json.loads(one))}
    assert found == set(MEANT)
