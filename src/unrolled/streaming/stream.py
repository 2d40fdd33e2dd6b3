"""Streams: class probabilities after each step of one or more sequences."""

import hashlib
import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unrolled.data.sanity_checks import LARGEST
from unrolled.errors import CheckpointError, DataError
from unrolled.streaming.run_steps import RunSteps
from unrolled.streaming.states import leaves, with_leaves


class Stream:
    """Sequences of which one step after the other arrives.

    After each step, the probabilities equal the ones that `predict` returns for the steps so far.

    steps: the trained run.
    num_streams: sequences that are read at once, >= 1; or None for a single one, whose steps and
        probabilities then have no axis for the sequence.
    """

    def __init__(self, steps: RunSteps, *, num_streams: int | None) -> None:
        if num_streams is not None and num_streams < 1:
            raise DataError(f"need num_streams >= 1, got num_streams={num_streams}")
        self.num_streams = num_streams
        self.num_features = steps.num_features
        self.class_names = steps.fitted.class_names
        self._steps = steps
        self._fills = steps.fitted.filling.mode != "refuse"
        self._fingerprint: Tensor | None = None
        with torch.inference_mode():
            self._start = steps.start(num_streams or 1)
        self._state = self._start

    def step(self, x_t: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Read one step, and return the probability of each class, (c,) or (num_streams, c).

        x_t: raw features, (d,) or (num_streams, d), in the order of the training file. NaN is a
            missing value, if the run fills them.

        Raises:
            DataError: another number of features, a value that is not finite, or a sequence that is
                too long for the network.
        """
        values = np.asarray(x_t, dtype=np.float64)
        expected: tuple[int, ...] = (self.num_features,)
        if self.num_streams is not None:
            expected = (self.num_streams, self.num_features)
        if values.shape != expected:
            raise DataError(
                f"a step of this stream has the shape {expected}, got {tuple(values.shape)}"
            )
        if not (np.abs(values) <= LARGEST).all():  # NaN included
            self._refuse(values)
        rows = torch.from_numpy(values.reshape(-1, self.num_features))
        with torch.inference_mode():
            try:
                probabilities, self._state = self._steps(rows, self._state)
            except ValueError as error:  # head and encoder refuse sequences that are too long
                raise DataError(str(error)) from error
        found: npt.NDArray[np.float32] = probabilities.numpy()
        return found if self.num_streams is not None else found[0]

    def reset(self, streams: Sequence[int] | None = None) -> None:
        """Begin new sequences.

        streams: numbers of the sequences that begin again, from 0. None: all of them.
        """
        if streams is None:
            self._state = self._start
            return
        rows = torch.tensor(list(streams), dtype=torch.long)
        with torch.inference_mode():
            pairs = zip(leaves(self._state), leaves(self._start), strict=True)
            tensors = [_with_rows(now, start, rows) for now, start in pairs]
            self._state = with_leaves(self._state, iter(tensors))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the state as tensors by name; `torch.save` and `torch.load` keep it exactly."""
        parts = {f"state.{number}": part for number, part in enumerate(leaves(self._state))}
        return {"run": self._run(), **{name: part.clone() for name, part in parts.items()}}

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Continue from a state that `state_dict` returned.

        Raises:
            CheckpointError: it is the state of another run, or of another number of streams.
        """
        own = list(leaves(self._start))
        names = [f"state.{number}" for number in range(len(own))]
        if {"run", *names} != state_dict.keys() or not torch.equal(state_dict["run"], self._run()):
            raise CheckpointError("this is not the state of a stream of this run")
        tensors = [state_dict[name] for name in names]
        for tensor, expected in zip(tensors, own, strict=True):
            if len(tensor) != len(expected):
                raise CheckpointError(
                    f"this is the state of {len(tensor)} streams, but this stream has "
                    f"num_streams={len(expected)}"
                )
        self._state = with_leaves(self._start, (tensor.clone() for tensor in tensors))

    def _run(self) -> Tensor:
        """Return a hash of the weights, (32,): a state of other weights has no meaning here."""
        if self._fingerprint is None:
            content = io.BytesIO()
            for name, tensor in self._steps.state_dict().items():
                content.write(name.encode())
                content.write(tensor.numpy().tobytes())
            digest = hashlib.sha256(content.getvalue()).digest()
            self._fingerprint = torch.tensor(list(digest), dtype=torch.uint8)
        return self._fingerprint

    def _refuse(self, values: npt.NDArray[np.float64]) -> None:
        """Refuse values that are not finite, or missing in a run that does not fill them."""
        wrong = ~(np.abs(values) <= LARGEST)
        if self._fills:
            wrong &= ~np.isnan(values)
        for *stream, feature in np.argwhere(wrong).tolist():
            where = f"stream {stream[0]}, " if stream else ""
            value = values[(*stream, feature)]
            raise DataError(f"{where}feature {feature}: {value} is not a finite number")


def _with_rows(now: Tensor, start: Tensor, rows: Tensor) -> Tensor:
    """Return the tensor with some rows as at the start.

    A tensor that grows with the steps, such as keys, begins empty. Its old content stays, because
    the network does not read beyond the number of steps.
    """
    if now.shape != start.shape:
        return now
    return now.index_copy(0, rows, start.index_select(0, rows))
