"""What a data set holds, in words and pictures, before anyone trains on it."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unrolled.data.files.recordings import Recordings
from unrolled.data.files.tabular import Table

DRAWN_PER_CLASS = 3
DRAWN_CLASSES = 10
DRAWN_FEATURES = 6
LONG = 2000  # steps that are worth a warning
WINDOW = 200  # steps of a window that is proposed
RARE = 5  # sequences of a class that is worth a warning


def describe(recordings: Recordings) -> Iterator[str]:
    """Yield lines: how many sequences of which lengths, classes, features."""
    lengths = np.array([len(values) for values in recordings.values])
    spread = f"{lengths.min()} to {lengths.max()} steps (median {np.median(lengths):g})"
    if lengths.min() == lengths.max():
        spread = f"{lengths[0]} steps each"
    yield f"sequences: {len(recordings):,}, {spread}"
    counts = Counter(recordings.labels)
    shares = (f"{name} {num} ({num / len(recordings):.0%})" for name, num in counts.most_common(12))
    more = f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    yield f"classes:   {', '.join(shares)}{more}"
    every = np.concatenate(recordings.values)  # (steps, d)
    yield f"features:  {every.shape[1]}"
    for name, column in list(zip(recordings.feature_names, every.T, strict=True))[:20]:
        there = column[~np.isnan(column)]
        missing = f", {len(column) - len(there)} missing" if len(there) < len(column) else ""
        if not len(there):
            yield f"  {name}: nothing but missing values"
            continue
        yield (
            f"  {name}: {there.min():.6g} to {there.max():.6g}, mean {there.mean():.6g}, "
            f"deviation {there.std():.6g}{missing}"
        )


def warn(recordings: Recordings) -> Iterator[str]:
    """Yield what may go wrong with a data set that can be read."""
    for name, num in Counter(recordings.labels).items():
        if num < RARE:
            yield f"class {name!r} has {num} sequences; val and test may be left without one"
    every = np.concatenate(recordings.values)
    for name, column in zip(recordings.feature_names, every.T, strict=True):
        there = column[~np.isnan(column)]
        if len(there) and there.min() == there.max():
            yield f"feature {name!r} is constant"
    if recordings.step_labels is not None:
        num = sum(len(set(some)) > 1 for some in recordings.step_labels)
        yield f"the label changes within {num} of {len(recordings)} sequences: they need windows"
    lengths = np.array([len(values) for values in recordings.values])
    if lengths.max() > LONG:
        yield (
            f"the longest sequence has {lengths.max():,} steps, slow to train on; "
            f"data.window.size={WINDOW} cuts windows that vote, data.max_length=N cuts the rest off"
        )
    elif lengths.max() > 20 * np.median(lengths):
        yield f"the longest sequence has {lengths.max()} steps; data.max_length=N cuts"
    twins = Counter(values.tobytes() for values in recordings.values)
    num_twins = sum(num - 1 for num in twins.values())
    if num_twins:
        yield f"{num_twins} sequences are copies of others; a split may put them on both sides"


def window_overrides(recordings: Recordings) -> list[str]:
    """Return what has to be typed to train on recordings whose label changes; else nothing."""
    if recordings.step_labels is None:
        return []
    half = int(np.median([len(values) for values in recordings.values])) // 2
    words = [f"data.window.size={min(max(half, 1), WINDOW)}", "data.window.label=majority"]
    if len(recordings) < 3:  # too few for three parts, as windows of one stay together
        words += ["data.val_size=0", "data.test_size=0"]
    elif min(Counter(recordings.labels).values()) < RARE:
        words += ["data.split=random"]
    return words


def describe_times(table: Table, *, id_column: str, time_column: str) -> str:
    """Return a line on the times of a table in long form: the usual step, and gaps.

    Raises:
        DataError: a cell is no time.
    """
    frame = pd.DataFrame(
        {"id": table.text(id_column), "time": table.times(time_column)}
    ).sort_values(["id", "time"])
    steps = frame.groupby("id")["time"].diff().dropna()
    if steps.empty:
        return "times:     no sequence has two"
    usual = float(steps.median())
    num_gaps = int((steps > 1.5 * usual).sum())
    num_repeated = int((steps == 0).sum())
    return f"times:     a step is usually {usual:g}; {num_gaps} gaps, {num_repeated} repeated times"


def draw(recordings: Recordings) -> Figure:
    """Return a picture with a row per class and a few of its sequences."""
    labels = np.asarray(recordings.labels, dtype=object)
    names = sorted(set(labels))[:DRAWN_CLASSES]
    figure = Figure(figsize=(4 * DRAWN_PER_CLASS, 2.2 * len(names)), layout="constrained")
    grid = figure.subplots(len(names), DRAWN_PER_CLASS, squeeze=False, sharey=True)
    for axes_of_class, name in zip(grid, names, strict=True):
        rows = np.flatnonzero(labels == name)[:DRAWN_PER_CLASS]
        for axes, row in zip(axes_of_class, rows, strict=False):
            for feature in range(min(DRAWN_FEATURES, len(recordings.feature_names))):
                values = recordings.values[row][:, feature]
                axes.plot(values, marker="." if len(values) < 30 else "", label=feature)
            axes.set_title(f"{name}: {recordings.ids[row]}", fontsize="small", parse_math=False)
    handles = grid[0][0].get_lines()
    figure.legend(
        handles,
        [name.replace("$", r"\$") for name in recordings.feature_names[: len(handles)]],
        loc="outside lower center",
        ncols=3,
    )
    return figure
