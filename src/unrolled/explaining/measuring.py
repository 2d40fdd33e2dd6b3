"""Computes every measure that applies to a run."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from unrolled.building.network import Network
from unrolled.encoders.blocks.stacked import Stacked
from unrolled.errors import DataError
from unrolled.explaining import explanation as results
from unrolled.explaining.changes import early_decision, forgetting_curve, occlusion
from unrolled.explaining.eigenvalues import recurrent_eigenvalues
from unrolled.explaining.gradients import state_gradient_norms, state_size, why_no_state
from unrolled.explaining.integrated_gradients import integrated_gradients, is_installed
from unrolled.explaining.saturation import saturation
from unrolled.explaining.subject import Subject, load_subject
from unrolled.runs.run_folder import RunFolder

GRADIENT_VALUES = 2**24  # numbers in all states of a batch, of which autograd keeps several copies
MIN_SEQUENCES = 4  # whose gradients are computed, however long they are
WINDOWS = 16  # of occlusion, that cover a sequence without overlap


def explain(
    folder: RunFolder,
    *,
    split: str | None,
    num_sequences: int,
    num_positions: int,
    num_examples: int,
) -> results.Explanation:
    """Return all measures of a run. For the settings see conf/explain.yaml.

    Raises:
        UnrolledError: the data or a checkpoint is missing, or the run has no such set.
    """
    subject = load_subject(folder, split=split, num_sequences=num_sequences)
    measures = _Measures(subject)
    measures.of_states()
    measures.of_changes(num_positions)
    measures.of_examples(num_examples)
    return results.Explanation(
        split=subject.split,
        noun=subject.noun,
        num_sequences=len(subject.sequences),
        model=subject.name,
        notes=subject.notes,
        skipped=measures.skipped,
        **measures.found,
    )


@dataclass
class _Measures:
    """Measures by the name of their field in `Explanation`, and the reasons for missing ones."""

    subject: Subject
    found: dict[str, Any] = field(default_factory=lambda: {"steps_per_state": 1.0})
    skipped: dict[str, str] = field(default_factory=dict)

    def of_states(self) -> None:
        """Measure gradients, saturation and eigenvalues, which belong to a network."""
        model, part = self.subject.model, self.subject.sequences
        names = ("gradients at the state", "saturation", "eigenvalues")
        if not isinstance(model, Network):
            reason = f"{self.subject.name} is fitted without a training loop, and has no state"
            self.skipped |= dict.fromkeys(names, reason)
            return
        x = self.subject.prepared(part.x, part.lengths)
        with torch.no_grad():
            read, lengths, _ = model.stem(model.embed(x), part.lengths)
        self.found["steps_per_state"] = float(part.lengths.sum() / lengths.sum())
        no_state = why_no_state(model.encoder, read)
        if no_state is None:
            self.found["gradients"] = self._gradients(x, read)
        else:
            self.skipped[names[0]] = no_state
        if isinstance(model.encoder, Stacked):
            shares = saturation(model.encoder, read, lengths)
            self.found["saturation"] = [results.GateShares(**asdict(one)) for one in shares]
        else:
            self.skipped[names[1]] = f"it is defined for rnn, lstm and gru, not {self.subject.name}"
        self.found["eigenvalues"] = [
            results.Spectrum(one.real.tolist(), one.imag.tolist())
            for one in recurrent_eigenvalues(model.encoder)
        ]
        if not self.found["eigenvalues"]:
            self.skipped[names[2]] = (
                f"{self.subject.name} has no recurrent map that is the same at every step"
            )

    def _gradients(self, x: Tensor, read: Tensor) -> results.StateGradients:
        """Return the norms for as many sequences as fit into memory.

        x: what the network reads; read: what its encoder reads.
        """
        model, fresh, part = self.subject.model, self.subject.fresh, self.subject.sequences
        assert isinstance(model, Network)
        assert isinstance(fresh, Network)
        size = GRADIENT_VALUES // (read.shape[1] * state_size(model.encoder, read))
        num = min(len(x), max(size, MIN_SEQUENCES))
        rows = torch.linspace(0, len(x) - 1, num).round().long()

        def norms(network: Network) -> list[float]:
            batches = [
                state_gradient_norms(network, x[some], part.lengths[some], part.y[some])
                for some in torch.split(rows, max(size, 1))
            ]
            return [float(column.nanmean()) for column in torch.cat(batches).double().unbind(1)]

        return results.StateGradients(before=norms(fresh), after=norms(model), num_sequences=num)

    def of_changes(self, num_positions: int) -> None:
        """Measure how logits respond to changed and missing steps."""
        subject, part = self.subject, self.subject.sequences
        longest = int(part.lengths.max())

        def forgetting() -> results.Forgetting:
            num = min(num_positions, longest)
            places = torch.linspace(0, longest - 1, num).round().long().tolist()
            change = forgetting_curve(
                subject.classify,
                part.x,
                part.lengths,
                steps_before_end=places,
                change=subject.change,
            )
            return results.Forgetting(places, change)

        def early() -> results.Early:
            num = min(num_positions, longest)
            shares = [(k + 1) / num for k in range(num)]
            found = early_decision(subject.classify, part.x, part.lengths, part.y, shares=shares)
            return results.Early(
                **asdict(found), enough=found.enough, num_steps=longest, num_sequences=len(part)
            )

        self._try("forgetting", "forgetting curve", forgetting)
        self._try("early", "early decision", early)

    def of_examples(self, num_examples: int) -> None:
        """Hide steps of single sequences, the first ones of different classes if there are some."""
        subject, part = self.subject, self.subject.sequences
        if not num_examples:
            return
        reason = None
        if not isinstance(subject.model, Network):
            reason = f"{subject.name} has no gradient"
        elif subject.num_words:
            reason = "a word has no value between two others"
        elif not is_installed():
            reason = "captum is not installed; type: pip install captum"
        if reason is not None:
            self.skipped["integrated gradients"] = reason
        seen: dict[int, int] = {}
        order = []  # (sequences of the class before, row)
        for row, label in enumerate(part.y.tolist()):
            order.append((seen.get(label, 0), row))
            seen[label] = seen.get(label, 0) + 1
        rows = sorted(row for _, row in sorted(order)[:num_examples])
        attributes = reason is None

        def examples() -> list[results.Example]:
            return [self._example(row, attributes=attributes) for row in rows]

        self._try("examples", "occlusion", examples)

    def _example(self, row: int, *, attributes: bool) -> results.Example:
        subject, part = self.subject, self.subject.sequences
        x = part.x[row, : part.lengths[row]]
        window = math.ceil(len(x) / WINDOWS)
        with torch.no_grad():
            probabilities = subject.classify(x[None], part.lengths[row : row + 1]).softmax(dim=1)[0]
        best = int(probabilities.argmax())
        gradients = (
            integrated_gradients(subject.classify, x, hide=subject.hide).tolist()
            if attributes
            else []
        )
        return results.Example(
            name=subject.names[row],
            label=subject.class_names[int(part.y[row])],
            predicted=subject.class_names[best],
            probability=float(probabilities[best]),
            window=window,
            occlusion=occlusion(subject.classify, x, window=window, hide=subject.hide).tolist(),
            integrated_gradients=gradients,
        )

    def _try(self, key: str, name: str, measure: Callable[[], Any]) -> None:
        """Keep a measure, or the reason why the model refuses the changed sequences."""
        try:
            self.found[key] = measure()
        except DataError as error:
            self.skipped[name] = str(error)
