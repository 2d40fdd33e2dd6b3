"""The network and the sequences of a run that are measured."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unrolled.building.network import Model, Network, untrained_model
from unrolled.config.values import class_name
from unrolled.contracts import Sequences, real_steps
from unrolled.data.channels import Channels
from unrolled.data.module import SequenceDataModule
from unrolled.errors import DataError
from unrolled.prediction.held_out import data_of_run
from unrolled.prediction.long_sequences import network_errors_as_data_errors
from unrolled.prediction.trained_run import TrainedRun
from unrolled.runs.run_folder import RunFolder

BATCH_STEPS = 2**16  # of a batch with its padding


@dataclass(frozen=True)
class Subject:
    """What is measured.

    name: of the model.
    split: train, val or test.
    noun: sequences or windows.
    model: trained.
    fresh: the network before training, or None if the model is fitted without a training loop.
    sequences: filled and standardised, before channels are added, (n, t, d).
    channels: are added to them, or None.
    names: of the sequences, n words.
    mean: of the features over the real steps of the training set, (d,).
    deviation: their standard deviation, (d,).
    num_masks, num_words: how many of the last features mark missing values, and how many after
        them are codes of words.
    temperature: by which the logits are divided; 1 if the run is not calibrated.
    notes: which parts of the run are left out.
    """

    name: str
    split: str
    noun: str
    model: Model
    fresh: Model | None
    sequences: Sequences
    channels: Channels | None
    class_names: list[str]
    names: list[str]
    mean: Float[Tensor, " d"]
    deviation: Float[Tensor, " d"]
    num_masks: int
    num_words: int
    temperature: float
    notes: list[str] = field(default_factory=list)

    @property
    def num_numbers(self) -> int:
        """Features that are numbers, the first ones."""
        return len(self.mean) - self.num_masks - self.num_words

    def prepared(self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]) -> Tensor:
        """Return sequences with the channels that the model reads, (b, t, d2)."""
        if self.channels is None:
            return x
        num = x.shape[2] - self.num_words
        channels = self.channels(x[:, :, :num], lengths).to(x.dtype)
        return torch.cat([channels, x[:, :, num:]], dim=2)

    def classify(
        self, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c"]:
        """Return the logits of sequences, for which channels are computed anew."""
        size = max(1, BATCH_STEPS // x.shape[1])
        logits = []
        for part, num in zip(torch.split(x, size), torch.split(lengths, size), strict=True):
            real = part[:, : int(num.max())]
            real = real.masked_fill(~real_steps(num, real.shape[1])[:, :, None], 0.0)
            with network_errors_as_data_errors():
                logits.append(self.model(self.prepared(real, num), num).float())
        return torch.cat(logits) / self.temperature

    def change(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Return other values for one step of each sequence.

        A standard normal number times the standard deviation of the feature is added to each
        number, the same at every call. Words become unknown words.
        """
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(self.sequences.x.shape[0], self.num_numbers, generator=generator)
        changed = self._without_words(x)
        changed[:, : self.num_numbers] += noise[: len(x)] * self.deviation[: self.num_numbers]
        return changed

    def hide(self, x: Float[Tensor, "s d"]) -> Float[Tensor, "s d"]:
        """Return steps in which numbers are the mean of the training set, and words unknown."""
        hidden = self._without_words(x)
        hidden[:, : self.num_numbers] = self.mean[: self.num_numbers]
        return hidden

    def _without_words(self, x: Float[Tensor, "s d"]) -> Float[Tensor, "s d"]:
        changed = x.clone()
        changed[:, x.shape[1] - self.num_words :] = 0  # the code of an unknown word
        return changed


def load_subject(folder: RunFolder, *, split: str | None, num_sequences: int) -> Subject:
    """Return the first network of a run, and sequences that are evenly spaced in one of its sets.

    split: train, val or test. None: val, or train if the run has no validation set.

    Raises:
        UnrolledError: the data or a checkpoint is missing, or the run has no such set.
    """
    notes = []
    if folder.folds:
        folder = folder.folds[0]
        notes.append("The run is a cross-validation: its first fold is measured.")
    run = TrainedRun(folder)
    config = folder.networks[0].config()
    numbers = run.ensemble.input_numbers
    models: Sequence[Model] = list(run.ensemble.members)  # type: ignore[arg-type]
    first = next((k for k, model in enumerate(models) if isinstance(model, Network)), 0)
    if len(models) > 1:
        config = folder.networks[first].config()
        notes.append(
            f"The run is an ensemble of {len(models)}: member {first + 1} "
            f"({class_name(config.model)}) is measured."
        )
    data = data_of_run(folder, run.fitted_inputs[numbers[first]])
    result = folder.result()
    if result is not None and result.data_fingerprint not in (None, data.fingerprint):
        raise DataError(
            f"the data has changed since the run: its fingerprint is {data.fingerprint}, and was "
            f"{result.data_fingerprint}"
        )
    fitted = run.fitted_inputs[numbers[first]]
    channels = fitted.channels
    parts = data.parts_without_channels()
    if channels is not None and run.preparation.noise_steps:
        channels, parts = None, data.parts
        notes.append("The added channels are computed from whole sequences, as data.noise_steps>0.")
    name, part = _part(data, split, parts={"val": parts.val, "train": parts.train}, test=parts.test)
    rows = torch.linspace(0, len(part) - 1, min(num_sequences, len(part))).round().long()
    chosen = part.take(rows).trimmed()
    real = parts.train.x[real_steps(parts.train.lengths, parts.train.x.shape[1])].double()
    num_words = len(fitted.num_words)
    num_masks = 0
    if fitted.channels is not None:
        num_masks = fitted.channels.num_masks
    elif fitted.filling.mode == "mask":
        num_masks = (part.x.shape[2] - num_words) // 2
    temperature = run.ensemble.temperature
    return Subject(
        name=class_name(config.model),
        split=name,
        noun="sequences" if config.data.window.size is None else "windows",
        model=models[first].eval(),
        fresh=_fresh(folder.networks[first]),
        sequences=chosen,
        channels=channels,
        class_names=list(run.class_names),
        names=_names(data, chosen),
        mean=real.mean(dim=0).float(),
        deviation=real.std(dim=0, unbiased=False).float(),
        num_masks=num_masks,
        num_words=num_words,
        temperature=1.0 if temperature is None or len(models) > 1 else float(temperature),
        notes=notes,
    )


def _part(
    data: SequenceDataModule,
    split: str | None,
    *,
    parts: dict[str, Sequences | None],
    test: Sequences | None,
) -> tuple[str, Sequences]:
    for name in ("val", "train") if split is None else (split,):
        part = test if name == "test" else parts[name]
        if part is not None:
            return name, part
    raise DataError(f"split={split}: the run has no such set; type split=train")


def _fresh(folder: RunFolder) -> Model | None:
    """Return the network with the weights that the seed of the run gives it before training."""
    config = folder.config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = untrained_model(config, folder.preprocessing())
    return model.eval() if isinstance(model, Network) else None


def _names(data: SequenceDataModule, part: Sequences) -> list[str]:
    names = data.names or []
    return [names[row] if row < len(names) else str(row) for row in part.ids.tolist()]
