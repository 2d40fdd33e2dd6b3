"""All checks of a network, by name, for `unrolled check`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unrolled.checking.contract import (
    batches_change_no_logit,
    chunks_equal_the_whole,
    gradients_are_finite,
    hidden_states_have_the_size_of_the_encoder,
    padding_changes_nothing_in_training,
    padding_reaches_no_logit,
    padding_reaches_no_real_step,
    parameter_groups_are_complete,
    states_are_those_after_the_last_real_step,
    steps_equal_the_whole,
    untrained_loss_is_ln_c,
)
from unrolled.checking.probe import LENGTHS, NOISE, Probe, make_probe, with_noise
from unrolled.encoders.blocks.encoder import Encoder
from unrolled.errors import ContractError

NUM_SEQUENCES = 250  # whose untrained loss is computed


@dataclass(frozen=True)
class Check:
    """A check that can be carried out.

    carry_out: raises ContractError if the check fails.
    skipped: why it does not apply to this network, or "".
    """

    name: str
    carry_out: Callable[[], None]
    skipped: str


def network_checks(
    network: nn.Module, *, num_features: int, encoder_features: int, num_classes: int
) -> Iterator[Check]:
    """Yield the checks of a `building.network.Network` with fresh weights.

    Each computes in double precision if the network can, and with noise added to the weights.

    num_features: per step of the sequences (d).
    encoder_features: per step of the sequences that the encoder reads, after the stem.
    num_classes: (c).
    """
    copy, problem = _prepared(network, num_features=num_features)
    dtype = torch.float32 if problem else torch.float64
    probe = make_probe(num_features=num_features, dtype=dtype, lengths=LENGTHS)
    inner = make_probe(num_features=encoder_features, dtype=dtype, lengths=LENGTHS)
    encoder = copy.get_submodule("encoder")
    assert isinstance(encoder, Encoder)

    def of_network(name: str, check: Callable[[nn.Module, Probe], None]) -> Check:
        return Check(name, lambda: check(copy, probe), "")

    def of_encoder(name: str, check: Callable[[Encoder, Probe], None], *, steps: bool) -> Check:
        needs_whole = steps and not encoder.has_steps
        reason = "the model reads whole sequences only" if needs_whole else ""
        return Check(name, lambda: check(encoder, inner), reason)

    reason = f"the other checks use single precision: {problem}" if problem else ""
    yield Check("computes in double precision", lambda: None, reason)
    yield of_encoder(
        "hidden states have the size of the encoder",
        hidden_states_have_the_size_of_the_encoder,
        steps=False,
    )
    yield of_encoder("padding reaches no real step", padding_reaches_no_real_step, steps=False)
    yield of_network("padding reaches no logit", padding_reaches_no_logit)
    yield of_network("other sequences of a batch reach no logit", batches_change_no_logit)
    yield of_network("padding changes nothing in training", padding_changes_nothing_in_training)
    yield of_encoder("chunks equal the whole", chunks_equal_the_whole, steps=True)
    yield of_encoder("steps equal the whole", steps_equal_the_whole, steps=True)
    yield of_encoder(
        "states are those after the last real step",
        states_are_those_after_the_last_real_step,
        steps=True,
    )
    yield Check("parameter groups are complete", lambda: parameter_groups_are_complete(network), "")
    yield of_network("gradients are finite", gradients_are_finite)
    yield Check(
        "the untrained loss is ln c",
        lambda: _check_loss(network, num_features=num_features, num_classes=num_classes),
        "",
    )


def _prepared(network: nn.Module, *, num_features: int) -> tuple[nn.Module, str]:
    """Return a copy to check, and why it is not in double precision, or "".

    Raises:
        ContractError: the network fails in single precision too.
    """
    problem = ""
    for dtype in (torch.float64, torch.float32):
        probe = make_probe(num_features=num_features, dtype=dtype, lengths=LENGTHS)
        copy = with_noise(network, deviation=NOISE).to(dtype).eval()
        try:
            logits: Tensor = copy(probe.x, probe.lengths)
        except Exception as error:  # of a module of the user; the cause is printed
            if problem:
                raise ContractError(f"the network fails: {error}") from error
            problem = f"{type(error).__name__}: {error}"
            continue
        if not logits.isfinite().all():  # it may not accept every weight
            copy = with_noise(network, deviation=0.0).to(dtype).eval()
        return copy, problem
    raise AssertionError


def _check_loss(network: nn.Module, *, num_features: int, num_classes: int) -> None:
    x = torch.randn(NUM_SEQUENCES, max(LENGTHS), num_features)
    lengths = torch.randint(1, max(LENGTHS) + 1, (NUM_SEQUENCES,))
    y = torch.randint(num_classes, (NUM_SEQUENCES,))
    untrained_loss_is_ln_c(network.eval(), x, lengths, y, num_classes=num_classes)
