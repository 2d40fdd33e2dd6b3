"""Windows of recordings that are longer than a network is to read at once."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from unrolled.config.choices import WINDOW_LABELS
from unrolled.contracts import Sequences, real_steps
from unrolled.errors import ConfigError, DataError, did_you_mean


class Windows:
    """Windows begin every `stride` steps; the last one ends where the recording ends.

    So every step is in a window. A recording shorter than a window is one short window.

    size: steps of a window, >= 1, or None for no windows.
    stride: steps from the start of a window to the start of the next, 1 <= stride <= size, or
        None for size.
    label: what a window's class is where labels change within a recording. refuse: they may not;
        last: that of its last step; majority: that of most of its steps (of equals the first in
        the order of classes); any: that of most of its steps that are not background, background
        if there are none.
    background: for `any`, the class of steps on which nothing happens; None: the class of most
        steps of the training part.
    """

    def __init__(
        self, *, size: int | None, stride: int | None, label: str, background: str | None
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
        """Whether a window has a label where those of its steps differ."""
        return self.label != "refuse"

    def starts(self, length: int) -> list[int]:
        """Return where the windows of a recording of so many steps begin."""
        assert self.size is not None
        assert self.stride is not None
        last = max(length - self.size, 0)
        return [*range(0, last, self.stride), last]

    def background_of(self, train: Sequences, class_names: Sequence[str]) -> str | None:
        """Return the name of the background; None where nobody asks for it.

        Raises:
            DataError: there is no such class.
        """
        if self.label != "any" or train.step_y is None:
            return None
        if self.background is None:
            real = real_steps(train.lengths, train.x.shape[1])
            return class_names[int(torch.bincount(train.step_y[real]).argmax())]
        if self.background not in class_names:
            raise DataError(
                f"data.window.background={self.background}: no such class; there are "
                f"{', '.join(class_names)}{did_you_mean(self.background, class_names)}"
            )
        return self.background

    def cut(self, part: Sequences, *, background: int | None) -> Sequences:
        """Return the windows of all recordings, in order, each with the id of its recording.

        background: number of that class; needed for `any` where labels change.
        """
        if self.size is None:
            return part
        starts = [self.starts(length) for length in part.lengths.tolist()]
        rows = torch.arange(len(part)).repeat_interleave(torch.tensor([*map(len, starts)]))
        first = torch.tensor([start for some in starts for start in some])  # (m,)
        lengths = part.lengths[rows].clamp(max=self.size)
        offsets = torch.arange(int(lengths.max()))
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
        """Return the class of each window; y: of each step."""
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
