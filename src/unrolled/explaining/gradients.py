"""How much of the gradient of the loss reaches the state at earlier steps.

Bengio, Simard & Frasconi (1994), Learning long-term dependencies with gradient descent is
difficult; Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural
networks, section 2.1.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unrolled.building.network import Network
from unrolled.encoders.blocks.encoder import Encoder
from unrolled.streaming.states import leaves, with_leaves


def why_no_state(encoder: Encoder, x: Float[Tensor, "b u k"]) -> str | None:
    """Return why an encoder has no state of constant size, or None if it has one.

    x: what it reads.
    """
    if encoder.backward_size:
        return "with model.bidirectional=true no single state is handed from step to step"
    if not encoder.has_steps:
        return "the model cannot run step by step"
    with torch.no_grad():
        _, first = encoder.step(x[:1, 0], None)
        _, second = encoder.step(x[:1, 0], first)
    if not any(part.is_floating_point() for part in leaves(first)):
        return "the model hands no state from step to step"
    if [part.shape for part in leaves(first)] != [part.shape for part in leaves(second)]:
        return "the state of the model grows with every step"
    return None


def state_gradient_norms(
    network: Network, x: Float[Tensor, "b t d"], lengths: Int[Tensor, " b"], y: Int[Tensor, " b"]
) -> Float[Tensor, "b u"]:
    """Return ||dL/ds|| by the number of steps before the end.

    s_j is the state after j of the u steps that the encoder reads: all numbers that it hands to
    step j + 1, of all layers. L is the cross-entropy of the sequence. Column k - 1 has k = u - j
    steps before the end, so that the last column is the state before the first step. It is NaN
    where a sequence has fewer steps.

    For s_j = a s_{j-1} + x_j and a loss with derivative 1 at the last state, the norm is |a|^k.

    network: `why_no_state` returns None for its encoder.
    x, lengths: prepared sequences. With a stem, u is less than t.
    """
    with torch.no_grad():
        x, lengths, summary = network.stem(network.embed(x), lengths)
    start = network.encoder.start(x[:, 0])
    state = with_leaves(start, (part.detach().clone() for part in leaves(start)))
    for part in leaves(state):
        if part.is_floating_point():
            part.requires_grad_()
    states, outputs = [], []
    for x_t in x.unbind(dim=1):
        # a copy: an output that is the same tensor is not part of what the next step reads
        state = with_leaves(state, (part.clone() for part in leaves(state)))
        states.append([part for part in leaves(state) if part.is_floating_point()])
        output, state = network.encoder.step(x_t, state)
        outputs.append(output)
    logits = network.head(torch.stack(outputs, dim=1), lengths, summary)
    loss = functional.cross_entropy(logits, y, reduction="sum")
    every = [part for parts in states for part in parts]
    gradients = torch.autograd.grad(loss, every, allow_unused=True, materialize_grads=True)
    squares = torch.stack([part.flatten(1).square().sum(dim=1) for part in gradients], dim=1)
    norms = squares.view(len(y), len(states), -1).sum(dim=2).sqrt()  # (b, u), by j
    j = lengths[:, None] - 1 - torch.arange(len(states))
    return torch.where(j >= 0, norms.gather(1, j.clamp(min=0)), torch.nan)


def state_size(encoder: Encoder, x: Float[Tensor, "b u k"]) -> int:
    """Return the numbers in the state of one sequence."""
    with torch.no_grad():
        return sum(part[:1].numel() for part in leaves(encoder.start(x[:1, 0])))
