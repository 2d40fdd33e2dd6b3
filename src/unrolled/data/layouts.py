"""How the numbers of a sequence of equal length are laid out in time."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import LAYOUTS, PERMUTATIONS
from unrolled.errors import ConfigError, DataError


def permutation(name: int | str, *, size: int) -> Int[Tensor, " size"]:
    """Return an order of `size` pixels.

    name: a seed of ours (int >= 0), or a published permutation: `torch_5544`
        (torch.manual_seed(5544), then torch.randperm; used by UnICORNN, coRNN and LEM) or
        `numpy_92916` (numpy.random.RandomState(92916).permutation; used by expRNN).

    Raises:
        ConfigError: another name.
    """
    if name == "numpy_92916":
        return torch.from_numpy(np.random.RandomState(92916).permutation(size))
    if name == "torch_5544":
        return torch.randperm(size, generator=torch.Generator().manual_seed(5544))
    if isinstance(name, int) and name >= 0:
        return torch.randperm(size, generator=torch.Generator().manual_seed(name))
    raise ConfigError(
        f"data.permutation={name!r}: need a seed >= 0 or one of {', '.join(PERMUTATIONS)}"
    )


def lay_out(
    x: Float[Tensor, "n t d"],
    *,
    layout: str,
    permutation_name: int | str = 0,
    pixels_per_step: int = 1,
) -> Float[Tensor, "n t2 d2"]:
    """Return x as rows (as it is), columns (t and d swapped), pixels or permuted.

    An image is a sequence of its rows, so rows, columns and pixels have their usual meaning.

    pixels_per_step: d of pixels and permuted, a divisor of the number of pixels; 1 for the others.

    Raises:
        ConfigError: an unknown layout, or pixels_per_step does not fit it.
    """
    size = x.shape[1] * x.shape[2]
    if pixels_per_step < 1 or size % pixels_per_step:
        raise ConfigError(f"data.pixels_per_step={pixels_per_step}: need a divisor of {size}")
    if pixels_per_step > 1 and layout not in ("pixels", "permuted"):
        raise ConfigError(
            f"data.pixels_per_step={pixels_per_step}: need data.layout=pixels or permuted, "
            f"got {layout}"
        )
    match layout:
        case "rows":
            return x
        case "columns":
            return x.transpose(1, 2).contiguous()
        case "pixels":
            return x.reshape(len(x), -1, pixels_per_step)
        case "permuted":
            order = permutation(permutation_name, size=size)
            return x.flatten(1)[:, order].reshape(len(x), -1, pixels_per_step)
    raise ConfigError(f"data.layout={layout!r}: need one of {', '.join(LAYOUTS)}")


def require_equal_lengths(lengths: Int[Tensor, " n"], *, layout: str, num_steps: int) -> None:
    """Refuse a layout that would mix padding with real steps.

    Raises:
        DataError: the layout is not rows and a sequence is shorter than num_steps.
    """
    if layout != "rows" and bool((lengths != num_steps).any()):
        raise DataError(
            f"data.layout={layout} needs sequences of equal length, these have "
            f"{int(lengths.min())} to {int(lengths.max())} steps; use data.layout=rows"
        )
