"""How many sequences a second every model reads, while it trains and when it predicts.

    python benchmarks/models.py

Each model as its config has it, batches of digits (8 steps of 8 features) and of MNIST by rows
(28 of 28), one CPU thread. A training step is forward, backward, clipping and AdamW; inference is
forward alone, without gradients. Batch size over the least CPU time of several, in turns over all
models, so that a slow moment of the machine meets all of them.
"""

from collections.abc import Callable
from pathlib import Path
from time import process_time

import torch
from torch import nn
from torch.nn import functional

from unrolled.config.composition import CONF, compose_config
from unrolled.training.trainer import build_classifier

SHAPES = {"digits": (8, 8), "MNIST by rows": (28, 28)}  # steps, features
BATCH_SIZE, NUM_CLASSES, NUM_TURNS = 64, 10, 10


def passes(model: str, num_steps: int, num_features: int) -> tuple[Callable[[], None], ...]:
    """Return a training step and an inference of one model on one batch."""
    torch.manual_seed(0)
    classifier = build_classifier(
        compose_config([f"model={model}"]),
        num_features=num_features,
        num_steps=num_steps,
        num_classes=NUM_CLASSES,
        class_weights=None,
    )
    x = torch.randn(BATCH_SIZE, num_steps, num_features)
    lengths = torch.full((BATCH_SIZE,), num_steps)
    y = torch.randint(NUM_CLASSES, (BATCH_SIZE,))
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=1e-3)

    def train() -> None:
        classifier.train()
        optimizer.zero_grad()
        functional.cross_entropy(classifier(x, lengths), y).backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()

    def predict() -> None:
        classifier.eval()
        with torch.inference_mode():
            classifier(x, lengths)

    return train, predict


def sequences_per_s(shape: tuple[int, int], models: list[str]) -> dict[str, list[float]]:
    """Return, for each model, those of training and of inference."""
    chosen = {model: passes(model, *shape) for model in models}
    least = {model: [float("inf")] * 2 for model in models}
    for turn in range(1 + NUM_TURNS):
        for model, both in chosen.items():
            for index, run in enumerate(both):
                started_at = process_time()
                run()
                if turn:  # the first warms up
                    least[model][index] = min(least[model][index], process_time() - started_at)
    return {model: [BATCH_SIZE / seconds for seconds in least[model]] for model in models}


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    models = sorted(path.stem for path in Path(CONF, "model").glob("[!_]*.yaml"))
    rates = [sequences_per_s(shape, models) for shape in SHAPES.values()]
    columns = [f"{name}, {mode}" for name in SHAPES for mode in ("training", "inference")]
    print("| model |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for model in models:
        row = [rate for by_model in rates for rate in by_model[model]]
        print(f"| `{model}` |", " | ".join(f"{rate:,.0f}" for rate in row), "|")


if __name__ == "__main__":
    main()
