"""How the time of a training step grows with the length of the sequences, for every model.

    python benchmarks/length.py

Forward and backward over a batch of 32 sequences of 8 features, each model as its config has it but
for 128 units, one CPU thread. Least CPU time of three steps after one that is not counted.
"""

from pathlib import Path
from time import process_time

import torch
from torch.nn import functional

from unrolled.config.composition import CONF, compose_config
from unrolled.training.trainer import build_classifier

LENGTHS = (64, 256, 1024)
BATCH_SIZE, NUM_FEATURES, NUM_CLASSES, NUM_REPEATS = 32, 8, 10, 3


def seconds_of_a_step(model: str, num_steps: int) -> float:
    """Return the CPU time of one forward and backward pass."""
    torch.manual_seed(0)
    config = compose_config([f"model={model}"])
    if "hidden_size" in config.model:
        config.model.hidden_size = 128
    classifier = build_classifier(
        config,
        num_features=NUM_FEATURES,
        num_steps=num_steps,
        num_classes=NUM_CLASSES,
        class_weights=None,
    )
    x = torch.randn(BATCH_SIZE, num_steps, NUM_FEATURES)
    lengths = torch.full((BATCH_SIZE,), num_steps)
    y = torch.randint(NUM_CLASSES, (BATCH_SIZE,))
    times = []
    for _ in range(1 + NUM_REPEATS):
        started_at = process_time()
        functional.cross_entropy(classifier(x, lengths), y).backward()
        times.append(process_time() - started_at)
    return min(times[1:])


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    print("| model |", " | ".join(f"{n} steps, ms" for n in LENGTHS), "|")
    print("|---" * (1 + len(LENGTHS)) + "|")
    for path in sorted(Path(CONF, "model").glob("[!_]*.yaml")):
        if path.stem == "majority":
            continue
        times = [1e3 * seconds_of_a_step(path.stem, n) for n in LENGTHS]
        print(f"| {path.stem} |", " | ".join(f"{t:.0f}" for t in times), "|", flush=True)


if __name__ == "__main__":
    main()
