"""Compares exported files with the run: the same sequences, the same probabilities."""

import importlib.util
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unrolled.errors import ExportError
from unrolled.export.onnx_file import require_packages
from unrolled.export.samples import Samples
from unrolled.prediction.predictor import Predictor

LARGEST_DIFFERENCE = 1e-5  # of a probability
BATCH_SIZES = (1, 3)  # besides all sequences as one batch
STREAM_STEPS = 50


def check_model(folder: Path, predictor: Predictor, sequences: Samples) -> str:
    """Run model.onnx on batches of several sizes and lengths, and return a line about it.

    The script in the folder runs it, so that the script is checked as well.

    Raises:
        ExportError: a probability differs from the one of `predict`.
    """
    script = _script(folder)
    expected = predictor.predict(sequences).probabilities
    model, class_names = script.load()
    assert class_names == predictor.class_names
    largest = 0.0
    for size in (*BATCH_SIZES, len(sequences)):
        for first in range(0, len(sequences), size):
            rows = slice(first, first + size)
            found = script.predict(model, sequences[rows])
            largest = max(largest, _difference(found, expected[rows], "model.onnx"))
    lengths = [len(sequence) for sequence in sequences]
    sizes = ", ".join(map(str, BATCH_SIZES))
    return (
        f"model.onnx: {len(sequences)} sequences of {min(lengths)} to {max(lengths)} steps, in "
        f"batches of {sizes} and {len(sequences)}: largest difference {largest:.1e}"
    )


def check_steps(folder: Path, predictor: Predictor, sequences: Samples) -> str:
    """Run step.onnx on streams of several sequences at once, and return a line about it.

    Raises:
        ExportError: a probability differs from the one of `Predictor.stream`.
    """
    script = _script(folder)
    model, _ = script.load("step.onnx")
    longest = sorted(sequences, key=len)[-3:]
    num_steps = min(STREAM_STEPS, *(len(sequence) for sequence in longest))
    largest = 0.0
    for streams in (longest[-1:], longest):
        stream, state = predictor.stream(num_streams=len(streams)), None
        for x in np.stack([sequence[:num_steps] for sequence in streams], axis=1):
            found, state = script.step(model, x, state)
            largest = max(largest, _difference(found, stream.step(x), "step.onnx"))
    return (
        f"step.onnx: {num_steps} steps of 1 and {len(longest)} streams: "
        f"largest difference {largest:.1e}"
    )


def _difference(found: Any, expected: Any, name: str) -> float:
    difference = float(np.abs(found - expected).max())
    if not difference <= LARGEST_DIFFERENCE:  # NaN included
        raise ExportError(
            f"{name} differs from the run by {difference:.2g} in a probability, more than "
            f"{LARGEST_DIFFERENCE}; the files were not written. Please report this, with the "
            "config.yaml of the run"
        )
    return difference


def _script(folder: Path) -> ModuleType:
    require_packages("onnxruntime")
    loader = _WithoutCompiledFile("exported_predict", str(folder / "predict.py"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class _WithoutCompiledFile(SourceFileLoader):
    """Imports a script, and writes no __pycache__ next to it."""

    def set_data(self, *_: Any, **__: Any) -> None:
        """Write nothing."""


def check_weights(found: dict[str, Any], expected: Sequence[tuple[str, Any]]) -> str:
    """Compare the tensors of model.safetensors with those of the run, bit for bit.

    Raises:
        ExportError: a tensor differs.
    """
    for name, tensor in expected:
        if name not in found or not np.array_equal(found[name], tensor.numpy()):
            raise ExportError(f"model.safetensors: {name} differs from the run")
    return f"model.safetensors: {len(found)} tensors, equal to those of the run"
