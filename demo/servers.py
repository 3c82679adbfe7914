"""The two servers of the story, as child processes on free ports."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / ".run"
# The emulator invokes the function under this account and Region, which cannot
# be chosen; the test server is told to be the same account.
ACCOUNT = "012345678912"
REGION = "us-east-1"


class Unwell(Exception):
    """A server did not start or did not answer as it should."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment(**more):
    """Nothing of the user's own: no profile, no proxy, no credentials."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "demonstration",
        "AWS_SECRET_ACCESS_KEY": "demonstration",
        "AWS_SESSION_TOKEN": "demonstration",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


class Server:
    """A child in a process group of its own, so that its children end with it."""

    def __init__(self, name, command, port, environment):
        self.log = RUN / f"{name}.log"
        self.port = port
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=RUN,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait(name)
        except BaseException:
            self.stop()
            raise

    def _wait(self, name):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Unwell(f"{name} ended at once; see {self.log}")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise Unwell(f"{name} did not listen on port {self.port} in 30 s; see {self.log}")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        """Asks, then ends what is left of the group: the function outlives the
        emulator for a moment."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=3)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _started(start):
    """A port that was free may be taken a moment later: three tries."""
    for attempt in (1, 2, 3):
        try:
            return start()
        except Unwell:
            if attempt == 3:
                raise


def aws():
    """The test server that stands for EC2, IAM, SNS and SQS."""
    command = ROOT / ".tools/venv/bin/moto_server"

    def start():
        port = free_port()
        arguments = [str(command), "-H", "127.0.0.1", "-p", str(port)]
        return Server("aws", arguments, port, _environment(MOTO_ACCOUNT_ID=ACCOUNT))

    return _started(start)


def function(name, endpoint, settings):
    """The compiled function behind the Lambda Runtime Interface Emulator."""
    bootstrap = ROOT / "target/debug/bootstrap"

    def start():
        port, runtime = free_port(), free_port()
        arguments = [
            str(ROOT / ".tools/aws-lambda-rie"),
            "--log-level", "warn",
            "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
            "--runtime-api-address", f"127.0.0.1:{runtime}",
            str(bootstrap), "bootstrap",
        ]  # fmt: skip
        environment = _environment(
            AWS_ENDPOINT_URL=endpoint, AWS_LAMBDA_FUNCTION_TIMEOUT="60", **settings
        )
        return Server(name, arguments, port, environment)

    return _started(start)
