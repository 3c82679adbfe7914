#!/usr/bin/env python3
"""What commands of the documentation need of the AWS CLI: an operation with its options, by the
SDK of the test server's environment, which refuses what the API does not know."""

import json
import re
import sys
from pathlib import Path

import boto3

# Of the CLI itself; files are read as they are in either case.
OF_THE_CLI = {"--output", "--cli-binary-format"}


def main(service, operation, *rest):
    client = boto3.client(service)
    name = re.sub("(^|-)(.)", lambda part: part[2].upper(), operation)
    shape = client.meta.service_model.operation_model(name).input_shape
    members = {"--" + re.sub("(?<=.)([A-Z])", r"-\1", name).lower(): name for name in shape.members}
    parameters, rest = {}, list(rest)
    while len(rest) > 1:
        option, value = rest.pop(0), rest.pop(0)
        if option in OF_THE_CLI:
            continue
        if value.startswith("file://"):
            value = Path(value.removeprefix("file://")).read_bytes()
        if shape.members[members[option]].type_name == "integer":
            value = int(value)
        parameters[members[option]] = value
    answer = getattr(client, operation.replace("-", "_"))(**parameters)
    answer.pop("ResponseMetadata")
    # The body of an answer goes into a file.
    for path in rest:
        Path(path).write_bytes(answer.pop("Payload").read())
    if answer:
        json.dump(answer, sys.stdout)


main(*sys.argv[1:])
