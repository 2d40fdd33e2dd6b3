"""The graph of the network and its vectors for TensorBoard, on request."""

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from unrolled.contracts import Sequences
from unrolled.output import inert

log = logging.getLogger(__name__)

MAX_STEPS = 32  # of a sequence that the graph is traced with: a loop over time has a node per step
MAX_VECTORS = 1000


def add_graph(writer: SummaryWriter, pl_module: LightningModule, part: Sequences | None) -> None:
    """Add the graph of the network. One that cannot be traced is reported and left out."""
    if part is None:
        return
    x, lengths = _batch(pl_module, part, num=2)
    x, lengths = x[:, :MAX_STEPS], lengths.clamp(max=MAX_STEPS)
    network: nn.Module = pl_module.network  # type: ignore[assignment]
    encoder: Any = network.encoder
    was_training, kernel = network.training, encoder.kernel
    network.eval()
    encoder.kernel = "torch"  # the tracer ends the process at compiled loops
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the tracer, about values that become constants
            writer.add_graph(network, (x, lengths))
    except Exception as error:  # noqa: BLE001 - a network of the user's may do anything
        log.warning("callbacks.tensorboard_views.graph=true: no graph: %s", error)
    finally:
        network.train(was_training)
        encoder.kernel = kernel


@torch.no_grad()
def add_projector(
    writer: SummaryWriter,
    pl_module: LightningModule,
    part: Sequences,
    *,
    class_names: Sequence[str],
) -> None:
    """Add the vector of each sequence that the last linear layer reads, with its class."""
    vectors: list[Tensor] = []
    network: nn.Module = pl_module.network  # type: ignore[assignment]
    was_training = network.training
    network.eval()
    last: nn.Module = network.head.output  # type: ignore[union-attr,assignment]
    handle = last.register_forward_hook(lambda _, inputs, __: vectors.append(inputs[0]))
    try:
        network(*_batch(pl_module, part, num=MAX_VECTORS))
    finally:
        handle.remove()
        network.train(was_training)
    names = [" ".join(inert(class_names[int(y)]).split()) for y in part.y[:MAX_VECTORS]]
    writer.add_embedding(vectors[0].float().cpu(), metadata=names, tag="head")


def _batch(pl_module: LightningModule, part: Sequences, *, num: int) -> tuple[Tensor, Tensor]:
    x, lengths = part.x[:num], part.lengths[:num]
    return x.to(pl_module.device), lengths.to(pl_module.device)
