"""`predict abstain_below=`, `threshold=` and `coverage=`: which class is written, and how good."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import unrolled
from conftest import ragged
from unrolled.cli import run
from unrolled.errors import ConfigError, DataError
from unrolled.prediction.answers import answer_rule
from unrolled.prediction.tally import Tally

TrainRagged = Callable[..., Path]

SETTINGS = ("recipe=own", "data.missing=forward")
NAMES = ["falls", "rises"]


def write_file(path: Path, *, num: int, seed: int, wrong: int = 0) -> None:
    """Write labelled sequences; the labels of the first ones are wrong."""
    rows = [
        (f"s{number:03d}", step, *values, NAMES[(number % 2) ^ (number < wrong)])
        for number, sequence in enumerate(ragged(num, seed=seed))
        for step, values in enumerate(sequence)
    ]
    pd.DataFrame(rows, columns=["id", "t", "a", "b", "y"]).to_csv(path, index=False)


@pytest.fixture
def predict(
    train_ragged: TrainRagged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[pd.DataFrame, str]]:
    """Predict 40 labelled sequences; return the table and what was printed."""
    folder = train_ragged(*SETTINGS)
    write_file(tmp_path / "new.csv", num=40, seed=4, wrong=5)
    write_file(tmp_path / "other.csv", num=60, seed=5, wrong=3)

    def carry_out(*words: str, code: int = 0, drop: str | None = None) -> tuple[pd.DataFrame, str]:
        if drop is not None:
            frame = pd.read_csv(tmp_path / "new.csv").drop(columns=drop)
            frame.to_csv(tmp_path / "new.csv", index=False)
        output = tmp_path / "out.csv"
        always = [f"run={folder}", f"input={tmp_path / 'new.csv'}", f"output={output}"]
        words = tuple(word.replace("HERE", str(tmp_path)) for word in words)
        assert run(["predict", *always, "overwrite=true", *words]) == code
        captured = capsys.readouterr()
        return pd.read_csv(output) if code == 0 else pd.DataFrame(), captured.out + captured.err

    return carry_out


def labels() -> np.ndarray:
    return np.array([NAMES[(number % 2) ^ (number < 5)] for number in range(40)])


def test_an_unsure_sequence_is_not_answered(
    predict: Callable[..., tuple[pd.DataFrame, str]],
) -> None:
    plain, _ = predict()
    largest = plain[["p_falls", "p_rises"]].max(axis=1)
    limit = round(float(largest.quantile(0.4)), 4)

    table, printed = predict(f"abstain_below={limit}")

    answered = largest >= limit
    assert 10 < answered.sum() < 35
    assert list(table["predicted"]) == list(plain["predicted"].where(answered, "?"))
    num, right = answered.sum(), (answered & (plain["predicted"] == labels())).sum()
    assert right < num
    assert (
        f"abstain_below={limit:g}: {num} of 40 sequences answered, coverage {num / 40:.4f}; "
        f"{right} of {num} ({right / num:.4f}) of these are correct"
    ) in printed
    pd.testing.assert_frame_equal(table.drop(columns="predicted"), plain.drop(columns="predicted"))


def test_without_labels_only_the_coverage_is_printed(
    predict: Callable[..., tuple[pd.DataFrame, str]],
) -> None:
    _, printed = predict("abstain_below=0.6", drop="y")
    assert re.search(r"of 40 sequences answered, coverage \d\.\d{4}\n", printed)
    assert "no accuracy, because labels cannot be read: " in printed
    assert "'y'" in printed


def test_a_step_can_be_left_unanswered(predict: Callable[..., tuple[pd.DataFrame, str]]) -> None:
    table, printed = predict("abstain_below=0.7", "per_step=true")
    unsure = table[["p_falls", "p_rises"]].max(axis=1) < 0.7
    assert list(table["predicted"] == "?") == list(unsure)
    assert f"{(~unsure).sum()} of {len(table)} steps answered" in printed


@pytest.mark.parametrize("positive", [None, "falls"])
def test_the_positive_class_is_predicted_from_the_threshold_on(
    positive: str | None, predict: Callable[..., tuple[pd.DataFrame, str]]
) -> None:
    name, other = ("rises", "falls") if positive is None else ("falls", "rises")
    plain, _ = predict()
    limit = round(float(plain[f"p_{name}"].quantile(0.2)), 4)

    words = [f"threshold={limit}", *([f"positive={positive}"] if positive else [])]
    table, printed = predict(*words)

    is_positive = plain[f"p_{name}"] >= limit
    assert list(table["predicted"]) == list(np.where(is_positive, name, other))
    assert list(table["predicted"]) != list(plain["predicted"])
    assert f"threshold={limit:g}: '{name}' if p_{name} is at least {limit:g}" in printed
    found = (is_positive & (labels() == name)).sum()
    assert f"{found} of {(labels() == name).sum()} '{name}' are found" in printed
    assert f"{found} of {is_positive.sum()} predicted as '{name}' are right" in printed


def test_sets_have_the_classes_that_are_probable_enough(
    predict: Callable[..., tuple[pd.DataFrame, str]],
) -> None:
    table, printed = predict("coverage=0.9", "calibrate_on=HERE/other.csv")

    smallest = float(re.findall(r"probability of at least (\S+)", printed)[0])
    expected = [
        "|".join(name for name in NAMES if row[f"p_{name}"] >= smallest - 1e-4) or row["predicted"]
        for _, row in table.iterrows()
    ]
    assert list(table.columns) == ["id", "predicted", "set", "p_falls", "p_rises"]
    assert list(table["set"]) == expected
    assert len(set(expected)) > 1
    right = [label in cell.split("|") for label, cell in zip(labels(), expected, strict=True)]
    assert "60 calibration sequences" in printed
    assert f"{sum(right)} of 40 ({np.mean(right):.4f}) contain the label" in printed


REFUSED = {
    "too small": (["abstain_below=0.5"], "abstain_below=0.5: the largest of 2 probabilities"),
    "not a number": (["threshold=half"], "threshold=half: need a number > 0 and < 1"),
    "too large": (["coverage=1", "calibrate_on=HERE/other.csv"], "coverage=1: need a number"),
    "both": (["threshold=0.3", "abstain_below=0.8"], "leave one of them out"),
    "no threshold": (["positive=falls"], "positive=falls needs threshold=0.3"),
    "no class": (["threshold=0.3", "positive=fals"], "no such class; the run has falls, rises"),
    "no file": (["coverage=0.9"], "coverage=0.9 needs calibrate_on=FILE, labelled sequences"),
    "no coverage": (["calibrate_on=HERE/other.csv"], "needs coverage=0.9"),
    "steps": (["coverage=0.9", "calibrate_on=HERE/other.csv", "per_step=true"], "whole sequences"),
    "input": (["coverage=0.9", "calibrate_on=HERE/new.csv"], "new.csv is the input"),
    "training": (["coverage=0.9", "calibrate_on=TRAIN"], "is data.path: the run was trained on it"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_an_answer_without_meaning_is_refused(
    words: list[str],
    message: str,
    predict: Callable[..., tuple[pd.DataFrame, str]],
    train_ragged: TrainRagged,
) -> None:
    text = (train_ragged(*SETTINGS) / "config.yaml").read_text()
    train = re.findall(r"^  path: (.*)$", text, re.MULTILINE)[0]
    _, printed = predict(*[word.replace("TRAIN", train) for word in words], code=2)
    assert message in printed


def test_python_has_the_answers_of_the_command(
    predict: Callable[..., tuple[pd.DataFrame, str]], train_ragged: TrainRagged
) -> None:
    model = unrolled.load(train_ragged(*SETTINGS))
    x, other = ragged(40, seed=4), ragged(60, seed=5)
    y = [NAMES[(number % 2) ^ (number < 3)] for number in range(60)]

    sets = model.fit_sets((other, y), coverage=0.9)
    found = model.predict(x, abstain_below=0.6, sets=sets)

    table, printed = predict("abstain_below=0.6", "coverage=0.9", "calibrate_on=HERE/other.csv")
    assert found.labels == list(table["predicted"])
    assert "?" in found.labels
    assert found.sets == [cell.split("|") for cell in table["set"]]
    assert sets.num == 60
    assert f"between {sets.coverage_range()[0]:.3f} and" in printed
    table, _ = predict("threshold=0.3", "positive=falls")
    found = model.predict(x, threshold=0.3, positive="falls")
    assert found.labels == list(table["predicted"]) != model.predict(x).labels
    assert found.sets is None


def test_python_refuses_an_answer_without_meaning(train_ragged: TrainRagged) -> None:
    model, x = unrolled.load(train_ragged(*SETTINGS)), ragged(9, seed=5)
    sets = model.fit_sets((x, [NAMES[0]] * 9), coverage=0.9)
    for choice, message in (
        ({"abstain_below": 1.5}, "abstain_below=1.5: need a number > 0 and < 1"),
        ({"threshold": 0.3, "abstain_below": 0.8}, "leave one of them out"),
        ({"threshold": 0.3, "sets": sets}, "leave one of them out"),
        ({"positive": "falls"}, "positive=falls needs threshold=0.3"),
    ):
        with pytest.raises(ConfigError, match=message):
            model.predict(x, **choice)
    with pytest.raises(ConfigError, match="coverage=1: need a number"):
        model.fit_sets((x, [NAMES[0]] * 9), coverage=1)
    with pytest.raises(DataError, match="needs at least 9 calibration sequences"):
        model.fit_sets((x[1:], [NAMES[0]] * 8), coverage=0.9)


def test_too_few_calibration_sequences_are_refused_with_their_number(
    predict: Callable[..., tuple[pd.DataFrame, str]], tmp_path: Path
) -> None:
    write_file(tmp_path / "few.csv", num=8, seed=1)
    _, printed = predict("coverage=0.9", "calibrate_on=HERE/few.csv", code=3)
    assert "coverage=0.9 needs at least 9 calibration sequences, but there are 8" in printed


def test_a_threshold_is_for_two_classes() -> None:
    with pytest.raises(ValueError, match=r"threshold=0\.3 is for two classes, but the run has 3"):
        answer_rule(["a", "b", "c"], abstain_below=None, threshold=0.3, positive=None)


def test_a_class_with_the_name_of_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a class of the run is named \?"):
        answer_rule(["?", "b"], abstain_below=0.8, threshold=None, positive=None)


def test_a_class_with_the_separator_of_sets_is_refused() -> None:
    from unrolled.prediction.conformal import PredictionSets

    rule = answer_rule(["a|b", "c"], abstain_below=None, threshold=None, positive=None)
    with pytest.raises(ValueError, match=r"the class 'a\|b' contains \|"):
        Tally(rule, PredictionSets(0.5, 9, 9), noun="sequences")
