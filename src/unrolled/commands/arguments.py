"""Arguments of a command, before Hydra parses them."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from unrolled.config.literal import literal
from unrolled.data.files.paths import PATHS


def take(arguments: list[str], name: str) -> tuple[str | None, list[str]]:
    """Return the value of `name=value` as typed (None without one), and the other arguments.

    Of several values the last one counts.
    """
    prefix = f"{name}="
    values = [
        argument.removeprefix(prefix) for argument in arguments if argument.startswith(prefix)
    ]
    rest = [argument for argument in arguments if not argument.startswith(prefix)]
    return values[-1] if values else None, rest


def take_all(arguments: list[str], names: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    """Return the value of each `name=value` as `take` does, and the other arguments."""
    values: dict[str, str | None] = {}
    for name in names:
        values[name], arguments = take(arguments, name)
    return values, arguments


# Keys whose values are names of files and columns, which may contain Hydra's special characters.
LITERAL = (
    *("path", "val_path", "test_path", "dir", "id", "time", "label", "group", "separator"),
    *("split_column", "window.background"),
)
FOLDERS = ("init_from", "hydra.run.dir", "hydra.sweep.dir")  # may contain = as well
LISTS = ("features", "categorical")  # lists of column names


def quote_names(arguments: list[str]) -> list[str]:
    """Return the arguments with the names of files and columns quoted for Hydra.

    For example, `data.path=a, b.csv` becomes `data.path='a, b.csv'`. null and values that are
    already quoted are unchanged. In a sweep (-m), `data.path=a.csv,b.csv` is two files, unless a
    file has this name.
    """
    is_sweep = not {"-m", "--multirun"}.isdisjoint(arguments)
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        name = key.lstrip("+").removeprefix("data.") if "data." in key else ""
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        if equals and value not in ("", "null", "[]") and not is_quoted:
            # in a folder, a comma separates the values of a sweep
            if key in FOLDERS and "," not in value and re.search(r"[=()\[\]]", value):
                escaped = value.replace("'", "\\'")  # ${...} keeps its meaning
                argument = f"{key}='{escaped}'"
            elif is_sweep and name in PATHS and _is_list(value):
                argument = f"{key}={','.join(map(_quoted, _names(value)))}"
            elif name in LITERAL:
                argument = f"{key}={_quoted(value)}"
            elif name in LISTS and "],[" not in value:  # several lists are values of a sweep
                argument = f"{key}=[{','.join(map(_quoted, _names(value)))}]"
        quoted.append(argument)
    return quoted


def _is_list(value: str) -> bool:
    """Return whether a value names several files."""
    return "," in value and not Path(value).expanduser().exists()


def _names(value: str) -> list[str]:
    """Return the names in a list; a name that contains a comma must be quoted."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    mark = "'" if re.search(r"(^|,)\s*'", inner) else '"'
    names = next(csv.reader([inner], quotechar=mark, skipinitialspace=True))
    return [name.strip() for name in names]


def _quoted(value: str) -> str:
    escaped = literal(value)
    escaped = escaped.replace("\\", "\\\\") if escaped.endswith("\\") else escaped
    escaped = escaped.replace("'", "\\'")
    return f"'{escaped}'"
