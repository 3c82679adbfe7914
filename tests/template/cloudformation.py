"""A template as CloudFormation would create it for one choice of parameters."""

import copy
import re
from pathlib import Path

from boto3.session import Session
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
MEMBER_ROLE = TEMPLATE.with_name("member-role.yaml")
ACCOUNT = "123456789012"
REGIONS = {"aws": "eu-central-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}


def source(template=TEMPLATE):
    """The template as written."""
    return yaml_parse(template.read_text())


def _translated():
    template = source()
    # The translator wants what `sam package` would have put there.
    template["Resources"]["Function"]["Properties"]["CodeUri"] = "s3://bucket/key"
    translator = Translator({}, Parser(), boto_session=Session(region_name=REGIONS["aws"]))
    return translator.translate(template, parameter_values={})


ABSENT = object()


class Stack:
    """The resources, with every intrinsic function carried out. What only AWS
    knows stays as text: `Role.Arn`, or the logical id for a Ref."""

    TEMPLATE = _translated()
    # Where there is no default.
    PARAMETERS = {"LogGroupName": "/ssm/agent"}

    def __init__(self, partition="aws", **parameters):
        declared = self.TEMPLATE["Parameters"]
        unknown = parameters.keys() - declared.keys()
        assert not unknown, f"no such parameters: {sorted(unknown)}"
        parameters = {**self.PARAMETERS, **parameters}
        for name, parameter in declared.items():
            value = parameters.setdefault(name, parameter.get("Default"))
            assert value is not None, f"{name} has no default"
            assert value in parameter.get("AllowedValues", [value]), f"{name} is {value!r}"
        self.partition = partition
        self._names = {
            **parameters,
            "AWS::Partition": partition,
            "AWS::Region": REGIONS[partition],
            "AWS::AccountId": ACCOUNT,
            "AWS::StackName": "triage",
            "AWS::NoValue": ABSENT,
        }
        self.resources = {
            name: self._resolve(resource)
            for name, resource in copy.deepcopy(self.TEMPLATE["Resources"]).items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }

    def properties(self, name):
        return self.resources[name]["Properties"]

    def statements(self):
        """The statements of the function's role by their Sid."""
        document = self.properties("RolePolicy")["PolicyDocument"]
        statements = document["Statement"]
        by_sid = {statement["Sid"]: statement for statement in statements}
        assert len(by_sid) == len(statements), "two statements with one Sid"
        return by_sid

    def _condition(self, name):
        return self._resolve(self.TEMPLATE["Conditions"][name])

    def _resolve(self, value):
        if isinstance(value, list):
            resolved = [self._resolve(item) for item in value]
            return [item for item in resolved if item is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            if function in self._FUNCTIONS:
                return self._FUNCTIONS[function](self, argument)
            assert not function.startswith("Fn::"), f"{function} is not known here"
        resolved = {key: self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not ABSENT}

    def _ref(self, name):
        if name in self._names:
            return self._names[name]
        assert name in self.TEMPLATE["Resources"], f"Ref to {name}"
        return name

    def _attribute(self, path):
        path = path if isinstance(path, str) else ".".join(path)
        assert path.split(".")[0] in self.TEMPLATE["Resources"], f"GetAtt of {path}"
        return path

    def _text(self, text):
        def one(match):
            name = match.group(1)
            return str(self._attribute(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^!}]+)\}", one, text)

    def _choose(self, arguments):
        condition, then, otherwise = arguments
        return self._resolve(then if self._condition(condition) else otherwise)

    def _equals(self, arguments):
        left, right = self._resolve(arguments)
        return str(left) == str(right)

    def _select(self, arguments):
        index, items = self._resolve(arguments)
        return items[int(index)]

    def _split(self, arguments):
        delimiter, text = self._resolve(arguments)
        return text.split(delimiter)

    def _join(self, arguments):
        delimiter, items = self._resolve(arguments)
        return delimiter.join(items)

    _FUNCTIONS = {
        "Ref": _ref,
        "Fn::GetAtt": _attribute,
        "Fn::Sub": _text,
        "Fn::If": _choose,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::Join": _join,
        "Fn::Equals": _equals,
        "Fn::And": lambda self, items: all(self._resolve(items)),
        "Fn::Or": lambda self, items: any(self._resolve(items)),
        "Fn::Not": lambda self, items: not self._resolve(items)[0],
        "Condition": lambda self, name: self._condition(name),
    }


class MemberStack(Stack):
    """What is created in each other account."""

    TEMPLATE = source(MEMBER_ROLE)
    PARAMETERS = {
        "FunctionRoleArn": "arn:aws:iam::210987654321:role/triage-Role",
        "ExternalId": "o-0123456789",
    }
