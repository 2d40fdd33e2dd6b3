"""Accuracy of `recipe=small` for growing training sets, around the 500 sequences where it changes.

    OMP_NUM_THREADS=1 python benchmarks/small_border.py folder=DIR name=PLAID \
        [sizes=300,400,499,500,600,800] [seeds=1,2,3]

Reads NAME_TRAIN.ts and NAME_TEST.ts of the UCR archive (univariate), shuffles all their sequences
with a fixed seed, and trains on the first ones. The sequences after the largest size are the test
set of every training, so the rows differ in the training set alone. Below 500 sequences nothing is
selected; from 500 on, a tenth of the training set is held out and chooses the best epoch.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import numpy.typing as npt

import unrolled

QUIET = ["logger=none", "data.baselines=false", "~callbacks.progress", "report.examples=0"]


def read(path: Path) -> tuple[list[npt.NDArray[np.float64]], list[str]]:
    """Return the sequences and labels of a univariate .ts file."""
    text = path.read_text(encoding="utf-8")
    lines = text[text.lower().index("@data") + len("@data") :].split()
    values, labels = zip(*(line.rsplit(":", 1) for line in lines), strict=True)
    return [np.array(value.split(","), dtype=np.float64) for value in values], list(labels)


def main(settings: dict[str, str]) -> None:
    """Print a row per size."""
    folder, name = Path(settings["folder"]), settings["name"]
    sizes = [int(word) for word in settings.get("sizes", "300,400,499,500,600,800").split(",")]
    seeds = settings.get("seeds", "1,2,3").split(",")
    parts = [read(folder / f"{name}_{split}.ts") for split in ("TRAIN", "TEST")]
    x = [sequence for part, _ in parts for sequence in part]
    y = np.array([label for _, part in parts for label in part])
    order = np.random.default_rng(0).permutation(len(x))
    test = order[max(sizes) :]
    print(f"{name}: {len(test)} test sequences, seeds {' '.join(seeds)}")
    print(
        "| training sequences | test accuracy in % | seeds | steps | CPU s |\n|---|---|---|---|---|"
    )
    for size in sizes:
        train, scores, started_at = order[:size], [], process_time()
        for seed in seeds:
            with tempfile.TemporaryDirectory() as run:
                found = unrolled.train(
                    [*QUIET, f"seed={seed}", f"hydra.run.dir={run}/run"],
                    data=([x[i] for i in train], y[train]),
                    test=([x[i] for i in test], y[test]),
                )
                scores.append(100 * found.test_accuracy)
                steps = found.result.num_steps
        seconds = (process_time() - started_at) / len(seeds)
        print(
            f"| {size} | {statistics.mean(scores):.2f} ± {statistics.stdev(scores):.2f} | "
            f"{' '.join(f'{score:.2f}' for score in scores)} | {steps} | {seconds:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(dict(word.split("=", 1) for word in sys.argv[1:]))
