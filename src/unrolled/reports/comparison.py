"""A row per setting: scores over its seeds and folds, what sets it apart, what failed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unrolled.errors import ConfigError, did_you_mean
from unrolled.reports.columns import ALWAYS_SHOWN, heading, shown
from unrolled.reports.data_sets import DataSet, DataSets, by_data_set, data_set_of
from unrolled.reports.runs import REPEATED, Run
from unrolled.reports.statistics import (
    ScoreSummary,
    is_loss,
    paired_difference,
    summarize,
    summarize_scores,
)

PREFERRED_METRICS = ("test/accuracy", "cv/accuracy", "val/accuracy")
FOLDS = ("data.fold", "data.test_fold")


@dataclass(frozen=True)
class Row:
    """One setting.

    key: values of the columns that set rows apart, as text.
    scores: metric -> summary over the runs that are done; a metric that they lack is left out.
    num_failed: runs that did not come to their end.
    seconds: mean of the runs that are done; None without one.
    """

    key: dict[str, str]
    runs: tuple[Run, ...]
    scores: dict[str, ScoreSummary]
    num_failed: int
    num_parameters: int | None
    seconds: float | None


@dataclass(frozen=True)
class Baseline:
    """What a network has to beat: a rule that is fitted to the same training part."""

    name: str
    key: dict[str, str]
    scores: dict[str, ScoreSummary]


@dataclass(frozen=True)
class Difference:
    """A row compared with the first: the mean difference over shared seeds and folds."""

    key: dict[str, str]
    reference: dict[str, str]
    summary: ScoreSummary


@dataclass(frozen=True)
class Comparison:
    """Rows, the best first unless sorted otherwise.

    columns: headings of the dotted keys in which the rows differ.
    repeats: how often the settings were repeated, in words.
    data_sets: the models by data sets; None with fewer than two of either.
    """

    metric: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    baselines: tuple[Baseline, ...]
    differences: tuple[Difference, ...]
    failures: tuple[Run, ...]
    repeats: str
    data_sets: DataSets | None


def compare(
    runs: Sequence[Run],
    *,
    metric: str | None,
    group: Sequence[str],
    sort: str | None,
    baseline_scores: Callable[[Run], Mapping[str, Mapping[str, float]]] | None,
) -> Comparison:
    """Return the runs side by side.

    metric: what the rows are compared by; None for test/accuracy, or val/accuracy without one.
    group: dotted keys; a row per value of these rather than per setting.
    sort: a metric, a dotted key, seconds or num_parameters; None for the metric, best first, on
        one data set after the other if models are compared on several.
    baseline_scores: name and scores of each baseline on the data of a run; None for none.

    Raises:
        ConfigError: a metric or key that no run has.
    """
    metric = _metric(runs, metric)
    group = [_full_key(runs, key) for key in group]
    settings: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        chosen = [f"{key}={run.settings.get(key)}" for key in group]
        settings[" ".join(chosen) if group else run.setting].append(run)
    columns = _columns([members[0] for members in settings.values()], only=group)
    rows = [_row(members, columns) for members in settings.values()]
    rows.sort(key=_order(runs, sort or metric))
    data_sets = by_data_set(runs, metric=metric, group=group)
    if data_sets is not None and sort is None:
        rows.sort(key=lambda row: row.key.get("data", "").casefold())
    return Comparison(
        metric=metric,
        columns=tuple(columns.values()),
        rows=tuple(rows),
        baselines=tuple(_baselines(runs, columns, baseline_scores)) if baseline_scores else (),
        differences=tuple(_differences(rows, metric)),
        failures=tuple(run for run in runs if run.state != "done"),
        repeats=_repeats(rows),
        data_sets=data_sets,
    )


def select(runs: Iterable[Run], *, key: str, value: str) -> list[Run]:
    """Return the runs whose setting has this value, as the table shows it, case aside.

    Raises:
        ConfigError: no run has the key.
    """
    runs = list(runs)
    full = _full_key(runs, key)
    wanted = value.lower()
    return [run for run in runs if shown(full, run).lower() == wanted]


def _metric(runs: Sequence[Run], metric: str | None) -> str:
    known = {name for run in runs for name in run.scores}
    if metric is None:
        return next((name for name in PREFERRED_METRICS if name in known), PREFERRED_METRICS[0])
    if metric not in known:
        hint = did_you_mean(metric, known)
        raise ConfigError(f"metric={metric}: there are {', '.join(sorted(known))}{hint}")
    return metric


def _full_key(runs: Sequence[Run], key: str, *, others: Sequence[str] = ()) -> str:
    known = {name: name for run in runs for name in run.settings}
    known |= {heading(name): name for name in known if name.endswith("._target_")}
    if key not in known:
        raise ConfigError(f"{key}: no run has such a key{did_you_mean(key, [*known, *others])}")
    return known[key]


def _columns(examples: Sequence[Run], *, only: Sequence[str]) -> dict[str, str]:
    """Return the keys to show, each with its heading."""
    if only:
        return {key: heading(key) for key in only}
    keys = dict.fromkeys(key for run in examples for key in run.settings if key not in REPEATED)
    values = {key: tuple(repr(run.settings.get(key)) for run in examples) for key in keys}
    differing = [key for key in keys if len(set(values[key])) > 1]
    named = {run.data_name for run in examples}
    for key in ("data.name", "data.path"):  # the name of the data in the column `data`
        if key in differing and len(set(values[key])) == len(named):
            differing.remove(key)
    ordered = dict.fromkeys([key for key in ALWAYS_SHOWN if key in keys] + differing)
    return {key: heading(key) for key in ordered}


def _row(runs: Sequence[Run], columns: Mapping[str, str]) -> Row:
    done = [run for run in runs if run.state == "done"]
    metrics = sorted({name for run in done for name in run.scores} - {"epoch"})
    return Row(
        key={name: shown(key, runs[0]) for key, name in columns.items()},
        runs=tuple(runs),
        scores={
            metric: summarize_scores(
                [run.scores[metric] for run in done if metric in run.scores], metric=metric
            )
            for metric in metrics
        },
        num_failed=len(runs) - len(done),
        num_parameters=done[0].num_parameters if done else None,
        seconds=summarize([run.seconds for run in done]).mean if done else None,
    )


def _order(runs: Sequence[Run], sort: str) -> Callable[[Row], tuple[Any, ...]]:
    """Return the order of rows: a number before a word, what is missing last."""
    metrics = {name for run in runs for name in run.scores}

    def value(row: Row) -> Any:
        if sort in ("seconds", "num_parameters"):
            return getattr(row, sort)
        if "/" in sort:
            summary = row.scores.get(sort)
            sign = 1 if is_loss(sort) else -1
            return None if summary is None else sign * summary.mean
        return row.runs[0].settings.get(key)

    def order(row: Row) -> tuple[Any, ...]:
        found = value(row)
        is_word = not isinstance(found, int | float)
        last = tuple(row.key.values())
        return (found is None, is_word, str(found) if is_word else found, last)

    key = ""
    if sort not in ("seconds", "num_parameters", *PREFERRED_METRICS) and sort not in metrics:
        key = _full_key(runs, sort, others=[*metrics, "seconds", "num_parameters"])
    return order


def _baselines(
    runs: Sequence[Run],
    columns: Mapping[str, str],
    baseline_scores: Callable[[Run], Mapping[str, Mapping[str, float]]],
) -> Iterable[Baseline]:
    """Yield a row per baseline and data setting; folds are averaged over, seeds do not matter."""
    on_data: dict[tuple[str, ...], dict[Any, Run]] = defaultdict(dict)
    data_keys = [key for key in columns if key.startswith("data.")]
    for run in runs:
        if run.data_fingerprint:
            cells = tuple(shown(key, run) for key in data_keys)
            fold = tuple(run.settings.get(key) for key in FOLDS)
            on_data[cells].setdefault(fold, run)
    for cells, by_fold in on_data.items():
        values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for run in by_fold.values():
            for name, scores in baseline_scores(run).items():
                for metric, score in scores.items():
                    values[name][metric].append(score)
        for name, by_metric in values.items():
            yield Baseline(
                name=name,
                key=dict(zip((columns[key] for key in data_keys), cells, strict=True)),
                scores={
                    metric: summarize_scores(scores, metric=metric)
                    for metric, scores in by_metric.items()
                },
            )


def _differences(rows: Sequence[Row], metric: str) -> Iterable[Difference]:
    """Yield the difference of each row from the first one on the same data set."""
    references: dict[DataSet, Row] = {}
    for row in rows:
        if metric in row.scores:
            references.setdefault(data_set_of(row.runs[0]), row)
    for row in rows:
        reference = references.get(data_set_of(row.runs[0]))
        if reference is None or reference is row:
            continue
        theirs = _by_repeat(reference, metric)
        summary = paired_difference(_by_repeat(row, metric), theirs, metric=metric)
        if summary is not None and summary.n > 1:
            yield Difference(key=row.key, reference=reference.key, summary=summary)


def _by_repeat(row: Row, metric: str) -> dict[Any, float]:
    return {run.repeat: run.scores[metric] for run in row.runs if metric in run.scores}


def _repeats(rows: Sequence[Row]) -> str:
    runs = [run for row in rows for run in row.runs]
    if all(len(row.runs) < 2 for row in rows):
        return "one run in each row: what another seed or split would change is not in it"
    seeds = {run.settings.get("seed") for run in runs}
    splits = {tuple(run.settings.get(key) for key in ("data.split_seed", *FOLDS)) for run in runs}
    seeds_text = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    if len(splits) == 1:
        return f"{seeds_text}; one split of the data: what another split would change is not in it"
    return f"{seeds_text}; {len(splits)} splits of the data: they are part of the spread"
