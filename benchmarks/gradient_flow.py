"""How far back the gradient of trained runs reaches, and how saturated their units are.

    python benchmarks/gradient_flow.py RUN_FOLDER ...

For 1,000 test sequences of each run's data and its last checkpoint: the norm of the loss's
gradient with respect to the input at the first, middle and last step (mean over sequences), and
the share of the last layer's units beyond 0.99 in absolute value (tanh is flat there).
"""

import sys
from pathlib import Path

import torch
from torch.nn import functional

from unrolled.building.data import build_data
from unrolled.data.fitted import Fitted
from unrolled.runs.run_folder import RunFolder
from unrolled.training.process import prepare_process
from unrolled.training.trainer import load_classifier

NUM_SEQUENCES = 1000


def report(folder: RunFolder) -> str:
    """Return one line about a run."""
    config = folder.config()
    data = build_data(config)
    data.fitted = Fitted.from_plain(folder.preprocessing())
    data.setup()
    classifier = load_classifier(config, folder)
    classifier.load_state_dict(folder.load_checkpoint(folder.last_checkpoint)["state_dict"])
    assert data.parts.test is not None
    part = data.parts.test.take(torch.arange(NUM_SEQUENCES))
    x = part.x.clone().requires_grad_()
    hidden = classifier.network.encoder(x, part.lengths)
    logits = classifier.network.head(hidden, part.lengths)
    loss = functional.cross_entropy(logits, part.y, reduction="sum")
    loss.backward()
    assert x.grad is not None
    norms = x.grad.norm(dim=2).mean(dim=0)  # (t,)
    saturated = (hidden.abs() > 0.99).float().mean()
    return (
        f"{norms[0]:.1e} {norms[len(norms) // 2]:.1e} {norms[-1]:.1e}  {100 * saturated:5.1f} %  "
        f"loss {loss / NUM_SEQUENCES:.3f}  {folder.path.name}"
    )


if __name__ == "__main__":
    prepare_process(num_threads=1, keep_memory=True)
    print("gradient at the first, middle, last step; saturated units")
    for path in sys.argv[1:]:
        print(report(RunFolder(Path(path))))
