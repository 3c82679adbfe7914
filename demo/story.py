"""What is told, in order. Every claim about AWS is read back from the server,
and a claim that does not hold ends the story with an error."""

import difflib

from . import delivery, servers
from .fleet import TAG, Fleet, Inbox
from .terminal import chapter, item, paint, quote, say, section, shorten

ALL_ACTIONS = "enable-imds-endpoint,trust-ec2"
NOTIFIED = {
    "sent": "sent; as the queue received it:",
    "suppressed": "none: this incident was told already",
    "quiet": "none: below TRIAGE_MIN_SEVERITY",
    "printed": "printed to the function's log",
    "failed": "could not be sent",
}
STATUS_STYLE = {"ok": "green", "failed": "red", "unknown": "yellow", "skipped": "dim"}


class Untrue(Exception):
    """The server shows something else than the story says."""


def tell():
    servers.RUN.mkdir(exist_ok=True)
    with servers.aws() as aws:
        fleet = Fleet(aws.url)
        fleet.build()
        inbox = Inbox(fleet)
        _introduce(fleet, aws)
        batches = delivery.batches(fleet)
        _advise(fleet, inbox, batches)
        _repair(fleet, inbox, batches)
    print()
    print(paint("Everything above was so; both servers are stopped.", "bold", "green"))
    print(f"Their logs and the events are in {_shown(servers.RUN)}/.")


def _shown(path):
    return path.relative_to(servers.ROOT)


def _introduce(fleet, aws):
    chapter(1, "A small broken fleet")
    say(
        f"A test server (moto) on {aws.url} stands for AWS; the compiled function runs behind "
        "the Lambda Runtime Interface Emulator. No AWS account is touched."
    )
    print()
    for member in fleet.members:
        item(member.name, f"{member.instance}, role {member.role}: {member.ails}")
    item("opt-in tag", f"{TAG['Key']} = {TAG['Value']}")


def _advise(fleet, inbox, batches):
    chapter(2, "Mode advise: the agents' logs arrive")
    say(
        "CloudWatch Logs hands the function one batch for each instance. It says what is wrong, "
        "looks at live state, and changes nothing."
    )
    settings = {"TRIAGE_TOPIC_ARN": inbox.topic}
    before = fleet.state()
    told = []
    with servers.function("advise", fleet.endpoint, settings) as function:
        for batch in batches:
            told += _batch(function, inbox, batch, show_log=True)
    section("What changed in AWS")
    _require(fleet.state() == before, "nothing has changed in AWS")
    _require(len(told) == 3, "one message for each of the three things to fix", len(told))


def _repair(fleet, inbox, batches):
    chapter(3, "Mode repair: the same batches again")
    say(
        f"The function is started anew with TRIAGE_REPAIR=repair and TRIAGE_REPAIR_ACTIONS="
        f"{ALL_ACTIONS}. It repairs what a check proves broken and the tag allows."
    )
    settings = {
        "TRIAGE_TOPIC_ARN": inbox.topic,
        "TRIAGE_REPAIR": "repair",
        "TRIAGE_REPAIR_ACTIONS": ALL_ACTIONS,
    }
    before = fleet.state()
    with servers.function("repair", fleet.endpoint, settings) as function:
        for batch in batches:
            _batch(function, inbox, batch)
        section(f"What the function logged before and after each write (whole in {_shown(function.log)})")
        for line in _own_lines(function.log):
            quote(shorten(line, 420))
        section("What changed in AWS, read from the server")
        repaired = fleet.state()
        changed = _show_changes(before, repaired)
        allowed = ("db-1 ", "trust policy of role web")
        _require(
            len(changed) == 2 and all(thing.startswith(allowed) for thing in changed),
            "one endpoint and one trust policy changed, and nothing without the tag",
            sorted(changed),
        )

        chapter(4, "Every batch is delivered a second time")
        say("CloudWatch Logs delivers at least once, so each batch may come again.")
        told = []
        for batch in batches:
            told += _batch(function, inbox, batch, brief=True)
        print()
        _require(fleet.state() == repaired, "nothing more has changed in AWS")
        _require(told == [], "no further message was sent", len(told))


def _batch(function, inbox, batch, show_log=False, brief=False):
    """Delivers one batch, tells what came of it, and returns the messages sent."""
    member = batch.member
    report = delivery.deliver(function, batch.event)
    messages = inbox.drain()
    if brief:
        outcomes = [
            f"{incident['cause']}: {incident['outcome']['status']}, message {incident['notified']}"
            for incident in report["incidents"]
        ]
        item(member.name, "; ".join(outcomes) or "nothing to tell")
        return messages
    section(f"{member.name}, {member.instance}")
    if show_log:
        _came_in(batch.text, report["source"])
    for incident in report["incidents"]:
        _incident(incident)
    if not report["incidents"]:
        item("verdict", "nothing is wrong", "green")
        harmless = (f"{signature} x{count}" for signature, count in report["benign"].items())
        item("harmless", ", ".join(harmless))
    for recovered in report["recovered"]:
        item("recovered", f"{recovered['node']} from {recovered['cause']}")
    for message in messages:
        _message(message)
    return messages


def _came_in(text, source):
    loud = [line for line in text.splitlines() if line[24:].lstrip().startswith("ERROR ")]
    item("came in", f"{source['events']} log events, {len(loud)} of them ERROR")
    if loud:
        item("last ERROR", shorten(loud[-1], 160), "dim")


def _incident(incident):
    verdict = f"{incident['title']} ({incident['confidence']}, {incident['severity']})"
    if incident["notified"] == "suppressed":
        item("verdict", verdict, "bold")
        _outcome(incident)
        item("message", NOTIFIED["suppressed"])
        return
    item("recognised", ", ".join(f"{s['id']} x{s['count']}" for s in incident["signatures"]))
    item("verdict", verdict, "bold")
    for evidence in incident["evidence"][:1]:
        proof = f"{evidence['level']} [{evidence['component']}] {evidence['text']}"
        item("proving line", shorten(proof, 240))
    for check in incident["checks"]:
        text = f"{check['check']}: {check['status']}. {check['note']}"
        item("check", text, STATUS_STYLE[check["status"]])
    plan = incident["plan"]
    action = f" {plan['action']}" if plan["action"] else ""
    item("plan", f"{plan['kind']}{action}: {plan['reason']}")
    _outcome(incident)
    item("message", NOTIFIED[incident["notified"]])


def _outcome(incident):
    outcome = incident["outcome"]
    if outcome["status"] != "none":
        detail = f". {outcome['detail']}" if outcome["detail"] else ""
        style = "green" if outcome["status"] == "repaired" else None
        item("outcome", f"{outcome['status']}{detail}", style)


def _message(message):
    attributes = message.get("MessageAttributes", {})
    print()
    quote(f"Subject: {message.get('Subject', '(none)')}", "bold")
    shown = ", ".join(f"{name}={value['Value']}" for name, value in sorted(attributes.items()))
    quote(f"Attributes: {shown}\n\n{message['Message']}")


def _own_lines(log):
    """The function's structured lines, without what the emulator adds."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line.startswith("{")]


def _show_changes(before, after):
    changed = {thing for thing in after if after[thing] != before[thing]}
    for thing in sorted(changed):
        print()
        old, new = before[thing].splitlines(), after[thing].splitlines()
        if len(old) == len(new) == 1:
            item("changed", f"{thing}: {old[0]} -> {new[0]}", "green")
            continue
        item("changed", thing)
        for line in list(difflib.unified_diff(old, new, lineterm="", n=99))[3:]:
            quote(line, {"+": "green", "-": "red"}.get(line[0]))
    return changed


def _require(holds, claim, found=None):
    if not holds:
        told = "" if found is None else f" (found: {found})"
        raise Untrue(f"this does not hold: {claim}{told}")
    print(f"  {paint('checked:', 'green')} {claim}")
