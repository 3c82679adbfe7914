"""Runs the story; whatever ends it, nothing is left running."""

import os
import signal
import sys

from .servers import Unwell


def _leave(number, _frame):
    sys.exit(128 + number)


def main():
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _leave)
    # The clients of this process must not find the user's account either.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    sys.stdout.reconfigure(line_buffering=True, errors="replace")

    from .story import Untrue, tell

    try:
        tell()
    except (Unwell, Untrue) as fault:
        sys.exit(f"\nmake run: {fault}")
    except BrokenPipeError:
        # The reader has seen enough; keep the interpreter from saying so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


main()
