"""Cuts long recordings into windows, which are classified one by one."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.config.choices import WINDOW_LABELS
from unrolled.contracts import Sequences, real_steps
from unrolled.errors import ConfigError, DataError, did_you_mean


class Windows:
    """Windows start every `stride` steps, and the last one ends with the recording.

    Every step is in a window. A recording that is shorter than a window is one short window.

    size: steps of a window, >= 1, or None for no windows.
    stride: steps from the start of a window to the start of the next, 1 <= stride <= size, or
        None for size.
    label: the class of a window if labels change within a recording:
        refuse: they must not change.
        last: the class of its last step.
        majority: its most frequent class. Ties go to the first class.
        any: its most frequent class other than the background, or else the background.
    background: for `any`, the class of steps in which nothing happens. None selects the most
        frequent class of the training set.
    """

    def __init__(
        self,
        *,
        size: int | None,
        stride: int | None,
        label: str,
        background: str | float | bool | None,
    ) -> None:
        if label not in WINDOW_LABELS:
            raise ConfigError(f"data.window.label={label}: need one of {', '.join(WINDOW_LABELS)}")
        if size is None and (stride is not None or label != "refuse" or background is not None):
            raise ConfigError(
                "data.window.stride, label and background need windows: data.window.size=STEPS"
            )
        if size is not None and not 1 <= (size if stride is None else stride) <= size:
            raise ConfigError(
                f"data.window.size={size} data.window.stride={stride}: need 1 <= stride <= size; "
                "steps between two windows would be in none"
            )
        if background is not None and label != "any":
            raise ConfigError("data.window.background is for data.window.label=any")
        self.size = size
        self.stride = size if stride is None else stride
        self.label = label
        self.background = None if background is None else str(background)

    @property
    def labels_may_change(self) -> bool:
        """Whether labels may change within a recording."""
        return self.label != "refuse"

    def starts(self, length: int) -> list[int]:
        """Return the first step of each window of a recording with `length` steps."""
        assert self.size is not None
        assert self.stride is not None
        last = max(length - self.size, 0)
        return [*range(0, last, self.stride), last]

    def num_windows(self, lengths: Int[Tensor, " n"]) -> int:
        """Return the number of windows of recordings, or of recordings if they are not cut."""
        if self.size is None:
            return len(lengths)
        return sum(len(self.starts(length)) for length in lengths.tolist())

    def background_of(self, train: Iterable[Sequences], class_names: Sequence[str]) -> str | None:
        """Return the name of the background class, or None if it is not needed.

        train: the training set in blocks.

        Raises:
            DataError: the class does not exist.
        """
        if self.label != "any":
            return None
        counts = torch.zeros(len(class_names), dtype=torch.long)
        for block in train:
            if block.step_y is None:
                return None
            real = real_steps(block.lengths, block.x.shape[1])
            counts += torch.bincount(block.step_y[real], minlength=len(class_names))
        if self.background is None:
            return class_names[int(counts.argmax())]
        if self.background not in class_names:
            raise DataError(
                f"data.window.background={self.background}: no such class; there are "
                f"{', '.join(class_names)}{did_you_mean(self.background, class_names)}"
            )
        return self.background

    def cut(self, part: Sequences, *, background: int | None) -> Sequences:
        """Return the windows of all recordings, in order, each with the id of its recording.

        background: index of the background class; needed for `any` if labels change.
        """
        if self.size is None:
            return part
        starts = [self.starts(length) for length in part.lengths.tolist()]
        rows = torch.arange(len(part)).repeat_interleave(torch.tensor([*map(len, starts)]))
        first = torch.tensor([start for some in starts for start in some])  # (m,)
        lengths = part.lengths[rows].clamp(max=self.size)
        offsets = torch.arange(min(self.size, part.x.shape[1]))
        real = offsets < lengths[:, None]  # (m, t)
        steps = torch.where(real, first[:, None] + offsets, 0)
        x = part.x[rows[:, None], steps].masked_fill_(~real[:, :, None], 0.0)
        y = part.y[rows]
        if part.step_y is not None:
            y = self._labels(part.step_y[rows[:, None], steps], real, background)
        return Sequences(x=x, lengths=lengths, y=y, ids=part.ids[rows])

    def _labels(
        self, y: Int[Tensor, "m t"], real: Tensor, background: int | None
    ) -> Int[Tensor, " m"]:
        """Return the class of each window. y: the class of each step."""
        if self.label == "last":
            last = real.sum(dim=1, keepdim=True) - 1
            return y.gather(1, last)[:, 0]
        counts = torch.zeros(len(y), int(y.max()) + 1, dtype=torch.long)
        counts.scatter_add_(1, y, real.long())
        if self.label == "majority":
            return counts.argmax(dim=1)
        assert background is not None
        if background < counts.shape[1]:
            counts[:, background] = 0
        return torch.where(counts.any(dim=1), counts.argmax(dim=1), background)


def average_windows(
    probabilities: Float[Tensor, "n c"], ids: Int[Tensor, " n"]
) -> tuple[Int[Tensor, " m"], Float[Tensor, "m c"]]:
    """Return the distinct ids in order, and the mean of the probabilities of each id."""
    names, owners, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    sums = probabilities.new_zeros(len(names), probabilities.shape[1], dtype=torch.float64)
    sums.index_add_(0, owners, probabilities.double())
    return names, (sums / counts[:, None]).to(probabilities.dtype)
