"""How tables name and show the settings of runs."""

import re
from collections.abc import Mapping
from typing import Any

from unrolled.reports.runs import Run

DATA = "data.source._target_"
ALWAYS_SHOWN = (DATA, "model._target_")
HEADINGS: Mapping[str, str] = {DATA: "data"}  # of a class; else the name of its group


def heading(key: str) -> str:
    """Return the heading of the column of a dotted key."""
    return HEADINGS.get(key, key.removesuffix("._target_"))


def shown(key: str, run: Run) -> str:
    """Return the value of a key as tables show it: a class by its name, data by its own name."""
    if key == DATA:
        return run.data_name
    value: Any = run.settings.get(key)
    if value is None:
        return "-"
    text = str(value)
    return text.rsplit(".", 1)[-1] if key.endswith("._target_") else text


def short_setting(value: str) -> str:
    """Return a setting with four digits, where it is a fraction with more."""
    return f"{float(value):.4g}" if re.fullmatch(r"\d*\.\d+(e-?\d+)?", value) else value
