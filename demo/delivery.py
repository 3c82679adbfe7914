"""From a readable log to the function's answer."""

import datetime
import json
import subprocess
import urllib.request
from dataclasses import dataclass

from .servers import ACCOUNT, REGION, ROOT, RUN, Unwell

TOOL = ROOT / "target/debug/ssm-agent-triage"
LOG_GROUP = "/fleet/amazon-ssm-agent"
# The names that the logs under events/ were written with.
WRITTEN = {
    "i-0123456789abcdef0": lambda member: member.instance,
    "123456789012": lambda _: ACCOUNT,
    "MySSMRole": lambda member: member.role,
}


@dataclass
class Batch:
    """One delivery of the subscription: the log of one instance."""

    member: object
    text: str
    event: bytes


def batches(fleet):
    """One batch for each instance, as if its agent had logged it just now."""
    start = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=10)
    return [_batch(member, start) for member in fleet.members]


def _batch(member, start):
    text = (ROOT / "events" / f"{member.log}.log").read_text(encoding="utf-8")
    for name, real in WRITTEN.items():
        text = text.replace(name, real(member))
    made = subprocess.run(
        [
            str(TOOL), "event", "make", "-",
            "--stream", member.instance,
            "--group", LOG_GROUP,
            "--account", ACCOUNT,
            "--region", REGION,
            "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        ],
        input=text.encode(),
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise Unwell(f"no event for {member.name}: {made.stderr.decode().strip()}")
    (RUN / f"{member.name}.json").write_bytes(made.stdout)
    return Batch(member, text, made.stdout)


def deliver(function, event):
    """Invokes the function as the subscription does, and returns its report."""
    request = urllib.request.Request(
        f"{function.url}/2015-03-31/functions/function/invocations",
        data=event,
        headers={"Content-Type": "application/json"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=90) as response:
        answer = response.read()
    try:
        report = json.loads(answer)
    except ValueError:
        raise Unwell(f"the function answered no JSON: {answer[:500]!r}; see {function.log}")
    if not isinstance(report, dict) or "incidents" not in report:
        raise Unwell(f"the function failed: {answer.decode()[:2000]}; see {function.log}")
    return report
