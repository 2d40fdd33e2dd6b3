"""One step of streams as a module whose inputs and outputs are tensors."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unrolled.export.graph import Graph
from unrolled.streaming.run_steps import RunSteps
from unrolled.streaming.states import leaves, with_leaves
from unrolled.streaming.windows import WindowSteps


class StepGraph(nn.Module):
    """Class probabilities after one more step, and the state for the next.

    steps: the run step by step.
    graph: the run as a whole, of which windows use the networks.
    """

    def __init__(self, steps: RunSteps, graph: Graph) -> None:
        super().__init__()
        self.steps = steps
        if isinstance(steps.classified, WindowSteps):
            steps.classified.ensemble = graph.ensemble
        self.structure = steps.start(1)

    def start(self) -> list[Tensor]:
        """Return the state of one stream before the first step."""
        return [part.detach().clone() for part in leaves(self.structure)]

    def forward(self, x: Float[Tensor, "b d"], *state: Tensor) -> tuple[Tensor, ...]:
        """Return the probabilities, (b, c), and the tensors of the next state."""
        probabilities, after = self.steps(x, with_leaves(self.structure, iter(state)))
        return probabilities.clone(), *(part.clone() for part in leaves(after))

    @property
    def state_grows(self) -> bool:
        """Whether a state has other shapes than the one before, as the keys of attention have."""
        x = torch.zeros(1, self.steps.num_features, dtype=torch.float64)
        before = self.start()
        with torch.no_grad():
            _, *after = self(x, *before)
        return any(a.shape != b.shape for a, b in zip(after, before, strict=True))
