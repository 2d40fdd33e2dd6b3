"""Resamples sequences to regular times."""

import re

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Integer

from unrolled.data.files.clock import SECONDS_PER_DAY, Clock
from unrolled.data.files.tabular import Table
from unrolled.errors import ConfigError, DataError

NEED = "need a number > 0, or a time such as 10s or 5min"
ROUNDING = 1e-9  # in intervals, so that 0.1 + 0.2 reaches a last step at 0.3


def parse_interval(interval: float | str) -> float:
    """Return an interval as a number > 0; text such as `10s` or `5min` is converted to seconds.

    Raises:
        ConfigError: the interval is invalid.
    """
    try:
        if isinstance(interval, str):
            text = re.sub(r"(?<=\d)d(?![a-z])", "D", interval)  # pandas no longer takes 1d
            length = pd.Timedelta(text).total_seconds()
        else:
            length = interval
    except ValueError as error:
        raise ConfigError(f"data.resample={interval}: {error}; {NEED}") from error
    if not length > 0:
        raise ConfigError(f"data.resample={interval}: {NEED}")
    return float(length)


def interval_in(table: Table, clock: Clock, interval: float | str | None) -> float | None:
    """Return an interval in the unit of the times, or None to keep the steps of the file.

    clock: after it has read the table.

    Raises:
        DataError: the interval has a unit such as `10s`, but the column holds numbers.
    """
    if not isinstance(interval, str):
        return None if interval is None else parse_interval(interval)
    if clock.kind == "number":
        raise DataError(
            f"{table.path}: data.resample={interval} needs dates, but the column {clock.column!r} "
            f"holds numbers; type data.resample=NUMBER, in the same unit"
        )
    return parse_interval(interval) / (SECONDS_PER_DAY if clock.kind == "day" else 1)


def resample(
    values: Float64[np.ndarray, "t d"],
    times: Float64[np.ndarray, " t"],
    *,
    interval: float,
    held: Bool[np.ndarray, " d"],
) -> tuple[Float64[np.ndarray, "t2 d"], Float64[np.ndarray, " t2"], Integer[np.ndarray, " t2"]]:
    """Return the steps of a sequence at regular times, from its first time to its last.

    Numbers are linearly interpolated, and are missing if one of the two neighbours is missing.
    Held features keep their last value. Nothing is extrapolated past the last step.

    times: increasing.
    interval: > 0, in the unit of times.
    held: which features are categories rather than numbers.

    Returns: values, times, and the index of the last old step at or before each new step.
    """
    num = int((times[-1] - times[0]) / interval + ROUNDING) + 1
    wanted = np.minimum(times[0] + interval * np.arange(num), times[-1])
    sources = np.searchsorted(times, wanted, side="right") - 1
    resampled = values[sources]
    for feature in np.flatnonzero(~held):
        resampled[:, feature] = np.interp(wanted, times, values[:, feature])
    return resampled, wanted, sources
