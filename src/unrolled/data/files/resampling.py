"""Recordings at regular times."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from unrolled.data.files.tabular import Table
from unrolled.errors import ConfigError, DataError

ROUNDING = 1e-9  # of an interval: 0.1 + 0.2 reaches a last step at 0.3


def parse_interval(interval: float | str) -> float:
    """Return an interval as a number > 0; of `10s`, `5min` the seconds.

    Raises:
        ConfigError: it is no interval.
    """
    try:
        length = pd.Timedelta(interval).total_seconds() if isinstance(interval, str) else interval
    except ValueError as error:
        raise ConfigError(f"data.resample={interval}: {error}; 10s, 5min are intervals") from error
    if not length > 0:
        raise ConfigError(f"data.resample={interval}: need a number > 0, or a time such as 10s")
    return float(length)


def interval_in(table: Table, column: str | None, interval: float | str | None) -> float | None:
    """Return an interval in the unit of a column of times, or None.

    Raises:
        DataError: the interval has a unit of its own, and the column holds numbers.
    """
    if column is None or interval is None:
        return None
    if isinstance(interval, str):
        cells = pd.Series(table.text(column), dtype=object)
        if not bool(pd.to_numeric(cells, errors="coerce").isna().all()):
            raise DataError(
                f"{table.path}: data.resample={interval} is for dates, and column {column!r} "
                "holds numbers; data.resample=NUMBER is in their unit"
            )
    return parse_interval(interval)


def resample(
    values: npt.NDArray[np.float32],
    times: npt.NDArray[np.float64],
    bounds: npt.NDArray[np.intp],
    *,
    interval: float,
    held: npt.NDArray[np.bool_],
) -> tuple[
    npt.NDArray[np.float32], npt.NDArray[np.float64], npt.NDArray[np.intp], npt.NDArray[np.intp]
]:
    """Return the steps of recordings at regular times, from each one's first time to its last.

    A number lies on the line between the steps around it, and is missing where one of them is;
    what is held keeps the value of the last step. Nothing is said of times beyond the last.

    values: features of all steps, one recording after the other, (steps, d).
    times: of all steps, increasing within a recording.
    bounds: where each recording begins, and the end of the last.
    interval: > 0, in the unit of times.
    held: which features are words rather than numbers, (d,).

    The third is the row that each new step was last preceded by; the last are the new bounds.
    """
    new_values, new_times, sources, new_bounds = [], [], [], [0]
    for start, end in pairwise(bounds):
        known = times[start:end]
        num = int((known[-1] - known[0]) / interval + ROUNDING) + 1
        wanted = np.minimum(known[0] + interval * np.arange(num), known[-1])
        before = np.searchsorted(known, wanted, side="right") - 1
        part = values[start:end][before]
        for feature in np.flatnonzero(~held):
            part[:, feature] = np.interp(wanted, known, values[start:end, feature])
        new_values.append(part)
        new_times.append(wanted)
        sources.append(before + start)
        new_bounds.append(new_bounds[-1] + num)
    return (
        np.concatenate(new_values),
        np.concatenate(new_times),
        np.concatenate(sources),
        np.array(new_bounds),
    )
