"""What tells the settings of a sweep apart, and short names for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from unrolled.errors import CheckpointError
from unrolled.reports.comparison import Comparison, Row
from unrolled.reports.formats import short_setting
from unrolled.reports.pages.figures import LONGEST_NAME
from unrolled.runs.run_folder import RunFolder

ALWAYS_FIRST = ("data", "model")


def shown_columns(comparison: Comparison) -> list[str]:
    """Return the settings that tell the rows apart, as few as the table needs.

    These are the ones that differ and that a command varied. Others that differ follow from these,
    for example the learning rate of a model's recipe. They are added only where rows would look the
    same.
    """
    rows = comparison.rows
    differing = [name for name in comparison.columns if len({row.key[name] for row in rows}) > 1]
    typed: set[str] = set()
    for run in (run for row in rows for run in row.runs):
        try:
            words = RunFolder(run.path).provenance().get("overrides", [])
        except CheckpointError:  # damaged: the other runs have the same settings
            continue
        typed |= {str(word).lstrip("+~").split("=")[0].split("@")[0] for word in words}
    shown = [name for name in differing if name in ALWAYS_FIRST or name in typed]
    for name in differing:
        looks = {tuple(row.key[one] for one in shown) for row in rows}
        finer = {(*(row.key[one] for one in shown), row.key[name]) for row in rows}
        if name not in shown and len(finer) > len(looks) and len(looks) < len(rows):
            shown.append(name)
    return shown


@dataclass(frozen=True)
class Names:
    """Names of the rows, each different from the others.

    short: for figures and tables, (rows,).
    full: all settings that tell the row apart, (rows,).
    are_numbers: whether the short names are numbers, because the full ones are too long.
    """

    short: list[str]
    full: list[str]
    are_numbers: bool


def name_rows(rows: Sequence[Row], columns: Sequence[str]) -> Names:
    """Return names such as "GRU, lr 0.01" if they are short enough, else "setting 1"."""
    full: list[str] = []
    for row in rows:
        values = [(column, short_setting(row.key[column])) for column in columns]
        words = [
            value if column in ALWAYS_FIRST else f"{column.rsplit('.', 1)[-1]} {value}"
            for column, value in values
            if value != "-"
        ]
        full.append(", ".join(words) or row.key.get("model", "all runs"))
    are_numbers = len(set(full)) < len(full) or max(map(len, full), default=0) > LONGEST_NAME
    short = [f"setting {number}" for number in range(1, len(rows) + 1)] if are_numbers else full
    return Names(short, full, are_numbers)
