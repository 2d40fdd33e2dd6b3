"""CPU time of `unrolled list` and `unrolled report` over many runs, here and in another checkout.

    git worktree add ../before a536495
    OMP_NUM_THREADS=1 python benchmarks/tables.py before=../before/src [runs=1000] [pairs=3]

Each version trains one run of an epoch. The script copies it with other seeds, sizes and scores.
The commands of both versions run in turn. Each row shows the medians and the ratio of each pair.
"""

import hashlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1] / "src"
TRAIN = ("train", "trainer.max_epochs=1", "model.hidden_size=8", "hydra.run.dir=one")
COMMANDS = (("list",), ("report", "outputs", "baselines=false"))
NUM_SEEDS = 50  # of each setting
FILES = ("preprocessing.json", "provenance.json", "metrics.csv")


def cpu_seconds(words: tuple[str, ...], *, source: Path, folder: Path) -> float:
    """Return user and system time of a command that runs in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-m", "unrolled", *words]
    before = os.times()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def copy_runs(one: Path, folder: Path, *, num_runs: int) -> None:
    """Write copies of a run that have other seeds, sizes and scores."""
    rng = random.Random(0)  # noqa: S311 - no secret
    config, result = (
        (one / "config.yaml").read_text(),
        json.loads((one / "result.json").read_text()),
    )
    for number in range(num_runs):
        setting, seed = divmod(number, NUM_SEEDS)
        copy = folder / f"outputs/digits/lstm/{number:06}"
        copy.mkdir(parents=True)
        for name in FILES:
            shutil.copy(one / name, copy / name)
        text = re.sub(r"(?m)^seed: .*$", f"seed: {seed}", config)
        text = text.replace("hidden_size: 8", f"hidden_size: {8 + setting}")
        (copy / "config.yaml").write_text(text)
        scores = {name: value and rng.random() for name, value in result["scores"].items()}
        (copy / "result.json").write_text(json.dumps(result | {"seed": seed, "scores": scores}))
        if (one / "manifest.json").is_file():
            present = [path for path in copy.iterdir() if path.suffix != ".log"]
            hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in present}
            (copy / "manifest.json").write_text(json.dumps({"sha256": hashes}))


def main(settings: dict[str, str]) -> None:
    """Measure and print a row per command."""
    num_runs, pairs = int(settings.get("runs", 1000)), int(settings.get("pairs", 3))
    sources = {"before": Path(settings["before"]).absolute(), "here": HERE}
    with tempfile.TemporaryDirectory() as root:
        folders = {name: Path(root, name) for name in sources}
        for name, source in sources.items():
            folders[name].mkdir()
            cpu_seconds(TRAIN, source=source, folder=folders[name])
            copy_runs(folders[name] / "one", folders[name], num_runs=num_runs)
        print(f"{num_runs:,} runs, {pairs} pairs, CPU time\n")
        print("| command | before | here | ratio | smallest to largest |\n|---|---|---|---|---|")
        for words in COMMANDS:
            times = [
                [cpu_seconds(words, source=sources[n], folder=folders[n]) for n in sources]
                for _ in range(pairs)
            ]
            before, here = (statistics.median(column) for column in zip(*times, strict=True))
            ratios = sorted(second / first for first, second in times)
            print(
                f"| `{' '.join(words)}` | {before:.2f} s | {here:.2f} s | "
                f"{statistics.median(ratios):.3f} | {ratios[0]:.3f} to {ratios[-1]:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(dict(word.split("=", 1) for word in sys.argv[1:]))
