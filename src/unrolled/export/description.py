"""What a user of an exported model needs to know: its metadata and its model card."""

import json
from collections.abc import Sequence

from unrolled import __version__
from unrolled.config.values import model_name
from unrolled.data.files.paths import PATHS
from unrolled.prediction.trained_run import TrainedRun
from unrolled.runs.run_folder import RunFolder
from unrolled.scales import num_digits

SCORES = (
    *("test/accuracy", "test/balanced_accuracy", "test/f1", "test/calibration_error"),
    *("test/vote_accuracy", "cv/accuracy", "val/accuracy"),
)

# Settings that name files and folders of one machine.
LOCAL = (*(f"data.{key}=" for key in PATHS), "hydra.", "init_from=")


def feature_names(run: TrainedRun) -> list[str]:
    """Return the names of the features in order; those without a name are numbered."""
    schema = run.fitted.schema
    named = [] if schema is None else [str(name) for name in schema["feature_names"]]
    if len(named) == run.num_features:  # a layout has other features than the file
        return named
    return [str(number) for number in range(run.num_features)]


def metadata(run: TrainedRun, folder: RunFolder, *, max_steps: int | None) -> dict[str, str]:
    """Return what is stored in each exported file besides its numbers."""
    return {
        "class_names": json.dumps(run.class_names, ensure_ascii=False),
        "feature_names": json.dumps(feature_names(run), ensure_ascii=False),
        "max_steps": json.dumps(max_steps),
        "run": folder.path.name,
        "unrolled_version": __version__,
    }


def model_card(
    run: TrainedRun,
    folder: RunFolder,
    *,
    files: dict[str, str],
    lines: Sequence[str],
    max_steps: int | None,
) -> str:
    """Return the model card in Markdown.

    files: what each file of the export is, by name.
    lines: how the files were checked.
    """
    features = feature_names(run)
    parts = [
        f"# Model card: {_model(folder)}",
        f"Classifies sequences of {len(features)} features per step into "
        f"{len(run.class_names)} classes. Exported by unrolled {__version__} from the run "
        f"`{folder.path.name}`.",
        "## Files",
        _table(("file", "contents"), [(f"`{name}`", text) for name, text in files.items()]),
        "## Input and output",
        _interface(run, max_steps=max_steps, has_graph="model.onnx" in files),
        "Classes, in the order of the probabilities: "
        + ", ".join(f"`{name}`" for name in run.class_names),
        _features_table(run, features),
        "## Training",
        _training(run, folder),
        "## Limits",
        _limits(run, max_steps=max_steps),
        "## Checks",
        "\n".join(f"- {line}" for line in lines),
    ]
    return "\n\n".join(parts) + "\n"


def _model(folder: RunFolder) -> str:
    """Return the class of the model, or of each member, which its paper named."""
    models = [model_name(part.config()) for part in folder.networks]
    return models[0] if len(models) == 1 else f"ensemble of {len(models)} ({', '.join(models)})"


def _interface(run: TrainedRun, *, max_steps: int | None, has_graph: bool) -> str:
    if not has_graph:
        return (
            "The tensors have the names of the modules of `unrolled`. The metadata of the file has "
            "the config and the preprocessing of each network, as JSON."
        )
    rows = [
        ("input `x`", "float64", "(batch, steps, features)", "raw values, not standardized"),
        ("input `lengths`", "int64", "(batch)", "steps of each sequence, at least 1"),
        ("output `probabilities`", "float32", "(batch, classes)", "sums to 1 per sequence"),
    ]
    table = _table(("name", "type", "shape", "contents"), rows)
    notes = ["Steps after a sequence's length have no influence."]
    if run.fitted.filling.mode != "refuse":
        notes.append(f"NaN is a missing value and is filled ({run.fitted.filling.mode}).")
    else:
        notes.append("Every value must be finite. The graph does not check this.")
    if max_steps is not None:
        notes.append(f"At most {max_steps} steps.")
    if run.preparation.max_length is not None:
        notes.append(
            f"Of longer sequences, {run.preparation.max_length} steps are used "
            f"(data.truncate={run.preparation.truncate})."
        )
    window = run.preparation.window
    if window.size is not None:
        notes.append(
            f"Sequences are cut into windows of {window.size} steps, one every {window.stride} "
            "steps, and the probabilities are averaged."
        )
    return f"{table}\n\n{' '.join(notes)}"


def _features_table(run: TrainedRun, features: Sequence[str]) -> str:
    ranges = run.fitted.ranges
    if ranges is None:
        return _table(("feature", "name"), [(str(n), name) for n, name in enumerate(features)])
    rows = []
    bounds = zip(ranges.lowest.tolist(), ranges.highest.tolist(), strict=True)
    for number, (name, (low, high)) in enumerate(zip(features, bounds, strict=True)):
        digits = num_digits((low, high), least=6)
        rows.append((str(number), name, f"{low:.{digits}g}", f"{high:.{digits}g}"))
    return _table(("feature", "name", "smallest training value", "largest"), rows)


def _training(run: TrainedRun, folder: RunFolder) -> str:
    config, result, provenance = run.config, folder.result(), folder.provenance()
    num_parameters = sum(parameter.numel() for parameter in run.ensemble.parameters())
    lines = [f"- {num_parameters:,} parameters, seed {config.seed}"]
    if result is not None:
        sizes = ", ".join(f"{num} {name}" for name, num in result.num_sequences.items())
        lines += [f"- sequences: {sizes}"] if sizes else []
        lines += [
            f"- {name}: {value:.4f}"
            for name in SCORES
            if (value := result.scores.get(name)) is not None
        ]
    settings = [str(word) for word in provenance.get("overrides", [])]
    settings = [word for word in settings if not word.startswith(LOCAL)]
    lines += [f"- settings: `{' '.join(settings)}`"] if settings else []
    commit = (provenance.get("git") or {}).get("commit")
    lines += [f"- source code at commit `{commit}`"] if commit else []
    lines += [f"- trained at {provenance['started_at']}"] if "started_at" in provenance else []
    return "\n".join(lines)


def _limits(run: TrainedRun, *, max_steps: int | None) -> str:
    lines = [
        "The model knows only the classes above. It answers with one of them for any input.",
        _calibration(run),
        "Values far outside the ranges above are not refused.",
    ]
    if run.fitted.schema is not None and run.fitted.schema.get("resample") is not None:
        lines.append(
            f"Steps have a distance of {run.fitted.schema['resample']} in time. Resample the "
            "sequences before you classify them."
        )
    return "\n".join(f"- {line}" for line in lines)


def _calibration(run: TrainedRun) -> str:
    temperature = run.ensemble.temperature
    if temperature is None:
        return "The probabilities are those of the network. They are not calibrated."
    return (
        f"The probabilities are calibrated: the logits are divided by {float(temperature):.4g}, a "
        "temperature fitted on predictions for sequences like those of the training data."
    )


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )
