"""Draws test accuracy against length, a line per model with a band over seeds.

    unrolled train -m experiment=longer_sequences hydra.sweep.dir=outputs/longer
    unrolled train -m experiment=longer_sequences model=lstm,gru model.chrono_steps=null \
        hydra.sweep.dir=outputs/shut
    python benchmarks/longer_sequences.py outputs/longer outputs/shut longer_sequences.png

Reads the run folders of sweeps. The band goes from the worst to the best seed.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from unrolled.config.values import class_name
from unrolled.runs.run_folder import find_runs

Scores = dict[str, dict[int, list[float]]]  # network, length, accuracy of each seed


def read(sweeps: list[Path]) -> tuple[Scores, float]:
    """Return the accuracies of the runs that are done, and the accuracy of the simple solution."""
    scores: Scores = defaultdict(lambda: defaultdict(list))
    floor = 0.0
    for folder in (folder for sweep in sweeps for folder in find_runs(sweep)):
        result = folder.result()
        if result is None or result.state != "done":
            print(f"left out, not done: {folder.name}")
            continue
        config = folder.config()
        name = class_name(config.model)
        if name != "RNN" and config.model.chrono_steps is None:
            name += ", no chrono_steps"
        scores[name][config.data.source.max_steps].append(result.scores["test/accuracy"])
        floor = result.baselines["the second mark alone"]
    return scores, floor


def draw(scores: Scores, floor: float) -> Figure:
    """Return the picture."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for model, by_length in sorted(scores.items()):
        lengths = sorted(by_length)
        accuracies = [100 * np.array(by_length[length]) for length in lengths]
        (line,) = axes.plot(
            lengths,
            [seeds.mean() for seeds in accuracies],
            marker="o",
            linestyle="--" if "no " in model else "-",
            label=model,
        )
        low, high = ([bound(seeds) for seeds in accuracies] for bound in (np.min, np.max))
        axes.fill_between(lengths, low, high, color=line.get_color(), alpha=0.2)
    axes.axhline(100 * floor, color="grey", linestyle=":", label="the second mark alone")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({length for by_length in scores.values() for length in by_length}))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("steps of a sequence")
    axes.set_ylabel("test accuracy in %")
    axes.legend()
    return figure


def main() -> None:
    """Print a table and write the picture."""
    *sweeps, target = map(Path, sys.argv[1:])
    scores, floor = read(sweeps)
    for model, by_length in sorted(scores.items()):
        for length, seeds in sorted(by_length.items()):
            mean, spread = 100 * np.mean(seeds), 100 * np.std(seeds, ddof=1)
            print(f"| {model} | {length} | {mean:.2f} ± {spread:.2f} ({len(seeds)} seeds) |")
    draw(scores, floor).savefig(target, dpi=150)


if __name__ == "__main__":
    main()
