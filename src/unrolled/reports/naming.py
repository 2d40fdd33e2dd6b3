"""What tells the settings of a sweep apart, and short names for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unrolled.errors import CheckpointError
from unrolled.reports.columns import short_setting
from unrolled.reports.runs import Run
from unrolled.runs.run_folder import RunFolder

ALWAYS_FIRST = ("data", "model")
LONGEST_NAME = 28  # characters


def shown_columns(
    columns: Iterable[str], keys: Sequence[Mapping[str, str]], runs: Iterable[Run]
) -> list[str]:
    """Return the settings that tell the rows of a table apart, as few as it needs.

    columns: of the table.
    keys: the value of each column, as text, of each row.
    runs: of all rows.

    These are the ones that differ and that a command varied. Others that differ follow from these,
    for example the learning rate of a model's recipe. They are added only where rows would look the
    same.
    """
    differing = [name for name in columns if len({key[name] for key in keys}) > 1]
    typed: set[str] = set()
    for run in runs:
        try:
            words = RunFolder(run.path).provenance().get("overrides", [])
        except CheckpointError:  # damaged: the other runs have the same settings
            continue
        typed |= {str(word).lstrip("+~").split("=")[0].split("@")[0] for word in words}
    shown = [name for name in differing if name in ALWAYS_FIRST or name in typed]
    for name in differing:
        looks = {tuple(key[one] for one in shown) for key in keys}
        finer = {(*(key[one] for one in shown), key[name]) for key in keys}
        if name not in shown and len(finer) > len(looks) and len(looks) < len(keys):
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


def name_rows(
    keys: Sequence[Mapping[str, str]], columns: Sequence[str], *, noun: str = "setting"
) -> Names:
    """Return names such as "GRU, lr 0.01" if they are short enough, else "setting 1".

    keys: see `shown_columns`.
    columns: the ones that tell the rows apart.
    """
    full: list[str] = []
    for key in keys:
        values = [(column, short_setting(key[column])) for column in columns]
        words = [
            value if column in ALWAYS_FIRST else f"{column.rsplit('.', 1)[-1]} {value}"
            for column, value in values
            if value != "-"
        ]
        full.append(", ".join(words) or key.get("model", "all runs"))
    are_numbers = len(set(full)) < len(full) or max(map(len, full), default=0) > LONGEST_NAME
    short = [f"{noun} {number}" for number in range(1, len(keys) + 1)] if are_numbers else full
    return Names(short, full, are_numbers)
