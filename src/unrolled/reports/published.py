"""Test accuracies from the literature on sets of the UCR archive, from `published.csv`.

The authors trained on the published training set and tested on the published test set. The numbers
come from the results in their repositories (`benchmarks/published_scores.py`), rounded to six
digits:

- InceptionTime: an ensemble of five networks, hfawaz/InceptionTime at 952d115.
- FCN (Wang, Yan & Oates 2017), mean of five runs of the review, hfawaz/dl-4-tsc at e0233ef.
- LSTM-FCN: weights of the lowest training loss, titu1994/LSTM-FCN at 0f258c7. 85 of the 128 sets.
"""

import csv
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("published.csv")

SOURCES = {
    "InceptionTime": "Ismail Fawaz et al. 2020, Data Mining and Knowledge Discovery 34",
    "FCN": "Ismail Fawaz et al. 2019, Data Mining and Knowledge Discovery 33, mean of 5 runs",
    "LSTM-FCN": "Karim et al. 2018, IEEE Access 6",
}


@cache
def published_scores() -> dict[str, dict[str, float]]:
    """Return the test accuracies (0 to 1) of each method, by name and data set."""
    scores: dict[str, dict[str, float]] = {method: {} for method in SOURCES}
    with FILE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for method, by_set in scores.items():
                if row[method]:
                    by_set[row["data set"]] = float(row[method])
    return scores
