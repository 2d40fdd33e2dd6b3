"""Compares our MiniRocket and ridge classifier with the one of aeon, on the same arrays.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/minirocket.py PYTHON DIR NAME...

PYTHON is the interpreter of another environment (`pip install aeon`), because aeon needs an older
version of pandas. DIR has a folder per data set (`data.dir`), and the sets have sequences of equal
lengths. Both classifiers are fitted on the published training set, standardized as for
`model=minirocket`, with seeds 0, 1 and 2. Prints the test accuracy of each seed, and the median CPU
time of fitting and testing. aeon compiles its functions before the clock starts.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median
from time import process_time

import numpy as np

SEEDS = (0, 1, 2)
Scores = list[tuple[float, float]]  # accuracy in % and seconds, by seed


def with_ours(arrays: dict[str, np.ndarray]) -> Scores:
    """Return the scores of unrolled. Arrays x are (n, t, d), of float32."""
    import torch

    from unrolled.baselines.minirocket import NUM_FEATURES, MiniRocket

    x, y, test_x = (torch.from_numpy(arrays[name]) for name in ("x", "y", "test_x"))
    lengths, test_lengths = (torch.full((len(z),), z.shape[1]) for z in (x, test_x))
    scores = []
    for seed in SEEDS:
        started_at = process_time()
        model = MiniRocket(num_features=NUM_FEATURES, seed=seed)
        model.fit(x, lengths=lengths, y=y, num_classes=int(y.max()) + 1)
        predicted = model.probabilities(test_x, test_lengths).argmax(dim=1).numpy()
        seconds = process_time() - started_at
        scores.append((100 * float((predicted == arrays["test_y"]).mean()), seconds))
    return scores


def with_aeon(arrays: dict[str, np.ndarray]) -> Scores:
    """Return the scores of aeon."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    x, test_x = (arrays[name].transpose(0, 2, 1) for name in ("x", "test_x"))
    MiniRocketClassifier(random_state=0).fit(x, arrays["y"]).predict(test_x)  # compiles
    scores = []
    for seed in SEEDS:
        started_at = process_time()
        model = MiniRocketClassifier(random_state=seed).fit(x, arrays["y"])
        predicted = model.predict(test_x)
        seconds = process_time() - started_at
        scores.append((100 * float((predicted == arrays["test_y"]).mean()), seconds))
    return scores


def write_arrays(path: Path, *, folder: str, name: str) -> None:
    """Write the prepared training and test set of a data set."""
    from unrolled.building.data import load_data
    from unrolled.config.composition import compose_config

    words = ["data=ucr", f"data.dir={folder}", f"data.name={name}", "data.val_size=0"]
    parts = load_data(compose_config([*words, "model=minirocket", "recipe=own"])).parts
    if parts.test is None or len({*parts.train.lengths.tolist()}) > 1:
        raise SystemExit(f"{name}: need sequences of equal lengths and a test set")
    np.savez(
        path,
        x=parts.train.x.numpy(),
        y=parts.train.y.numpy(),
        test_x=parts.test.x.numpy(),
        test_y=parts.test.y.numpy(),
    )


def main(interpreter: str, folder: str, names: Sequence[str]) -> None:
    """Print a row of a Markdown table per data set."""
    means = []
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "arrays.npz")
            write_arrays(path, folder=folder, name=name)
            ours = with_ours(dict(np.load(path)))
            command = [interpreter, __file__, "--aeon", str(path)]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        theirs = json.loads(answer.stdout.splitlines()[-1])
        cells = [name]
        for scores in (ours, theirs):
            cells.append(f"{fmean(score for score, _ in scores):.2f}")
            cells.append(" ".join(f"{score:.2f}" for score, _ in scores))
            cells.append(f"{median(seconds for _, seconds in scores):.2f}")
        print("| " + " | ".join(cells) + " |", flush=True)
        means.append([fmean(score for score, _ in scores) for scores in (ours, theirs)])
    ours_mean, theirs_mean = np.array(means).mean(axis=0)
    print(f"means {ours_mean:.2f} and {theirs_mean:.2f}")


if __name__ == "__main__":
    if sys.argv[1] == "--aeon":
        print(json.dumps(with_aeon(dict(np.load(sys.argv[2])))))
    else:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
