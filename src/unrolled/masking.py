"""Masks values of environment variables that a config refers to, such as ${oc.env:API_TOKEN}.

A value is remembered when the config is resolved. From then on, `mask` replaces it in every file of
a run and in every message by its reference.

Three kinds of values are not masked, because masking them would make paths and numbers useless:
values that name an existing file or folder, values of the variables in NOT_SECRET, and values with
fewer than four characters. Numbers and values with fewer than eight characters are masked as whole
words only.
"""

import html
import json
import os
import re
from functools import cache
from urllib.parse import quote, quote_plus

NOT_SECRET = re.compile(r"USER|LOGNAME|USERNAME|HOSTNAME|SLURM_\w+")
SHORTEST = 4  # characters
SHORTEST_INSIDE_WORDS = 8  # characters; shorter values are masked as whole words only

_references: dict[str, str] = {}  # the forms in which a value may occur -> ${oc.env:NAME}


def remember(name: str, value: str) -> None:
    """Mask the value of an environment variable from now on.

    A value of several lines, such as a private key, is also masked line by line.
    """
    if value in _references or NOT_SECRET.fullmatch(name) or _is_path(value):
        return
    for text in {value, value.strip(), *map(str.strip, value.splitlines())}:
        if len(text) >= SHORTEST:
            for form in _forms(text):
                _references.setdefault(form, f"${{oc.env:{name}}}")
    _pattern.cache_clear()


def forget() -> None:
    """Mask no value from now on."""
    _references.clear()
    _pattern.cache_clear()


def mask(text: str) -> str:
    """Return the text with every remembered value replaced by its reference."""
    if not _references:
        return text
    return _pattern().sub(lambda match: _references[match[0]], text)


@cache
def _pattern() -> re.Pattern[str]:
    longest_first = sorted(_references, key=len, reverse=True)
    return re.compile("|".join(map(_expression, longest_first)))


def _expression(form: str) -> str:
    escaped = re.escape(form)
    if re.fullmatch(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", form, re.IGNORECASE):
        return rf"(?<![\w.]){escaped}(?![\w.])"
    return escaped if len(form) >= SHORTEST_INSIDE_WORDS else rf"(?<!\w){escaped}(?!\w)"


def _forms(text: str) -> set[str]:
    """Return the text as it is, and as repr, JSON, HTML and URLs write it."""
    return {
        text,
        repr(text)[1:-1],
        json.dumps(text)[1:-1],
        html.escape(text),
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
    }


def _is_path(value: str) -> bool:
    try:
        return os.path.exists(value)  # noqa: PTH110 - a Path would drop the end of some values
    except (OSError, ValueError):
        return False
