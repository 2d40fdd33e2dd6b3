"""Writes src/unrolled/reports/published.csv from the results in three authors' repositories.

python benchmarks/published_scores.py FOLDER

FOLDER holds clones of hfawaz/InceptionTime, hfawaz/dl-4-tsc and titu1994/LSTM-FCN, called
InceptionTime, dl-4-tsc and LSTM-FCN. The commits are fixed below.
"""

import csv
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from unrolled.data.sources.ucr_names import UCR
from unrolled.reports.published import FILE

INCEPTION_TIME = ("952d115e83fb3a66d75c5858c702f8dd5eeb18b7", "results-InceptionTime-128.csv")
REVIEW = ("e0233efd886df8c6ca18e6f1b545d15aaf423627", "results/results-ucr-128.csv")
LSTM_FCN = ("0f258c740c4371c7ab50dea2bb5ce0d30c8576f2", "Results/train_loss_old_datasets.csv")

# Names in LSTM_FCN that differ from the archive of 2018 in more than case and signs.
RENAMED = {
    "lighting2": "Lightning2",
    "lighting7": "Lightning7",
    "noninvasivefatalecgthorax1": "NonInvasiveFetalECGThorax1",
    "noninvasivefatalecgthorax2": "NonInvasiveFetalECGThorax2",
    "sonyaiborobotsurface": "SonyAIBORobotSurface1",
    "sonyaiborobotsurfaceii": "SonyAIBORobotSurface2",
    "wordssynonyms": "WordSynonyms",
    "50words": "FiftyWords",
}


def main() -> None:
    """Write the file, and print how many sets each method has."""
    folder = Path(sys.argv[1])
    names = {_plain(name): name for name in UCR} | RENAMED
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(folder / "InceptionTime", *INCEPTION_TIME):
        scores["InceptionTime"][row["dataset_name"]].append(float(row["accuracy"]))
    for row in _rows(folder / "dl-4-tsc", *REVIEW):
        if row["classifier_name"] == "fcn":  # five runs
            scores["FCN"][row["dataset_name"]].append(float(row["accuracy"]))
    for row in _rows(folder / "LSTM-FCN", *LSTM_FCN):
        scores["LSTM-FCN"][names[_plain(row["Dataset"])]].append(float(row["LSTM-FCN"]))
    with FILE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["data set", *scores])
        for name in sorted(UCR):
            found = (by_set.get(name) for by_set in scores.values())
            writer.writerow([name, *(f"{fmean(one):.6f}" if one else "" for one in found)])
    print({method: len(by_set) for method, by_set in scores.items()})


def _rows(repository: Path, commit: str, path: str) -> Iterator[dict[str, str]]:
    command = ["git", "-C", str(repository), "show", f"{commit}:{path}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    yield from csv.DictReader(text.splitlines())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


if __name__ == "__main__":
    main()
