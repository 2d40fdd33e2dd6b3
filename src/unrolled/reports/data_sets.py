"""Models by data sets: mean scores, ranks, and which differences can be shown.

Scores are compared within a data set only, and each data set counts once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from unrolled.config.compound import ALL_FOLDS
from unrolled.reports.columns import ALWAYS_SHOWN, DATA, heading, shown
from unrolled.reports.naming import name_rows, shown_columns
from unrolled.reports.published import SOURCES, published_scores
from unrolled.reports.ranks import Pair, compare_pairs, groups, mean_ranks
from unrolled.reports.runs import REPEATED, Run
from unrolled.reports.statistics import ScoreSummary, is_loss, summarize_scores

# Settings that name a data set. Others, such as data.standardize, belong to the model.
NAMES = ("data.name", "data.path", "data.val_path", "data.test_path", "data.label")
SOURCE = "data.source."

RANKED_BASELINE = "MiniRocket"  # each further rank makes it harder to show a difference

Kind = Literal["model", "baseline", "published"]
DataSet = tuple[tuple[str, str], ...]  # its settings, as text


@dataclass(frozen=True)
class Method:
    """A column of the table.

    name: different from all others.
    description: the settings, if the name is a number, or the source of published scores.
    scores: over the runs that are done, by data set.
    mean_rank: 1 is the best; None if the method is not ranked.
    """

    name: str
    kind: Kind
    description: str
    scores: dict[str, ScoreSummary]
    mean_rank: float | None = None


@dataclass(frozen=True)
class DataSets:
    """A table of methods by data sets.

    names: of the data sets.
    methods: ranked ones first, by their mean rank.
    ranked_on: data sets on which all ranked methods have a score; fewer than two give no ranks.
    pairs: of ranked methods.
    groups: names of ranked methods that cannot be told apart; see `ranks.groups`.
    """

    metric: str
    names: tuple[str, ...]
    methods: tuple[Method, ...]
    ranked_on: tuple[str, ...]
    pairs: tuple[Pair, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def ranked(self) -> tuple[Method, ...]:
        """The ranked methods, the best first."""
        return tuple(method for method in self.methods if method.mean_rank is not None)

    @property
    def is_tested(self) -> bool:
        """Whether there are enough data sets for a test."""
        return any(pair.holm is not None for pair in self.pairs)


def data_set_of(run: Run) -> DataSet:
    """Return the settings that name the data set of a run."""
    found = (
        (key, str(value))
        for key, value in run.settings.items()
        if (key in NAMES and value is not None) or key.startswith(SOURCE)
    )
    return tuple(sorted(found))


def by_data_set(runs: Sequence[Run], *, metric: str, group: Sequence[str]) -> DataSets | None:
    """Return the table, or None with fewer than two models that ran on two data sets.

    group: dotted keys that make a model; without one, all settings but seed, folds and the data
        set that differ between runs on the same data set.
    """
    cells, columns = _cells(runs, group=group)
    cells = _crossed(cells)
    names = _names({data_set: run for (_, data_set), run in _firsts(cells).items()})
    firsts = {model: run for (model, _), run in _firsts(cells).items()}
    if len(names) < 2 or len(firsts) < 2:
        return None
    if not group:
        columns = {key: heading(key) for key in ALWAYS_SHOWN if key != DATA} | columns
    labels = _labels(firsts, columns, [run for members in cells.values() for run in members])
    methods = [
        Method(
            name=name,
            kind="model",
            description=description,
            scores=_scores({names[on]: found for (of, on), found in cells.items() if of == model},
                           metric=metric),
        )
        for model, (name, description) in labels.items()
    ]  # fmt: skip
    on_set: dict[str, list[Run]] = defaultdict(list)
    for (_, data_set), members in cells.items():
        on_set[names[data_set]] += members
    methods += [*_baselines(on_set, metric=metric), *_published(on_set, metric=metric)]
    return _ranked(methods, metric=metric, names=sorted(on_set, key=str.casefold))


Cells = dict[tuple[tuple[str, ...], DataSet], list[Run]]  # by model and data set


def _cells(runs: Sequence[Run], *, group: Sequence[str]) -> tuple[Cells, dict[str, str]]:
    """Return the runs by model and data set, and the headings of the keys that make a model."""
    on_set: dict[DataSet, list[Run]] = defaultdict(list)
    for run in runs:
        on_set[data_set_of(run)].append(run)
    keys = dict.fromkeys(group or (key for run in runs for key in run.settings))
    naming = {key for data_set in on_set for key, _ in data_set} | set(NAMES)
    kept = [key for key in keys if key not in naming and (group or key not in REPEATED)]
    if not group:
        kept += [key for key in REPEATED if any(r.settings.get(key) == ALL_FOLDS for r in runs)]
        kept = [
            key
            for key in kept
            if any(len({_setting(run, key) for run in members}) > 1 for members in on_set.values())
        ]
    cells: Cells = defaultdict(list)
    for data_set, members in on_set.items():
        for run in members:
            cells[tuple(_setting(run, key) for key in kept), data_set].append(run)
    return cells, {key: heading(key) for key in kept}


def _setting(run: Run, key: str) -> str:
    value: Any = run.settings.get(key)
    is_repeat = key in REPEATED and value != ALL_FOLDS
    return "" if is_repeat else repr(value)


def _crossed(cells: Cells) -> Cells:
    """Return the cells of models that ran on two data sets or more, and the reverse."""
    while True:
        models, data_sets = (Counter(key[side] for key in cells) for side in (0, 1))
        kept = {
            (model, data_set): runs
            for (model, data_set), runs in cells.items()
            if models[model] > 1 and data_sets[data_set] > 1
        }
        if len(kept) == len(cells):
            return kept
        cells = kept


def _firsts(cells: Cells) -> dict[tuple[tuple[str, ...], DataSet], Run]:
    return {key: runs[0] for key, runs in cells.items()}


def _names(firsts: Mapping[DataSet, Run]) -> dict[DataSet, str]:
    """Return a name for each data set, with the settings in which sets of one name differ."""
    bases = {data_set: run.data_name for data_set, run in firsts.items()}
    names = {}
    for data_set, base in bases.items():
        same = [dict(other) for other, name in bases.items() if name == base]
        words = [base]
        for key in dict.fromkeys(key for other in same for key in other):
            values = {other.get(key) for other in same}
            if len(values) > 1:
                words.append(f"{key.rsplit('.', 1)[-1]} {dict(data_set).get(key, '-')}")
        names[data_set] = ", ".join(words)
    return names


def _labels(
    firsts: Mapping[tuple[str, ...], Run], columns: Mapping[str, str], runs: Sequence[Run]
) -> dict[tuple[str, ...], tuple[str, str]]:
    """Return the name of each model, and its settings if the name is a number."""
    keys = [{name: shown(key, run) for key, name in columns.items()} for run in firsts.values()]
    named = name_rows(keys, shown_columns(columns.values(), keys, runs), noun="model")
    texts = named.full if named.are_numbers else [""] * len(keys)
    return dict(zip(firsts, zip(named.short, texts, strict=True), strict=True))


def _scores(on_set: Mapping[str, Sequence[Run]], *, metric: str) -> dict[str, ScoreSummary]:
    found = {
        name: [run.scores[metric] for run in runs if run.state == "done" and metric in run.scores]
        for name, runs in on_set.items()
    }
    return {
        name: summarize_scores(scores, metric=metric) for name, scores in found.items() if scores
    }


def _baselines(on_set: Mapping[str, Sequence[Run]], *, metric: str) -> list[Method]:
    """Return the baselines that runs recorded; folds are averaged over."""
    recorded: dict[str, dict[str, ScoreSummary]] = defaultdict(dict)
    for name, runs in on_set.items():
        of_fold: dict[str, dict[tuple[Any, ...], float]] = defaultdict(dict)
        for run in runs:
            if run.state == "done" and metric in ("test/accuracy", "cv/accuracy"):
                fold = tuple(run.settings.get(key) for key in REPEATED if key != "seed")
                for baseline, score in run.baselines.items():
                    of_fold[baseline].setdefault(fold, score)
        for baseline, scores in of_fold.items():
            recorded[baseline][name] = summarize_scores(list(scores.values()), metric=metric)
    return [
        Method(name=f"{name} (baseline)", kind="baseline", description="", scores=scores)
        for name, scores in recorded.items()
        if len(scores) > 1
    ]


def _published(on_set: Mapping[str, Sequence[Run]], *, metric: str) -> list[Method]:
    """Return published scores on the data sets of which the published test set was used."""
    names = {
        name: str(runs[0].settings["data.name"])
        for name, runs in on_set.items()
        if metric == "test/accuracy" and all(map(_uses_published_test_set, runs))
    }
    return [
        Method(
            name=f"{method} (published)",
            kind="published",
            description=SOURCES[method],
            scores={
                name: summarize_scores([scores[published]], metric=metric)
                for name, published in names.items()
                if published in scores
            },
        )
        for method, scores in published_scores().items()
        if any(published in scores for published in names.values())
    ]


def _uses_published_test_set(run: Run) -> bool:
    settings = run.settings
    has_folds = settings.get("data.test_fold") is not None
    has_windows = settings.get("data.window.size") is not None
    return settings.get("data.name") is not None and not has_folds and not has_windows


def _ranked(methods: Sequence[Method], *, metric: str, names: Sequence[str]) -> DataSets:
    """Return the table with ranks of the models, and of MiniRocket if it is complete."""
    scored = [method for method in methods if method.kind == "model" and method.scores]
    complete = [name for name in names if all(name in method.scores for method in scored)]
    scored += [
        method
        for method in methods
        if method.name == f"{RANKED_BASELINE} (baseline)"
        and all(name in method.scores for name in complete)
    ]
    table = DataSets(metric, tuple(names), tuple(methods), tuple(complete), (), ())
    if len(scored) < 2 or len(complete) < 2:
        return table
    values = {method.name: [method.scores[name].mean for name in complete] for method in scored}
    ranks = mean_ranks(values, is_loss=is_loss(metric))
    order = list(ranks)
    pairs = compare_pairs(values, order=order, is_loss=is_loss(metric))
    ranked = [replace(method, mean_rank=ranks.get(method.name)) for method in methods]
    ranked.sort(key=lambda method: order.index(method.name) if method.name in ranks else len(ranks))
    found = groups(order, pairs) if any(pair.holm is not None for pair in pairs) else []
    return replace(table, methods=tuple(ranked), pairs=tuple(pairs), groups=tuple(found))
