"""One sentence on a sweep: which setting is best, and how certain that is."""

from collections.abc import Sequence

from unrolled.reports.comparison import Comparison
from unrolled.reports.data_set_tables import certainty
from unrolled.reports.data_sets import DataSets
from unrolled.reports.formats import score_interval, score_text
from unrolled.reports.pages.sweep_figures import Setting
from unrolled.reports.statistics import is_loss, is_proportion, wilson_interval


def sentence(comparison: Comparison, settings: Sequence[Setting]) -> str:
    """Return which setting is best, and how certain that is."""
    metric = comparison.metric
    if not settings:
        return (
            f"No run has finished with a score {metric}: {len(comparison.failures)} are not done."
        )
    if comparison.data_sets is not None:
        return _on_data_sets(comparison.data_sets)
    sign = 1 if is_loss(metric) else -1
    best = min(settings, key=lambda one: sign * one.summary.mean)
    unit = " %" if is_proportion(metric) else ""
    mean = "mean " if best.summary.n > 1 else ""
    score = f"{score_text(best.summary.mean, metric)}{unit}"
    text = f"The {mean}{_words(metric)} is {score}"
    if len(settings) > 1:
        detail = f" ({best.full_name})" if best.full_name != best.name else ""
        name = best.name[:1].upper() + best.name[1:]
        text = f"{name}{detail} has the best {mean}{_words(metric)}, {score}"
    if best.summary.low is not None:
        text += (
            f" over {best.summary.n} runs (95 % interval "
            f"{score_interval(best.summary, metric)}{unit})"
        )
    else:
        text += _of_one_run(comparison, best)
    return text + "." + _certainty(comparison, best, settings)


def _on_data_sets(table: DataSets) -> str:
    """Return which model has the best mean rank; scores of different data sets are not compared."""
    if not table.ranked:
        return (
            f"{len(table.methods)} models on {len(table.names)} data sets have no ranks: too few "
            "data sets have a score of every model."
        )
    best, others = table.ranked[0], table.ranked[1:]
    shared = [one for one in others if one.mean_rank == best.mean_rank]
    text = (
        f"{best.name} has the best mean rank, {best.mean_rank:.2f} of {len(table.ranked)} over "
        f"{len(table.ranked_on)} data sets"
    )
    if shared:
        text += f", shared with {', '.join(one.name for one in shared)}"
    if not table.is_tested:
        return f"{text}. {certainty(table)}"
    worse = {pair.second for pair in table.pairs if pair.first == best.name and pair.differs}
    num, num_open = len(worse), len(others) - len(worse)
    text += "."
    if worse:
        names = f"{num} of {len(others)} other models"
        if num == len(others):
            names = "the other model" if num == 1 else f"the other {num} models"
        text += f" It differs from {names} (Wilcoxon's signed-rank test, Holm's correction)."
    if num_open:
        open_names = [one.name for one in others if one.name not in worse]
        names = ", ".join(open_names) if num_open <= 3 else f"{num_open} other models"
        text += f" It cannot be told apart from {names}."
    return text


def _words(metric: str) -> str:
    return metric.replace("/", " ").replace("_", " ")


def _of_one_run(comparison: Comparison, best: Setting) -> str:
    """Return the interval of a single run, which its number of test sequences determines."""
    split, name = comparison.metric.split("/")
    value = best.summary.mean
    for run in (run for row in comparison.rows for run in row.runs):
        num = run.num_sequences.get(split, 0)
        if name == "accuracy" and run.scores.get(comparison.metric) == value and num:
            low, high = wilson_interval(round(value * num), num)
            return (
                f" in one run (95 % interval for {num:,} sequences "
                f"{100 * low:.1f} to {100 * high:.1f} %, Wilson)"
            )
    return " in one run"


def _certainty(comparison: Comparison, best: Setting, settings: Sequence[Setting]) -> str:
    if len(settings) < 2:
        return ""
    if not comparison.differences:
        return (
            " There are no repeated runs to compare, so differences between settings may be due to "
            "the seed."
        )
    reference = settings[0]
    if reference is not best:
        return ""
    clear = [
        difference
        for difference in comparison.differences
        if difference.summary.low is not None
        and difference.summary.high is not None
        and not difference.summary.low <= 0 <= difference.summary.high
    ]
    num, num_clear = len(comparison.differences), len(clear)
    others = "the other setting" if num == 1 else f"{num_clear} of {num} other settings"
    text = f" It is better than {others}: the 95 % interval of the paired difference excludes zero."
    if num_clear < num:
        num_open = num - num_clear
        others = "the other setting" if num == 1 else f"{num_open} of {num} other settings"
        unclear = f" It cannot be told apart from {others}: the 95 % interval of the paired "
        unclear += "difference includes zero."
        text = unclear if num_clear == 0 else f"{unclear} It is better than the other {num_clear}."
    return text
