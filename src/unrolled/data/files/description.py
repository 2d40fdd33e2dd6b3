"""Describes and plots a data set before training."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from unrolled.contracts import FLOAT32_RESOLUTION
from unrolled.data.files.clock import Clock
from unrolled.data.files.keys import Restart
from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import Table
from unrolled.output import figure_text
from unrolled.scales import num_digits

DRAWN_PER_CLASS = 3
DRAWN_CLASSES = 10
DRAWN_FEATURES = 6
LONG = 2000  # steps from which a sequence gets a warning
WINDOW = 200  # steps of the suggested window
RARE = 5  # a class with fewer sequences gets a warning


def describe(recordings: Recordings, *, words: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield lines on the number of sequences, their lengths, classes and features.

    words: of the features that are codes of words; other columns are ignored.
    """
    lengths = recordings.lengths
    spread = f"{lengths.min()} to {lengths.max()} steps (median {np.median(lengths):g})"
    if lengths.min() == lengths.max():
        spread = f"{lengths[0]} steps each"
    yield f"sequences: {len(recordings):,}, {spread}"
    counts = Counter(recordings.labels)
    shares = (f"{name} {num} ({num / len(recordings):.0%})" for name, num in counts.most_common(12))
    more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    yield f"classes:   {', '.join(shares)}{more}"
    every = recordings.steps
    yield f"features:  {every.shape[1]}"
    for name, column in list(zip(recordings.feature_names, every.T, strict=True))[:20]:
        there = column[~np.isnan(column)]
        missing = f", {len(column) - len(there)} missing" if len(there) < len(column) else ""
        if not len(there):
            yield f"  {name}: all values are missing"
            continue
        if name in words:
            yield f"  {name}: {len(words[name])} words{missing}"
            continue
        digits = num_digits((there.min(), there.max()), least=6)
        yield (
            f"  {name}: {there.min():.{digits}g} to {there.max():.{digits}g}, mean "
            f"{there.mean():.{digits}g}, standard deviation {there.std():.6g}{missing}"
        )


def warn(recordings: Recordings, *, restart: Restart | None) -> Iterator[str]:
    """Yield warnings about a data set, for example rare classes and duplicates.

    restart: a sign that sequences are merged, or None.
    """
    for name, num in Counter(recordings.labels).items():
        if num < RARE:
            yield f"class {name!r} has {num} sequences; the validation or test set may get none"
    every = recordings.steps
    for name, column in zip(recordings.feature_names, every.T, strict=True):
        there = column[~np.isnan(column)]
        if len(there) and there.min() == there.max():
            yield f"feature {name!r} is constant"
        elif len(there) and there.std() < FLOAT32_RESOLUTION * abs(there).max():
            yield (
                f"feature {name!r} has a standard deviation of {there.std():.3g} at values around "
                f"{there.mean():.7g}, too little for float32; data.standardize=feature (the "
                f"default) works in float64 and keeps the differences"
            )
    if recordings.step_labels is not None:
        num = sum(len(set(some)) > 1 for some in recordings.step_labels)
        first = "" if restart is None else f"if {restart.column!r} does not separate them (above), "
        yield (
            f"the label changes within {num} of {len(recordings)} sequences; {first}cut windows to "
            f"train on them"
        )
    lengths = recordings.lengths
    if lengths.max() > LONG:
        yield (
            f"the longest sequence has {lengths.max():,} steps, which trains slowly; "
            f"data.window.size={WINDOW} averages over windows, data.max_length=N drops the rest"
        )
    elif lengths.max() > 20 * np.median(lengths):
        yield (
            f"the longest sequence has {lengths.max()} steps, more than 20 times the median; "
            f"data.max_length=N drops the rest"
        )
    twins = Counter(values.tobytes() for values in recordings.values)
    num_twins = sum(num - 1 for num in twins.values())
    if num_twins:
        yield f"{num_twins} sequences are duplicates of others; copies may be in different splits"


def window_overrides(recordings: Recordings) -> list[str]:
    """Return the overrides for training on recordings whose label changes, else an empty list."""
    if recordings.step_labels is None:
        return []
    half = int(np.median(recordings.lengths)) // 2
    words = [f"data.window.size={min(max(half, 1), WINDOW)}", "data.window.label=majority"]
    if len(recordings) < 3:  # too few for three splits, as windows of one recording stay together
        words += ["data.val_size=0", "data.test_size=0"]
    elif min(Counter(recordings.labels).values()) < RARE:
        words += ["data.split=random"]
    return words


def describe_times(table: Table, *, id_column: str, time_column: str) -> str:
    """Return a line on the times of a table in long form: median step, gaps and repeated times.

    Raises:
        DataError: a cell is not a time.
    """
    frame = pd.DataFrame(
        {"id": table.text(id_column).codes, "time": Clock(time_column).read(table)}
    ).sort_values(["id", "time"])
    steps = frame.groupby("id")["time"].diff().dropna()
    if steps.empty:
        return "times:     no sequence has two steps"
    usual = float(steps.median())
    num_gaps = int((steps > 1.5 * usual).sum())
    num_repeated = int((steps == 0).sum())
    return f"times:     median step {usual:g}, {num_gaps} gaps, {num_repeated} repeated times"


@rc_context({"text.usetex": False})
def draw(recordings: Recordings, *, last: Collection[str]) -> Figure:
    """Return a figure with a panel for each feature and class, and a few sequences in each.

    Each feature has its own scale.

    last: features that are drawn only if there are few others.
    """
    labels = np.asarray(recordings.labels, dtype=object)
    classes = sorted(set(labels))[:DRAWN_CLASSES]
    names = recordings.feature_names
    order = sorted(range(len(names)), key=lambda number: names[number] in last)
    features = order[:DRAWN_FEATURES]
    figure = Figure(figsize=(3 * len(classes) + 1, 1.8 * len(features) + 0.5), layout="constrained")
    grid = figure.subplots(len(features), len(classes), squeeze=False, sharey="row", sharex="col")
    values = recordings.values
    for column, name in enumerate(classes):
        grid[0][column].set_title(figure_text(str(name)), fontsize="small")
        for row in np.flatnonzero(labels == name)[:DRAWN_PER_CLASS].tolist():
            marker = "." if len(values[row]) < 30 else ""
            for axes, feature in zip(grid[:, column], features, strict=True):
                axes.plot(values[row][:, feature], marker=marker, linewidth=1)
    for axes, feature in zip(grid[:, 0], features, strict=True):
        axes.set_ylabel(figure_text(names[feature]), fontsize="small")
    if len(features) < len(names):
        figure.supxlabel(f"{len(features)} of {len(names)} features", fontsize="small")
    return figure
