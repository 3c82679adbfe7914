"""Text for a person: headings, plain lines, quoted blocks."""

import os
import shutil
import sys
import textwrap

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def _coloured():
    wanted = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return wanted and not os.environ.get("NO_COLOR")


def paint(text, *styles):
    if not _coloured():
        return text
    codes = ";".join(_CODES[style] for style in styles)
    return f"\033[{codes}m{text}\033[0m"


def _width():
    return min(shutil.get_terminal_size((100, 24)).columns, 110)


def _wrap(text, width):
    """Ids and ARNs stay whole, so that they can be copied."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def chapter(number, title):
    print()
    print(paint(f"{number}. {title}", "bold", "cyan"))
    print(paint("=" * (len(title) + 3), "cyan"))


def section(title):
    print()
    print(paint(title, "bold"))


def say(text, indent=2):
    """A paragraph, wrapped."""
    space = " " * indent
    for line in _wrap(text, _width() - indent):
        print(space + line)


def item(label, text, style=None):
    """A labelled value, wrapped under itself."""
    space = " " * 17
    first, *rest = _wrap(str(text), _width() - len(space)) or [""]
    shown = first if style is None else paint(first, style)
    print(f"  {paint(f'{label:<15}', 'dim')}{shown}")
    for line in rest:
        print(space + (line if style is None else paint(line, style)))


def quote(text, style=None):
    """Text from elsewhere, unaltered and marked at the margin."""
    for line in text.splitlines():
        print(f"  {paint('|', 'dim')} {line if style is None else paint(line, style)}")


def shorten(text, keep):
    """One line of it, for a log record whose head says enough."""
    line = " ".join(text.split())
    return line if len(line) <= keep else line[: keep - 1] + "…"
