"""Writes a module as an ONNX file. Only here are the exporter and its packages imported."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ConfigError
from unrolled.export.refusals import exportable
from unrolled.memory import is_out_of_memory

OPSET = 18


def write_onnx(
    module: nn.Module,
    path: Path,
    *,
    arguments: tuple[Tensor, ...],
    dynamic_shapes: Any,
    input_names: Sequence[str],
    output_names: Sequence[str],
    metadata: Mapping[str, str],
) -> None:
    """Write a graph that is valid for all values of its dynamic axes.

    arguments: examples of the inputs.
    dynamic_shapes: of torch.export, in the structure of the module's parameters.
    metadata: words that the file has besides the graph.

    Raises:
        ConfigError: a package is not installed, or the exporter cannot follow the module.
    """
    require_packages("onnx", "onnxscript")
    try:
        with torch.inference_mode(False), torch.no_grad(), _quiet():
            program = torch.onnx.export(
                module,
                arguments,
                dynamo=True,
                dynamic_shapes=dynamic_shapes,
                input_names=list(input_names),
                output_names=list(output_names),
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ConfigError(
            f"PyTorch cannot export this model to ONNX; {exportable()}: {error.__cause__ or error}"
        ) from error
    assert program is not None
    program.model.metadata_props.update(metadata)
    program.save(path, external_data=False)


def require_packages(*names: str) -> None:
    """Refuse to go on without some packages.

    Raises:
        ConfigError: one is not installed. The message has the command that installs it.
    """
    for name in names:
        try:
            __import__(name)
        except ImportError as error:
            if is_out_of_memory(error):
                raise
            raise ConfigError(
                f"export needs {name}, which is not installed; `pip install 'unrolled[onnx]'`"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence notes about packages that are not needed, such as torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
