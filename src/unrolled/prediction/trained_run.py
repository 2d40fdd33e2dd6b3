"""The networks of a trained run, applied to sequences that arrive in pieces."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unrolled.building.ensemble import Ensemble
from unrolled.building.network import Network, trained_model
from unrolled.building.preparation import build_preparation
from unrolled.config.checks import check_config
from unrolled.contracts import Sequences
from unrolled.data.files.piece import Pieces
from unrolled.data.fitted import Fitted
from unrolled.data.sanity_checks import check_sequences
from unrolled.data.windows import average_windows
from unrolled.memory import memory_for
from unrolled.prediction.long_sequences import (
    Held,
    Kept,
    LongSequence,
    batch_bounds,
    can_run_in_chunks,
    in_blocks,
    network_errors_as_data_errors,
)
from unrolled.runs import manifest
from unrolled.runs.own_packages import warn_if_edited
from unrolled.runs.preparations import distinct_preprocessing
from unrolled.runs.run_folder import RunFolder
from unrolled.streaming.refusals import require_streamable
from unrolled.streaming.run_steps import RunSteps

TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Block:
    """Logits of consecutive sequences, or of their windows.

    ids: name of the sequence, (n,).
    logits: (n, c).
    classes: number of the true class, (n,). 0 if the pieces have no classes.
    windows: number of the window in its sequence, counted from 0, (n,). 0 for whole sequences.
    """

    ids: list[str]
    logits: Float[Tensor, "n c"]
    classes: Int[Tensor, " n"]
    windows: Int[Tensor, " n"]

    def take(self, which: Bool[Tensor, " n"]) -> "Block":
        """Return some of the rows."""
        ids = [name for name, is_taken in zip(self.ids, which.tolist(), strict=True) if is_taken]
        return Block(ids, self.logits[which], self.classes[which], self.windows[which])


class TrainedRun:
    """The trained network or ensemble of a run, with the preparation that was fitted for it.

    Each member of an ensemble reads the channels that were fitted for it. Everything else that was
    fitted is the same for all members, and `fitted` has it.

    folder: a run folder with a checkpoint, or with one in the folder of each member.
    """

    def __init__(self, folder: RunFolder) -> None:
        manifest.require_unchanged(folder)
        self.config = folder.config()
        check_config(self.config)
        warn_if_edited(folder.provenance())
        preprocessing = folder.preprocessing()
        self.preparation = build_preparation(self.config)
        fitted = Fitted.from_plain(preprocessing)
        distinct, input_numbers = distinct_preprocessing(folder.networks)
        self.fitted_inputs = [Fitted.from_plain(values) for values in distinct]
        self.fitted = self.fitted_inputs[0]
        self.class_names = fitted.class_names
        channels = fitted.channels
        num_codes = len(fitted.num_words)
        num_numbers: int = (
            preprocessing["num_features"] - num_codes if channels is None else channels.num_features
        )
        if fitted.filling.mode == "mask":
            num_numbers //= 2  # the network also reads a mask per number
        self.num_features = num_numbers + num_codes
        models = [
            trained_model(part.config(), part.preprocessing(), part.best_state_dict())
            for part in folder.networks
        ]
        self.networks = [model for model in models if isinstance(model, Network)]
        self.ensemble = Ensemble(
            models, input_numbers=input_numbers, temperature=folder.temperature()
        ).eval()
        self.runs_in_chunks = (
            not self.cuts_windows
            and all(fitted.channels is None for fitted in self.fitted_inputs)
            and len(self.networks) == len(models)
            and all(map(can_run_in_chunks, self.networks))
        )

    @property
    def words(self) -> list[str]:
        """Columns whose words are codes: the last features."""
        schema, num = self.fitted.schema, len(self.fitted.num_words)
        return [] if schema is None or not num else list(schema["feature_names"][-num:])

    @property
    def cuts_windows(self) -> bool:
        """Whether the networks read windows of a sequence."""
        return self.preparation.window.size is not None

    @property
    def labels_may_change(self) -> bool:
        """Whether windows of a sequence can have different classes."""
        window = self.preparation.window
        return window.labels_may_change and (
            window.label != "any" or self.fitted.background is not None
        )

    def steps(self) -> RunSteps:
        """Return the run as a module that reads step by step.

        Raises:
            ConfigError: the run needs later steps. The message names what to train with instead.
        """
        require_streamable(
            self.ensemble, preparation=self.preparation, fitted_inputs=self.fitted_inputs
        )
        return RunSteps(
            self.ensemble,
            preparation=self.preparation,
            fitted_inputs=self.fitted_inputs,
            num_features=self.num_features,
        )

    def blocks(self, parts: Iterable[Pieces], *, by_window: bool = False) -> Iterator[Block]:
        """Yield logits in the order of the file that the pieces are of.

        by_window: whether windows are classified one by one, each with its own class. Otherwise the
            probabilities of all windows of a sequence are averaged.

        Raises:
            DataError: a value is not finite, or a sequence is too long for the networks.
        """
        kept = Kept(
            self.preparation.max_length,
            cuts_head=self.preparation.truncate == "head",
            begin_long=self._long if self.runs_in_chunks else None,
        )
        for held in in_blocks(parts, kept):
            with torch.inference_mode():
                logits, classes, rows = self._classified(held, by_window=by_window)
            ids = [held.ids[row] for row in (rows - held.first_row).tolist()]
            windows = torch.arange(len(rows)) - torch.searchsorted(rows, rows)
            yield Block(ids, logits, classes, windows)

    def logits(self, inputs: Sequence[Sequences]) -> Float[Tensor, "n c"]:
        """Return the logits of prepared sequences.

        inputs: the same sequences in each preparation of `fitted_inputs`.

        Raises:
            DataError: a sequence does not fit a network.
        """
        size = self.config.data.eval_batch_size
        batches = [
            zip(torch.split(part.x, size), torch.split(part.lengths, size), strict=True)
            for part in inputs
        ]
        with network_errors_as_data_errors():
            return torch.cat([self.ensemble(batch) for batch in zip(*batches, strict=True)])

    def _long(self, row: int) -> LongSequence:
        return LongSequence(
            self.networks,
            self.fitted,
            temperature=self.ensemble.temperature,
            name=f"sequence {row}",
        )

    def _classified(
        self, held: Held, *, by_window: bool
    ) -> tuple[Float[Tensor, "m c"], Int[Tensor, " m"], Int[Tensor, " m"]]:
        """Return logits, classes and rows of consecutive sequences of a file."""
        parts = [
            (long.logits[None], *torch.tensor([[long.first_class], [long.row]]))
            for long in held.long
        ]
        if held.short is not None:
            parts += self._short(held.short, held.short_rows, by_window=by_window)
        logits, classes, owners = (torch.cat(some) for some in zip(*parts, strict=True))
        order = owners.argsort(stable=True)
        return logits[order], classes[order], owners[order]

    def _short(
        self, pieces: Pieces, rows: npt.NDArray[np.int64], *, by_window: bool
    ) -> Iterator[tuple[Float[Tensor, "m c"], Int[Tensor, " m"], Int[Tensor, " m"]]]:
        """Yield logits, classes and rows of whole sequences, batch by batch.

        rows: places of the sequences in the file.
        """
        # batches of similar length: little is padding, and no more than a batch is ever padded
        order = pieces.lengths.argsort(kind="stable")
        lengths = pieces.lengths[order].tolist()
        for start, end in batch_bounds(lengths, batch_size=self.config.data.eval_batch_size):
            chosen = order[start:end]
            with memory_for(
                f"a batch of {len(chosen)} sequences of up to {lengths[end - 1]:,} steps, and "
                "what is computed from it",
                remedy="use shorter sequences, or a machine with more memory",
            ):
                x, numbers = pieces.padded(chosen)
                classes = None if numbers is None else torch.from_numpy(numbers)
                batch = Sequences(
                    x=torch.from_numpy(x),
                    lengths=torch.from_numpy(pieces.lengths[chosen]),
                    y=torch.zeros(len(x), dtype=torch.long) if classes is None else classes[:, 0],
                    ids=torch.from_numpy(rows[chosen]),
                    step_y=classes if by_window else None,
                )
                yield self._classified_batch(batch, by_window=by_window)

    def _classified_batch(
        self, sequences: Sequences, *, by_window: bool
    ) -> tuple[Float[Tensor, "m c"], Int[Tensor, " m"], Int[Tensor, " m"]]:
        """Return logits, classes and ids of sequences or of their windows."""
        check_sequences(
            sequences,
            split="input",
            num_classes=len(self.class_names),
            missing_allowed=self.fitted.filling.mode != "refuse",
        )
        inputs = [self.preparation.apply(sequences, fitted) for fitted in self.fitted_inputs]
        logits = self.logits(inputs)
        if by_window or not self.cuts_windows:
            return logits, inputs[0].y, inputs[0].ids
        owners, probabilities = average_windows(logits.softmax(dim=1), inputs[0].ids)
        by_id = sequences.ids.argsort()
        return probabilities.clamp(min=TINY).log(), sequences.y[by_id], owners
