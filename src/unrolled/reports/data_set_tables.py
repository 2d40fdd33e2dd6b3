"""The table of models by data sets as text, for terminals, files and pages."""

from collections.abc import Iterator, Sequence

from unrolled.reports.console import NEVER_DROPPED, Column
from unrolled.reports.data_sets import DataSets, Method
from unrolled.reports.formats import NOTHING, Sheet, score_heading, score_text
from unrolled.reports.ranks import LEVEL, fewest_data_sets

TITLE = "Models by data sets"
MEAN_RANK = "mean rank"
PRIORITIES = {"published": 0, "baseline": 1, "model": NEVER_DROPPED}  # the lowest is dropped first


def by_data_set_sheet(table: DataSets) -> Sheet:
    """Return a row per data set with mean scores, and below them ranks and comparisons."""
    rows = [
        [name, *(_mean(method, name, table.metric) for method in table.methods)]
        for name in table.names
    ]
    header = ["data set", *(method.name for method in table.methods)]
    return Sheet(f"{TITLE}: {score_heading(table.metric)}", header, [*rows, *summary_rows(table)])


def summary_rows(table: DataSets) -> list[list[str]]:
    """Return the rows below the data sets; none if nothing is ranked.

    They compare each method with the best-ranked one, which is in the first column.
    """
    if not table.ranked:
        return []
    best = table.ranked[0].name
    pairs = {pair.second: pair for pair in table.pairs if pair.first == best}

    def row(label: str, texts: dict[str, str]) -> list[str]:
        return [label, *(texts.get(method.name, NOTHING) for method in table.methods)]

    ranks = {method.name: f"{method.mean_rank:.2f}" for method in table.ranked}
    records = {name: f"{pair.losses}/{pair.ties}/{pair.wins}" for name, pair in pairs.items()}
    rows = [row(MEAN_RANK, ranks), row("wins/ties/losses", records)]
    if table.is_tested:
        p_values = {name: p_text(pair.holm) for name, pair in pairs.items()}
        rows.append(row("p (Holm)", p_values))
    return rows


def pairs_sheet(table: DataSets) -> Sheet:
    """Return a row per pair of ranked methods."""
    header = ["first", "second", "wins", "ties", "losses", "p", "p (Holm)", "difference"]
    rows = [
        [
            *(pair.first, pair.second, str(pair.wins), str(pair.ties), str(pair.losses)),
            *(p_text(pair.p_value), p_text(pair.holm)),
            "shown" if pair.differs else "not shown",
        ]
        for pair in table.pairs
    ]
    return Sheet("Pairs of models", header, rows)


def notes(table: DataSets) -> Iterator[str]:
    """Yield what the ranks and tests mean, and where other columns come from."""
    num = len(table.ranked_on)
    if table.ranked:
        yield (
            f"Mean rank over {num} data sets, 1 is the best. Each data set counts once, with the "
            f"mean over its runs. Wins, ties and losses are against {table.ranked[0].name}. "
            f"{certainty(table)}"
        )
    else:
        yield (
            f"No ranks: they need two data sets on which all models have a score, and there "
            f"{'is' if num == 1 else 'are'} {num}."
        )
    for method in table.methods:
        if method.kind == "model" and method.description:
            yield f"{method.name}: {method.description}"
    sources = [
        f"{method.name.removesuffix(' (published)')}: {method.description}"
        for method in table.methods
        if method.kind == "published"
    ]
    if sources:
        yield f"Published scores are not ranked. {'; '.join(sources)}."


def certainty(table: DataSets) -> str:
    """Return which differences can be shown, or why none can."""
    num, num_methods = len(table.ranked_on), len(table.ranked)
    if not table.is_tested:
        fewest = fewest_data_sets(num_methods)
        return (
            f"No difference can be shown with {num} data sets: even if one model is better on all "
            f"of them, the p-value of Wilcoxon's signed-rank test is {p_text(2 / 2**num)}. "
            f"{num_methods} models need {fewest} data sets for a p-value of at most {LEVEL:g} with "
            "Holm's correction."
        )
    num_shown = sum(pair.differs for pair in table.pairs)
    return (
        f"{num_shown} of {len(table.pairs)} pairs differ (Wilcoxon's signed-rank test, two-sided, "
        f"p at most {LEVEL:g} with Holm's correction)."
    )


def fitted_columns(sheet: Sheet, table: DataSets) -> list[Column]:
    """Return the columns of the sheet; a narrow terminal drops published scores first."""
    priorities = {method.name: PRIORITIES[method.kind] for method in table.methods}
    priorities |= {method.name: NEVER_DROPPED for method in table.ranked}
    return [
        Column(
            name.replace(" (", "\n(") if name in priorities else name,
            cells,
            priority=priorities.get(name, NEVER_DROPPED),
        )
        for name, cells in zip(sheet.header, zip(*sheet.rows, strict=True), strict=True)
    ]


def csv_rows(table: DataSets) -> tuple[Sequence[str], list[dict[str, object]]]:
    """Return the fields and a line per method and data set, in full precision."""
    fields = ("data set", "method", "kind", "metric", "n", "mean", "deviation", "ranked", "source")
    lines: list[dict[str, object]] = [
        {
            "data set": name,
            "method": method.name,
            "kind": method.kind,
            "metric": table.metric,
            "n": method.scores[name].n,
            "mean": method.scores[name].mean,
            "deviation": method.scores[name].deviation,
            "ranked": method.mean_rank is not None and name in table.ranked_on,
            "source": method.description,
        }
        for name in table.names
        for method in table.methods
        if name in method.scores
    ]
    return fields, lines


def p_text(p_value: float | None) -> str:
    """Return a p-value with two digits."""
    return NOTHING if p_value is None else f"{p_value:.2g}"


def _mean(method: Method, name: str, metric: str) -> str:
    summary = method.scores.get(name)
    return NOTHING if summary is None else score_text(summary.mean, metric)
