"""A headless Chromium, driven over the pipe of its DevTools protocol."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)
OPTIONS = (
    "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync --disable-extensions --hide-scrollbars"
    " --remote-debugging-pipe"
).split()
# Nothing here takes a second; a machine with much else to do may be slow.
PATIENCE = 60


class Page:
    """One tab; what it logs, throws and asks the network for is kept."""

    def __init__(self, write, read):
        self.write, self.read, self.rest, self.last = write, read, b"", 0
        self.session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.last:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _next(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            ready, _, _ = select.select([self.read], [], [], max(left, 0))
            assert ready, "the browser does not answer"
            self.rest += os.read(self.read, 1 << 16)
        message, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(message)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    def open(self, path, script=True):
        """Loads a file; what came before it is forgotten."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not self.named("Page.loadEventFired"):
            self._next()

    def named(self, method):
        return [params for name, params in self.events if name == method]

    def run(self, expression):
        """What a script of the tester's evaluates to."""
        answer = self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self):
        """The addresses that were asked for, beside the page itself."""
        asked = [one["request"]["url"] for one in self.named("Network.requestWillBeSent")]
        return asked[1:]

    def complaints(self):
        thrown = [one["exceptionDetails"] for one in self.named("Runtime.exceptionThrown")]
        logged = [one["entry"] for one in self.named("Log.entryAdded")]
        printed = self.named("Runtime.consoleAPICalled")
        opened = self.named("Page.javascriptDialogOpening")
        return thrown + logged + printed + opened

    def look(self, width, height=900, dark=False, media="screen"):
        """As it looks on such a screen or on paper."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, path):
        answer = self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(answer["data"]))

    def printed(self):
        """The page as a PDF."""
        self.call("Emulation.setEmulatedMedia", media="print")
        answer = self.call("Page.printToPDF", printBackground=True)
        return base64.b64decode(answer["data"])


@contextmanager
def browser():
    with tempfile.TemporaryDirectory() as profile:
        to_it, write = os.pipe()
        read, from_it = os.pipe()

        def wire():
            # Descriptors 3 and 4, as the protocol has it.
            a, b = os.dup(to_it), os.dup(from_it)
            os.dup2(a, 3)
            os.dup2(b, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        # As root it starts without its sandbox alone.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [PATH, *OPTIONS, *sandbox, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=wire,
            close_fds=False,
        )
        os.close(to_it)
        os.close(from_it)
        try:
            yield Page(write, read)
        finally:
            process.terminate()
            process.wait()
            os.close(write)
            os.close(read)
