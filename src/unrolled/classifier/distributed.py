"""Values of all processes of a run on several devices; in a single process, its own values."""

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch import distributed as dist
from torchmetrics.utilities.distributed import gather_all_tensors


def world_size() -> int:
    """Return the number of processes of the run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_rows(values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Return the rows of all processes, in the same order in each process."""
    return values if world_size() == 1 else torch.cat(gather_all_tensors(values))


def summed(values: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """Return the sum over all processes."""
    if world_size() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values
