"""The page of `scan --format html` in a real browser.

What each looks like is left in target/page for whoever changes its style.
"""

import os
import pty
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import browser
import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOL = TARGET / "debug" / "ssm-agent-triage"
PICTURES = TARGET / "page"
NODE = "i-0123456789abcdef0"

HOSTILE = [
    "</script><img src=https://hostile.invalid/x onerror=\"window.hit='img'\">",
    "</style><script>window.hit='script'</script>",
    "]]></title><svg onload=\"window.hit='svg'\">",
    "\" autofocus onfocus=\"window.hit='attribute'\" x=\"",
    "javascript:window.hit='link' \u202e\u2066 \x1b[31m\x00 &lt;b&gt;",
]


def hostile_log():
    lines = []
    for at, text in enumerate(HOSTILE):
        lines += [
            f"2026-11-23 04:19:{at:02}.0000 ERROR [ssm-agent-worker] [HealthCheck] error when calling AWS APIs."
            " error details - AccessDeniedException: User: arn:aws:sts::123456789012:assumed-role/MySSMRole/"
            f"{NODE} is not authorized to perform: ssm:UpdateInstanceInformation {text}",
            f"2026-11-23 04:19:{at:02}.0000 ERROR [Unheard] {text}",
        ]
    return "\n".join(lines)


def moved(name, hours):
    """A log of events/ as if it had begun so many hours after midnight."""
    text = (ROOT / "events" / f"{name}.log").read_text()
    form = r"2026-11-23 \d\d:\d\d:\d\d"
    first = datetime.fromisoformat(re.search(form, text)[0])
    begin = datetime(2026, 11, 23) + timedelta(minutes=round(60 * hours))
    later = lambda found: str(datetime.fromisoformat(found[0]) - first + begin)
    return re.sub(form, later, text)


def fleet():
    """The logs of 40 nodes of which many fail, some recover and some are healthy."""
    for at in range(17):
        yield moved("healthy", 0) + moved("role-not-assumable", 4 + at / 20)
    for at in range(5):
        yield moved("healthy", 0) + moved("endpoint-timeout", 4.5 + at / 10)
    for at in range(4):
        yield moved("healthy", 0) + moved("imds-disabled", 2 + at / 10)
    yield from [moved("healthy", 0) + moved("no-credentials", 3)] * 2
    yield moved("healthy", 0) + moved("permission-denied", 3.5)
    yield from [moved("throttled", 1) + moved("healthy", 2) + moved("healthy", 5)] * 3
    yield from [moved("healthy", 0.5) + moved("healthy", 5)] * 8


def drain(terminal):
    """Reads it to its end, which is an error once nobody can write."""
    try:
        while os.read(terminal, 1 << 16):
            pass
    except OSError:
        os.close(terminal)


def scan(*arguments, stdout=subprocess.PIPE):
    assert TOOL.exists(), f"{TOOL} is missing: cargo build --bin ssm-agent-triage"
    environment = {key: value for key, value in os.environ.items() if key != "TRIAGE_SIGNATURES"}
    command = [TOOL, "scan", "--region", "eu-central-1", *arguments]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, cwd=ROOT, env=environment, text=True
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The arguments of `scan` for each page."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "hostile.log").write_text(hostile_log())
    nodes = []
    for number, log in enumerate(fleet()):
        node = folder / f"i-{number:017x}"
        node.mkdir()
        (node / "amazon-ssm-agent.log").write_text(log)
        nodes.append(node)
    return {
        "healthy": ["events/healthy.log"],
        "fault": ["events/role-not-assumable.log", "--node", NODE, "--account", "123456789012"],
        "fleet": nodes,
        "hostile": [folder / "hostile.log"],
    }


@pytest.fixture(scope="module")
def pages(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, arguments in inputs.items():
        (folder / f"{name}.html").write_text(scan(*arguments, "--format", "html").stdout)
    return folder


@pytest.fixture(scope="module")
def tab():
    if browser.PATH is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    with browser.browser() as tab:
        tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
        yield tab


@pytest.mark.parametrize("to_terminal", [False, True])
def test_who_reads_it_in_a_terminal_is_told_to_redirect_it(to_terminal):
    terminal, end = pty.openpty()
    stdout = end if to_terminal else subprocess.PIPE
    Thread(target=drain, args=[terminal], daemon=True).start()
    answer = scan("events/healthy.log", "--format", "html", stdout=stdout)
    assert ("redirect it to a file" in answer.stderr) == to_terminal
    os.close(end)


ALL = pytest.mark.parametrize("name", ["healthy", "fault", "fleet", "hostile"])


@ALL
def test_nothing_is_loaded_and_nothing_fails(tab, pages, name):
    tab.look(1100)
    tab.open(pages / f"{name}.html")
    assert tab.requests() == []
    assert tab.complaints() == []
    assert tab.run("document.documentElement.lang") == "en"
    assert tab.run("document.querySelectorAll('style, script').length") == 2


def test_a_hostile_log_does_nothing(tab, pages):
    tab.open(pages / "hostile.html")
    tab.run("for (const one of document.querySelectorAll('button, a')) one.click()")
    assert tab.run("String(window.hit)") == "undefined"
    assert tab.run("document.querySelectorAll('img, [onerror], [onload], [onfocus]').length") == 0
    assert tab.run("[...document.links].every(one => one.getAttribute('href')[0] == '#')")
    shown = tab.run("document.body.innerText")
    assert "</script><img src=https://hostile.invalid/x onerror=" in shown
    assert "&lt;b&gt;" in shown
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x09\x0b-\x1f]", shown)
    assert [one for one in tab.requests() if not one.startswith("file:")] == []


def test_the_policy_forbids_what_an_escape_would_let_in(tab, pages):
    tab.open(pages / "fault.html")
    blocked = tab.run(
        """new Promise(done => {
            const seen = new Set();
            addEventListener("securitypolicyviolation", event => {
                seen.add(event.effectiveDirective);
                if (seen.size == 5) done([...seen]);
            });
            const script = document.createElement("script");
            script.textContent = "window.hit = 1";
            const frame = document.createElement("iframe");
            frame.src = "https://hostile.invalid/";
            document.body.append(script, frame);
            document.body.insertAdjacentHTML("beforeend",
                '<img src="https://hostile.invalid/x"><p onclick="1" style="color: red">');
            document.querySelector("p[onclick]").click();
        })"""
    )
    scripts = {"script-src-elem", "script-src-attr"}
    assert {*blocked} == {*scripts, "frame-src", "img-src", "style-src-attr"}
    assert tab.run("String(window.hit)") == "undefined"


@pytest.mark.parametrize("name", ["fault", "fleet"])
def test_a_button_copies_the_whole_command(tab, inputs, pages, name):
    tab.open(pages / f"{name}.html")
    tab.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
    copied = tab.run(
        """(async () => {
            const copied = [];
            for (const button of document.querySelectorAll(".cmd button")) {
                button.click();
                await new Promise(done => setTimeout(done));
                copied.push(await navigator.clipboard.readText());
            }
            return copied;
        })()"""
    )
    printed = [line.strip() for line in scan(*inputs[name]).stdout.splitlines()]
    assert len(copied) == tab.run("document.querySelectorAll('.cmd').length") > 5
    assert [one for one in copied if one not in printed] == []
    # Where a browser keeps its clipboard from a page, the command is selected and copied so.
    selected = tab.run(
        """[...document.querySelectorAll(".cmd code")].map(code => {
            getSelection().selectAllChildren(code);
            return String(getSelection());
        })"""
    )
    assert selected == copied
    assert tab.complaints() == []


def test_without_script_it_only_lacks_the_buttons(tab, pages):
    tab.open(pages / "fault.html")
    button = "document.querySelectorAll('button').forEach(one => one.remove()); "
    text = tab.run(button + "document.querySelector('main').innerText")
    tab.open(pages / "fault.html", script=False)
    assert tab.run("document.querySelectorAll('button').length") == 0
    assert tab.run("document.querySelector('main').innerText") == text


# The contrast of each piece of text with what is behind it (WCAG 2.2, 1.4.3), where it is below 4.5.
PALE = """(() => {
    const colour = text => text.match(/[\\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
    const behind = one => {
        for (; one; one = one.parentElement) {
            const [r, g, b, a = 1] = colour(getComputedStyle(one).backgroundColor);
            if (a) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const pale = [];
    for (const one of document.querySelectorAll("main *, button")) {
        if (![...one.childNodes].some(node => node.nodeType == 3 && node.data.trim())) continue;
        if (one.closest("svg") && one.tagName != "text") continue;
        const style = getComputedStyle(one);
        const text = luminance(colour(one.tagName == "text" ? style.fill : style.color));
        const [low, high] = [text, luminance(behind(one.closest("svg") ?? one))].sort((a, b) => a - b);
        if ((high + .05) / (low + .05) < 4.5) pale.push(one.outerHTML.slice(0, 120));
    }
    return pale;
})()"""


@ALL
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1100])
def test_it_is_legible(tab, pages, name, dark, width):
    tab.look(width, 1400, dark)
    tab.open(pages / f"{name}.html")
    assert tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run(PALE) == []
    dark_page = "getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 128"
    assert tab.run(dark_page) == dark
    PICTURES.mkdir(parents=True, exist_ok=True)
    tab.picture(PICTURES / f"{name}-{width}-{'dark' if dark else 'light'}.png")


@ALL
def test_print_has_all_of_it(tab, pages, name):
    tab.look(720, dark=True)
    tab.open(pages / f"{name}.html")
    printed = tab.printed()
    assert printed.startswith(b"%PDF")
    (PICTURES / f"{name}.pdf").write_bytes(printed)
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.run("[...document.querySelectorAll('button')].some(one => one.checkVisibility())") is False
    hidden = "[...document.querySelectorAll('main li, main code')].filter(one => !one.checkVisibility())"
    assert tab.run(f"{hidden}.length") == 0
    cut = "[...document.querySelectorAll('.cmd code')].filter(one => one.scrollWidth > one.clientWidth)"
    assert tab.run(f"{cut}.length") == 0
