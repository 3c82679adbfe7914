"""What alarms and dashboard look at, against what the function counts."""

import json
import re

from cloudformation import ACCOUNT, TEMPLATE, Stack

NAMESPACE = "ssm-agent-triage"


def emitted():
    """The metrics of a line of the function, by their names, and its dimension."""
    (path,) = (TEMPLATE.parent / "src/handler/snapshots").glob("*embedded_metric_format.snap")
    line = json.loads(path.read_text().split("---\n", 2)[2])
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == NAMESPACE
    assert directive["Dimensions"] == [["FunctionName"]]
    return {metric["Name"] for metric in directive["Metrics"]}


def alarms(stack):
    return {
        name: resource["Properties"]
        for name, resource in stack.resources.items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }


def test_every_alarm_looks_at_something_that_is_counted():
    names = emitted()
    own = {"Name": "FunctionName", "Value": "Function"}
    looked_at = {
        (alarm["Namespace"], alarm["MetricName"], alarm["Dimensions"][0]["Name"])
        for alarm in alarms(Stack()).values()
    }
    assert looked_at == {
        ("AWS/Lambda", "Errors", "FunctionName"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
        (NAMESPACE, "Undelivered", "FunctionName"),
        (NAMESPACE, "UnverifiedWrites", "FunctionName"),
        (NAMESPACE, "Sweeps", "FunctionName"),
    }
    for alarm in alarms(Stack()).values():
        if alarm["Namespace"] == NAMESPACE:
            assert alarm["MetricName"] in names
            assert alarm["Dimensions"] == [own]


def test_a_sweep_is_missed_only_where_there_are_sweeps_and_silence_is_no_fault_elsewhere():
    assert "SweepMissedAlarm" not in alarms(Stack(SweepSchedule=""))
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms(Stack()).items()}
    assert missing.pop("SweepMissedAlarm") == "breaching"
    assert set(missing.values()) == {"notBreaching"}


def test_alarms_tell_the_topic_that_is_named_for_them():
    assert all("AlarmActions" not in alarm for alarm in alarms(Stack()).values())
    topic = f"arn:aws:sns:eu-central-1:{ACCOUNT}:oncall"
    given = alarms(Stack(AlarmTopicArn=topic)).values()
    assert all(alarm["AlarmActions"] == [topic] for alarm in given)


def test_every_metric_of_the_dashboard_is_counted():
    names, searched = emitted(), set()
    dashboard = Stack().properties("Overview")
    assert dashboard["DashboardName"] == "triage"
    body = json.loads(dashboard["DashboardBody"])
    metrics = [
        metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]
    ]
    for metric in metrics:
        if isinstance(metric[0], dict):
            search = re.fullmatch(
                r"""SEARCH\('\{ssm-agent-triage,FunctionName\} FunctionName="Function" (\w+)', 'Sum', 3600\)""",
                metric[0]["expression"],
            )
            word = search.group(1)
            # Of the words of a name, CloudWatch finds it by any.
            found = {name for name in names if word in re.findall("[A-Z]?[a-z0-9]+", name)}
            assert found and all(name.startswith(f"{word}.") for name in found), word
            searched |= found
        else:
            namespace, name, dimension, value, *_ = metric
            assert (dimension, value) == ("FunctionName", "Function")
            if namespace == NAMESPACE:
                assert name in names
                searched.add(name)
    # Nothing is counted that nobody sees, but for the changes between opening and end.
    assert {name for name in names - searched if not name.startswith("Changed.")} == set()


def test_the_dashboard_can_be_left_out():
    assert "Overview" not in Stack(Dashboard="off").resources
