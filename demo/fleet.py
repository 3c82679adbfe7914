"""The small fleet: made, broken, and read back."""

import json
from dataclasses import dataclass, field

import boto3
from botocore.config import Config

from .servers import ACCOUNT, REGION

TAG = {"Key": "ssm-agent-triage:repair", "Value": "allow"}


def trust(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


EC2_MAY = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
# What is left of the role web after somebody tidied it up: EC2 is gone.
DEPLOYERS_MAY = {
    "Sid": "Deployers",
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"aws:PrincipalTag/team": "web"}},
}
DEPLOYMENTS_MAY = {
    "Sid": "Deployments",
    "Effect": "Allow",
    "Principal": {"Service": "codedeploy.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


@dataclass
class Member:
    name: str
    instance: str
    role: str
    log: str
    ails: str


@dataclass
class Fleet:
    """The instances, and clients that can only reach the test server."""

    endpoint: str
    members: list[Member] = field(default_factory=list)

    def __post_init__(self):
        session = boto3.session.Session(
            aws_access_key_id="demonstration",
            aws_secret_access_key="demonstration",
            region_name=REGION,
        )
        config = Config(proxies={}, retries={"max_attempts": 1})
        client = {"endpoint_url": self.endpoint, "config": config}
        self.ec2 = session.client("ec2", **client)
        self.iam = session.client("iam", **client)
        self.sns = session.client("sns", **client)
        self.sqs = session.client("sqs", **client)

    def build(self):
        self._role("app", trust(EC2_MAY))
        self._role("web", trust(DEPLOYERS_MAY, DEPLOYMENTS_MAY), opted_in=True)
        self._role("batch", trust(EC2_MAY))
        off = "its metadata endpoint is off; the tag allows a repair"
        self._instance("db-1", "app", "imds-disabled", off, imds="disabled", opted_in=True)
        for number in (1, 2, 3):
            ails = "EC2 may not assume its role; the tag on the role allows a repair"
            self._instance(f"web-{number}", "web", "role-not-assumable", ails)
        self._instance("app-1", "app", "healthy", "nothing is wrong with it")
        off = "its metadata endpoint is off, and it has no tag"
        self._instance("batch-1", "batch", "imds-disabled", off, imds="disabled")

    def _role(self, name, document, opted_in=False):
        self.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(document),
            Tags=[TAG] if opted_in else [],
        )
        self.iam.create_instance_profile(InstanceProfileName=name)
        self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)

    def _instance(self, name, role, log, ails, imds="enabled", opted_in=False):
        tags = [{"Key": "Name", "Value": name}] + ([TAG] if opted_in else [])
        made = self.ec2.run_instances(
            ImageId="ami-0abcdef1234567890",
            MinCount=1,
            MaxCount=1,
            IamInstanceProfile={"Name": role},
            MetadataOptions={"HttpEndpoint": imds, "HttpTokens": "required"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        instance = made["Instances"][0]["InstanceId"]
        self.members.append(Member(name, instance, role, log, ails))

    def state(self):
        """What the server says now: thing → value, both as text."""
        described = self.ec2.describe_instances(
            InstanceIds=[member.instance for member in self.members]
        )
        endpoints = {
            instance["InstanceId"]: instance["MetadataOptions"]["HttpEndpoint"]
            for reservation in described["Reservations"]
            for instance in reservation["Instances"]
        }
        seen = {
            f"{member.name} ({member.instance}) HttpEndpoint": endpoints[member.instance]
            for member in self.members
        }
        for role in sorted({member.role for member in self.members}):
            document = self.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
            seen[f"trust policy of role {role}"] = json.dumps(document, indent=2)
        return seen


class Inbox:
    """A topic, and a queue that receives what it sends."""

    def __init__(self, fleet):
        self._sqs = fleet.sqs
        self.topic = fleet.sns.create_topic(Name="agent-alerts")["TopicArn"]
        self._queue = fleet.sqs.create_queue(QueueName="on-call")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:on-call"
        fleet.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def drain(self):
        """The messages that have arrived, oldest first."""
        messages = []
        while True:
            received = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            if not received.get("Messages"):
                return messages
            for message in received["Messages"]:
                messages.append(json.loads(message["Body"]))
                self._sqs.delete_message(
                    QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"]
                )
