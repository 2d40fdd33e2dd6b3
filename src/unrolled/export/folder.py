"""Writes the folder of an export: the model, a script that runs it, and a model card."""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from unrolled.data.files.paths import make_absolute
from unrolled.errors import ConfigError, DataError, UnrolledError
from unrolled.export import checks, samples, weights
from unrolled.export.description import metadata, model_card
from unrolled.export.graph import Graph
from unrolled.export.limits import most_steps
from unrolled.export.onnx_file import OPSET, require_packages, write_onnx
from unrolled.export.refusals import require_exportable
from unrolled.export.step_graph import StepGraph
from unrolled.memory import require_memory
from unrolled.prediction.predictor import Predictor
from unrolled.runs.run_folder import RunFolder

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("predict.py")
# Memory that an export needs once the run is loaded, by docs/reliability.md#memory-of-an-export.
BYTES_WITHOUT_WEIGHTS, COPIES_OF_WEIGHTS = 230 * 2**20, 4
EXAMPLE_STREAMS, EXAMPLE_STEPS = 3, 7  # shapes with which the exporter reads the module


def export_run(folder: RunFolder, output: Path, *, as_onnx: bool) -> list[str]:
    """Write the export of a run, and return lines about how it was checked.

    The files appear in the output folder once all checks have passed.

    as_onnx: whether graphs are written, or only the weights (safetensors).

    Raises:
        ConfigError: the model cannot be exported, or a package is not installed.
        ExportError: an exported file does not compute what the run computes.
        OutOfMemoryError: graphs need more memory than is available.
        StorageError: the output cannot be written.
    """
    require_packages(*(("onnx", "onnxscript", "onnxruntime") if as_onnx else ("safetensors",)))
    predictor = Predictor(folder)
    if as_onnx:
        size = sum(weight.nbytes for weight in predictor.run.ensemble.state_dict().values())
        require_memory(
            BYTES_WITHOUT_WEIGHTS + COPIES_OF_WEIGHTS * size,
            what="the exporter of PyTorch, ONNX Runtime and their copies of the weights",
            remedy="use format=safetensors, or a machine with more memory",
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as name:
        temporary = Path(name)
        if as_onnx:
            files, lines = _write_graphs(predictor, folder, temporary)
        else:
            files, lines = _write_weights(predictor, folder, temporary)
        output.mkdir(exist_ok=True)
        for path in sorted(temporary.iterdir()):
            path.replace(output / path.name)
    stale = {"model.onnx", "step.onnx", "start.npz", "predict.py", weights.NAME} - files.keys()
    for left in stale:
        (output / left).unlink(missing_ok=True)
    return lines


def _write_weights(
    predictor: Predictor, folder: RunFolder, output: Path
) -> tuple[dict[str, str], list[str]]:
    words = metadata(predictor.run, folder, max_steps=None)
    line = weights.write_weights(predictor.run, folder, output / weights.NAME, words)
    files = {weights.NAME: "the weights"}
    card = model_card(predictor.run, folder, files=files, lines=[line], max_steps=None)
    (output / "README.md").write_text(card, encoding="utf-8")
    return files, [line]


def _write_graphs(
    predictor: Predictor, folder: RunFolder, output: Path
) -> tuple[dict[str, str], list[str]]:
    run = predictor.run
    require_exportable(run.ensemble)
    max_steps = most_steps(run, num_steps=folder.preprocessing()["num_steps"])
    words = {**metadata(run, folder, max_steps=max_steps), "opset": str(OPSET)}
    shutil.copyfile(SCRIPT, output / "predict.py")
    files = {
        "model.onnx": "classifies whole sequences",
        "predict.py": "runs it; needs only onnxruntime and numpy",
    }
    graph = Graph(run.ensemble, preparation=run.preparation, fitted_inputs=run.fitted_inputs)
    _write_model(graph.eval(), output / "model.onnx", run.num_features, max_steps, words)
    sequences, note = _sequences(predictor, folder, max_steps)
    lines = [checks.check_model(output, predictor, sequences) + note]
    reason = _write_steps(predictor, graph, output, words)
    if reason is None:
        files["step.onnx"] = "reads one step of one or more streams, and returns their next state"
        files["start.npz"] = "the state of a stream before its first step"
        lines.append(checks.check_steps(output, predictor, sequences) + note)
    else:
        lines.append(f"step.onnx was not written: {reason}")
    card = model_card(run, folder, files=files, lines=lines, max_steps=max_steps)
    (output / "README.md").write_text(card, encoding="utf-8")
    return files, lines


def _write_model(
    graph: Graph, path: Path, num_features: int, max_steps: int | None, words: Mapping[str, str]
) -> None:
    num_steps = min(EXAMPLE_STEPS, max_steps or EXAMPLE_STEPS)
    x = torch.zeros(EXAMPLE_STREAMS, num_steps, num_features, dtype=torch.float64)
    batch = torch.export.Dim("batch", min=1)
    steps = torch.export.Dim("steps", min=1, max=max_steps)
    write_onnx(
        graph,
        path,
        arguments=(x, torch.full((EXAMPLE_STREAMS,), num_steps)),
        dynamic_shapes=({0: batch, 1: steps}, {0: batch}),
        input_names=("x", "lengths"),
        output_names=("probabilities",),
        metadata=words,
    )


def _write_steps(
    predictor: Predictor, graph: Graph, output: Path, words: Mapping[str, str]
) -> str | None:
    """Write step.onnx and start.npz, or return why the run has no such graph."""
    try:
        steps = StepGraph(predictor.run.steps(), graph).eval()
    except ConfigError as error:
        return str(error)
    if steps.state_grows:
        return (
            "the state of model=transformer and head=all_steps grows with each step. Other models "
            "and heads have one of a constant size"
        )
    start = steps.start()
    names = [f"state_{number}" for number in range(len(start))]
    arrays = {name: part.numpy() for name, part in zip(names, start, strict=True)}
    np.savez(output / "start.npz", **arrays)  # type: ignore[arg-type]
    batch = {0: torch.export.Dim("batch", min=1)}
    x = torch.zeros(EXAMPLE_STREAMS, predictor.run.num_features, dtype=torch.float64)
    several = tuple(torch.cat([part] * EXAMPLE_STREAMS) for part in start)
    write_onnx(
        steps,
        output / "step.onnx",
        arguments=(x, *several),
        dynamic_shapes={"x": batch, "state": tuple(batch for _ in start)},
        input_names=("x", *names),
        output_names=("probabilities", *(f"next_{name}" for name in names)),
        metadata=words,
    )
    return None


def _sequences(
    predictor: Predictor, folder: RunFolder, max_steps: int | None
) -> tuple[samples.Samples, str]:
    """Return sequences to compare with, and a note if they are not those of the data."""
    run, note = predictor.run, ""
    config = folder.config()
    make_absolute(config.data, started_in=folder.started_in)
    try:
        found = samples.real_samples(config, max_steps=max_steps)
    except UnrolledError as error:
        log.warning("the data of the run cannot be read: %s", error)
        found = samples.random_samples(run, max_steps=max_steps)
        note = " (random sequences, because the data of the run was not found)"
    if run.fitted.filling.mode != "refuse":
        found = found + samples.with_missing_values(found)
    if not found:
        raise DataError("there is no sequence to check the export with")
    return found, note
