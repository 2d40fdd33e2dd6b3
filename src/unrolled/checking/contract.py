"""The rules that every network obeys. A function that returns has found nothing wrong.

Each raises `ContractError` with a message that names the rule. They expect a network in evaluation
mode and in the precision of the probe.
"""

import math
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from unrolled.checking.probe import Probe
from unrolled.contracts import real_steps
from unrolled.encoders.blocks.encoder import Encoder
from unrolled.errors import ContractError

# Maps sequences, (b, t, d), and their lengths, (b,), to an output for each sequence.
Computes = Callable[[Tensor, Tensor], Tensor]
LOSS_TOLERANCE = 0.05


def hidden_states_have_the_size_of_the_encoder(encoder: Encoder, probe: Probe) -> None:
    """Require hidden states of shape (b, t, h), where h is `output_size`."""
    shape = (*probe.x.shape[:2], encoder.output_size)
    found = encoder(probe.x, probe.lengths).shape
    if found != shape:
        raise ContractError(f"the hidden states have shape {(*found,)}, expected {shape}")


def padding_reaches_no_real_step(encoder: Encoder, probe: Probe) -> None:
    """Require hidden states of real steps that do not depend on the values in the padding."""
    real = real_steps(probe.lengths, probe.x.shape[1])
    hidden = encoder(probe.x, probe.lengths)[real]
    changed = encoder(probe.padded(num_more=0), probe.lengths)[real]
    probe.require_same(
        changed,
        hidden,
        "steps depend on the padding after a sequence; read only earlier steps, or use `lengths`",
    )


def sequences_do_not_reach_each_other(encoder: Encoder, probe: Probe) -> None:
    """Require hidden states of a sequence that are the same next to other sequences."""
    hidden = encoder(probe.x, probe.full_lengths)
    for row in (0, -1):
        changed = torch.randn_like(probe.x)
        changed[row] = probe.x[row]
        probe.require_same(
            encoder(changed, probe.full_lengths)[row],
            hidden[row],
            "sequences of a batch influence each other; the first axis of x is the sequence "
            "(torch's recurrent modules need batch_first: true)",
        )


def padding_reaches_no_logit(network: Computes, probe: Probe) -> None:
    """Require logits that do not depend on values in the padding, or on more padding."""
    logits = network(probe.x, probe.lengths)
    for num_more in (0, 4):
        changed = network(probe.padded(num_more=num_more), probe.lengths)
        probe.require_same(changed, logits, "padding changes logits")


def padding_changes_nothing_in_training(network: nn.Module, probe: Probe) -> None:
    """Require logits in training mode that do not depend on the values in the padding.

    The statistics of a batch normalization depend on them, unless it leaves the padding out.
    """
    network.train()
    results = []
    for x in (probe.x, probe.padded(num_more=0)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # of dropout
            results.append(network(x, probe.lengths))
    network.eval()
    if not torch.equal(*results):
        remedy = _remedy_for_padding(network, probe)
        message = f"padding changes the logits in training mode{remedy}"
        probe.require_same(results[1], results[0], message)


def _remedy_for_padding(network: nn.Module, probe: Probe) -> str:
    """Return what to do if padding changes logits in training mode."""
    try:
        padding_reaches_no_logit(network, probe)
    except ContractError:
        return " as in evaluation mode; read only earlier steps, or use `lengths`"
    if any(isinstance(module, _BatchNorm) for module in network.modules()):
        return "; batch normalization must leave it out"
    return " only; statistics of a batch must leave it out"


def batches_change_no_logit(network: Computes, probe: Probe) -> None:
    """Require the same logits for a sequence alone and in batches of any order and size."""
    x, lengths = probe.x, probe.lengths
    logits = network(x, lengths)
    pairs = zip(x, lengths, strict=True)
    alone = [network(one[None, :length], length[None]) for one, length in pairs]
    probe.require_same(
        torch.cat(alone), logits, "a sequence alone has other logits than in a padded batch"
    )
    order = torch.arange(len(x)).flip(0)
    probe.require_same(
        network(x[order], lengths[order]), logits[order], "the order of a batch changes logits"
    )
    size = len(x) - 2  # the second batch keeps the padding of the first
    parts = [
        network(*part)
        for part in zip(torch.split(x, size), torch.split(lengths, size), strict=True)
    ]
    probe.require_same(torch.cat(parts), logits, "the size of the batches changes logits")


def chunks_equal_the_whole(encoder: Encoder, probe: Probe) -> None:
    """Require the same hidden states for whole sequences and for two chunks of them."""
    x = probe.x
    whole = encoder(x, probe.full_lengths)
    probe.require_same(encoder.read(x, None, None)[0], whole, "`read` differs from `forward`")
    for cut in {1, x.shape[1] // 2} - {0}:
        early, state = encoder.read(x[:, :cut], None, None)
        late, _ = encoder.read(x[:, cut:], None, state)
        probe.require_same(
            torch.cat([early, late], dim=1),
            whole,
            "a sequence in two chunks has other hidden states than as a whole; return the state "
            "after the last step, and begin the next chunk with it",
        )


def steps_equal_the_whole(encoder: Encoder, probe: Probe) -> None:
    """Require the same hidden states for whole sequences and for one step after the other.

    A stream begins with the state of `start`, which has the shapes of all later states.
    """
    hidden, state = [], encoder.start(probe.x[:, 0])
    for x_t in probe.x.unbind(1):
        h_t, state = encoder.step(x_t, state)
        hidden.append(h_t)
    probe.require_same(
        torch.stack(hidden, dim=1),
        encoder(probe.x, probe.full_lengths),
        "a sequence step by step has other hidden states than as a whole; if the state does not "
        "begin with zeros, define `start`",
    )


def states_are_those_after_the_last_real_step(encoder: Encoder, probe: Probe) -> None:
    """Require that a padded sequence continues as if it had no padding."""
    x, lengths = probe.x, probe.lengths
    following = torch.randn_like(x[:, :2])
    hidden, state = encoder.read(x, lengths, None)
    after = encoder.read(following, None, state)[0]
    for row, length in enumerate(lengths.tolist()):
        joined = torch.cat([x[row, :length], following[row]])[None]
        alone = encoder(joined, lengths[row : row + 1] + 2)[0]
        expected = torch.cat([hidden[row, :length], after[row]])
        probe.require_same(
            alone,
            expected,
            "the state is not the one after each sequence's last real step; its first axis is the "
            "sequence",
        )


def parameter_groups_are_complete(network: Any) -> None:
    """Require each parameter in one parameter group with a learning rate and a decay.

    network: a module with `parameter_groups`, such as an encoder.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = network.parameter_groups()
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    wrong = [names[key] for key in names if grouped.count(key) != 1]
    if wrong:
        raise ContractError(f"not in exactly one parameter group: {', '.join(wrong)}")
    if foreign := [key for key in grouped if key not in names]:
        raise ContractError(f"{len(foreign)} parameters in the groups are not the network's own")
    for group in groups:
        if group.keys() != {"params", "lr_scale", "decay"}:
            raise ContractError(f"a parameter group has the keys {sorted(group)}")
        if not (group["lr_scale"] > 0 and isinstance(group["decay"], bool)):
            raise ContractError(
                f"a parameter group has lr_scale={group['lr_scale']}, decay={group['decay']}; need "
                "a factor > 0, and true or false"
            )


def gradients_are_finite(network: nn.Module, probe: Probe) -> None:
    """Require a finite gradient that is not zero for each parameter that is trained."""
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    loss = network(probe.x, probe.lengths).square().sum()
    found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
    gradients = dict(zip(trained, found, strict=True))
    wrong = [name for name, g in gradients.items() if g is not None and not g.isfinite().all()]
    if wrong:
        raise ContractError(f"the gradient is not finite: {', '.join(wrong)}")
    unused = [
        name for name, gradient in gradients.items() if gradient is None or not gradient.any()
    ]
    if unused:
        raise ContractError(
            f"no gradient, because the logits do not depend on: {', '.join(unused)}"
        )


def untrained_loss_is_ln_c(
    network: Computes,
    x: Float[Tensor, "n t d"],
    lengths: Int[Tensor, " n"],
    y: Int[Tensor, " n"],
    *,
    num_classes: int,
) -> None:
    """Require a network with fresh weights that prefers no class: its loss is about ln c."""
    with torch.no_grad():
        loss = functional.cross_entropy(network(x, lengths), y).item()
    if not abs(loss - math.log(num_classes)) <= LOSS_TOLERANCE:  # NaN included
        raise ContractError(
            f"the untrained loss is {loss:.2f}, but ln c = {math.log(num_classes):.2f} for c = "
            f"{num_classes} classes; the hidden states are too large"
        )


def config_matches_the_constructor(
    keys: set[str], *, given: set[str], parameters: Mapping[str, Parameter]
) -> None:
    """Require a parameter for each key, and a key for each parameter without a default.

    keys: of the config node, without those that are no arguments.
    given: names of the arguments that come from the data.
    parameters: of the constructor.
    """
    kinds = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    named = {name: one for name, one in parameters.items() if one.kind not in kinds}
    takes_any = len(named) < len(parameters)
    if not takes_any and (unknown := sorted(keys - named.keys())):
        raise ContractError(f"the constructor has no parameter {', '.join(unknown)}")
    required = {name for name, one in named.items() if one.default is Parameter.empty}
    if missing := sorted(required - keys - given):
        raise ContractError(f"the config has no value for {', '.join(missing)}")
    if not takes_any and (ungiven := sorted(given - named.keys())):
        raise ContractError(f"the constructor has no parameter {', '.join(ungiven)}")
