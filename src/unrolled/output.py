"""Text that leaves the program. Names and messages that others chose must do nothing there.

One function per kind of output:

    inert             terminal and log: no control characters, no secrets
    echo              prints inert text
    guard_logging     makes all log messages and tracebacks inert
    spreadsheet_cell  CSV: no formulas
    figure_text       matplotlib: no mathematics, no secrets

`reports.console` prints tables, `reports.formats` writes LaTeX and Markdown, and `reports.pages`
writes HTML.
"""

import logging
import re
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from unrolled.masking import mask

ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI, for example a colour
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC, for example a window title
    r"|\x1b[@-_]"
)
# All control characters but tab and newline, and the ones that reverse the direction of text.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
SURROGATE = re.compile("[\ud800-\udfff]")  # a byte of a file name that is not UTF-8
# The last four are the wide forms of = + - @, which some spreadsheets read as these.
FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
FORMULA_AFTER_NUL = re.compile(f"\0{FORMULA.pattern}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def clean(text: str) -> str:
    """Return text without terminal escape sequences and control characters."""
    text = CONTROL.sub("", ESCAPE_SEQUENCE.sub("", text))
    return SURROGATE.sub(lambda match: f"\\x{ord(match[0]) & 0xFF:02x}", text)


def inert(text: str) -> str:
    """Return text without control characters and without secrets."""
    return clean(mask(text))


def echo(text: str, *, is_error: bool = False) -> None:
    """Print inert text to standard output, or to standard error."""
    stream = sys.stderr if is_error else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    printable = inert(text).encode(encoding, errors="backslashreplace").decode(encoding)
    print(printable, file=stream, flush=True)


def guard_logging() -> None:
    """Make the message and the traceback of every log record of this process inert."""
    logging.setLogRecordFactory(_InertRecord)


def spreadsheet_cell(text: str) -> str:
    """Return text that a spreadsheet does not take for a formula.

    Text that begins with =, +, -, @ or white space other than a space gets an apostrophe in front,
    and so does text that begins with apostrophes and one of these, so that removing one apostrophe
    from such a cell always restores the text. Numbers, such as a class named -1, stay as they are.
    """
    if FORMULA.match(text) and not NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def spreadsheet_column(texts: Sequence[str]) -> Sequence[str]:
    """Return the `spreadsheet_cell` of each text."""
    if FORMULA_AFTER_NUL.search("\0".join(["", *texts])):
        return [spreadsheet_cell(text) for text in texts]
    return texts  # no text begins like a formula


def original_text(cell: str) -> str:
    """Return the text that `spreadsheet_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def figure_text(text: str) -> str:
    """Return inert text that matplotlib draws without mathematics between dollar signs."""
    return inert(text).replace("$", r"\$")


def short_figure_text(text: str, *, longest: int) -> str:
    """Return `figure_text` of a name, with … in place of what is too long."""
    words = " ".join(inert(text).split())
    return figure_text(words if len(words) <= longest else f"{words[: longest - 1]}…")


class _InertRecord(logging.LogRecord):
    """A log record whose message and traceback are inert, whatever handler writes them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info and self.exc_info[0] is not None:
            lines = traceback.format_exception(*self.exc_info)
            self.exc_text = inert("".join(lines).rstrip("\n"))

    def getMessage(self) -> str:  # noqa: N802 - the name that logging calls
        return inert(super().getMessage())
