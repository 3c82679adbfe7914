"""What the role in other accounts may do, and who may assume it."""

import itertools
import json

import pytest
from cloudformation import REGIONS, MemberStack, Stack
from test_permissions import ACTIONS, MODES, TAG

# What the function looks at and changes where it runs, and nowhere else.
OWN = {
    "WriteOwnLog",
    "HandOverFailedBatches",
    "KeepState",
    "FindOpenState",
    "SendMessages",
    "LookAtChangeCalendars",
    "AssumeMemberRole",
}
ROLE = "arn:aws:iam::{account}:role/SsmAgentTriageMember"


@pytest.mark.parametrize("partition", REGIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("actions", ACTIONS)
def test_the_member_role_may_what_the_functions_own_may_in_every_region(partition, mode, actions):
    chosen = {"Repair": mode, "RepairActions": actions, "RepairTagValue": "ops"}
    own = Stack(partition, **chosen, MemberRole=ROLE, ChangeCalendars="freeze").statements()
    member = MemberStack(partition, **chosen).statements()
    expected = {sid: statement for sid, statement in own.items() if sid not in OWN}

    def everywhere(statements):
        text = json.dumps(statements).replace(f":{REGIONS[partition]}:", ":*:")
        name = "arn:{0}:iam::123456789012:role/SsmAgentTriageMember".format(partition)
        return json.loads(text.replace("Role.Arn", name))

    assert member == everywhere(expected)


def test_a_write_wants_the_tag_in_every_account():
    stack = MemberStack(Repair="repair", RepairActions=ACTIONS[-1], RepairTagValue="ops")
    for sid in ("EnableImdsEndpoint", "TrustEc2"):
        condition = stack.statements()[sid]["Condition"]["StringEquals"]
        assert condition[TAG] == "ops", sid


def test_the_function_alone_assumes_the_member_role_and_with_the_external_id():
    trust = MemberStack().properties("Role")["AssumeRolePolicyDocument"]["Statement"]
    assert trust == [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::210987654321:role/triage-Role"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "o-0123456789"}},
        }
    ]


def test_the_function_assumes_the_member_role_and_no_other_in_its_organization():
    for mode, actions in itertools.product(MODES, ACTIONS):
        chosen = {"Repair": mode, "RepairActions": actions}
        assert "AssumeMemberRole" not in Stack(**chosen).statements()
        assert Stack(**chosen, MemberRole=ROLE).statements()["AssumeMemberRole"] == {
            "Sid": "AssumeMemberRole",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Resource": "arn:aws:iam::*:role/SsmAgentTriageMember",
            "Condition": {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}},
        }
