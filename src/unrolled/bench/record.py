"""bench.json: the rows with every measured pair, the settings and the machine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unrolled.bench.pairs import Row
from unrolled.errors import DataError
from unrolled.runs.durable import write_text

FORMAT = 1
NAME = "bench.json"


@dataclass(frozen=True)
class Record:
    """Everything that a bench measured.

    settings: as `Settings.measured` returns them.
    machine: as `machine.machine` returns it.
    product_rates: flops per second by library, as `machine.product_rates` returns them.
    """

    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    product_rates: Mapping[str, float]
    rows: Sequence[Row]

    def write(self, path: Path) -> None:
        """Write bench.json.

        Raises:
            StorageError: it cannot be written.
        """
        content = {
            "format": FORMAT,
            "settings": dict(self.settings),
            "machine": dict(self.machine),
            "product_rates": dict(self.product_rates),
            "rows": [asdict(row) for row in self.rows],
        }
        write_text(path, json.dumps(content, indent=1) + "\n", durable=False)


def read_record(path: Path) -> Record:
    """Return the content of a bench.json.

    Raises:
        DataError: the file does not exist, or `unrolled bench` has not written it.
    """
    if path.is_dir():
        path /= NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise DataError(f"{path}: format {content['format']}, but this version reads {FORMAT}")
        rows = [_row(row) for row in content["rows"]]
        for row in rows:
            row.ratio()
        return Record(content["settings"], content["machine"], content["product_rates"], rows)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a file that `unrolled bench` has written") from error


def _row(values: dict[str, Any]) -> Row:
    lists = {key: tuple(map(float, values[key])) for key in ("values", "reference_values")}
    return Row(**{**values, **lists})
