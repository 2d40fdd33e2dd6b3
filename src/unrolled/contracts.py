"""Types that the packages share: batches, sets of sequences, and sources of data.

Letters in shapes: b sequences in a batch, n sequences in a set, t steps, d features per step,
h hidden units, c classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Of the largest value: a standard deviation below it is less than 16 float32 numbers wide.
FLOAT32_RESOLUTION = 16 * torch.finfo(torch.float32).eps


def real_steps(lengths: Int[Tensor, " b"], num_steps: int) -> Bool[Tensor, "b t"]:
    """Return which steps are real rather than padding, for sequences padded to num_steps (t)."""
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]


class Batch(NamedTuple):
    """Sequences padded to a common number of steps; steps after a sequence's length are padding."""

    x: Float[Tensor, "b t d"]
    lengths: Int[Tensor, " b"]
    y: Int[Tensor, " b"]
    ids: Int[Tensor, " b"]  # row of each sequence in its source, to name it in messages


@dataclass(frozen=True)
class Sequences:
    """A set of labelled sequences, padded and in memory.

    x: features, (n, t, d).
    lengths: real steps of each sequence, 1 <= lengths <= t, (n,).
    y: classes, 0 <= y < c, (n,).
    ids: row of each sequence in its source, (n,); windows keep the id of their recording.
    step_y: class of each step, (n, t), where it changes within sequences; else None. y is then the
        class of most steps, and sequences have to be cut into windows.
    """

    x: Float[Tensor, "n t d"]
    lengths: Int[Tensor, " n"]
    y: Int[Tensor, " n"]
    ids: Int[Tensor, " n"]
    step_y: Int[Tensor, "n t"] | None = None

    @classmethod
    def of_equal_length(
        cls, x: Float[Tensor, "n t d"], y: Int[Tensor, " n"], *, first_id: int
    ) -> "Sequences":
        """Return the set in which every step of x is real; ids count from first_id."""
        num, num_steps = x.shape[:2]
        lengths = torch.full((num,), num_steps)
        return cls(x=x, lengths=lengths, y=y.long(), ids=torch.arange(first_id, first_id + num))

    def __len__(self) -> int:
        return len(self.y)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return x, lengths, y, ids."""
        return self.x, self.lengths, self.y, self.ids

    def take(self, rows: Int[Tensor, " m"]) -> "Sequences":
        """Return the sequences of the given rows, in that order."""
        step_y = None if self.step_y is None else self.step_y[rows]
        x, lengths, y, ids = (tensor.index_select(0, rows) for tensor in self.tensors())
        return Sequences(x=x, lengths=lengths, y=y, ids=ids, step_y=step_y)

    def to(self, device: torch.device) -> "Sequences":
        """Return the set on a device; tensors that are there already are shared, not copied."""
        step_y = None if self.step_y is None else self.step_y.to(device)
        x, lengths, y, ids = (tensor.to(device) for tensor in self.tensors())
        return Sequences(x=x, lengths=lengths, y=y, ids=ids, step_y=step_y)

    def trimmed(self) -> "Sequences":
        """Return the set without the last steps that are padding in every sequence."""
        num_steps = int(self.lengths.max())
        if num_steps == self.x.shape[1]:
            return self
        step_y = None if self.step_y is None else self.step_y[:, :num_steps]
        return replace(self, x=self.x[:, :num_steps].contiguous(), step_y=step_y)

    @property
    def num_bytes(self) -> int:
        """Memory of all tensors, in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors())


@dataclass(frozen=True)
class Feature:
    """A feature of a file.

    column: column that it comes from. The features of the words of a column share it.
    leave_out: what to do to leave the column out, for example "type data.features=[angle]".
    """

    name: str
    column: str
    leave_out: str


@dataclass(frozen=True)
class SourceData:
    """The sequences of a source, and the names of the classes.

    A validation or test set that is None is held out of the training set by the data module.

    missing: how NaN in real steps is filled, or `refuse` if there is none.
    schema: plain values with which the source reads further files in the same way, or None.
    groups: group of each training sequence, (n,), for a split that keeps groups together, or None.
    group_names: group of each sequence of all sets, by its id, or None.
    spans: times of the first and the last step of each training sequence, (n, 2), for a split by
        time, or None.
    names: of the training sequences, n words, or None if they have none.
    features: (d,), or None if the source has no columns that could be left out.
    num_words: known words of each of the last features, (k,), if these are codes of words: 1 to the
        number of words, or 0 for any other word. Empty if all features are numbers.
    fit_features: returns the data with the features that it has if only the given rows of `train`
        are training sequences; None if the features do not depend on the sequences.
    baselines: test accuracy of simple solutions, by name.
    redraw: returns the training set of an epoch >= 1, with as many sequences of the same lengths,
        or None if every epoch uses the same sequences.
    """

    train: Sequences
    val: Sequences | None
    test: Sequences | None
    class_names: Sequence[str]
    missing: str = "refuse"
    schema: dict[str, Any] | None = None
    groups: Int[Tensor, " n"] | None = None
    group_names: Mapping[int, str] | None = None
    spans: Float[Tensor, "n 2"] | None = None
    names: Sequence[str] | None = None
    features: Sequence[Feature] | None = None
    num_words: Sequence[int] = ()
    fit_features: "Callable[[Int[Tensor, ' m']], SourceData] | None" = None
    baselines: Mapping[str, float] = field(default_factory=dict)
    redraw: Callable[[int], Sequences] | None = None

    def parts(self) -> dict[str, Sequences]:
        """Return the parts that are given, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


class Source(ABC):
    """Where labelled sequences come from. No randomness but from an argument called seed."""

    def prepare(self) -> None:  # noqa: B027 - most sources have nothing to fetch
        """Fetch what `load` needs onto this machine; called once per machine."""

    def use_schema(self, schema: dict[str, Any]) -> None:  # noqa: B027 - most read nothing foreign
        """Load as a run did whose SourceData had this `schema`; called before `load`."""

    def allow_label_changes(self) -> None:  # noqa: B027 - in most a sequence has one label
        """Give a class per step where it changes within a sequence; called before `load`."""

    @abstractmethod
    def load(self) -> SourceData:
        """Return raw sequences: before layout, split and standardisation."""
