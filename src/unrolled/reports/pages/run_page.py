"""The page of a run: its result, how certain it is, what it gets wrong, and how to repeat it."""

import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from unrolled.config.composition import compose_config, without_hydra
from unrolled.config.values import data_name, identity, leaves, model_name
from unrolled.errors import UnrolledError
from unrolled.reports.pages import run_figures
from unrolled.reports.pages.explained import explained_sections
from unrolled.reports.pages.figures import Figures
from unrolled.reports.pages.page import (
    Cell,
    Grid,
    Log,
    Page,
    Picture,
    Section,
    plain_rows,
    write_page,
)
from unrolled.reports.runs import UNFINISHED, UNREADABLE, read_run
from unrolled.reports.statistics import wilson_interval
from unrolled.reports.terminal import METRICS, ROWS
from unrolled.runs.result import Result
from unrolled.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from unrolled.prediction.held_out import HeldOut

log = logging.getLogger(__name__)

SPLITS = {"train": "training", "val": "validation", "test": "test", "cv": "cross-validation"}
CURVES = ("loss", "accuracy", "balanced_accuracy", "f1")
MAX_CURVES = 2  # the loss, and the monitored score or the accuracy
NUM_LOG_LINES = 40


def write_run_page(folder: RunFolder, out: Path) -> Path:
    """Write report.html and its figures for a run, and return the path of the page.

    The held-out sequences are classified once more. Without the data or the checkpoint, the page
    gives the reason in place of the sections that need them.

    Raises:
        CheckpointError: it is no run, or a file is damaged.
    """
    read_run(folder)  # checks the files
    config, result = folder.config(), folder.result() or UNFINISHED
    figures = Figures(out)
    counts, split = result.confusion, result.held_out_split
    if result.cross_validation is not None:
        counts = result.cross_validation.confusion
    held_out, problem = _held_out(folder, split=split)
    class_names = _class_names(folder)
    if counts is None and held_out is not None:
        counts = _confusion(held_out, num_classes=len(class_names))
    held_out_name = "held-out folds" if folder.folds else f"{SPLITS[split]} set"
    sections = [
        *_failure(folder, result),
        *_scores(result),
        *_training(figures, folder, result),
        *_classes(figures, counts, class_names, held_out_name=held_out_name),
        *_predictions(figures, held_out, class_names, held_out_name=held_out_name, problem=problem),
        *explained_sections(figures, folder),
        _data(folder, result, class_names, held_out),
        *_settings(config),
        *_provenance(folder, result),
    ]
    name = f"{model_name(config)} on {data_name(config)}"
    page = Page(
        title=f"{name}, seed {config.seed}",
        result=_sentence(result, counts, split=split, noun=_noun(config)),
        facts=_facts(folder, result),
        sections=sections,
    )
    return write_page(page, out)


def _noun(config: DictConfig) -> str:
    return "windows" if config.data.window.size is not None else "sequences"


def _sentence(
    result: Result, counts: Sequence[Sequence[int]] | None, *, split: str, noun: str
) -> str:
    if result.state != "done":
        return f"The run is not complete ({result.state}): {result.error or 'no reason recorded'}."
    if counts is None:
        return "The run is complete. There are no predictions for sequences that it did not see."
    num, right = sum(map(sum, counts)), sum(row[k] for k, row in enumerate(counts))
    low, high = wilson_interval(right, num)
    held_out = f"{SPLITS[split]} {noun}"
    if result.cross_validation is not None:
        noun = result.cross_validation.noun
        held_out = f"{noun}, each held out once in {len(result.cross_validation.folds)} folds,"
    text = (
        f"{100 * right / num:.1f} % of {num:,} {held_out} are classified correctly "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %, Wilson)."
    )
    if split == "val":
        text += " The best epoch was chosen on the same set, so this score is optimistic."
    return text


def _facts(folder: RunFolder, result: Result) -> dict[str, str]:
    facts = {"state": result.state}
    baselines = result.baselines
    if result.cross_validation is not None:
        baselines = result.cross_validation.baselines
    for name, accuracy in baselines.items():
        facts[f"baseline: {name}"] = f"{100 * accuracy:.1f} %"
    unseen = result.scores.get("test/unseen_accuracy")
    if unseen is not None:
        facts["without sequences that are in another set too"] = f"{100 * unseen:.1f} %"
    if result.best is not None and result.best.epoch is not None:
        facts["chosen epoch"] = f"{result.best.epoch + 1} of {result.num_epochs}"
    if result.num_parameters is not None:
        facts["parameters"] = f"{result.num_parameters:,}"
    if result.seconds.get("total"):
        facts["time"] = f"{result.seconds['total']:.0f} s"
    if result.stopped_by is not None:
        facts["ended by"] = result.stopped_by
    return facts | {"folder": str(folder.path)}


def _failure(folder: RunFolder, result: Result) -> Iterator[Section]:
    if result.state != "done":
        lines = folder.log_end(NUM_LOG_LINES)
        reason = f"{result.state}, exit code {result.exit_code}: {result.error or ''}"
        yield Section("Why the run is not complete", logs=[Log("end of the log", reason, lines)])


def _scores(result: Result) -> Iterator[Section]:
    """Yield a table of all scores, with the rows of the table that `train` prints."""
    rows = []
    for split, name in SPLITS.items():
        for prefix, suffix in ROWS.items():
            values = [result.scores.get(f"{split}/{prefix}{metric}") for metric in METRICS]
            if any(value is not None for value in values):
                cells = [Cell("" if value is None else f"{value:.4f}", value) for value in values]
                rows.append([Cell(f"{name}{suffix}"), *cells])
    if rows:
        header = ["set", *(metric.replace("_", " ") for metric in METRICS)]
        yield Section("Scores of the chosen epoch", tables=[Grid(header, rows)])


def _training(figures: Figures, folder: RunFolder, result: Result) -> Iterator[Section]:
    parts = [*folder.folds, *folder.members]
    rows = {part.name if parts else "": part.metrics() for part in parts or [folder]}
    monitor = None if result.best is None else result.best.monitor.split("/")[-1]
    wanted = dict.fromkeys(["loss", monitor or "accuracy", *CURVES])
    pictures: list[Picture] = []
    best = result.best.epoch if result.best is not None and not parts else None
    for metric in wanted:
        train, val = _curve(rows, f"train/{metric}"), _curve(rows, f"val/{metric}")
        if (train or val) and len(pictures) < MAX_CURVES:
            epoch = None if best is None else best + 1
            pictures.append(
                run_figures.curves(figures, metric, train=train, val=val, best_epoch=epoch)
            )
    if pictures:
        note = f"A line per training: {', '.join(rows)}." if parts else ""
        yield Section("Training", notes=[note] if note else [], pictures=pictures)
    elif result.state == "done":
        yield Section("Training", notes=["There are no curves: metrics.csv was not written."])


def _curve(
    rows: Mapping[str, Sequence[Mapping[str, float]]], metric: str
) -> dict[str, list[tuple[float, float]]]:
    found = {
        name: [(row["epoch"] + 1, row[metric]) for row in some if metric in row and "epoch" in row]
        for name, some in rows.items()
    }
    return {name: curve for name, curve in found.items() if curve}


def _classes(
    figures: Figures,
    counts: Sequence[Sequence[int]] | None,
    class_names: Sequence[str],
    *,
    held_out_name: str,
) -> Iterator[Section]:
    if counts is None or len(counts) != len(class_names):
        return
    rows = []
    for number, name in enumerate(class_names):
        right, support = counts[number][number], sum(counts[number])
        num_predicted = sum(row[number] for row in counts)
        cells = [Cell(name)]
        cells.append(_share(right, num_predicted))
        cells.append(_share(right, support))
        interval = wilson_interval(right, support) if support else None
        low_to_high = f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %" if interval else ""
        cells.append(Cell(low_to_high, interval[0] if interval else None))
        rows.append([*cells, Cell(f"{support:,}", support)])
    header = ["class", "precision", "recall", "95 % interval of recall", "support"]
    yield Section(
        f"Classes in the {held_out_name}",
        notes=["Support is the number of sequences or windows of a class."],
        pictures=[run_figures.confusion(figures, counts, class_names)],
        tables=[Grid(header, rows, is_sortable=True)],
    )


def _share(part: int, whole: int) -> Cell:
    return Cell(f"{100 * part / whole:.1f} %", part / whole) if whole else Cell("")


def _held_out(folder: RunFolder, *, split: str) -> tuple["HeldOut | None", str]:
    """Return the predictions, or None and the reason why there are none."""
    from unrolled.prediction.held_out import classify_held_out  # loads torch
    from unrolled.prediction.kept_predictions import FILE, read_held_out

    kept = folder.path / FILE
    try:
        if kept.exists():
            return read_held_out(kept), ""
        num_mistakes = folder.config().report.examples
        return classify_held_out(folder, split=split, num_mistakes=num_mistakes), ""
    except UNREADABLE as error:
        log.info("no predictions: %s", error)
        return None, str(error)


def _confusion(held_out: "HeldOut", *, num_classes: int) -> list[list[int]]:
    counts = [[0] * num_classes for _ in range(num_classes)]
    predicted = held_out.probabilities.argmax(axis=1).tolist()
    for label, guess in zip(held_out.labels.tolist(), predicted, strict=True):
        counts[label][guess] += 1
    return counts


def _predictions(
    figures: Figures,
    held_out: "HeldOut | None",
    class_names: Sequence[str],
    *,
    held_out_name: str,
    problem: str,
) -> Iterator[Section]:
    if held_out is None:
        yield Section("Confidence and mistakes", notes=[f"The run has no predictions: {problem}."])
        return
    pictures = [
        run_figures.reliability(figures, held_out.probabilities.max(axis=1), held_out.is_right)
    ]
    if len(set(held_out.lengths.tolist())) > 1:
        pictures.append(run_figures.by_length(figures, held_out.lengths, held_out.is_right))
    note = (
        "A point below the diagonal is overconfident: the network is right less often than its "
        "probability says."
    )
    yield Section(f"Confidence in the {held_out_name}", notes=[note], pictures=pictures)
    num_wrong = int((~held_out.is_right).sum())
    if not num_wrong:
        yield Section("Mistakes", notes=["Every sequence is classified correctly."])
    if not held_out.mistakes:  # report.examples=0
        return
    yield Section(
        "Worst mistakes",
        notes=[
            f"{len(held_out.mistakes)} of {num_wrong:,} mistakes, those with the smallest "
            "probability of the true class first. Lines are in the units of the data. A feature on "
            "another scale than the others has its own panel."
        ],
        pictures=[
            run_figures.mistake(figures, one, number=number, class_names=class_names)
            for number, one in enumerate(held_out.mistakes, start=1)
        ],
    )


def _data(
    folder: RunFolder, result: Result, class_names: Sequence[str], held_out: "HeldOut | None"
) -> Section:
    try:
        sizes = _preprocessing(folder)
        facts = [["features per step", str(sizes["num_features"])]]
        facts.append(["steps of the longest training sequence", str(sizes["num_steps"])])
    except UnrolledError:
        facts = []
    facts.append(["classes", str(len(class_names))])
    for split, num in result.num_sequences.items():
        facts.append([f"{SPLITS[split]} sequences", f"{num:,}"])
    for split, num in result.num_repeated.items():
        if not num:
            continue
        text = f"{num:,} have the same values as a sequence of an earlier set"
        facts.append([f"repeated in the {SPLITS[split]} set", text])
    if result.data_fingerprint is not None:
        facts.append(["fingerprint", result.data_fingerprint])
    tables = [Grid([], plain_rows(facts))]
    if held_out is not None and held_out.class_counts:
        header = ["class", *(SPLITS[split] for split in held_out.class_counts)]
        rows = [
            [Cell(name), *(Cell(f"{c[k]:,}", c[k]) for c in held_out.class_counts.values())]
            for k, name in enumerate(class_names)
        ]
        tables.append(Grid(header, rows, is_sortable=True))
    return Section("Data", tables=tables)


def _settings(config: DictConfig) -> Iterator[Section]:
    """Yield the settings that differ from the ones of `unrolled train` without arguments.

    Recipes are left out, because a run uses them only through other settings.
    """
    ours = dict(leaves(identity(config)))
    default = dict(leaves(identity(without_hydra(compose_config([])))))
    rows = []
    for key, value in ours.items():
        is_missing = key not in default
        if "recipe" in key.split(".")[:-1] or (is_missing and value is None):
            continue
        if is_missing or default[key] != value:
            rows.append([key, _shown(value), "" if is_missing else _shown(default[key])])
    if rows:
        title = "Settings that differ from the defaults"
        yield Section(title, tables=[Grid(["setting", "here", "default"], plain_rows(rows))])
    else:
        yield Section("Settings", notes=["All settings have their default values."])


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _provenance(folder: RunFolder, result: Result) -> Iterator[Section]:
    values = folder.provenance()
    if not values:
        return
    overrides = [str(word) for word in values.get("overrides", [])]
    command = shlex.join(["unrolled", "train", *overrides])
    yield Section(
        "Command",
        notes=[f"To repeat the run in {values.get('working_folder', '')}:"],
        code=command,
    )
    git, hardware = values.get("git") or {}, values.get("hardware") or {}
    rows = [["started", str(values.get("started_at", ""))], ["seed", str(result.seed)]]
    changes = "with uncommitted changes" if git.get("diff_sha256") else "without changes"
    rows.append(
        ["commit", f"{git['commit']}, {changes}" if git.get("commit") else "not a checkout"]
    )
    rows.append(["source hash", str(values.get("source_hash", ""))])
    rows += [[name, str(version)] for name, version in values.get("versions", {}).items()]
    rows.append(["processor", f"{hardware.get('cpu')}, {hardware.get('num_cores')} cores"])
    rows.append(["threads", str(hardware.get("num_threads"))])
    gpus = hardware.get("gpus") or ["none"]
    rows.append(["GPUs", ", ".join(map(str, gpus))])
    rows.append(["system", str(hardware.get("system"))])
    rows.append(["resumed", f"{len(values.get('resumed', []))} times"])
    yield Section("Provenance", tables=[Grid([], plain_rows(rows))])


def _class_names(folder: RunFolder) -> list[str]:
    try:
        return [str(name) for name in _preprocessing(folder)["class_names"]]
    except UnrolledError:
        return []


def _preprocessing(folder: RunFolder) -> dict[str, Any]:
    """Return preprocessing.json of the run, or of the first of its trainings that has one."""
    folders = [folder, *folder.folds, *folder.members]
    has_file = (one for one in folders if (one.path / "preprocessing.json").is_file())
    return next(has_file, folder).preprocessing()
