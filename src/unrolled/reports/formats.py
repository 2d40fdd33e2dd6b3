"""A comparison as CSV, Markdown and LaTeX (booktabs).

The CSV file has full precision; the others round as a paper would.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unrolled.output import inert, spreadsheet_cell
from unrolled.reports.columns import short_setting
from unrolled.reports.comparison import Comparison, Difference
from unrolled.reports.runs import Run
from unrolled.reports.statistics import ScoreSummary, is_proportion

NOTHING = ""
NOT_DONE = "Not done"
LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)
MARKDOWN_SIGN = re.compile(r"[\\`*\[\]<>&|]")  # links, HTML, code and the edges of cells


@dataclass(frozen=True)
class Sheet:
    """A titled table of text."""

    title: str
    header: list[str]
    rows: list[list[str]]


def to_csv(comparison: Comparison) -> str:
    """Return a line per setting and baseline, in full precision; scores are not in %."""
    metrics = sorted({metric for row in comparison.rows for metric in row.scores})
    fields = ("n", "mean", "deviation", "low", "high", "smallest", "largest")
    metrics = [comparison.metric, *(name for name in metrics if name != comparison.metric)]
    lines: list[dict[str, object]] = []
    for row in comparison.rows:
        lines.append({**row.key, "num_done": len(row.runs) - row.num_failed})
        lines[-1] |= {"num_failed": row.num_failed, "num_parameters": row.num_parameters}
        lines[-1] |= _cells(row.scores, metrics, fields) | {"seconds": row.seconds}
    for baseline in comparison.baselines:
        lines.append({**baseline.key, "baseline": baseline.name})
        lines[-1] |= _cells(baseline.scores, metrics, fields)
    columns = [*comparison.columns, "baseline", "num_done", "num_failed", "num_parameters"]
    columns += [f"{metric}/{field}" for metric in metrics for field in fields] + ["seconds"]
    return csv_text(columns, lines)


def csv_text(fields: Sequence[str], lines: Iterable[Mapping[str, object]]) -> str:
    """Return lines with these fields; a field that a line lacks is empty."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=fields, restval="", lineterminator="\n")
    writer.writerow({name: _csv(name) for name in fields})
    writer.writerows({name: _csv(value) for name, value in line.items()} for line in lines)
    return file.getvalue()


def to_markdown(comparison: Comparison, *, title: str) -> str:
    """Return the sheets as Markdown."""
    parts = [f"# {_markdown(title)}\n\n{_note(comparison)}\n"]
    return "\n".join([*parts, *map(markdown_section, sheets(comparison))])


def markdown_section(sheet: Sheet, notes: Iterable[str] = ()) -> str:
    """Return a sheet below its title, and notes as paragraphs."""
    head, *body = (
        "| " + " | ".join(map(_markdown, row)) + " |" for row in (sheet.header, *sheet.rows)
    )
    rule = "| " + " | ".join(["---"] * len(sheet.header)) + " |"
    parts = [f"## {_markdown(sheet.title)}", "\n".join([head, rule, *body]), *map(_markdown, notes)]
    return "\n\n".join(parts) + "\n"


def to_latex(comparison: Comparison) -> str:
    r"""Return the results as a table for \usepackage{booktabs}."""
    rules = [len(comparison.rows)] if comparison.baselines and comparison.rows else []
    return latex_table(sheets(comparison)[0], rules=rules, notes=[_note(comparison)])


def latex_table(sheet: Sheet, *, rules: Sequence[int], notes: Iterable[str]) -> str:
    r"""Return a sheet as a table for \usepackage{booktabs}.

    rules: numbers of rows after which a line is drawn.
    notes: written as comments below the table.
    """
    lines = [" & ".join(map(_latex, row)) + r" \\" for row in (sheet.header, *sheet.rows)]
    for number in (*sorted(rules, reverse=True), 0):
        lines.insert(1 + number, r"\midrule")
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(sheet.header)}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *("% " + " ".join(inert(note).split()) for note in notes),
            "",
        ]
    )


def sheets(comparison: Comparison) -> list[Sheet]:
    """Return results, paired differences and failures; the last two only if there are any."""
    found = [_results(comparison)]
    if comparison.differences:
        found.append(_paired(comparison.differences, comparison.metric))
    if comparison.failures:
        found.append(_failed(comparison.failures))
    return found


def _results(comparison: Comparison) -> Sheet:
    metric = comparison.metric
    other = "val/accuracy" if metric != "val/accuracy" else "val/loss"
    header = [*comparison.columns, score_heading(metric), "n", "95 % interval", "worst to best"]
    others = [other] if has_scores(comparison, other) else []
    header += [*map(score_heading, others), "parameters", "time", "failed"]
    rows = []
    for row in comparison.rows:
        cells = [short_setting(row.key[name]) for name in comparison.columns]
        cells += _statistics(row.scores.get(metric), metric)
        cells += [spread(row.scores.get(name), name) for name in others]
        cells.append(NOTHING if row.num_parameters is None else f"{row.num_parameters:,}")
        cells.append(NOTHING if row.seconds is None else f"{row.seconds:.1f} s")
        rows.append([*cells, str(row.num_failed or NOTHING)])
    for baseline in comparison.baselines:
        cells = [baseline.key.get(name, NOTHING) for name in comparison.columns]
        place = comparison.columns.index("model") if "model" in comparison.columns else 0
        cells[place] = baseline.name
        cells += _statistics(baseline.scores.get(metric), metric)
        cells += [spread(baseline.scores.get(name), name) for name in others]
        rows.append([*cells, *[NOTHING] * 3])
    return Sheet("Results", header, rows)


def has_scores(comparison: Comparison, metric: str) -> bool:
    """Return whether a setting or a baseline has a score."""
    scores = [row.scores for row in comparison.rows]
    scores += [baseline.scores for baseline in comparison.baselines]
    return any(metric in some for some in scores)


def _paired(differences: Sequence[Difference], metric: str) -> Sheet:
    header = [*differences[0].key, score_heading(metric), "shared seeds", "95 % interval"]
    rows = [
        [
            *map(short_setting, d.key.values()),
            spread(d.summary, metric),
            str(d.summary.n),
            score_interval(d.summary, metric),
        ]
        for d in differences
    ]
    if all(d.reference == differences[0].reference for d in differences):
        return Sheet(f"Paired differences: each less {_reference(differences)}", header, rows)
    rows = [[*row, _apart(d)] for row, d in zip(rows, differences, strict=True)]
    return Sheet("Paired differences on each data set", [*header, "less"], rows)


def _apart(difference: Difference) -> str:
    """Return the first setting of the reference that tells it apart."""
    pairs = zip(difference.reference.values(), difference.key.values(), strict=True)
    return next((short_setting(theirs) for theirs, ours in pairs if theirs != ours), NOTHING)


def _reference(differences: Sequence[Difference]) -> str:
    """Return the first values of the reference, as many as no other row shares."""
    values = list(differences[0].reference.values())
    others = [list(difference.key.values()) for difference in differences]
    lengths = range(1, len(values))
    num = next(
        (n for n in lengths if all(other[:n] != values[:n] for other in others)), len(values)
    )
    return " ".join(short_setting(value) for value in values[:num])


def _failed(failures: Iterable[Run]) -> Sheet:
    rows = [
        [
            run.path.name,
            run.state,
            "" if run.exit_code is None else str(run.exit_code),
            run.error,
        ]
        for run in failures
    ]
    return Sheet(NOT_DONE, ["run", "state", "exit code", "reason"], rows)


def _statistics(summary: ScoreSummary | None, metric: str) -> list[str]:
    if summary is None:
        return [NOTHING, "0", NOTHING, NOTHING]
    smallest, largest = score_text(summary.smallest, metric), score_text(summary.largest, metric)
    ends = NOTHING if summary.n == 1 else f"{smallest} to {largest}"
    return [spread(summary, metric), str(summary.n), score_interval(summary, metric), ends]


def spread(summary: ScoreSummary | None, metric: str) -> str:
    """Return mean ± standard deviation."""
    if summary is None:
        return NOTHING
    mean = score_text(summary.mean, metric)
    return (
        mean if summary.deviation is None else f"{mean} ± {score_text(summary.deviation, metric)}"
    )


def score_interval(summary: ScoreSummary, metric: str) -> str:
    """Return the ends of the interval, or nothing for a single run."""
    if summary.low is None or summary.high is None:
        return NOTHING
    return f"{score_text(summary.low, metric)} to {score_text(summary.high, metric)}"


def _cells(
    scores: dict[str, ScoreSummary], metrics: Sequence[str], fields: Sequence[str]
) -> dict[str, object]:
    return {
        f"{metric}/{field}": getattr(scores[metric], field)
        for metric in metrics
        if metric in scores
        for field in fields
    }


def score_heading(metric: str) -> str:
    """Return the heading of a column of scores."""
    return f"{metric} in %" if is_proportion(metric) else metric


def score_text(value: float, metric: str) -> str:
    """Return a score as tables show it, a proportion in %."""
    return f"{100 * value:z.2f}" if is_proportion(metric) else f"{value:z.4f}"


def _note(comparison: Comparison) -> str:
    return f"Mean ± standard deviation over {comparison.repeats}."


# One function for each format makes text that is not ours inert.


def _markdown(text: str) -> str:
    return MARKDOWN_SIGN.sub(r"\\\g<0>", " ".join(inert(text).split()))


def _latex(text: str) -> str:
    return " ".join(inert(text).split()).translate(LATEX_ESCAPES)


def _csv(value: object) -> object:
    return spreadsheet_cell(inert(value)) if isinstance(value, str) else value
